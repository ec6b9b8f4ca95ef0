//! Loading: components get what their pack is granted, and nothing that it is not.

use std::fs;
use std::sync::Arc;

use ostro_core::Value;
use ostro_packs::{Grants, Pack};
use ostro_sandbox::{Sandbox, SandboxConfig, SandboxError};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::common::{
    FakeCloud, Said, call, context, gave, hostile, load, map, sandbox, types, validation,
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

/// An operation that writes is denied whatever is granted, and no request is made for it.
#[tokio::test]
async fn a_validation_does_not_write_through_a_read() {
    let grants = Grants::parse("operations: [ironic.*, swift.*, zaqar.*]", "grants.yaml").unwrap();
    let pack = sandbox().load(validation(), &grants).unwrap();
    for operation in [
        "ironic.node_delete",
        "ironic.node_set_provision_state",
        "swift.put_object",
        "zaqar.queue_post",
    ] {
        let input = format!(r#"{{"operation": "{operation}", "arguments": "{{}}"}}"#);
        let called = call(&pack, "test.ends.writes", &input).await;
        let error = called.result.unwrap_err().to_string();
        let wanted = format!("{operation} writes, and openstack-read only reads");
        assert!(error.contains(&wanted), "{error}");
        assert!(called.notes.contains(&wanted), "{}", called.notes);
        assert_eq!(called.asked, [""; 0], "{operation}");
    }
    // One that reads comes as far as its arguments.
    let input = r#"{"operation": "ironic.node_get", "arguments": "{}"}"#;
    let called = call(&pack, "test.ends.writes", input).await;
    let error = called.result.unwrap_err().to_string();
    assert!(!error.contains("only reads"), "{error}");
}

/// A validation that imports what writes, or what nobody offers, does not load, whatever is
/// granted; one that imports what reads does.
#[test]
fn a_validation_may_import_only_what_reads() {
    let grants = Grants::parse(
        "openstack: [{service: baremetal, methods: [GET, POST], paths: [/**]}]\n\
         operations: [ironic.*, swift.*, zaqar.*]\nmessaging: [tripleo]",
        "grants.yaml",
    )
    .unwrap();
    for (interface, function, refused) in [
        ("ostro:host/openstack", "call", "may only read"),
        ("ostro:host/messaging", "post", "may only read"),
        ("ostro:host/files", "call", "has no such interface"),
        ("wasi:http/outgoing-handler", "call", "may only read"),
        ("wasi:keyvalue/store", "call", "of WASI only"),
        ("evil:host/keys", "call", "no host offers it"),
        ("ostro:host/openstack-read", "call", ""),
        ("ostro:host/progress", "call", ""),
        ("ostro:host/log", "call", ""),
        ("ostro:host/execution", "call", ""),
        ("ostro:host/clock", "call", ""),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let manifest = "{name: check, version: 0.1.0, components: [{name: a, path: a.wasm}]}";
        fs::write(dir.path().join("pack.yaml"), manifest).unwrap();
        fs::write(
            dir.path().join("a.wasm"),
            validation_with_import(interface, function),
        )
        .unwrap();
        let pack = Pack::open(dir.path()).unwrap();
        assert!(pack.signature("test.check.look").unwrap().is_validation);
        let said = pack.check_imports(&grants).err().map(|e| e.to_string());
        let said = said.unwrap_or_default();
        assert_eq!(said.is_empty(), refused.is_empty(), "{interface}: {said}");
        assert!(said.contains(refused), "{interface}: {said}");
        if !refused.is_empty() {
            let error = sandbox().load(&pack, &grants).err().unwrap().to_string();
            assert!(error.contains(refused), "{interface}: {error}");
        }
    }
}

/// A component with a validation that imports one function: for the check of imports only its
/// name counts.
fn validation_with_import(interface: &str, function: &str) -> Vec<u8> {
    let (package, name) = interface.split_once('/').unwrap();
    let version = if package.starts_with("wasi:") {
        "0.2.0"
    } else {
        "0.1.0"
    };
    let wit = format!(
        "package test:check@0.1.0;
        interface check {{
            use ostro:validation/types@0.1.0.{{verdict}};
            look: func() -> result<verdict, string>;
        }}
        world guest {{ import {interface}@{version}; export check; }}
        package {package}@{version} {{ interface {name} {{ {function}: func(); }} }}
        package ostro:validation@0.1.0 {{
            interface types {{
                enum outcome {{ passed, failed, skipped }}
                record finding {{ subject: string, message: string, hint: option<string> }}
                record verdict {{ outcome: outcome, summary: string, findings: list<finding> }}
            }}
        }}"
    );
    let wat = format!(
        r#"(module
            (import "{interface}@{version}" "{function}" (func))
            (memory (export "memory") 1)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
            (func (export "test:check/check@0.1.0#look") (result i32) unreachable))"#
    );
    let mut resolve = Resolve::default();
    let package = resolve.push_source("check.wit", &wit).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let mut module = wat::parse_str(wat).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let encoder = ComponentEncoder::default().module(&module).unwrap();
    encoder.validate(true).encode().unwrap()
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
        let ended = call.await.unwrap().unwrap();
        assert_eq!(gave(ended), Value::from("hello you"));
    }
}
