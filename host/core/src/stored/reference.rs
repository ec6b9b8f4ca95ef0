//! How references are written, and how other texts are told from them.

use std::fmt::Write;

use crate::stored::Digest;

/// What a text begins with that is not just itself.
pub(super) const MARK: u8 = b'@';
const PREFIX: &str = "@sha256:";

/// What a text in stored JSON stands for.
#[derive(Debug, PartialEq)]
pub(super) enum Stands<'a> {
    /// For a text.
    Text(&'a str),
    /// For the part with this digest.
    Part(Digest),
    /// For nothing: it was not written by us.
    Nothing,
}

/// The digits of `digest`.
pub(super) fn hex(digest: &Digest) -> String {
    let mut text = String::with_capacity(2 * digest.len());
    for byte in digest {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Writes a reference to `digest` as JSON.
pub(super) fn write(digest: &Digest, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(PREFIX.as_bytes());
    out.extend_from_slice(hex(digest).as_bytes());
    out.push(b'"');
}

/// The digest that all of `json` is a reference to.
pub(super) fn written(json: &[u8]) -> Option<Digest> {
    let text = json.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    digest(text.strip_prefix(PREFIX.as_bytes())?)
}

/// What `text` stands for.
pub(super) fn read(text: &str) -> Stands<'_> {
    let Some(rest) = text.strip_prefix(char::from(MARK)) else {
        return Stands::Text(text);
    };
    if rest.as_bytes().first() == Some(&MARK) {
        return Stands::Text(rest);
    }
    let digits = text.strip_prefix(PREFIX).map(str::as_bytes);
    digits
        .and_then(digest)
        .map_or(Stands::Nothing, Stands::Part)
}

/// The digest with these digits; there is one way to write each.
fn digest(digits: &[u8]) -> Option<Digest> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    let mut digest = Digest::default();
    if pairs.len() != digest.len() {
        return None;
    }
    for (byte, [high, low]) in digest.iter_mut().zip(pairs) {
        *byte = value(*high)? << 4 | value(*low)?;
    }
    Some(digest)
}
