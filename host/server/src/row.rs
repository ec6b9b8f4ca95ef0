//! How rows are written in answers.

use serde_json::Value;

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
