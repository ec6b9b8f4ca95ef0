//! What happens to an execution, and what the engine wants done next.

use std::sync::Arc;

use ostro_core::{
    ActionExecutionId, ActionOutcome, ExecutionId, Map, State, TaskExecutionId, Value,
};
use serde::{Deserialize, Serialize};

use crate::query::Answer;

/// Something that happened to one execution, at `now`.
///
/// It is stored as an [`Execution`](crate::Execution) is: a large result is then the same stored
/// value in the event and in the state after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Milliseconds since 1970 UTC, as the driver's clock told when it took the event.
    pub now: i64,
    /// What happened.
    pub kind: EventKind,
    /// The answers to what expressions asked when the event was decided on before:
    /// [`Decision::question`](crate::Decision::question).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<Answer>,
}

impl Event {
    /// `kind` at `now`, without answers.
    pub fn new(now: i64, kind: EventKind) -> Self {
        let answers = Vec::new();
        Self { now, kind, answers }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// The execution starts. The first event, and once.
    Started,
    /// An action execution ended.
    ActionFinished {
        /// Which.
        id: ActionExecutionId,
        /// How.
        outcome: ActionOutcome,
    },
    /// A sub-workflow ended.
    ChildFinished {
        /// The sub-workflow's execution.
        id: ExecutionId,
        /// `Success`, `Error` or `Cancelled`.
        state: State,
        /// Its output.
        output: Value,
        /// Why it failed.
        state_info: Option<String>,
    },
    /// A timer that [`Command::SetTimer`] set is due.
    TimerFired {
        /// Which.
        id: TimerId,
    },
    /// Somebody says how an action stands that will be finished from outside: `Paused`, or
    /// `Running` again; or that an action, of whatever kind, was cancelled (`Cancelled`).
    ActionChanged {
        /// Which.
        id: ActionExecutionId,
        /// How it stands.
        state: State,
    },
    /// A sub-workflow paused, or runs (again), as its [`Command::Report`] says.
    ChildChanged {
        /// The sub-workflow's execution.
        id: ExecutionId,
        /// `Paused` or `Running`.
        state: State,
    },
    /// Somebody pauses the execution.
    Paused,
    /// Somebody resumes it, perhaps with changes to its environment.
    Resumed {
        /// Entries to merge into the environment.
        env: Option<Map>,
    },
    /// The parent pauses this execution, by [`Command::PauseChild`].
    ParentPaused,
    /// The parent resumes this execution, by [`Command::ResumeChild`].
    ParentResumed {
        /// Entries to merge into the environment.
        #[serde(default, with = "ostro_core::stored::shared::option")]
        env: Option<Arc<Map>>,
    },
    /// Somebody has a task run again that ended in ERROR. An execution that has ended runs
    /// again with it, and so do those above it.
    ///
    /// [`Execution::may_rerun`](crate::Execution::may_rerun) says whether that can be done;
    /// otherwise nothing happens.
    Rerun {
        /// Which.
        task: TaskExecutionId,
        /// Whether all items of a with-items task run again, and not only those that failed.
        reset: bool,
        /// Entries to merge into the environment.
        env: Option<Map>,
    },
    /// Somebody skips a task that ended in ERROR: what follows it comes all the same. Else as
    /// [`EventKind::Rerun`].
    Skipped {
        /// Which.
        task: TaskExecutionId,
        /// Entries to merge into the environment.
        env: Option<Map>,
    },
    /// Somebody ends it: as `Success`, `Error` or `Cancelled`.
    Stopped {
        /// How.
        state: State,
        /// Why.
        message: Option<String>,
    },
    /// The driver cannot take it further: it ends as `Error`. Nothing that its definition says is
    /// evaluated; its output is the reason alone.
    GivenUp {
        /// Why.
        reason: String,
    },
}

/// A timer of an execution.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TimerId(pub String);

/// Something that the engine wants done. The driver carries commands out in order, after the
/// turn that gave them is durable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Run an action; its end comes back as [`EventKind::ActionFinished`].
    RunAction {
        /// The action execution, new or (a retry) with a new id.
        id: ActionExecutionId,
        /// The task execution that wants it.
        task_id: TaskExecutionId,
        /// The task's name.
        task_name: Arc<str>,
        /// The action's full name.
        name: Arc<str>,
        /// Its input, evaluated.
        #[serde(with = "ostro_core::stored::shared")]
        input: Arc<Map>,
        /// Which try of the task this is, from 1.
        attempt: u32,
        /// How long it may take at most, in milliseconds, where the task has a timeout.
        timeout: Option<i64>,
        /// Whether it may run again when nobody knows how it ended (`safe-rerun`).
        safe_rerun: bool,
        /// Which executor is asked for (`target`).
        target: Option<Arc<str>>,
    },
    /// Start a sub-workflow; its end comes back as [`EventKind::ChildFinished`].
    StartChild {
        /// The execution to create.
        id: ExecutionId,
        /// The task execution that wants it.
        task_id: TaskExecutionId,
        /// The task's name.
        task_name: Arc<str>,
        /// The workflow's full name, as [`crate::Resolver`] found it.
        workflow: Arc<str>,
        /// The namespace in which it was found; empty for the default one.
        #[serde(default, skip_serializing_if = "str::is_empty")]
        namespace: Arc<str>,
        /// Its input, evaluated.
        #[serde(with = "ostro_core::stored::shared")]
        input: Arc<Map>,
        /// Its parameters: `env` and what else the parent hands on.
        #[serde(with = "ostro_core::stored::shared")]
        params: Arc<Map>,
    },
    /// Fire a timer at a time (milliseconds since 1970 UTC), or as soon after as may be.
    SetTimer {
        /// Which.
        id: TimerId,
        /// When.
        at: i64,
    },
    /// A timer is not wanted any more.
    CancelTimer {
        /// Which.
        id: TimerId,
    },
    /// An action execution's result is not wanted any more: stop it where that can be done.
    CancelAction {
        /// Which.
        id: ActionExecutionId,
    },
    /// End a sub-workflow.
    StopChild {
        /// Which.
        id: ExecutionId,
        /// As what.
        state: State,
        /// Why.
        message: Option<String>,
    },
    /// Pause a sub-workflow: [`EventKind::ParentPaused`].
    PauseChild {
        /// Which.
        id: ExecutionId,
    },
    /// Resume a sub-workflow: [`EventKind::ParentResumed`].
    ResumeChild {
        /// Which.
        id: ExecutionId,
        /// What changes in the environment.
        #[serde(default, with = "ostro_core::stored::shared::option")]
        env: Option<Arc<Map>>,
    },
    /// Tell the parent how this execution stands, by [`EventKind::ChildChanged`]: it paused or
    /// goes on without the parent having said so, or it runs again after its end. What an
    /// execution tells its parent comes in order, [`Command::Finish`] too.
    Report {
        /// `Paused` or `Running`.
        state: State,
    },
    /// The execution has ended: tell the parent and whoever waits.
    Finish {
        /// `Success`, `Error` or `Cancelled`.
        state: State,
        /// Its output.
        output: Value,
        /// Why it failed.
        state_info: Option<String>,
    },
}

/// Something that changed in a turn, for whoever watches. Everything shown live is made of
/// these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Change {
    /// The execution's state changed.
    Execution {
        /// To what.
        state: State,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none")]
        info: Option<String>,
    },
    /// A task execution was created or its state changed.
    Task {
        /// Which.
        id: TaskExecutionId,
        /// The task's name.
        name: Arc<str>,
        /// To what.
        state: State,
        /// Why: the error, the timer that it waits for.
        #[serde(skip_serializing_if = "Option::is_none")]
        info: Option<String>,
    },
    /// Items of a with-items task ended.
    Items {
        /// The task execution.
        id: TaskExecutionId,
        /// The task's name.
        name: Arc<str>,
        /// How many have ended.
        done: usize,
        /// How many there are.
        total: usize,
    },
}
