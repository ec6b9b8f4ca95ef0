//! Executions that act on a cloud which their caller names.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, put};
use axum::{Json, Router};
use ostro_core::{Method, RelativePath, ServiceRequest, Value};
use ostro_journal::{Journal, Options};
use ostro_openstack::{CloudError, Delegations, Session};
use ostro_server::{Parameter, Server, SystemAction};
use serde_json::{Value as JsonValue, json};
use tokio::net::TcpListener;

use crate::acting::Acting;
use crate::events::reopened;
use crate::world::{World, id, inner};

const WORKFLOWS: &str = "
version: '2.0'
puts:
  input: [box]
  tasks: {one: {action: cloud.put box=<% $.box %>}}
above:
  tasks:
    one:
      workflow: puts box='below'
later:
  tasks:
    one: {action: std.async_noop, on-success: two}
    two:
      action: cloud.put box='late'
";

const POST: reqwest::Method = reqwest::Method::POST;

/// What no file and no answer may hold.
const TOKEN: &str = "gAAAA-token-of-the-second-cloud";

/// One that puts a box on a cloud.
fn puts(delegations: Arc<Delegations>) -> Acting {
    Acting {
        delegations,
        action: SystemAction {
            name: "cloud.put".into(),
            parameters: vec![Parameter {
                name: "box".into(),
                default: None,
            }],
            description: None,
        },
        request: |call| {
            let name = call.input.get("box").and_then(Value::as_str).unwrap();
            let path = RelativePath::parse(&format!("/{name}")).unwrap();
            ServiceRequest::new("object-store", Method::Put, path)
        },
        result: |answer| i64::from(answer.status).into(),
    }
}

/// A Keystone and a Swift of a few lines.
#[derive(Clone)]
struct Second {
    at: String,
    boxes: Arc<Mutex<Vec<(String, String)>>>,
    is_over: Arc<AtomicBool>,
}

impl Second {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let second = Self {
            at: format!("http://{}", listener.local_addr().unwrap()),
            boxes: Arc::default(),
            is_over: Arc::default(),
        };
        let routes = Router::new()
            .route("/v3/auth/tokens", get(token))
            .route("/swift/{name}", put(put_box))
            .with_state(second.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        second
    }

    fn boxes(&self) -> Vec<(String, String)> {
        self.boxes.lock().unwrap().clone()
    }

    fn headers(&self) -> [(&'static str, &str); 2] {
        [
            ("X-Target-Auth-Uri", &self.at),
            ("X-Target-Auth-Token", TOKEN),
        ]
    }
}

async fn token(State(second): State<Second>, headers: HeaderMap) -> (StatusCode, Json<JsonValue>) {
    if headers["x-subject-token"] != TOKEN {
        return (StatusCode::NOT_FOUND, Json(JsonValue::Null));
    }
    let endpoint = json!({"id": "e", "interface": "public", "region": "R", "region_id": "R",
        "url": format!("{}/swift", second.at)});
    let user = json!({"id": "u", "name": "u", "domain": {"id": "default", "name": "Default"}});
    let token = json!({"token": {"user": user, "expires_at": "2999-01-01T00:00:00.000000Z",
        "catalog": [{"id": "s", "type": "object-store", "name": "swift", "endpoints": [endpoint]}]}});
    (StatusCode::OK, Json(token))
}

async fn put_box(
    State(second): State<Second>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> StatusCode {
    if second.is_over.load(Ordering::Relaxed) {
        return StatusCode::UNAUTHORIZED;
    }
    let token = headers["x-auth-token"].to_str().unwrap().to_owned();
    second.boxes.lock().unwrap().push((name, token));
    StatusCode::CREATED
}

async fn world(journal: Journal) -> World {
    let none = Session::unconfigured(CloudError::NoCloud("there is none".to_owned()));
    let delegations = Arc::new(Delegations::new(none, &[]));
    let acting = Arc::new(puts(Arc::clone(&delegations)));
    let with = |server: Server| server.with_delegations(delegations).unwrap();
    World::with(journal, acting, with).await
}

async fn start(world: &World, second: &Second, body: JsonValue) -> JsonValue {
    let (headers, body) = (second.headers(), body.to_string());
    let sent = world.send_with(POST, "/v2/executions", &headers, &body);
    let (status, answer) = sent.await;
    assert_eq!(status, 201, "{answer}");
    answer
}

#[tokio::test]
async fn what_a_caller_starts_acts_on_the_cloud_that_they_name() {
    let second = Second::start().await;
    let world = world(Journal::ephemeral(&Options::default()).unwrap()).await;
    let (status, answer) = world.send_with(POST, "/v2/workflows", &[], WORKFLOWS).await;
    assert_eq!(status, 201, "{answer}");

    let body = json!({"workflow_name": "above"});
    let started = start(&world, &second, body.clone()).await;
    world.execution(&id(&started), "SUCCESS").await;
    let put = |name: &str| (name.to_owned(), TOKEN.to_owned());
    assert_eq!(second.boxes(), [put("below")]);

    let call = json!({"name": "cloud.put", "input": {"box": "alone"},
        "params": {"run_sync": true}});
    let (headers, call) = (second.headers(), call.to_string());
    let sent = world.send_with(POST, "/v2/action_executions", &headers, &call);
    let (status, answer) = sent.await;
    assert_eq!(status, 201, "{answer}");
    assert_eq!(inner(&answer["output"]), json!({"result": 201}));
    assert_eq!(second.boxes(), [put("below"), put("alone")]);

    // Without the headers, it is not for that cloud; the operator's own would be asked.
    let other = world.post("/v2/executions", body).await;
    let other = world.execution(&id(&other), "ERROR").await;
    assert!(
        other["state_info"]
            .to_string()
            .contains("act as the operator"),
        "{other}"
    );

    second.is_over.store(true, Ordering::Relaxed);
    let body = json!({"workflow_name": "puts", "input": {"box": "none"}});
    let started = start(&world, &second, body).await;
    let ended = world.execution(&id(&started), "ERROR").await;
    let why = ended["state_info"].as_str().unwrap();
    assert!(
        why.contains("has expired or was revoked") && why.contains("X-Target-Auth-Token"),
        "{why}"
    );
    for path in [
        "executions",
        "tasks",
        "action_executions?include_output=true",
    ] {
        let shown = world.get(&format!("/v2/{path}")).await.to_string();
        assert!(!shown.contains(TOKEN), "{shown}");
    }
}

#[tokio::test]
async fn a_trigger_acts_on_no_cloud_whose_token_ends_before_it() {
    let second = Second::start().await;
    let world = world(Journal::ephemeral(&Options::default()).unwrap()).await;
    let (status, answer) = world.send_with(POST, "/v2/workflows", &[], WORKFLOWS).await;
    assert_eq!(status, 201, "{answer}");
    let workflows = world.get("/v2/workflows?name=above").await;
    let workflow = id(&workflows["workflows"][0]);
    for (path, trigger) in [
        (
            "cron_triggers",
            json!({"name": "often", "workflow_id": workflow, "pattern": "* * * * *"}),
        ),
        (
            "event_triggers",
            json!({"name": "heard", "workflow_id": workflow, "exchange": "nova",
                "topic": "notifications", "event": "compute.instance.create.end"}),
        ),
    ] {
        let (address, body) = (format!("/v2/{path}"), trigger.to_string());
        let headers = second.headers();
        let sent = world.send_with(POST, &address, &headers, &body);
        let (status, answer) = sent.await;
        assert_eq!(status, 400, "{path}: {answer}");
        let reason = answer["faultstring"].as_str().unwrap();
        assert!(reason.contains("cannot act on another cloud"), "{reason}");
        let kept = world.get(&address).await;
        assert_eq!(kept[path], json!([]), "nothing is kept of it");
    }
}

#[tokio::test]
async fn headers_that_make_no_sense_are_refused() {
    let world = world(Journal::ephemeral(&Options::default()).unwrap()).await;
    for (name, value, says) in [
        ("X-Target-Insecure", "Maybe", "must be either"),
        (
            "X-Target-Region-Name",
            "R",
            "(X-Target-Auth-Token) must be present",
        ),
        ("X-Target-Service-Catalog", "{", "JSON in base64"),
    ] {
        let mut headers = vec![("X-Target-Auth-Uri", "http://127.0.0.1:1"), (name, value)];
        if name == "X-Target-Service-Catalog" {
            headers.push(("X-Target-Auth-Token", TOKEN));
        }
        let sent = world.send_with(reqwest::Method::GET, "/v2/executions", &headers, "");
        let (status, answer) = sent.await;
        assert_eq!(status, 400, "{answer}");
        let reason = answer["faultstring"].as_str().unwrap();
        assert!(reason.contains(says), "{reason}");
    }
}

#[tokio::test]
async fn a_token_for_another_cloud_is_in_no_file_and_does_not_survive_the_host() {
    let second = Second::start().await;
    let folder = tempfile::tempdir().unwrap();
    let first = world(Journal::open(folder.path(), &Options::default()).unwrap()).await;
    let (status, answer) = first.send_with(POST, "/v2/workflows", &[], WORKFLOWS).await;
    assert_eq!(status, 201, "{answer}");
    let started = start(&first, &second, json!({"workflow_name": "later"})).await;
    let execution = id(&started);
    let task = first.task(&execution, "one").await;
    first.stop().await;
    let mut files = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            files += 1;
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes
                .windows(TOKEN.len())
                .any(|some| some == TOKEN.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
    assert!(files > 0);

    let again = world(reopened(folder.path()).await).await;
    let path = format!("/v2/tasks/{}/action_executions", id(&task));
    let action = again.first(&path, "action_executions").await;
    let path = format!("/v2/action_executions/{}", id(&action));
    again
        .put(&path, json!({"state": "SUCCESS", "output": "{}"}))
        .await;
    let ended = again.execution(&execution, "ERROR").await;
    let why = ended["state_info"].as_str().unwrap();
    assert!(why.contains("has started again since"), "{why}");
    assert!(second.boxes().is_empty());
}
