//! From the first trust to its end, with a Keystone of a few lines.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, post};
use axum::{Json, Router};
use ostro_core::{
    ActionCall, ActionOutcome, ActionRunner, ExecutionId, Map, State as Status, Value,
};
use ostro_journal::{Journal, Options};
use ostro_lang::{Definitions, Diagnostic};
use ostro_openstack::{CloudConfig, Delegations, Delegator, Environment, Session};
use ostro_runtime::{File, Library, RunnerSource, Runtime, StartRequest, SystemClock};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;
use crate::actions::{Actions, SystemAction};
use crate::app::{App, Server};

const WORKFLOW: &str = "version: '2.0'\nwaits:\n  tasks: {one: {action: std.async_noop}}";

/// Actions that all go on elsewhere.
struct Elsewhere;

#[async_trait::async_trait]
impl ActionRunner for Elsewhere {
    async fn run(&self, _: ActionCall) -> ActionOutcome {
        ActionOutcome::Deferred
    }
}

impl RunnerSource for Elsewhere {
    fn runner(&self, _: &Library) -> Result<Arc<dyn ActionRunner>, String> {
        Ok(Arc::new(Self))
    }
}

impl Actions for Elsewhere {
    fn all(&self) -> Vec<SystemAction> {
        Vec::new()
    }

    fn get(&self, _: &str) -> Option<SystemAction> {
        None
    }

    fn runner(&self, _: Arc<Definitions>) -> (Value, Arc<dyn ActionRunner>) {
        (Value::Null, Arc::new(Self))
    }

    fn check(&self, _: &Definitions) -> Vec<Diagnostic> {
        Vec::new()
    }

    fn origin(&self) -> Value {
        Value::Null
    }
}

/// Who trusts whom, by the trusts' ids.
#[derive(Clone, Default)]
struct Keystone(Arc<Mutex<Trusts>>);

#[derive(Default)]
struct Trusts {
    there: BTreeSet<String>,
    made: usize,
    is_ill: bool,
}

/// Waits until `so`.
#[track_caller]
fn eventually(so: impl Fn() -> bool) -> impl Future<Output = ()> {
    let place = std::panic::Location::caller();
    async move {
        let began = Instant::now();
        while !so() {
            assert!(began.elapsed() < Duration::from_mins(2), "{place}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Keystone {
    fn there(&self) -> Vec<String> {
        self.0.lock().unwrap().there.iter().cloned().collect()
    }

    /// Waits until these trusts are there, and no others.
    async fn has(&self, trusts: &[&str]) {
        eventually(|| self.there() == trusts).await;
    }
}

async fn log_in() -> Response {
    let user = json!({"id": "host", "name": "host"});
    let token = json!({"token": {"user": user, "catalog": [],
        "expires_at": "2999-01-01T00:00:00.000000Z"}});
    (
        StatusCode::CREATED,
        [("x-subject-token", "host")],
        Json(token),
    )
        .into_response()
}

async fn make(State(keystone): State<Keystone>, headers: HeaderMap) -> Response {
    if headers["x-auth-token"] == "restricted" {
        let error = json!({"error": {"message": "not allowed for managing trusts"}});
        return (StatusCode::FORBIDDEN, Json(error)).into_response();
    }
    let mut trusts = keystone.0.lock().unwrap();
    trusts.made += 1;
    let id = format!("trust{}", trusts.made);
    trusts.there.insert(id.clone());
    (StatusCode::CREATED, Json(json!({"trust": {"id": id}}))).into_response()
}

async fn take_back(State(keystone): State<Keystone>, Path(id): Path<String>) -> StatusCode {
    let mut trusts = keystone.0.lock().unwrap();
    if trusts.is_ill {
        StatusCode::INTERNAL_SERVER_ERROR
    } else if trusts.there.remove(&id) {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::NOT_FOUND
    }
}

/// A host that acts by trusts.
struct World {
    keystone: Keystone,
    url: String,
    app: App,
    known: Arc<Delegations>,
    watching: Vec<JoinHandle<()>>,
}

impl World {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v3", listener.local_addr().unwrap());
        let keystone = Keystone::default();
        let routes = Router::new()
            .route("/v3/auth/tokens", post(log_in))
            .route("/v3/OS-TRUST/trusts", post(make))
            .route("/v3/OS-TRUST/trusts/{id}", delete(take_back))
            .with_state(keystone.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        let journal = Journal::ephemeral(&Options::default()).unwrap();
        Self::on(journal, keystone, url).await
    }

    async fn on(journal: Journal, keystone: Keystone, url: String) -> Self {
        let variables = [
            ("OS_AUTH_URL", url.as_str()),
            ("OS_USERNAME", "host"),
            ("OS_PASSWORD", "host"),
        ];
        let owned = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let environment = Environment {
            variables: owned.into(),
            ..Environment::default()
        };
        let session = Session::new(CloudConfig::load(None, &environment).unwrap()).unwrap();
        let known = Arc::new(Delegations::new(session, &[]).required());
        let clock = Arc::new(SystemClock);
        let file = File::new("w.yaml", WORKFLOW);
        let library = Library::new(vec![file], Value::Null).with_runner(Arc::new(Elsewhere));
        let options = ostro_runtime::Options::default();
        let source = Arc::new(Elsewhere);
        let runtime = Runtime::sourced(journal.clone(), library, source, clock.clone(), options);
        let server = Server::new(runtime, journal, Arc::new(Elsewhere), clock).unwrap();
        let app = server.with_delegations(Arc::clone(&known)).unwrap().app;
        app.runtime.recover().await.unwrap();
        let notices = app.runtime.subscribe();
        watch::look_at_doubtful(&app).await;
        let watching = vec![
            tokio::spawn(watch::looking(app.clone(), notices)),
            tokio::spawn(watch::deleting(app.clone())),
        ];
        Self {
            keystone,
            url,
            app,
            known,
            watching,
        }
    }

    /// The same host, killed and started again.
    async fn again(self) -> Self {
        for task in &self.watching {
            task.abort();
        }
        self.app.runtime.shutdown(Duration::from_secs(1)).await;
        Self::on(self.app.journal.clone(), self.keystone, self.url).await
    }

    async fn start(&self, id: &str, acts: &As) {
        let _pin = self.app.delegating.execution(id, acts).await.unwrap();
        self.start_only(id).await;
    }

    async fn start_only(&self, id: &str) {
        let request = StartRequest {
            id: Some(ExecutionId::new(id)),
            ..StartRequest::new("waits", Map::new())
        };
        self.app.runtime.start(request).await.unwrap();
    }

    async fn stop(&self, id: &str) {
        let id = ExecutionId::new(id);
        self.app.runtime.load(&id).await.unwrap();
        let stopped = self.app.runtime.stop(&id, Status::Success, None);
        stopped.await.unwrap();
    }

    /// Whether the delegation of `id` is on record.
    fn keeps(&self, id: &str) -> bool {
        let kept = Kept::all(&self.app.journal).unwrap();
        kept.iter().any(|(known, _)| known == id)
    }
}

fn user(token: &str) -> As {
    As::User(Delegator {
        token: token.to_owned().into(),
        user_id: "u".to_owned(),
        project_id: "p".to_owned(),
        roles: vec!["member".to_owned()],
    })
}

#[tokio::test]
async fn a_trust_lasts_as_long_as_its_execution_though_the_host_starts_again() {
    let world = World::new().await;
    world.start("a", &user("token")).await;
    world.start("b", &user("token")).await;
    world.stop("a").await;
    world.keystone.has(&["trust2"]).await;

    let world = world.again().await;
    world.keystone.has(&["trust2"]).await;
    assert!(world.keeps("b") && !world.keeps("a"));
    world.stop("b").await;
    world.keystone.has(&[]).await;
    assert!(!world.keeps("b"));
}

#[tokio::test]
async fn what_never_started_leaves_no_trust_behind() {
    let world = World::new().await;
    let pin = world.app.delegating.execution("a", &user("token")).await;
    let taken = world.app.delegating.execution("a", &user("token")).await;
    assert!(taken.is_err(), "an id is somebody's");
    world.keystone.has(&["trust1"]).await;
    drop(pin);
    world.keystone.has(&[]).await;
}

#[tokio::test]
async fn a_trust_of_a_trigger_lasts_until_the_last_execution_that_it_started() {
    let world = World::new().await;
    // There is no trigger any more once its pin is gone.
    let pin = world.app.delegating.trigger("t", &user("token")).await;
    let pin = pin.unwrap();
    for id in ["a", "b"] {
        world.start(id, &As::Trigger("t".to_owned())).await;
    }
    drop(pin);
    world.stop("a").await;
    eventually(|| !world.keeps("t") && !world.keeps("a")).await;
    assert!(world.keeps("b"));
    world.keystone.has(&["trust1"]).await;
    world.stop("b").await;
    world.keystone.has(&[]).await;
}

#[tokio::test]
async fn a_trust_that_cannot_be_deleted_is_deleted_later() {
    let world = World::new().await;
    world.start("a", &user("token")).await;
    world.keystone.0.lock().unwrap().is_ill = true;
    world.stop("a").await;
    eventually(|| !kept::ended(&world.app.journal).unwrap().is_empty()).await;
    assert_eq!(kept::ended(&world.app.journal).unwrap(), ["trust1"]);
    assert_eq!(world.keystone.there(), ["trust1"]);
    world.keystone.0.lock().unwrap().is_ill = false;
    // A start tries at once.
    let world = world.again().await;
    world.keystone.has(&[]).await;
}

#[tokio::test]
async fn one_that_has_ended_and_runs_again_gets_a_trust_of_who_runs_it() {
    let world = World::new().await;
    world.start("a", &user("token")).await;
    let pin = world.app.delegating.again("a", false, &user("other")).await;
    drop(pin.unwrap());
    world.keystone.has(&["trust1"]).await;
    world.stop("a").await;
    world.keystone.has(&[]).await;
    let pin = world.app.delegating.again("a", true, &user("other")).await;
    let pin = pin.unwrap().unwrap();
    world.keystone.has(&["trust2"]).await;
    assert!(world.keeps("a"));
    drop(pin);
    world.keystone.has(&[]).await;
}

#[tokio::test]
async fn without_a_trust_an_execution_acts_by_the_token_and_a_trigger_is_refused() {
    let world = World::new().await;
    let restricted = user("restricted");
    let refused = world.app.delegating.trigger("t", &restricted).await;
    let reason = refused.err().unwrap();
    assert!(reason.message().contains("not allowed for managing trusts"));
    world.start("a", &restricted).await;
    assert!(world.keeps("a"));
    assert!(world.known.cloud("a").is_some());
    let world = world.again().await;
    let request = ostro_core::ServiceRequest::new(
        "object-store",
        ostro_core::Method::Get,
        ostro_core::RelativePath::parse("/").unwrap(),
    );
    let error = world.known.cloud("a").unwrap().send(request).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("has started again since"), "{error}");
}
