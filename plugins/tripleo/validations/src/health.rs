//! `node_health`: whether nodes can be worked with before a scale-up or an upgrade.
//!
//! The validation of this name in tripleo-validations pings the nodes. A component has no
//! network: this one asks Ironic, which talks to the nodes' power management.

use serde_json::Value;
use tripleo_cloud::json::{node_label, text, text_at};
use tripleo_cloud::{CloudError, ReadCloud};

use crate::selection;
use crate::verdict::{Finding, Verdict};

/// Checks the nodes of the given names or UUIDs, or all.
pub fn check(cloud: &impl ReadCloud, names: Option<&[String]>) -> Result<Verdict, CloudError> {
    let nodes = selection::nodes(cloud, names)?;
    let findings = nodes.iter().flat_map(findings).collect();
    Ok(Verdict::over(nodes.len(), "is healthy", findings))
}

fn findings(node: &Value) -> Vec<Finding> {
    let label = node_label(node);
    let mut findings = Vec::new();
    let mut find = |message: String, hint: String| {
        findings.push(Finding {
            subject: label.to_owned(),
            message,
            hint,
        });
    };

    let state = text_at(node, "provision_state").unwrap_or_default();
    if node["maintenance"] == Value::Bool(true) {
        let reason = text_at(node, "maintenance_reason").unwrap_or("no reason was given");
        find(
            format!("it is in maintenance: {reason}"),
            format!("openstack baremetal node maintenance unset {label}"),
        );
    }
    if state == "error" || state.ends_with(" failed") {
        let reason = text_at(node, "last_error").unwrap_or("Ironic kept no error");
        find(
            format!("its provision state is \"{state}\": {reason}"),
            "mend what the error says, and repeat the operation".to_owned(),
        );
    }
    let power = &node["power_state"];
    let has_instance = text_at(node, "instance_uuid").is_some();
    // Ironic learns a node's power when it is managed.
    if power == "error" || (power.is_null() && state != "enroll") {
        find(
            format!(
                "its power cannot be controlled: the power state is {}",
                text(power)
            ),
            format!("openstack baremetal node validate {label}"),
        );
    } else if has_instance && state == "active" && power != "power on" {
        find(
            format!(
                "an instance is on it and its power state is \"{}\"",
                text(power)
            ),
            format!("openstack baremetal node power on {label}"),
        );
    }
    findings
}
