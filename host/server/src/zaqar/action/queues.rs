//! Queues.

use serde_json::{Value, json};

use super::{Answer, Call};
use crate::zaqar::limits;
use crate::zaqar::project::Refusal;

pub(super) fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    let limit = limits::queues(call.request.number("limit"))?;
    let marker = Some(call.request.text("marker")).filter(|marker| !marker.is_empty());
    let queues = call.project.queues(marker, limit).into_iter();
    let is_detailed = call.request.flag("detailed");
    let rows = queues.map(|(name, metadata)| {
        if is_detailed {
            json!({"name": name, "metadata": metadata})
        } else {
            json!({"name": name})
        }
    });
    Ok(Answer::new(
        200,
        json!({"queues": rows.collect::<Vec<_>>()}),
    ))
}

pub(super) async fn create(call: &Call<'_>) -> Result<Answer, Refusal> {
    let metadata = call.request.body.get("metadata").unwrap_or(&Value::Null);
    let most = call.zaqar.settings.queues;
    let is_new = call
        .project
        .create_queue(call.queue(), metadata, most)
        .await?;
    let status = if is_new { 201 } else { 204 };
    Ok(Answer::new(
        status,
        format!("Queue {} created.", call.queue()),
    ))
}

pub(super) async fn delete(call: &Call<'_>) -> Result<Answer, Refusal> {
    call.project.delete_queue(call.queue()).await?;
    Ok(Answer::new(204, format!("Queue {} removed.", call.queue())))
}

/// What a queue is described by; one that is not there, by nothing, as in Zaqar.
pub(super) fn get(call: &Call<'_>) -> Answer {
    let metadata = call.project.metadata(call.queue());
    Answer::new(200, Value::Object(metadata.unwrap_or_default()))
}

pub(super) fn stats(call: &Call<'_>) -> Answer {
    match call.project.stats(call.queue(), call.now) {
        Some(stats) => Answer::new(200, stats),
        None => Answer::new(
            404,
            json!({"messages": {"claimed": 0, "free": 0, "total": 0}}),
        ),
    }
}

pub(super) async fn purge(call: &Call<'_>) -> Result<Answer, Refusal> {
    let kinds = call.request.texts("resource_types");
    let wants = |kind: &str| {
        let kinds = kinds.as_ref();
        kinds.is_none_or(|kinds| kinds.iter().any(|one| one == kind))
    };
    let (messages, subscriptions) = (wants("messages"), wants("subscriptions"));
    let purged = call
        .project
        .purge(call.queue(), messages, subscriptions, call.now);
    purged.await?;
    Ok(Answer::new(204, json!({})))
}
