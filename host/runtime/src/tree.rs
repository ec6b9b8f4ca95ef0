//! An execution with its sub-workflows, as of now: what live displays, reports and JSON outputs
//! are made of, here and at the other end of a network.

use std::collections::HashMap;
use std::sync::Arc;

use ostro_core::{
    ActionErrorKind, ActionExecutionId, ExecutionId, Map, Progress, State, TaskExecutionId, Value,
};
use ostro_engine::{ActionView, ChildView, Execution, TaskView};
use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};

use crate::{ActionEnd, NoticeKind, Runtime, Snapshots};

/// What notices tell about actions beyond what their executions keep.
#[derive(Debug, Default)]
pub struct Told {
    failures: HashMap<ActionExecutionId, Failure>,
    progress: HashMap<ActionExecutionId, Progress>,
}

/// Why an action failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// Who is to blame.
    pub kind: ActionErrorKind,
    /// Why, in a sentence.
    pub message: String,
}

impl Told {
    /// Keeps what `notice` tells.
    pub fn take(&mut self, notice: &NoticeKind) {
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

impl Told {
    /// Puts what was told into a tree that was made without it.
    pub fn tell(&self, node: &mut ExecutionNode) {
        for task in &mut node.tasks {
            for action in &mut task.actions {
                action.progress = self.progress.get(&action.id).cloned();
                if let (Some(error), Some(told)) =
                    (&mut action.error, self.failures.get(&action.id))
                {
                    error.clone_from(told);
                }
            }
            for child in &mut task.executions {
                self.tell(child);
            }
        }
    }
}

/// An execution.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExecutionNode {
    /// Its id.
    pub id: ExecutionId,
    /// Its workflow, by its full name.
    pub workflow: Arc<str>,
    /// Its state.
    pub state: State,
    /// Why it is in that state.
    pub state_info: Option<String>,
    /// Which item of its task it is for, from 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub index: usize,
    /// What it gave; null until it has ended.
    pub output: Value,
    /// Its tasks, in the order in which they were created.
    pub tasks: Vec<TaskNode>,
    /// When it began and ended.
    #[serde(flatten)]
    pub time: Span,
}

/// A task execution.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TaskNode {
    /// Its id.
    pub id: TaskExecutionId,
    /// The task's name.
    pub name: Arc<str>,
    /// Its state.
    pub state: State,
    /// Why it is in that state.
    pub state_info: Option<String>,
    /// Whether another task took care of its failure.
    pub error_handled: bool,
    /// Which try it is at, from 1.
    pub attempt: u32,
    /// How far it is, where it has items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<Items>,
    /// What it published.
    pub published: Arc<Map>,
    /// Its actions.
    pub actions: Vec<ActionNode>,
    /// Its sub-workflows.
    pub executions: Vec<ExecutionNode>,
    /// When it began and ended.
    #[serde(flatten)]
    pub time: Span,
}

/// How far a with-items task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Items {
    /// How many have ended.
    pub done: usize,
    /// How many there are.
    pub total: usize,
}

/// An action execution.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ActionNode {
    /// Its id.
    pub id: ActionExecutionId,
    /// The action's full name.
    pub name: Arc<str>,
    /// Its state.
    pub state: State,
    /// Which try of its task it is for, from 1.
    pub attempt: u32,
    /// Which item it is for, from 0.
    pub index: usize,
    /// What it was given, where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Arc<Map>>,
    /// Why it failed, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// How far it says it is.
    #[serde(skip)]
    pub progress: Option<Progress>,
    /// When it began and ended.
    #[serde(flatten)]
    pub time: Span,
}

/// When something began and ended, in milliseconds since 1970 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Span {
    /// When it began; none if it has not.
    #[serde(rename = "began_at")]
    pub began: Option<i64>,
    /// When it ended; none if it has not.
    #[serde(rename = "finished_at")]
    pub ended: Option<i64>,
}

impl Span {
    /// How long it took, or takes as of `now`, in seconds; none if it has not begun.
    #[expect(
        clippy::cast_precision_loss,
        reason = "no execution takes 2^53 milliseconds"
    )]
    pub fn seconds(self, now: i64) -> Option<f64> {
        let took = self.ended.unwrap_or(now).saturating_sub(self.began?);
        Some(took.max(0) as f64 / 1000.0)
    }
}

/// Both moments, and the seconds between them for what has ended.
impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut span = serializer.serialize_struct("Span", 3)?;
        span.serialize_field("began_at", &self.began)?;
        span.serialize_field("finished_at", &self.ended)?;
        let seconds = self.ended.and_then(|ended| self.seconds(ended));
        span.serialize_field("duration", &seconds)?;
        span.end()
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_zero(index: &usize) -> bool {
    *index == 0
}

/// Who has executions.
pub trait Executions {
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
pub fn tree(of: &dyn Executions, id: &ExecutionId, told: &Told) -> Option<ExecutionNode> {
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
