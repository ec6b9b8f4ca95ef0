//! Notifications as services send them with oslo.messaging.

use serde_json::Value;

use crate::start::Object;

/// How large the body of a notification may be, in bytes.
const MAX_BODY: usize = 16 << 20;

/// What stands before the names of what belongs to the context.
const CONTEXT: &str = "_context_";

/// What a service tells.
#[derive(Debug)]
pub(super) struct Notification {
    /// What tells it from all others, if it has such.
    pub(super) id: Option<String>,
    pub(super) event_type: String,
    /// Who tells it.
    pub(super) publisher: Value,
    pub(super) payload: Value,
    pub(super) timestamp: Value,
    /// Whose request it comes of.
    pub(super) context: Object,
}

impl Notification {
    /// Reads the body of a message: the notification as JSON, or an envelope that has this as text
    /// (`oslo_messaging/_drivers/common.py`). The error says what it is instead.
    pub(super) fn parse(body: &[u8]) -> Result<Self, &'static str> {
        if body.len() > MAX_BODY {
            return Err("it is too large");
        }
        let mut message = object(body)?;
        if message.contains_key("oslo.version")
            && let Some(inner) = message.get("oslo.message")
        {
            let inner = inner.as_str().ok_or("its envelope has no text")?;
            message = object(inner.as_bytes())?;
        }
        let mut context = Object::new();
        message.retain(|name, value| {
            let of_context = name.strip_prefix(CONTEXT);
            if let Some(name) = of_context {
                context.insert(name.to_owned(), value.take());
            }
            of_context.is_none()
        });
        let mut take = |name: &str| message.get_mut(name).map(Value::take).unwrap_or_default();
        let Value::String(event_type) = take("event_type") else {
            return Err("it has no event_type");
        };
        let id = [take("message_id"), take("_unique_id")]
            .into_iter()
            .find_map(|id| match id {
                Value::String(id) if !id.is_empty() => Some(id),
                _ => None,
            });
        let timestamp = match take("timestamp") {
            Value::Null => context.get("timestamp").cloned().unwrap_or_default(),
            timestamp => timestamp,
        };
        Ok(Self {
            id,
            event_type,
            publisher: take("publisher_id"),
            payload: take("payload"),
            timestamp,
            context,
        })
    }

    /// The project whose request it comes of, if it comes of one.
    pub(super) fn project(&self) -> Option<&str> {
        self.context.get("project_id").and_then(Value::as_str)
    }
}

fn object(json: &[u8]) -> Result<Object, &'static str> {
    serde_json::from_slice(json).map_err(|_| "it is no JSON object")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_plain_form_and_the_envelope_are_the_same() {
        let plain = json!({
            "message_id": "m",
            "_unique_id": "u",
            "event_type": "compute.start",
            "publisher_id": "compute.one",
            "payload": [1],
            "priority": "INFO",
            "timestamp": "2026-03-01 10:20:30",
            "_context_project_id": "p",
            "_context_roles": ["r"],
        })
        .to_string();
        let envelope = json!({"oslo.version": "2.0", "oslo.message": plain}).to_string();
        for body in [plain, envelope] {
            let read = Notification::parse(body.as_bytes()).unwrap();
            assert_eq!(read.id.as_deref(), Some("m"));
            assert_eq!(read.event_type, "compute.start");
            assert_eq!(read.payload, json!([1]));
            assert_eq!(read.project(), Some("p"));
            let context = json!({"project_id": "p", "roles": ["r"]});
            assert_eq!(Value::Object(read.context), context);
        }
    }

    #[test]
    fn what_is_no_notification_is_told_from_one() {
        for (body, wanted) in [
            ("", "it is no JSON object"),
            ("[]", "it is no JSON object"),
            ("{}", "it has no event_type"),
            (r#"{"event_type": 1}"#, "it has no event_type"),
            (
                r#"{"oslo.version": "2.0", "oslo.message": {}}"#,
                "its envelope has no text",
            ),
            (
                r#"{"oslo.version": "2.0", "oslo.message": "["}"#,
                "it is no JSON object",
            ),
        ] {
            let error = Notification::parse(body.as_bytes()).unwrap_err();
            assert_eq!(error, wanted, "{body}");
        }
    }
}
