//! The nodes as the caller gives them.

use serde_json::{Map, Value, json};
use tripleo_cloud::json::is_given;

use crate::error::ActionError;

/// The interfaces of a node that an inventory can choose.
pub const INTERFACES: &[&str] = &[
    "bios_interface",
    "boot_interface",
    "console_interface",
    "deploy_interface",
    "inspect_interface",
    "management_interface",
    "network_interface",
    "power_interface",
    "raid_interface",
    "rescue_interface",
    "storage_interface",
    "vendor_interface",
];

/// Where in an Ironic node the fields go that are the same for all types. `conductor_group` is
/// of later releases of tripleo-common.
pub const FIELDS: &[(&str, &[&str])] = &[
    ("cpu", &["/properties/cpus"]),
    ("memory", &["/properties/memory_mb"]),
    ("disk", &["/properties/local_gb"]),
    ("arch", &["/properties/cpu_arch"]),
    ("root_device", &["/properties/root_device"]),
    ("name", &["/name"]),
    ("resource_class", &["/resource_class"]),
    ("conductor_group", &["/conductor_group"]),
    (
        "kernel_id",
        &["/driver_info/deploy_kernel", "/driver_info/rescue_kernel"],
    ),
    (
        "ramdisk_id",
        &["/driver_info/deploy_ramdisk", "/driver_info/rescue_ramdisk"],
    ),
    ("platform", &["/extra/tripleo_platform"]),
];

/// Fields that have a meaning of their own. Unlike tripleo-common 9.6, which matches nodes by
/// `uuid` but refuses the field when it validates them, `uuid` is one of them.
const SPECIAL: &[&str] = &["ports", "pm_type", "capabilities", "uuid"];

/// One node of an inventory.
pub type Node = Map<String, Value>;

/// Reads nodes from their JSON. Comments go, and `mac` becomes `ports`.
pub fn parse(nodes: &[String]) -> Result<Vec<Node>, ActionError> {
    let invalid = |index, what: &str| ActionError::InvalidNode(format!("node #{index}: {what}"));
    nodes
        .iter()
        .enumerate()
        .map(|(index, text)| match serde_json::from_str(text) {
            Ok(Value::Object(mut node)) => {
                node.remove("_comment");
                mac_to_ports(&mut node)
                    .map_err(|what| invalid(index, what))
                    .map(|()| node)
            }
            Ok(_) => Err(invalid(index, "a node is an object")),
            Err(error) => Err(invalid(index, &format!("it is not JSON: {error}"))),
        })
        .collect()
}

fn mac_to_ports(node: &mut Node) -> Result<(), &'static str> {
    let addresses = match node.get("mac") {
        mac if !is_given(mac) => Vec::new(),
        Some(Value::Array(addresses)) => addresses.clone(),
        Some(address) => vec![address.clone()],
        None => Vec::new(),
    };
    if !addresses.is_empty() {
        node.remove("mac");
        let ports = node.entry("ports").or_insert_with(|| json!([]));
        let Value::Array(ports) = ports else {
            return Err("\"ports\" is a list of objects");
        };
        ports.extend(
            addresses
                .into_iter()
                .map(|address| json!({"address": address})),
        );
    }
    match node.get("ports") {
        None => Ok(()),
        Some(Value::Array(ports)) if ports.iter().all(Value::is_object) => Ok(()),
        Some(_) => Err("\"ports\" is a list of objects"),
    }
}

/// The ports of a node.
pub fn ports(node: &Node) -> impl Iterator<Item = &Value> {
    node.get("ports")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// Whether every type of node may have the field.
pub fn is_common(field: &str) -> bool {
    FIELDS.iter().any(|(name, _)| *name == field)
        || INTERFACES.contains(&field)
        || SPECIAL.contains(&field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(node: &Value) -> Result<Value, String> {
        let mut nodes = parse(&[node.to_string()]).map_err(|error| error.to_string())?;
        Ok(Value::Object(nodes.remove(0)))
    }

    #[test]
    fn mac_becomes_ports() {
        for (node, expected) in [
            (
                json!({"mac": ["a", "b"]}),
                json!({"ports": [{"address": "a"}, {"address": "b"}]}),
            ),
            (json!({"mac": "a"}), json!({"ports": [{"address": "a"}]})),
            (
                json!({"mac": ["b"], "ports": [{"address": "a", "physical_network": "n"}]}),
                json!({"ports": [{"address": "a", "physical_network": "n"}, {"address": "b"}]}),
            ),
            (json!({"mac": []}), json!({"mac": []})),
            (json!({"_comment": "first"}), json!({})),
        ] {
            assert_eq!(parsed(&node).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_no_node_is_refused_with_its_place() {
        for (node, expected) in [
            (
                json!("node"),
                "Invalid node data: node #0: a node is an object",
            ),
            (
                json!({"ports": ["a"]}),
                "Invalid node data: node #0: \"ports\" is a list of objects",
            ),
            (
                json!({"ports": "a", "mac": ["b"]}),
                "Invalid node data: node #0: \"ports\" is a list of objects",
            ),
        ] {
            assert_eq!(parsed(&node).unwrap_err(), expected);
        }
        let error = parse(&["{".to_owned()]).unwrap_err().to_string();
        assert!(
            error.starts_with("Invalid node data: node #0: it is not JSON: "),
            "{error}"
        );
    }
}
