//! What can be done with claims: messages that one client works on, and nobody else gets.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Edits, Project, Queue, Refusal, RefusalKind, State};
use crate::zaqar::kept::{Claim, Message};
use crate::zaqar::limits;

impl Queue {
    /// The messages that can be claimed, in order.
    pub(super) fn free(&self, now: i64) -> impl Iterator<Item = &Message> {
        let all = self.messages.values();
        all.filter(move |one| one.is_there(now) && one.claimed(now).is_none() && one.delayed <= now)
    }
}

impl Project {
    pub(super) fn no_claim(&self, queue: &str, id: &str) -> Refusal {
        let project = &self.name;
        Refusal::new(
            RefusalKind::NoClaim,
            format!("Claim {id} does not exist in queue {queue} for project {project}"),
        )
    }

    /// Claims messages. Where there are none, the claim has an id and is not kept; where all have
    /// been claimed too often and go to another queue, it has none.
    pub(in crate::zaqar) async fn create_claim(
        &self,
        queue: &str,
        (ttl, grace): (i64, i64),
        limit: Option<i64>,
        now: i64,
    ) -> Result<(Option<String>, Vec<Message>), Refusal> {
        limits::claim_ttl(ttl)?;
        let limit = limits::rows(limit)?;
        limits::claim_grace(grace)?;
        self.change(|state, edits| {
            let id = Uuid::new_v4().to_string();
            let Some(found) = state.queues.get(queue) else {
                return Ok((Some(id), Vec::new()));
            };
            let free: Vec<&Message> = found.free(now).take(limit).collect();
            if free.is_empty() {
                return Ok((Some(id), Vec::new()));
            }
            let mut graves = Graves::of(found);
            let mut claimed = Vec::with_capacity(free.len());
            for message in free {
                let mut message = message.clone();
                if let Some(graves) = &mut graves {
                    if message.claim_count >= graves.most {
                        graves.bury(&message, found, (&self.name, state), edits, now);
                        continue;
                    }
                    message.claim_count += 1;
                }
                hold(&mut message, &id, (ttl, grace), now);
                edits.put_message(queue, message.clone());
                claimed.push(message);
            }
            if claimed.is_empty() {
                return Ok((None, claimed));
            }
            let claim = Claim {
                id: id.clone(),
                queue: found.kept.id.clone(),
                ttl,
                expires: now + ttl,
            };
            edits.put_claim(queue, claim);
            Ok((Some(id), claimed))
        })
        .await
    }

    /// A claim and its messages.
    pub(in crate::zaqar) fn claim(
        &self,
        queue: &str,
        id: &str,
        now: i64,
    ) -> Result<(Claim, Vec<Message>), Refusal> {
        let state = self.state();
        let found = state.queues.get(queue);
        let claim = found.and_then(|found| Some((found, found.claim(id, now)?)));
        let (found, claim) = claim.ok_or_else(|| self.no_claim(queue, id))?;
        Ok((claim.clone(), of_claim(found, id, now).cloned().collect()))
    }

    /// Has a claim begin again.
    pub(in crate::zaqar) async fn update_claim(
        &self,
        queue: &str,
        id: &str,
        (ttl, grace): (i64, i64),
        now: i64,
    ) -> Result<(), Refusal> {
        limits::claim_ttl(ttl)?;
        self.change(|state, edits| {
            let found = state.queues.get(queue);
            let claim = found.and_then(|found| Some((found, found.claim(id, now)?)));
            let (found, claim) = claim.ok_or_else(|| self.no_claim(queue, id))?;
            for message in of_claim(found, id, now) {
                let mut message = message.clone();
                hold(&mut message, id, (ttl, grace), now);
                edits.put_message(queue, message);
            }
            let claim = Claim {
                ttl,
                expires: now + ttl,
                ..claim.clone()
            };
            edits.put_claim(queue, claim);
            Ok(())
        })
        .await
    }

    /// Ends a claim, so that its messages can be claimed by others.
    pub(in crate::zaqar) async fn delete_claim(
        &self,
        queue: &str,
        id: &str,
        now: i64,
    ) -> Result<(), Refusal> {
        self.change(|state, edits| {
            let Some(found) = state.queues.get(queue) else {
                return Ok(());
            };
            if found.claim(id, now).is_none() {
                return Ok(());
            }
            for message in of_claim(found, id, now) {
                let message = Message {
                    claim: None,
                    ..message.clone()
                };
                edits.put_message(queue, message);
            }
            edits.drop_claim(queue, id);
            Ok(())
        })
        .await
    }
}

fn of_claim<'a>(queue: &'a Queue, id: &'a str, now: i64) -> impl Iterator<Item = &'a Message> {
    let all = queue.messages.values();
    all.filter(move |one| one.is_there(now) && one.claimed(now) == Some(id))
}

/// Has a claim hold a message, which is kept until some time after its end.
fn hold(message: &mut Message, claim: &str, (ttl, grace): (i64, i64), now: i64) {
    let end = now + ttl;
    message.claim = Some((claim.to_owned(), end));
    if message.expires < end {
        message.ttl = ttl + grace;
        message.expires = end + grace;
    }
}

/// Where a queue's messages go that have been claimed too often.
struct Graves<'a> {
    /// How often they may be claimed.
    most: i64,
    name: &'a str,
    ttl: Option<i64>,
    /// The id of that queue and its next place, once it is needed.
    place: Option<(String, u64)>,
}

impl<'a> Graves<'a> {
    /// None where a queue has no such place.
    fn of(queue: &'a Queue) -> Option<Self> {
        let metadata = &queue.kept.metadata;
        let name = metadata.get("_dead_letter_queue")?.as_str()?;
        if limits::queue_name(name).is_err() || name == queue.kept.name {
            return None;
        }
        Some(Self {
            most: metadata.get("_max_claim_count")?.as_i64()?,
            name,
            ttl: metadata
                .get("_dead_letter_queue_messages_ttl")
                .and_then(Value::as_i64),
            place: None,
        })
    }

    fn bury(
        &mut self,
        message: &Message,
        from: &Queue,
        (project, state): (&str, &State),
        edits: &mut Edits,
        now: i64,
    ) {
        let name = self.name;
        let (id, next) = self
            .place
            .get_or_insert_with(|| match state.queues.get(name) {
                Some(queue) => (queue.kept.id.clone(), queue.next()),
                None => (edits.put_queue(project, name, Map::new()).id, 0),
            });
        let ttl = self.ttl.unwrap_or(message.ttl);
        let moved = Message {
            queue: id.clone(),
            rank: *next,
            ttl,
            expires: now + ttl,
            claim: None,
            ..message.clone()
        };
        *next += 1;
        edits.leave(&from.kept.name, &message.id);
        edits.put_message(name, moved);
    }
}
