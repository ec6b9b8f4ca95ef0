//! What Zaqar allows by default (`zaqar/conf/transport.py`, `zaqar/transport/validation.py`), and
//! what it says to the rest.

use serde_json::{Map, Value};

use super::project::Refusal;
use crate::python::{class, python};

/// How large a frame may be: a post of the most characters, all of them escaped in JSON.
pub(super) const FRAME_BYTES: usize = 2 << 20;
/// How many rows a page has at most, and a claim messages.
const MAX_PAGE: i64 = 20;
/// How many it has where nobody says (`zaqar/storage/base.py`).
pub(super) const PAGE: usize = 10;
pub(super) const CLAIM_TTL: i64 = 300;
pub(super) const CLAIM_GRACE: i64 = 60;
pub(super) const SUBSCRIPTION_TTL: i64 = 3600;
pub(super) const POST_SIZE: i64 = 256 << 10;
const MIN_TTL: i64 = 60;
const MAX_MESSAGE_TTL: i64 = 1_209_600;
const MAX_CLAIM_TTL: i64 = 43_200;
const MAX_DELAY: i64 = 900;
const MAX_METADATA: usize = 64 << 10;
const MAX_NAME: usize = 64;
/// The end of Python's calendar, in seconds since 1970.
const END_OF_TIME: i64 = 253_402_300_799;

/// A queue's name.
pub(super) fn queue_name(name: &str) -> Result<(), Refusal> {
    if name.chars().count() > MAX_NAME {
        return Err(Refusal::invalid(format!(
            "Queue names may not be more than {MAX_NAME} characters long."
        )));
    }
    let known = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if name.is_empty() || !name.chars().all(known) {
        return Err(Refusal::invalid(
            "Queue names may only contain ASCII letters, digits, underscores, and dashes.",
        ));
    }
    Ok(())
}

/// What a queue is described by.
pub(super) fn metadata(metadata: &Value) -> Result<Map<String, Value>, Refusal> {
    if python(metadata).chars().count() > MAX_METADATA {
        return Err(Refusal::invalid(format!(
            "Queue metadata is too large. Max size: {MAX_METADATA}"
        )));
    }
    let map = match metadata {
        Value::Object(map) => map,
        Value::Null => return Ok(Map::new()),
        other => {
            let class = class(other);
            return Err(Refusal::unexpected(format!(
                "'{class}' object has no attribute 'get'"
            )));
        }
    };
    integer(map, "_default_message_ttl", |ttl| {
        (!(MIN_TTL..=MAX_MESSAGE_TTL).contains(&ttl)).then(|| {
            format!(
                "_default_message_ttl can not exceed {MAX_MESSAGE_TTL} seconds, and must be at \
                 least {MIN_TTL} seconds long."
            )
        })
    })?;
    integer(map, "_max_messages_post_size", |size| {
        (!(1..=POST_SIZE).contains(&size)).then(|| {
            format!(
                "_max_messages_post_size can not exceed {POST_SIZE},  and must be at least greater \
                 than 0."
            )
        })
    })?;
    integer(map, "_max_claim_count", |_| None)?;
    integer(map, "_dead_letter_queue_messages_ttl", |ttl| {
        message_ttl(ttl).err().map(|refusal| refusal.text)
    })?;
    integer(map, "_default_message_delay", |delay| {
        (!(0..=MAX_DELAY).contains(&delay)).then(|| {
            format!(
                "The TTL can not exceed {MAX_DELAY} seconds, and must be at least 0 seconds long."
            )
        })
    })?;
    match map.get("_enable_encrypt_messages") {
        None | Some(Value::Null | Value::Bool(_)) => Ok(map.clone()),
        Some(_) => Err(Refusal::invalid(
            "_enable_encrypt_messages must be boolean.",
        )),
    }
}

/// A number of metadata, with what is wrong with it.
fn integer(
    map: &Map<String, Value>,
    name: &str,
    wrong: impl Fn(i64) -> Option<String>,
) -> Result<(), Refusal> {
    match map.get(name) {
        None | Some(Value::Null) => Ok(()),
        Some(value) => match value.as_i64() {
            None => Err(Refusal::invalid(format!("{name} must be integer."))),
            Some(number) => wrong(number).map_or(Ok(()), |text| Err(Refusal::invalid(text))),
        },
    }
}

/// How many queues a page may have.
pub(super) fn queues(limit: Option<i64>) -> Result<usize, Refusal> {
    page(limit, "no greater than")
}

/// How many messages, subscriptions or claimed messages a page may have.
pub(super) fn rows(limit: Option<i64>) -> Result<usize, Refusal> {
    page(limit, "may not be greater than")
}

fn page(limit: Option<i64>, words: &str) -> Result<usize, Refusal> {
    let Some(limit) = limit else {
        return Ok(PAGE);
    };
    let refused = || Refusal::invalid(format!("Limit must be at least 1 and {words} {MAX_PAGE}."));
    (1..=MAX_PAGE)
        .contains(&limit)
        .then(|| usize::try_from(limit).ok())
        .flatten()
        .ok_or_else(refused)
}

/// How long a message is kept.
pub(super) fn message_ttl(ttl: i64) -> Result<(), Refusal> {
    within(ttl, MAX_MESSAGE_TTL, "TTL for a message")
}

/// How long a message may not be seen.
pub(super) fn delay(delay: i64) -> Result<(), Refusal> {
    if (0..=MAX_DELAY).contains(&delay) {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "The Delay TTL for a message may not exceed {MAX_DELAY} seconds,and must be at least 0 \
         seconds long."
    )))
}

/// How long a claim lasts.
pub(super) fn claim_ttl(ttl: i64) -> Result<(), Refusal> {
    within(ttl, MAX_CLAIM_TTL, "TTL for a claim")
}

/// How long messages are kept at least after their claim.
pub(super) fn claim_grace(grace: i64) -> Result<(), Refusal> {
    within(grace, MAX_CLAIM_TTL, "grace for a claim")
}

fn within(seconds: i64, most: i64, what: &str) -> Result<(), Refusal> {
    if (MIN_TTL..=most).contains(&seconds) {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "The {what} may not exceed {most} seconds, and must be at least {MIN_TTL} seconds long."
    )))
}

/// How long a subscription lasts.
pub(super) fn subscription_ttl(ttl: i64, now: i64) -> Result<(), Refusal> {
    if ttl != 0 && ttl < MIN_TTL {
        return Err(Refusal::invalid(format!(
            "The TTL for a subscription must be at least {MIN_TTL} seconds long."
        )));
    }
    if ttl > END_OF_TIME - now {
        return Err(Refusal::invalid(
            "The TTL seconds for a subscription plus current time must be less than \
             9999-12-31 23:59:59.999999.",
        ));
    }
    Ok(())
}

/// How large the messages of a post are: Zaqar counts Python's text of them.
pub(super) fn post_size(
    messages: &[Value],
    settings: usize,
    queue: &Map<String, Value>,
) -> Result<(), Refusal> {
    let size = python(&Value::Array(messages.to_vec())).chars().count();
    let own = queue.get("_max_messages_post_size").and_then(Value::as_u64);
    if let Some(own) = own
        .and_then(|own| usize::try_from(own).ok())
        .filter(|own| *own > 0)
    {
        let most = own.min(settings);
        if size > most {
            return Err(Refusal::invalid(format!(
                "Message collection size is too large. The max size for current queue is {most}. \
                 It is calculated by max size = min(max_messages_post_size_config: {settings}, \
                 max_messages_post_size_queue: {own})."
            )));
        }
    }
    if size > settings {
        return Err(Refusal::invalid(format!(
            "Message collection size is too large. Max size {settings}"
        )));
    }
    Ok(())
}

/// What is to be deleted: messages by their ids, or a number of the first.
pub(super) enum Deletion {
    Ids(Vec<String>),
    Pop(usize),
}

pub(super) fn deletion(ids: Option<Vec<String>>, pop: Option<i64>) -> Result<Deletion, Refusal> {
    match (ids, pop) {
        (Some(_), Some(_)) => Err(Refusal::invalid(
            "pop and id params cannot be present together in the delete request.",
        )),
        (None, None) => Err(Refusal::invalid(
            "The request should have either \"ids\" or \"pop\" parameter in the request, to be \
             able to delete.",
        )),
        (None, Some(pop)) => {
            let refused = || {
                Refusal::invalid(format!(
                    "Pop value must be at least 1 and may not be greater than {MAX_PAGE}."
                ))
            };
            let count = usize::try_from(pop).map_err(|_| refused())?;
            if pop == 0 || pop > MAX_PAGE {
                return Err(refused());
            }
            Ok(Deletion::Pop(count))
        }
        (Some(ids), None) => {
            if ids.is_empty() || i64::try_from(ids.len()).unwrap_or(i64::MAX) > MAX_PAGE {
                return Err(Refusal::invalid(format!(
                    "ids parameter should have at least 1 and not greater than {MAX_PAGE} values."
                )));
            }
            Ok(Deletion::Ids(ids))
        }
    }
}
