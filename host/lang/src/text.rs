//! Values as text, as Python's `str` and `repr` write them.

use std::fmt::Write as _;

use ostro_core::Value;

/// `value` as Python's `str` writes it: what stands in text where an expression stood.
pub fn python_str(value: &Value) -> String {
    match value {
        Value::String(text) => text.to_string(),
        other => {
            let mut out = String::new();
            write_repr(&mut out, other);
            out
        }
    }
}

/// `value` as Python's `repr` writes it.
pub fn python_repr(value: &Value) -> String {
    let mut out = String::new();
    write_repr(&mut out, value);
    out
}

/// `number` as Python's `repr` writes it: the shortest digits that give the number back, with
/// an exponent from 1e16 on and below 1e-4.
pub(crate) fn python_float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = format!("{number}");
        if plain.contains('.') {
            plain
        } else {
            plain + ".0"
        }
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
    }
}

/// `texts` as Python's `repr` writes a list of them.
pub(crate) fn python_list<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    python_str(&texts.into_iter().map(Value::from).collect())
}

/// Writes [`python_repr`].
pub(crate) fn write_repr(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        // Writing to a string can't fail.
        Value::Int(number) => _ = write!(out, "{number}"),
        Value::Float(number) => out.push_str(&python_float(*number)),
        Value::String(text) => write_quoted(out, text),
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write_repr(out, item);
            }
            out.push(']');
        }
        Value::Map(entries) => {
            out.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write_quoted(out, key);
                out.push_str(": ");
                write_repr(out, value);
            }
            out.push('}');
        }
    }
}

/// Apostrophes around it, or quotes if only apostrophes stand in it.
fn write_quoted(out: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if is_printable(c) => out.push(c),
            c => {
                let code = u32::from(c);
                _ = match code {
                    0..=0xff => write!(out, "\\x{code:02x}"),
                    0x100..=0xffff => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push(quote);
}

/// Python's `str.isprintable`. Rust's debug escapes rest on the same Unicode categories, but
/// also escape what joins with the character before, unless there is one.
pub(crate) fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    let mut buffer = [b'a'; 5];
    let length = c.encode_utf8(&mut buffer[1..]).len();
    std::str::from_utf8(&buffer[..=length]).is_ok_and(|text| text.escape_debug().nth(1) == Some(c))
}

/// The lines of a text as YAML counts them: each ends with `\n`, `\r\n` or `\r`.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('\r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded from Python by `tests/data/record.py`.
    #[test]
    fn values_become_the_text_that_python_makes_of_them() {
        let cases: Vec<(serde_json::Value, String)> =
            serde_json::from_str(include_str!("../tests/data/python_str.json")).unwrap();
        assert!(cases.len() > 50);
        for (value, wanted) in cases {
            assert_eq!(python_str(&Value::from(value.clone())), wanted, "{value}");
        }
    }

    #[test]
    fn floats_that_json_cannot_say_have_a_text_too() {
        assert_eq!(python_str(&f64::NAN.into()), "nan");
        assert_eq!(python_str(&f64::NEG_INFINITY.into()), "-inf");
    }
}
