//! What the engine's driver and the runners of actions say to each other.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{ActionExecutionId, ExecutionId, Map, TaskExecutionId, Value};

/// Where an action call comes from. All of it may be shown to the action.
#[derive(Clone, Debug)]
pub struct ActionContext {
    /// The project that the execution belongs to; empty where there are none.
    pub project: Arc<str>,
    /// The execution that the call belongs to.
    pub execution_id: ExecutionId,
    /// The workflow's full name, as `tripleo.baremetal.v1.provide`.
    pub workflow_name: Arc<str>,
    /// The workflow's namespace; empty for the default one.
    pub workflow_namespace: Arc<str>,
    /// The task execution, where a task calls.
    pub task_execution_id: Option<TaskExecutionId>,
    /// The task's name, where a task calls.
    pub task_name: Option<Arc<str>>,
    /// The idempotency key: the same for each try of the same action execution.
    pub action_execution_id: ActionExecutionId,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// How long the call may take, where the task says so.
    pub timeout: Option<Duration>,
}

/// One call of an action.
#[derive(Clone)]
pub struct ActionCall {
    /// The action's full name: `std.echo`, `ironic.node_get`,
    /// `tripleo.baremetal.register_or_update_nodes`.
    pub name: Arc<str>,
    /// Its input, expressions evaluated.
    pub input: Arc<Map>,
    /// Where the call comes from.
    pub context: ActionContext,
    /// As whom the action acts on a cloud: who started this execution, the one at the top. The
    /// action's own id, where it runs by itself. Not the action's to see.
    pub root: ExecutionId,
    /// Where the action's progress goes.
    pub progress: Arc<dyn ProgressSink>,
}

impl fmt::Debug for ActionCall {
    /// Inputs hold passwords: they stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActionCall")
            .field("name", &self.name)
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

/// How an action call ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionOutcome {
    /// It gave a result.
    Success(Value),
    /// It failed.
    Error(ActionError),
    /// It goes on elsewhere and will be finished from outside (`std.async_noop`).
    Deferred,
}

/// Which part is to blame when an action call fails. The four stay apart up to the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionErrorKind {
    /// The action itself said that it failed.
    Action,
    /// The component trapped or broke its contract.
    Trap,
    /// The call went past one of its limits.
    Limit,
    /// The call could not be made: no such action, wrong parameters, a pack that does not load.
    Call,
    /// The host failed: its own fault, or a service that cannot be reached.
    Host,
}

/// Why an action call failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActionError {
    /// Who is to blame.
    pub kind: ActionErrorKind,
    /// One sentence for a person.
    pub message: String,
    /// What the task's `result` is: what Mistral's `Result(error=…)` carries, mostly the message.
    pub value: Value,
}

impl ActionError {
    /// An error whose value is its message.
    pub fn new(kind: ActionErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            kind,
            value: message.as_str().into(),
            message,
        }
    }
}

impl fmt::Display for ActionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ActionError {}

/// What a running action says about its progress.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// How much is done, from 0 to 100, where the action knows.
    pub percent: Option<u8>,
    /// What it is doing, for a person.
    pub message: String,
}

/// Takes the progress of actions, from any thread, without blocking.
pub trait ProgressSink: Send + Sync {
    /// `context`'s action made progress.
    fn progress(&self, context: &ActionContext, progress: Progress);

    /// A line for the operator about `context`'s action: what it logged, what it was denied.
    fn note(&self, context: &ActionContext, line: &str);
}

/// Runs actions by name. The driver knows no more of them than this.
#[async_trait]
pub trait ActionRunner: Send + Sync {
    /// Runs one action to its end. Dropping the future cancels the call.
    async fn run(&self, call: ActionCall) -> ActionOutcome;

    /// Whether the action `name` only reads, whatever its input: running it twice is as good as
    /// once.
    fn only_reads(&self, name: &str) -> bool {
        let _ = name;
        false
    }
}

/// Tells the time, so that tests can.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970, UTC.
    fn now_millis(&self) -> i64;
}
