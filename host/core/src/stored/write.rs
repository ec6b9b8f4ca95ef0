//! The serializer that takes the large parts out.
//!
//! It writes what `serde_json` writes. When the end of a part is reached and it turns out to be
//! large, its bytes are taken off the end of what was written, and a reference takes their place.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use serde::ser::{self, Error as _, Serialize, Serializer};
use serde_json::Error;

use crate::stored::hand::{self, Part, Work};
use crate::stored::shared::NAME;
use crate::stored::{Digest, Saved, StoredValue, digest_of, reference};

/// How deeply lists and mappings may be nested: serde_json reads no more.
const MAX_DEPTH: usize = 127;

pub(super) struct Writer {
    threshold: usize,
    out: Vec<u8>,
    depth: usize,
    /// Each digest, with its place among the values.
    places: BTreeMap<Digest, usize>,
    values: Vec<StoredValue>,
    /// The shared parts that were taken out, by where they are in memory. They are kept, so
    /// that nothing else can be there.
    known: BTreeMap<usize, (Part, Digest)>,
}

impl Writer {
    pub(super) fn new(threshold: usize) -> Self {
        Self {
            threshold,
            out: Vec::new(),
            depth: 0,
            places: BTreeMap::new(),
            values: Vec::new(),
            known: BTreeMap::new(),
        }
    }

    pub(super) fn finish(self) -> Saved {
        let mut body = self.out;
        body.shrink_to_fit();
        Saved {
            body,
            values: self.values,
        }
    }

    /// Writes what is neither text nor has anything in it, as serde_json does.
    fn scalar<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        serde_json::to_writer(&mut self.out, value)
    }

    fn shared<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let part = hand::given(Work::Save);
        let known = part
            .as_ref()
            .and_then(|part| self.known.get(&hand::address(part)));
        if let Some((_, digest)) = known {
            reference::write(digest, &mut self.out);
            return Ok(());
        }
        let start = self.out.len();
        value.serialize(&mut *self)?;
        self.take_out(start);
        // A text has been taken out already when it was written.
        if let Some((part, digest)) = part.zip(reference::written(&self.out[start..])) {
            self.known.insert(hand::address(&part), (part, digest));
        }
        Ok(())
    }

    /// Replaces what was written from `start` on by a reference, if it is large.
    fn take_out(&mut self, start: usize) {
        let bytes = &self.out[start..];
        if bytes.len() < self.threshold {
            return;
        }
        let digest = digest_of(bytes);
        if let Entry::Vacant(place) = self.places.entry(digest) {
            place.insert(self.values.len());
            self.values.push(StoredValue {
                digest,
                bytes: Arc::from(bytes),
            });
        }
        self.out.truncate(start);
        reference::write(&digest, &mut self.out);
    }

    fn open(&mut self, bracket: u8) -> Result<(), Error> {
        if self.depth == MAX_DEPTH {
            return Err(Error::custom("it is nested too deeply"));
        }
        self.depth += 1;
        self.out.push(bracket);
        Ok(())
    }

    fn close(&mut self, bracket: u8) {
        self.depth -= 1;
        self.out.push(bracket);
    }

    fn list(&mut self) -> Result<Compound<'_>, Error> {
        self.open(b'[')?;
        Ok(Compound::new(self, b"]"))
    }

    fn mapping(&mut self) -> Result<Compound<'_>, Error> {
        self.open(b'{')?;
        Ok(Compound::new(self, b"}"))
    }

    /// Begins the mapping of a variant to what is in it.
    fn variant(&mut self, name: &'static str) -> Result<(), Error> {
        self.open(b'{')?;
        self.scalar(name)?;
        self.out.push(b':');
        Ok(())
    }
}

macro_rules! scalars {
    ($($method:ident($type:ty);)*) => {$(
        fn $method(self, value: $type) -> Result<(), Error> {
            self.scalar(&value)
        }
    )*};
}

impl<'a> Serializer for &'a mut Writer {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Compound<'a>;
    type SerializeTuple = Compound<'a>;
    type SerializeTupleStruct = Compound<'a>;
    type SerializeTupleVariant = Compound<'a>;
    type SerializeMap = Compound<'a>;
    type SerializeStruct = Compound<'a>;
    type SerializeStructVariant = Compound<'a>;

    scalars! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
        serialize_f32(f32);
        serialize_f64(f64);
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        let start = self.out.len();
        self.scalar(value)?;
        if value.as_bytes().first() == Some(&reference::MARK) {
            self.out.insert(start + 1, reference::MARK);
        }
        self.take_out(start);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        self.scalar(value)
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.scalar(&())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), Error> {
        self.scalar(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        if name == NAME {
            self.shared(value)
        } else {
            value.serialize(self)
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.variant(variant)?;
        value.serialize(&mut *self)?;
        self.close(b'}');
        Ok(())
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Compound<'a>, Error> {
        self.list()
    }

    fn serialize_tuple(self, _len: usize) -> Result<Compound<'a>, Error> {
        self.list()
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _len: usize,
    ) -> Result<Compound<'a>, Error> {
        self.list()
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Compound<'a>, Error> {
        self.variant(variant)?;
        self.open(b'[')?;
        Ok(Compound::new(self, b"]}"))
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Compound<'a>, Error> {
        self.mapping()
    }

    fn serialize_struct(self, _name: &'static str, _len: usize) -> Result<Compound<'a>, Error> {
        self.mapping()
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Compound<'a>, Error> {
        self.variant(variant)?;
        self.open(b'{')?;
        Ok(Compound::new(self, b"}}"))
    }
}

/// A list or a mapping under way.
pub(super) struct Compound<'a> {
    writer: &'a mut Writer,
    first: bool,
    brackets: &'static [u8],
}

impl<'a> Compound<'a> {
    fn new(writer: &'a mut Writer, brackets: &'static [u8]) -> Self {
        Self {
            writer,
            first: true,
            brackets,
        }
    }

    fn next(&mut self) {
        if !std::mem::take(&mut self.first) {
            self.writer.out.push(b',');
        }
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.next();
        value.serialize(&mut *self.writer)
    }

    fn field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
        self.next();
        self.writer.scalar(key)?;
        self.writer.out.push(b':');
        value.serialize(&mut *self.writer)
    }

    fn close(self) {
        for bracket in self.brackets {
            self.writer.close(*bracket);
        }
    }
}

macro_rules! compounds {
    ($($trait:ident: $method:ident($($key:ident)?) = $own:ident;)*) => {$(
        impl ser::$trait for Compound<'_> {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(
                &mut self,
                $($key: &'static str,)?
                value: &T,
            ) -> Result<(), Error> {
                self.$own($($key,)? value)
            }

            fn end(self) -> Result<(), Error> {
                self.close();
                Ok(())
            }
        }
    )*};
}

compounds! {
    SerializeSeq: serialize_element() = item;
    SerializeTuple: serialize_element() = item;
    SerializeTupleStruct: serialize_field() = item;
    SerializeTupleVariant: serialize_field() = item;
    SerializeStruct: serialize_field(key) = field;
    SerializeStructVariant: serialize_field(key) = field;
}

impl ser::SerializeMap for Compound<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.next();
        let start = self.writer.out.len();
        // Only serde_json's own mapping knows how a key that is a number or an id is written.
        let mut json = serde_json::Serializer::new(&mut self.writer.out);
        let mut map = json.serialize_map(None)?;
        map.serialize_key(key)?;
        self.writer.out.remove(start);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.writer.out.push(b':');
        value.serialize(&mut *self.writer)
    }

    fn end(self) -> Result<(), Error> {
        self.close();
        Ok(())
    }
}
