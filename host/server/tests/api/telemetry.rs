//! Metrics, health, ids of requests, and logs.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ostro_core::{ActionExecutionId, ExecutionId};
use ostro_server::{HostCall, HostCalls, TelemetrySettings};
use serde_json::{Value as Json, json};

use super::events::reopened;
use super::openmetrics::Exposition;
use super::world::{WORKFLOWS, World, id};

/// A host call of no execution.
fn denied(calls: &HostCalls, service: &str) {
    calls.called(&HostCall {
        call: "openstack.send",
        service,
        pack: "acme",
        end: "denied",
        time: Duration::from_millis(1),
        execution_id: &ExecutionId::new(""),
        action_execution_id: &ActionExecutionId::new("a"),
    });
}

async fn world(calls: &HostCalls) -> World {
    let settings = TelemetrySettings {
        host_calls: calls.clone(),
        ..TelemetrySettings::default()
    };
    World::set_up(|server| server.with_telemetry(settings)).await
}

/// Waits until the metrics have this line.
async fn until(world: &World, line: &str) {
    for _ in 0..500 {
        let text = world.text("/metrics").await;
        Exposition::parse(&text);
        if text.lines().any(|one| one == line) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no {line:?} in {}", world.text("/metrics").await);
}

#[tokio::test]
async fn metrics_are_what_the_table_says() {
    let calls = HostCalls::default();
    let world = world(&calls).await;
    world.run("bare", "SUCCESS").await;
    denied(&calls, "baremetal");
    until(&world, "ostro_executions{state=\"SUCCESS\"} 1").await;
    let is_there = "ostro_host_calls_denied_total{pack=\"acme\",service=\"baremetal\"} 1";
    until(&world, is_there).await;
    let ran = r#"ostro_action_duration_seconds_count{action="std.noop",outcome="success"} 1"#;
    until(&world, ran).await;

    // Name, type and labels, of what is shown.
    let text = world.text("/metrics").await;
    let mut shown: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
    for (name, family) in &Exposition::parse(&text).0 {
        let suffix = match family.kind.as_str() {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let kind = family.kind.replace("info", "gauge");
        shown.insert(format!("{name}{suffix}"), (kind, family.labels()));
    }

    // The same, of what the table says.
    let table = include_str!("../../TELEMETRY.md");
    let mut said = BTreeMap::new();
    for line in table.lines().filter(|line| line.starts_with("| `")) {
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, name, kind, labels, meaning, _] = columns[..] else {
            continue;
        };
        assert!(!meaning.is_empty(), "{line}");
        let labels = labels.split(", ").map(|label| label.trim_matches('`'));
        let labels = labels.filter(|label| !label.is_empty()).map(str::to_owned);
        let entry = (kind.to_owned(), labels.collect());
        said.insert(name.trim_matches('`').to_owned(), entry);
    }
    // Shown only where something is traced, and where something has gone wrong.
    let (_, labels): &(String, BTreeSet<String>) = &said["ostro_trace_spans_total"];
    assert!(labels.contains("outcome"));
    said.remove("ostro_trace_spans_total");
    shown.remove("ostro_trace_spans_total");
    assert_eq!(said, shown);
}

#[tokio::test]
async fn states_are_counted_as_they_change_and_when_rows_go() {
    let world = World::new().await;
    let failed = world.run("failing_parent", "ERROR").await;
    let waits = world.start("parent").await;
    // A root and its sub-workflow each.
    until(&world, "ostro_executions{state=\"ERROR\"} 2").await;
    until(&world, "ostro_executions{state=\"RUNNING\"} 2").await;
    // Tasks `one` of `failing_parent`, `two` of `failing`.
    until(&world, "ostro_tasks{state=\"ERROR\"} 2").await;
    until(&world, "ostro_tasks{state=\"SUCCESS\"} 1").await;

    let path = format!("/v2/executions/{failed}");
    world.ask("DELETE", &path, Json::Null).await;
    until(&world, "ostro_executions{state=\"ERROR\"} 0").await;
    until(&world, "ostro_tasks{state=\"ERROR\"} 0").await;

    let path = format!("/v2/executions/{waits}");
    world.put(&path, json!({"state": "CANCELLED"})).await;
    until(&world, "ostro_executions{state=\"CANCELLED\"} 2").await;
    until(&world, "ostro_executions{state=\"RUNNING\"} 0").await;
}

#[tokio::test]
async fn rows_of_before_are_counted_too() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::on(reopened(dir.path()).await).await;
    world.define(WORKFLOWS).await;
    world.run("bare", "SUCCESS").await;
    world.stop().await;
    let world = World::on(reopened(dir.path()).await).await;
    until(&world, "ostro_executions{state=\"SUCCESS\"} 1").await;
    world.run("bare", "SUCCESS").await;
    until(&world, "ostro_executions{state=\"SUCCESS\"} 2").await;
    until(&world, "ostro_tasks{state=\"SUCCESS\"} 2").await;
}

#[tokio::test]
async fn requests_are_counted_by_their_route_and_never_by_an_id() {
    let world = World::new().await;
    let made = world.run("bare", "SUCCESS").await;
    world.ask("GET", "/v2/executions/nothing", Json::Null).await;
    world.ask("GET", "/no/such/place", Json::Null).await;
    world.ask("BREW", "/v2/executions", Json::Null).await;
    let text = world.text("/metrics").await;
    for labels in [
        r#"method="GET",route="/v2/executions/{id}",status="4xx""#,
        r#"method="GET",route="none",status="4xx""#,
        r#"method="other",route="/v2/executions",status="4xx""#,
    ] {
        let line = format!("ostro_http_request_duration_seconds_count{{{labels}}} 1");
        assert!(text.lines().any(|one| one == line), "{line} in {text}");
    }
    assert!(!text.contains(&made), "{text}");
    until(
        &world,
        r#"ostro_action_duration_seconds_count{action="std.noop",outcome="success"} 1"#,
    )
    .await;
}

#[tokio::test]
async fn names_that_guests_make_up_have_a_bound() {
    let calls = HostCalls::default();
    let world = world(&calls).await;
    for number in 0..500 {
        denied(&calls, &format!("made-up-{number}"));
    }
    let text = world.text("/metrics").await;
    let lines = text.lines().filter(|line| line.contains("made-up-"));
    let counters = lines.filter(|line| line.starts_with("ostro_host_calls_denied_total"));
    assert_eq!(counters.count(), 64);
    let others = r#"ostro_host_calls_denied_total{pack="acme",service="other"} 436"#;
    assert!(text.lines().any(|line| line == others), "{text}");
    // There is room for those that there are.
    calls.called(&HostCall {
        call: "openstack.send",
        service: "image",
        pack: "acme",
        end: "answered",
        time: Duration::from_millis(1),
        execution_id: &ExecutionId::new(""),
        action_execution_id: &ActionExecutionId::new("a"),
    });
    let answered = r#"ostro_host_calls_total{pack="acme",service="image",outcome="answered"} 1"#;
    until(&world, answered).await;
}

#[tokio::test]
async fn names_that_projects_make_up_are_other() {
    let world = World::new().await;
    let (status, _) = world
        .send_with(
            "POST".parse().unwrap(),
            "/v2/actions",
            &[("content-type", "text/plain")],
            "version: '2.0'\nsecret_plan: {base: std.noop}",
        )
        .await;
    assert_eq!(status, 201);
    let alone = json!({"name": "std.echo", "input": {"output": 1}, "params": {"run_sync": true}});
    world.post("/v2/action_executions", alone).await;
    let own = json!({"name": "secret_plan", "params": {"run_sync": true}});
    world.post("/v2/action_executions", own).await;
    let text = world.text("/metrics").await;
    assert!(!text.contains("secret_plan"), "{text}");
    let shown = Exposition::parse(&text);
    for (action, outcome) in [("other", "success"), ("std.echo", "success")] {
        let labels = [("action", action), ("outcome", outcome)];
        let ran = shown.value("ostro_action_duration_seconds_count", &labels);
        assert_eq!(ran, Some(1.0), "{text}");
    }
}

#[tokio::test]
async fn queues_and_what_is_under_way_are_shown() {
    let world = World::new().await;
    let text = world.text("/metrics").await;
    let before = Exposition::parse(&text);
    // The one that asks.
    let requests = before.value("ostro_http_requests_under_way", &[]);
    assert_eq!(requests, Some(1.0), "{text}");
    assert!(
        before.value("ostro_http_connections", &[]) > Some(0.0),
        "{text}"
    );
    let slow = json!({
        "name": "std.echo", "input": {"output": 1, "delay": 60_000}, "params": {"save_result": true}
    });
    for _ in 0..70 {
        world.post("/v2/action_executions", slow.clone()).await;
    }
    until(&world, "ostro_single_actions_running 64").await;
    until(&world, "ostro_single_actions_waiting 6").await;
    let answer = world.client.get(format!("{}/v2/events", world.at));
    let watching = answer.send().await.unwrap();
    assert_eq!(watching.status(), 200);
    until(&world, "ostro_feed_subscribers 1").await;
    drop(watching);
    until(&world, "ostro_feed_subscribers 0").await;
    let text = world.text("/metrics").await;
    let after = Exposition::parse(&text);
    let of = |shown: &Exposition, name: &str| shown.value(name, &[]).unwrap();
    for name in ["ostro_journal_turns_total", "ostro_journal_commits_total"] {
        assert!(of(&after, name) >= of(&before, name) + 1.0, "{text}");
    }
    let commits = of(&after, "ostro_journal_commits_total");
    let timed = of(&after, "ostro_journal_commit_duration_seconds_count");
    assert!((commits - timed).abs() < 0.5, "{text}");
}

#[tokio::test]
async fn a_host_that_is_well_says_so() {
    let world = World::new().await;
    assert_eq!(world.text("/healthcheck").await, "OK");
    let json = [("accept", "application/json")];
    let answer = world.answer("GET", "/healthcheck", &json, Json::Null).await;
    let answer: Json = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(answer, json!({"detailed": false, "reasons": ["OK"]}));
    let answer = world.answer("HEAD", "/healthcheck", &[], Json::Null).await;
    assert_eq!(answer.status(), 204);
}

#[tokio::test]
async fn a_host_whose_journal_takes_nothing_is_not_well() {
    let world = World::new().await;
    world.journal.close();
    let answer = world.answer("GET", "/healthcheck", &[], Json::Null).await;
    assert_eq!(answer.status(), 503);
    let reason = answer.text().await.unwrap();
    assert!(reason.contains("journal"), "{reason}");
}

#[tokio::test]
async fn requests_have_ids_which_callers_may_give() {
    let world = World::new().await;
    let given = "req-01234567-89ab-cdef-0123-456789abcdef";
    for (sent, comes_back) in [(None, false), (Some(given), true), (Some("req-1"), false)] {
        let headers: Vec<_> = sent
            .iter()
            .map(|id| ("x-openstack-request-id", *id))
            .collect();
        let path = "/v2/executions/nothing";
        let answer = world.answer("GET", path, &headers, Json::Null).await;
        let id = answer.headers()["x-openstack-request-id"].to_str().unwrap();
        assert!(id.starts_with("req-") && id.len() == 40, "{id}");
        assert_eq!(id == given, comes_back, "{id}");
    }
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn lines_of_the_log_carry_ids() {
    let log = Log::default();
    let written = log.clone();
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG)
        .with_writer(move || written.clone())
        .init();
    let world = World::new().await;
    let request = "req-01234567-89ab-cdef-0123-456789abcdee";
    let headers = [("x-openstack-request-id", request)];
    let body = json!({"workflow_name": "failing"});
    let answer = world.answer("POST", "/v2/executions", &headers, body).await;
    let made = id(&serde_json::from_str(&answer.text().await.unwrap()).unwrap());
    world.execution(&made, "ERROR").await;

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<Json> = lines.collect();
    let in_span = |line: &Json, name: &str, value: &str| {
        let spans = line["spans"].as_array();
        spans.is_some_and(|spans| spans.iter().any(|span| span[name] == value))
    };
    let answered = lines
        .iter()
        .find(|line| line["message"] == "answered" && in_span(line, "request_id", request));
    let answered = answered.unwrap_or_else(|| panic!("{text}"));
    assert_eq!(answered["status"], 201);
    assert_eq!(answered["route"], "/v2/executions");
    assert!(in_span(answered, "execution_id", &made));
    assert!(in_span(answered, "project_id", "<default-project>"));
    let ran = lines
        .iter()
        .find(|line| line["message"] == "has run" && in_span(line, "execution_id", &made));
    let ran = ran.unwrap_or_else(|| panic!("{text}"));
    assert!(in_span(ran, "action", "std.fail"));
    assert!(in_span(ran, "project_id", "<default-project>"));
    let span = &ran["span"];
    for id in ["task_execution_id", "action_execution_id"] {
        assert_eq!(span[id].as_str().map(str::len), Some(36), "{span}");
    }
}
