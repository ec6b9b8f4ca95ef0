//! How frames are written: JSON as Python writes it, or MessagePack.

use std::io::{self, Cursor, Write};

use axum::body::Bytes;
use axum::extract::ws::{Message, Utf8Bytes};
use ostro_lang::python_repr;
use serde::{Deserialize as _, Serialize as _};
use serde_json::Value;
use serde_json::ser::{Formatter, Serializer};

/// How deep values may be nested; as deep as JSON is read, too.
const DEPTH: usize = 128;

/// In which of the two forms frames are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Binary,
}

impl Form {
    /// What a frame says, or why it cannot be read.
    pub(super) fn read(self, data: &[u8]) -> Result<Value, String> {
        match self {
            Self::Text => serde_json::from_slice(data).map_err(|error| {
                format!("Can't decode text (JSON) request. JSONDecodeError: {error}")
            }),
            Self::Binary => unpack(data)
                .map_err(|error| format!("Can't decode binary (MessagePack) request. {error}")),
        }
    }

    /// A frame that says `value`.
    pub(super) fn write(self, value: &Value) -> Message {
        match self {
            Self::Text => Message::Text(Utf8Bytes::from(text(value))),
            // Values have a form in MessagePack, whatever they hold.
            Self::Binary => {
                Message::Binary(Bytes::from(rmp_serde::to_vec(value).unwrap_or_default()))
            }
        }
    }
}

fn unpack(data: &[u8]) -> Result<Value, String> {
    let mut reader = rmp_serde::Deserializer::new(Cursor::new(data));
    reader.set_max_depth(DEPTH);
    let value = Value::deserialize(&mut reader).map_err(|error| format!("ValueError: {error}"))?;
    let end = usize::try_from(reader.into_inner().position()).unwrap_or(usize::MAX);
    if end < data.len() {
        return Err("ExtraData: unpack(b) received extra data.".to_owned());
    }
    Ok(value)
}

/// `value` as Python's `json.dumps` writes it.
pub(super) fn text(value: &Value) -> String {
    let mut bytes = Vec::new();
    let mut writer = Serializer::with_formatter(&mut bytes, Python);
    // Writing to memory cannot fail, and what is written is ASCII.
    let _ = value.serialize(&mut writer);
    String::from_utf8(bytes).unwrap_or_default()
}

/// A space behind commas and colons, and nothing but ASCII.
struct Python;

impl Formatter for Python {
    fn begin_array_value<W: ?Sized + Write>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { to.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, to: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { to.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, to: &mut W) -> io::Result<()> {
        to.write_all(b": ")
    }

    fn write_f64<W: ?Sized + Write>(&mut self, to: &mut W, value: f64) -> io::Result<()> {
        to.write_all(python_repr(&value.into()).as_bytes())
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        to: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for c in fragment.chars() {
            if let Ok(byte @ b' '..=b'~') = u8::try_from(c) {
                to.write_all(&[byte])?;
                continue;
            }
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(to, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_is_written_as_python_writes_it() {
        for (value, expected) in [
            (
                json!({"a": [1, 2.5, 1e16, 1e-7], "b": {}}),
                r#"{"a": [1, 2.5, 1e+16, 1e-07], "b": {}}"#,
            ),
            (
                json!("ä😀\u{7f}\u{1}\n\"\\/"),
                r#""\u00e4\ud83d\ude00\u007f\u0001\n\"\\/""#,
            ),
            (json!([null, true, -3]), "[null, true, -3]"),
        ] {
            assert_eq!(text(&value), expected);
        }
    }

    #[test]
    fn what_is_packed_can_be_read_again() {
        let value = json!({"a": [1, -1, 1.5, null, true, "ä", 5_000_000_000_u64, {}]});
        let Message::Binary(packed) = Form::Binary.write(&value) else {
            panic!("it is no binary frame");
        };
        assert_eq!(Form::Binary.read(&packed), Ok(value));
        for broken in [
            &b"\x93\x01"[..],
            b"\xc1",
            b"\x01\x01",
            b"\xdd\xff\xff\xff\xff",
            b"",
        ] {
            assert!(Form::Binary.read(broken).is_err(), "{broken:?}");
        }
        // A list in a list in a list: deep, and too deep.
        let nested = |depth: usize| [vec![0x91; depth], vec![0xc0]].concat();
        assert!(Form::Binary.read(&nested(100)).is_ok());
        assert!(Form::Binary.read(&nested(200)).is_err());
        assert!(Form::Binary.read(&vec![0x91; 100_000]).is_err());
        assert!(Form::Text.read("[".repeat(100_000).as_bytes()).is_err());
    }
}
