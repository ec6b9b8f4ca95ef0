//! Somebody who is told, and an address at which nobody is.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value as Json, json};
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;

use crate::world::PATIENCE;

/// What a receiver does with a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    Status(u16),
    /// It sends whoever asks elsewhere.
    Redirect(SocketAddr),
    /// It never answers.
    Never,
}

/// A request that came.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) headers: HeaderMap,
    pub(super) data: Json,
}

impl Request {
    pub(super) fn sequence(&self) -> u64 {
        let sequence = self.headers["x-ostro-sequence"].to_str().unwrap();
        sequence.parse().unwrap()
    }

    /// What it says, in short.
    pub(super) fn line(&self) -> String {
        let word = |name| self.data[name].as_str().unwrap();
        format!("{} {}", word("event"), word("name"))
    }
}

#[derive(Default)]
pub(super) struct Taken {
    pub(super) requests: Vec<Request>,
    /// What becomes of the next ones; 200 for those after.
    next: VecDeque<Answer>,
    pub(super) always: Option<Answer>,
}

/// Somebody who is told.
pub(super) struct Receiver {
    pub(super) at: SocketAddr,
    pub(super) taken: Arc<Mutex<Taken>>,
    serving: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn take(State(taken): State<Arc<Mutex<Taken>>>, headers: HeaderMap, body: Bytes) -> Response {
    let data = serde_json::from_slice(&body).unwrap();
    let answer = {
        let mut taken = taken.lock().unwrap();
        let answer = taken.always.or_else(|| taken.next.pop_front());
        let answer = answer.unwrap_or(Answer::Status(200));
        if matches!(answer, Answer::Status(200..300)) {
            taken.requests.push(Request { headers, data });
        }
        answer
    };
    match answer {
        Answer::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Answer::Redirect(at) => {
            let to = [(header::LOCATION, format!("http://{at}/"))];
            (StatusCode::TEMPORARY_REDIRECT, to).into_response()
        }
        Answer::Never => std::future::pending().await,
    }
}

impl Receiver {
    pub(super) fn new() -> Self {
        Self::instead_of(&Nobody::new())
    }

    pub(super) fn instead_of(nobody: &Nobody) -> Self {
        let at = nobody.at;
        let listener = bound(at).listen(128).unwrap();
        let taken = Arc::<Mutex<Taken>>::default();
        let routes = Router::new().fallback(take).with_state(Arc::clone(&taken));
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { at, taken, serving }
    }

    pub(super) fn always(self, answer: Answer) -> Self {
        self.taken.lock().unwrap().always = Some(answer);
        self
    }

    pub(super) fn first(self, answers: &[Answer]) -> Self {
        self.taken.lock().unwrap().next.extend(answers);
        self
    }

    /// It listens no more.
    pub(super) async fn leave(mut self) {
        self.serving.abort();
        let _ = (&mut self.serving).await;
    }

    /// How an execution names it.
    pub(super) fn named(&self) -> Json {
        json!({"type": "webhook", "url": format!("http://{}/hook?token=1", self.at)})
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let taken = self.taken.lock().unwrap();
        taken.requests.iter().map(Request::line).collect()
    }

    /// What came, once it is at least `count`.
    pub(super) async fn until(&self, count: usize) -> Vec<Request> {
        let began = Instant::now();
        loop {
            let taken = self.taken.lock().unwrap().requests.clone();
            if taken.len() >= count {
                return taken;
            }
            let is_late = began.elapsed() > PATIENCE;
            assert!(!is_late, "{count} do not come: {:#?}", self.lines());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Exactly these come, in this order.
    pub(super) async fn gets(&self, lines: &[&str]) -> Vec<Request> {
        let requests = self.until(lines.len()).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(self.lines(), lines);
        requests
    }
}

/// An address at which nobody listens but who does so instead. As long as this is there, the system
/// gives it to nobody else.
pub(super) struct Nobody {
    at: SocketAddr,
    _held: TcpSocket,
}

impl Nobody {
    pub(super) fn new() -> Self {
        let held = bound("127.0.0.1:0".parse().unwrap());
        Self {
            at: held.local_addr().unwrap(),
            _held: held,
        }
    }

    /// How an execution names it.
    pub(super) fn named(&self) -> Json {
        json!({"type": "webhook", "url": format!("http://{}/", self.at)})
    }
}

/// A socket of an address that others that do not listen may have, too.
fn bound(at: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(at).unwrap();
    socket
}
