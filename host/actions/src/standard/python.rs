//! Values as the Python behind Mistral's actions writes them.

use std::fmt::Write as _;

use ostro_core::Value;
use ostro_lang::{python_json_text, python_str};

/// `value` as `json.dumps` writes it: ASCII, with a space after `,` and `:`. None for a number
/// that JSON has not.
pub(super) fn json(value: &Value) -> Option<String> {
    let mut out = String::new();
    write_json(&mut out, value).then_some(out)
}

fn write_json(out: &mut String, value: &Value) -> bool {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Float(number) if !number.is_finite() => return false,
        Value::Int(_) | Value::Float(_) => out.push_str(&python_str(value)),
        Value::String(text) => python_json_text(out, text),
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                if !write_json(out, item) {
                    return false;
                }
            }
            out.push(']');
        }
        Value::Map(entries) => {
            out.push('{');
            for (index, (key, item)) in entries.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                python_json_text(out, key);
                out.push_str(": ");
                if !write_json(out, item) {
                    return false;
                }
            }
            out.push('}');
        }
    }
    true
}

/// The pairs as `urllib.parse.urlencode` writes them.
pub(super) fn urlencode<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = String::new();
    for (key, value) in pairs {
        out.push_str(if out.is_empty() { "" } else { "&" });
        quote_plus(&mut out, key);
        out.push('=');
        quote_plus(&mut out, value);
    }
    out
}

fn quote_plus(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'_' | b'.' | b'-' | b'~' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ => _ = write!(out, "%{byte:02X}"),
        }
    }
}

/// `text` in bytes as Python's HTTP client sends it: Latin-1 where that is enough.
pub(super) fn latin1(text: &str) -> Vec<u8> {
    let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
    bytes.unwrap_or_else(|| text.as_bytes().to_vec())
}
