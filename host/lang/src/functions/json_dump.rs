//! JSON as Python's `json.dumps(…, indent=4)` writes it: ASCII only.

use std::fmt::Write as _;

use ostro_core::Value;

use crate::text::python_float;

/// `value` as JSON text.
pub(super) fn dump(value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, value, 0);
    out
}

fn write_value(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        // Writing to a string can't fail.
        Value::Int(number) => _ = write!(out, "{number}"),
        Value::Float(number) if number.is_nan() => out.push_str("NaN"),
        Value::Float(number) if number.is_infinite() => {
            out.push_str(if *number > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            });
        }
        Value::Float(number) => out.push_str(&python_float(*number)),
        Value::String(text) => write_text(out, text),
        Value::List(items) if items.is_empty() => out.push_str("[]"),
        Value::Map(entries) if entries.is_empty() => out.push_str("{}"),
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                next_line(out, index, depth);
                write_value(out, item, depth + 1);
            }
            line(out, depth);
            out.push(']');
        }
        Value::Map(entries) => {
            out.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                next_line(out, index, depth);
                write_text(out, key);
                out.push_str(": ");
                write_value(out, value, depth + 1);
            }
            line(out, depth);
            out.push('}');
        }
    }
}

fn next_line(out: &mut String, index: usize, depth: usize) {
    if index > 0 {
        out.push(',');
    }
    line(out, depth + 1);
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("    ", depth));
}

/// Writes `text` in quotes as Python's `json.dumps` does: in ASCII.
pub fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}
