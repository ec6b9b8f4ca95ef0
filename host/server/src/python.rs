//! JSON as Python shows it, which faults of Mistral do.

use ostro_lang::python_repr;
use serde_json::Value;

/// What Python calls the class of a value.
pub(crate) fn class(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}

/// A value as Python writes one.
pub(crate) fn python(value: &Value) -> String {
    python_repr(&value.clone().into())
}
