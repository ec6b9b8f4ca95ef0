//! Tests: what stands behind `is`.

use ostro_core::Value;

use super::ast::Comparison;
use super::error::{Res, fail};
use super::eval::{Args, Eval};
use super::value::Val;
use super::{filters, functions};

const NAMES: &[&str] = &[
    "!=",
    "<",
    "<=",
    "==",
    ">",
    ">=",
    "boolean",
    "callable",
    "defined",
    "divisibleby",
    "eq",
    "equalto",
    "escaped",
    "even",
    "false",
    "filter",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sameas",
    "sequence",
    "string",
    "test",
    "true",
    "undefined",
    "upper",
];

/// The names of the tests.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    NAMES.iter().copied()
}

/// Whether there is a test of this name.
pub(crate) fn exists(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Whether `value` passes the test `name`.
pub(crate) fn call(eval: &mut Eval<'_>, name: &str, value: &Val, args: Args) -> Res<bool> {
    let comparison = match name {
        "eq" | "equalto" | "==" => Some(Comparison::Eq),
        "ne" | "!=" => Some(Comparison::Ne),
        "lt" | "lessthan" | "<" => Some(Comparison::Lt),
        "le" | "<=" => Some(Comparison::Le),
        "gt" | "greaterthan" | ">" => Some(Comparison::Gt),
        "ge" | ">=" => Some(Comparison::Ge),
        "in" => Some(Comparison::In),
        _ => None,
    };
    if let Some(comparison) = comparison {
        let Some(other) = one(name, args)? else {
            return fail(format!("the test `{name}` needs a value to compare with"));
        };
        return eval.compares(comparison, value, &other);
    }
    match name {
        "defined" | "undefined" => {
            one(
                name,
                Args {
                    positional: Vec::new(),
                    ..args
                },
            )?;
            return Ok(matches!(value, Val::Undefined(_)) == (name == "undefined"));
        }
        "divisibleby" | "sameas" => {
            let Some(other) = one(name, args)? else {
                return fail(format!("the test `{name}` needs a value"));
            };
            if name == "sameas" {
                return same(value, &other);
            }
            let (Some(a), Some(b)) = (value.defined()?.as_int(), other.defined()?.as_int()) else {
                return fail("the test `divisibleby` takes whole numbers");
            };
            if b == 0 {
                return fail("division by zero");
            }
            return Ok(a.wrapping_rem(b) == 0);
        }
        _ if !args.positional.is_empty() || !args.named.is_empty() => {
            return fail(format!("the test `{name}` takes no arguments"));
        }
        _ => {}
    }
    // These look at the type alone, and take what is undefined too.
    match name {
        "boolean" => return Ok(matches!(value, Val::Data(Value::Bool(_)))),
        "true" => return Ok(matches!(value, Val::Data(Value::Bool(true)))),
        "false" => return Ok(matches!(value, Val::Data(Value::Bool(false)))),
        "none" => return Ok(value.is_none()),
        "integer" => return Ok(matches!(value, Val::Data(Value::Int(_)))),
        "float" => return Ok(matches!(value, Val::Data(Value::Float(_)))),
        "number" => return Ok(value.as_float().is_some()),
        "string" => return Ok(value.as_str().is_some()),
        "mapping" => return Ok(value.as_map().is_some()),
        "callable" => {
            return Ok(matches!(
                value,
                Val::Function(_) | Val::Cycler(_) | Val::Joiner(_) | Val::Loop(_)
            ));
        }
        "escaped" => return Ok(false),
        _ => {}
    }
    value.defined()?;
    match name {
        "even" | "odd" => match value.as_float() {
            Some(number) => Ok((number.rem_euclid(2.0) == 0.0) == (name == "even")
                && (name == "even" || (number.rem_euclid(2.0) - 1.0).abs() < f64::EPSILON)),
            None => fail(format!(
                "the test `{name}` takes a number, not {}",
                value.kind()
            )),
        },
        "sequence" | "iterable" => Ok(value.len().is_some()),
        "lower" => Ok(cased(&value.text()?, char::is_uppercase)),
        "upper" => Ok(cased(&value.text()?, char::is_lowercase)),
        "filter" => Ok(value.as_str().is_some_and(filters::exists)),
        "test" => Ok(value.as_str().is_some_and(exists)),
        _ => fail(format!("there is no test `{name}`")),
    }
}

fn one(name: &str, args: Args) -> Res<Option<Val>> {
    let parameter = match name {
        "divisibleby" => "num",
        "in" => "seq",
        _ => "other",
    };
    let [other] = args.bind(name, [parameter])?;
    Ok(other)
}

/// Whether there are letters, and none of them is `other`.
fn cased(text: &str, other: fn(char) -> bool) -> bool {
    text.chars().any(|c| c.is_uppercase() || c.is_lowercase()) && !text.chars().any(other)
}

/// Identity, as far as values that are shared have one.
fn same(value: &Val, other: &Val) -> Res<bool> {
    Ok(match (value, other) {
        (Val::Data(Value::List(a)), Val::Data(Value::List(b))) => std::sync::Arc::ptr_eq(a, b),
        (Val::Data(Value::Map(a)), Val::Data(Value::Map(b))) => std::sync::Arc::ptr_eq(a, b),
        (Val::Function(_), _) | (_, Val::Function(_)) => functions::same(value, other),
        _ => value.python_type() == other.python_type() && value.equals(other)?,
    })
}
