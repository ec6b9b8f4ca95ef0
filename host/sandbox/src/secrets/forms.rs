//! The forms that a value has where it stands.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use secrecy::SecretString;

/// How a value is written in the place where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As it is.
    Plain,
    /// Within a string of JSON.
    Json,
    /// Percent-encoded, as in a form or a URL.
    Url,
}

impl Form {
    /// The form in a body of this type. Without one, a body is JSON.
    pub(crate) fn of_type(content_type: Option<&str>) -> Self {
        let Some(content_type) = content_type else {
            return Form::Json;
        };
        let content_type = content_type.to_ascii_lowercase();
        if content_type.contains("json") {
            Form::Json
        } else if content_type.contains("x-www-form-urlencoded") {
            Form::Url
        } else {
            Form::Plain
        }
    }

    pub(super) fn of(self, value: &str) -> String {
        match self {
            Form::Plain => value.to_owned(),
            Form::Json => json(value),
            Form::Url => percent(value),
        }
    }
}

/// The forms in which services show `value`, the longest first: one may hold another.
pub(super) fn forms(value: &str) -> Vec<SecretString> {
    let escaped = json(value);
    let ascii = ascii(&escaped);
    let percent = percent(value);
    let mut forms = vec![
        value.to_owned(),
        // JSON in a text in JSON, as services tell what they were sent.
        json(&escaped),
        json(&ascii),
        escaped.replace('/', "\\/"),
        ascii.replace('/', "\\/"),
        escaped,
        ascii,
        percent.replace("%20", "+"),
        lower(&percent),
        percent,
        STANDARD.encode(value),
        URL_SAFE.encode(value),
    ];
    forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    forms.dedup();
    forms.into_iter().map(SecretString::from).collect()
}

/// `value` within a string of JSON, without the quotes.
fn json(value: &str) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// JSON with nothing but ASCII in it, as Python writes it.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() {
            text.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail, here and below.
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}

fn percent(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(byte as char);
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// `percent` with the digits in lower case.
fn lower(percent: &str) -> String {
    let mut text = String::with_capacity(percent.len());
    let mut digits = 0;
    for character in percent.chars() {
        if character == '%' {
            digits = 3;
        }
        if digits > 0 {
            digits -= 1;
            text.push(character.to_ascii_lowercase());
        } else {
            text.push(character);
        }
    }
    text
}

/// `text` with `new` in the place of each `old`; none if there is no `old` in it.
pub(crate) fn replaced(text: &[u8], old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    let mut made: Option<Vec<u8>> = None;
    let mut rest = text;
    while let Some(at) = find(rest, old) {
        let made = made.get_or_insert_with(|| Vec::with_capacity(text.len()));
        made.extend_from_slice(&rest[..at]);
        made.extend_from_slice(new);
        rest = &rest[at + old.len()..];
    }
    if let Some(made) = &mut made {
        made.extend_from_slice(rest);
    }
    made
}

fn find(text: &[u8], old: &[u8]) -> Option<usize> {
    let first = *old.first()?;
    let mut from = 0;
    while let Some(at) = text.get(from..)?.iter().position(|byte| *byte == first) {
        let at = from + at;
        if text[at..].starts_with(old) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    /// Whether `text` shows `value` in some form.
    fn shows(text: &str, value: &str) -> bool {
        let forms = forms(value);
        forms.iter().any(|form| text.contains(form.expose_secret()))
    }

    #[test]
    fn all_forms_are_known() {
        assert!(shows("x=%c3%a4bcd", "äbcd"));
        assert!(shows("\\u00e4bcd", "äbcd"));
        assert!(!shows("abcd", "äbcd"));
        assert_eq!(forms("abcd").len(), 2, "plain, and base64");
        assert_eq!(replaced(b"aabaab", b"aab", b"x"), Some(b"xx".to_vec()));
        assert_eq!(replaced(b"aaab", b"aab", b"x"), Some(b"ax".to_vec()));
        assert_eq!(replaced(b"aba", b"aab", b"x"), None);
    }

    #[test]
    fn the_type_of_a_body_tells_its_form() {
        assert_eq!(Form::of_type(None), Form::Json);
        assert_eq!(
            Form::of_type(Some("application/JSON; charset=utf-8")),
            Form::Json
        );
        assert_eq!(Form::of_type(Some("text/plain")), Form::Plain);
        let form = "application/x-www-form-urlencoded";
        assert_eq!(Form::of_type(Some(form)), Form::Url);
    }
}
