//! Zaqar's queues: kept by the server, asked over Zaqar's websocket protocol, and by executions.
//!
//! Whoever watches a deployment subscribes to a queue over a websocket, and what workflows and
//! components post to it is pushed there. The frames and their texts are Zaqar's
//! (`zaqar/transport/websocket`, `zaqar/api/v2`); what a real one answers is recorded in
//! `tests/zaqar/`.
//!
//! Where to look: `frame` is how frames are written, `request` which of them make sense, `action`
//! what each does, `rest` the same over HTTP, as executions ask; `project` is what there is, and
//! how a change becomes durable; `connection` is one websocket, `push` the way of messages to it;
//! `cloud` stands between executions and their cloud.
//!
//! Architecture Invariant: a project's queues are an object of their own. Nothing that a caller
//! sends leads from one project to another.

mod action;
mod cloud;
mod connection;
mod frame;
mod kept;
mod limits;
mod project;
mod push;
mod request;
mod rest;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::extract::ws::WebSocketUpgrade;
use axum::response::Response;
use ostro_core::Clock;
use ostro_journal::Journal;
use tokio::sync::{Semaphore, watch};
use uuid::Uuid;

use self::project::Project;
use crate::app::ServerError;
use crate::fault::Fault;
use crate::identity::Caller;

/// How often what has expired is taken away.
const SWEEP: Duration = Duration::from_mins(1);

/// How the server's own queues behave.
#[derive(Clone)]
pub struct ZaqarSettings {
    /// Who says whose a token is, in the place of the server's Keystone. Without either nobody is
    /// asked: every connection is the default project's, and only pages from this machine may open
    /// one.
    pub authenticate: Option<Arc<dyn Authenticate>>,
    /// How many websockets there may be at a time.
    pub connections: usize,
    /// How many subscriptions a websocket may have.
    pub subscriptions: usize,
    /// How many frames may wait for a websocket that doesn't take them; then it is closed.
    pub waiting_frames: usize,
    /// How many bytes these frames may have together.
    pub waiting_bytes: usize,
    /// How long a websocket may be silent before it is asked whether it is there, and how long it
    /// may take to take a frame, or to answer.
    pub patience: Duration,
    /// How many queues a project may have.
    pub queues: usize,
    /// How many messages a queue may hold.
    pub messages: usize,
    /// How many bytes the messages of a project may have together.
    pub bytes: usize,
    /// How large the messages of one post may be together, in characters of Python's text of them,
    /// as Zaqar counts (`max_messages_post_size`).
    pub post_size: usize,
    /// How long messages are kept that don't say so, in seconds (`default_message_ttl`).
    pub message_ttl: i64,
}

impl Default for ZaqarSettings {
    fn default() -> Self {
        Self {
            authenticate: None,
            connections: 2000,
            subscriptions: 100,
            waiting_frames: 1024,
            waiting_bytes: 4 << 20,
            patience: Duration::from_secs(30),
            queues: 1000,
            messages: 50_000,
            bytes: 128 << 20,
            post_size: 256 << 10,
            message_ttl: 3600,
        }
    }
}

/// Knows whose tokens are.
#[async_trait]
pub trait Authenticate: Send + Sync {
    /// Whose `token` is.
    async fn authenticate(&self, token: &str) -> Result<Authenticated, NotAuthenticated>;
}

/// Whose a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticated {
    /// The id of the project that it is for.
    pub project: String,
    /// When it ends, in milliseconds since 1970 UTC.
    pub expires_at: Option<i64>,
}

/// Why nobody knows whose a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAuthenticated {
    /// It is nobody's.
    Refused,
    /// Whoever knows cannot be asked.
    Unavailable,
}

/// The queues of all projects, and who is connected to them.
pub struct Zaqar {
    settings: ZaqarSettings,
    journal: Journal,
    clock: Arc<dyn Clock>,
    projects: Mutex<HashMap<String, Arc<Project>>>,
    places: Arc<Semaphore>,
    /// Executions are one client of all queues.
    client: Uuid,
    stop: watch::Sender<bool>,
}

impl Zaqar {
    /// The queues that `journal` keeps.
    pub fn open(
        journal: Journal,
        clock: Arc<dyn Clock>,
        settings: ZaqarSettings,
    ) -> Result<Arc<Self>, ServerError> {
        let states = kept::read(&journal).map_err(|_| ServerError::Catalogue)?;
        let zaqar = Self {
            places: Arc::new(Semaphore::new(
                settings.connections.min(Semaphore::MAX_PERMITS),
            )),
            settings,
            journal,
            clock,
            projects: Mutex::default(),
            client: Uuid::new_v4(),
            stop: watch::Sender::new(false),
        };
        for (name, state) in states {
            let project = Project::new(&name, state, &zaqar);
            zaqar.lock().insert(name, Arc::new(project));
        }
        Ok(Arc::new(zaqar))
    }

    /// The queues of a project.
    fn project(&self, name: &str) -> Arc<Project> {
        let mut projects = self.lock();
        if let Some(project) = projects.get(name) {
            return Arc::clone(project);
        }
        let project = Arc::new(Project::new(name, project::State::default(), self));
        projects.insert(name.to_owned(), Arc::clone(&project));
        project
    }

    /// Whose the queues are where nobody is asked who they are.
    fn anybody() -> String {
        Caller::anybody().project
    }

    fn now(&self) -> i64 {
        self.clock.now_millis() / 1000
    }

    /// Makes a websocket of a request that wants one.
    pub(crate) fn upgrade(
        self: &Arc<Self>,
        upgrade: WebSocketUpgrade,
        origin: Option<&str>,
        keystone: Option<Arc<dyn Authenticate>>,
    ) -> Result<Response, Fault> {
        let keystone = self.settings.authenticate.clone().or(keystone);
        // A browser lets any page connect to any address, and says only where the page is from.
        if keystone.is_none() && !origin.is_none_or(is_local) {
            return Err(Fault::forbidden(
                "nobody is asked who they are, so only pages of this machine may connect",
            ));
        }
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| {
            let most = self.settings.connections;
            Fault::unavailable(format!("there are {most} websockets already, which is all"))
        })?;
        let zaqar = Arc::clone(self);
        let upgrade = upgrade
            .max_message_size(limits::FRAME_BYTES)
            .max_frame_size(limits::FRAME_BYTES);
        Ok(upgrade.on_upgrade(async move |socket| {
            connection::serve(zaqar, socket, keystone).await;
            drop(place);
        }))
    }

    /// Takes away what has expired, as long as the server runs.
    pub(crate) async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(SWEEP).await;
            self.sweep().await;
        }
    }

    /// Takes away what has expired.
    pub(crate) async fn sweep(&self) {
        let projects: Vec<_> = self.lock().values().cloned().collect();
        for project in projects {
            if let Err(refusal) = project.sweep(self.now()).await {
                tracing::warn!(reason = refusal.text, "expired messages cannot be deleted");
            }
        }
        // What a project has not, it need not be there for.
        self.lock()
            .retain(|_, project| Arc::strong_count(project) > 1 || !project.is_empty());
    }

    /// Closes all websockets.
    pub(crate) fn close(&self) {
        self.stop.send_replace(true);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Project>>> {
        self.projects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a page comes from this machine.
fn is_local(origin: &str) -> bool {
    let Ok(url) = url::Url::parse(origin) else {
        return false;
    };
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use ostro_journal::Options;
    use serde_json::json;

    use super::kept::{Claim, Kept as _, Message};
    use super::*;

    const CLIENT: &str = "3381af92-2b9e-11e3-b191-71861300734c";

    #[derive(Default)]
    struct Hand(AtomicI64);

    impl Clock for Hand {
        fn now_millis(&self) -> i64 {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[tokio::test]
    async fn what_has_expired_leaves_the_journal() {
        let journal = Journal::ephemeral(&Options::default()).unwrap();
        let clock = Arc::new(Hand::default());
        let settings = ZaqarSettings::default();
        let zaqar = Zaqar::open(journal.clone(), clock.clone(), settings.clone()).unwrap();
        let project = zaqar.project("p");
        let messages = [
            json!({"body": 1, "ttl": 60}),
            json!({"body": 2, "ttl": 3000}),
        ];
        // More than one turn takes away.
        for _ in 0..600 {
            let post = project.post("q", &messages, CLIENT, false, &settings, 0);
            post.await.unwrap();
        }
        let claim = project.create_claim("q", (100, 60), Some(2), 0).await;
        assert_eq!(claim.unwrap().1.len(), 2);
        let count = || {
            let rows = |kind| journal.documents(kind).unwrap().len();
            (rows(Message::KIND), rows(Claim::KIND))
        };
        assert_eq!(count(), (1200, 1));
        clock.0.store(159_999, Ordering::Relaxed);
        zaqar.sweep().await;
        assert_eq!(count(), (601, 0));
        let bytes = project.state().bytes;
        clock.0.store(160_000, Ordering::Relaxed);
        zaqar.sweep().await;
        assert_eq!(count(), (600, 0));
        assert!(project.state().bytes < bytes);
        clock.0.store(3_000_000, Ordering::Relaxed);
        zaqar.sweep().await;
        assert_eq!(count(), (0, 0));
        assert_eq!(project.state().bytes, 0);
        // It has a queue, and is there; one that has none is not.
        drop(project);
        zaqar.project("empty");
        zaqar.sweep().await;
        assert_eq!(zaqar.lock().keys().collect::<Vec<_>>(), ["p"]);
    }
}
