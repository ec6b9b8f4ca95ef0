//! Host calls of packs, as whoever runs packs tells of them.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use ostro_core::{ActionExecutionId, ExecutionId};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tokio::sync::mpsc;

use super::metrics::{Denied, Histograms, HostCallLabels, Names, Service, histogram};
use super::spans::Tracer;

/// How many host calls may wait to become spans; more are dropped.
const WAITING: usize = 4_096;

/// A host call that has ended, of those that reach something or need a grant.
#[derive(Clone, Debug)]
pub struct HostCall<'a> {
    /// The interface and the function, as `openstack.send`.
    pub call: &'static str,
    /// What it was for: the type of a service, the name of its client, `files`, `http`,
    /// `messaging` or `secrets`.
    pub service: &'a str,
    /// The pack's name.
    pub pack: &'a str,
    /// How it ended: `answered`, `denied`, `refused`, `invalid`, `unavailable`, `exhausted` or
    /// `cancelled`.
    pub end: &'static str,
    /// How long it took.
    pub time: Duration,
    /// The execution; empty for an action that runs by itself.
    pub execution_id: &'a ExecutionId,
    /// The action execution.
    pub action_execution_id: &'a ActionExecutionId,
}

/// Counts host calls, and has spans made of them. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct HostCalls(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    packs: Names,
    services: Names,
    /// What was asked for and is none of these, which guests may make up.
    strangers: Names,
    calls: Family<HostCallLabels, Counter>,
    denied: Family<Denied, Counter>,
    times: Histograms<Service>,
    listener: OnceLock<Listener>,
}

/// What is counted of host calls.
pub(super) struct Counters {
    pub(super) calls: Family<HostCallLabels, Counter>,
    pub(super) denied: Family<Denied, Counter>,
    pub(super) times: Histograms<Service>,
}

#[derive(Debug)]
struct Listener {
    tracer: Arc<Tracer>,
    sender: mpsc::Sender<Called>,
}

/// A host call that is to become a span.
#[derive(Clone, Debug)]
pub(super) struct Called {
    pub(super) call: &'static str,
    pub(super) service: Arc<str>,
    pub(super) pack: Arc<str>,
    pub(super) end: &'static str,
    pub(super) time: Duration,
    pub(super) ended_at: SystemTime,
    pub(super) execution_id: ExecutionId,
    pub(super) action_execution_id: ActionExecutionId,
}

/// Those that are the same.
impl PartialEq for HostCalls {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for HostCalls {}

impl Default for Inner {
    fn default() -> Self {
        Self {
            packs: Names::new(64),
            services: Names::new(64),
            strangers: Names::new(64),
            calls: Family::default(),
            denied: Family::default(),
            times: Family::new_with_constructor(histogram),
            listener: OnceLock::new(),
        }
    }
}

impl HostCalls {
    /// Tells of a host call. It holds up nobody.
    pub fn called(&self, call: &HostCall<'_>) {
        let inner = &*self.0;
        let pack = inner.packs.get(call.pack);
        let service = if matches!(call.end, "denied" | "invalid") {
            let known = inner.services.known(call.service);
            known.unwrap_or_else(|| inner.strangers.get(call.service))
        } else {
            inner.services.get(call.service)
        };
        let labels = HostCallLabels {
            pack: Arc::clone(&pack),
            service: Arc::clone(&service),
            outcome: call.end.into(),
        };
        inner.calls.get_or_create(&labels).inc();
        let of_service = Service {
            service: Arc::clone(&service),
        };
        let times = inner.times.get_or_create(&of_service);
        times.observe(call.time.as_secs_f64());
        drop(times);
        if call.end == "denied" {
            let denied = Denied {
                pack: Arc::clone(&pack),
                service: Arc::clone(&service),
            };
            inner.denied.get_or_create(&denied).inc();
        }
        let Some(listener) = inner.listener.get() else {
            return;
        };
        let called = Called {
            call: call.call,
            service,
            pack,
            end: call.end,
            time: call.time,
            ended_at: SystemTime::now(),
            execution_id: call.execution_id.clone(),
            action_execution_id: call.action_execution_id.clone(),
        };
        if listener.sender.try_send(called).is_err() {
            listener.tracer.dropped();
        }
    }

    /// What is to become spans from now on; nothing where nothing is traced. Only the first who
    /// asks gets it.
    pub(super) fn listen(&self, tracer: Option<Arc<Tracer>>) -> Option<mpsc::Receiver<Called>> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let tracer = tracer?;
        let set = self.0.listener.set(Listener { tracer, sender });
        set.is_ok().then_some(receiver)
    }

    /// The counters, for the registry.
    pub(super) fn counters(&self) -> Counters {
        let inner = &*self.0;
        Counters {
            calls: inner.calls.clone(),
            denied: inner.denied.clone(),
            times: inner.times.clone(),
        }
    }
}
