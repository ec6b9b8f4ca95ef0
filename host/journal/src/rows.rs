//! The rows of the read model: what Mistral's API v2 shows of executions, task executions and
//! action executions.
//!
//! All times are milliseconds since 1970 UTC. What is called JSON is JSON text that the caller
//! made and gets back as it was; where it is large, the journal keeps it among its values.

use ostro_core::{ActionExecutionId, ExecutionId, State, TaskExecutionId};

use crate::Digest;

/// A workflow execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionRow {
    /// Its id.
    pub id: ExecutionId,
    /// The execution at the top; none where that is this one.
    pub root_execution_id: Option<ExecutionId>,
    /// The execution whose task wants this one; none for a root.
    pub parent_execution_id: Option<ExecutionId>,
    /// The task execution that wants this one; none for a root.
    pub task_execution_id: Option<TaskExecutionId>,
    /// The execution that this one was made a copy of.
    pub source_execution_id: Option<ExecutionId>,
    /// The workflow's full name.
    pub workflow_name: String,
    /// The workflow's namespace; empty for the default one.
    pub workflow_namespace: String,
    /// The workflow's id, where it is stored under one.
    pub workflow_id: Option<String>,
    /// The definitions that it runs by: a value that is stored before or in the same turn, and
    /// kept as long as the execution.
    pub definitions: Option<Digest>,
    /// Its project.
    pub project_id: String,
    /// Its state.
    pub state: State,
    /// Whether something may move it by itself: an action in flight, a timer or a child. Such
    /// executions are brought back to memory when the host starts.
    pub moving: bool,
    /// Why it is in its state.
    pub state_info: Option<String>,
    /// What a person wrote about it.
    pub description: Option<String>,
    /// Its tags, as a JSON list.
    pub tags: Option<String>,
    /// Its parameters, as JSON.
    pub params: Option<String>,
    /// Its input, as JSON.
    pub input: Option<String>,
    /// Its output, as JSON.
    pub output: Option<String>,
    /// When it was created.
    pub created_at: i64,
    /// When it last changed.
    pub updated_at: i64,
    /// When it ended. Where that is left out of one that has ended, it is `updated_at`.
    pub finished_at: Option<i64>,
}

impl ExecutionRow {
    /// A row that says only what every execution has: a root that runs and moves.
    pub fn new(id: ExecutionId, workflow_name: impl Into<String>, created_at: i64) -> Self {
        Self {
            id,
            root_execution_id: None,
            parent_execution_id: None,
            task_execution_id: None,
            source_execution_id: None,
            workflow_name: workflow_name.into(),
            workflow_namespace: String::new(),
            workflow_id: None,
            definitions: None,
            project_id: String::new(),
            state: State::Running,
            moving: true,
            state_info: None,
            description: None,
            tags: None,
            params: None,
            input: None,
            output: None,
            created_at,
            updated_at: created_at,
            finished_at: None,
        }
    }
}

/// What most turns change of an execution: cheaper than its whole row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionChange {
    /// Which.
    pub id: ExecutionId,
    /// Its state.
    pub state: State,
    /// Whether something may move it by itself.
    pub moving: bool,
    /// Why it is in its state. Where the state stays as it was, none leaves the reason too.
    pub state_info: Option<String>,
    /// Its output, as JSON; none leaves it as it is.
    pub output: Option<String>,
    /// When it changed.
    pub updated_at: i64,
    /// When it ended, as in [`ExecutionRow::finished_at`].
    pub finished_at: Option<i64>,
}

/// A task execution, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRow {
    /// Its id.
    pub id: TaskExecutionId,
    /// The execution that it belongs to.
    pub execution_id: ExecutionId,
    /// The task's name.
    pub name: String,
    /// `ACTION` or `WORKFLOW`.
    pub kind: String,
    /// Its state.
    pub state: State,
    /// Whether what follows it has been decided.
    pub processed: bool,
    /// Why it is in its state.
    pub state_info: Option<String>,
    /// Its tags, as a JSON list.
    pub tags: Option<String>,
    /// What Mistral calls the runtime context, as JSON.
    pub runtime_context: Option<String>,
    /// What it published for the tasks after it, as JSON.
    pub published: Option<String>,
    /// What it published for the whole execution, as JSON.
    pub published_global: Option<String>,
    /// Its result, as JSON.
    pub result: Option<String>,
    /// When it was created.
    pub created_at: i64,
    /// When it last changed.
    pub updated_at: i64,
    /// When it began.
    pub started_at: Option<i64>,
    /// When it ended.
    pub finished_at: Option<i64>,
}

impl TaskRow {
    /// A row that says only what every task execution has: one that runs an action.
    pub fn new(
        id: TaskExecutionId,
        execution_id: ExecutionId,
        name: impl Into<String>,
        created_at: i64,
    ) -> Self {
        Self {
            id,
            execution_id,
            name: name.into(),
            kind: "ACTION".to_owned(),
            state: State::Running,
            processed: false,
            state_info: None,
            tags: None,
            runtime_context: None,
            published: None,
            published_global: None,
            result: None,
            created_at,
            updated_at: created_at,
            started_at: None,
            finished_at: None,
        }
    }
}

/// Which workflow a task or an action belongs to: from its execution's row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkflowRef {
    /// The workflow's full name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its id, where it is stored under one.
    pub id: Option<String>,
}

/// A task execution, as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRecord {
    /// What was written.
    pub row: TaskRow,
    /// The workflow that it belongs to.
    pub workflow: WorkflowRef,
    /// The execution's project.
    pub project_id: String,
}

/// How far an action execution has come. After a crash this tells one that was never handed to
/// its runner from one that was, and whose result is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reached {
    /// It waits for its turn.
    Queued,
    /// It was handed to its runner.
    Started,
    /// It has ended.
    Ended,
}

impl Reached {
    pub(crate) fn as_i64(self) -> i64 {
        match self {
            Reached::Queued => 0,
            Reached::Started => 1,
            Reached::Ended => 2,
        }
    }

    pub(crate) fn from_i64(number: i64) -> Option<Self> {
        match number {
            0 => Some(Reached::Queued),
            1 => Some(Reached::Started),
            2 => Some(Reached::Ended),
            _ => None,
        }
    }
}

/// An action execution, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionRow {
    /// Its id.
    pub id: ActionExecutionId,
    /// The execution that it belongs to; none for an action that was run by itself.
    pub execution_id: Option<ExecutionId>,
    /// The task execution that wants it; none for an action that was run by itself.
    pub task_execution_id: Option<TaskExecutionId>,
    /// The action's full name.
    pub name: String,
    /// Its state.
    pub state: State,
    /// How far it has come.
    pub reached: Reached,
    /// Whether its output counts: a retry or a rerun takes that away.
    pub accepted: bool,
    /// The project; none where it is the execution's.
    pub project_id: Option<String>,
    /// Why it is in its state.
    pub state_info: Option<String>,
    /// What a person wrote about it.
    pub description: Option<String>,
    /// Its tags, as a JSON list.
    pub tags: Option<String>,
    /// What Mistral calls the runtime context, as JSON.
    pub runtime_context: Option<String>,
    /// Its input, as JSON.
    pub input: Option<String>,
    /// Its output, as JSON.
    pub output: Option<String>,
    /// When it was created.
    pub created_at: i64,
    /// When it last changed.
    pub updated_at: i64,
    /// When it was handed to its runner.
    pub started_at: Option<i64>,
    /// When it ended.
    pub finished_at: Option<i64>,
}

impl ActionRow {
    /// A row that says only what every action execution has: one that waits for its turn.
    pub fn new(id: ActionExecutionId, name: impl Into<String>, created_at: i64) -> Self {
        Self {
            id,
            execution_id: None,
            task_execution_id: None,
            name: name.into(),
            state: State::Running,
            reached: Reached::Queued,
            accepted: false,
            project_id: None,
            state_info: None,
            description: None,
            tags: None,
            runtime_context: None,
            input: None,
            output: None,
            created_at,
            updated_at: created_at,
            started_at: None,
            finished_at: None,
        }
    }
}

/// What changes of an action execution after its row is written, without its input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionChange {
    /// Which.
    pub id: ActionExecutionId,
    /// Its state.
    pub state: State,
    /// How far it has come.
    pub reached: Reached,
    /// Whether its output counts.
    pub accepted: bool,
    /// Why it is in its state.
    pub state_info: Option<String>,
    /// Its output, as JSON; none leaves it as it is.
    pub output: Option<String>,
    /// When it changed.
    pub updated_at: i64,
    /// When it ended.
    pub finished_at: Option<i64>,
}

/// An action execution, as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionRecord {
    /// What was written; `project_id` is the execution's where there is one.
    pub row: ActionRow,
    /// The name of the task that wants it.
    pub task_name: Option<String>,
    /// The workflow that it belongs to.
    pub workflow: Option<WorkflowRef>,
}
