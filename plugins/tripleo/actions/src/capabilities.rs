//! Capabilities of a node: `profile:compute,boot_option:local`, or an object.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tripleo_cloud::json::{is_given, text, text_at};
use tripleo_cloud::{Cloud, list};

use crate::error::ActionError;
use crate::ironic;

/// Capabilities by name, in the order in which they are written.
pub type Capabilities = BTreeMap<String, Value>;

/// Reads capabilities from text or an object. What is missing or empty has none.
pub fn parse(capabilities: Option<&Value>) -> Result<Capabilities, ActionError> {
    let invalid = |value: &Value| ActionError::InvalidCapabilities(text(value).into_owned());
    match capabilities {
        value if !is_given(value) => Ok(Capabilities::new()),
        Some(Value::Object(entries)) => Ok(entries
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()),
        Some(value @ Value::String(text)) => text
            .split(',')
            .map(|item| {
                let (name, value) = item.split_once(':')?;
                Some((name.to_owned(), json!(value)))
            })
            .collect::<Option<_>>()
            .ok_or_else(|| invalid(value)),
        Some(value) => Err(invalid(value)),
        None => Ok(Capabilities::new()),
    }
}

/// Writes capabilities as Ironic has them, sorted by name, so that their order does not change
/// between updates. A capability that is null is left out.
pub fn write(capabilities: &Capabilities) -> String {
    let items = capabilities.iter().filter(|(_, value)| !value.is_null());
    let items: Vec<_> = items
        .map(|(name, value)| format!("{name}:{}", text(value)))
        .collect();
    items.join(",")
}

/// Capabilities from an inventory as Ironic has them: text stays as it is.
pub fn normalise(capabilities: &Value) -> Result<String, ActionError> {
    match capabilities {
        Value::String(text) => Ok(text.clone()),
        other => Ok(write(&parse(Some(other))?)),
    }
}

/// The capability `name` of a node as Ironic gives it.
pub fn of_node(node: &Value, name: &str) -> Result<Option<String>, ActionError> {
    let Some(properties) = node.get("properties") else {
        return Err(ActionError::InvalidNode(
            "the node has no \"properties\"".to_owned(),
        ));
    };
    let capabilities = parse(properties.get("capabilities"))?;
    let value = capabilities.get(name).filter(|value| !value.is_null());
    Ok(value.map(|value| text(value).into_owned()))
}

/// Sets one capability of a node, or removes it where `value` is null. Gives the node.
pub fn update(
    cloud: &impl Cloud,
    node_id: &str,
    capability: &str,
    value: Value,
) -> Result<Value, ActionError> {
    let node = list::node(cloud, node_id)?;
    let mut capabilities = parse(node["properties"].get("capabilities"))?;
    if !value.is_null() {
        capabilities.insert(capability.to_owned(), value);
    } else if capabilities.remove(capability).is_none() {
        return Err(ActionError::NoCapability(capability.to_owned()));
    }
    // `add` sets what is there and what isn't; `replace` is refused for a node without any.
    let patch = json!([{
        "op": "add",
        "path": "/properties/capabilities",
        "value": write(&capabilities),
    }]);
    ironic::update_node(cloud, text_at(&node, "uuid").unwrap_or(node_id), &patch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_object_are_read_alike() {
        let expected = "num_nics:6,profile:compute";
        for value in [
            json!("profile:compute,num_nics:6"),
            json!({"profile": "compute", "num_nics": 6, "gone": null}),
        ] {
            assert_eq!(write(&parse(Some(&value)).unwrap()), expected);
        }
    }

    #[test]
    fn only_the_first_colon_separates() {
        let capabilities = parse(Some(&json!("iqn:a:b"))).unwrap();
        assert_eq!(capabilities["iqn"], "a:b");
    }

    #[test]
    fn nothing_is_no_capabilities() {
        for value in [None, Some(json!(null)), Some(json!("")), Some(json!({}))] {
            assert!(parse(value.as_ref()).unwrap().is_empty());
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        for value in [json!("42"), json!("a:b,"), json!(42), json!(["a:b"])] {
            let error = parse(Some(&value)).unwrap_err().to_string();
            assert_eq!(error, format!("Invalid capabilities: {}", text(&value)));
        }
    }
}
