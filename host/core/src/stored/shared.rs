//! Fields that are an `Arc` of a list or a mapping, for `#[serde(with = …)]`: plain serde
//! formats see what is in the `Arc`, [`save`](super::save) and [`load`](super::load) see that it
//! is shared.
//!
//! ```
//! # use std::sync::Arc;
//! # use ostro_core::Map;
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Task {
//!     #[serde(with = "ostro_core::stored::shared")]
//!     input: Arc<Map>,
//!     #[serde(default, with = "ostro_core::stored::shared::option")]
//!     env: Option<Arc<Map>>,
//! }
//! let task = Task { input: Arc::default(), env: None };
//! assert_eq!(serde_json::to_string(&task).unwrap(), r#"{"input":{},"env":null}"#);
//! ```

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::stored::hand::{self, Part, Work};
use crate::{Map, Value};

/// The name by which our serializer and deserializer know a shared part. Others look through a
/// newtype.
pub(crate) const NAME: &str = "$ostro_core::stored::Part";

/// Writes what is in `part`.
pub fn serialize<T, S>(part: &Arc<T>, serializer: S) -> Result<S::Ok, S::Error>
where
    T: Serialize + Any + Send + Sync,
    S: Serializer,
{
    hand::give(Work::Save, || Some(Arc::clone(part) as Part));
    serializer.serialize_newtype_struct(NAME, &**part)
}

/// Writes `text`.
pub(crate) fn serialize_text<S: Serializer>(
    text: &Arc<str>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    hand::give(Work::Save, || Some(Arc::new(Arc::clone(text)) as Part));
    serializer.serialize_newtype_struct(NAME, &**text)
}

/// Reads a list or a mapping into an `Arc`: that of one which was read before, if it is the same.
pub fn deserialize<'de, T, D>(deserializer: D) -> Result<Arc<T>, D::Error>
where
    T: Deserialize<'de> + Any + Send + Sync,
    D: Deserializer<'de>,
{
    deserializer.deserialize_newtype_struct(NAME, PartVisitor(PhantomData))
}

struct PartVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de> + Any + Send + Sync> Visitor<'de> for PartVisitor<T> {
    type Value = Arc<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or a mapping")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Arc<T>, D::Error> {
        if let Some(Ok(part)) = hand::given(Work::Load).map(Arc::downcast::<T>) {
            return Ok(part);
        }
        let part = Arc::new(T::deserialize(deserializer)?);
        hand::leave(|| Some(Arc::clone(&part) as Part));
        Ok(part)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Arc<T>, A::Error> {
        T::deserialize(SeqAccessDeserializer::new(seq)).map(Arc::new)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Arc<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Arc::new)
    }
}

/// The value that was read before, if one was.
pub(crate) fn known_value() -> Option<Value> {
    let part = match hand::given(Work::Load)?.downcast::<Map>() {
        Ok(entries) => return Some(Value::Map(entries)),
        Err(part) => part,
    };
    match part.downcast::<Vec<Value>>() {
        Ok(items) => Some(Value::List(items)),
        Err(part) => Some(Value::String(Arc::clone(part.downcast_ref()?))),
    }
}

/// Has `value`, which was read for the first time, be known from now on.
pub(crate) fn know_value(value: &Value) {
    hand::leave(|| match value {
        Value::String(text) => Some(Arc::new(Arc::clone(text))),
        Value::List(items) => Some(Arc::clone(items) as Part),
        Value::Map(entries) => Some(Arc::clone(entries) as Part),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => None,
    });
}

/// The same for a field that may have none.
pub mod option {
    use super::{Any, Arc, Deserialize, Deserializer, Serialize, Serializer};

    /// Writes what is in `part`, or null.
    pub fn serialize<T, S>(part: &Option<Arc<T>>, serializer: S) -> Result<S::Ok, S::Error>
    where
        T: Serialize + Any + Send + Sync,
        S: Serializer,
    {
        part.as_ref().map(Whole).serialize(serializer)
    }

    /// Reads a list or a mapping into an `Arc`, or null.
    pub fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<Arc<T>>, D::Error>
    where
        T: Deserialize<'de> + Any + Send + Sync,
        D: Deserializer<'de>,
    {
        let part = Option::<Owned<T>>::deserialize(deserializer)?;
        Ok(part.map(|Owned(part)| part))
    }

    struct Whole<'a, T>(&'a Arc<T>);

    impl<T: Serialize + Any + Send + Sync> Serialize for Whole<'_, T> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            super::serialize(self.0, serializer)
        }
    }

    struct Owned<T>(Arc<T>);

    impl<'de, T: Deserialize<'de> + Any + Send + Sync> Deserialize<'de> for Owned<T> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            super::deserialize(deserializer).map(Owned)
        }
    }
}
