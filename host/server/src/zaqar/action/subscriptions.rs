//! Subscriptions: of the websocket that asks for them. Zaqar has others, that send messages to web
//! servers and by mail; here nobody is told but who is connected.

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Answer, Asker, Call};
use crate::zaqar::frame::Form;
use crate::zaqar::limits;
use crate::zaqar::project::{Refusal, RefusalKind};
use crate::zaqar::push::Subscription;

/// The kinds of subscribers that Zaqar knows (`zaqar.notification.tasks`).
const KINDS: [&str; 5] = ["http", "https", "mailto", "trust+http", "trust+https"];

pub(super) async fn create(
    call: &Call<'_>,
    asker: &mut Asker,
    form: Form,
) -> Result<Answer, Refusal> {
    let other = call.request.text("subscriber");
    if !other.is_empty() {
        return Err(another(other));
    }
    let ttl = call
        .request
        .number("ttl")
        .unwrap_or(limits::SUBSCRIPTION_TTL);
    limits::subscription_ttl(ttl, call.now)?;
    let queue = call.queue();
    call.project
        .ensure_queue(queue, call.zaqar.settings.queues)
        .await?;
    asker.forget_ended(call.now);
    let most = call.zaqar.settings.subscriptions;
    if asker.subscriptions.len() >= most {
        return Err(Refusal::unavailable(format!(
            "the connection has {most} subscriptions, which is all that it may have: delete some"
        )));
    }
    let options = call.request.body.get("options").cloned();
    let subscription = Subscription {
        id: Uuid::new_v4().to_string(),
        subscriber: format!("websocket:{}", asker.id),
        ttl,
        expires: call.now + ttl,
        options: options.unwrap_or_else(|| json!({})),
        to: asker.to.clone(),
    };
    let id = subscription.id.clone();
    if !call.project.subscribe(queue, subscription, call.now) {
        return Ok(Answer::new(
            409,
            format!("Subscription {queue} not created."),
        ));
    }
    asker.to.set_form(form);
    let kept = (Arc::clone(&call.project), queue.to_owned(), id.clone());
    asker.subscriptions.push(kept);
    let message = format!("Subscription {queue} created.");
    Ok(Answer::new(
        201,
        json!({"subscription_id": id, "message": message}),
    ))
}

/// Why somebody else is not told.
fn another(subscriber: &str) -> Refusal {
    let kind = subscriber.split_once(':').map_or("", |(kind, _)| kind);
    if KINDS.contains(&kind) {
        return Refusal::invalid(
            "The subscriber type of subscription must be supported in the list [].",
        );
    }
    Refusal::unexpected(format!(
        "No 'zaqar.notification.tasks' driver found, looking for '{kind}'"
    ))
}

impl Asker {
    /// Forgets the subscriptions that others have ended, or time.
    fn forget_ended(&mut self, now: i64) {
        self.subscriptions
            .retain(|(project, queue, id)| project.subscription(queue, id, now).is_some());
    }
}

pub(super) fn list(call: &Call<'_>) -> Result<Answer, Refusal> {
    let limit = limits::rows(call.request.number("limit"))?;
    let marker = call.request.body.get("marker").and_then(Value::as_str);
    let found = call
        .project
        .subscriptions(call.queue(), marker, limit, call.now);
    let rows: Vec<_> = found.iter().map(|one| row(call, one)).collect();
    Ok(Answer::new(200, json!({"subscriptions": rows})))
}

pub(super) fn get(call: &Call<'_>) -> Result<Answer, Refusal> {
    let id = call.request.text("subscription_id");
    let found = call.project.subscription(call.queue(), id, call.now);
    let found = found.ok_or_else(|| {
        let text = format!("Subscription {id} does not exist");
        Refusal::new(RefusalKind::NoSubscription, text)
    })?;
    Ok(Answer::new(200, row(call, &found)))
}

pub(super) fn delete(call: &Call<'_>) -> Answer {
    let id = call.request.text("subscription_id");
    call.project.unsubscribe(call.queue(), id);
    Answer::new(204, format!("Subscription {id} removed."))
}

fn row(call: &Call<'_>, one: &Subscription) -> Value {
    json!({
        "id": one.id, "source": call.queue(), "subscriber": one.subscriber, "ttl": one.ttl,
        "age": call.now - (one.expires - one.ttl), "options": one.options, "confirmed": false,
    })
}
