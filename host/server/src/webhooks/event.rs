//! What is told of a change: Mistral's events and their data (`_notify` in
//! `mistral/engine/workflows.py` and `tasks.py`, `mistral/notifiers/notification_events.py`).
//!
//! The bodies of the same workflow from a real Mistral 23 have the same keys in the same order, and
//! the same values but for ids, times and reasons. What is told differs where states do: Mistral has
//! a task that is tried again fail each time, and one that waits before it begins launched before
//! and after that; here the one fails at its end, and the other is launched when it begins. And
//! Mistral tells those who want all events of states that have none, as `"event": null`; here they
//! are not told.

use ostro_core::{ExecutionId, State};
use ostro_journal::StoredChange;
use ostro_runtime::feed::{Body, Change, ExecutionState, TaskState};
use serde_json::{Value, json};

use crate::row::{maybe_time, time};

/// All events that there are.
pub(super) const EVENTS: [&str; 15] = [
    "WORKFLOW_LAUNCHED",
    "WORKFLOW_SUCCEEDED",
    "WORKFLOW_FAILED",
    "WORKFLOW_CANCELLED",
    "WORKFLOW_PAUSED",
    "WORKFLOW_RESUMED",
    "WORKFLOW_RERUN",
    "TASK_LAUNCHED",
    "TASK_SUCCEEDED",
    "TASK_FAILED",
    "TASK_CANCELLED",
    "TASK_PAUSED",
    "TASK_RESUMED",
    "TASK_RERUN",
    "TASK_SKIPPED",
];

/// What is told of a change.
pub(super) struct Told {
    /// The number of the change.
    pub(super) sequence: u64,
    /// When it was, in milliseconds since 1970 UTC.
    pub(super) at: i64,
    /// The execution at the top.
    pub(super) root: ExecutionId,
    /// Of what it is told: the id of an execution or a task execution.
    pub(super) id: String,
    pub(super) event: &'static str,
    /// The event with its data.
    pub(super) data: Value,
}

/// What becomes of the execution at the top, as far as it matters to who listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    Runs,
    Ended,
    Deleted,
}

/// What is told of `stored`, if there is something to tell; and what became of its root, if
/// that is what changed.
pub(super) fn told(stored: &StoredChange) -> (Option<Told>, Option<Root>) {
    let (sequence, change) = (stored.sequence, &*stored.change);
    let (Some(root), Some(execution)) = (&change.root_execution_id, &change.execution_id) else {
        return (None, None);
    };
    let body = match Body::decode(&change.body) {
        Ok(body) => body,
        Err(error) => {
            tracing::error!(sequence, %error, "a change is of no known form, and nobody is told");
            return (None, None);
        }
    };
    let about = About {
        at: change.at,
        project: &change.project_id,
        root,
        execution,
        body: &body,
    };
    let (found, became) = match &body.change {
        Change::ExecutionCreated(state) | Change::ExecutionChanged(state) => {
            let became = if state.state.is_completed() {
                Root::Ended
            } else {
                Root::Runs
            };
            let event = workflow_event(state.was, state.state);
            let found = event.map(|event| (event, execution.to_string(), about.workflow(state)));
            (found, (root == execution).then_some(became))
        }
        Change::TaskCreated(task) | Change::TaskChanged(task) => {
            let event = task_event(task.was, task.state);
            let found = event.map(|event| (event, task.id.to_string(), about.task(task)));
            (found, None)
        }
        Change::ExecutionDeleted => (None, (root == execution).then_some(Root::Deleted)),
        _ => (None, None),
    };
    let told = found.map(|(event, id, mut data)| {
        data["event"] = event.into();
        Told {
            sequence,
            at: change.at,
            root: root.clone(),
            id,
            event,
            data,
        }
    });
    (told, became)
}

/// What a change is about.
struct About<'a> {
    at: i64,
    project: &'a str,
    root: &'a ExecutionId,
    execution: &'a ExecutionId,
    body: &'a Body,
}

impl About<'_> {
    fn workflow(&self, state: &ExecutionState) -> Value {
        let body = self.body;
        let parent = body.parent.as_ref();
        json!({
            "id": self.execution.as_str(),
            "name": body.workflow_name,
            "workflow_name": body.workflow_name,
            "workflow_namespace": body.workflow_namespace,
            "workflow_id": body.workflow_id,
            "state": state.state.as_str(),
            "state_info": state.state_info,
            "project_id": self.project,
            "task_execution_id": parent.map(|parent| parent.task_execution_id.as_str()),
            "root_execution_id": parent.map(|_| self.root.as_str()),
            "created_at": maybe_time(state.created_at),
            "updated_at": time(self.at),
        })
    }

    fn task(&self, task: &TaskState) -> Value {
        let body = self.body;
        json!({
            "id": task.id.as_str(),
            "name": task.name,
            "workflow_execution_id": self.execution.as_str(),
            "workflow_name": body.workflow_name,
            "workflow_namespace": body.workflow_namespace,
            "workflow_id": body.workflow_id,
            "state": task.state.as_str(),
            "state_info": task.state_info,
            "type": task.work,
            "project_id": self.project,
            "created_at": maybe_time(task.created_at),
            "updated_at": time(self.at),
            "started_at": maybe_time(task.started_at),
            "finished_at": maybe_time(task.finished_at),
        })
    }
}

fn workflow_event(was: Option<State>, state: State) -> Option<&'static str> {
    if was == Some(state) {
        return None;
    }
    Some(match (state, was) {
        (State::Running, Some(State::Paused)) => "WORKFLOW_RESUMED",
        (State::Running, Some(State::Error)) => "WORKFLOW_RERUN",
        (State::Running, _) => "WORKFLOW_LAUNCHED",
        (State::Success, _) => "WORKFLOW_SUCCEEDED",
        (State::Error, _) => "WORKFLOW_FAILED",
        (State::Cancelled, _) => "WORKFLOW_CANCELLED",
        (State::Paused, _) => "WORKFLOW_PAUSED",
        _ => return None,
    })
}

fn task_event(was: Option<State>, state: State) -> Option<&'static str> {
    if was == Some(state) {
        return None;
    }
    Some(match (state, was) {
        (State::Running, Some(State::Idle | State::Paused | State::Waiting)) => "TASK_RESUMED",
        (State::Running, Some(State::Error)) => "TASK_RERUN",
        (State::Running, _) => "TASK_LAUNCHED",
        (State::Success, _) => "TASK_SUCCEEDED",
        (State::Error, _) => "TASK_FAILED",
        (State::Cancelled, _) => "TASK_CANCELLED",
        (State::Paused, _) => "TASK_PAUSED",
        (State::Skipped, _) => "TASK_SKIPPED",
        _ => return None,
    })
}
