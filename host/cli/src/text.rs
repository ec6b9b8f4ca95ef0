//! Values, durations, blame and tables, in words.

use comfy_table::Table;
use ostro_core::{ActionErrorKind, Value};

use crate::terminal;

/// A duration in seconds, for people: `0.4s`, `12.3s`, `4m05s`, `2h03m`.
pub(crate) fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    if seconds < 59.95 {
        return format!("{seconds:.1}s");
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates, and the number is not negative"
    )]
    let whole = seconds.round() as u64;
    if whole < 3600 {
        format!("{}m{:02}s", whole / 60, whole % 60)
    } else {
        format!("{}h{:02}m", whole / 3600, whole % 3600 / 60)
    }
}

/// Seconds to the millisecond: what JSON shows.
pub(crate) fn milliseconds(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

/// The time between two moments in milliseconds, in seconds.
#[expect(
    clippy::cast_precision_loss,
    reason = "no execution takes 2^53 milliseconds"
)]
pub(crate) fn seconds_between(from: i64, to: i64) -> f64 {
    to.saturating_sub(from).max(0) as f64 / 1000.0
}

/// A value for people: text as it is, everything else as JSON.
pub(crate) fn pretty(value: &Value) -> String {
    match value {
        Value::String(text) => terminal::clean(text),
        other => serde_json::to_string_pretty(other).unwrap_or_else(|_| other.to_string()),
    }
}

/// Who is to blame for a failed action.
pub(crate) fn blame(kind: ActionErrorKind) -> &'static str {
    match kind {
        ActionErrorKind::Action => "the action itself failed",
        ActionErrorKind::Trap => "the component trapped",
        ActionErrorKind::Limit => "a limit was reached",
        ActionErrorKind::Call => "the call could not be made",
        ActionErrorKind::Host => "the host or a service failed",
    }
}

/// The word for a kind, as JSON has it too.
pub(crate) fn kind(kind: ActionErrorKind) -> &'static str {
    match kind {
        ActionErrorKind::Action => "action",
        ActionErrorKind::Trap => "trap",
        ActionErrorKind::Limit => "limit",
        ActionErrorKind::Call => "call",
        ActionErrorKind::Host => "host",
    }
}

/// How many there are of something: `1 file`, `2 files`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// A table without the blanks that fill up its lines.
pub(crate) fn trimmed(table: &Table) -> String {
    let lines: Vec<String> = table
        .lines()
        .map(|line| {
            line.strip_prefix(' ')
                .unwrap_or(&line)
                .trim_end()
                .to_owned()
        })
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short_and_exact_enough() {
        for (seconds, text) in [
            (0.0, "0.0s"),
            (0.44, "0.4s"),
            (59.94, "59.9s"),
            (59.96, "1m00s"),
            (245.2, "4m05s"),
            (7384.0, "2h03m"),
            (-1.0, "0.0s"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }
}
