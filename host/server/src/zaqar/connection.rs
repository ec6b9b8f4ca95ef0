//! One websocket (`zaqar/transport/websocket/protocol.py`).

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use serde_json::{Map, Value};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use uuid::Uuid;

use super::action::{Action, Answer, Asker};
use super::frame::Form;
use super::push::{Outgoing, Waiting};
use super::request::Request;
use super::{Authenticate, NotAuthenticated, Zaqar};

/// Zaqar's own code for a token that has come to its end.
const EXPIRED: u16 = 4003;
/// The server stops (RFC 6455).
const GOING_AWAY: u16 = 1001;
/// The client doesn't keep the rules of the house (RFC 6455).
const POLICY: u16 = 1008;

/// Who is at the other end.
enum Standing {
    /// Nobody asks.
    Anybody,
    /// Nobody knows yet.
    Unknown,
    /// A project's, until the token ends, in milliseconds since 1970 UTC.
    Known { project: String, until: Option<i64> },
}

struct Connection {
    socket: WebSocket,
    /// Who says whose a token is; none where nobody is asked.
    keystone: Option<Arc<dyn Authenticate>>,
    asker: Asker,
    standing: Standing,
}

/// Why a connection ends.
enum End {
    /// The client has gone, or doesn't take what is sent to it.
    Gone,
    /// The server ends it.
    Closed(u16, &'static str),
}

/// Serves a websocket until it ends.
pub(super) async fn serve(
    zaqar: Arc<Zaqar>,
    socket: WebSocket,
    keystone: Option<Arc<dyn Authenticate>>,
) {
    let settings = &zaqar.settings;
    let (to, waiting) = Outgoing::new(settings.waiting_frames, settings.waiting_bytes);
    let standing = if keystone.is_some() {
        Standing::Unknown
    } else {
        Standing::Anybody
    };
    let mut connection = Connection {
        socket,
        keystone,
        asker: Asker {
            zaqar: Arc::clone(&zaqar),
            id: Uuid::new_v4().to_string(),
            to,
            subscriptions: Vec::new(),
        },
        standing,
    };
    let end = connection.run(waiting).await;
    connection.asker.end();
    if let Err(End::Closed(code, reason)) = end {
        let frame = CloseFrame {
            code,
            reason: reason.into(),
        };
        let _ = connection.send(Message::Close(Some(frame))).await;
    }
}

/// Ready when the server stops.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // It stops as well where nobody can say so any more.
    let _ = stop.wait_for(|stop| *stop).await;
}

impl Connection {
    async fn run(&mut self, mut waiting: mpsc::Receiver<Waiting>) -> Result<(), End> {
        let zaqar = Arc::clone(&self.asker.zaqar);
        let to = self.asker.to.clone();
        let patience = zaqar.settings.patience;
        let mut stop = zaqar.stop.subscribe();
        let opened = Instant::now();
        let mut heard = opened;
        let mut is_asked = false;
        loop {
            // Who doesn't say who they are has no use for a connection.
            let unknown = matches!(self.standing, Standing::Unknown);
            if unknown && opened.elapsed() > patience {
                return Err(End::Closed(POLICY, "Not authentified."));
            }
            let silence = if unknown { opened } else { heard } + patience;
            tokio::select! {
                biased;
                () = to.lost() => return Err(End::Gone),
                () = stopped(&mut stop) => {
                    return Err(End::Closed(GOING_AWAY, "The server stops."));
                }
                () = tokio::time::sleep(self.left()) => {
                    return Err(End::Closed(EXPIRED, "Authentication expired."));
                }
                frame = self.socket.recv() => {
                    heard = Instant::now();
                    is_asked = false;
                    let Some(Ok(frame)) = frame else {
                        return Ok(());
                    };
                    self.take(frame).await?;
                }
                frame = waiting.recv() => {
                    if let Some(Waiting { frame, .. }) = frame {
                        self.send(frame).await?;
                    }
                }
                () = tokio::time::sleep_until(silence) => {
                    if is_asked {
                        return Err(End::Gone);
                    }
                    self.send(Message::Ping(Bytes::new())).await?;
                    is_asked = true;
                    heard = Instant::now();
                }
            }
        }
    }

    /// How long the client is who they have said that they are.
    fn left(&self) -> Duration {
        let Standing::Known {
            until: Some(until), ..
        } = &self.standing
        else {
            return Duration::MAX;
        };
        let left = until - self.asker.zaqar.clock.now_millis();
        Duration::from_millis(u64::try_from(left).unwrap_or(0))
    }

    /// Sends a frame, if the client takes it in time, and is not given up meanwhile.
    async fn send(&mut self, frame: Message) -> Result<(), End> {
        let to = self.asker.to.clone();
        let patience = self.asker.zaqar.settings.patience;
        let sent = tokio::time::timeout(patience, self.socket.send(frame));
        tokio::select! {
            sent = sent => match sent {
                Ok(Ok(())) => Ok(()),
                _ => Err(End::Gone),
            },
            () = to.lost() => Err(End::Gone),
        }
    }

    async fn take(&mut self, frame: Message) -> Result<(), End> {
        let (form, answer) = match &frame {
            Message::Text(text) => (Form::Text, self.answer(Form::Text, text.as_bytes()).await),
            Message::Binary(bytes) => (Form::Binary, self.answer(Form::Binary, bytes).await),
            // Pings and a close are answered below this.
            Message::Close(_) | Message::Ping(_) | Message::Pong(_) => return Ok(()),
        };
        self.send(form.write(&answer)).await
    }

    async fn answer(&mut self, form: Form, data: &[u8]) -> Value {
        let frame = match form.read(data) {
            Ok(Value::Object(frame)) => frame,
            Ok(_) => {
                let text = "Unexpected body type. Expected dict or dict like.";
                return Answer::wrong(400, text).to(None);
            }
            Err(text) => return Answer::wrong(400, &text).to(None),
        };
        match Request::parse(&frame) {
            Ok(request) if request.action == Action::Authenticate => {
                let answer = self.authenticate(&request).await;
                // The token is not sent back.
                let said = Map::from_iter([("action".to_owned(), Value::from("authenticate"))]);
                answer.to(Some(&said))
            }
            Ok(request) => self.ask(&request, form).await.to(Some(&frame)),
            Err(text) => Answer::wrong(400, &text).to(Some(&frame)),
        }
    }

    /// Finds out who is at the other end.
    async fn authenticate(&mut self, request: &Request) -> Answer {
        if let Some(keystone) = &self.keystone {
            let now = self.asker.zaqar.clock.now_millis();
            let known = keystone.authenticate(request.header("X-Auth-Token"));
            match known.await {
                Ok(known) if known.expires_at.is_some_and(|until| until <= now) => {
                    return Answer::wrong(401, "Authentication failed.");
                }
                Ok(known) => {
                    // What was for another project ends with who they were.
                    if !matches!(&self.standing, Standing::Known { project, .. }
                        if *project == known.project)
                    {
                        self.asker.end();
                    }
                    self.standing = Standing::Known {
                        project: known.project,
                        until: known.expires_at,
                    };
                }
                Err(NotAuthenticated::Refused) => {
                    return Answer::wrong(401, "Authentication failed.");
                }
                Err(NotAuthenticated::Unavailable) => {
                    return Answer::wrong(503, "Authentication failed.");
                }
            }
        }
        Answer::new(200, serde_json::json!({"message": "Authentified."}))
    }

    /// Does what a request wants, if it is for the project of who is at the other end.
    async fn ask(&mut self, request: &Request, form: Form) -> Answer {
        let project = match &self.standing {
            Standing::Unknown => return Answer::wrong(403, "Not authentified."),
            Standing::Anybody => Zaqar::anybody(),
            Standing::Known { project, .. } => project.clone(),
        };
        let meant = request.header("X-Project-ID");
        if matches!(self.standing, Standing::Known { .. }) && meant != project {
            return Answer::wrong(403, "Not authenticated.");
        }
        self.asker.ask(&project, request, form).await
    }
}
