//! The unmodified workbooks of tripleo-common 9.6.1, against the real services.

use anyhow::{Context, Result, ensure};
use ostro_tests::{Cloud, Ostro, Run, repository, workbooks};
use serde_json::{Value, json};

/// A node as `instackenv.json` has it. No other test uses its name and addresses.
fn node(number: u32) -> Value {
    json!({
        "name": format!("rocky-{number}"),
        "pm_type": "fake-hardware",
        "mac": [format!("52:54:00:96:01:{number:02x}")],
        "cpu": "4",
        "memory": "8192",
        "disk": "40",
        "arch": "x86_64",
        "capabilities": "profile:compute,boot_option:local",
    })
}

/// Runs a workflow of `baremetal.yaml` with the workbooks that it calls.
fn run(cloud: &Cloud, workflow: &str, input: &Value) -> Result<Run> {
    let rocky = workbooks("9.6.1")?;
    Ostro::new()?
        .cloud(cloud)
        .args(["run", "--output", "json", "--pack"])
        .args([repository().join("plugins/tripleo")])
        .args(["-f".into(), rocky.join("messaging.yaml")])
        .args(["-f".into(), rocky.join("support.yaml")])
        .args(["--input", &input.to_string()])
        .args([rocky.join("baremetal.yaml"), workflow.into()])
        .run()
}

/// The one message of this type and status on the queue, in the shape of tripleo-common's
/// clients (`tripleoclient/workflows/base.py` waits for `payload.status` and reads
/// `payload.execution`).
fn message(messages: &[Value], kind: &str, status: &str) -> Result<Value> {
    let found: Vec<&Value> = messages
        .iter()
        .filter(|message| message["type"] == kind && message["payload"]["status"] == status)
        .collect();
    ensure!(
        found.len() == 1,
        "{} messages of {kind} {status} in {messages:#?}",
        found.len()
    );
    let payload = &found[0]["payload"];
    ensure!(payload["execution"]["name"] == kind, "{payload:#?}");
    ensure!(
        payload["execution"]["id"] == payload["execution_id"],
        "{payload:#?}"
    );
    ensure!(
        payload["execution_id"]
            .as_str()
            .is_some_and(|id| id.len() == 36),
        "{payload:#?}"
    );
    ensure!(payload["execution"]["input"].is_object(), "{payload:#?}");
    ensure!(payload["message"].is_string(), "{payload:#?}");
    Ok(payload.clone())
}

#[test]
fn nodes_are_registered_introspected_and_provided_by_the_rocky_workbook() -> Result<()> {
    let cloud = Cloud::running()?;
    // The workbooks' own default; no other test posts there.
    let queue = "tripleo";
    for number in 1..=3 {
        cloud.delete_node(&format!("rocky-{number}"))?;
    }
    cloud.messages(queue)?;

    let nodes: Vec<Value> = (1..=3).map(node).collect();
    let registered = run(&cloud, "register_or_update", &json!({"nodes_json": nodes}))?.json(0)?;
    ensure!(registered["state"] == "SUCCESS", "{registered:#}");
    let payload = message(
        &cloud.messages(queue)?,
        "tripleo.baremetal.v1.register_or_update",
        "SUCCESS",
    )?;
    let mut uuids = Vec::new();
    for node in payload["registered_nodes"]
        .as_array()
        .context("no registered_nodes")?
    {
        ensure!(node["provision_state"] == "enroll", "{node:#}");
        uuids.push(
            node["uuid"]
                .as_str()
                .context("a node without uuid")?
                .to_owned(),
        );
    }
    ensure!(uuids.len() == 3, "{payload:#}");
    states(&cloud, "manageable")?;

    let ramdisks = cloud.ramdisks()?;
    run(&cloud, "introspect", &json!({"node_uuids": uuids}))?.json(0)?;
    drop(ramdisks);
    let messages = cloud.messages(queue)?;
    let payload = message(&messages, "tripleo.baremetal.v1.introspect", "SUCCESS")?;
    ensure!(
        payload["introspected_nodes"]
            .as_object()
            .is_some_and(|nodes| nodes.len() == 3)
    );
    ensure!(payload["failed_introspection"] == json!([]), "{payload:#}");

    run(&cloud, "provide", &json!({"node_uuids": uuids}))?.json(0)?;
    message(
        &cloud.messages(queue)?,
        "tripleo.baremetal.v1.provide",
        "SUCCESS",
    )?;
    states(&cloud, "available")?;

    for number in 1..=3 {
        cloud.delete_node(&format!("rocky-{number}"))?;
    }
    Ok(())
}

#[test]
fn a_refused_node_fails_the_execution_and_says_so_on_the_queue() -> Result<()> {
    let cloud = Cloud::running()?;
    let broken = json!([{"name": "rocky-broken", "pm_type": "no-such-driver"}]);
    let input = json!({"nodes_json": broken, "queue_name": "rocky-broken"});
    let answer = run(&cloud, "validate_nodes", &input)?.json(1)?;
    ensure!(answer["state"] == "ERROR", "{answer:#}");
    let payload = message(
        &cloud.messages("rocky-broken")?,
        "tripleo.baremetal.v1.validate_nodes",
        "FAILED",
    )?;
    ensure!(
        payload["message"]
            .as_str()
            .is_some_and(|text| text.contains("no-such-driver")),
        "{payload:#}"
    );
    Ok(())
}

/// An error unless the real client shows all three nodes in `state`.
fn states(cloud: &Cloud, state: &str) -> Result<()> {
    let list = cloud.openstack(&["baremetal", "node", "list"])?;
    let nodes: Vec<&Value> = list
        .as_array()
        .into_iter()
        .flatten()
        .filter(|node| {
            node["Name"]
                .as_str()
                .is_some_and(|name| name.starts_with("rocky-"))
        })
        .collect();
    ensure!(nodes.len() == 3, "{list:#}");
    ensure!(
        nodes.iter().all(|node| node["Provisioning State"] == state),
        "{list:#}"
    );
    Ok(())
}
