//! The deserializer that puts the large parts back in.
//!
//! It stands around serde_json's. Where a text is a reference, it goes on with what is stored,
//! whatever is wanted there. What is stored does not live as long as what is read, so that
//! nothing is borrowed.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::Error;

use crate::stored::Digest;
use crate::stored::hand::{self, Part, Work};
use crate::stored::reference::{self, Stands};
use crate::stored::shared::NAME;

/// How deeply lists, mappings and references may be nested: twice what serde_json reads, because
/// each list may be referred to.
const MAX_DEPTH: usize = 256;

/// Gives the bytes that have a digest, or notes why not.
type Checked<'f> = dyn FnMut(&Digest) -> Option<Arc<[u8]>> + 'f;

/// What is known while something is loaded.
pub(super) struct Loading<'f> {
    fetch: RefCell<&'f mut Checked<'f>>,
    fetched: RefCell<BTreeMap<Digest, Arc<[u8]>>>,
    /// The shared parts that were read.
    parts: RefCell<BTreeMap<Digest, Part>>,
    depth: Cell<usize>,
}

impl<'f> Loading<'f> {
    pub(super) fn new(fetch: &'f mut Checked<'f>) -> Self {
        Self {
            fetch: RefCell::new(fetch),
            fetched: RefCell::default(),
            parts: RefCell::default(),
            depth: Cell::new(0),
        }
    }

    pub(super) fn read<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, Error> {
        self.document(body, |reader| T::deserialize(reader))
    }

    /// Has `read` read all of `json`.
    fn document<'x, T>(
        &self,
        json: &'x [u8],
        read: impl FnOnce(Reader<'_, 'f, 'x, &mut Json<'x>>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut json = serde_json::Deserializer::from_slice(json);
        let value = read(Reader::new(self, &mut json, Texts::Stored))?;
        json.end()?;
        Ok(value)
    }

    fn bytes(&self, digest: &Digest) -> Result<Arc<[u8]>, Error> {
        if let Some(bytes) = self.fetched.borrow().get(digest) {
            return Ok(Arc::clone(bytes));
        }
        let fetched = (self.fetch.borrow_mut())(digest);
        let bytes = fetched.ok_or_else(|| Error::custom("a stored value is not there"))?;
        let mut known = self.fetched.borrow_mut();
        known.insert(*digest, Arc::clone(&bytes));
        Ok(bytes)
    }

    /// Has `visitor` take the shared part with `digest`, read before or now.
    fn part<'de, V: Visitor<'de>>(&self, digest: Digest, visitor: V) -> Result<V::Value, Error> {
        hand::give(Work::Load, || self.parts.borrow().get(&digest).cloned());
        hand::leave(|| None);
        let loading = self;
        let value = visitor.visit_newtype_struct(Referred { loading, digest })?;
        if let Some(part) = hand::left() {
            self.parts.borrow_mut().entry(digest).or_insert(part);
        }
        Ok(value)
    }

    fn deeper<T, E: serde::de::Error>(&self, read: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let depth = self.depth.get();
        if depth == MAX_DEPTH {
            return Err(E::custom("it is nested too deeply"));
        }
        self.depth.set(depth + 1);
        let value = read();
        self.depth.set(depth);
        value
    }
}

type Json<'x> = serde_json::Deserializer<serde_json::de::SliceRead<'x>>;

/// What is stored under a digest.
struct Referred<'l, 'f> {
    loading: &'l Loading<'f>,
    digest: Digest,
}

impl<'de> Deserializer<'de> for Referred<'_, '_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let bytes = self.loading.bytes(&self.digest)?;
        self.loading.deeper(|| {
            self.loading
                .document(&bytes, |reader| reader.deserialize_any(visitor))
        })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        option unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier
        ignored_any
    }
}

/// What texts are.
#[derive(Clone, Copy, PartialEq)]
enum Texts {
    /// As they were stored: references, and texts that are none.
    Stored,
    /// The same, where a shared part is wanted.
    Parts,
    /// Just themselves: keys, and names of variants.
    Plain,
}

/// Stands around `inner`: a deserializer, what it gives access to, or a visitor or a seed for it.
struct Reader<'l, 'f, 'a, I> {
    loading: &'l Loading<'f>,
    inner: I,
    texts: Texts,
    /// How long that lives which `inner` gives or takes.
    life: PhantomData<&'a ()>,
}

impl<'l, 'f, I> Reader<'l, 'f, '_, I> {
    fn new(loading: &'l Loading<'f>, inner: I, texts: Texts) -> Self {
        Self {
            loading,
            inner,
            texts,
            life: PhantomData,
        }
    }

    /// The same around something else.
    fn around<'b, J>(&self, inner: J) -> Reader<'l, 'f, 'b, J> {
        Reader::new(self.loading, inner, self.texts)
    }
}

macro_rules! hints {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            let visitor = self.around(visitor);
            self.inner.$method(visitor)
        }
    )*};
}

/// Only hints that say more than what is there are handed on: where a list is wanted, there may
/// be a reference to one.
impl<'de, 'x, D: Deserializer<'x>> Deserializer<'de> for Reader<'_, '_, 'x, D> {
    type Error = D::Error;

    hints! {
        deserialize_any deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32
        deserialize_i64 deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32
        deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64 deserialize_option
        deserialize_identifier deserialize_ignored_any
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        if name == NAME {
            let visitor = Reader::new(self.loading, visitor, Texts::Parts);
            self.inner.deserialize_any(visitor)
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = self.around(visitor);
        self.inner.deserialize_enum(name, variants, visitor)
    }
}

macro_rules! visits {
    ($($method:ident($type:ty);)*) => {$(
        fn $method<E: serde::de::Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )*};
}

impl<'x, 'de, V: Visitor<'de>> Visitor<'x> for Reader<'_, '_, 'de, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    visits! {
        visit_bool(bool);
        visit_i64(i64);
        visit_i128(i128);
        visit_u64(u64);
        visit_u128(u128);
        visit_f64(f64);
        visit_bytes(&[u8]);
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<V::Value, E> {
        if self.texts == Texts::Plain {
            return self.inner.visit_str(text);
        }
        let (loading, visitor) = (self.loading, self.inner);
        let digest = match reference::read(text) {
            Stands::Text(text) => return visitor.visit_str(text),
            Stands::Nothing => return Err(E::custom("a text begins as a reference and is none")),
            Stands::Part(digest) => digest,
        };
        let value = match self.texts {
            Texts::Parts => loading.part(digest, visitor),
            _ => Referred { loading, digest }.deserialize_any(visitor),
        };
        value.map_err(E::custom)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_some<D: Deserializer<'x>>(self, inner: D) -> Result<V::Value, D::Error> {
        let reader = self.around(inner);
        self.inner.visit_some(reader)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_newtype_struct<D: Deserializer<'x>>(self, inner: D) -> Result<V::Value, D::Error> {
        let reader = self.around(inner);
        self.inner.visit_newtype_struct(reader)
    }

    fn visit_seq<A: SeqAccess<'x>>(self, inner: A) -> Result<V::Value, A::Error> {
        let reader = Reader::new(self.loading, inner, Texts::Stored);
        self.loading.deeper(|| self.inner.visit_seq(reader))
    }

    fn visit_map<A: MapAccess<'x>>(self, inner: A) -> Result<V::Value, A::Error> {
        let reader = Reader::new(self.loading, inner, Texts::Stored);
        self.loading.deeper(|| self.inner.visit_map(reader))
    }

    fn visit_enum<A: EnumAccess<'x>>(self, inner: A) -> Result<V::Value, A::Error> {
        let reader = Reader::new(self.loading, inner, Texts::Stored);
        self.loading.deeper(|| self.inner.visit_enum(reader))
    }
}

impl<'x, 'de, S: DeserializeSeed<'de>> DeserializeSeed<'x> for Reader<'_, '_, 'de, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'x>>(self, inner: D) -> Result<S::Value, D::Error> {
        let reader = self.around(inner);
        self.inner.deserialize(reader)
    }
}

impl<'de, 'x, A: SeqAccess<'x>> SeqAccess<'de> for Reader<'_, '_, 'x, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let seed = self.around(seed);
        self.inner.next_element_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, 'x, A: MapAccess<'x>> MapAccess<'de> for Reader<'_, '_, 'x, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let seed = Reader::new(self.loading, seed, Texts::Plain);
        self.inner.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let seed = self.around(seed);
        self.inner.next_value_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'l, 'f, 'de, 'x, A: EnumAccess<'x>> EnumAccess<'de> for Reader<'l, 'f, 'x, A> {
    type Error = A::Error;
    type Variant = Reader<'l, 'f, 'x, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let seed = Reader::new(self.loading, seed, Texts::Plain);
        let (name, variant) = self.inner.variant_seed(seed)?;
        Ok((name, Reader::new(self.loading, variant, Texts::Stored)))
    }
}

impl<'de, 'x, A: VariantAccess<'x>> VariantAccess<'de> for Reader<'_, '_, 'x, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        let seed = self.around(seed);
        self.inner.newtype_variant_seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        let visitor = self.around(visitor);
        self.inner.tuple_variant(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let visitor = self.around(visitor);
        self.inner.struct_variant(fields, visitor)
    }
}
