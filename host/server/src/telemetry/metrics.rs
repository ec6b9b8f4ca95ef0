//! What `GET /metrics` shows, in the text form of OpenMetrics.
//!
//! What is kept elsewhere (by the runtime, by the journal) is read when somebody asks. Labels have
//! few values: names beyond a bound are `other`, and no id is one.

mod figures;

use std::collections::HashSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::encoding::{EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use self::figures::Figures;
use super::HostCalls;
use crate::actions::Actions;
use crate::app::App;

/// How many names of actions are told apart.
const ACTIONS: usize = 512;
/// How many bytes of a name are shown.
const LONGEST: usize = 128;
/// What stands for all other names.
const OTHER: &str = "other";
/// How the names of metrics begin.
const PREFIX: &str = "ostro";

pub(super) type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// Labels of a family, in the order in which they are written.
macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($field:ident),+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub(super) struct $name {
            $(pub(super) $field: Arc<str>,)+
        }

        impl EncodeLabelSet for $name {
            fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
                let labels = [$((stringify!($field), &*self.$field),)+];
                labels.as_slice().encode(encoder)
            }
        }
    };
}

labels!(
    /// Of a request.
    RequestLabels { method, route, status }
);
labels!(
    /// Of an action that has ended.
    ActionLabels { action, outcome }
);
labels!(
    /// Of a host call that has ended.
    HostCallLabels { pack, service, outcome }
);
labels!(
    /// Of a host call that was denied.
    Denied { pack, service }
);
labels!(
    /// What a host call is for.
    Service { service }
);
labels!(
    /// What became of something.
    Outcome { outcome }
);
labels!(
    /// Of an answer.
    Status { status }
);

/// What is counted here, and where the rest is read.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Histograms<RequestLabels>,
    responses: Family<Status, Counter>,
    actions: Histograms<ActionLabels>,
    action_names: Names,
    /// The actions whose names are no project's.
    known_actions: Arc<dyn Actions>,
    lost: Counter,
    spans: Family<Outcome, Counter>,
    audit_failures: Counter,
}

impl Metrics {
    pub(super) fn new(known_actions: Arc<dyn Actions>, calls: &HostCalls) -> Self {
        let requests: Histograms<RequestLabels> = Family::new_with_constructor(histogram);
        let actions: Histograms<ActionLabels> = Family::new_with_constructor(long_histogram);
        let (lost, audit_failures) = (Counter::default(), Counter::default());
        let spans = Family::<Outcome, Counter>::default();
        let responses = Family::<Status, Counter>::default();
        let mut all = Registry::default();
        let began = Gauge::<f64, AtomicU64>::default();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        began.set(now.unwrap_or(Duration::ZERO).as_secs_f64());
        all.register(
            "process_start_time_seconds",
            "When the server started, in seconds since 1970 UTC",
            began,
        );
        let ours = all.sub_registry_with_prefix(PREFIX);
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        ours.register("build", "The version that runs", build);
        ours.register(
            "http_request_duration_seconds",
            "How long requests took",
            requests.clone(),
        );
        ours.register(
            "http_responses",
            "Answers, by their status",
            responses.clone(),
        );
        ours.register(
            "action_duration_seconds",
            "How long actions ran",
            actions.clone(),
        );
        let calls = calls.counters();
        ours.register("host_calls", "Host calls of packs", calls.calls);
        ours.register(
            "host_calls_denied",
            "Host calls of packs that were denied",
            calls.denied,
        );
        ours.register(
            "host_call_duration_seconds",
            "How long host calls of packs took",
            calls.times,
        );
        ours.register(
            "notices_lost",
            "What happened and was not looked at for metrics and traces, because too much did",
            lost.clone(),
        );
        ours.register(
            "trace_spans",
            "Spans, by what became of them",
            spans.clone(),
        );
        ours.register(
            "audit_failures",
            "Lines that could not be written to the audit log",
            audit_failures.clone(),
        );
        Self {
            registry: all,
            requests,
            responses,
            actions,
            action_names: Names::new(ACTIONS),
            known_actions,
            lost,
            spans,
            audit_failures,
        }
    }

    /// A request was answered with a status, after so long.
    pub(crate) fn answered(&self, method: &str, route: &str, status: u16, took: Duration) {
        // Anybody may send any method.
        let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
        let method = if known.contains(&method) {
            method
        } else {
            OTHER
        };
        let answer = Status {
            status: status.to_string().into(),
        };
        self.responses.get_or_create(&answer).inc();
        let labels = RequestLabels {
            method: method.into(),
            route: route.into(),
            status: format!("{}xx", status / 100).into(),
        };
        self.requests
            .get_or_create(&labels)
            .observe(took.as_secs_f64());
    }

    /// An action ran so long. What projects call theirs is nobody else's business.
    pub(crate) fn ran(&self, action: &str, outcome: &'static str, took: Duration) {
        let is_known = || self.known_actions.get(action).is_some();
        let labels = ActionLabels {
            action: self.action_names.get_if(action, is_known),
            outcome: outcome.into(),
        };
        self.actions
            .get_or_create(&labels)
            .observe(took.as_secs_f64());
    }

    /// So many notices were lost.
    pub(super) fn lost(&self, notices: u64) {
        self.lost.inc_by(notices);
    }

    /// The counter of spans that end so.
    pub(super) fn spans(&self, outcome: &str) -> Counter {
        let outcome = outcome.into();
        self.spans.get_or_create_owned(&Outcome { outcome })
    }

    /// A line of the audit log could not be written.
    pub(crate) fn audit_failed(&self) {
        self.audit_failures.inc();
    }

    /// All of it, with how things are at the moment, as text.
    pub(crate) fn text(&self, app: &App) -> String {
        let mut now = Registry::with_prefix(PREFIX);
        now.register_collector(Box::new(Figures::of(app)));
        let mut text = String::new();
        // A String takes all that is written to it.
        let _ = encode_registry(&mut text, &self.registry)
            .and_then(|()| encode_registry(&mut text, &now))
            .and_then(|()| encode_eof(&mut text));
        text
    }
}

/// The first names that come, up to a bound; others are `other`.
#[derive(Debug)]
pub(super) struct Names {
    most: usize,
    known: Mutex<HashSet<Arc<str>>>,
}

impl Names {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            known: Mutex::default(),
        }
    }

    /// A name, if it is one of them.
    pub(super) fn known(&self, name: &str) -> Option<Arc<str>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(name).cloned()
    }

    pub(super) fn get(&self, name: &str) -> Arc<str> {
        self.get_if(name, || true)
    }

    /// As [`Names::get`]; a name that is not known is `other`, too.
    fn get_if(&self, name: &str, is_known: impl FnOnce() -> bool) -> Arc<str> {
        let name = &name[..name.floor_char_boundary(LONGEST)];
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = known.get(name) {
            return Arc::clone(name);
        }
        if known.len() >= self.most || !is_known() {
            return OTHER.into();
        }
        let name: Arc<str> = name.into();
        known.insert(Arc::clone(&name));
        name
    }
}

/// For what takes milliseconds.
pub(super) fn histogram() -> Histogram {
    Histogram::new([
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    ])
}

/// For what may take an hour.
fn long_histogram() -> Histogram {
    Histogram::new([
        0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut() {
        let long = "ä".repeat(1000);
        assert_eq!(Names::new(2).get(&long).len(), LONGEST);
    }

    #[test]
    fn names_beyond_the_bound_are_other() {
        let names = Names::new(2);
        let got: Vec<_> = ["a", "b", "c", "a"].map(|name| names.get(name)).into();
        assert_eq!(
            got,
            ["a".into(), "b".into(), "other".into(), Arc::from("a")]
        );
    }
}
