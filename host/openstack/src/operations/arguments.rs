//! A call's arguments, checked against the operation's parameters.

use ostro_core::{Map, Value};

use crate::operations::{Kind, Operation, OperationError, Parameter, python};

/// Arguments that fit: each of its parameter's kind, defaults filled in, none null.
#[derive(Debug)]
pub(super) struct Arguments {
    /// In the order of the parameters.
    known: Vec<Option<Value>>,
    /// What an open operation takes beside them.
    rest: Map,
}

impl Arguments {
    pub(super) fn check(operation: &Operation, given: &Map) -> Result<Self, OperationError> {
        let mut rest = Map::new();
        for (name, value) in given {
            let known = operation
                .parameters
                .iter()
                .any(|parameter| parameter.is_called(name));
            if !known && !operation.open {
                let takes: Vec<&str> = operation
                    .parameters
                    .iter()
                    .map(|parameter| &*parameter.name)
                    .collect();
                return Err(OperationError::parameters(
                    operation,
                    if takes.is_empty() {
                        format!("there is no parameter {name:?}: it takes none")
                    } else {
                        format!(
                            "there is no parameter {name:?}: it takes {}",
                            takes.join(", ")
                        )
                    },
                ));
            }
            if !known {
                rest.insert(name.clone(), value.clone());
            }
        }
        let known = operation
            .parameters
            .iter()
            .map(|parameter| parameter.argument(operation, given))
            .collect::<Result<_, _>>()?;
        Ok(Self { known, rest })
    }

    /// The parameters of `operation` that have a value, with it.
    pub(super) fn of<'a>(
        &'a self,
        operation: &'a Operation,
    ) -> impl Iterator<Item = (&'a Parameter, &'a Value)> {
        operation
            .parameters
            .iter()
            .zip(&self.known)
            .filter_map(|(parameter, value)| Some((parameter, value.as_ref()?)))
    }

    /// The argument for the parameter called `name`.
    pub(super) fn get<'a>(&'a self, operation: &Operation, name: &str) -> Option<&'a Value> {
        let index = operation
            .parameters
            .iter()
            .position(|parameter| parameter.name == name)?;
        self.known.get(index)?.as_ref()
    }

    /// Text for the parameter called `name`.
    pub(super) fn text<'a>(&'a self, operation: &Operation, name: &str) -> Option<&'a str> {
        self.get(operation, name).and_then(Value::as_str)
    }

    /// The whole number for the parameter called `name`.
    pub(super) fn int(&self, operation: &Operation, name: &str) -> Option<i64> {
        self.get(operation, name).and_then(Value::as_int)
    }

    /// Whether the parameter called `name` is given and true.
    pub(super) fn is_true(&self, operation: &Operation, name: &str) -> bool {
        self.get(operation, name).is_some_and(Value::is_truthy)
    }

    /// What an open operation got beside its parameters.
    pub(super) fn rest(&self) -> &Map {
        &self.rest
    }
}

impl Parameter {
    /// Whether `name` is its name, or the other one that is taken for it.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.also.as_deref() == Some(name)
    }

    /// `value` as this parameter takes it; what is wrong with it otherwise. Null is not given.
    pub fn accept(&self, value: &Value) -> Result<Value, String> {
        if value.is_null() {
            return Ok(Value::Null);
        }
        self.kind
            .of(value)
            .ok_or_else(|| format!("must be {}, not {}", self.kind.article(), value.kind()))
    }

    fn argument(
        &self,
        operation: &Operation,
        given: &Map,
    ) -> Result<Option<Value>, OperationError> {
        let named = |name: &str| given.get(name).filter(|value| !value.is_null());
        let value = named(&self.name).or_else(|| named(self.also.as_deref()?));
        let Some(value) = value else {
            return match &self.default {
                Value::Null if self.required => Err(OperationError::parameters(
                    operation,
                    format!("parameter {:?} is missing", self.name),
                )),
                Value::Null => Ok(None),
                default => Ok(Some(default.clone())),
            };
        };
        self.accept(value).map(Some).map_err(|problem| {
            OperationError::parameters(operation, format!("parameter {:?} {problem}", self.name))
        })
    }
}

impl Kind {
    fn article(self) -> &'static str {
        match self {
            Kind::String => "a string",
            Kind::Integer => "an integer",
            Kind::Number => "a number",
            Kind::Boolean => "a boolean",
            Kind::List => "a list",
            Kind::Object => "an object",
            Kind::Any => "anything",
        }
    }

    /// `value` as this kind. Workflows write `limit=<% $.count %>` and `maintenance=False`, so
    /// what plainly means a value of the kind is one.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the float is whole and within what an i64 holds exactly"
    )]
    fn of(self, value: &Value) -> Option<Value> {
        match (self, value) {
            (Kind::Any, _)
            | (Kind::String, Value::String(_))
            | (Kind::Integer, Value::Int(_))
            | (Kind::Number, Value::Int(_) | Value::Float(_))
            | (Kind::Boolean, Value::Bool(_))
            | (Kind::List, Value::List(_))
            | (Kind::Object, Value::Map(_)) => Some(value.clone()),
            (Kind::String, Value::Int(_) | Value::Float(_) | Value::Bool(_)) => {
                Some(python::text(value).into())
            }
            (Kind::Integer, Value::Float(number))
                if number.fract() == 0.0 && number.abs() < 9e15 =>
            {
                Some(Value::Int(*number as i64))
            }
            (Kind::Integer, Value::String(text)) => text.trim().parse().ok().map(Value::Int),
            (Kind::Number, Value::String(text)) => text
                .trim()
                .parse()
                .ok()
                .filter(|number: &f64| number.is_finite())
                .map(Value::Float),
            (Kind::Boolean, Value::String(text)) => python::truth(text).map(Value::Bool),
            _ => None,
        }
    }
}
