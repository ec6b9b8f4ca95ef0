//! What is seen from outside: metrics, traces, and whether the host is well.
//!
//! Nothing here holds up what it watches. Notices that come faster than they are looked at are
//! lost and counted; spans that come faster than they are sent are dropped and counted.
//!
//! `TELEMETRY.md` in this crate is what operators read.

mod host_calls;
mod metrics;
mod otlp;
mod settings;
mod spans;
mod trace_parent;
mod watch;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ostro_runtime::{Runtime, Subscription};
use tokio::sync::mpsc;

pub use host_calls::{HostCall, HostCalls};
pub(crate) use metrics::Metrics;
use otlp::Exporter;
pub use settings::{OtlpEndpoint, OtlpHeaders, TelemetrySettings};
use spans::Span;
pub(crate) use spans::{Single, Tracer};
pub(crate) use trace_parent::TraceParent;

use crate::actions::Actions;

/// What a server shows of itself, as it runs.
pub(crate) struct Telemetry {
    pub(crate) shows_metrics: bool,
    pub(crate) shows_health: bool,
    pub(crate) metrics: Arc<Metrics>,
    /// None where nothing is traced.
    pub(crate) tracer: Option<Arc<Tracer>>,
    settings: TelemetrySettings,
    /// What is looked at and sent, until somebody does.
    unwatched: Mutex<Option<Unwatched>>,
}

/// What nobody looks at yet. It has bounds.
struct Unwatched {
    notices: Subscription,
    spans: Option<mpsc::Receiver<Span>>,
}

impl Telemetry {
    /// What happens in `runtime` from now on is seen. Of actions, those are told apart that are
    /// among `actions`.
    pub(crate) fn new(
        settings: TelemetrySettings,
        runtime: &Runtime,
        actions: Arc<dyn Actions>,
    ) -> Self {
        let metrics = Arc::new(Metrics::new(actions, &settings.host_calls));
        let pair = settings.otlp_endpoint.as_ref().map(|_| {
            let (sender, receiver) = mpsc::channel(settings.span_queue.max(1));
            let tracer = Tracer::new(sender, settings.error_messages, &metrics);
            (Arc::new(tracer), receiver)
        });
        let (tracer, spans) = pair.unzip();
        let notices = runtime.subscribe();
        Self {
            shows_metrics: settings.metrics,
            shows_health: settings.healthcheck,
            metrics,
            tracer,
            settings,
            unwatched: Mutex::new(Some(Unwatched { notices, spans })),
        }
    }

    /// Begins to look at what happens.
    pub(crate) fn watch(&self) -> Watching {
        let mut tasks = tokio::task::JoinSet::new();
        let unwatched = self.unwatched.lock();
        let unwatched = unwatched.unwrap_or_else(PoisonError::into_inner).take();
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let Some(Unwatched { notices, spans }) = unwatched else {
            return Watching { tasks, stop };
        };
        if let (Some(spans), Some(endpoint)) = (spans, &self.settings.otlp_endpoint) {
            match Exporter::new(endpoint, &self.settings, &self.metrics) {
                Ok(exporter) => drop(tasks.spawn(exporter.run(spans, stopped.clone()))),
                Err(reason) => tracing::error!(reason, "nothing is traced"),
            }
        }
        let calls = self.settings.host_calls.listen(self.tracer.clone());
        let weaver = watch::watch(
            notices,
            calls,
            Arc::clone(&self.metrics),
            self.tracer.clone(),
            stopped,
        );
        tasks.spawn(weaver);
        Watching { tasks, stop }
    }
}

/// What watches, until it is dropped.
pub(crate) struct Watching {
    tasks: tokio::task::JoinSet<()>,
    stop: tokio::sync::watch::Sender<bool>,
}

impl Watching {
    /// Has what is known sent, for a moment.
    pub(crate) async fn end(mut self) {
        const MOMENT: Duration = Duration::from_secs(2);
        self.stop.send_replace(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(MOMENT, all).await;
    }
}

/// Ready once it is time to stop.
async fn told_to_stop(stopped: &mut tokio::sync::watch::Receiver<bool>) {
    // Whoever would say so may have gone, which means the same.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}
