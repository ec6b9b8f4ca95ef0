//! An execution with its sub-workflows, as of now: what the live display, the report and the
//! JSON output are made of.

use std::collections::HashMap;
use std::sync::Arc;

use ostro_core::{
    ActionErrorKind, ActionExecutionId, ExecutionId, Map, Progress, State, TaskExecutionId, Value,
};
use ostro_engine::{ActionView, ChildView, Execution, TaskView};
use ostro_runtime::{ActionEnd, NoticeKind, Runtime, Snapshots};
use serde::{Serialize, Serializer};

use crate::text::seconds_between;

/// What notices tell about actions beyond what their executions keep.
#[derive(Debug, Default)]
pub(crate) struct Told {
    failures: HashMap<ActionExecutionId, Failure>,
    progress: HashMap<ActionExecutionId, Progress>,
}

/// Why an action failed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Failure {
    /// Who is to blame.
    pub(crate) kind: ActionErrorKind,
    /// Why, in a sentence.
    pub(crate) message: String,
}

impl Told {
    /// Keeps what `notice` tells.
    pub(crate) fn take(&mut self, notice: &NoticeKind) {
        match notice {
            NoticeKind::Progress { action, progress } => {
                self.progress.insert(action.id.clone(), progress.clone());
            }
            NoticeKind::ActionEnded { action, end } => {
                self.progress.remove(&action.id);
                if let ActionEnd::Error { kind, message } = end {
                    let failure = Failure {
                        kind: *kind,
                        message: message.clone(),
                    };
                    self.failures.insert(action.id.clone(), failure);
                }
            }
            NoticeKind::Changed { .. }
            | NoticeKind::Decided { .. }
            | NoticeKind::ActionStarted { .. }
            | NoticeKind::Stalled { .. }
            | NoticeKind::Recovered
            | NoticeKind::Note { .. } => {}
        }
    }
}

/// An execution.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ExecutionNode {
    pub(crate) id: ExecutionId,
    pub(crate) workflow: Arc<str>,
    pub(crate) state: State,
    pub(crate) state_info: Option<String>,
    /// Which item of its task it is for, from 0.
    #[serde(skip)]
    pub(crate) index: usize,
    pub(crate) output: Value,
    pub(crate) tasks: Vec<TaskNode>,
    #[serde(rename = "duration")]
    pub(crate) time: Span,
}

/// A task execution.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TaskNode {
    pub(crate) id: TaskExecutionId,
    pub(crate) name: Arc<str>,
    pub(crate) state: State,
    pub(crate) state_info: Option<String>,
    /// Whether another task took care of its failure.
    pub(crate) error_handled: bool,
    /// Which try it is at, from 1.
    pub(crate) attempt: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) items: Option<Items>,
    pub(crate) published: Arc<Map>,
    pub(crate) actions: Vec<ActionNode>,
    /// Its sub-workflows.
    pub(crate) executions: Vec<ExecutionNode>,
    #[serde(rename = "duration")]
    pub(crate) time: Span,
}

/// How far a with-items task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Items {
    pub(crate) done: usize,
    pub(crate) total: usize,
}

/// An action execution.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ActionNode {
    pub(crate) id: ActionExecutionId,
    pub(crate) name: Arc<str>,
    pub(crate) state: State,
    pub(crate) attempt: u32,
    /// Which item it is for, from 0.
    pub(crate) index: usize,
    /// What it was given, where it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) input: Option<Arc<Map>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<Failure>,
    #[serde(skip)]
    pub(crate) progress: Option<Progress>,
    #[serde(rename = "duration")]
    pub(crate) time: Span,
}

/// When something began and ended, in milliseconds since 1970 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) began: Option<i64>,
    pub(crate) ended: Option<i64>,
}

impl Span {
    /// How long it took, or takes as of `now`, in seconds; none if it has not begun.
    pub(crate) fn seconds(self, now: i64) -> Option<f64> {
        Some(seconds_between(self.began?, self.ended.unwrap_or(now)))
    }
}

/// Seconds, for what has ended.
impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.began, self.ended) {
            (Some(began), Some(ended)) => serializer.serialize_f64(seconds_between(began, ended)),
            _ => serializer.serialize_none(),
        }
    }
}

/// Who has executions.
pub(crate) trait Executions {
    /// One of them as of its last committed turn.
    fn execution(&self, id: &ExecutionId) -> Option<Arc<Execution>>;
}

impl Executions for Runtime {
    fn execution(&self, id: &ExecutionId) -> Option<Arc<Execution>> {
        self.snapshot(id)
    }
}

impl Executions for Snapshots {
    fn execution(&self, id: &ExecutionId) -> Option<Arc<Execution>> {
        self.get(id)
    }
}

/// The execution `id` as of its last committed turn; none if `of` does not have it.
pub(crate) fn tree(of: &dyn Executions, id: &ExecutionId, told: &Told) -> Option<ExecutionNode> {
    let execution = of.execution(id)?;
    let now = execution.updated_at();
    Some(ExecutionNode {
        id: id.clone(),
        workflow: Arc::clone(execution.workflow_name()),
        state: execution.state(),
        state_info: execution.state_info().map(ToOwned::to_owned),
        index: execution.params().index,
        output: execution.output().cloned().unwrap_or_default(),
        tasks: execution.tasks().map(|view| task(of, view, told)).collect(),
        time: Span {
            began: Some(execution.created_at()),
            ended: execution
                .ended_at()
                .or_else(|| execution.state().is_completed().then_some(now)),
        },
    })
}

fn task(of: &dyn Executions, view: TaskView<'_>, told: &Told) -> TaskNode {
    TaskNode {
        id: view.id().clone(),
        name: Arc::clone(view.name()),
        state: view.state(),
        state_info: view.state_info().map(ToOwned::to_owned),
        error_handled: view.is_error_handled(),
        attempt: view.attempt(),
        items: view.items().map(|items| Items {
            done: items.done,
            total: items.total,
        }),
        published: Arc::clone(view.published()),
        actions: view.actions().map(|view| action(&view, told)).collect(),
        executions: view.children().map(|view| child(of, &view, told)).collect(),
        time: Span {
            began: view.started_at().or_else(|| Some(view.created_at())),
            ended: view.ended_at(),
        },
    }
}

fn action(view: &ActionView<'_>, told: &Told) -> ActionNode {
    let error = (view.state == State::Error).then(|| {
        // What ended it may not have been told: a timeout, an end from outside.
        told.failures
            .get(view.id)
            .cloned()
            .unwrap_or_else(|| Failure {
                kind: view.blame.unwrap_or(ActionErrorKind::Action),
                message: match view.output {
                    Value::String(text) => text.to_string(),
                    other => other.to_string(),
                },
            })
    });
    ActionNode {
        id: view.id.clone(),
        name: Arc::clone(view.name),
        state: view.state,
        attempt: view.attempt,
        index: view.index,
        input: error.is_some().then(|| Arc::clone(view.input)),
        error,
        progress: told.progress.get(view.id).cloned(),
        time: Span {
            began: Some(view.started_at),
            ended: view.ended_at,
        },
    }
}

fn child(of: &dyn Executions, view: &ChildView<'_>, told: &Told) -> ExecutionNode {
    // Between the turn that wants a sub-workflow and that sub-workflow's first turn there is
    // none yet; and one that could not be started never comes to be.
    let mut node = tree(of, view.id, told).unwrap_or_else(|| ExecutionNode {
        id: view.id.clone(),
        workflow: Arc::clone(view.workflow),
        state: view.state,
        state_info: None,
        index: view.index,
        output: view.output.clone(),
        tasks: Vec::new(),
        time: Span::default(),
    });
    node.index = view.index;
    node
}
