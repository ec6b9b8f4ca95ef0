//! The stock workbook and the stock pack, against the real services.

use anyhow::{Context, Result, ensure};
use ostro_tests::{Cloud, Ostro, Run, repository};
use serde_json::{Value, json};

fn nodes() -> Value {
    let node = |number: u32| {
        json!({
            "name": format!("enroll-{number}"),
            "pm_type": "fake-hardware",
            "mac": [format!("52:54:00:0e:01:{number:02x}")],
            "cpu": "4", "memory": "8192", "disk": "40", "arch": "x86_64",
        })
    };
    json!({"nodes": [node(1), node(2), node(3)]})
}

/// Runs the stock workflow `enroll`, with more arguments.
fn enroll(cloud: &Cloud, input: &Value, more: &[&str]) -> Result<Run> {
    Ostro::new()?
        .cloud(cloud)
        .args([
            "run",
            "--output",
            "json",
            "workflows/baremetal.yaml",
            "enroll",
        ])
        .args(["--pack", "plugins/tripleo", "--input", &input.to_string()])
        .args(more)
        .run()
}

/// All that Ironic's real client lists of the test's nodes, when each was changed last among it.
fn listed(cloud: &Cloud) -> Result<Vec<Value>> {
    let list = cloud.openstack(&["baremetal", "node", "list", "--long"])?;
    let mut nodes: Vec<Value> = list
        .as_array()
        .context("a list of nodes")?
        .iter()
        .filter(|node| {
            node["Name"]
                .as_str()
                .is_some_and(|name| name.starts_with("enroll-"))
        })
        .cloned()
        .collect();
    nodes.sort_by_key(|node| node["Name"].to_string());
    Ok(nodes)
}

#[test]
fn nodes_become_available_and_a_second_run_changes_nothing() -> Result<()> {
    let cloud = Cloud::running()?;
    for number in 1..=3 {
        cloud.delete_node(&format!("enroll-{number}"))?;
    }

    let ramdisks = cloud.ramdisks()?;
    let first = enroll(&cloud, &nodes(), &[])?.json(0)?;
    drop(ramdisks);
    ensure!(first["output"]["changed"] == true, "{first:#}");
    let before = listed(&cloud)?;
    ensure!(before.len() == 3, "{before:#?}");
    ensure!(
        before
            .iter()
            .all(|node| node["Provisioning State"] == "available"),
        "{before:#?}"
    );

    let second = enroll(&cloud, &nodes(), &[])?.json(0)?;
    ensure!(second["output"]["changed"] == false, "{second:#}");
    ensure!(
        second["output"]["message"]
            .as_str()
            .is_some_and(|text| text.contains("registered already")),
        "{second:#}"
    );
    ensure!(listed(&cloud)? == before, "a second run changed a node");

    for number in 1..=3 {
        cloud.delete_node(&format!("enroll-{number}"))?;
    }
    Ok(())
}

#[test]
fn an_inventory_that_makes_no_sense_touches_nothing() -> Result<()> {
    let cloud = Cloud::running()?;
    let twice = json!({"nodes": [
        {"name": "twice-1", "pm_type": "fake-hardware", "mac": ["52:54:00:0e:02:01"]},
        {"name": "twice-2", "pm_type": "fake-hardware", "mac": ["52:54:00:0e:02:01"]},
    ]});
    let answer = enroll(&cloud, &twice, &[])?.json(1)?;
    ensure!(
        answer["output"]["message"]
            .as_str()
            .is_some_and(|text| text.contains("52:54:00:0e:02:01")),
        "{answer:#}"
    );
    let list = cloud.openstack(&["baremetal", "node", "list"])?;
    ensure!(!list.to_string().contains("twice-"), "{list:#}");
    Ok(())
}

#[test]
fn what_the_operator_does_not_grant_is_denied_and_named() -> Result<()> {
    let cloud = Cloud::running()?;
    let grants = repository().join("tests/support/reads.grants.yaml");
    let node = json!({"nodes": [
        {"name": "denied-1", "pm_type": "fake-hardware", "mac": ["52:54:00:0e:03:01"]},
    ]});
    let run = enroll(&cloud, &node, &["--grants", &grants.to_string_lossy()])?;
    run.expect(1)?;
    // The operator is told what to add.
    for part in [
        "POST /v1/nodes",
        "not granted",
        "methods: [POST]",
        "paths: [/v1/nodes]",
    ] {
        ensure!(run.stderr.contains(part), "no {part:?} in\n{}", run.stderr);
    }
    let list = cloud.openstack(&["baremetal", "node", "list"])?;
    ensure!(!list.to_string().contains("denied-1"), "{list:#}");
    Ok(())
}

#[test]
fn a_wrong_password_says_who_refused_it_and_never_shows_it() -> Result<()> {
    let cloud = Cloud::running()?;
    let run = Ostro::new()?
        .cloud(&cloud)
        .env("OS_CLOUD", "")
        .env("OS_CLIENT_CONFIG_FILE", "")
        .env("OS_AUTH_URL", cloud.auth_url())
        .env("OS_USERNAME", "admin")
        .env("OS_PASSWORD", "correct horse")
        .env("OS_PROJECT_NAME", "admin")
        .env("OS_USER_DOMAIN_ID", "default")
        .env("OS_PROJECT_DOMAIN_ID", "default")
        .args(["action", "run", "ironic.node_list"])
        .run()?;
    run.expect(1)?;
    ensure!(
        run.stderr.contains("authentication failed"),
        "{}",
        run.stderr
    );
    ensure!(!run.stderr.contains("correct horse"), "{}", run.stderr);
    ensure!(!run.stderr.contains("panicked"), "{}", run.stderr);
    Ok(())
}
