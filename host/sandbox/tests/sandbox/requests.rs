//! Host calls: what passes, what is denied, and what the guest sees of it.

use std::sync::Arc;

use ostro_core::Value;
use ostro_sandbox::{CallError, Ended};

use crate::common::{Called, FakeCloud, Said, call, context, hostile, json, load, map};

async fn send(service: &str, method: &str, path: &str, headers: &str) -> Called {
    let input = serde_json::json!({
        "service": service, "method": method, "path": path,
        "headers": serde_json::from_str::<serde_json::Value>(headers).unwrap(),
    });
    call(&load(hostile()), "evil.attack.send", &input.to_string()).await
}

/// The error that the guest got.
fn error(called: &Called) -> String {
    match &called.result {
        Err(CallError::Action(value)) => value.as_str().unwrap().to_owned(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_granted_request_reaches_the_cloud() {
    let called = send("baremetal", "GET", "/v1/nodes", "[]").await;
    assert_eq!(called.asked, ["baremetal GET /v1/nodes"]);
    let answer = called.result.unwrap();
    assert_eq!(answer.get("status"), Some(&Value::from(200)));
    assert!(
        answer
            .get("body")
            .unwrap()
            .as_str()
            .unwrap()
            .contains("nodes")
    );
    assert_eq!(called.notes, "");
}

#[tokio::test]
async fn what_is_not_granted_is_denied_and_the_operator_told_what_to_grant() {
    for (service, method, path, lines) in [
        (
            "compute",
            "GET",
            "/servers",
            "    - service: compute\n      methods: [GET]\n      paths: [/servers]",
        ),
        (
            "baremetal",
            "POST",
            "/v1/nodes",
            "    - service: baremetal\n      methods: [POST]\n      paths: [/v1/nodes]",
        ),
        (
            "baremetal",
            "GET",
            "/v1/nodes/a/states",
            "paths: [/v1/nodes/a/states]",
        ),
        (
            "baremetal",
            "GET",
            "/v1/%6eodes",
            "paths: [\"/v1/%6eodes\"]",
        ),
        ("baremetal", "GET", "/v1/*/x", "paths: [\"/v1/%2A/x\"]"),
    ] {
        let called = send(service, method, path, "[]").await;
        let said = error(&called);
        assert!(
            said.starts_with("denied: ") && said.ends_with(" is not granted"),
            "{said}"
        );
        assert!(called.notes.contains(lines), "{}", called.notes);
        assert!(
            called
                .notes
                .contains("to allow it, add to the pack's grants")
        );
        assert_eq!(called.asked, [""; 0], "{path} reached the cloud");
    }
}

#[tokio::test]
async fn paths_that_lead_elsewhere_are_no_requests() {
    for path in [
        "//evil.example/v1/nodes",
        "/\\evil.example/v1/nodes",
        "http://evil.example/v1/nodes",
        "/v1/nodes/../../admin",
        "/v1/nodes/..",
        "/v1/nodes/%2e%2e",
        "/v1/nodes/%252e%252e",
        "/v1/nodes/a%2fb",
        "/v1/nodes?x=http://evil.example",
        "/v1/nodes#x",
        "@evil.example/v1/nodes",
        "/v1/nodes/x\r\nhost: evil.example",
        "",
    ] {
        let called = send("baremetal", "GET", path, "[]").await;
        let said = error(&called);
        assert!(said.starts_with("invalid: path "), "{path:?}: {said}");
        assert_eq!(called.asked, [""; 0], "{path:?} reached the cloud");
    }
    for service in ["http://evil.example", "Identity", "", "a b", "../x"] {
        let said = error(&send(service, "GET", "/v1/nodes", "[]").await);
        assert!(said.starts_with("invalid: service "), "{service:?}: {said}");
    }
}

#[tokio::test]
async fn no_grant_opens_what_gives_out_credentials() {
    for (method, path) in [
        ("POST", "/v3/auth/tokens"),
        ("GET", "/v3/auth/tokens"),
        ("POST", "/v3/AUTH/%74okens"),
        ("POST", "/v2.0/tokens"),
        ("POST", "/v3/users/1/application_credentials"),
        ("GET", "/v3/users/1/credentials/OS-EC2"),
        ("POST", "/v3/OS-TRUST/trusts"),
    ] {
        let called = send("identity", method, path, "[]").await;
        assert!(
            error(&called).ends_with("gives out credentials"),
            "{path}: {}",
            error(&called)
        );
        assert!(
            called.notes.ends_with("no grant can allow it"),
            "{}",
            called.notes
        );
        assert_eq!(called.asked, [""; 0], "{path} reached the cloud");
    }
    // The grant itself holds: other routes of the service are open.
    let called = send("identity", "GET", "/v3/projects", "[]").await;
    assert_eq!(called.asked, ["identity GET /v3/projects"]);
}

#[tokio::test]
async fn headers_that_belong_to_the_host_are_refused() {
    for name in [
        "X-Auth-Token",
        "authorization",
        "Host",
        "cookie",
        "x_service_token",
    ] {
        let called = send(
            "baremetal",
            "GET",
            "/v1/nodes",
            &format!("[[{name:?}, \"x\"]]"),
        )
        .await;
        let said = error(&called);
        assert!(
            said.starts_with("invalid: header ") && said.contains("belongs to the host"),
            "{said}"
        );
        assert_eq!(called.asked, [""; 0]);
    }
    let called = send(
        "baremetal",
        "GET",
        "/v1/nodes",
        r#"[["accept", "text/plain"]]"#,
    )
    .await;
    assert_eq!(called.asked, ["baremetal GET /v1/nodes"]);
}

#[tokio::test]
async fn a_guest_sees_neither_tokens_nor_origins() {
    let called = send("baremetal", "GET", "/v1/nodes/secrets", "[]").await;
    let answer = called.result.unwrap();
    assert_eq!(
        answer.get("headers"),
        Some(&json(r#"{"content-type": "application/json"}"#))
    );
    // A redirect is an answer like others: the host does not follow it, and its origin is gone.
    let called = send("baremetal", "GET", "/v1/nodes/redirect", "[]").await;
    let answer = called.result.unwrap();
    assert_eq!(answer.get("status"), Some(&Value::from(302)));
    assert_eq!(
        answer.get("headers").unwrap().get("location"),
        Some(&Value::from("/v1/x"))
    );
    assert_eq!(called.asked.len(), 1);
    // What the host knows of a failure goes to the operator alone.
    let called = send("baremetal", "GET", "/v1/nodes/down", "[]").await;
    assert_eq!(
        error(&called),
        "unavailable: the service for baremetal cannot be reached"
    );
    assert!(called.notes.contains("10.0.0.1:6385"), "{}", called.notes);
}

#[tokio::test]
async fn an_answer_past_the_limit_is_exhausted() {
    let said = error(&send("baremetal", "GET", "/v1/nodes/huge", "[]").await);
    assert_eq!(
        said,
        "exhausted: the answer is larger than 65536 bytes, which `limits.output` of the pack allows"
    );
}

#[tokio::test]
async fn operations_need_their_grant_and_reading_only_reads() {
    let pack = load(hostile());
    for (action, operation, arguments, said, note) in [
        (
            "operate",
            "nova.servers_list",
            "{}",
            "denied: the operation \"nova.servers_list\" is not granted",
            "  operations: [nova.servers_list]",
        ),
        (
            "operate",
            "ironic.node_launch",
            "{}",
            "invalid: there is no operation \"ironic.node_launch\"",
            "",
        ),
        (
            "operate",
            "ironic.node_list",
            "[]",
            "invalid: arguments: expected object, got list",
            "",
        ),
        (
            "operate",
            "ironic.node_list",
            r#"{"nonsense": 1}"#,
            "invalid: ironic.node_list: ",
            "",
        ),
        (
            "operate_reading",
            "ironic.node_set_provision_state",
            "{}",
            "denied: ironic.node_set_provision_state writes, and openstack-read only reads",
            "writes",
        ),
        (
            "operate_reading",
            "nova.servers_list",
            "{}",
            "denied: the operation",
            "  operations: [",
        ),
    ] {
        let input = format!(r#"{{"operation": {operation:?}, "arguments": {arguments}}}"#);
        let called = call(&pack, &format!("evil.attack.{action}"), &input).await;
        assert!(
            error(&called).starts_with(said),
            "{operation}: {}",
            error(&called)
        );
        assert!(called.notes.contains(note), "{operation}: {}", called.notes);
        assert_eq!(called.asked, [""; 0]);
    }
    for action in ["operate", "operate_reading"] {
        let input = r#"{"operation": "ironic.node_list", "arguments": {}}"#;
        let called = call(&pack, &format!("evil.attack.{action}"), input).await;
        let nodes = called.result.unwrap();
        assert_eq!(
            nodes.index(0).and_then(|node| node.get("uuid")),
            Some(&Value::from("1"))
        );
        assert_eq!(called.asked.len(), 1);
    }
}

#[tokio::test]
async fn messages_go_to_granted_queues_alone() {
    let pack = load(hostile());
    let called = call(
        &pack,
        "evil.attack.post",
        r#"{"queue": "other", "body": 1}"#,
    )
    .await;
    assert_eq!(
        error(&called),
        "denied: posting to the queue \"other\" is not granted"
    );
    assert!(
        called.notes.ends_with("  messaging: [other]"),
        "{}",
        called.notes
    );
    assert_eq!(called.asked, [""; 0]);

    let (cloud, said) = (Arc::new(FakeCloud::default()), Arc::new(Said::default()));
    let input = map(r#"{"queue": "tripleo", "body": {"payload": {"status": "SUCCESS"}}}"#);
    let result = pack
        .call("evil.attack.post", &input, cloud.clone(), &context(), said)
        .await;
    assert_eq!(result, Ok(Ended::Gave(Value::Null)));
    let requests = cloud.requests.lock().unwrap();
    let post = requests.last().unwrap();
    assert_eq!(
        format!("{post:?}"),
        "messaging POST /v2/queues/tripleo/messages"
    );
    let body: Value = serde_json::from_slice(&post.body).unwrap();
    let message = body.get("messages").and_then(|list| list.index(0)).unwrap();
    assert_eq!(
        message.get("body"),
        Some(&json(r#"{"payload": {"status": "SUCCESS"}}"#))
    );
}

#[tokio::test]
async fn lines_and_progress_reach_people_cleaned() {
    let pack = load(hostile());
    let input = r#"{"message": "red \u001b[31m\nfake line"}"#;
    let called = call(&pack, "evil.attack.log", input).await;
    assert_eq!(called.notes, "warning: red \\u{1b}[31m\\nfake line");

    let input = format!(r#"{{"message": "{}"}}"#, "x".repeat(20_000));
    let called = call(&pack, "evil.attack.log", &input).await;
    assert_eq!(
        called.notes.len(),
        "warning: ".len() + (8 << 10) + '…'.len_utf8()
    );

    let input = r#"{"percent": 200, "message": "almost\tdone"}"#;
    let called = call(&pack, "evil.attack.progress", input).await;
    assert_eq!(called.progress.len(), 1);
    assert_eq!(called.progress[0].percent, Some(100));
    assert_eq!(called.progress[0].message, "almost\\tdone");
}

#[tokio::test]
async fn a_guest_knows_who_calls_and_until_when() {
    let seen = call(&load(hostile()), "evil.attack.look_around", "{}")
        .await
        .result
        .unwrap();
    for (key, value) in [
        ("execution", Value::from("execution-1")),
        ("workflow", Value::from("tripleo.baremetal.v1.provide")),
        ("task", Value::from("set_nodes_available")),
        ("key", Value::from("key-1")),
        ("attempt", Value::from(2)),
    ] {
        assert_eq!(seen.get(key), Some(&value), "{key}");
    }
    let left = seen.get("time_left").and_then(Value::as_int).unwrap();
    assert!((1..=1000).contains(&left), "{left}");
}
