//! The way to one receiver: where it leads, and how it is tried again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::http::{HeaderValue, header};
use ostro_egress::{pinned, reason};
use reqwest::Client;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout};
use url::{Host, Url};

use super::Webhooks;
use super::event::Told;
use super::publisher::{Publisher, Way};
use crate::app::App;

/// How many deliveries are under way at a time: to one receiver, for one project, and for all of
/// them. Receivers that do not answer take no more than that.
const OF_RECEIVER: usize = 4;
const OF_PROJECT: usize = 32;
const OF_ALL: usize = 256;
/// For how long what was looked up counts.
const FRESH: Duration = Duration::from_secs(30);
/// How long connecting may take at most, as in Mistral.
const CONNECT: Duration = Duration::from_secs(3);

/// The header with the number of the change: what is delivered twice has it twice.
const SEQUENCE: &str = "x-ostro-sequence";

/// Places for deliveries that callers want.
pub(super) struct Places {
    all: Arc<Semaphore>,
    some: Mutex<HashMap<String, Weak<Semaphore>>>,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            all: Arc::new(Semaphore::new(OF_ALL)),
            some: Mutex::default(),
        }
    }
}

/// That a delivery may be under way.
struct Place(#[expect(dead_code, reason = "held, not looked at")] [OwnedSemaphorePermit; 3]);

impl Places {
    async fn take(&self, project: &str, origin: &str) -> Option<Place> {
        let receiver = self.of(format!("{project}\n{origin}"), OF_RECEIVER);
        let project = self.of(project.to_owned(), OF_PROJECT);
        // They are never closed.
        Some(Place([
            receiver.acquire_owned().await.ok()?,
            project.acquire_owned().await.ok()?,
            Arc::clone(&self.all).acquire_owned().await.ok()?,
        ]))
    }

    fn of(&self, name: String, count: usize) -> Arc<Semaphore> {
        let mut some = self.some.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = some.get(&name).and_then(Weak::upgrade) {
            return places;
        }
        if some.len() > 2 * OF_ALL {
            some.retain(|_, places| places.strong_count() > 0);
        }
        let places = Arc::new(Semaphore::new(count));
        some.insert(name, Arc::downgrade(&places));
        places
    }
}

/// The way to one receiver.
pub(super) struct Line {
    app: App,
    publisher: Publisher,
    /// Whose it is; the operator's, where it is nobody's.
    project: Option<Arc<str>>,
    stop: watch::Receiver<bool>,
    client: Option<(Client, Instant)>,
    /// What was before is given up, until the receiver answers.
    given_up: Option<i64>,
    /// Whether it was said that nobody is told.
    is_denied: bool,
}

/// Why somebody was not told.
enum Failed {
    /// That will not change.
    Denied(String),
    /// That may change.
    Now(String),
}

impl Line {
    pub(super) fn new(
        app: App,
        publisher: Publisher,
        project: Option<Arc<str>>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            app,
            publisher,
            project,
            stop,
            client: None,
            given_up: None,
            is_denied: false,
        }
    }

    fn webhooks(&self) -> &Webhooks {
        &self.app.webhooks
    }

    /// Whether the server stops.
    pub(super) fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Sleeps, at most until the server stops. Whether it does.
    pub(super) async fn sleep(&mut self, time: Duration) -> bool {
        // Whoever could tell it has gone, if there is nobody.
        timeout(time, self.stop.wait_for(|stop| *stop))
            .await
            .is_ok()
    }

    /// Tells the receiver, if it wants that, as often as it takes. Whether that is done with: not
    /// if the server stops.
    pub(super) async fn tell(&mut self, told: &Told) -> bool {
        if !self.publisher.wants(told.event) {
            return true;
        }
        if self.given_up.is_some_and(|before| told.at < before) {
            return true;
        }
        let settings = &self.webhooks().settings;
        let (mut pause, longest) = (settings.first_pause, settings.longest_pause);
        let give_up = i64::try_from(settings.give_up.as_millis()).unwrap_or(i64::MAX);
        let mut tries = 0_u64;
        loop {
            if self.is_stopped() {
                return false;
            }
            let failed = match self.try_once(told).await {
                Ok(()) => {
                    self.given_up = None;
                    return true;
                }
                Err(failed) => failed,
            };
            tries += 1;
            let (event, id, to) = (told.event, told.id.as_str(), self.publisher.place());
            let now = self.app.now();
            match failed {
                Failed::Denied(reason) => {
                    if !std::mem::replace(&mut self.is_denied, true) {
                        tracing::warn!(event, id, to, reason, "nobody is told");
                    }
                    return true;
                }
                Failed::Now(reason) if now.saturating_sub(told.at) > give_up => {
                    tracing::warn!(
                        event,
                        id,
                        to,
                        tries,
                        reason,
                        "it is given up, with all that is as old, since the receiver fails"
                    );
                    self.given_up = Some(now.saturating_sub(give_up));
                    return true;
                }
                Failed::Now(reason) if tries == 1 => {
                    tracing::warn!(event, id, to, reason, "to be told again, ever more rarely");
                }
                Failed::Now(reason) => tracing::debug!(event, id, to, tries, reason, "once more"),
            }
            // What was looked up may have changed.
            self.client = None;
            if self.sleep(pause).await {
                return false;
            }
            pause = pause.saturating_mul(2).min(longest);
        }
    }

    async fn try_once(&mut self, told: &Told) -> Result<(), Failed> {
        let Way::Webhook { url, headers } = &self.publisher.way else {
            let (event, id) = (told.event, told.id.as_str());
            tracing::info!(event, id, "an event, for the log");
            return Ok(());
        };
        let (url, mut headers) = (url.clone(), headers.clone());
        let origin = url.origin().ascii_serialization();
        let _place = match &self.project {
            Some(project) => self.app.webhooks.places.take(project, &origin).await,
            None => None,
        };
        let client = self.client(&url).await?;
        let json = HeaderValue::from_static("application/json");
        headers.entry(header::CONTENT_TYPE).or_insert(json);
        headers.insert(SEQUENCE, told.sequence.into());
        let request = client.post(url).headers(headers);
        let sent = request.body(told.data.to_string()).send().await;
        let status = sent.map_err(|error| Failed::Now(reason(&error)))?.status();
        if status.is_success() {
            return Ok(());
        }
        Err(Failed::Now(format!("the receiver answers {status}")))
    }

    /// A client that reaches the host of `url` where it was looked up.
    async fn client(&mut self, url: &Url) -> Result<Client, Failed> {
        if let Some((client, at)) = &self.client
            && at.elapsed() < FRESH
        {
            return Ok(client.clone());
        }
        let webhooks = self.webhooks();
        let settings = &webhooks.settings;
        let limit = settings.timeout;
        let host = url.host().ok_or_else(|| Failed::Denied("no host".into()))?;
        let name = match &host {
            Host::Ipv6(address) => address.to_string(),
            other => other.to_string(),
        };
        let port = url.port_or_known_default().unwrap_or(80);
        let found = timeout(limit, webhooks.lookup.find(&name, port)).await;
        let found = found.unwrap_or(Err(std::io::ErrorKind::TimedOut.into()));
        let addresses =
            found.map_err(|error| Failed::Now(format!("its host has no address: {error}")))?;
        if self.project.is_some() {
            settings.may_reach(&host, &addresses).map_err(|address| {
                Failed::Denied(format!(
                    "webhooks of callers may not lead to {address}; `webhooks.allow` says where \
                     they may"
                ))
            })?;
        }
        let mut builder = ostro_egress::client()
            .connect_timeout(CONNECT.min(limit))
            .timeout(limit)
            .user_agent(concat!("ostro/", env!("CARGO_PKG_VERSION")));
        if let Host::Domain(name) = host {
            builder = pinned(builder, name, &addresses);
        }
        if url.scheme() == "http" {
            // Reading the machine's authorities takes longer than the request.
            builder = builder.tls_certs_only([]);
        }
        let client = builder
            .build()
            .map_err(|error| Failed::Now(reason(&error)))?;
        self.client = Some((client.clone(), Instant::now()));
        Ok(client)
    }
}
