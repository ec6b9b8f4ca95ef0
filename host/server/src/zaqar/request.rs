//! Which requests make sense: Zaqar's schemas (`zaqar/api/v2/request.py`), as a table.

use serde_json::{Map, Value};

use super::action::Action;
use crate::python::python;

/// What a field of a body is.
#[derive(Clone, Copy)]
enum Type {
    String,
    Integer,
    Boolean,
    Array,
    Object,
}

/// A field of a body, and whether it must be there.
type Field = (&'static str, Type, bool);

/// Headers that are texts, if they are there.
const HEADERS: [&str; 6] = [
    "User-Agent",
    "Date",
    "Accept",
    "Client-ID",
    "X-Project-ID",
    "X-Auth-Token",
];

const QUEUE: Field = ("queue_name", Type::String, true);
const CLAIM: Field = ("claim_id", Type::String, true);
const MESSAGE: Field = ("message_id", Type::String, true);
const SUBSCRIPTION: Field = ("subscription_id", Type::String, true);

/// Every action and the fields of its body. Fields that are not here are taken as they are.
const SCHEMAS: &[(&str, Action, &[Field])] = &[
    ("authenticate", Action::Authenticate, &[]),
    (
        "claim_create",
        Action::ClaimCreate,
        &[
            QUEUE,
            ("limit", Type::Integer, false),
            ("ttl", Type::Integer, false),
            ("grace", Type::Integer, false),
        ],
    ),
    ("claim_delete", Action::ClaimDelete, &[QUEUE, CLAIM]),
    ("claim_get", Action::ClaimGet, &[QUEUE, CLAIM]),
    (
        "claim_update",
        Action::ClaimUpdate,
        &[QUEUE, CLAIM, ("ttl", Type::Integer, false)],
    ),
    (
        "message_delete",
        Action::MessageDelete,
        &[QUEUE, MESSAGE, ("claim_id", Type::String, false)],
    ),
    (
        "message_delete_many",
        Action::MessageDeleteMany,
        &[
            QUEUE,
            ("message_ids", Type::Array, false),
            ("claim_ids", Type::Array, false),
            ("pop", Type::Integer, false),
        ],
    ),
    ("message_get", Action::MessageGet, &[QUEUE, MESSAGE]),
    (
        "message_get_many",
        Action::MessageGetMany,
        &[QUEUE, ("message_ids", Type::Array, true)],
    ),
    (
        "message_list",
        Action::MessageList,
        &[
            QUEUE,
            ("marker", Type::String, false),
            ("limit", Type::Integer, false),
            ("echo", Type::Boolean, false),
            ("include_claimed", Type::Boolean, false),
        ],
    ),
    (
        "message_post",
        Action::MessagePost,
        &[QUEUE, ("messages", Type::Array, true)],
    ),
    ("queue_create", Action::QueueCreate, &[QUEUE]),
    ("queue_delete", Action::QueueDelete, &[QUEUE]),
    ("queue_get", Action::QueueGet, &[QUEUE]),
    ("queue_get_stats", Action::QueueGetStats, &[QUEUE]),
    (
        "queue_list",
        Action::QueueList,
        &[
            ("marker", Type::String, false),
            ("limit", Type::Integer, false),
            ("detailed", Type::Boolean, false),
        ],
    ),
    (
        "queue_purge",
        Action::QueuePurge,
        &[QUEUE, ("resource_types", Type::Array, false)],
    ),
    (
        "subscription_create",
        Action::SubscriptionCreate,
        &[
            QUEUE,
            ("subscriber", Type::String, false),
            ("ttl", Type::Integer, false),
            ("options", Type::Object, false),
        ],
    ),
    (
        "subscription_delete",
        Action::SubscriptionDelete,
        &[QUEUE, SUBSCRIPTION],
    ),
    (
        "subscription_get",
        Action::SubscriptionGet,
        &[QUEUE, SUBSCRIPTION],
    ),
    ("subscription_list", Action::SubscriptionList, &[QUEUE]),
];

impl Type {
    fn takes(self, value: &Value) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Boolean => value.is_boolean(),
            Self::Array => value.is_array(),
            Self::Object => value.is_object(),
        }
    }
}

/// A request that makes sense.
pub(super) struct Request {
    pub(super) action: Action,
    pub(super) headers: Map<String, Value>,
    pub(super) body: Map<String, Value>,
}

impl Request {
    /// The request that a frame is, or what is wrong with it.
    pub(super) fn parse(frame: &Map<String, Value>) -> Result<Self, String> {
        let name = frame.get("action").unwrap_or(&Value::Null);
        let schema = name
            .as_str()
            .and_then(|name| SCHEMAS.iter().find(|schema| schema.0 == name));
        let Some((_, action, fields)) = schema else {
            let name = name.as_str().map_or_else(|| python(name), str::to_owned);
            return Err(format!("{name} is not a valid action"));
        };
        Self::fitting(frame, *action, fields).ok_or_else(|| "Schema validation failed.".to_owned())
    }

    fn fitting(frame: &Map<String, Value>, action: Action, fields: &[Field]) -> Option<Self> {
        let headers = frame.get("headers")?.as_object()?;
        let text = |name: &&str| headers.get(*name).is_none_or(Value::is_string);
        let needed = match action {
            Action::Authenticate => ["X-Project-ID", "X-Auth-Token"],
            _ => ["Client-ID", "X-Project-ID"],
        };
        if !HEADERS.iter().all(text) || needed.iter().any(|name| !headers.contains_key(*name)) {
            return None;
        }
        let body = match frame.get("body") {
            // What is said in vain is not looked at.
            _ if action == Action::Authenticate => Map::new(),
            None if action == Action::QueueList => Map::new(),
            body => body?.as_object()?.clone(),
        };
        let fits = |(name, ty, required): &Field| match body.get(*name) {
            None => !required,
            Some(value) => ty.takes(value),
        };
        fields.iter().all(fits).then(|| Self {
            action,
            headers: headers.clone(),
            body,
        })
    }

    /// A header that is a text.
    pub(super) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(Value::as_str);
        value.unwrap_or_default()
    }

    /// A field of the body that is a text; empty where there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        self.body
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// A field of the body that is a number.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        let value = self.body.get(name)?;
        // What is larger than all limits is so as well when it is cut.
        value.as_i64().or_else(|| value.as_u64().map(|_| i64::MAX))
    }

    /// A field of the body that is true or false.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.body
            .get(name)
            .and_then(Value::as_bool)
            .unwrap_or_default()
    }

    /// A field of the body that is a list; only its texts are of interest.
    pub(super) fn texts(&self, name: &str) -> Option<Vec<String>> {
        let list = self.body.get(name)?.as_array()?;
        let text = |item: &Value| {
            item.as_str()
                .map_or_else(|| item.to_string(), str::to_owned)
        };
        Some(list.iter().map(text).collect())
    }
}
