//! Rows of task executions.

use ostro_journal::TaskRecord;
use serde_json::{Map, Value, json};

use super::{json_text, list, maybe_time, object, time};

/// A task execution, as `/v2/tasks` shows it; its result is apart.
pub(crate) fn task(record: &TaskRecord) -> Map<String, Value> {
    let (row, workflow) = (&record.row, &record.workflow);
    object(json!({
        "id": row.id.as_str(),
        "name": row.name,
        "type": row.kind,
        "workflow_name": workflow.name,
        "workflow_namespace": workflow.namespace,
        "workflow_id": workflow.id,
        "workflow_execution_id": row.execution_id.as_str(),
        "tags": list(row.tags.as_deref()),
        "state": row.state.as_str(),
        "state_info": row.state_info,
        "project_id": record.project_id,
        "runtime_context": json_text(row.runtime_context.as_deref(), "{}"),
        "published": json_text(row.published.as_deref(), "{}"),
        "processed": row.processed,
        "created_at": time(row.created_at),
        "updated_at": time(row.updated_at),
        "started_at": maybe_time(row.started_at),
        "finished_at": maybe_time(row.finished_at),
    }))
}
