//! Sends spans to a collector: OTLP over HTTP, as protobuf.
//!
//! A collector that is down holds up nothing: spans wait in a queue that has a bound, a batch is
//! tried a few times, and what is dropped is counted.

mod wire;

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prost::Message as _;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use url::Url;

use super::metrics::Metrics;
use super::spans::Span;
use super::{OtlpEndpoint, TelemetrySettings, told_to_stop};

/// How many spans are sent at once at most.
const BATCH: usize = 512;
/// How long is waited before a batch is sent again; it doubles each time.
const PAUSE: Duration = Duration::from_millis(500);
/// How much is read of what a collector answers.
const LONGEST_ANSWER: usize = 64 << 10;
/// How often a batch is sent at most.
const TRIES: u32 = 3;

pub(super) struct Exporter {
    client: reqwest::Client,
    url: Url,
    headers: HeaderMap,
    resource: wire::Resource,
    delay: Duration,
    sent: Counter,
    failed: Counter,
    /// Whether the last batch came through, so that the log says once that one has not.
    is_well: bool,
}

/// How a batch fared.
enum Fate {
    /// But for so many spans.
    Sent(u64),
    /// It may help to send it again.
    Later(String),
    Refused(String),
}

impl Exporter {
    pub(super) fn new(
        endpoint: &OtlpEndpoint,
        settings: &TelemetrySettings,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, String> {
        let mut headers = settings.otlp_headers.map().clone();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-protobuf"),
        );
        let mut builder = reqwest::Client::builder()
            .timeout(settings.span_timeout)
            .redirect(reqwest::redirect::Policy::none());
        if endpoint.url().scheme() == "http" {
            // Reading the machine's authorities takes longer than all else.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(|error| error.to_string())?;
        Ok(Self {
            client,
            url: endpoint.url().clone(),
            headers,
            resource: wire::resource(&settings.service_name),
            delay: settings.span_delay,
            sent: metrics.spans("sent"),
            failed: metrics.spans("failed"),
            is_well: true,
        })
    }

    /// Sends what comes, until it is told to stop or nothing more comes; then what has come.
    pub(super) async fn run(
        mut self,
        mut spans: mpsc::Receiver<Span>,
        mut stopped: watch::Receiver<bool>,
    ) {
        let mut batch = Vec::new();
        let mut due = Instant::now();
        loop {
            let was_empty = batch.is_empty();
            let room = BATCH - batch.len();
            let is_over = tokio::select! {
                taken = spans.recv_many(&mut batch, room) => {
                    if was_empty {
                        due = Instant::now() + self.delay;
                    }
                    taken == 0
                }
                () = tokio::time::sleep_until(due), if !was_empty => {
                    self.send(&mut batch).await;
                    false
                }
                () = told_to_stop(&mut stopped) => {
                    // Whoever makes spans ends at the same time.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    while let Ok(span) = spans.try_recv() {
                        batch.push(span);
                    }
                    true
                }
            };
            if batch.len() >= BATCH || is_over {
                self.send(&mut batch).await;
            }
            if is_over {
                return;
            }
        }
    }

    async fn send(&mut self, batch: &mut Vec<Span>) {
        if batch.is_empty() {
            return;
        }
        let count = batch.len() as u64;
        let request = wire::request(self.resource.clone(), std::mem::take(batch));
        let body = request.encode_to_vec();
        let mut pause = PAUSE;
        let mut tries = 1;
        let reason = loop {
            match self.post(body.clone()).await {
                Fate::Sent(rejected) => {
                    let rejected = rejected.min(count);
                    self.sent.inc_by(count - rejected);
                    self.failed.inc_by(rejected);
                    self.is_well = true;
                    return;
                }
                Fate::Later(_) if tries < TRIES => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                    tries += 1;
                }
                Fate::Later(reason) | Fate::Refused(reason) => break reason,
            }
        };
        self.failed.inc_by(count);
        if std::mem::take(&mut self.is_well) {
            tracing::warn!(reason, "the collector takes no spans: they are dropped");
        }
    }

    async fn post(&self, body: Vec<u8>) -> Fate {
        let request = self.client.post(self.url.clone());
        let request = request.headers(self.headers.clone()).body(body);
        match request.send().await {
            Ok(answer) if answer.status().is_success() => Fate::Sent(rejected(answer).await),
            Ok(answer) => {
                let status = answer.status().as_u16();
                let reason = format!("it answers {status}");
                if matches!(status, 429 | 502 | 503 | 504) {
                    Fate::Later(reason)
                } else {
                    Fate::Refused(reason)
                }
            }
            // An address may hold a password.
            Err(error) => Fate::Later(error.without_url().to_string()),
        }
    }
}

/// How many spans a collector says that it did not take.
async fn rejected(mut answer: reqwest::Response) -> u64 {
    let mut body = Vec::new();
    while let Ok(Some(piece)) = answer.chunk().await {
        if body.len() + piece.len() > LONGEST_ANSWER {
            return 0;
        }
        body.extend_from_slice(&piece);
    }
    wire::rejected(&body)
}
