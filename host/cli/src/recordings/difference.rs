//! Differences between a recording and its replay, as text and as JSON.

use ostro_sandbox::Difference;
use serde_json::{Value, json};

use crate::terminal;

/// How many characters of a value are shown.
const MOST: usize = 2000;

/// What the two sides of a difference are called.
#[derive(Clone, Copy)]
pub(crate) struct Words {
    before: &'static str,
    now: &'static str,
}

impl Words {
    /// For recordings.
    pub(crate) const RECORDED: Self = Self {
        before: "recorded",
        now: "now",
    };
    /// For test cases.
    pub(crate) const EXPECTED: Self = Self {
        before: "expected",
        now: "came",
    };

    /// A line that says where, and one for each side.
    pub(crate) fn lines(self, difference: &Difference) -> [String; 3] {
        let width = self.before.len().max(self.now.len()) + 1;
        let side = |word: &str, value: Option<&Value>| {
            let word = format!("{word}:");
            format!("  {word:width$} {}", shown(value))
        };
        [
            terminal::clean_line(&difference.to_string()),
            side(self.before, difference.recorded.as_ref()),
            side(self.now, difference.now.as_ref()),
        ]
    }

    /// The same as JSON.
    pub(crate) fn json(self, difference: &Difference) -> Value {
        json!({
            "place": difference.place,
            "path": difference.path,
            self.before: difference.recorded,
            self.now: difference.now,
        })
    }
}

fn shown(value: Option<&Value>) -> String {
    let Some(value) = value else {
        return "nothing".to_owned();
    };
    let text = terminal::clean_line(&value.to_string());
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}… ({} bytes in all)", &text[..at], text.len()),
        None => text,
    }
}
