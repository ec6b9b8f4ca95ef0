//! Reading JSON values as OpenStack's tools do.

use std::borrow::Cow;

use serde_json::Value;

/// A value as text, as Python's `str` gives it for what inventories hold: text as it is,
/// numbers in decimal, `True`, `False` and `None`. Lists and objects are JSON.
pub fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Bool(true) => Cow::Borrowed("True"),
        Value::Bool(false) => Cow::Borrowed("False"),
        Value::Null => Cow::Borrowed("None"),
        other => Cow::Owned(other.to_string()),
    }
}

/// Whether a value counts as given: not null, not empty, not zero, not false.
pub fn is_given(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::Bool(truth)) => *truth,
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(entries)) => !entries.is_empty(),
    }
}

/// The text at `key`, if there is one that isn't empty.
pub fn text_at<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str().filter(|text| !text.is_empty())
}

/// What to call a node: its name, or else its UUID.
pub fn node_label(node: &Value) -> &str {
    text_at(node, "name")
        .or_else(|| text_at(node, "uuid"))
        .unwrap_or("(unnamed)")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_written_as_python_writes_them() {
        for (value, expected) in [
            (json!("623"), "623"),
            (json!(623), "623"),
            (json!(true), "True"),
            (json!(false), "False"),
            (json!(null), "None"),
            (json!(["a"]), r#"["a"]"#),
        ] {
            assert_eq!(text(&value), expected);
        }
    }

    #[test]
    fn empty_values_are_not_given() {
        for value in [
            json!(null),
            json!(""),
            json!(0),
            json!(false),
            json!([]),
            json!({}),
        ] {
            assert!(!is_given(Some(&value)), "{value}");
        }
        for value in [
            json!("0"),
            json!(1),
            json!(true),
            json!([0]),
            json!({"a": 0}),
        ] {
            assert!(is_given(Some(&value)), "{value}");
        }
        assert!(!is_given(None));
    }

    #[test]
    fn a_node_without_a_name_goes_by_its_uuid() {
        assert_eq!(node_label(&json!({"name": "n", "uuid": "u"})), "n");
        assert_eq!(node_label(&json!({"name": null, "uuid": "u"})), "u");
    }
}
