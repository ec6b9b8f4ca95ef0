//! Workflow values to WIT values and back.
//!
//! The way in is the walk of `ostro_packs::lower`, with [`ToVal`] for a sink. The way out is
//! [`Lifter`]. Both keep count of what passes.

use std::io::{self, Write};

use ostro_core::{Map, Value};
use ostro_packs::{Name, Sink, Type};
use wasmtime::component::Val;

/// Builds `Val`s, up to a number of bytes.
pub(crate) struct ToVal {
    left: u64,
}

impl ToVal {
    pub(crate) fn new(limit: u64) -> Self {
        Self { left: limit }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "numbers arrive in the range of their type"
)]
impl Sink for ToVal {
    type Out = Val;

    fn charge(&mut self, bytes: usize) -> bool {
        match self.left.checked_sub(bytes as u64) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }

    fn bool(&mut self, truth: bool) -> Val {
        Val::Bool(truth)
    }

    fn unsigned(&mut self, ty: &Type, number: u64) -> Val {
        match ty {
            Type::U8 => Val::U8(number as u8),
            Type::U16 => Val::U16(number as u16),
            Type::U32 => Val::U32(number as u32),
            _ => Val::U64(number),
        }
    }

    fn signed(&mut self, ty: &Type, number: i64) -> Val {
        match ty {
            Type::S8 => Val::S8(number as i8),
            Type::S16 => Val::S16(number as i16),
            Type::S32 => Val::S32(number as i32),
            _ => Val::S64(number),
        }
    }

    fn f32(&mut self, number: f32) -> Val {
        Val::Float32(number)
    }

    fn f64(&mut self, number: f64) -> Val {
        Val::Float64(number)
    }

    fn char(&mut self, character: char) -> Val {
        Val::Char(character)
    }

    fn string(&mut self, text: &str) -> Val {
        Val::String(text.to_owned())
    }

    fn json(&mut self, value: &Value) -> Option<Val> {
        let text = to_json(value, self.left)?;
        self.charge(text.len()).then_some(Val::String(text))
    }

    fn list(&mut self, items: Vec<Val>) -> Val {
        Val::List(items)
    }

    fn option(&mut self, value: Option<Val>) -> Val {
        Val::Option(value.map(Box::new))
    }

    fn result(&mut self, value: Result<Option<Val>, Option<Val>>) -> Val {
        Val::Result(match value {
            Ok(value) => Ok(value.map(Box::new)),
            Err(value) => Err(value.map(Box::new)),
        })
    }

    fn tuple(&mut self, items: Vec<Val>) -> Val {
        Val::Tuple(items)
    }

    fn record(&mut self, fields: Vec<(&Name, Val)>) -> Val {
        Val::Record(
            fields
                .into_iter()
                .map(|(name, value)| (name.wit.to_string(), value))
                .collect(),
        )
    }

    fn variant(&mut self, case: &Name, value: Option<Val>) -> Val {
        Val::Variant(case.wit.to_string(), value.map(Box::new))
    }

    fn label(&mut self, case: &Name) -> Val {
        Val::Enum(case.wit.to_string())
    }

    fn flags(&mut self, flags: Vec<&Name>) -> Val {
        Val::Flags(flags.into_iter().map(|flag| flag.wit.to_string()).collect())
    }
}

/// Why what a guest gave is no workflow value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LiftError {
    /// It is more than may pass.
    TooBig,
    /// It does not mean anything.
    Nonsense {
        /// Where, below the result: `.nodes[2]`.
        path: String,
        /// What is wrong.
        problem: String,
    },
}

impl LiftError {
    fn new(problem: impl Into<String>) -> Self {
        Self::Nonsense {
            path: String::new(),
            problem: problem.into(),
        }
    }

    fn inside(self, step: impl std::fmt::Display) -> Self {
        match self {
            Self::Nonsense { path, problem } => Self::Nonsense {
                path: format!("{step}{path}"),
                problem,
            },
            Self::TooBig => Self::TooBig,
        }
    }
}

/// Builds workflow values from what a guest gave, up to a number of bytes.
pub(crate) struct Lifter {
    left: u64,
}

impl Lifter {
    pub(crate) fn new(limit: u64) -> Self {
        Self { left: limit }
    }

    /// The value of a side of a `result`: null where it carries nothing.
    pub(crate) fn lift_side(
        &mut self,
        ty: Option<&Type>,
        value: Option<&Val>,
    ) -> Result<Value, LiftError> {
        match (ty, value) {
            (Some(ty), Some(value)) => self.lift(ty, value),
            _ => Ok(Value::Null),
        }
    }

    /// The workflow value that `value` is.
    pub(crate) fn lift(&mut self, ty: &Type, value: &Val) -> Result<Value, LiftError> {
        self.charge(8)?;
        Ok(match (ty, value) {
            (Type::Json, Val::String(text)) => {
                self.charge(json_weight(text))?;
                from_json(text).map_err(LiftError::new)?
            }
            (_, Val::String(text)) => {
                self.charge(text.len())?;
                Value::String(text.as_str().into())
            }
            (_, Val::Bool(truth)) => Value::Bool(*truth),
            (_, Val::U8(number)) => Value::Int(i64::from(*number)),
            (_, Val::U16(number)) => Value::Int(i64::from(*number)),
            (_, Val::U32(number)) => Value::Int(i64::from(*number)),
            (_, Val::U64(number)) => unsigned(*number),
            (_, Val::S8(number)) => Value::Int(i64::from(*number)),
            (_, Val::S16(number)) => Value::Int(i64::from(*number)),
            (_, Val::S32(number)) => Value::Int(i64::from(*number)),
            (_, Val::S64(number)) => Value::Int(*number),
            (_, Val::Float32(number)) => float(f64::from(*number)),
            (_, Val::Float64(number)) => float(*number),
            (_, Val::Char(character)) => Value::from(character.encode_utf8(&mut [0; 4]) as &str),
            (Type::List(item), Val::List(values)) => {
                self.items(values.iter().map(|value| (&**item, value)))?
            }
            (Type::Tuple(types), Val::Tuple(values)) => self.items(types.iter().zip(values))?,
            (Type::Option(inner), Val::Option(value)) => match value {
                Some(value) => self.lift(inner, value)?,
                None => Value::Null,
            },
            (Type::Result(sides), Val::Result(value)) => {
                let (key, ty, value) = match value {
                    Ok(value) => ("ok", &sides.0, value),
                    Err(value) => ("err", &sides.1, value),
                };
                let value = self
                    .lift_side(ty.as_ref(), value.as_deref())
                    .map_err(|error| error.inside(format_args!(".{key}")))?;
                Value::from_iter([(key, value)])
            }
            (Type::Record(record), Val::Record(values)) => {
                let mut entries = Map::with_capacity(values.len());
                // The engine gives fields in the order of the type.
                for (field, (_, value)) in record.fields.iter().zip(values) {
                    let value = self
                        .lift(&field.ty, value)
                        .map_err(|error| error.inside(format_args!(".{}", field.name)))?;
                    entries.insert(field.name.snake.clone(), value);
                }
                entries.into()
            }
            (Type::Variant(variant), Val::Variant(name, value)) => {
                let case = variant.cases.iter().find(|case| *case.name.wit == **name);
                let case = case.ok_or_else(|| LiftError::new("unknown case"))?;
                let name = &case.name.snake;
                match (&case.ty, value) {
                    (Some(ty), Some(value)) => {
                        let value = self
                            .lift(ty, value)
                            .map_err(|error| error.inside(format_args!(".{name}")))?;
                        Value::from_iter([(name.clone(), value)])
                    }
                    _ => Value::String(name.clone()),
                }
            }
            (Type::Enum(labels), Val::Enum(name)) => {
                let label = labels
                    .find(name)
                    .ok_or_else(|| LiftError::new("unknown case"))?;
                Value::String(label.name.snake.clone())
            }
            (Type::Flags(labels), Val::Flags(names)) => {
                let flags = names.iter().filter_map(|name| labels.find(name));
                flags
                    .map(|flag| Value::String(flag.name.snake.clone()))
                    .collect()
            }
            (ty, _) => return Err(LiftError::new(format!("expected {}", ty.kind()))),
        })
    }

    fn items<'a>(
        &mut self,
        items: impl Iterator<Item = (&'a Type, &'a Val)>,
    ) -> Result<Value, LiftError> {
        let mut lifted = Vec::with_capacity(items.size_hint().0);
        for (index, (ty, value)) in items.enumerate() {
            let value = self.lift(ty, value);
            lifted.push(value.map_err(|error| error.inside(format_args!("[{index}]")))?);
        }
        Ok(lifted.into())
    }

    fn charge(&mut self, bytes: usize) -> Result<(), LiftError> {
        self.left = self
            .left
            .checked_sub(bytes as u64)
            .ok_or(LiftError::TooBig)?;
        Ok(())
    }
}

/// `value` as JSON text of at most `limit` bytes.
pub(crate) fn to_json(value: &Value, limit: u64) -> Option<String> {
    let mut writer = Limited {
        bytes: Vec::new(),
        limit,
    };
    serde_json::to_writer(&mut writer, value).ok()?;
    String::from_utf8(writer.bytes).ok()
}

/// The value that a guest's JSON text is. The message says what is wrong with it.
///
/// JSON that is nested too deep is refused by the reader itself.
pub(crate) fn from_json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("not JSON text: {error}"))
}

/// How much JSON text counts: its length, and for each value in it what a value counts. A list of
/// ones would take twelve times its length otherwise.
pub(crate) fn json_weight(text: &str) -> usize {
    let values = text
        .bytes()
        .filter(|byte| matches!(byte, b',' | b'[' | b'{'))
        .count();
    text.len().saturating_add(values.saturating_mul(8))
}

/// A buffer that takes up to `limit` bytes.
struct Limited {
    bytes: Vec<u8>,
    limit: u64,
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if (self.bytes.len() + bytes.len()) as u64 > self.limit {
            return Err(io::Error::other("too long"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// As `ostro-core` reads such numbers from JSON.
#[expect(
    clippy::cast_precision_loss,
    reason = "whole numbers past 64 bits become floats"
)]
fn unsigned(number: u64) -> Value {
    i64::try_from(number).map_or(Value::Float(number as f64), Value::Int)
}

/// NaN and the infinities are null, as JSON has no word for them.
fn float(number: f64) -> Value {
    if number.is_finite() {
        Value::Float(number)
    } else {
        Value::Null
    }
}
