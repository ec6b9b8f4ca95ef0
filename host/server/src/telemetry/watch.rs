//! Looks at what happens, and makes metrics and spans of it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ostro_core::{ActionExecutionId, ExecutionId, State, TaskExecutionId};
use ostro_engine::Change;
use ostro_runtime::{ActionEnd, ActionRef, Delivery, Notice, NoticeKind, Subscription};
use tokio::sync::{mpsc, watch};

use super::host_calls::Called;
use super::spans::{Span, SpanId, Trace, Tracer, fresh, span_id};
use super::{Metrics, told_to_stop};

/// How many executions that have ended are remembered.
const REMEMBERED: usize = 10_000;
/// How many executions are known at most, and how many actions that run.
const MOST: usize = 100_000;

/// Looks until it is told to stop or there is nothing more, and at what has come by then.
pub(super) async fn watch(
    mut notices: Subscription,
    mut calls: Option<mpsc::Receiver<Called>>,
    metrics: Arc<Metrics>,
    tracer: Option<Arc<Tracer>>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut watcher = Watcher {
        metrics,
        running: HashMap::new(),
        weaver: tracer.map(Weaver::new),
    };
    loop {
        // What a host call belongs to was told of before.
        tokio::select! {
            biased;
            next = notices.next() => match next {
                Some(delivery) => watcher.see(delivery),
                None => break,
            },
            Some(called) = next_call(calls.as_mut()) => watcher.host_call(&called),
            () = told_to_stop(&mut stopped) => break,
        }
    }
    while let Some(call) = calls.as_mut().and_then(|calls| calls.try_recv().ok()) {
        watcher.host_call(&call);
    }
}

async fn next_call(calls: Option<&mut mpsc::Receiver<Called>>) -> Option<Called> {
    match calls {
        Some(calls) => calls.recv().await,
        None => std::future::pending().await,
    }
}

struct Watcher {
    metrics: Arc<Metrics>,
    /// Since when actions run.
    running: HashMap<ActionExecutionId, i64>,
    weaver: Option<Weaver>,
}

impl Watcher {
    fn see(&mut self, delivery: Delivery) {
        let notice = match delivery {
            Delivery::Notice(notice) => notice,
            Delivery::Lagged(lost) => return self.metrics.lost(lost),
        };
        match &notice.kind {
            NoticeKind::ActionStarted { action } => {
                // The ends of some may have been lost.
                if self.running.len() >= MOST {
                    self.metrics.lost(self.running.len() as u64);
                    self.running.clear();
                }
                self.running.insert(action.id.clone(), notice.at);
            }
            NoticeKind::ActionEnded { action, end } => {
                if let Some(began) = self.running.remove(&action.id) {
                    let took = Duration::from_millis((notice.at - began).unsigned_abs());
                    self.metrics.ran(&action.name, word(end), took);
                    if let Some(weaver) = &mut self.weaver {
                        weaver.action(&notice, began, action, end);
                    }
                }
            }
            NoticeKind::Changed { change } => {
                if let Some(weaver) = &mut self.weaver {
                    weaver.change(&notice, change);
                }
            }
            _ => {}
        }
    }

    fn host_call(&self, called: &Called) {
        if let Some(weaver) = &self.weaver {
            weaver.host_call(called);
        }
    }
}

/// Makes spans.
struct Weaver {
    tracer: Arc<Tracer>,
    /// The executions that run, and those that ended lately.
    known: HashMap<ExecutionId, Known>,
    /// Those that ended lately, in order.
    ended: VecDeque<ExecutionId>,
}

/// What is known of an execution.
struct Known {
    trace: Trace,
    span: SpanId,
    /// Since when it runs; none once it has ended.
    began: Option<i64>,
    /// Its tasks that run, and those that may run again.
    tasks: HashMap<TaskExecutionId, Task>,
}

struct Task {
    span: SpanId,
    /// Since when it runs; none once it has ended badly.
    began: Option<i64>,
}

impl Weaver {
    fn new(tracer: Arc<Tracer>) -> Self {
        Self {
            tracer,
            known: HashMap::new(),
            ended: VecDeque::new(),
        }
    }

    /// What is known of the execution that a notice is about.
    fn known(&mut self, notice: &Notice) -> &mut Known {
        let id = &notice.execution_id;
        // Those that wait for people may be many; their spans begin anew.
        if self.known.len() >= MOST && !self.known.contains_key(id) {
            self.known.clear();
        }
        let root = self.known.get(&notice.root_id).map(|root| root.trace);
        self.known.entry(id.clone()).or_insert_with(|| Known {
            trace: root.unwrap_or_else(|| {
                let parent = self.tracer.started(&notice.root_id);
                Trace::of(notice.root_id.as_str(), parent)
            }),
            span: span_id(id.as_str()),
            began: Some(notice.at),
            tasks: HashMap::new(),
        })
    }

    fn change(&mut self, notice: &Notice, change: &Change) {
        match change {
            Change::Execution { state, info } => self.execution(notice, *state, info.as_deref()),
            Change::Task {
                id,
                name,
                state,
                info,
            } => self.task(notice, (id, name), *state, info.as_deref()),
            Change::Items { .. } => {}
        }
    }

    fn execution(&mut self, notice: &Notice, state: State, info: Option<&str>) {
        let known = self.known(notice);
        if !state.is_completed() {
            if known.began.is_none() {
                // It runs again.
                known.began = Some(notice.at);
                known.span = fresh();
            }
            return;
        }
        let Some(began) = known.began.take() else {
            return;
        };
        known.tasks.retain(|_, task| task.began.is_none());
        let (trace, span) = (known.trace, known.span);
        let parent = match &notice.parent {
            Some((execution, task)) => Some(self.span_of_task(execution, task)),
            None => trace.parent,
        };
        self.remember(&notice.execution_id);
        self.emit(trace, || Span {
            trace: trace.id,
            id: span,
            parent,
            name: format!("workflow {}", notice.workflow),
            is_client: false,
            start: nanos(began),
            end: nanos(notice.at),
            attributes: vec![
                ("ostro.workflow", notice.workflow.to_string()),
                ("ostro.execution_id", notice.execution_id.to_string()),
                ("ostro.root_execution_id", notice.root_id.to_string()),
                ("ostro.state", state.as_str().to_owned()),
            ],
            ended: Some(self.ended(state, info)),
        });
    }

    fn task(
        &mut self,
        notice: &Notice,
        (id, name): (&TaskExecutionId, &Arc<str>),
        state: State,
        info: Option<&str>,
    ) {
        let known = self.known(notice);
        let (trace, parent) = (known.trace, known.span);
        let task = known.tasks.entry(id.clone()).or_insert_with(|| Task {
            span: span_id(id.as_str()),
            began: Some(notice.at),
        });
        if !state.is_completed() {
            if task.began.is_none() {
                // It runs again.
                *task = Task {
                    span: fresh(),
                    began: Some(notice.at),
                };
            }
            return;
        }
        let (span, began) = (task.span, task.began.take());
        if matches!(state, State::Success | State::Skipped) {
            known.tasks.remove(id);
        }
        // One that ends twice was skipped meanwhile.
        let Some(began) = began else { return };
        self.emit(trace, || Span {
            trace: trace.id,
            id: span,
            parent: Some(parent),
            name: format!("task {name}"),
            is_client: false,
            start: nanos(began),
            end: nanos(notice.at),
            attributes: vec![
                ("ostro.task", name.to_string()),
                ("ostro.task_execution_id", id.to_string()),
                ("ostro.execution_id", notice.execution_id.to_string()),
                ("ostro.state", state.as_str().to_owned()),
            ],
            ended: Some(self.ended(state, info)),
        });
    }

    fn action(&mut self, notice: &Notice, began: i64, action: &ActionRef, end: &ActionEnd) {
        let trace = self.known(notice).trace;
        let parent = self.span_of_task(&notice.execution_id, &action.task_id);
        let mut attributes = vec![
            ("ostro.action", action.name.to_string()),
            ("ostro.action_execution_id", action.id.to_string()),
            ("ostro.task_execution_id", action.task_id.to_string()),
            ("ostro.execution_id", notice.execution_id.to_string()),
            ("ostro.attempt", action.attempt.to_string()),
            ("ostro.outcome", word(end).to_owned()),
        ];
        let ended = match end {
            ActionEnd::Success => Some(Ok(())),
            ActionEnd::Error { kind, message } => {
                let kind = format!("{kind:?}").to_lowercase();
                attributes.push(("error.type", kind.clone()));
                Some(Err(self.message(kind, Some(message))))
            }
            ActionEnd::Deferred => None,
            ActionEnd::Cancelled => Some(Err("cancelled".to_owned())),
        };
        self.emit(trace, || Span {
            trace: trace.id,
            id: span_id(action.id.as_str()),
            parent: Some(parent),
            name: format!("action {}", action.name),
            is_client: false,
            start: nanos(began),
            end: nanos(notice.at),
            attributes,
            ended,
        });
    }

    fn host_call(&self, called: &Called) {
        let known = self.known.get(&called.execution_id);
        let trace = known.map(|known| known.trace);
        let trace = trace.or_else(|| self.tracer.trace_of_single(&called.action_execution_id));
        match trace {
            Some(trace) => self.tracer.host_call(called, trace),
            // What it belongs to was lost.
            None => self.tracer.dropped(),
        }
    }

    fn emit(&self, trace: Trace, span: impl FnOnce() -> Span) {
        if trace.sampled {
            self.tracer.take(span());
        }
    }

    fn span_of_task(&self, execution: &ExecutionId, task: &TaskExecutionId) -> SpanId {
        let known = self.known.get(execution);
        let task_known = known.and_then(|known| known.tasks.get(task));
        task_known.map_or_else(|| span_id(task.as_str()), |task| task.span)
    }

    fn ended(&self, state: State, info: Option<&str>) -> Result<(), String> {
        match state {
            State::Success | State::Skipped => Ok(()),
            state => Err(self.message(state.as_str().to_owned(), info)),
        }
    }

    /// What is said of an error: what kind it is, or the whole of it where that is wanted.
    fn message(&self, kind: String, whole: Option<&str>) -> String {
        const LONGEST: usize = 1_000;
        match whole {
            Some(whole) if self.tracer.error_messages => whole.chars().take(LONGEST).collect(),
            _ => kind,
        }
    }

    /// Keeps one that has ended for a while: it may run again, and host calls may be told late.
    fn remember(&mut self, id: &ExecutionId) {
        self.ended.push_back(id.clone());
        while self.ended.len() > REMEMBERED {
            let Some(oldest) = self.ended.pop_front() else {
                return;
            };
            if self
                .known
                .get(&oldest)
                .is_some_and(|one| one.began.is_none())
            {
                self.known.remove(&oldest);
            }
        }
    }
}

fn word(end: &ActionEnd) -> &'static str {
    match end {
        ActionEnd::Success => "success",
        ActionEnd::Error { .. } => "error",
        ActionEnd::Deferred => "deferred",
        ActionEnd::Cancelled => "cancelled",
    }
}

fn nanos(millis: i64) -> u64 {
    millis.unsigned_abs().saturating_mul(1_000_000)
}
