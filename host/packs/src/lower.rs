//! The one walk from workflow values to WIT values.
//!
//! [`lower`] compares a value with a type and builds whatever its [`Sink`] builds: nothing for a
//! check, `Val`s for a call. So a check before a call and the call itself can never disagree.

use std::fmt;

use ostro_core::{Map, Value};

use crate::signature::Param;
use crate::types::{Labels, Name, Record, Type, Variant, join};

/// What a value becomes. Strings, lists and objects are charged before they are built.
pub trait Sink {
    /// What is built.
    type Out;

    /// Takes note of `bytes` more of input. False ends the walk with [`LowerError::TooBig`].
    fn charge(&mut self, bytes: usize) -> bool;
    /// A truth value.
    fn bool(&mut self, truth: bool) -> Self::Out;
    /// A number of an unsigned type, in its range.
    fn unsigned(&mut self, ty: &Type, number: u64) -> Self::Out;
    /// A number of a signed type, in its range.
    fn signed(&mut self, ty: &Type, number: i64) -> Self::Out;
    /// A number of 32 bits.
    fn f32(&mut self, number: f32) -> Self::Out;
    /// A number of 64 bits.
    fn f64(&mut self, number: f64) -> Self::Out;
    /// A character.
    fn char(&mut self, character: char) -> Self::Out;
    /// Text.
    fn string(&mut self, text: &str) -> Self::Out;
    /// Any value, as JSON text; none where that is too long. Charges by itself.
    fn json(&mut self, value: &Value) -> Option<Self::Out>;
    /// A list.
    fn list(&mut self, items: Vec<Self::Out>) -> Self::Out;
    /// A value or none.
    fn option(&mut self, value: Option<Self::Out>) -> Self::Out;
    /// A `result`.
    fn result(&mut self, value: Result<Option<Self::Out>, Option<Self::Out>>) -> Self::Out;
    /// A tuple.
    fn tuple(&mut self, items: Vec<Self::Out>) -> Self::Out;
    /// A record, fields in the type's order.
    fn record(&mut self, fields: Vec<(&Name, Self::Out)>) -> Self::Out;
    /// A case of a variant.
    fn variant(&mut self, case: &Name, value: Option<Self::Out>) -> Self::Out;
    /// A case of an enum.
    fn label(&mut self, case: &Name) -> Self::Out;
    /// A set of flags.
    fn flags(&mut self, flags: Vec<&Name>) -> Self::Out;
}

/// Why a value did not become a WIT value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LowerError {
    /// It has the wrong shape.
    Input(InputError),
    /// The sink had enough.
    TooBig,
}

/// What is wrong with an input, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct InputError {
    /// Where: `nodes[2].driver_info`.
    pub path: String,
    /// What: `expected record, got string`.
    pub problem: String,
}

impl InputError {
    pub(crate) fn missing_param(name: &Name, ty: &Type) -> Self {
        Self {
            path: name.to_string(),
            problem: format!("missing; the action needs it ({ty})"),
        }
    }

    pub(crate) fn unknown_param(name: &str, params: &[Param]) -> Self {
        let problem = if params.is_empty() {
            "unknown parameter; the action takes none".to_owned()
        } else {
            let known = join(params.iter().map(|param| &param.name.snake));
            format!("unknown parameter; the action takes {known}")
        };
        Self {
            path: shown(name),
            problem,
        }
    }
}

/// Builds the parameters of a call from its input.
pub fn lower_params<S: Sink>(
    params: &[Param],
    input: &Map,
    sink: &mut S,
) -> Result<Vec<S::Out>, LowerError> {
    if let Some(name) = input
        .keys()
        .find(|key| !params.iter().any(|p| p.name.is(key)))
    {
        return Err(LowerError::Input(InputError::unknown_param(name, params)));
    }
    params
        .iter()
        .map(|param| match find(input, &param.name)? {
            Some(value) => lower_param(param, value, sink),
            None if param.ty.is_optional() => Ok(sink.option(None)),
            None => Err(LowerError::Input(InputError::missing_param(
                &param.name,
                &param.ty,
            ))),
        })
        .collect()
}

/// Builds the parameter `param` of a call from what is given for it.
pub(crate) fn lower_param<S: Sink>(
    param: &Param,
    value: &Value,
    sink: &mut S,
) -> Result<S::Out, LowerError> {
    lower(&param.ty, value, sink).map_err(|error| error.inside_field(&param.name))
}

/// Builds a value of type `ty` from `value`.
pub fn lower<S: Sink>(ty: &Type, value: &Value, sink: &mut S) -> Result<S::Out, LowerError> {
    charge(sink, 8)?;
    match (ty, value) {
        (Type::Json, value) => {
            if !depth_within(value, MAX_JSON_DEPTH) {
                return Err(problem(format!(
                    "nested deeper than {MAX_JSON_DEPTH} levels, which JSON text may not be"
                )));
            }
            sink.json(value).ok_or(LowerError::TooBig)
        }
        // An option of an option tells a null that was given from one that was not: what is not
        // given never comes here.
        (Type::Option(inner), Value::Null) if matches!(**inner, Type::Option(_)) => {
            let none = sink.option(None);
            Ok(sink.option(Some(none)))
        }
        (Type::Option(_), Value::Null) => Ok(sink.option(None)),
        (Type::Option(inner), value) => {
            let inner = lower(inner, value, sink)?;
            Ok(sink.option(Some(inner)))
        }
        (Type::Bool, Value::Bool(truth)) => Ok(sink.bool(*truth)),
        (ty, Value::Int(_) | Value::Float(_)) => lower_number(ty, value, sink),
        (Type::Char, Value::String(text)) => {
            let mut characters = text.chars();
            match (characters.next(), characters.next()) {
                (Some(character), None) => Ok(sink.char(character)),
                _ => Err(problem(format!(
                    "expected char, got a string of {} characters",
                    text.chars().count()
                ))),
            }
        }
        (Type::String, Value::String(text)) => {
            charge(sink, text.len())?;
            Ok(sink.string(text))
        }
        (Type::List(item), Value::List(values)) => {
            let items = values.iter().enumerate().map(|(index, value)| {
                lower(item, value, sink).map_err(|error| error.inside_item(index))
            });
            let items = items.collect::<Result<_, _>>()?;
            Ok(sink.list(items))
        }
        (Type::Tuple(types), Value::List(values)) => {
            if types.len() != values.len() {
                return Err(problem(format!(
                    "expected {} items, got {}",
                    types.len(),
                    values.len()
                )));
            }
            let items = types
                .iter()
                .zip(values.iter())
                .enumerate()
                .map(|(index, (ty, value))| {
                    lower(ty, value, sink).map_err(|error| error.inside_item(index))
                });
            let items = items.collect::<Result<_, _>>()?;
            Ok(sink.tuple(items))
        }
        (Type::Record(record), Value::Map(entries)) => lower_record(record, entries, sink),
        (Type::Variant(variant), Value::Map(_) | Value::String(_)) => {
            lower_variant(variant, value, sink)
        }
        (Type::Result(sides), Value::Map(entries)) => lower_result(sides, entries, sink),
        (Type::Enum(labels), Value::String(text)) => match labels.find(text) {
            Some(label) => Ok(sink.label(&label.name)),
            None => Err(no_label(labels, text)),
        },
        (Type::Flags(labels), Value::List(values)) => lower_flags(labels, values, sink),
        (ty, value) => Err(mismatch(ty, value)),
    }
}

/// How deep JSON text may be nested: what JSON readers, serde's among them, take.
const MAX_JSON_DEPTH: usize = 120;

/// Whether `value` is nested at most `levels` deep.
fn depth_within(value: &Value, levels: usize) -> bool {
    match value {
        Value::List(items) => levels > 0 && items.iter().all(|item| depth_within(item, levels - 1)),
        Value::Map(entries) => {
            levels > 0 && entries.values().all(|item| depth_within(item, levels - 1))
        }
        _ => true,
    }
}

fn lower_number<S: Sink>(ty: &Type, value: &Value, sink: &mut S) -> Result<S::Out, LowerError> {
    match ty {
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => {
            let number = whole(value).ok_or_else(|| mismatch(ty, value))?;
            match u64::try_from(number) {
                Ok(number) if number <= max(ty) => Ok(sink.unsigned(ty, number)),
                _ => Err(out_of_range(ty, value)),
            }
        }
        Type::S8 | Type::S16 | Type::S32 | Type::S64 => {
            let number = whole(value).ok_or_else(|| mismatch(ty, value))?;
            let bound = i128::from(max(ty));
            match i64::try_from(number) {
                Ok(small) if number <= bound && number >= -bound - 1 => Ok(sink.signed(ty, small)),
                _ => Err(out_of_range(ty, value)),
            }
        }
        Type::F64 => Ok(sink.f64(float(value))),
        Type::F32 => {
            let wide = float(value);
            #[expect(
                clippy::cast_possible_truncation,
                reason = "what f32 rounds to is f32's"
            )]
            let narrow = wide as f32;
            if wide.is_finite() && narrow.is_infinite() {
                return Err(out_of_range(ty, value));
            }
            Ok(sink.f32(narrow))
        }
        _ => Err(mismatch(ty, value)),
    }
}

fn lower_flags<S: Sink>(
    labels: &Labels,
    values: &[Value],
    sink: &mut S,
) -> Result<S::Out, LowerError> {
    let flags = values.iter().enumerate().map(|(index, value)| {
        let found = match value {
            Value::String(text) => labels.find(text).ok_or_else(|| no_label(labels, text)),
            other => Err(problem(format!(
                "expected a flag's name, got {}",
                other.kind()
            ))),
        };
        found
            .map(|label| &label.name)
            .map_err(|error| error.inside_item(index))
    });
    let mut flags: Vec<&Name> = flags.collect::<Result<_, _>>()?;
    let mut seen = Vec::with_capacity(labels.labels.len().min(flags.len()));
    flags.retain(|flag| {
        let new = !seen.contains(flag);
        if new {
            seen.push(*flag);
        }
        new
    });
    Ok(sink.flags(flags))
}

fn lower_result<S: Sink>(
    sides: &(Option<Type>, Option<Type>),
    entries: &Map,
    sink: &mut S,
) -> Result<S::Out, LowerError> {
    let single = (entries.len() == 1).then(|| entries.first()).flatten();
    match single.map(|(key, value)| (&**key, value)) {
        Some(("ok", value)) => {
            let side = lower_side("ok", sides.0.as_ref(), value, sink)?;
            Ok(sink.result(Ok(side)))
        }
        Some(("err", value)) => {
            let side = lower_side("err", sides.1.as_ref(), value, sink)?;
            Ok(sink.result(Err(side)))
        }
        _ => Err(problem(
            "expected an object with either `ok` or `err`".into(),
        )),
    }
}

fn lower_record<S: Sink>(
    record: &Record,
    entries: &Map,
    sink: &mut S,
) -> Result<S::Out, LowerError> {
    let mut used = 0;
    let mut fields = Vec::with_capacity(record.fields.len());
    for field in &record.fields {
        let out = match find(entries, &field.name)? {
            Some(value) => {
                used += 1;
                lower(&field.ty, value, sink).map_err(|error| error.inside_field(&field.name))?
            }
            None if field.ty.is_optional() => sink.option(None),
            None => {
                let problem = format!("missing; {} needs it ({})", record.name, field.ty);
                return Err(LowerError::Input(InputError {
                    path: field.name.to_string(),
                    problem,
                }));
            }
        };
        fields.push((&field.name, out));
    }
    if used < entries.len()
        && let Some(key) = entries
            .keys()
            .find(|key| !record.fields.iter().any(|f| f.name.is(key)))
    {
        let known = join(record.fields.iter().map(|field| &field.name.snake));
        let problem = format!("unknown field; {} has {known}", record.name);
        return Err(LowerError::Input(InputError {
            path: shown(key),
            problem,
        }));
    }
    Ok(sink.record(fields))
}

fn lower_variant<S: Sink>(
    variant: &Variant,
    value: &Value,
    sink: &mut S,
) -> Result<S::Out, LowerError> {
    let (name, payload) = match value {
        Value::String(text) => (&**text, None),
        Value::Map(entries) if entries.len() == 1 => {
            let Some((key, value)) = entries.first() else {
                return Err(problem("expected an object with one case".into()));
            };
            (&**key, Some(value))
        }
        _ => {
            let cases = join(variant.cases.iter().map(|case| &case.name.snake));
            return Err(problem(format!("expected an object with one of {cases}")));
        }
    };
    let Some(case) = variant.cases.iter().find(|case| case.name.is(name)) else {
        let cases = join(variant.cases.iter().map(|case| &case.name.snake));
        return Err(problem(format!(
            "expected one of {cases}, got {}",
            quoted(name)
        )));
    };
    match (&case.ty, payload) {
        (None, None | Some(Value::Null)) => Ok(sink.variant(&case.name, None)),
        (None, Some(_)) => {
            Err(problem("this case carries nothing".into()).inside_field(&case.name))
        }
        (Some(ty), None) if ty.is_optional() => {
            let none = sink.option(None);
            Ok(sink.variant(&case.name, Some(none)))
        }
        (Some(ty), None) => Err(problem(format!(
            "case {name} carries a value: write {{\"{name}\": {ty}}}",
            name = case.name
        ))),
        (Some(ty), Some(value)) => {
            let out = lower(ty, value, sink).map_err(|error| error.inside_field(&case.name))?;
            Ok(sink.variant(&case.name, Some(out)))
        }
    }
}

fn lower_side<S: Sink>(
    side: &str,
    ty: Option<&Type>,
    value: &Value,
    sink: &mut S,
) -> Result<Option<S::Out>, LowerError> {
    match (ty, value) {
        (Some(ty), value) => lower(ty, value, sink)
            .map(Some)
            .map_err(|error| error.inside_field(&Name::new(side))),
        (None, Value::Null) => Ok(None),
        (None, _) => {
            Err(problem("carries nothing: write null".into()).inside_field(&Name::new(side)))
        }
    }
}

/// The entry for `name` in either spelling; an error where both are given.
fn find<'a>(entries: &'a Map, name: &Name) -> Result<Option<&'a Value>, LowerError> {
    let snake = entries.get(&*name.snake);
    if name.snake == name.wit {
        return Ok(snake);
    }
    match (snake, entries.get(&*name.wit)) {
        (Some(_), Some(_)) => Err(LowerError::Input(InputError {
            path: name.to_string(),
            problem: format!("given twice, also as {}", name.wit),
        })),
        (found, None) | (None, found) => Ok(found),
    }
}

fn charge<S: Sink>(sink: &mut S, bytes: usize) -> Result<(), LowerError> {
    if sink.charge(bytes) {
        Ok(())
    } else {
        Err(LowerError::TooBig)
    }
}

/// The whole number that `value` is. `3.0` is one: JSON does not tell it from `3`.
fn whole(value: &Value) -> Option<i128> {
    match value {
        Value::Int(number) => Some(i128::from(*number)),
        // Past 2^64 no type has it, whatever it is exactly.
        Value::Float(number) if number.fract() == 0.0 && number.abs() < 3e19 => {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "whole and far from i128's ends"
            )]
            let exact = *number as i128;
            Some(exact)
        }
        // An infinity has no fraction and is a number out of range, not one of another type.
        Value::Float(number) if number.fract() == 0.0 || number.is_infinite() => Some(i128::MAX),
        _ => None,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a whole number for a float type is rounded"
)]
fn float(value: &Value) -> f64 {
    match value {
        Value::Int(number) => *number as f64,
        Value::Float(number) => *number,
        _ => f64::NAN,
    }
}

/// The largest number of a whole type.
fn max(ty: &Type) -> u64 {
    match ty {
        Type::U8 => u8::MAX.into(),
        Type::U16 => u16::MAX.into(),
        Type::U32 => u32::MAX.into(),
        Type::S8 => 0x7f,
        Type::S16 => 0x7fff,
        Type::S32 => 0x7fff_ffff,
        Type::S64 => 0x7fff_ffff_ffff_ffff,
        _ => u64::MAX,
    }
}

fn problem(problem: String) -> LowerError {
    LowerError::Input(InputError {
        path: String::new(),
        problem,
    })
}

fn mismatch(ty: &Type, value: &Value) -> LowerError {
    problem(format!("expected {}, got {}", ty.kind(), value.kind()))
}

fn out_of_range(ty: &Type, value: &Value) -> LowerError {
    let range = match ty {
        Type::F32 => "3.4e38 at most".to_owned(),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => format!("0 to {}", max(ty)),
        _ => format!("-{} to {}", u128::from(max(ty)) + 1, max(ty)),
    };
    problem(format!("expected {} ({range}), got {value}", ty.kind()))
}

fn no_label(labels: &Labels, text: &str) -> LowerError {
    problem(format!(
        "expected one of {}, got {}",
        labels.list(),
        quoted(text)
    ))
}

/// `text` in quotes, cut: it comes from outside and goes into a message.
fn quoted(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((cut, _)) => format!("{:?}…", &text[..cut]),
        None => format!("{text:?}"),
    }
}

/// A key for a path: as it is where it reads as a name, quoted and cut elsewhere.
fn shown(key: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.len() <= 64 && key.chars().all(plain) {
        key.to_owned()
    } else {
        quoted(key)
    }
}

impl LowerError {
    fn inside(self, step: impl fmt::Display) -> Self {
        match self {
            LowerError::Input(InputError { path, problem }) => {
                let dot = if path.is_empty() || path.starts_with('[') {
                    ""
                } else {
                    "."
                };
                LowerError::Input(InputError {
                    path: format!("{step}{dot}{path}"),
                    problem,
                })
            }
            LowerError::TooBig => LowerError::TooBig,
        }
    }

    fn inside_field(self, name: &Name) -> Self {
        self.inside(name)
    }

    fn inside_item(self, index: usize) -> Self {
        self.inside(format_args!("[{index}]"))
    }
}
