//! Executions below an execution, or below a task.

use axum::Json;
use axum::extract::{Path, State};
use ostro_core::{ExecutionId, State as Status, TaskExecutionId};
use ostro_journal::{ActionColumn, ActionRecord, TaskRecord};
use ostro_journal::{ExecutionColumn, ExecutionRow, Journal, Op, Query, TaskColumn};
use serde_json::{Value, json};

use super::executions::shown;
use crate::app::{App, Request};
use crate::fault::Fault;
use crate::query::uuid;
use crate::records::{all_pages, unknown_execution};

/// How far a look at what is below goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    /// Only by tasks that have failed.
    pub(super) errors_only: bool,
    /// Down to this depth; negative for all.
    max_depth: i64,
}

impl Reach {
    pub(super) fn of(request: &Request) -> Result<Self, Fault> {
        Ok(Self {
            errors_only: request.query.is_wanted("errors_only"),
            max_depth: request.query.number("max_depth", -1)?,
        })
    }

    /// Whether what is at this depth is looked at.
    pub(super) fn has(self, depth: i64) -> bool {
        self.max_depth < 0 || depth <= self.max_depth
    }

    /// Whether a task is looked at.
    pub(super) fn takes(self, task: &TaskRecord) -> bool {
        !self.errors_only || task.row.state == Status::Error
    }
}

const OPTIONS: [&str; 3] = ["errors_only", "max_depth", "include_output"];

pub(super) async fn of_execution(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<Value>, Fault> {
    let reach = asked(&request, &id)?;
    let row = app.execution(&request.caller, &id).await?;
    below(&app, &request, move |journal, found| {
        execution(journal, &row.id, reach, 0, found)
    })
    .await
}

pub(super) async fn of_task(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<Value>, Fault> {
    let reach = asked(&request, &id)?;
    let record = app.task(&request.caller, &id).await?;
    below(&app, &request, move |journal, found| {
        task(journal, &record, reach, 0, found)
    })
    .await
}

/// How far to look, below what `id` names.
fn asked(request: &Request, id: &str) -> Result<Reach, Fault> {
    request.query.only(&OPTIONS)?;
    uuid("id", id)?;
    Reach::of(request)
}

/// The answer with the executions that `read` finds.
async fn below(
    app: &App,
    request: &Request,
    read: impl FnOnce(&Journal, &mut Vec<ExecutionRow>) -> Result<(), Fault> + Send + 'static,
) -> Result<Json<Value>, Fault> {
    let found = app.read(move |journal| {
        let mut found = Vec::new();
        read(journal, &mut found)?;
        Ok(found)
    });
    let with_output = request.query.is_wanted("include_output");
    let found = found.await?;
    let rows = found.iter().map(|row| shown(row, with_output).into());
    let rows: Vec<Value> = rows.collect();
    Ok(Json(json!({ "executions": rows })))
}

fn execution(
    journal: &Journal,
    id: &ExecutionId,
    reach: Reach,
    depth: i64,
    found: &mut Vec<ExecutionRow>,
) -> Result<(), Fault> {
    if !reach.has(depth) {
        return Ok(());
    }
    let row = journal.execution(id)?;
    found.push(row.ok_or_else(|| unknown_execution(id.as_str()))?);
    for record in tasks_of(journal, id)? {
        task(journal, &record, reach, depth + 1, found)?;
    }
    Ok(())
}

fn task(
    journal: &Journal,
    record: &TaskRecord,
    reach: Reach,
    depth: i64,
    found: &mut Vec<ExecutionRow>,
) -> Result<(), Fault> {
    if !reach.takes(record) {
        return Ok(());
    }
    for child in children_of(journal, &record.row.id)? {
        execution(journal, &child.id, reach, depth, found)?;
    }
    Ok(())
}

/// All task executions of an execution, in the order of their creation.
pub(super) fn tasks_of(journal: &Journal, id: &ExecutionId) -> Result<Vec<TaskRecord>, Fault> {
    let query = Query::new()
        .filter(TaskColumn::WorkflowExecutionId, Op::Eq(id.as_str().into()))
        .omit(TaskColumn::Result)
        .omit(TaskColumn::Published);
    all_pages(
        query,
        |query| journal.list_tasks(query),
        |one| one.row.id.as_str(),
    )
}

/// All executions that a task execution has started.
pub(super) fn children_of(
    journal: &Journal,
    id: &TaskExecutionId,
) -> Result<Vec<ExecutionRow>, Fault> {
    let query = Query::new()
        .filter(ExecutionColumn::TaskExecutionId, Op::Eq(id.as_str().into()))
        .omit(ExecutionColumn::Output)
        .omit(ExecutionColumn::Input);
    all_pages(
        query,
        |query| journal.list_executions(query),
        |one| one.id.as_str(),
    )
}

/// All action executions of a task execution.
pub(super) fn actions_of(
    journal: &Journal,
    id: &TaskExecutionId,
) -> Result<Vec<ActionRecord>, Fault> {
    let query = Query::new()
        .filter(ActionColumn::TaskExecutionId, Op::Eq(id.as_str().into()))
        .omit(ActionColumn::Output)
        .omit(ActionColumn::Input);
    all_pages(
        query,
        |query| journal.list_actions(query),
        |one| one.row.id.as_str(),
    )
}
