//! Rows of executions.

use ostro_core::{ExecutionId, TaskExecutionId};
use ostro_journal::ExecutionRow;
use serde_json::{Map, Value, json};

use super::{json_text, list, object, time};

/// An execution, as `/v2/executions` shows it.
pub(crate) fn execution(row: &ExecutionRow) -> Map<String, Value> {
    object(json!({
        "id": row.id.as_str(),
        "workflow_id": row.workflow_id,
        "workflow_name": row.workflow_name,
        "workflow_namespace": row.workflow_namespace,
        "description": row.description.as_deref().unwrap_or_default(),
        "tags": list(row.tags.as_deref()),
        "params": json_text(row.params.as_deref(), "{}"),
        "task_execution_id": row.task_execution_id.as_ref().map(TaskExecutionId::as_str),
        "root_execution_id": row.root_execution_id.as_ref().map(ExecutionId::as_str),
        "state": row.state.as_str(),
        "state_info": row.state_info,
        "input": json_text(row.input.as_deref(), "{}"),
        "output": json_text(row.output.as_deref(), "{}"),
        "created_at": time(row.created_at),
        "updated_at": time(row.updated_at),
        "project_id": row.project_id,
    }))
}
