//! Values as text, as Python's `str` writes them.

use ostro_core::Value;

/// `value` as Python's `str` writes it: what stands in text where an expression stood.
pub(crate) fn python_str(value: &Value) -> String {
    match value {
        Value::String(text) => text.to_string(),
        other => python_repr(other),
    }
}

fn python_repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => format!("{number:?}"),
        Value::String(text) => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
        Value::List(items) => {
            let items: Vec<_> = items.iter().map(python_repr).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(entries) => {
            let entries: Vec<_> = entries
                .iter()
                .map(|(key, value)| {
                    format!("{}: {}", python_repr(&Value::String(key.clone())), python_repr(value))
                })
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}
