//! What changed, as whoever watches gets it: the feed's public form.
//!
//! Where [`Options::feed`](crate::Options::feed) asks for it, each turn writes what it changed into
//! the journal, in its own transaction, so that nothing is lost and nothing comes twice, whatever
//! crashes. The journal numbers changes in the order of their commits
//! ([`Journal::changes`](ostro_journal::Journal::changes)). What actions say on their way is no turn:
//! it stands in order with the rest, but where too much is said some of it is left out, and
//! [`Change::Dropped`] says how much.
//!
//! These forms are stable: kinds and fields may come, and none goes or changes its meaning. Ids,
//! names and states are those of Mistral's API.
//!
//! ```
//! use ostro_core::State;
//! use ostro_runtime::feed::{Body, Change};
//!
//! # fn main() -> Result<(), serde_json::Error> {
//! let body = br#"{"workflow_name":"deploy","change":{"type":"task.changed",
//!     "id":"0f8fad5b-d9cb-469f-a165-70867728950e","name":"provide","state":"SUCCESS"}}"#;
//! let body = Body::decode(body)?;
//! assert_eq!(body.change.kind(), "task.changed");
//! assert_eq!(body.change.state(), Some(State::Success));
//! assert!(matches!(body.change, Change::TaskChanged(task) if task.name == "provide"));
//! # Ok(())
//! # }
//! ```

mod notes;
pub(crate) mod turns;

use std::sync::Arc;

use ostro_core::{
    ActionError, ActionErrorKind, ActionExecutionId, ExecutionId, Progress, State, TaskExecutionId,
    Value,
};
use ostro_journal::{ExecutionRow, NewChange};
use serde::{Deserialize, Serialize};

pub use self::notes::Notes;
pub(crate) use self::notes::note;
use crate::ExecutionInfo;
use crate::notice::ActionRef;

/// How many bytes of a sentence are told at most, and of an execution's output as JSON.
const MAX_BYTES: usize = 4096;

/// A change as the journal keeps it, beside its number, its time, its project, and the ids of its
/// execution and of the one at the top.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// The full name of the execution's workflow; empty for an action that runs by itself.
    pub workflow_name: String,
    /// The workflow's namespace; empty for the default one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub workflow_namespace: String,
    /// The workflow's id, where an execution or a task is what changed and the definitions say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<String>,
    /// What started the execution, if that is a sub-workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// What changed.
    pub change: Change,
}

/// What started a sub-workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The execution above.
    pub execution_id: ExecutionId,
    /// Its task execution that it runs for.
    pub task_execution_id: TaskExecutionId,
}

/// What changed. In JSON, `type` says which of these it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Change {
    /// There is a new execution.
    #[serde(rename = "execution.created")]
    ExecutionCreated(ExecutionState),
    /// An execution is in another state.
    #[serde(rename = "execution.changed")]
    ExecutionChanged(ExecutionState),
    /// A root execution was deleted, with all below it.
    #[serde(rename = "execution.deleted")]
    ExecutionDeleted,
    /// There is a new task execution.
    #[serde(rename = "task.created")]
    TaskCreated(TaskState),
    /// A task execution is in another state, or for another reason.
    #[serde(rename = "task.changed")]
    TaskChanged(TaskState),
    /// Items of a with-items task have ended.
    #[serde(rename = "task.items")]
    TaskItems(TaskItems),
    /// An action is handed to its runner. One that a crash cut off, and that may run again, starts
    /// a second time.
    #[serde(rename = "action.started")]
    ActionStarted(ActionState),
    /// An action that is finished from outside was paused, or goes on.
    #[serde(rename = "action.changed")]
    ActionChanged(ActionState),
    /// An action has ended.
    #[serde(rename = "action.ended")]
    ActionEnded(ActionState),
    /// An action says how far it is.
    #[serde(rename = "action.progress")]
    ActionProgress(ActionProgress),
    /// An action has a line for the operator: what it logged, what it was denied.
    #[serde(rename = "action.note")]
    ActionNote(ActionNote),
    /// Some of what the execution's actions said was left out here: they said too much.
    #[serde(rename = "dropped")]
    Dropped(Dropped),
}

/// The state of an execution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExecutionState {
    /// Which state.
    pub state: State,
    /// Which one it was in before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<State>,
    /// When the execution was created, in milliseconds since 1970 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<i64>,
    /// Why; cut after 4096 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_info: Option<String>,
    /// Its output, where it has ended and that takes at most 4096 bytes of JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// How many bytes of JSON its output takes, where it is larger: the execution itself has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_bytes: Option<usize>,
}

/// The state of a task execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskState {
    /// Which task execution.
    pub id: TaskExecutionId,
    /// The task's name.
    pub name: String,
    /// Whether it runs an action or a workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<TaskWork>,
    /// Which state.
    pub state: State,
    /// Which one it was in before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<State>,
    /// Why; cut after 4096 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_info: Option<String>,
    /// When it was created, in milliseconds since 1970 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<i64>,
    /// When it began, likewise, once it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<i64>,
    /// When it ended, likewise, once it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<i64>,
}

/// What a task runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TaskWork {
    /// An action.
    Action,
    /// A workflow.
    Workflow,
}

/// How far a with-items task is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskItems {
    /// Which task execution.
    pub id: TaskExecutionId,
    /// The task's name.
    pub name: String,
    /// How many items have ended.
    pub done: usize,
    /// How many there are.
    pub total: usize,
}

/// The state of an action execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionState {
    /// Which action execution.
    pub id: ActionExecutionId,
    /// The action's full name.
    pub name: String,
    /// The task execution that it runs for; none where it runs by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_execution_id: Option<TaskExecutionId>,
    /// That task's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_name: Option<String>,
    /// Which try of the task it is, from 1.
    pub attempt: u32,
    /// Which state.
    pub state: State,
    /// Why it failed, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ActionFault>,
}

/// Why an action failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionFault {
    /// Who is to blame.
    pub kind: ActionErrorKind,
    /// Why, in a sentence; cut after 4096 bytes.
    pub message: String,
}

/// How far an action is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionProgress {
    /// Which action execution.
    pub id: ActionExecutionId,
    /// The action's full name.
    pub name: String,
    /// How much is done, from 0 to 100, where the action knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// What it is doing, for a person; cut after 4096 bytes.
    pub message: String,
}

/// A line of an action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionNote {
    /// Which action execution.
    pub id: ActionExecutionId,
    /// The action's full name.
    pub name: String,
    /// The line; cut after 4096 bytes.
    pub line: String,
}

/// What was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// How much progress and how many lines.
    pub count: u64,
}

impl ActionFault {
    /// As much of `error` as is told.
    pub fn of(error: &ActionError) -> Self {
        Self {
            kind: error.kind,
            message: cut(&error.message),
        }
    }
}

impl ActionProgress {
    /// As much of `progress` as is told.
    pub fn of(id: &ActionExecutionId, name: &str, progress: &Progress) -> Self {
        Self {
            id: id.clone(),
            name: name.to_owned(),
            percent: progress.percent,
            message: cut(&progress.message),
        }
    }
}

impl ActionNote {
    /// As much of `line` as is told.
    pub fn of(id: &ActionExecutionId, name: &str, line: &str) -> Self {
        Self {
            id: id.clone(),
            name: name.to_owned(),
            line: cut(line),
        }
    }
}

impl Body {
    /// The body as the journal keeps it: JSON in one line.
    pub fn encode(&self) -> Arc<[u8]> {
        // All that a change holds has a JSON form.
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// What [`Body::encode`] wrote.
    pub fn decode(body: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(body)
    }
}

impl Change {
    /// All that [`Change::kind`] gives.
    pub const KINDS: [&str; 12] = [
        "execution.created",
        "execution.changed",
        "execution.deleted",
        "task.created",
        "task.changed",
        "task.items",
        "action.started",
        "action.changed",
        "action.ended",
        "action.progress",
        "action.note",
        "dropped",
    ];

    /// Its `type`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ExecutionCreated(_) => "execution.created",
            Self::ExecutionChanged(_) => "execution.changed",
            Self::ExecutionDeleted => "execution.deleted",
            Self::TaskCreated(_) => "task.created",
            Self::TaskChanged(_) => "task.changed",
            Self::TaskItems(_) => "task.items",
            Self::ActionStarted(_) => "action.started",
            Self::ActionChanged(_) => "action.changed",
            Self::ActionEnded(_) => "action.ended",
            Self::ActionProgress(_) => "action.progress",
            Self::ActionNote(_) => "action.note",
            Self::Dropped(_) => "dropped",
        }
    }

    /// The state that something came to, where that is what changed.
    pub fn state(&self) -> Option<State> {
        match self {
            Self::ExecutionCreated(execution) | Self::ExecutionChanged(execution) => {
                Some(execution.state)
            }
            Self::TaskCreated(task) | Self::TaskChanged(task) => Some(task.state),
            Self::ActionStarted(action)
            | Self::ActionChanged(action)
            | Self::ActionEnded(action) => Some(action.state),
            Self::ExecutionDeleted
            | Self::TaskItems(_)
            | Self::ActionProgress(_)
            | Self::ActionNote(_)
            | Self::Dropped(_) => None,
        }
    }
}

/// That a root execution is deleted, for the journal
/// ([`Journal::delete_and_tell`](ostro_journal::Journal::delete_and_tell)).
pub fn deleted(row: &ExecutionRow, at: i64) -> NewChange {
    let body = Body {
        workflow_name: row.workflow_name.clone(),
        workflow_namespace: row.workflow_namespace.clone(),
        workflow_id: row.workflow_id.clone(),
        parent: None,
        change: Change::ExecutionDeleted,
    };
    NewChange {
        at,
        project_id: row.project_id.as_str().into(),
        root_execution_id: Some(row.id.clone()),
        execution_id: Some(row.id.clone()),
        body: body.encode(),
    }
}

/// `change` of an action that runs by itself, for the journal.
pub fn by_itself(project: &str, at: i64, change: Change) -> NewChange {
    let body = Body {
        workflow_name: String::new(),
        workflow_namespace: String::new(),
        workflow_id: None,
        parent: None,
        change,
    };
    NewChange {
        at,
        project_id: project.into(),
        root_execution_id: None,
        execution_id: None,
        body: body.encode(),
    }
}

/// `change` of an execution, for the journal.
pub(crate) fn change(about: &ExecutionInfo, at: i64, change: Change) -> NewChange {
    change_of(about, None, at, change)
}

/// The same, with the id of the execution's workflow.
pub(crate) fn change_of(
    about: &ExecutionInfo,
    workflow_id: Option<&str>,
    at: i64,
    change: Change,
) -> NewChange {
    let parent = about.parent.as_ref();
    let body = Body {
        workflow_name: about.workflow.to_string(),
        workflow_namespace: about.namespace.to_string(),
        workflow_id: workflow_id.map(str::to_owned),
        parent: parent.map(|(execution, task)| Parent {
            execution_id: execution.clone(),
            task_execution_id: task.clone(),
        }),
        change,
    };
    NewChange {
        at,
        project_id: Arc::clone(&about.project),
        root_execution_id: Some(about.root_id.clone()),
        execution_id: Some(about.id.clone()),
        body: body.encode(),
    }
}

/// That an action is handed to its runner.
pub(crate) fn started(action: &ActionRef) -> Change {
    Change::ActionStarted(ActionState {
        id: action.id.clone(),
        name: action.name.to_string(),
        task_execution_id: Some(action.task_id.clone()),
        task_name: Some(action.task_name.to_string()),
        attempt: action.attempt,
        state: State::Running,
        error: None,
    })
}

/// As much of a sentence as is told.
fn cut(text: &str) -> String {
    if text.len() <= MAX_BYTES {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(MAX_BYTES);
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_the_name_that_its_json_has() {
        let action = ActionState {
            id: ActionExecutionId::new("a"),
            name: "std.noop".to_owned(),
            task_execution_id: None,
            task_name: None,
            attempt: 1,
            state: State::Running,
            error: None,
        };
        let task = TaskState {
            id: TaskExecutionId::new("t"),
            name: "one".to_owned(),
            work: Some(TaskWork::Action),
            state: State::Running,
            was: Some(State::Idle),
            state_info: None,
            created_at: Some(1),
            started_at: Some(2),
            finished_at: None,
        };
        let execution = ExecutionState {
            state: State::Success,
            was: Some(State::Running),
            created_at: Some(1),
            state_info: None,
            output: Some(Value::empty_map()),
            output_bytes: None,
        };
        let changes = [
            Change::ExecutionCreated(execution.clone()),
            Change::ExecutionChanged(execution),
            Change::ExecutionDeleted,
            Change::TaskCreated(task.clone()),
            Change::TaskChanged(task),
            Change::TaskItems(TaskItems {
                id: TaskExecutionId::new("t"),
                name: "one".to_owned(),
                done: 1,
                total: 2,
            }),
            Change::ActionStarted(action.clone()),
            Change::ActionChanged(action.clone()),
            Change::ActionEnded(action),
            Change::ActionProgress(ActionProgress {
                id: ActionExecutionId::new("a"),
                name: "std.noop".to_owned(),
                percent: Some(4),
                message: "begun".to_owned(),
            }),
            Change::ActionNote(ActionNote {
                id: ActionExecutionId::new("a"),
                name: "std.noop".to_owned(),
                line: "a line".to_owned(),
            }),
            Change::Dropped(Dropped { count: 3 }),
        ];
        assert_eq!(changes.each_ref().map(Change::kind), Change::KINDS);
        for change in changes {
            let kind = change.kind();
            let body = Body {
                workflow_name: "w".to_owned(),
                workflow_namespace: String::new(),
                workflow_id: None,
                parent: None,
                change,
            };
            let json: serde_json::Value = serde_json::from_slice(&body.encode()).unwrap();
            assert_eq!(json["change"]["type"], kind);
            assert_eq!(Body::decode(&body.encode()).unwrap(), body);
        }
    }

    #[test]
    fn a_long_sentence_is_cut_between_characters() {
        let long = "ä".repeat(MAX_BYTES);
        assert_eq!(cut(&long), format!("{}…", "ä".repeat(MAX_BYTES / 2)));
        assert_eq!(cut("short"), "short");
    }
}
