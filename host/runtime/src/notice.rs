//! What a runtime tells whoever watches.

use std::sync::Arc;

use ostro_core::{ActionErrorKind, ActionExecutionId, ExecutionId, Progress, TaskExecutionId};
use ostro_engine::{Change, Reason};
use serde::Serialize;

/// Something that happened to an execution. Everything shown live is made of these.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Notice {
    /// Its place among all notices of this runtime, from 1, without gaps.
    pub sequence: u64,
    /// When it happened, in milliseconds since 1970 UTC.
    pub at: i64,
    /// The execution that it is about.
    pub execution_id: ExecutionId,
    /// That execution's workflow, by its full name.
    pub workflow: Arc<str>,
    /// The execution and the task execution that started it, for a sub-workflow.
    pub parent: Option<(ExecutionId, TaskExecutionId)>,
    /// The execution at the top; itself where it has no parent.
    pub root_id: ExecutionId,
    /// What happened.
    pub kind: NoticeKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum NoticeKind {
    /// A turn was committed: what happened, what was decided, and why. Comes before what the turn
    /// changed, and only where [`Options::explain`](crate::Options::explain) asks for it.
    Decided {
        /// The event first, then the reasons in the order in which they came up.
        reasons: Vec<Reason>,
    },
    /// A committed turn changed the execution or one of its tasks.
    Changed {
        /// The change.
        change: Change,
    },
    /// A turn cannot be made durable, and nothing goes on until it can: the disk is full or
    /// fails. Or, if it never can, the execution stops here.
    Stalled {
        /// Why.
        reason: Arc<str>,
    },
    /// The turn that could not be made durable is.
    Recovered,
    /// An action got its turn and runs now.
    ActionStarted {
        /// Which.
        action: Arc<ActionRef>,
    },
    /// An action does not run any more.
    ActionEnded {
        /// Which.
        action: Arc<ActionRef>,
        /// How it ended.
        end: ActionEnd,
    },
    /// An action made progress.
    Progress {
        /// Which.
        action: Arc<ActionRef>,
        /// How far it is.
        progress: Progress,
    },
    /// An action has a line for the operator: what it logged, what it was denied.
    Note {
        /// Which.
        action: Arc<ActionRef>,
        /// The line.
        line: Arc<str>,
    },
}

/// An action execution, as notices name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ActionRef {
    /// The action execution.
    pub id: ActionExecutionId,
    /// The action's full name.
    pub name: Arc<str>,
    /// The task execution that it runs for.
    pub task_id: TaskExecutionId,
    /// That task's name.
    pub task_name: Arc<str>,
    /// Which try of the task it is, from 1.
    pub attempt: u32,
}

/// How an action ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "end", rename_all = "kebab-case")]
pub enum ActionEnd {
    /// With a result.
    Success,
    /// It failed.
    Error {
        /// Who is to blame.
        kind: ActionErrorKind,
        /// Why, in a sentence.
        message: String,
    },
    /// It goes on elsewhere; its result will come from outside.
    Deferred,
    /// Its result was not wanted any more.
    Cancelled,
}
