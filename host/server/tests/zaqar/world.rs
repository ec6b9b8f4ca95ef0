//! A server with queues, and clients.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{SinkExt as _, StreamExt as _};
use ostro_core::{
    ActionCall, ActionError, ActionErrorKind, ActionOutcome, ActionRunner, Clock, ServiceRequest,
    ServiceResponse, Value,
};
use ostro_journal::{Journal, Options};
use ostro_lang::{Definitions, Diagnostic};
use ostro_openstack::{Cloud, CloudError, operations};
use ostro_runtime::{Library, RunnerSource, Runtime, SystemClock};
use ostro_server::{
    Actions, Authenticate, Authenticated, NotAuthenticated, Server, SystemAction, Zaqar,
    ZaqarSettings,
};
use serde_json::{Value as Json, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

pub(crate) const TOKEN: &str = "the token of a project";
pub(crate) const PROJECT: &str = "b0c6398430004f2d99bc31ac32dd2558";
pub(crate) const CLIENT: &str = "3381af92-2b9e-11e3-b191-71861300734c";
/// How long is waited for what must come: what never comes is to be told, and a slow machine is no
/// fault.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// A clock that can be set forward.
#[derive(Default)]
pub(crate) struct Movable(AtomicI64);

impl Clock for Movable {
    fn now_millis(&self) -> i64 {
        SystemClock.now_millis() + self.0.load(Ordering::Relaxed)
    }
}

impl Movable {
    pub(crate) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1000, Ordering::Relaxed);
    }
}

/// A Keystone that knows a few tokens: [`TOKEN`] for good, `short`, which ends after that many
/// milliseconds, and `hour`.
pub(crate) struct Tokens(pub(crate) i64);

#[async_trait]
impl Authenticate for Tokens {
    async fn authenticate(&self, token: &str) -> Result<Authenticated, NotAuthenticated> {
        let until = |expires_at| Authenticated {
            project: PROJECT.to_owned(),
            expires_at,
        };
        match token {
            TOKEN => Ok(until(None)),
            "short" => Ok(until(Some(SystemClock.now_millis() + self.0))),
            "hour" => Ok(until(Some(SystemClock.now_millis() + 3_600_000))),
            "another" => Ok(Authenticated {
                project: "another".to_owned(),
                expires_at: None,
            }),
            "down" => Err(NotAuthenticated::Unavailable),
            _ => Err(NotAuthenticated::Refused),
        }
    }
}

/// Settings with a Keystone.
pub(crate) fn with_tokens() -> ZaqarSettings {
    ZaqarSettings {
        authenticate: Some(Arc::new(Tokens(300))),
        ..ZaqarSettings::default()
    }
}

/// The actions of the tests: OpenStack's operations.
struct Known(Arc<Zaqar>);

impl Actions for Known {
    fn all(&self) -> Vec<SystemAction> {
        let names = ["std.noop", "zaqar.queue_post"];
        let action = |name: &str| SystemAction {
            name: name.into(),
            parameters: Vec::new(),
            description: None,
        };
        names.into_iter().map(action).collect()
    }

    fn get(&self, name: &str) -> Option<SystemAction> {
        self.all().into_iter().find(|action| &*action.name == name)
    }

    fn runner(&self, _: Arc<Definitions>) -> (Value, Arc<dyn ActionRunner>) {
        (Value::Null, Arc::new(Runner(Arc::clone(&self.0))))
    }

    fn check(&self, _: &Definitions) -> Vec<Diagnostic> {
        Vec::new()
    }

    fn origin(&self) -> Value {
        Value::Null
    }
}

struct Runner(Arc<Zaqar>);

#[async_trait]
impl ActionRunner for Runner {
    async fn run(&self, call: ActionCall) -> ActionOutcome {
        if &*call.name == "std.noop" {
            return ActionOutcome::Success(Value::Null);
        }
        let cloud = self.0.cloud(&call.context.project, Arc::new(NoCloud));
        match operations::call(&*cloud, &call.name, &call.input).await {
            Ok(value) => ActionOutcome::Success(value),
            Err(error) => {
                ActionOutcome::Error(ActionError::new(ActionErrorKind::Action, error.to_string()))
            }
        }
    }
}

impl RunnerSource for Runner {
    fn runner(&self, _: &Library) -> Result<Arc<dyn ActionRunner>, String> {
        Ok(Arc::new(Runner(Arc::clone(&self.0))))
    }
}

/// A cloud that says which service was asked for.
pub(crate) struct NoCloud;

#[async_trait]
impl Cloud for NoCloud {
    async fn send(&self, request: ServiceRequest) -> Result<ServiceResponse, CloudError> {
        Err(CloudError::NoCloud(request.service))
    }
}

/// A server.
pub(crate) struct World {
    pub(crate) at: SocketAddr,
    pub(crate) zaqar: Arc<Zaqar>,
    pub(crate) clock: Arc<Movable>,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl World {
    pub(crate) async fn new(settings: ZaqarSettings) -> Self {
        Self::on(Journal::ephemeral(&Options::default()).unwrap(), settings).await
    }

    /// A server with what `journal` has.
    pub(crate) async fn on(journal: Journal, settings: ZaqarSettings) -> Self {
        Self::start(journal, settings, true).await
    }

    /// A server whose queues are those of the cloud's Zaqar.
    pub(crate) async fn without_queues() -> Self {
        let journal = Journal::ephemeral(&Options::default()).unwrap();
        Self::start(journal, ZaqarSettings::default(), false).await
    }

    async fn start(journal: Journal, settings: ZaqarSettings, has_queues: bool) -> Self {
        let clock = Arc::new(Movable::default());
        let zaqar = Zaqar::open(journal.clone(), clock.clone(), settings).unwrap();
        let runner = || Arc::new(Runner(Arc::clone(&zaqar)));
        let library = Library::new(Vec::new(), Value::Null).with_runner(runner());
        let options = ostro_runtime::Options::default();
        let runtime = Runtime::sourced(journal.clone(), library, runner(), clock.clone(), options);
        let actions = Arc::new(Known(Arc::clone(&zaqar)));
        let mut server = Server::new(runtime, journal, actions, clock.clone()).unwrap();
        if has_queues {
            server = server.with_zaqar(Arc::clone(&zaqar));
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            server.serve(listener, stopped).await.unwrap();
        });
        Self {
            at,
            zaqar,
            clock,
            stop: Some(stop),
            serving,
        }
    }

    /// Has the server stop.
    pub(crate) async fn stop(&mut self) {
        drop(self.stop.take());
        (&mut self.serving).await.unwrap();
    }

    /// A connection at `path`.
    pub(crate) async fn at(&self, path: &str) -> Client {
        let url = format!("ws://{}{path}", self.at);
        let (socket, _) = connect_async(url).await.unwrap();
        Client {
            socket,
            project: PROJECT.to_owned(),
            pushed: Vec::new(),
        }
    }

    /// A connection as tripleo-ui opens one.
    pub(crate) async fn client(&self) -> Client {
        self.at("/").await
    }

    /// A connection of whoever has `token`.
    pub(crate) async fn client_of(&self, token: &str) -> Client {
        let mut client = self.client().await;
        let headers = json!({"X-Auth-Token": token, "X-Project-ID": client.project});
        let answer = client
            .send(json!({"action": "authenticate", "headers": headers}))
            .await;
        assert_eq!(answer["headers"]["status"], 200, "{answer}");
        if token == "another" {
            "another".clone_into(&mut client.project);
        }
        client
    }
}

/// A client of the websocket.
pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub(crate) project: String,
    pushed: Vec<Message>,
}

impl Client {
    /// Asks for an action, and gives the status and body of the answer.
    pub(crate) async fn ask(&mut self, action: &str, body: Json) -> (u64, Json) {
        let headers = json!({"Client-ID": CLIENT, "X-Project-ID": self.project});
        let frame = json!({"action": action, "headers": headers, "body": body});
        let mut answer = self.send(frame).await;
        let status = answer["headers"]["status"].as_u64().unwrap();
        (status, answer["body"].take())
    }

    /// As [`Client::ask`], for what must be done.
    pub(crate) async fn done(&mut self, action: &str, body: Json) -> Json {
        let (status, answer) = self.ask(action, body).await;
        assert!((200..300).contains(&status), "{action}: {status} {answer}");
        answer
    }

    async fn send(&mut self, frame: Json) -> Json {
        self.put(Message::text(frame.to_string())).await;
        let answer = self.next(false).await;
        serde_json::from_slice(&answer.into_data()).unwrap()
    }

    pub(crate) async fn put(&mut self, frame: Message) {
        self.socket.send(frame).await.unwrap();
    }

    /// The next answer, or the next message that is pushed; the others are kept.
    pub(crate) async fn next(&mut self, is_push: bool) -> Message {
        if is_push && !self.pushed.is_empty() {
            return self.pushed.remove(0);
        }
        loop {
            let frame = self.frame().await.unwrap();
            if frame.is_ping() || frame.is_pong() {
                continue;
            }
            let marks = frame.clone().into_data();
            let marks = marks.windows(12).any(|part| part == b"Message_Type");
            if marks == is_push {
                return frame;
            }
            assert!(!is_push, "an answer for which nobody waits: {frame}");
            self.pushed.push(frame);
        }
    }

    /// The body of the next message that is pushed.
    pub(crate) async fn pushed(&mut self) -> Json {
        let frame = self.next(true).await;
        let mut message: Json = serde_json::from_slice(&frame.into_data()).unwrap();
        message["body"].take()
    }

    /// The next frame of any kind.
    pub(crate) async fn frame(&mut self) -> Result<Message, tungstenite::Error> {
        let frame = tokio::time::timeout(PATIENCE, self.socket.next()).await;
        frame
            .unwrap_or_else(|_| panic!("no frame comes"))
            .unwrap_or(Err(tungstenite::Error::ConnectionClosed))
    }

    /// Why the server closes the connection.
    pub(crate) async fn closed(&mut self) -> Option<CloseFrame> {
        loop {
            match self.frame().await {
                Ok(Message::Close(frame)) => return frame,
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    /// Whether nothing has come that was not asked for.
    pub(crate) async fn is_quiet(&mut self) -> bool {
        let waited = tokio::time::timeout(Duration::from_millis(50), self.socket.next()).await;
        self.pushed.is_empty() && waited.is_err()
    }
}
