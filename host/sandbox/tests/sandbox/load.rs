//! Loading: components get what their pack is granted, and nothing that it is not.

use std::fs;
use std::sync::Arc;

use ostro_core::Value;
use ostro_packs::Grants;
use ostro_sandbox::{Sandbox, SandboxConfig, SandboxError};

use crate::common::{
    FakeCloud, Said, call, context, hostile, load, map, sandbox, types, validation,
};

#[test]
fn imports_without_grants_are_refused_with_what_to_grant() {
    let error = sandbox()
        .load(hostile(), &Grants::default())
        .err()
        .unwrap()
        .to_string();
    for part in [
        "component \"attack\" imports ostro:host/openstack@0.1.0: its pack is granted no request",
        "component \"attack\" imports ostro:host/openstack-read@0.1.0: its pack is granted no",
        "component \"attack\" imports ostro:host/messaging@0.1.0: its pack is granted no queue",
    ] {
        assert!(error.contains(part), "{error}");
    }
    let error = sandbox()
        .load(validation(), &Grants::default())
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("imports ostro:host/openstack-read@0.1.0"),
        "{error}"
    );
}

#[test]
fn a_pack_that_asks_for_too_much_is_refused() {
    let mut pack = types().clone();
    pack.manifest.limits.memory = 2 << 30;
    let error = sandbox().load(&pack, &Grants::default()).err().unwrap();
    assert!(matches!(error, SandboxError::TooMuch { .. }), "{error}");
}

#[tokio::test]
async fn grants_of_the_operator_stand_in_for_those_of_the_pack() {
    let narrowed = "openstack: [{service: baremetal, methods: [GET], paths: [/v1/ports]}]\n\
                    messaging: [elsewhere]";
    let grants = Grants::parse(narrowed, "grants.yaml").unwrap();
    let pack = sandbox().load(hostile(), &grants).unwrap();
    let input = r#"{"service": "baremetal", "method": "GET", "path": "/v1/nodes", "headers": []}"#;
    let called = call(&pack, "evil.attack.send", input).await;
    assert!(
        called
            .result
            .unwrap_err()
            .to_string()
            .contains("is not granted")
    );
    let input = input.replace("nodes", "ports");
    assert!(call(&pack, "evil.attack.send", &input).await.result.is_ok());
}

#[tokio::test]
async fn a_validation_reads_and_gives_a_verdict() {
    let pack = load(validation());
    assert!(pack.signatures()[0].is_validation);
    let called = call(&pack, "test.nodes.have_names", "{}").await;
    let verdict = called.result.unwrap();
    assert_eq!(
        verdict.to_string(),
        r#"{"outcome":"failed","summary":"1 nodes have no name","findings":[{"subject":"node 0","message":"it has no name","hint":"give it one"}]}"#
    );
    assert_eq!(called.asked, ["baremetal GET /v1/nodes"]);
}

#[tokio::test]
async fn compiled_components_are_kept_in_the_cache() {
    let dir = tempfile::tempdir().unwrap();
    let config = SandboxConfig {
        cache_dir: Some(dir.path().join("compiled")),
        max_instances: 2,
        ..SandboxConfig::default()
    };
    for _ in 0..2 {
        let sandbox = Sandbox::new(config.clone()).unwrap();
        let pack = sandbox.load(types(), &Grants::default()).unwrap();
        let result = call(&pack, "test.echo.greet", r#"{"name": "you"}"#)
            .await
            .result;
        assert_eq!(result, Ok(Value::from("hello you")));
    }
    assert!(
        fs::read_dir(dir.path().join("compiled"))
            .unwrap()
            .next()
            .is_some()
    );
}

#[tokio::test]
async fn calls_past_the_number_of_instances_wait_for_their_turn() {
    let config = SandboxConfig {
        max_instances: 2,
        ..SandboxConfig::default()
    };
    let pack = Sandbox::new(config)
        .unwrap()
        .load(types(), &Grants::default())
        .unwrap();
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let pack = pack.clone();
            tokio::spawn(async move {
                let input = map(r#"{"name": "you"}"#);
                let cloud = Arc::new(FakeCloud::default());
                pack.call(
                    "test.echo.greet",
                    &input,
                    cloud,
                    &context(),
                    Arc::new(Said::default()),
                )
                .await
            })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), Ok(Value::from("hello you")));
    }
}
