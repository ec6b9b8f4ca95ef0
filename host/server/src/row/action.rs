//! Rows of action executions.

use ostro_core::TaskExecutionId;
use ostro_journal::ActionRecord;
use serde_json::{Map, Value, json};

use super::{json_text, maybe_time, object, time};

/// An action execution, as `/v2/action_executions` shows it.
pub(crate) fn action(record: &ActionRecord) -> Map<String, Value> {
    let row = &record.row;
    let workflow = record.workflow.as_ref();
    // Its result or its error, under one name; it may be large, so it is not read for this.
    let output = row.output.as_ref();
    let output = output.map(|output| format!("{{\"result\":{output}}}"));
    // One that was run by itself and waited for is written once.
    let ended = row.finished_at.is_some() && row.task_execution_id.is_some();
    let changed = ended || row.updated_at > row.created_at;
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
        "updated_at": maybe_time(changed.then_some(row.updated_at)),
    }))
}
