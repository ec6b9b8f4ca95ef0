//! How ids are stored: the 16 bytes of a UUID, which make indexes half as large, or the text.

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};

/// An id on its way to or from the database.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum StoredId {
    Uuid([u8; 16]),
    Text(Box<str>),
}

impl StoredId {
    pub(crate) fn new(text: &str) -> Self {
        parse(text.as_bytes()).map_or_else(|| Self::Text(text.into()), Self::Uuid)
    }

    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Uuid(bytes) => format(bytes),
            Self::Text(text) => text.into(),
        }
    }
}

/// The bytes of a UUID in the form that is written again: 36 characters in lower case.
fn parse(text: &[u8]) -> Option<[u8; 16]> {
    if text.len() != 36 {
        return None;
    }
    let mut bytes = [0; 16];
    let mut digits = 0;
    for (index, character) in text.iter().enumerate() {
        if matches!(index, 8 | 13 | 18 | 23) {
            if *character != b'-' {
                return None;
            }
            continue;
        }
        let digit = match character {
            b'0'..=b'9' => character - b'0',
            b'a'..=b'f' => character - b'a' + 10,
            _ => return None,
        };
        bytes[digits / 2] = bytes[digits / 2] << 4 | digit;
        digits += 1;
    }
    Some(bytes)
}

fn format(bytes: [u8; 16]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

impl ToSql for StoredId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Uuid(bytes) => ValueRef::Blob(bytes),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

impl FromSql for StoredId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Blob(bytes) => bytes
                .try_into()
                .map(Self::Uuid)
                .map_err(|_| FromSqlError::InvalidType),
            ValueRef::Text(_) => Ok(Self::Text(value.as_str()?.into())),
            _ => Err(FromSqlError::InvalidType),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_id_comes_back_as_it_was() {
        for text in [
            "0f8fad5b-d9cb-469f-a165-70867728950e",
            "0F8FAD5B-D9CB-469F-A165-70867728950E",
            "0f8fad5bd9cb469fa16570867728950e",
            "",
            "nightly backup of März",
        ] {
            assert_eq!(StoredId::new(text).into_text(), text);
        }
        let stored = StoredId::new("0f8fad5b-d9cb-469f-a165-70867728950e");
        assert!(matches!(stored, StoredId::Uuid(_)));
    }
}
