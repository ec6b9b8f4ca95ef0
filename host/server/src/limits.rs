//! How much the server takes on: each bound, and what is said where one is reached.
//!
//! What one caller sends is bounded in size and time, and what all send together in number
//! ([`arrive`]), whoever they are; then comes what each project may ([`of_project`]). Past a number the answer is a
//! 429 that names the limit and says when to come back. A connection past its number is answered
//! the same way, and past a few of those it waits to be taken.

mod arrive;
mod count;
mod projects;

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::sync::Notify;

pub(crate) use arrive::arrive;
pub(crate) use arrive::drain;
use count::{Count, Held};
use projects::Projects;

use crate::app::App;
use crate::fault::Fault;
use crate::identity::Caller;

/// How many connections past the limit are told so at a time. More wait to be taken.
const REFUSED: usize = 256;
/// When to come back where a number is reached, in seconds.
const SOON: u64 = 1;

/// The bounds of what comes over HTTP. All of them can be changed while the server runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitSettings {
    /// How many connections there are at a time.
    pub connections: NonZeroUsize,
    /// How many requests are under way at a time. One is, from when all of it has come until it is
    /// answered; a stream of events counts until it begins.
    pub requests: NonZeroUsize,
    /// How many of them are of one project.
    pub requests_of_project: NonZeroUsize,
    /// How many requests a second a project makes, in bursts of a second's worth at most. None for
    /// as many as it likes.
    pub rate_of_project: Option<NonZeroU32>,
    /// How many headers a request has.
    pub headers: NonZeroUsize,
    /// How large they are together with the address, in bytes.
    pub header_bytes: NonZeroUsize,
    /// How long an address is with its query, in bytes.
    pub address_bytes: NonZeroUsize,
    /// How large a body is, in bytes.
    pub body_bytes: NonZeroUsize,
    /// How large the bodies of all requests at a time are, in bytes.
    pub bodies_bytes: NonZeroUsize,
    /// How long the headers of a request may take to come, and how long a connection may be idle.
    pub header_time: Duration,
    /// How long the body of a request may take to come.
    pub body_time: Duration,
    /// How long a caller may take in nothing of what is sent.
    pub stall_time: Duration,
}

impl Default for LimitSettings {
    fn default() -> Self {
        const fn number(number: usize) -> NonZeroUsize {
            // None of the numbers below is 0.
            NonZeroUsize::MIN.saturating_add(number - 1)
        }
        Self {
            connections: number(4096),
            requests: number(1024),
            requests_of_project: number(768),
            rate_of_project: None,
            headers: number(100),
            header_bytes: number(32 << 10),
            address_bytes: number(16 << 10),
            body_bytes: number(16 << 20),
            bodies_bytes: number(512 << 20),
            header_time: Duration::from_secs(30),
            body_time: Duration::from_mins(1),
            stall_time: Duration::from_mins(1),
        }
    }
}

/// The bounds, and what there is of each.
#[derive(Default)]
pub(crate) struct Limits {
    settings: RwLock<Arc<LimitSettings>>,
    connections: Count,
    requests: Count,
    bodies: Count,
    projects: Mutex<Projects>,
    /// Told whenever a connection has gone.
    gone: Notify,
    /// How many connections were too many.
    refused: AtomicU64,
}

/// What there is of what is bounded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LimitFigures {
    /// Connections.
    pub(crate) connections: usize,
    /// Those that were too many, since the server began.
    pub(crate) refused: u64,
    /// Requests under way.
    pub(crate) requests: usize,
}

/// A connection that was taken.
pub(crate) struct Connected {
    limits: Arc<Limits>,
    /// Gone before `limits` hears of it.
    held: Option<Held>,
    /// Whether it is one past the limit.
    pub(crate) is_past: bool,
}

impl Limits {
    /// As they are now.
    pub(crate) fn settings(&self) -> Arc<LimitSettings> {
        let settings = self.settings.read();
        Arc::clone(&settings.unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on.
    pub(crate) fn set(&self, settings: LimitSettings) {
        let mut known = self
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *known = Arc::new(settings);
        drop(known);
        self.gone.notify_waiters();
    }

    /// Ready while one more connection can be taken.
    pub(crate) async fn room(&self) {
        loop {
            let gone = self.gone.notified();
            let most = self.settings().connections.get().saturating_add(REFUSED);
            if self.connections.now() < most {
                return;
            }
            gone.await;
        }
    }

    /// Counts a connection.
    pub(crate) fn connected(self: &Arc<Self>) -> Connected {
        let held = self.connections.one();
        Connected {
            is_past: self.connections.now() > self.settings().connections.get(),
            limits: Arc::clone(self),
            held: Some(held),
        }
    }

    /// How much there is now.
    pub(crate) fn figures(&self) -> LimitFigures {
        LimitFigures {
            connections: self.connections.now(),
            refused: self.refused.load(Ordering::Relaxed),
            requests: self.requests.now(),
        }
    }

    /// What a connection is told that is one too many.
    pub(crate) fn too_many_connections(&self) -> Fault {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let most = self.settings().connections;
        Fault::come_back(
            format!("Too many connections: the server takes {most} at a time (limits.connections)"),
            SOON,
        )
    }

    /// One more request is under way while what this gives is held.
    fn one_more(&self) -> Result<Slot, Fault> {
        let most = self.settings().requests.get();
        let held = self.requests.up_to(1, most).ok_or_else(|| {
            let message = format!(
                "Too many requests: the server has {most} under way at a time (limits.requests)"
            );
            Fault::come_back(message, SOON)
        });
        Ok(Slot(Arc::new(held?)))
    }

    /// A request of `project` is under way while what this gives is held.
    fn under_way(self: &Arc<Self>, project: &str) -> Result<UnderWay, Fault> {
        let mut projects = self.projects.lock().unwrap_or_else(PoisonError::into_inner);
        projects.begin(project, &self.settings())?;
        Ok(UnderWay {
            limits: Arc::clone(self),
            project: project.to_owned(),
        })
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.held = None;
        self.limits.gone.notify_waiters();
    }
}

/// The place of a request among all that are under way. It travels with the request.
#[derive(Clone)]
struct Slot(#[expect(dead_code, reason = "it counts by being there")] Arc<Held>);

/// A request of a project that is under way.
struct UnderWay {
    limits: Arc<Limits>,
    project: String,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let projects = self.limits.projects.lock();
        let mut projects = projects.unwrap_or_else(PoisonError::into_inner);
        projects.end(&self.project);
    }
}

/// Lets a request go on, if so many more of its project may be under way.
pub(crate) async fn of_project(
    State(app): State<App>,
    mut request: Request,
    next: Next,
) -> Response {
    // From here on it comes to its end, and counts until then.
    let _slot = request.extensions_mut().remove::<Slot>();
    let caller = request.extensions().get::<Caller>();
    let project = caller.map_or_else(
        || Caller::anybody().project,
        |caller| caller.project.clone(),
    );
    match app.limits.under_way(&project) {
        Ok(_under_way) => next.run(request).await,
        Err(fault) => fault.into_response(),
    }
}
