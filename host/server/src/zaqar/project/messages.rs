//! What can be done with messages.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::queues::room_for_queue;
use super::{Project, Refusal, RefusalKind};
use crate::zaqar::kept::Message;
use crate::zaqar::{ZaqarSettings, limits, push};

/// Which messages are wanted.
#[derive(Default)]
pub(in crate::zaqar) struct Wanted<'a> {
    /// The id of the one before the first.
    pub(in crate::zaqar) marker: Option<&'a str>,
    pub(in crate::zaqar) limit: usize,
    /// Who asks, and doesn't see what they have posted.
    pub(in crate::zaqar) not_of: Option<&'a str>,
    pub(in crate::zaqar) include_claimed: bool,
    pub(in crate::zaqar) include_delayed: bool,
}

/// A message that is to be posted.
struct Posted {
    ttl: i64,
    delay: i64,
    body: Value,
}

impl Message {
    fn age(&self, now: i64) -> i64 {
        now - self.created
    }

    /// As answers to requests have it.
    pub(in crate::zaqar) fn formatted(&self, claim: Option<&str>, now: i64) -> Value {
        json!({
            "id": self.id, "claim_id": claim, "ttl": self.ttl, "age": self.age(now),
            "body": self.body,
        })
    }

    /// As Zaqar's stores have it.
    pub(in crate::zaqar) fn basic(&self, now: i64) -> Value {
        json!({
            "id": self.id, "age": self.age(now), "ttl": self.ttl, "body": self.body,
            "claim_id": self.claimed(now), "claim_count": self.claim_count,
        })
    }

    pub(in crate::zaqar) fn with_time(&self, now: i64) -> Value {
        let mut basic = self.basic(now);
        let created = jiff::Timestamp::from_second(self.created).unwrap_or_default();
        basic["created"] = json!(created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        basic
    }
}

impl Project {
    /// The messages of a queue that are wanted.
    pub(in crate::zaqar) fn messages(
        &self,
        queue: &str,
        wanted: &Wanted<'_>,
        now: i64,
    ) -> Result<Vec<Message>, Refusal> {
        let state = self.state();
        let queue = state.queue(queue, &self.name)?;
        let from = wanted.marker.and_then(|marker| queue.rank(marker));
        let behind = queue.messages.range(from.map_or(0, |rank| rank + 1)..);
        let seen = behind.map(|(_, message)| message).filter(|one| {
            one.is_there(now)
                && (wanted.include_claimed || one.claimed(now).is_none())
                && (wanted.include_delayed || one.delayed <= now)
                && wanted.not_of.is_none_or(|client| one.client != client)
        });
        Ok(seen.take(wanted.limit).cloned().collect())
    }

    /// A message.
    pub(in crate::zaqar) fn message(
        &self,
        queue: &str,
        id: &str,
        now: i64,
    ) -> Result<Message, Refusal> {
        let state = self.state();
        let found = state.queue(queue, &self.name)?.message(id, now);
        found.cloned().ok_or_else(|| {
            let project = &self.name;
            Refusal::new(
                RefusalKind::NoMessage,
                format!("Message {id} does not exist in queue {queue} for project {project}"),
            )
        })
    }

    /// Those messages with these ids that there are.
    pub(in crate::zaqar) fn messages_of(
        &self,
        queue: &str,
        ids: &[String],
        now: i64,
    ) -> Vec<Message> {
        let state = self.state();
        let queue = state.queues.get(queue);
        let found = ids.iter().filter_map(|id| queue?.message(id, now).cloned());
        found.collect()
    }

    /// Posts messages, tells who has subscribed, and gives their ids. `fields` are those that
    /// messages may have beside their body.
    pub(in crate::zaqar) async fn post(
        &self,
        queue: &str,
        messages: &[Value],
        client: &str,
        may_delay: bool,
        settings: &ZaqarSettings,
        now: i64,
    ) -> Result<Vec<String>, Refusal> {
        limits::queue_name(queue)?;
        let metadata = self.metadata(queue).unwrap_or_default();
        let posted = posted(messages, client, may_delay, &metadata, settings)?;
        let (client, posted) = (posted.0, posted.1);
        let kept = self
            .change(|state, edits| {
                let found = state.queues.get(queue);
                let (id, first, there) = if let Some(found) = found {
                    (found.kept.id.clone(), found.next(), found.messages.len())
                } else {
                    room_for_queue(state.queues.len(), settings.queues)?;
                    let made = edits.put_queue(&self.name, queue, Map::new());
                    (made.id, 0, 0)
                };
                if there + posted.len() > settings.messages {
                    return Err(Refusal::unavailable(format!(
                        "queue {queue} holds {there} messages, which is all that it may hold: \
                         delete some, or have them kept for a shorter time"
                    )));
                }
                if state.bytes > settings.bytes {
                    return Err(Refusal::unavailable(format!(
                        "the messages of the project have {} bytes, which is all that they may \
                         have: delete some, or have them kept for a shorter time",
                        state.bytes
                    )));
                }
                let kept = (first..).zip(posted).map(|(rank, one)| Message {
                    id: Uuid::new_v4().to_string(),
                    queue: id.clone(),
                    rank,
                    ttl: one.ttl,
                    created: now,
                    expires: now + one.ttl,
                    delayed: now + one.delay,
                    client: client.clone(),
                    claim: None,
                    claim_count: 0,
                    body: one.body,
                    size: 0,
                });
                let kept: Vec<Message> = kept.collect();
                for message in &kept {
                    edits.put_message(queue, message.clone());
                }
                // In the order of the posts, and before the next one.
                let (name, told) = (queue.to_owned(), kept.clone());
                edits.then(move |state| {
                    let of_queue = state.subscriptions.get(&name);
                    let to = of_queue.into_iter().flatten().map(|(_, one)| one);
                    push::tell(to, &name, &told, now);
                });
                Ok(kept)
            })
            .await?;
        Ok(kept.into_iter().map(|message| message.id).collect())
    }

    /// Deletes a message, if the claim on it is the one that is named.
    pub(in crate::zaqar) async fn delete_message(
        &self,
        queue: &str,
        id: &str,
        claim: Option<&str>,
        now: i64,
    ) -> Result<(), Refusal> {
        self.change(|state, edits| {
            let Some(found) = state.queues.get(queue) else {
                return Ok(());
            };
            let Some(message) = found.message(id, now) else {
                return Ok(());
            };
            match (claim, message.claimed(now)) {
                (None, None) => {}
                (None, Some(_)) => {
                    let text = format!("Message {id} is claimed");
                    return Err(Refusal::new(RefusalKind::Claimed, text));
                }
                (Some(claim), of) => {
                    let is_known = Uuid::parse_str(claim).is_ok();
                    let is_there = found.claim(claim, now).is_some();
                    if !is_known || (of.is_some_and(|of| of != claim) && !is_there) {
                        return Err(self.no_claim(queue, claim));
                    }
                    match of {
                        None => {
                            let text = format!("Message {id} is no longer claimed");
                            return Err(Refusal::new(RefusalKind::NotClaimed, text));
                        }
                        Some(of) if of != claim => {
                            let text = format!("Message {id} is not claimed by {claim}");
                            return Err(Refusal::new(RefusalKind::Claimed, text));
                        }
                        Some(_) => {}
                    }
                }
            }
            edits.drop_message(queue, id);
            Ok(())
        })
        .await
    }

    /// Deletes messages, claimed or not.
    pub(in crate::zaqar) async fn delete_messages(
        &self,
        queue: &str,
        ids: &[String],
    ) -> Result<(), Refusal> {
        self.change(|state, edits| {
            let Some(found) = state.queues.get(queue) else {
                return Ok(());
            };
            for id in ids.iter().filter(|id| found.rank(id).is_some()) {
                edits.drop_message(queue, id);
            }
            Ok(())
        })
        .await
    }

    /// Takes the first messages that nobody has claimed.
    pub(in crate::zaqar) async fn pop(
        &self,
        queue: &str,
        count: usize,
        now: i64,
    ) -> Result<Vec<Message>, Refusal> {
        self.change(|state, edits| {
            let Some(found) = state.queues.get(queue) else {
                return Ok(Vec::new());
            };
            // Zaqar claims them before it deletes them.
            let claim = Uuid::new_v4().to_string();
            let free = found.free(now).take(count).cloned();
            let taken = free.map(|message| Message {
                claim: Some((claim.clone(), now + 1)),
                ..message
            });
            let taken: Vec<Message> = taken.collect();
            for message in &taken {
                edits.drop_message(queue, &message.id);
            }
            Ok(taken)
        })
        .await
    }
}

/// The messages of a post and who posts them, if all of it makes sense.
fn posted(
    messages: &[Value],
    client: &str,
    may_delay: bool,
    metadata: &Map<String, Value>,
    settings: &ZaqarSettings,
) -> Result<(String, Vec<Posted>), Refusal> {
    limits::post_size(messages, settings.post_size, metadata)?;
    let own = |name: &str| metadata.get(name).and_then(Value::as_i64);
    let ttl = own("_default_message_ttl").filter(|ttl| *ttl != 0);
    let ttl = ttl.unwrap_or(settings.message_ttl);
    let delay = if may_delay {
        own("_default_message_delay")
    } else {
        None
    };
    let delay = delay.unwrap_or(0);
    let number = |message: &Value, name: &str, default: i64| match message.get(name) {
        None => Ok(default),
        Some(value) => {
            let number = value.as_i64().or(value.as_u64().map(|_| i64::MAX));
            number.ok_or_else(|| {
                let text = format!("The value of the \"{name}\" field must be a int.");
                Refusal::new(RefusalKind::Field, text)
            })
        }
    };
    let mut posted = Vec::with_capacity(messages.len());
    for message in messages {
        let ttl = number(message, "ttl", ttl)?;
        let body = message
            .get("body")
            .cloned()
            .ok_or_else(|| Refusal::new(RefusalKind::Field, "Missing \"body\" field."))?;
        let delay = if may_delay {
            number(message, "delay", delay)?
        } else {
            0
        };
        posted.push(Posted { ttl, delay, body });
    }
    let client = Uuid::parse_str(client);
    let client = client.map_err(|_| Refusal::invalid(NO_CLIENT))?;
    if posted.is_empty() {
        return Err(Refusal::invalid("No messages to enqueu."));
    }
    for message in &posted {
        limits::message_ttl(message.ttl)?;
        limits::delay(message.delay)?;
    }
    Ok((client.to_string(), posted))
}

/// What Python says of a client's id that is no UUID.
pub(in crate::zaqar) const NO_CLIENT: &str = "badly formed hexadecimal UUID string";
