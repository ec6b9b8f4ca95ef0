//! How rows are written in answers.

mod action;
mod execution;
mod task;

use serde_json::{Map, Value};

pub(crate) use self::action::{action, updated_at};
pub(crate) use self::execution::execution;
pub(crate) use self::task::task;

/// A time in milliseconds since 1970 UTC, as Mistral writes one: `2026-01-02 03:04:05`.
pub(crate) fn time(millis: i64) -> Value {
    match jiff::Timestamp::from_millisecond(millis) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S").to_string().into(),
        Err(_) => Value::Null,
    }
}

/// As [`time`], where there may be none.
pub(crate) fn maybe_time(millis: Option<i64>) -> Value {
    millis.map_or(Value::Null, time)
}

/// JSON in a text, which is how Mistral gives what callers shape; `missing` where there is none.
pub(crate) fn json_text(json: Option<&str>, missing: &str) -> Value {
    json.unwrap_or(missing).into()
}

/// The object that `json` is.
fn object(json: Value) -> Map<String, Value> {
    match json {
        Value::Object(row) => row,
        _ => Map::new(),
    }
}

/// The list that a text of JSON is; nothing is an empty one.
fn list(json: Option<&str>) -> Value {
    let list = json.and_then(|json| serde_json::from_str(json).ok());
    list.unwrap_or(Value::Array(Vec::new()))
}
