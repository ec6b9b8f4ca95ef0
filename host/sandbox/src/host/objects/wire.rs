//! Calls of the object store in recordings.

use serde_json::{Map, Value, json};

use super::super::contract::object_store::{WriteOptions, Written};
use super::super::contract::object_store_read::{
    ByteRange, Entry, ListOptions, ObjectEntry, ObjectInfo,
};
use super::Started;
use crate::recording::{self, Success};

/// The next bytes of an object.
pub(crate) struct Piece(pub(crate) Vec<u8>);

impl Success for Piece {
    fn encode(&self) -> Value {
        recording::bytes(&self.0).unwrap_or_else(|| json!({}))
    }

    fn decode(value: &Value) -> Option<Self> {
        if value.as_object().is_some_and(Map::is_empty) {
            return Some(Self(Vec::new()));
        }
        recording::from_bytes(value).map(Self)
    }
}

/// A replay writes nothing.
impl Success for Started {
    fn encode(&self) -> Value {
        json!({})
    }

    fn decode(_: &Value) -> Option<Self> {
        Some(Self(None))
    }
}

impl Success for Written {
    fn encode(&self) -> Value {
        json!({ "size": self.size, "etag": self.etag })
    }

    fn decode(value: &Value) -> Option<Self> {
        Some(Self {
            size: value.get("size")?.as_u64()?,
            etag: text(value, "etag")?,
        })
    }
}

impl Success for ObjectInfo {
    fn encode(&self) -> Value {
        let mut value = json!({
            "size": self.size,
            "etag": self.etag,
            "content-type": self.content_type,
            "last-modified": self.last_modified,
        });
        if !self.metadata.is_empty() {
            value["metadata"] = pairs(&self.metadata);
        }
        value
    }

    /// A test case need not say all of it.
    fn decode(value: &Value) -> Option<Self> {
        let metadata = match value.get("metadata") {
            Some(pairs) => from_pairs(pairs)?,
            None => Vec::new(),
        };
        Some(Self {
            size: value.get("size")?.as_u64()?,
            etag: text(value, "etag").unwrap_or_default(),
            content_type: text(value, "content-type").unwrap_or_default(),
            last_modified: text(value, "last-modified").unwrap_or_default(),
            metadata,
        })
    }
}

impl Success for Vec<Entry> {
    fn encode(&self) -> Value {
        let line = |entry: &Entry| match entry {
            Entry::Prefix(prefix) => json!({ "prefix": prefix }),
            Entry::Object(object) => json!({ "object": {
                "name": object.name,
                "size": object.size,
                "etag": object.etag,
                "content-type": object.content_type,
                "last-modified": object.last_modified,
            } }),
        };
        self.iter().map(line).collect()
    }

    fn decode(value: &Value) -> Option<Self> {
        let lines = value.as_array()?.iter().map(|line| {
            if let Some(prefix) = text(line, "prefix") {
                return Some(Entry::Prefix(prefix));
            }
            let object = line.get("object")?;
            Some(Entry::Object(ObjectEntry {
                name: text(object, "name")?,
                size: object.get("size")?.as_u64()?,
                etag: text(object, "etag").unwrap_or_default(),
                content_type: text(object, "content-type").unwrap_or_default(),
                last_modified: text(object, "last-modified").unwrap_or_default(),
            }))
        });
        lines.collect()
    }
}

pub(super) fn named(container: &str, object: &str) -> Value {
    json!({ "container": container, "object": object })
}

pub(super) fn part(container: &str, object: &str, part: Option<&ByteRange>) -> Value {
    let mut value = named(container, object);
    if let Some(part) = part {
        value["part"] = json!({ "start": part.start, "length": part.length });
    }
    value
}

pub(super) fn metadata(container: &str, object: &str, metadata: &[(String, String)]) -> Value {
    let mut value = named(container, object);
    value["metadata"] = pairs(metadata);
    value
}

pub(super) fn create(container: &str, object: &str, options: &WriteOptions) -> Value {
    let mut value = named(container, object);
    if let Some(content_type) = &options.content_type {
        value["content-type"] = content_type.as_str().into();
    }
    if !options.metadata.is_empty() {
        value["metadata"] = pairs(&options.metadata);
    }
    if options.only_new {
        value["only-new"] = true.into();
    }
    value
}

pub(super) fn listing(container: &str, options: &ListOptions) -> Value {
    let mut value = json!({ "container": container });
    let texts = [
        ("prefix", &options.prefix),
        ("marker", &options.marker),
        ("delimiter", &options.delimiter),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            value[name] = text.as_str().into();
        }
    }
    if let Some(limit) = options.limit {
        value["limit"] = limit.into();
    }
    value
}

fn pairs(pairs: &[(String, String)]) -> Value {
    let pairs = pairs.iter().map(|(name, value)| json!([name, value]));
    pairs.collect()
}

fn from_pairs(value: &Value) -> Option<Vec<(String, String)>> {
    let pair = |pair: &Value| {
        let text = |at: usize| Some(pair.get(at)?.as_str()?.to_owned());
        Some((text(0)?, text(1)?))
    };
    value.as_array()?.iter().map(pair).collect()
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key)?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again<S: Success>(value: &S) -> Value {
        let encoded = value.encode();
        S::decode(&encoded).map(|value| value.encode()).unwrap()
    }

    #[test]
    fn answers_come_back_as_they_were() {
        for bytes in [&b""[..], b"text", b"\xff\x00", b"{\"a\": 1}"] {
            let piece = Piece(bytes.to_vec());
            assert_eq!(Piece::decode(&piece.encode()).unwrap().0, bytes);
        }
        let info = ObjectInfo {
            size: 7,
            etag: "e".into(),
            content_type: "text/plain".into(),
            last_modified: "today".into(),
            metadata: vec![("a".into(), "b".into())],
        };
        assert_eq!(again(&info), info.encode());
        let entries = vec![
            Entry::Prefix("a/".into()),
            Entry::Object(ObjectEntry {
                name: "b".into(),
                size: 7,
                etag: "e".into(),
                content_type: "t".into(),
                last_modified: "l".into(),
            }),
        ];
        assert_eq!(again(&entries), entries.encode());
        let written = Written {
            size: 7,
            etag: "e".into(),
        };
        assert_eq!(again(&written), written.encode());
    }
}
