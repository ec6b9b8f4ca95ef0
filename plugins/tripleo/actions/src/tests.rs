//! The actions against a cloud in memory, as data: each file of `cases/` has cases of one
//! action, with the cloud's state before, the action's arguments, and what must come of it.
//!
//! A case: `name`; `cloud` (see `MemoryCloud`); `args`; then `result`, or `error` (a part of its
//! text) ; `writes` (all requests that write, in order; a patch in any order); `warnings` (parts
//! of the operator's lines); `slept` (milliseconds).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tripleo_cloud::memory::MemoryCloud;

use crate::{ActionError, boot, capabilities, compute, inventory, register, root_device, validate};

fn check(action: impl Fn(&MemoryCloud, &Value) -> Result<Value, ActionError>, file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("cases")
        .join(file);
    let text = fs::read_to_string(&path).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert!(!cases.is_empty(), "no cases in {}", path.display());
    for case in cases {
        let name = case["name"]
            .as_str()
            .unwrap_or_else(|| panic!("{file}: a case has no name"));
        let cloud = MemoryCloud::new(case["cloud"].clone());
        let result = action(&cloud, &case["args"]);
        match (&result, case.get("result"), case["error"].as_str()) {
            (Ok(value), Some(expected), None) => assert_holds(name, value, expected),
            (Err(error), None, Some(expected)) => {
                let error = error.to_string();
                assert!(
                    error.contains(expected),
                    "{name}: {error:?} has no {expected:?}"
                );
            }
            (result, ..) => panic!("{name}: {result:?}"),
        }
        let writes: Vec<Value> = cloud.writes.borrow().iter().map(in_order).collect();
        let expected: Vec<Value> = case["writes"]
            .as_array()
            .into_iter()
            .flatten()
            .map(in_order)
            .collect();
        assert_eq!(writes, expected, "{name}: writes");
        let warnings = cloud.warnings.borrow();
        let expected: Vec<&str> = case["warnings"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        assert_eq!(warnings.len(), expected.len(), "{name}: {warnings:?}");
        for (warning, part) in warnings.iter().zip(expected) {
            assert!(
                warning.contains(part),
                "{name}: {warning:?} has no {part:?}"
            );
        }
        assert_eq!(
            cloud.slept.get(),
            case["slept"].as_u64().unwrap_or(0),
            "{name}: slept"
        );
    }
}

/// The result has all that is expected; objects may have more.
fn assert_holds(name: &str, value: &Value, expected: &Value) {
    match (value, expected) {
        (Value::Object(value), Value::Object(expected)) => {
            for (key, expected) in expected {
                assert_holds(&format!("{name}.{key}"), &value[key], expected);
            }
        }
        (Value::Array(value), Value::Array(expected)) => {
            assert_eq!(value.len(), expected.len(), "{name}: {value:?}");
            for (index, (value, expected)) in value.iter().zip(expected).enumerate() {
                assert_holds(&format!("{name}[{index}]"), value, expected);
            }
        }
        (value, expected) => assert_eq!(value, expected, "{name}"),
    }
}

/// A write whose patch is sorted by path.
fn in_order(write: &Value) -> Value {
    let mut write = write.clone();
    if let Some(patch) = write[2].as_array_mut() {
        patch.sort_by_key(|change| change["path"].to_string());
    }
    write
}

fn nodes(args: &Value) -> Result<Vec<inventory::Node>, ActionError> {
    let nodes: Vec<String> = args["nodes_json"]
        .as_array()
        .into_iter()
        .flatten()
        .map(Value::to_string)
        .collect();
    inventory::parse(&nodes)
}

#[test]
fn validate_nodes() {
    check(
        |_, args| validate::nodes(&nodes(args)?).map(|()| json!(null)),
        "validate_nodes.json",
    );
}

#[test]
fn register_or_update_nodes() {
    check(
        |cloud, args| {
            let options = register::Options {
                remove: args["remove"].as_bool().unwrap_or(false),
                kernel_name: args["kernel_name"].as_str(),
                ramdisk_name: args["ramdisk_name"].as_str(),
                boot_option: args["instance_boot_option"].as_str().unwrap_or("local"),
            };
            register::nodes(cloud, nodes(args)?, &options).map(Value::Array)
        },
        "register_or_update_nodes.json",
    );
}

#[test]
fn configure_boot() {
    check(
        |cloud, args| {
            boot::configure(
                cloud,
                args["node_uuid"].as_str().unwrap(),
                args["kernel_name"].as_str(),
                args["ramdisk_name"].as_str(),
                args["instance_boot_option"].as_str(),
            )
            .map(|()| json!(null))
        },
        "configure_boot.json",
    );
}

#[test]
fn configure_root_device() {
    check(
        |cloud, args| {
            root_device::configure(
                cloud,
                args["node_uuid"].as_str().unwrap(),
                args["root_device"].as_str().unwrap(),
                args["minimum_size"]
                    .as_u64()
                    .map_or(4, |size| size.try_into().unwrap()),
                args["overwrite"].as_bool().unwrap_or(false),
            )
            .map(|()| json!(null))
        },
        "configure_root_device.json",
    );
}

#[test]
fn update_node_capability() {
    check(
        |cloud, args| {
            let (node, name) = (args["node_uuid"].as_str(), args["capability"].as_str());
            capabilities::update(cloud, node.unwrap(), name.unwrap(), args["value"].clone())
        },
        "update_node_capability.json",
    );
}

#[test]
fn cell_v2_discover_hosts() {
    check(
        |cloud, _| compute::discover_hosts(cloud).map(|()| json!(null)),
        "cell_v2_discover_hosts.json",
    );
}

#[test]
fn get_profile_and_get_node_hint() {
    let node =
        json!({"uuid": "1", "properties": {"capabilities": "profile:compute,node:compute-0"}});
    assert_eq!(
        capabilities::of_node(&node, "profile").unwrap().as_deref(),
        Some("compute")
    );
    assert_eq!(
        capabilities::of_node(&node, "node").unwrap().as_deref(),
        Some("compute-0")
    );
    assert_eq!(capabilities::of_node(&node, "other").unwrap(), None);
    assert_eq!(
        capabilities::of_node(&json!({"properties": {}}), "node").unwrap(),
        None
    );
    let error = capabilities::of_node(&json!({}), "node")
        .unwrap_err()
        .to_string();
    assert_eq!(error, "Invalid node data: the node has no \"properties\"");
}

#[test]
fn registering_the_same_inventory_again_writes_nothing() {
    let inventory = json!({"nodes_json": [
        {"pm_type": "fake-hardware", "name": "a", "cpu": 4, "memory": "8192", "disk": 40,
         "arch": "x86_64", "capabilities": "profile:compute", "conductor_group": "rack1",
         "ports": [{"address": "52:54:00:00:00:01"}]},
        {"pm_type": "fake-hardware", "name": "b", "mac": ["52:54:00:00:00:02"]},
    ]});
    let options = register::Options {
        remove: true,
        kernel_name: None,
        ramdisk_name: None,
        boot_option: "local",
    };
    let cloud = MemoryCloud::new(json!(null));
    let first = register::nodes(&cloud, nodes(&inventory).unwrap(), &options).unwrap();
    let paths: BTreeMap<_, _> =
        cloud
            .writes
            .take()
            .iter()
            .fold(BTreeMap::new(), |mut count, write| {
                *count.entry(write[1].to_string()).or_insert(0) += 1;
                count
            });
    assert_eq!(
        paths,
        BTreeMap::from([("\"/v1/nodes\"".into(), 2), ("\"/v1/ports\"".into(), 2)])
    );
    let second = register::nodes(&cloud, nodes(&inventory).unwrap(), &options).unwrap();
    assert_eq!(first, second);
    assert_eq!(cloud.writes.take(), Vec::<Value>::new());
}

#[test]
fn failures_carry_the_names_of_the_exceptions_they_replace() {
    let cloud = MemoryCloud::new(json!(null));
    let error = capabilities::update(&cloud, "nobody", "profile", json!("a")).unwrap_err();
    assert_eq!(error.type_name(), "NotFound");
    assert_eq!(
        error.to_string(),
        "Node nobody could not be found. (HTTP 404)"
    );
}
