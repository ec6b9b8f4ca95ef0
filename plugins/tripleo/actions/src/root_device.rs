//! `configure_root_device`: the disk that a node's operating system goes to.

use serde_json::{Map, Value, json};
use tripleo_cloud::json::{is_given, text, text_at};
use tripleo_cloud::path::segment;
use tripleo_cloud::service::{INTROSPECTION, INTROSPECTION_VERSION, read};
use tripleo_cloud::{Cloud, CloudError, Level, list};

use crate::error::ActionError;
use crate::ironic;

/// The hints that name one disk for certain, the best first.
const HINTS: &[&str] = &["wwn_with_extension", "wwn", "serial"];

const GIB: u64 = 1 << 30;

/// Chooses the root device by a strategy and sets the node's hint and `local_gb`. Disks below
/// `minimum_size` GiB don't count; a node that has a hint keeps it unless `overwrite` is set.
pub fn configure(
    cloud: &impl Cloud,
    node_id: &str,
    strategy: &str,
    minimum_size: u32,
    overwrite: bool,
) -> Result<(), ActionError> {
    let node = list::node(cloud, node_id)?;
    let uuid = text_at(&node, "uuid").unwrap_or(node_id);
    if is_given(node["properties"].get("root_device")) && !overwrite {
        cloud.log(
            Level::Warning,
            &format!(
                "Root device hints are already set for node {uuid} and overwriting is not \
                 requested, skipping. You may unset them by running \
                 $ openstack baremetal node unset --property root_device {uuid}"
            ),
        );
        return Ok(());
    }

    let data = introspection_data(cloud, uuid)?;
    let Some(disks) = data["inventory"]["disks"].as_array() else {
        return Err(ActionError::RootDevice(format!(
            "Malformed introspection data for node {uuid}: disks list is missing"
        )));
    };
    let device = choose(disks, strategy, u64::from(minimum_size) * GIB, uuid)?;
    let hint = hint(device, uuid)?;
    // One GiB is left for partitioning, as introspection does.
    let local_gb = (size(device) / GIB).saturating_sub(1);
    let patch = json!([
        {"op": "add", "path": "/properties/root_device", "value": hint},
        {"op": "add", "path": "/properties/local_gb", "value": local_gb},
    ]);
    ironic::update_node(cloud, uuid, &patch)?;
    let name = text_at(device, "name").unwrap_or("(unnamed)");
    let line = format!(
        "Updated root device for node {uuid}, new device is {name}, new local_gb is {local_gb}"
    );
    cloud.log(Level::Info, &line);
    Ok(())
}

fn introspection_data(cloud: &impl Cloud, uuid: &str) -> Result<Value, ActionError> {
    let path = format!("/v1/introspection/{}/data", segment(uuid));
    read(
        cloud,
        INTROSPECTION,
        &path,
        &[],
        Some(INTROSPECTION_VERSION),
    )
    .map_err(|error| match error {
        CloudError::Service { .. } => ActionError::RootDevice(format!(
            "No introspection data found for node {uuid}, root device cannot be detected"
        )),
        other => other.into(),
    })
}

fn choose<'a>(
    disks: &'a [Value],
    strategy: &str,
    minimum_size: u64,
    uuid: &str,
) -> Result<&'a Value, ActionError> {
    let disks: Vec<_> = disks
        .iter()
        .filter(|disk| size(disk) >= minimum_size)
        .collect();
    let chosen = match strategy {
        // Of disks of the same size the first is taken, both ways.
        "smallest" => disks.iter().copied().min_by_key(|disk| size(disk)),
        "largest" => disks.iter().copied().rev().max_by_key(|disk| size(disk)),
        names => names.split(',').find_map(|name| {
            let path = format!("/dev/{}", name.trim());
            disks
                .iter()
                .copied()
                .find(|disk| text_at(disk, "name") == Some(&path))
        }),
    };
    chosen.ok_or_else(|| {
        ActionError::RootDevice(if disks.is_empty() {
            format!("No suitable disks found for node {uuid}")
        } else {
            format!("Cannot find a disk with any of names {strategy} for node {uuid}")
        })
    })
}

fn size(disk: &Value) -> u64 {
    disk["size"].as_u64().unwrap_or(0)
}

fn hint(device: &Value, uuid: &str) -> Result<Value, ActionError> {
    for name in HINTS {
        if let Some(value) = device.get(*name).filter(|value| is_given(Some(value))) {
            return Ok(Value::Object(Map::from_iter([(
                (*name).to_owned(),
                value.clone(),
            )])));
        }
    }
    Err(ActionError::RootDevice(format!(
        "Neither WWN nor serial number are known for device {} on node {uuid}; root device hints \
         cannot be used",
        text(&device["name"]),
    )))
}
