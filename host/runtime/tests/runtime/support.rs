//! A runner that does as it is told, a clock that follows tokio's, and short ways to say what
//! the tests say often.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ostro_core::{
    ActionCall, ActionContext, ActionError, ActionErrorKind, ActionExecutionId, ActionOutcome,
    ActionRunner, Clock, ExecutionId, Map, Progress, Value,
};
use ostro_engine::Change;
use ostro_lang::Definitions;
use ostro_runtime::{Delivery, Notice, NoticeKind, Options, Runtime, StartRequest, Subscription};
use tokio::time::Instant;

/// Runs the actions of `workflows.yaml`:
///
/// `t.do {value}` gives the value; `t.block {millis}` sleeps, for ever without `millis`;
/// `t.fail {message}` fails; `t.panic` panics; `t.defer` is finished from outside;
/// `t.flaky {succeed_at}` fails before that attempt; `t.tell` makes progress and a note;
/// `t.once` fails when it is called first; `t.once_of {value}` fails for 1 when it is first called
/// for that.
#[derive(Default)]
pub(crate) struct Scripted {
    running: AtomicUsize,
    most: AtomicUsize,
    cancelled: AtomicUsize,
    calls: Mutex<Vec<ActionContext>>,
    failed: AtomicBool,
}

impl Scripted {
    /// How many actions ran at the same time at most.
    pub(crate) fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }

    /// How many actions run.
    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }

    /// How many actions were dropped before their end.
    pub(crate) fn cancelled(&self) -> usize {
        self.cancelled.load(Ordering::SeqCst)
    }

    /// Where the calls so far came from.
    pub(crate) fn calls(&self) -> Vec<ActionContext> {
        self.calls.lock().unwrap().clone()
    }
}

/// Counts a call from its start to its end, whatever kind of end that is.
struct Count<'a>(&'a Scripted, bool);

impl Drop for Count<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
        if !self.1 && !std::thread::panicking() {
            self.0.cancelled.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[async_trait]
impl ActionRunner for Scripted {
    async fn run(&self, call: ActionCall) -> ActionOutcome {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        let mut count = Count(self, false);
        self.calls.lock().unwrap().push(call.context.clone());
        let int = |name: &str| call.input.get(name).and_then(Value::as_int);
        let outcome = match &*call.name {
            "t.do" => ActionOutcome::Success(call.input.get("value").cloned().unwrap_or_default()),
            "t.block" => {
                match int("millis") {
                    Some(millis) => tokio::time::sleep(Duration::from_millis(millis as u64)).await,
                    None => std::future::pending().await,
                }
                ActionOutcome::Success(Value::Null)
            }
            "t.fail" => {
                let message = call.input["message"].as_str().unwrap();
                ActionOutcome::Error(ActionError::new(ActionErrorKind::Action, message))
            }
            "t.flaky" if i64::from(call.context.attempt) < int("succeed_at").unwrap() => {
                ActionOutcome::Error(ActionError::new(ActionErrorKind::Action, "not yet"))
            }
            "t.once" | "t.once_of"
                if int("value").is_none_or(|value| value == 1)
                    && !self.failed.swap(true, Ordering::SeqCst) =>
            {
                ActionOutcome::Error(ActionError::new(ActionErrorKind::Action, "not yet"))
            }
            "t.flaky" | "t.once" => ActionOutcome::Success("at last".into()),
            "t.once_of" => ActionOutcome::Success(call.input["value"].clone()),
            "t.defer" => ActionOutcome::Deferred,
            "t.tell" => {
                let progress = Progress {
                    percent: Some(40),
                    message: "halfway".to_owned(),
                };
                call.progress.progress(&call.context, progress);
                call.progress.note(&call.context, "denied: nova");
                ActionOutcome::Success(Value::Null)
            }
            "t.panic" => panic!("the runner has a bug"),
            other => panic!("no action {other} is scripted"),
        };
        count.1 = true;
        outcome
    }
}

/// Tokio's clock, from a fixed day on.
pub(crate) struct TokioClock(Instant);

impl Clock for TokioClock {
    fn now_millis(&self) -> i64 {
        1_600_000_000_000 + self.0.elapsed().as_millis() as i64
    }
}

/// A runtime over `workflows.yaml`, and its runner.
pub(crate) fn runtime(options: Options) -> (Runtime, Arc<Scripted>) {
    let runner = Arc::new(Scripted::default());
    let clock = Arc::new(TokioClock(Instant::now()));
    (
        Runtime::new(definitions(), Arc::clone(&runner) as _, clock, options),
        runner,
    )
}

fn definitions() -> Arc<Definitions> {
    let definitions: Definitions = [ostro_lang::parse(
        include_str!("workflows.yaml"),
        "workflows.yaml",
    )]
    .into_iter()
    .collect();
    assert!(!definitions.has_errors(), "{:?}", definitions.diagnostics());
    Arc::new(definitions)
}

/// The input or environment with these entries.
pub(crate) fn map<const N: usize>(entries: [(&str, Value); N]) -> Map {
    entries
        .into_iter()
        .map(|(key, value)| (key.into(), value))
        .collect()
}

/// Starts `test.{workflow}`.
pub(crate) async fn start<const N: usize>(
    runtime: &Runtime,
    workflow: &str,
    input: [(&str, Value); N],
) -> ExecutionId {
    let request = StartRequest::new(format!("test.{workflow}"), map(input));
    runtime.start(request).await.expect("it starts")
}

/// Waits for a notice that `wanted` recognises, and gives what it makes of it.
pub(crate) async fn until<T>(
    notices: &mut Subscription,
    mut wanted: impl FnMut(&Notice) -> Option<T>,
) -> T {
    let search = async {
        loop {
            match notices.next().await.expect("the runtime is there") {
                Delivery::Notice(notice) => {
                    if let Some(found) = wanted(&notice) {
                        return found;
                    }
                }
                Delivery::Lagged(missed) => panic!("{missed} notices were missed"),
            }
        }
    };
    tokio::time::timeout(Duration::from_hours(1), search)
        .await
        .expect("the notice comes")
}

/// Waits for the start of the next action.
pub(crate) async fn action_started(notices: &mut Subscription) -> ActionExecutionId {
    until(notices, |notice| match &notice.kind {
        NoticeKind::ActionStarted { action } => Some(action.id.clone()),
        _ => None,
    })
    .await
}

/// All notices that have come, one line each, with ids as numbers in the order of their
/// appearance.
pub(crate) fn transcript(notices: &mut Subscription) -> Vec<String> {
    let mut ids = HashMap::new();
    let mut lines = Vec::new();
    while let Some(delivery) = notices.try_next() {
        let Delivery::Notice(notice) = delivery else {
            panic!("notices were missed")
        };
        let next = ids.len() + 1;
        let number = *ids.entry(notice.execution_id.clone()).or_insert(next);
        let what = match &notice.kind {
            NoticeKind::Changed {
                change: Change::Execution { state, .. },
            } => {
                format!("{} {state}", notice.workflow)
            }
            NoticeKind::Changed {
                change: Change::Task { name, state, .. },
            } => {
                format!("{name} {state}")
            }
            NoticeKind::Changed {
                change: Change::Items {
                    name, done, total, ..
                },
            } => {
                format!("{name} {done}/{total}")
            }
            NoticeKind::Decided { reasons } => format!("{} reasons", reasons.len()),
            NoticeKind::ActionStarted { action } => format!("{} starts", action.name),
            NoticeKind::ActionEnded { action, end } => format!("{} ends: {end:?}", action.name),
            NoticeKind::Progress { progress, .. } => format!("{progress:?}"),
            NoticeKind::Stalled { reason } => format!("stalled: {reason}"),
            NoticeKind::Recovered => "goes on".to_owned(),
            NoticeKind::Note { line, .. } => format!("note: {line}"),
        };
        lines.push(format!("{number} {what}"));
    }
    lines
}
