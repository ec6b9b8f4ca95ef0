//! Rows of action executions.

use ostro_core::{State, TaskExecutionId};
use ostro_journal::{ActionRecord, ActionRow};
use serde_json::{Map, Value, json};

use super::{json_text, maybe_time, object, time};

/// Times are shown to the second.
const SECOND: i64 = 1000;

/// An action execution, as `/v2/action_executions` shows it.
pub(crate) fn action(record: &ActionRecord) -> Map<String, Value> {
    let row = &record.row;
    let workflow = record.workflow.as_ref();
    // Its result or its error, under one name; it may be large, so it is not read for this.
    let output = row.output.as_ref();
    let output = output.map(|output| format!("{{\"result\":{output}}}"));
    object(json!({
        "id": row.id.as_str(),
        "workflow_name": workflow.map(|workflow| &workflow.name),
        "workflow_namespace": workflow.map_or("", |workflow| &workflow.namespace),
        "task_execution_id": row.task_execution_id.as_ref().map(TaskExecutionId::as_str),
        "state": row.state.as_str(),
        "state_info": row.state_info,
        "tags": null,
        "name": row.name,
        "description": row.description.as_deref().unwrap_or_default(),
        "project_id": row.project_id,
        "accepted": row.accepted,
        "input": json_text(row.input.as_deref(), "{}"),
        "output": output,
        "created_at": time(row.created_at),
        "updated_at": updated_at(row),
    }))
}

/// When an action execution last changed, if it has since it was there.
pub(crate) fn updated_at(row: &ActionRow) -> Value {
    // One that was run by itself while somebody waited is written once, and that one goes on
    // elsewhere is known a moment after it was created.
    let ended = row.finished_at.is_some() && row.task_execution_id.is_some();
    let moved = row.state != State::Running && row.updated_at > row.created_at;
    let later = row.updated_at - row.created_at >= SECOND;
    maybe_time((ended || moved || later).then_some(row.updated_at))
}
