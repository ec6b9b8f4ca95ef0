//! Scalars with a meaning of their own.
//!
//! They are parsed inside a visitor: an error that is made there gets the line and column of the
//! scalar, where one that is made later gets those of the mapping around it.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};

/// Turns text into a value, or says what is wrong with it.
type Parse<T> = fn(&str) -> Result<T, String>;

/// Reads a string with `parse`.
pub(crate) fn scalar<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    parse: Parse<T>,
) -> Result<T, D::Error> {
    deserializer.deserialize_str(Scalar(parse))
}

/// Reads a list of strings, each with `parse`.
pub(crate) fn scalars<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    parse: Parse<T>,
) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_seq(Scalars(parse))
}

struct Scalar<T>(Parse<T>);

impl<T> Visitor<'_> for Scalar<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(E::custom)
    }
}

impl<'de, T> DeserializeSeed<'de> for Scalar<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        scalar(deserializer, self.0)
    }
}

struct Scalars<T>(Parse<T>);

impl<'de, T> Visitor<'de> for Scalars<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of strings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(Scalar(self.0))? {
            items.push(item);
        }
        Ok(items)
    }
}
