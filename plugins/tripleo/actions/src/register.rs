//! `register_or_update_nodes`: an inventory's nodes in Ironic.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value, json};
use tripleo_cloud::json::{is_given, text, text_at};
use tripleo_cloud::path::segment;
use tripleo_cloud::service::{BAREMETAL, BAREMETAL_VERSION, read};
use tripleo_cloud::{Cloud, Level, ReadCloud, list};

use crate::driver::{self, Driver};
use crate::error::ActionError;
use crate::inventory::{self, FIELDS, INTERFACES, Node};
use crate::{capabilities, images, ironic};

/// The resource class that TripleO's flavors ask for.
const RESOURCE_CLASS: &str = "baremetal";

/// The network that TripleO deploys from.
const CONTROL_PLANE: &str = "ctlplane";

/// What Ironic shows in place of a secret.
const MASKED: &str = "******";

/// What to register nodes with.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Whether to delete nodes that are not in the inventory.
    pub remove: bool,
    /// The name or ID of the kernel that deploys nodes which name none.
    pub kernel_name: Option<&'a str>,
    /// The same for the ramdisk.
    pub ramdisk_name: Option<&'a str>,
    /// The boot option of nodes whose capabilities have none.
    pub boot_option: &'a str,
}

/// The nodes that Ironic has.
struct Registered {
    nodes: HashMap<String, Value>,
    by_address: HashMap<String, String>,
    by_power: HashMap<String, String>,
}

/// Registers nodes, or updates those that Ironic knows. Gives Ironic's nodes in the
/// inventory's order.
///
/// A node that has all it should have already is not written to: running the same inventory
/// again changes nothing.
pub fn nodes(
    cloud: &impl Cloud,
    mut nodes: Vec<Node>,
    options: &Options<'_>,
) -> Result<Vec<Value>, ActionError> {
    for node in &mut nodes {
        let mut capabilities = capabilities::parse(node.get("capabilities"))?;
        let option = || json!(options.boot_option);
        capabilities
            .entry("boot_option".to_owned())
            .or_insert_with(option);
        node.insert(
            "capabilities".to_owned(),
            json!(capabilities::write(&capabilities)),
        );
    }

    let registered = Registered::read(cloud)?;
    let images = match (options.kernel_name, options.ramdisk_name) {
        (Some(kernel), Some(ramdisk)) if !kernel.is_empty() && !ramdisk.is_empty() => {
            Some(images::find(cloud, kernel, ramdisk)?)
        }
        _ => None,
    };

    let total = nodes.len();
    let mut seen = Vec::with_capacity(total);
    for (index, mut node) in nodes.into_iter().enumerate() {
        if let Some(images) = &images {
            node.entry("kernel_id")
                .or_insert_with(|| json!(images.kernel));
            node.entry("ramdisk_id")
                .or_insert_with(|| json!(images.ramdisk));
        }
        let label = node
            .get("name")
            .map_or_else(|| format!("#{index}"), |n| text(n).into_owned());
        let percent = u8::try_from(index * 100 / total).ok();
        cloud.progress(percent, &format!("registering node {label}"));
        let driver = driver::of_node(&node)?;
        seen.push(match registered.find(&node, driver)? {
            Some(known) => update(cloud, driver, node, known)?,
            None => create(cloud, driver, &node)?,
        });
    }

    remove_others(cloud, &registered, &seen, options.remove)?;
    Ok(seen)
}

impl Registered {
    fn read(cloud: &impl ReadCloud) -> Result<Self, ActionError> {
        let nodes = list::nodes(cloud)?;
        let mut by_power = HashMap::new();
        for node in &nodes {
            let Some(uuid) = text_at(node, "uuid") else {
                continue;
            };
            let driver = text_at(node, "driver").unwrap_or_default();
            // Ironic may have nodes of types that inventories can't name; they are known by
            // their addresses and UUIDs.
            let Ok(driver) = driver::find(driver) else {
                cloud.log(
                    Level::Debug,
                    &format!("node {uuid}: no rules for driver {driver}"),
                );
                continue;
            };
            if let Some(info) = node["driver_info"].as_object()
                && let Some(id) = driver.id_from_info(info).filter(|id| !id.is_empty())
            {
                by_power.insert(id, uuid.to_owned());
            }
        }
        let mut by_address = HashMap::new();
        for port in list::ports(cloud)? {
            if let (Some(address), Some(node)) =
                (text_at(&port, "address"), text_at(&port, "node_uuid"))
            {
                by_address.insert(address.to_lowercase(), node.to_owned());
            }
        }
        let nodes = nodes
            .into_iter()
            .filter_map(|node| Some((text_at(&node, "uuid")?.to_owned(), node)))
            .collect();
        Ok(Self {
            nodes,
            by_address,
            by_power,
        })
    }

    /// The node that the inventory's node is.
    fn find(&self, node: &Node, driver: &Driver) -> Result<Option<&Value>, ActionError> {
        let mut candidates = BTreeSet::new();
        for port in inventory::ports(node) {
            let address = text_at(port, "address").unwrap_or_default().to_lowercase();
            candidates.extend(self.by_address.get(&address).map(String::as_str));
        }
        if let Some(id) = driver.id_from_fields(node) {
            candidates.extend(self.by_power.get(&id).map(String::as_str));
        }
        if let Some(uuid) = node.get("uuid").and_then(Value::as_str)
            && self.nodes.contains_key(uuid)
        {
            candidates.insert(uuid);
        }
        if candidates.len() > 1 {
            let candidates: Vec<_> = candidates.into_iter().collect();
            return Err(ActionError::InvalidNode(format!(
                "Several candidates found for the same node data: {}",
                candidates.join(", ")
            )));
        }
        Ok(candidates.first().and_then(|uuid| self.nodes.get(*uuid)))
    }
}

fn update(
    cloud: &impl Cloud,
    driver: &Driver,
    mut node: Node,
    known: &Value,
) -> Result<Value, ActionError> {
    let uuid = text_at(known, "uuid").unwrap_or_default();
    let mut wanted = BTreeMap::new();
    for (field, paths) in FIELDS {
        if let Some(value) = node.remove(*field) {
            wanted.extend(paths.iter().map(|path| ((*path).to_owned(), value.clone())));
        }
    }
    for field in INTERFACES {
        if let Some(value) = node.remove(*field) {
            wanted.insert(format!("/{field}"), value);
        }
    }
    if let Some(value) = node.remove("capabilities") {
        let value = json!(capabilities::normalise(&value)?);
        wanted.insert("/properties/capabilities".to_owned(), value);
    }
    let info = driver.convert(&node, |line| cloud.log(Level::Warning, line));
    wanted.extend(
        info.into_iter()
            .map(|(key, value)| (format!("/driver_info/{key}"), value)),
    );

    if wanted.iter().all(|(path, value)| has(known, path, value)) {
        cloud.log(
            Level::Info,
            &format!("Node {uuid} already registered, nothing to update."),
        );
        return Ok(known.clone());
    }
    cloud.log(
        Level::Info,
        &format!("Node {uuid} already registered, updating details."),
    );
    let patch: Value = wanted
        .into_iter()
        .map(|(path, value)| json!({"op": "add", "path": path, "value": value}))
        .collect();
    ironic::update_node(cloud, uuid, &patch)
}

/// Whether a node has a value at a path. Of a secret nobody can tell.
fn has(node: &Value, path: &str, value: &Value) -> bool {
    let mut keys = path.split('/').skip(1);
    let place = keys.try_fold(node, |place, key| place.get(key));
    place.is_some_and(|current| current != MASKED && same(current, value))
}

/// Whether two values are the same to an operator: `4` and `"4"` are.
fn same(one: &Value, other: &Value) -> bool {
    let scalar = |value: &Value| value.is_string() || value.is_number();
    one == other || (scalar(one) && scalar(other) && text(one) == text(other))
}

fn create(cloud: &impl Cloud, driver: &Driver, node: &Node) -> Result<Value, ActionError> {
    let body = new_node(cloud, driver, node)?;
    let created = ironic::create_node(cloud, &Value::Object(body))?;
    let Some(uuid) = text_at(&created, "uuid") else {
        let what = "the bare metal service created a node and gave no UUID";
        return Err(ActionError::Unexpected(what.to_owned()));
    };

    for port in inventory::ports(node) {
        let network = port.get("physical_network").cloned();
        let mut body = json!({
            "address": port.get("address"),
            "physical_network": network.unwrap_or_else(|| json!(CONTROL_PLANE)),
            "node_uuid": uuid,
        });
        if let Some(link) = port
            .get("local_link_connection")
            .filter(|link| !link.is_null())
        {
            body["local_link_connection"] = link.clone();
        }
        ironic::create_port(cloud, &body)?;
    }

    let path = format!("/v1/nodes/{}/validate", segment(uuid));
    let validation = read(cloud, BAREMETAL, &path, &[], Some(BAREMETAL_VERSION))?;
    let power = &validation["power"];
    if power["result"] != Value::Bool(true) {
        let reason = text(&power["reason"]);
        let line = format!("Node {uuid} did not pass power credentials validation: {reason}");
        cloud.log(Level::Warning, &line);
    }
    Ok(created)
}

/// What to create a node from.
fn new_node(
    cloud: &impl Cloud,
    driver: &Driver,
    node: &Node,
) -> Result<Map<String, Value>, ActionError> {
    let warn = |line: &str| cloud.log(Level::Warning, line);
    let mut body = Map::new();

    let pm_type = node.get("pm_type").map(text).unwrap_or_default();
    let hardware_type = driver.hardware_type().unwrap_or(&pm_type);
    if hardware_type != pm_type {
        warn(&format!(
            "Replacing deprecated driver {pm_type} with the hardware type {hardware_type}, \
             please update your inventory"
        ));
    }
    body.insert("driver".to_owned(), json!(hardware_type));

    let class = node
        .get("resource_class")
        .cloned()
        .unwrap_or_else(|| json!(RESOURCE_CLASS));
    if class != RESOURCE_CLASS {
        warn(&format!(
            "Resource class for a new node will be set to {}, which is different from the \
             default \"{RESOURCE_CLASS}\". A custom flavor will be required to deploy on such node",
            text(&class)
        ));
    }
    body.insert("resource_class".to_owned(), class);

    let mut driver_info = Map::new();
    let mut properties = Map::new();
    let mut extra = Map::new();
    for (field, paths) in FIELDS {
        let Some(value) = node.get(*field) else {
            continue;
        };
        for path in *paths {
            let path = path.trim_start_matches('/');
            let (part, key) = path.split_once('/').unwrap_or(("", path));
            match part {
                "driver_info" => driver_info.insert(key.to_owned(), value.clone()),
                "properties" if !value.is_null() => {
                    properties.insert(key.to_owned(), value.clone())
                }
                "extra" if is_given(Some(value)) => extra.insert(key.to_owned(), value.clone()),
                "" if value.is_null() => None,
                "" if key == "name" => body.insert(key.to_owned(), json!(text(value))),
                "" if key != "resource_class" => body.insert(key.to_owned(), value.clone()),
                _ => None,
            };
        }
    }
    if let Some(value) = node.get("uuid") {
        body.insert("uuid".to_owned(), json!(text(value)));
    }
    for field in INTERFACES {
        if let Some(value) = node.get(*field) {
            body.insert((*field).to_owned(), value.clone());
        }
    }
    if let Some(value) = node.get("capabilities") {
        properties.insert(
            "capabilities".to_owned(),
            json!(capabilities::normalise(value)?),
        );
    }
    driver_info.extend(driver.convert(node, warn));
    body.insert("driver_info".to_owned(), Value::Object(driver_info));
    body.insert("properties".to_owned(), Value::Object(properties));
    if !extra.is_empty() {
        body.insert("extra".to_owned(), Value::Object(extra));
    }
    Ok(body)
}

fn remove_others(
    cloud: &impl Cloud,
    registered: &Registered,
    seen: &[Value],
    remove: bool,
) -> Result<(), ActionError> {
    let seen: BTreeSet<_> = seen
        .iter()
        .filter_map(|node| text_at(node, "uuid"))
        .collect();
    let known: BTreeSet<_> = registered.nodes.keys().map(String::as_str).collect();
    for uuid in known.difference(&seen) {
        if remove {
            cloud.log(
                Level::Info,
                &format!("Removing extra registered node {uuid}."),
            );
            ironic::delete_node(cloud, uuid)?;
        } else {
            cloud.log(
                Level::Debug,
                &format!("Extra registered node {uuid} found."),
            );
        }
    }
    Ok(())
}
