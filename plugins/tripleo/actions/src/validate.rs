//! `validate_nodes`: what is wrong with an inventory, all of it.

use std::collections::HashSet;

use tripleo_cloud::json::{is_given, text};

use crate::capabilities;
use crate::driver::{self, Converted, Driver};
use crate::error::ActionError;
use crate::inventory::{self, Node};

/// What the nodes before have, and no other may.
#[derive(Default)]
struct Seen {
    power: HashSet<String>,
    names: HashSet<String>,
    addresses: HashSet<String>,
}

/// Checks all nodes. The error has one line for each thing that is wrong.
///
/// tripleo-common stops at the first `pm_type` that is missing or unknown; here it is one
/// line among the others.
pub fn nodes(nodes: &[Node]) -> Result<(), ActionError> {
    let mut seen = Seen::default();
    let mut failures = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let mut fail = |what: &str| failures.push(format!("node #{index}: {what}"));
        match driver::of_node(node) {
            Ok(driver) => one(node, driver, &mut seen, &mut fail),
            Err(error) => fail(&error.to_string()),
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    Err(ActionError::InvalidNode(failures.join("\n")))
}

fn one(node: &Node, driver: &Driver, seen: &mut Seen, fail: &mut impl FnMut(&str)) {
    let missing = driver.missing(node);
    if !missing.is_empty() {
        let what = format!("The following fields are missing: {}", missing.join(", "));
        fail(&ActionError::InvalidNode(what).to_string());
    }

    for port in inventory::ports(node) {
        let Some(address) = port.get("address").map(text) else {
            fail("A port has no address");
            continue;
        };
        if !is_mac(&address) {
            fail(&format!("MAC address {address} is invalid"));
        }
        // Ironic knows addresses in lower case.
        if !seen.addresses.insert(address.to_lowercase()) {
            fail(&format!("MAC {address} is not unique"));
        }
    }

    if let Some(id) = driver.id_from_fields(node).filter(|id| !id.is_empty())
        && !seen.power.insert(id.clone())
    {
        fail(&format!("Node identified by {id} is already present"));
    }
    if let Some(name) = node.get("name").filter(|name| is_given(Some(name))) {
        let name = text(name).into_owned();
        if !seen.names.insert(name.clone()) {
            fail(&format!("Name \"{name}\" is not unique"));
        }
    }
    if is_given(node.get("platform")) && !is_given(node.get("arch")) {
        fail("You have specified a platform without an architecture");
    }
    if let Err(error) = capabilities::parse(node.get("capabilities")) {
        fail(&error.to_string());
    }
    if let Some(hint) = node
        .get("root_device")
        .filter(|hint| !hint.is_null() && !hint.is_object())
    {
        fail(&format!(
            "Invalid root device: expected dict, got {}",
            text(hint)
        ));
    }
    for field in node.keys() {
        let converted = driver.convert_key(field);
        let known = matches!(converted, Converted::Info(_) | Converted::Deprecated(_));
        if !known && !inventory::is_common(field) {
            fail(&format!("Unknown field {field}"));
        }
    }
}

/// Whether the text is six bytes in hexadecimal with colons between them.
fn is_mac(text: &str) -> bool {
    let byte = |part: &str| part.len() == 2 && part.bytes().all(|digit| digit.is_ascii_hexdigit());
    text.split(':').count() == 6 && text.split(':').all(byte)
}
