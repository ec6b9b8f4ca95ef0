//! A server with a few actions, and a client.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use ostro_core::{
    ActionCall, ActionError, ActionErrorKind, ActionOutcome, ActionRunner, Map, Progress, Value,
};
use ostro_journal::{Journal, Options};
use ostro_lang::{Definitions, Diagnostic};
use ostro_runtime::{Library, RunnerSource, Runtime, SystemClock};
use ostro_server::{Actions, FeedSettings, Live, Parameter, Server, SystemAction};
use reqwest::Method;
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

/// How long is waited for what must come: what never comes is to be told, and a slow machine is no
/// fault.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// Waits until `so`.
pub(crate) async fn eventually(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !so().await {
        assert!(began.elapsed() < PATIENCE, "{what} never comes");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The workflows that most tests start.
pub(crate) const WORKFLOWS: &str = "
version: '2.0'
simple:
  tags: [plain]
  input: [name, mark: '!']
  output: {said: <% task(one).result %>}
  tasks:
    one:
      action: std.echo output='Hello <% $.name %><% $.mark %>'
bare:
  tasks: {one: {action: std.noop}}
waits:
  output: {got: <% task(one).result %>}
  tasks: {one: {action: std.async_noop}}
parent:
  tasks: {one: {workflow: waits}}
failing:
  tasks:
    one: {action: std.noop, on-success: two}
    two: {action: std.fail, on-success: three, on-skip: three}
    three: {action: std.noop}
failing_parent:
  tasks: {one: {workflow: failing}}
items:
  tasks:
    one: {with-items: 'i in [1, 2]', action: std.fail}
retries:
  tasks:
    one: {action: std.fail, retry: {count: 2, delay: 0}}
environs:
  output: {env: <% env() %>}
  tasks: {one: {action: std.async_noop}}
back:
  type: reverse
  tasks:
    one: {action: std.noop, requires: two}
    two: {action: std.noop}
globals:
  tasks:
    one:
      action: std.noop
      on-success: {publish: {global: {g: 1}}}
";

/// The actions of the tests.
pub(crate) struct Known;

impl Actions for Known {
    fn all(&self) -> Vec<SystemAction> {
        let action = |name: &str, parameters: &[(&str, Option<Value>)]| SystemAction {
            name: name.into(),
            parameters: parameters
                .iter()
                .map(|(name, default)| Parameter {
                    name: (*name).into(),
                    default: default.clone(),
                })
                .collect(),
            description: None,
        };
        vec![
            action("std.async_noop", &[]),
            action("std.echo", &[("output", None), ("delay", Some(0.into()))]),
            action("std.fail", &[("error_data", Some(Value::Null))]),
            action("std.noop", &[]),
        ]
    }

    fn get(&self, name: &str) -> Option<SystemAction> {
        self.all().into_iter().find(|action| &*action.name == name)
    }

    fn runner(&self, definitions: Arc<Definitions>) -> (Value, Arc<dyn ActionRunner>) {
        (Value::Null, Arc::new(Defined(definitions)))
    }

    fn check(&self, _: &Definitions) -> Vec<Diagnostic> {
        Vec::new()
    }

    fn origin(&self) -> Value {
        Value::Null
    }
}

#[async_trait]
impl ActionRunner for Known {
    async fn run(&self, call: ActionCall) -> ActionOutcome {
        let given = |name: &str| call.input.get(name).cloned().unwrap_or(Value::Null);
        match &*call.name {
            "std.echo" => {
                let delay = given("delay").as_int().unwrap_or_default();
                // A sleep of nothing is one of a millisecond.
                if delay != 0 {
                    tokio::time::sleep(Duration::from_millis(delay.unsigned_abs())).await;
                }
                ActionOutcome::Success(given("output"))
            }
            "std.noop" => ActionOutcome::Success(Value::Null),
            "std.fail" => ActionOutcome::Error(ActionError::new(
                ActionErrorKind::Action,
                "Fail action expected exception.",
            )),
            "std.async_noop" => {
                let progress = Progress {
                    percent: Some(50),
                    message: "it goes on elsewhere".to_owned(),
                };
                call.progress.progress(&call.context, progress);
                ActionOutcome::Deferred
            }
            other => ActionOutcome::Error(ActionError::new(
                ActionErrorKind::Call,
                format!("there is no action {other}"),
            )),
        }
    }
}

/// The same, and ad-hoc actions that give what they are based on plain values.
struct Defined(Arc<Definitions>);

#[async_trait]
impl ActionRunner for Defined {
    async fn run(&self, mut call: ActionCall) -> ActionOutcome {
        let namespace = &call.context.workflow_namespace;
        if let Some(action) = self.0.action_in(namespace, &call.name) {
            call.name = Arc::clone(&action.base);
            if let Value::Map(input) = action.base_input.written() {
                call.input = input;
            }
        }
        Known.run(call).await
    }
}

impl RunnerSource for Known {
    fn runner(&self, _: &Library) -> Result<Arc<dyn ActionRunner>, String> {
        Ok(Arc::new(Known))
    }
}

/// The actions of the tests, of which `std.echo` is at work until it may end.
#[derive(Clone)]
pub(crate) struct Gate {
    begun: Arc<AtomicUsize>,
    may_end: Arc<Semaphore>,
}

impl Gate {
    /// None may end.
    pub(crate) fn shut() -> Self {
        Self {
            begun: Arc::default(),
            may_end: Arc::new(Semaphore::new(0)),
        }
    }

    /// A server with these actions.
    pub(crate) async fn world(&self, configured: impl FnOnce(Server) -> Server) -> World {
        let journal = Journal::ephemeral(&Options::default()).unwrap();
        World::with(journal, Arc::new(self.clone()), configured).await
    }

    /// Waits until so many actions are at work, or were.
    pub(crate) async fn begun(&self, count: usize) {
        let so = async || self.begun.load(Ordering::SeqCst) >= count;
        eventually("an action", so).await;
    }

    /// Lets one more end.
    pub(crate) fn open(&self) {
        self.may_end.add_permits(1);
    }
}

impl Actions for Gate {
    fn all(&self) -> Vec<SystemAction> {
        Known.all()
    }

    fn get(&self, name: &str) -> Option<SystemAction> {
        Known.get(name)
    }

    fn runner(&self, _: Arc<Definitions>) -> (Value, Arc<dyn ActionRunner>) {
        (Value::Null, Arc::new(self.clone()))
    }

    fn check(&self, definitions: &Definitions) -> Vec<Diagnostic> {
        Known.check(definitions)
    }

    fn origin(&self) -> Value {
        Known.origin()
    }
}

#[async_trait]
impl ActionRunner for Gate {
    async fn run(&self, call: ActionCall) -> ActionOutcome {
        if &*call.name == "std.echo" {
            self.begun.fetch_add(1, Ordering::SeqCst);
            self.may_end.acquire().await.unwrap().forget();
        }
        Known.run(call).await
    }
}

impl RunnerSource for Gate {
    fn runner(&self, _: &Library) -> Result<Arc<dyn ActionRunner>, String> {
        Ok(Arc::new(self.clone()))
    }
}

/// A server, and who asks it.
pub(crate) struct World {
    pub(crate) journal: Journal,
    pub(crate) runtime: Runtime,
    pub(crate) client: reqwest::Client,
    pub(crate) at: String,
    pub(crate) live: Live,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl World {
    /// A server that has the workflows.
    pub(crate) async fn new() -> Self {
        let world = Self::on(Journal::ephemeral(&Options::default()).unwrap()).await;
        world.define(WORKFLOWS).await;
        world
    }

    /// Has these workflows, too.
    pub(crate) async fn define(&self, workflows: &str) {
        let (status, answer) = self.send(Method::POST, "/v2/workflows", workflows).await;
        assert_eq!(status, 201, "{answer}");
    }

    /// A server with what `journal` has, whose feed is served as `feed` says.
    pub(crate) async fn with_feed(journal: Journal, feed: FeedSettings) -> Self {
        Self::open(journal, |server| server.with_feed(feed).unwrap()).await
    }

    /// As [`World::new`], with a server that is set up so.
    pub(crate) async fn set_up(set_up: impl FnOnce(Server) -> Server) -> Self {
        let journal = Journal::ephemeral(&Options::default()).unwrap();
        let world = Self::open(journal, set_up).await;
        world.define(WORKFLOWS).await;
        world
    }

    /// A server with what `journal` has.
    pub(crate) async fn on(journal: Journal) -> Self {
        Self::open(journal, |server| server).await
    }

    /// The same, with a server that `configured` makes of the usual one.
    pub(crate) async fn open(journal: Journal, configured: impl FnOnce(Server) -> Server) -> Self {
        Self::with(journal, Arc::new(Known), configured).await
    }

    /// The same, with `known` as actions.
    pub(crate) async fn with<K: Actions + ActionRunner + RunnerSource + 'static>(
        journal: Journal,
        known: Arc<K>,
        configured: impl FnOnce(Server) -> Server,
    ) -> Self {
        let clock = Arc::new(SystemClock);
        let runner: Arc<dyn ActionRunner> = known.clone();
        let library = Library::new(Vec::new(), Value::Null).with_runner(runner);
        let options = ostro_runtime::Options {
            feed: true,
            ..ostro_runtime::Options::default()
        };
        let source = known.clone();
        let runtime = Runtime::sourced(journal.clone(), library, source, clock.clone(), options);
        let server = Server::new(runtime.clone(), journal.clone(), known, clock);
        let server = configured(server.unwrap());
        runtime.recover().await.unwrap();
        let live = server.live();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(async move {
            server
                .serve(listener, async {
                    // Nobody says so where the world ends otherwise.
                    if stopped.await.is_err() {
                        std::future::pending::<()>().await;
                    }
                })
                .await
                .unwrap();
        });
        Self {
            journal,
            runtime,
            client: reqwest::Client::new(),
            at,
            live,
            stop: Some(stop),
            serving,
        }
    }

    /// Stops the server as an operator does, and the runtime with it.
    pub(crate) async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        let ended = tokio::time::timeout(PATIENCE, &mut self.serving);
        ended.await.unwrap().unwrap();
        self.runtime.shutdown(Duration::ZERO).await;
        self.journal.close();
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        self.at.strip_prefix("http://").unwrap()
    }

    async fn send(&self, method: Method, path: &str, body: &str) -> (u16, Json) {
        self.send_with(method, path, &[], body).await
    }

    /// Sends a request with these headers.
    pub(crate) async fn send_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, Json) {
        let url = format!("{}{path}", self.at);
        let mut request = self.client.request(method, url).body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if body.starts_with('{') {
            request = request.header("content-type", "application/json");
        }
        let response = request
            .header("accept", "application/json")
            .send()
            .await
            .unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Json::Null))
    }

    /// The whole answer to a request with these headers.
    pub(crate) async fn answer(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Json,
    ) -> reqwest::Response {
        let url = format!("{}{path}", self.at);
        let mut request = self.client.request(method.parse().unwrap(), url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if body != Json::Null {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        request.send().await.unwrap()
    }

    /// The text at `path`.
    pub(crate) async fn text(&self, path: &str) -> String {
        let answer = self.answer("GET", path, &[], Json::Null).await;
        assert_eq!(answer.status(), 200, "{path}");
        answer.text().await.unwrap()
    }

    /// Sends a request, and is gone before the answer comes.
    pub(crate) fn hang_up(&self, path: &str, body: &Json) {
        let body = body.to_string();
        let host = self.at.strip_prefix("http://").unwrap();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut connection = std::net::TcpStream::connect(host).unwrap();
        connection.write_all(request.as_bytes()).unwrap();
    }

    /// An answer, with its status.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: Json) -> (u16, Json) {
        let body = match body {
            Json::Null => String::new(),
            body => body.to_string(),
        };
        let method = method.parse().unwrap();
        self.send(method, path, &body).await
    }

    /// What there is at `path`.
    pub(crate) fn get<'a>(&'a self, path: &str) -> impl Future<Output = Json> + use<'a> {
        self.done("GET", path.to_owned(), Json::Null)
    }

    pub(crate) async fn post(&self, path: &str, body: Json) -> Json {
        self.done("POST", path.to_owned(), body).await
    }

    pub(crate) async fn put(&self, path: &str, body: Json) -> Json {
        self.done("PUT", path.to_owned(), body).await
    }

    async fn done(&self, method: &'static str, path: String, body: Json) -> Json {
        let (status, answer) = self.ask(method, &path, body).await;
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status} {answer}"
        );
        answer
    }

    /// A refusal: its status and its reason.
    pub(crate) async fn refused(&self, method: &str, path: &str, body: Json) -> (u16, String) {
        let (status, answer) = self.ask(method, path, body).await;
        assert!(status >= 400, "{method} {path}: {status} {answer}");
        let reason = answer["faultstring"].as_str().unwrap_or_default();
        (status, reason.to_owned())
    }

    /// Starts an execution, and gives its id.
    pub(crate) async fn start(&self, workflow: &str) -> String {
        let answer = self
            .post("/v2/executions", json!({"workflow_name": workflow}))
            .await;
        id(&answer)
    }

    /// Waits until what is at `path` is in `state`, and gives it.
    pub(crate) async fn until(&self, path: &str, state: &str) -> Json {
        let began = Instant::now();
        loop {
            let answer = self.get(path).await;
            if answer["state"] == state {
                return answer;
            }
            let waited = began.elapsed();
            assert!(waited < PATIENCE, "{path} is not {state}: {answer}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until an execution is in `state`.
    pub(crate) async fn execution(&self, id: &str, state: &str) -> Json {
        self.until(&format!("/v2/executions/{id}"), state).await
    }

    /// Starts an execution and waits for its end in `state`.
    pub(crate) async fn run(&self, workflow: &str, state: &str) -> String {
        let id = self.start(workflow).await;
        self.execution(&id, state).await;
        id
    }

    /// The task of an execution with this name, once there is one.
    pub(crate) async fn task(&self, execution: &str, name: &str) -> Json {
        let path = format!("/v2/executions/{execution}/tasks?name={name}");
        self.first(&path, "tasks").await
    }

    /// The first row of a list, once there is one.
    pub(crate) async fn first(&self, path: &str, plural: &str) -> Json {
        let began = Instant::now();
        loop {
            let mut answer = self.get(path).await;
            if let Some(row) = answer[plural].get_mut(0) {
                return row.take();
            }
            assert!(began.elapsed() < PATIENCE, "{path} stays empty");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Puts a row of an execution of another project there.
    pub(crate) async fn of_another_project(&self, workflow: &str) -> String {
        let text = format!("version: '2.0'\n{workflow}:\n  tasks: {{one: {{action: std.noop}}}}");
        let file = ostro_runtime::File::new("w.yaml", text);
        let library = Library::new(vec![file], Value::Null).with_runner(Arc::new(Known));
        let request = ostro_runtime::StartRequest {
            project: "another".to_owned(),
            library: Some(Arc::new(library)),
            ..ostro_runtime::StartRequest::new(workflow, Map::new())
        };
        let id = self.runtime.start(request).await.unwrap();
        self.runtime.wait(&id).await.unwrap();
        id.to_string()
    }
}

/// The id of a row.
#[track_caller]
pub(crate) fn id(row: &Json) -> String {
    row["id"].as_str().unwrap().to_owned()
}

/// The JSON that stands in a text.
#[track_caller]
pub(crate) fn inner(text: &Json) -> Json {
    serde_json::from_str(text.as_str().unwrap()).unwrap()
}
