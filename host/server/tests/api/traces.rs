//! Traces, as a collector gets them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::trace::v1::Span;
use ostro_core::{ActionExecutionId, ExecutionId};
use ostro_server::{HostCall, HostCalls, TelemetrySettings};
use prost::Message as _;
use serde_json::json;
use tokio::net::TcpListener;

use super::events::reopened;
use super::world::{WORKFLOWS, World, id};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4737-00f067aa0ba902b7-00";

/// A collector that keeps what it gets.
#[derive(Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
    services: Arc<Mutex<Vec<String>>>,
    /// How many spans of each request it says that it does not take.
    rejects: i64,
}

impl Collector {
    /// Where it listens.
    async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new()
            .route("/v1/traces", post(take))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        at
    }

    /// What has come, once a span with this name has.
    async fn until(&self, name: &str) -> Vec<Span> {
        for _ in 0..500 {
            let spans = self.spans.lock().unwrap().clone();
            if spans.iter().any(|span| span.name == name) {
                return spans;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no span {name:?}: {:?}", self.spans.lock().unwrap());
    }
}

async fn take(State(collector): State<Collector>, headers: HeaderMap, body: Bytes) -> Vec<u8> {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    assert_eq!(headers["x-collector-token"], "sesame");
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    for of_resource in request.resource_spans {
        for attribute in of_resource.resource.unwrap().attributes {
            if attribute.key == "service.name"
                && let Some(any_value::Value::StringValue(name)) = attribute.value.unwrap().value
            {
                collector.services.lock().unwrap().push(name);
            }
        }
        let scopes = of_resource.scope_spans.into_iter();
        let spans = scopes.flat_map(|scope| scope.spans);
        collector.spans.lock().unwrap().extend(spans);
    }
    let partial_success = (collector.rejects > 0).then(|| ExportTracePartialSuccess {
        rejected_spans: collector.rejects,
        error_message: "no room".to_owned(),
    });
    ExportTraceServiceResponse { partial_success }.encode_to_vec()
}

fn settings(endpoint: &str) -> TelemetrySettings {
    TelemetrySettings {
        otlp_endpoint: Some(endpoint.parse().unwrap()),
        otlp_headers: "x-collector-token=sesame".parse().unwrap(),
        service_name: "ostro-test".to_owned(),
        span_delay: Duration::from_millis(20),
        ..TelemetrySettings::default()
    }
}

async fn traced(settings: TelemetrySettings) -> World {
    World::set_up(|server| server.with_telemetry(settings)).await
}

/// Starts an execution for a request of a trace.
async fn start(world: &World, workflow: &str, parent: &str) -> String {
    let body = json!({"workflow_name": workflow});
    let headers = [("traceparent", parent)];
    let answer = world.answer("POST", "/v2/executions", &headers, body).await;
    assert_eq!(answer.status(), 201);
    id(&serde_json::from_str(&answer.text().await.unwrap()).unwrap())
}

/// The tree of spans below the one with this id, with how each ended.
fn tree(spans: &[Span], parent: &[u8]) -> Vec<String> {
    let mut children: BTreeMap<(u64, &str), &Span> = BTreeMap::new();
    for span in spans.iter().filter(|span| span.parent_span_id == parent) {
        children.insert((span.start_time_unix_nano, &span.name), span);
    }
    let mut lines = Vec::new();
    for span in children.values() {
        let code = span.status.as_ref().map_or(0, |status| status.code);
        lines.push(format!(
            "{} {}",
            span.name,
            ["-", "ok", "error"][usize::try_from(code).unwrap()]
        ));
        let below = tree(spans, &span.span_id).into_iter();
        lines.extend(below.map(|line| format!("  {line}")));
    }
    lines
}

#[tokio::test]
async fn a_nested_workflow_is_a_tree_below_the_request_that_started_it() {
    let collector = Collector::default();
    let world = traced(settings(&collector.start().await)).await;
    let made = start(&world, "failing_parent", PARENT).await;
    world.execution(&made, "ERROR").await;
    let spans = collector.until("workflow failing_parent").await;
    let parent = 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes();
    assert_eq!(
        tree(&spans, &parent),
        [
            "workflow failing_parent error",
            "  task one error",
            "    workflow failing error",
            "      task one ok",
            "        action std.noop ok",
            "      task two error",
            "        action std.fail error",
        ]
    );
    assert_eq!(spans.len(), 7);
    for span in &spans {
        let trace = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes();
        assert_eq!(span.trace_id, trace, "{}", span.name);
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
        assert!(span.start_time_unix_nano > 1_600_000_000_000_000_000);
        // What errors say may quote inputs.
        let said = format!("{span:?}");
        assert!(!said.contains("Fail action expected"), "{said}");
    }
    assert_eq!(collector.services.lock().unwrap()[0], "ostro-test");
    let metrics = world.text("/metrics").await;
    let sent = "ostro_trace_spans_total{outcome=\"sent\"} 7";
    assert!(metrics.lines().any(|line| line == sent), "{metrics}");
}

#[tokio::test]
async fn an_execution_of_no_trace_begins_its_own_and_one_that_is_not_kept_none() {
    let collector = Collector::default();
    let settings = TelemetrySettings {
        error_messages: true,
        ..settings(&collector.start().await)
    };
    let world = traced(settings).await;
    let unsampled = start(&world, "bare", UNSAMPLED).await;
    world.execution(&unsampled, "SUCCESS").await;
    let own = world.run("failing", "ERROR").await;
    let spans = collector.until("workflow failing").await;
    let trace = uuid::Uuid::parse_str(&own).unwrap().into_bytes();
    assert!(spans.iter().all(|span| span.trace_id == trace), "{spans:?}");
    let action = spans.iter().find(|span| span.name == "action std.fail");
    let status = action.unwrap().status.as_ref().unwrap();
    assert_eq!(status.message, "Fail action expected exception.");
}

#[tokio::test]
async fn a_host_call_is_below_its_action() {
    let collector = Collector::default();
    let calls = HostCalls::default();
    let settings = TelemetrySettings {
        host_calls: calls.clone(),
        ..settings(&collector.start().await)
    };
    let world = traced(settings).await;
    let made = start(&world, "waits", PARENT).await;
    let task = id(&world.task(&made, "one").await);
    let path = format!("/v2/action_executions?task_execution_id={task}");
    let action = id(&world.first(&path, "action_executions").await);
    let spans = collector.until("action std.async_noop").await;
    calls.called(&HostCall {
        call: "openstack.send",
        service: "baremetal",
        pack: "acme",
        end: "refused",
        time: Duration::from_millis(5),
        execution_id: &ExecutionId::new(made.as_str()),
        action_execution_id: &ActionExecutionId::new(action.as_str()),
    });
    let above = spans
        .iter()
        .find(|span| span.name == "action std.async_noop")
        .unwrap();
    // It goes on elsewhere: nobody can say how it ends.
    assert!(above.status.is_none());
    let spans = collector.until("openstack.send baremetal").await;
    let below = tree(&spans, &above.span_id);
    assert_eq!(below, ["openstack.send baremetal error"]);
}

#[tokio::test]
async fn an_action_by_itself_is_a_span_of_its_request() {
    let collector = Collector::default();
    let world = traced(settings(&collector.start().await)).await;
    let body = json!({"name": "std.echo", "input": {"output": 1}, "params": {"run_sync": true}});
    let headers = [("traceparent", PARENT)];
    let answer = world
        .answer("POST", "/v2/action_executions", &headers, body)
        .await;
    assert_eq!(answer.status(), 201);
    let spans = collector.until("action std.echo").await;
    let parent = 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes();
    assert_eq!(tree(&spans, &parent), ["action std.echo ok"]);
}

/// How many spans the metrics say became this.
async fn became(world: &World, outcome: &str) -> u64 {
    let text = world.text("/metrics").await;
    let name = format!("ostro_trace_spans_total{{outcome=\"{outcome}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.map_or(0, |count| count.parse().unwrap())
}

#[tokio::test]
async fn what_a_collector_does_not_take_is_counted_so() {
    let collector = Collector {
        rejects: 1,
        ..Collector::default()
    };
    let world = traced(settings(&collector.start().await)).await;
    world.run("bare", "SUCCESS").await;
    collector.until("workflow bare").await;
    for _ in 0..500 {
        let (sent, failed) = (became(&world, "sent").await, became(&world, "failed").await);
        if sent + failed == 3 && failed > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{}", world.text("/metrics").await);
}

#[tokio::test]
async fn what_goes_on_after_a_restart_is_a_trace_with_all_that_is_below_it() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::on(reopened(folder.path()).await).await;
    world.define(WORKFLOWS).await;
    let made = world.start("parent").await;
    let waits = world.first("/v2/executions?workflow_name=waits", "executions");
    let waits = id(&waits.await);
    let task = id(&world.task(&waits, "one").await);
    let path = format!("/v2/action_executions?task_execution_id={task}");
    let action = id(&world.first(&path, "action_executions").await);
    world.stop().await;

    let collector = Collector::default();
    let settings = settings(&collector.start().await);
    let journal = reopened(folder.path()).await;
    let world = World::open(journal, |server| server.with_telemetry(settings)).await;
    let end = json!({"state": "SUCCESS", "output": {}});
    world
        .put(&format!("/v2/action_executions/{action}"), end)
        .await;
    world.execution(&made, "SUCCESS").await;
    let spans = collector.until("workflow parent").await;
    let trace = uuid::Uuid::parse_str(&made).unwrap().into_bytes();
    assert!(spans.iter().all(|span| span.trace_id == trace), "{spans:?}");
    assert_eq!(
        tree(&spans, &[]),
        [
            "workflow parent ok",
            "  task one ok",
            "    workflow waits ok",
            "      task one ok",
        ]
    );
}

#[tokio::test]
async fn a_collector_that_never_answers_slows_no_execution() {
    // Connections are taken by the system, and by nobody else.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = TelemetrySettings {
        span_queue: 4,
        ..settings(&format!("http://{}", listener.local_addr().unwrap()))
    };
    let world = traced(settings).await;
    let began = std::time::Instant::now();
    for _ in 0..50 {
        world.run("bare", "SUCCESS").await;
    }
    // One request to the collector alone would take longer.
    assert!(
        began.elapsed() < Duration::from_secs(9),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(became(&world, "sent").await, 0);
    assert!(became(&world, "dropped").await > 0);
    // Nor does it hold up the end.
    let began = std::time::Instant::now();
    world.stop().await;
    assert!(
        began.elapsed() < Duration::from_secs(9),
        "{:?}",
        began.elapsed()
    );
    drop(listener);
}

#[tokio::test]
async fn a_collector_that_is_down_costs_nothing_but_a_counter() {
    // Nobody listens there any more.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let settings = TelemetrySettings {
        span_queue: 4,
        ..settings(&nowhere)
    };
    let world = traced(settings).await;
    for _ in 0..10 {
        world.run("bare", "SUCCESS").await;
    }
    for _ in 0..500 {
        // While one batch is tried, more comes than there is room for.
        world.run("bare", "SUCCESS").await;
        assert_eq!(became(&world, "sent").await, 0);
        if became(&world, "failed").await > 0 && became(&world, "dropped").await > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{}", world.text("/metrics").await);
}
