//! Claims.

use serde_json::json;

use super::{Answer, Call};
use crate::zaqar::limits;
use crate::zaqar::project::Refusal;

fn times(call: &Call<'_>) -> (i64, i64) {
    let number = |name: &str, default: i64| call.request.number(name).unwrap_or(default);
    (
        number("ttl", limits::CLAIM_TTL),
        number("grace", limits::CLAIM_GRACE),
    )
}

pub(super) async fn create(call: &Call<'_>) -> Result<Answer, Refusal> {
    let limit = call.request.number("limit");
    let made = call
        .project
        .create_claim(call.queue(), times(call), limit, call.now);
    let (id, messages) = made.await?;
    if messages.is_empty() {
        return Ok(Answer::new(204, json!({"claim_id": id})));
    }
    let rows = messages
        .iter()
        .map(|one| one.formatted(id.as_deref(), call.now));
    let rows: Vec<_> = rows.collect();
    Ok(Answer::new(201, json!({"claim_id": id, "messages": rows})))
}

pub(super) fn get(call: &Call<'_>) -> Result<Answer, Refusal> {
    let id = call.request.text("claim_id");
    let (claim, messages) = call.project.claim(call.queue(), id, call.now)?;
    let rows = messages.iter().map(|one| one.formatted(Some(id), call.now));
    let rows: Vec<_> = rows.collect();
    let age = call.now - (claim.expires - claim.ttl);
    Ok(Answer::new(
        200,
        json!({"age": age, "ttl": claim.ttl, "messages": rows}),
    ))
}

pub(super) async fn update(call: &Call<'_>) -> Result<Answer, Refusal> {
    let id = call.request.text("claim_id");
    let updated = call
        .project
        .update_claim(call.queue(), id, times(call), call.now);
    updated.await?;
    Ok(Answer::new(204, format!("Claim {id} updated.")))
}

pub(super) async fn delete(call: &Call<'_>) -> Result<Answer, Refusal> {
    let id = call.request.text("claim_id");
    call.project
        .delete_claim(call.queue(), id, call.now)
        .await?;
    Ok(Answer::new(204, format!("Claim {id} deleted.")))
}
