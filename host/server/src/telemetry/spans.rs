//! Spans: what traces are made of.
//!
//! An id of a span follows from the id of what it is of, so that whoever is told of a part knows
//! what it is a part of, after a restart, too. What runs again has another one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use md5::{Digest as _, Md5};
use ostro_core::{ActionExecutionId, ExecutionId};
use prometheus_client::metrics::counter::Counter;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::host_calls::Called;
use super::metrics::Metrics;
use super::trace_parent::TraceParent;

/// How many executions may be about to start, and actions run by themselves, that are known to
/// belong to traces.
const PENDING: usize = 10_000;

pub(crate) type SpanId = [u8; 8];

/// Which trace something belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trace {
    pub(super) id: [u8; 16],
    /// The span of the request that it began with.
    pub(super) parent: Option<SpanId>,
    /// Whether the trace is kept.
    pub(super) sampled: bool,
}

/// Something that has begun and ended.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(super) trace: [u8; 16],
    pub(super) id: SpanId,
    pub(super) parent: Option<SpanId>,
    pub(super) name: String,
    /// Whether it is a request to something else.
    pub(super) is_client: bool,
    /// In nanoseconds since 1970 UTC, as the end is.
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) attributes: Vec<(&'static str, String)>,
    /// Whether it ended well, and if not, why; none if that cannot be said.
    pub(super) ended: Option<Result<(), String>>,
}

/// Where spans begin: it knows which trace something belongs to, and takes spans.
#[derive(Debug)]
pub(crate) struct Tracer {
    sender: mpsc::Sender<Span>,
    pub(super) error_messages: bool,
    dropped: Counter,
    /// The executions that requests of traces are about to start.
    starting: Mutex<HashMap<ExecutionId, TraceParent>>,
    /// The actions that run by themselves.
    single: Mutex<HashMap<ActionExecutionId, Trace>>,
}

/// An action that runs by itself, until it is dropped.
pub(crate) struct Single {
    tracer: Arc<Tracer>,
    id: ActionExecutionId,
    name: String,
    trace: Trace,
    began: SystemTime,
    ended: Option<Result<(), String>>,
}

impl Trace {
    /// That of what begins with `id`, by the request of a trace or by itself.
    pub(super) fn of(id: &str, parent: Option<TraceParent>) -> Self {
        match parent {
            Some(parent) => Self {
                id: parent.trace,
                parent: Some(parent.span),
                sampled: parent.sampled,
            },
            None => Self {
                id: Uuid::parse_str(id).map_or_else(|_| digest(id), Uuid::into_bytes),
                parent: None,
                sampled: true,
            },
        }
    }
}

impl Tracer {
    pub(super) fn new(sender: mpsc::Sender<Span>, error_messages: bool, metrics: &Metrics) -> Self {
        Self {
            sender,
            error_messages,
            dropped: metrics.spans("dropped"),
            starting: Mutex::default(),
            single: Mutex::default(),
        }
    }

    /// Takes a span, if there is room.
    pub(super) fn take(&self, span: Span) {
        if self.sender.try_send(span).is_err() {
            self.dropped();
        }
    }

    /// One is dropped.
    pub(super) fn dropped(&self) {
        self.dropped.inc();
    }

    /// An execution is about to start for a request of a trace.
    pub(crate) fn starts(&self, id: &ExecutionId, parent: TraceParent) {
        let mut starting = lock(&self.starting);
        // Each is there for a moment, unless its beginning was lost.
        if starting.len() >= PENDING {
            starting.clear();
        }
        starting.insert(id.clone(), parent);
    }

    /// It has not started, or its trace is known now.
    pub(crate) fn started(&self, id: &ExecutionId) -> Option<TraceParent> {
        lock(&self.starting).remove(id)
    }

    /// An action begins that runs by itself.
    pub(crate) fn single(
        self: &Arc<Self>,
        id: &ActionExecutionId,
        name: &str,
        parent: Option<TraceParent>,
    ) -> Single {
        let trace = Trace::of(id.as_str(), parent);
        let mut single = lock(&self.single);
        if single.len() < PENDING {
            single.insert(id.clone(), trace);
        }
        Single {
            tracer: Arc::clone(self),
            id: id.clone(),
            name: name.to_owned(),
            trace,
            began: SystemTime::now(),
            ended: None,
        }
    }

    /// The trace of an action that runs by itself.
    pub(super) fn trace_of_single(&self, id: &ActionExecutionId) -> Option<Trace> {
        lock(&self.single).get(id).copied()
    }

    /// A host call of an action in `trace` has ended.
    pub(super) fn host_call(&self, called: &Called, trace: Trace) {
        if !trace.sampled {
            return;
        }
        let end = nanos(called.ended_at);
        let ended = match called.end {
            "answered" => Ok(()),
            other => Err(other.to_owned()),
        };
        self.take(Span {
            trace: trace.id,
            id: fresh(),
            parent: Some(span_id(called.action_execution_id.as_str())),
            name: format!("{} {}", called.call, called.service),
            is_client: true,
            start: end.saturating_sub(whole_nanos(called.time)),
            end,
            attributes: vec![
                ("ostro.host_call", called.call.to_owned()),
                ("ostro.service", called.service.to_string()),
                ("ostro.pack", called.pack.to_string()),
                (
                    "ostro.action_execution_id",
                    called.action_execution_id.to_string(),
                ),
            ],
            ended: Some(ended),
        });
    }
}

impl Single {
    /// How it has ended; none for one that goes on elsewhere.
    pub(crate) fn ended(mut self, ended: Option<Result<(), String>>) {
        self.ended = ended;
    }
}

impl Drop for Single {
    fn drop(&mut self) {
        lock(&self.tracer.single).remove(&self.id);
        if !self.trace.sampled {
            return;
        }
        self.tracer.take(Span {
            trace: self.trace.id,
            id: span_id(self.id.as_str()),
            parent: self.trace.parent,
            name: format!("action {}", self.name),
            is_client: false,
            start: nanos(self.began),
            end: nanos(SystemTime::now()),
            attributes: vec![
                ("ostro.action", self.name.clone()),
                ("ostro.action_execution_id", self.id.to_string()),
            ],
            ended: self.ended.take(),
        });
    }
}

/// The id of the span of what has this id.
pub(super) fn span_id(id: &str) -> SpanId {
    let mut of_span = SpanId::default();
    of_span.copy_from_slice(&digest(id)[..8]);
    of_span
}

/// An id that nothing follows from.
pub(super) fn fresh() -> SpanId {
    span_id(&Uuid::new_v4().to_string())
}

fn digest(id: &str) -> [u8; 16] {
    Md5::digest(id.as_bytes()).into()
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    whole_nanos(since.unwrap_or(Duration::ZERO))
}

fn whole_nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
