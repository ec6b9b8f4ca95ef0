//! `/v2/executions/{id}/tree`: an execution with all below it, in one answer. Mistral has no such
//! address: its clients ask for the tasks, the actions and the sub-workflows one after the other.

use axum::Json;
use axum::extract::{Path, State};
use ostro_runtime::Snapshots;
use ostro_runtime::tree::{ExecutionNode, Told, tree};

use crate::app::{App, Request};
use crate::fault::Fault;
use crate::records::unknown_execution;

pub(super) async fn of_execution(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<ExecutionNode>, Fault> {
    request.query.only(&[])?;
    let row = app.execution(&request.caller, &id).await?;
    let told = Told::default();
    // What rests is read, and goes on resting. So is what ends right now: that it is committed is
    // told a moment before the memory has it.
    if let Some(found) = tree(&app.runtime, &row.id, &told)
        && found.state == row.state
    {
        return Ok(Json(found));
    }
    let root = row.root_execution_id.unwrap_or_else(|| row.id.clone());
    let id = row.id;
    let read = app.read(move |journal| {
        let snapshots = Snapshots::read(journal, &root)?;
        tree(&snapshots, &id, &told).ok_or_else(|| unknown_execution(id.as_str()))
    });
    Ok(Json(read.await?))
}
