//! `configure_boot`: the images that deploy and rescue a node, and its boot option.

use serde_json::{Value, json};
use tripleo_cloud::json::text_at;
use tripleo_cloud::{Cloud, list};

use crate::capabilities;
use crate::error::ActionError;
use crate::{images, ironic};

/// Configures one node. Without both names it has no images afterwards.
pub fn configure(
    cloud: &impl Cloud,
    node_id: &str,
    kernel_name: Option<&str>,
    ramdisk_name: Option<&str>,
    boot_option: Option<&str>,
) -> Result<(), ActionError> {
    let found = match (kernel_name, ramdisk_name) {
        (Some(kernel), Some(ramdisk)) => Some(images::find(cloud, kernel, ramdisk)?),
        _ => None,
    };
    let kernel = found.as_ref().map(|images| images.kernel.as_str());
    let ramdisk = found.as_ref().map(|images| images.ramdisk.as_str());

    let node = list::node(cloud, node_id)?;
    let mut capabilities = capabilities::parse(node["properties"].get("capabilities"))?;
    match boot_option {
        Some(option) => {
            capabilities.insert("boot_option".to_owned(), json!(option));
        }
        None => {
            capabilities
                .entry("boot_option".to_owned())
                .or_insert_with(|| json!("local"));
        }
    }

    let add = |path: &str, value: Value| json!({"op": "add", "path": path, "value": value});
    let patch = json!([
        add(
            "/properties/capabilities",
            json!(capabilities::write(&capabilities))
        ),
        add("/driver_info/deploy_ramdisk", json!(ramdisk)),
        add("/driver_info/deploy_kernel", json!(kernel)),
        add("/driver_info/rescue_ramdisk", json!(ramdisk)),
        add("/driver_info/rescue_kernel", json!(kernel)),
    ]);
    ironic::update_node(cloud, text_at(&node, "uuid").unwrap_or(node_id), &patch).map(drop)
}
