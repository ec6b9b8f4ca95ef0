//! Messages.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Answer, Call};
use crate::zaqar::kept::Message;
use crate::zaqar::limits::{self, Deletion};
use crate::zaqar::project::Refusal;
use crate::zaqar::project::messages::{NO_CLIENT, Wanted};

pub(super) fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    let client = Uuid::parse_str(call.request.header("Client-ID"));
    let client = client.map_err(|_| Refusal::invalid(NO_CLIENT))?.to_string();
    let limit = limits::rows(call.request.number("limit"))?;
    let wanted = Wanted {
        marker: call.request.body.get("marker").and_then(Value::as_str),
        limit,
        not_of: (!call.request.flag("echo")).then_some(&client),
        include_claimed: call.request.flag("include_claimed"),
        include_delayed: call.request.flag("include_delayed"),
    };
    let messages = call.project.messages(call.queue(), &wanted, call.now)?;
    Ok(Answer::new(
        200,
        json!({"messages": formatted(&messages, call.now)}),
    ))
}

pub(super) fn get(call: &Call<'_>) -> Result<Answer, Refusal> {
    let id = call.request.text("message_id");
    let message = call.project.message(call.queue(), id, call.now)?;
    Ok(Answer::new(
        200,
        json!({"messages": message.formatted(None, call.now)}),
    ))
}

pub(super) fn get_many(call: &Call<'_>) -> Result<Answer, Refusal> {
    let ids = call.request.texts("message_ids").unwrap_or_default();
    limits::rows(Some(i64::try_from(ids.len()).unwrap_or(i64::MAX)))?;
    let messages = call.project.messages_of(call.queue(), &ids, call.now);
    Ok(Answer::new(
        200,
        json!({"messages": formatted(&messages, call.now)}),
    ))
}

pub(super) async fn post(call: &Call<'_>) -> Result<Answer, Refusal> {
    let messages = call.request.body.get("messages").and_then(Value::as_array);
    let messages = messages.map_or(&[][..], Vec::as_slice);
    let client = call.request.header("Client-ID");
    let settings = &call.zaqar.settings;
    let posted = call
        .project
        .post(call.queue(), messages, client, false, settings, call.now);
    Ok(Answer::new(201, json!({"message_ids": posted.await?})))
}

pub(super) async fn delete(call: &Call<'_>) -> Result<Answer, Refusal> {
    let claim = call.request.body.get("claim_id").and_then(Value::as_str);
    let id = call.request.text("message_id");
    let deleted = call
        .project
        .delete_message(call.queue(), id, claim, call.now);
    deleted.await?;
    Ok(Answer::new(204, json!({})))
}

pub(super) async fn delete_many(call: &Call<'_>) -> Result<Answer, Refusal> {
    let ids = call.request.texts("message_ids");
    match limits::deletion(ids, call.request.number("pop"))? {
        Deletion::Ids(ids) => {
            call.project.delete_messages(call.queue(), &ids).await?;
            Ok(Answer::new(204, json!({})))
        }
        Deletion::Pop(count) => {
            let taken = call.project.pop(call.queue(), count, call.now).await?;
            let taken: Vec<_> = taken.iter().map(|one| one.basic(call.now)).collect();
            Ok(Answer::new(200, json!({"messages": taken})))
        }
    }
}

fn formatted(messages: &[Message], now: i64) -> Vec<Value> {
    messages
        .iter()
        .map(|one| one.formatted(None, now))
        .collect()
}
