//! The values that workflows handle: JSON's, shared instead of copied.

use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;

/// A mapping with the order in which its keys were written, as Python's `dict` keeps it.
pub type Map = IndexMap<Arc<str>, Value>;

/// A workflow value: what JSON can say, with integers kept apart from floats.
///
/// Cloning is cheap: strings, lists and maps are shared. A value never changes once it is
/// shared; [`Arc::make_mut`] copies where it has to.
#[derive(Clone, Default)]
pub enum Value {
    /// Python's `None`, JSON's `null`.
    #[default]
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction; never NaN or infinite in a value that came from JSON.
    Float(f64),
    /// Text.
    String(Arc<str>),
    /// A list.
    List(Arc<Vec<Value>>),
    /// A mapping.
    Map(Arc<Map>),
}

impl Value {
    /// An empty mapping.
    pub fn empty_map() -> Self {
        Value::Map(Arc::default())
    }

    /// The value under `key`, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_map()?.get(key)
    }

    /// The item at `index`, if this is a list that is long enough.
    pub fn index(&self, index: usize) -> Option<&Value> {
        self.as_list()?.get(index)
    }

    /// The text, if this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if this is a whole one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The truth value, if this is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    /// The items, if this is a list.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// The entries, if this is a mapping.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// Whether this is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// Python's truth: null, false, zero and what is empty are false.
    pub fn is_truthy(&self) -> bool {
        match self {
            Value::Null => false,
            Value::Bool(truth) => *truth,
            Value::Int(number) => *number != 0,
            Value::Float(number) => *number != 0.0,
            Value::String(text) => !text.is_empty(),
            Value::List(items) => !items.is_empty(),
            Value::Map(entries) => !entries.is_empty(),
        }
    }

    /// What kind of value this is, in JSON's words, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Int(_) => "integer",
            Value::Float(_) => "number",
            Value::String(_) => "string",
            Value::List(_) => "list",
            Value::Map(_) => "object",
        }
    }
}

/// Equality as Python has it: `1 == 1.0`, and `True == 1`; mappings in any order.
impl PartialEq for Value {
    #[expect(
        clippy::cast_precision_loss,
        reason = "Python compares an int with a float by value; past 2^53 no workflow relies on it"
    )]
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Float(a), Value::Float(b)) => a == b,
            (Value::Int(a), Value::Float(b)) | (Value::Float(b), Value::Int(a)) => *a as f64 == *b,
            (Value::Bool(a), Value::Int(b)) | (Value::Int(b), Value::Bool(a)) => {
                i64::from(*a) == *b
            }
            (Value::Bool(a), Value::Float(b)) | (Value::Float(b), Value::Bool(a)) => {
                f64::from(u8::from(*a)) == *b
            }
            (Value::String(a), Value::String(b)) => a == b,
            (Value::List(a), Value::List(b)) => Arc::ptr_eq(a, b) || a == b,
            (Value::Map(a), Value::Map(b)) => Arc::ptr_eq(a, b) || a == b,
            _ => false,
        }
    }
}

/// JSON text, for messages and tests.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// JSON text on one line.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

macro_rules! from {
    ($($from:ty => $name:ident $make:expr;)*) => {$(
        impl From<$from> for Value {
            fn from($name: $from) -> Self { $make }
        }
    )*};
}

from! {
    bool => truth Value::Bool(truth);
    i64 => number Value::Int(number);
    i32 => number Value::Int(number.into());
    u32 => number Value::Int(number.into());
    f64 => number Value::Float(number);
    &str => text Value::String(text.into());
    String => text Value::String(text.into());
    Arc<str> => text Value::String(text);
    Vec<Value> => items Value::List(Arc::new(items));
    Map => entries Value::Map(Arc::new(entries));
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

impl FromIterator<Value> for Value {
    fn from_iter<I: IntoIterator<Item = Value>>(items: I) -> Self {
        items.into_iter().collect::<Vec<_>>().into()
    }
}

impl<K: Into<Arc<str>>> FromIterator<(K, Value)> for Value {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(entries: I) -> Self {
        entries
            .into_iter()
            .map(|(key, value)| (key.into(), value))
            .collect::<Map>()
            .into()
    }
}
