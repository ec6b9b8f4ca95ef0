//! Text for states' explanations.

use std::sync::Arc;

use ostro_core::Value;

/// How many bytes an explanation may have. Results can be of any size, explanations are for
/// people and are copied from execution to execution.
const MAX_BYTES: usize = 64 << 10;

/// `value` as an explanation: text as it is, all else as JSON.
pub(crate) fn explain(value: &Value) -> String {
    cut(match value {
        Value::String(text) => text.to_string(),
        other => other.to_string(),
    })
}

/// `text` at a length that an explanation may have.
pub(crate) fn cut(mut text: String) -> String {
    if text.len() > MAX_BYTES {
        let mut end = MAX_BYTES;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Names as Mistral lists them: `['a', 'b']`.
pub(crate) fn list(names: &[Arc<str>]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("'{name}'")).collect();
    format!("[{}]", names.join(", "))
}

/// `millis` since 1970 UTC as Mistral's expressions show times: `2026-01-31 23:59:59`.
pub(crate) fn time(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis)
        .map(|time| time.strftime("%Y-%m-%d %H:%M:%S").to_string())
        .unwrap_or_default()
}
