//! What leaves an expression: JSON's values, as Mistral gets them.

use std::sync::Arc;

use ostro_core::{Map, Value};

use super::Eval;
use crate::error::{ErrorKind, Fail, Res, fail};
use crate::library::strings::python_float;
use crate::value::{Dict, List, Val};

fn no_result(what: &str, hint: &str) -> Fail {
    fail(
        ErrorKind::Result,
        format!("{what} is no value that a workflow can keep"),
    )
    .hint(Some(hint.to_owned()))
}

impl Eval<'_> {
    /// The value as the workflow keeps it: iterators, sets and views become lists, times strings.
    pub(crate) fn finish(&mut self, value: &Val) -> Res<Value> {
        Ok(match value {
            Val::Missing | Val::Null => Value::Null,
            Val::Bool(truth) => Value::Bool(*truth),
            Val::Int(number) => Value::Int(*number),
            Val::Float(number) if number.is_finite() => Value::Float(*number),
            Val::Float(_) => {
                return Err(no_result(
                    "a number that is not finite",
                    "check the divisor or the size of the operands",
                ));
            }
            Val::Str(text) => Value::String(Arc::clone(text)),
            Val::List(List::Json(items)) => Value::List(Arc::clone(items)),
            Val::Dict(Dict::Json(entries)) => Value::Map(Arc::clone(entries)),
            Val::Dict(dict) => self.deeper(|ev| ev.finish_dict(dict))?,
            Val::Time(moment) => moment.json().into(),
            Val::Span(_) => {
                return Err(no_result(
                    "a timespan",
                    "take its `.seconds`, `.minutes`, `.hours` or `.days`",
                ));
            }
            Val::Regex(_) => {
                return Err(no_result(
                    "a regex",
                    "call `.search(…)` or `.matches(…)` on it",
                ));
            }
            Val::Context(_) => {
                return Err(no_result(
                    "a context",
                    "say what to make of it: `let(…) -> …`",
                ));
            }
            Val::Lambda(_) | Val::Rule(_) | Val::Pair(_) => {
                return Err(no_result(
                    "`key => value`",
                    "mappings are written with braces: `{key => value}`",
                ));
            }
            Val::List(_)
            | Val::Set(_)
            | Val::View(..)
            | Val::Iter(_)
            | Val::Memo(_)
            | Val::Order(_) => self.deeper(|ev| ev.finish_items(value))?,
        })
    }

    fn finish_items(&mut self, value: &Val) -> Res<Value> {
        let mut source = self.source(value)?;
        let mut items = Vec::new();
        while let Some(item) = source.next(self)? {
            self.charge(size_of::<Value>())?;
            items.push(self.finish(&item)?);
        }
        Ok(items.into())
    }

    fn finish_dict(&mut self, dict: &Dict) -> Res<Value> {
        let mut entries =
            Map::with_capacity_and_hasher(dict.len(), std::hash::RandomState::default());
        for (key, value) in dict.iter() {
            self.step(1)?;
            self.charge(64)?;
            entries.insert(finish_key(&key)?, self.finish(&value)?);
        }
        Ok(entries.into())
    }
}

/// A mapping's key as JSON writes it.
fn finish_key(key: &Val) -> Res<Arc<str>> {
    Ok(match key {
        Val::Str(text) => Arc::clone(text),
        Val::Null => "null".into(),
        Val::Bool(truth) => if *truth { "true" } else { "false" }.into(),
        Val::Int(number) => number.to_string().into(),
        Val::Float(number) => python_float(*number).into(),
        Val::Time(moment) => moment.json().into(),
        other => {
            return Err(fail(
                ErrorKind::Result,
                format!(
                    "a mapping has a key of type {}; only simple values can be keys of a result",
                    other.kind()
                ),
            )
            .hint(Some("turn it into a string".to_owned())));
        }
    })
}
