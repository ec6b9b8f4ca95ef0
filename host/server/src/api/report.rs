//! Reports: an execution as a tree, with statistics of its tasks
//! (`mistral/api/controllers/v2/execution_report.py`).

use axum::Json;
use axum::extract::{Path, State};
use ostro_core::{ExecutionId, State as Status, TaskExecutionId};
use ostro_journal::{
    ActionRecord, Direction, ExecutionColumn, ExecutionRow, Journal, Op, Query, TaskRecord,
};
use serde_json::{Value, json};

use super::subexecutions::{Reach, actions_of, children_of, tasks_of};
use crate::app::{App, Request};
use crate::fault::Fault;
use crate::query::uuid;
use crate::records::unknown_execution;
use crate::row::{time, updated_at};
use crate::start::object;

/// By how many earlier executions the time is estimated that one takes.
const EARLIER: usize = 20;

/// How many tasks there are in which state.
#[derive(Debug, Default)]
struct Statistics {
    total: usize,
    running: usize,
    success: usize,
    error: usize,
    idle: usize,
    paused: usize,
}

/// What a report is made of.
struct Report<'a> {
    journal: &'a Journal,
    reach: Reach,
    statistics: Statistics,
}

pub(super) async fn of_execution(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<Value>, Fault> {
    request
        .query
        .only(&["errors_only", "max_depth", "statistics_only"])?;
    uuid("workflow_execution_id", &id)?;
    let reach = Reach::of(&request)?;
    let row = app.execution(&request.caller, &id).await?;
    let statistics_only = request.query.is_wanted("statistics_only");
    let now = app.now();
    let report = app.read(move |journal| {
        let mut report = Report {
            journal,
            reach,
            statistics: Statistics::default(),
        };
        let root = report.execution(&row.id, 0)?;
        let estimated = estimated(journal, &row, now)?;
        let statistics = report.statistics.row(estimated);
        Ok(if statistics_only {
            json!({ "statistics": statistics })
        } else {
            json!({ "root_workflow_execution": root, "statistics": statistics })
        })
    });
    Ok(Json(report.await?))
}

impl Report<'_> {
    fn execution(&mut self, id: &ExecutionId, depth: i64) -> Result<Value, Fault> {
        let row = self.journal.execution(id)?;
        let row = row.ok_or_else(|| unknown_execution(id.as_str()))?;
        let mut entry = json!({
            "id": row.id.as_str(),
            "name": row.workflow_name,
            "state": row.state.as_str(),
            "state_info": row.state_info,
            "created_at": time(row.created_at),
            "updated_at": time(row.updated_at),
        });
        if self.reach.has(depth) {
            let mut tasks = Vec::new();
            for record in tasks_of(self.journal, id)? {
                if self.reach.takes(&record) {
                    tasks.push(self.task(&record, depth + 1)?);
                }
            }
            entry["task_executions"] = tasks.into();
        }
        Ok(entry)
    }

    fn task(&mut self, record: &TaskRecord, depth: i64) -> Result<Value, Fault> {
        self.statistics.count(record.row.state);
        let row = &record.row;
        let actions = self.actions(&row.id)?;
        let mut executions = Vec::new();
        for child in children_of(self.journal, &row.id)? {
            executions.push(self.execution(&child.id, depth)?);
        }
        let mut entry = json!({
            "id": row.id.as_str(),
            "name": row.name,
            "state": row.state.as_str(),
            "state_info": row.state_info,
            "created_at": time(row.created_at),
            "updated_at": time(row.updated_at),
            "action_executions": actions,
            "workflow_executions": executions,
        });
        let context = object(row.runtime_context.as_deref());
        if let Some(retries) = context.get("retry_task_policy") {
            entry["retry_count"] = retries["retry_no"].clone();
        }
        Ok(entry)
    }

    fn actions(&self, task: &TaskExecutionId) -> Result<Vec<Value>, Fault> {
        let all = actions_of(self.journal, task)?;
        Ok(all.iter().map(action).collect())
    }
}

fn action(record: &ActionRecord) -> Value {
    let row = &record.row;
    json!({
        "id": row.id.as_str(),
        "name": row.name,
        "state": row.state.as_str(),
        "state_info": row.state_info,
        "accepted": row.accepted,
        "created_at": time(row.created_at),
        "updated_at": updated_at(row),
        // Nobody has to ask whether an action is still there: when it was last heard of.
        "last_heartbeat": time(row.updated_at),
    })
}

impl Statistics {
    fn count(&mut self, state: Status) {
        self.total += 1;
        match state {
            Status::Running => self.running += 1,
            Status::Success => self.success += 1,
            Status::Error => self.error += 1,
            Status::Idle => self.idle += 1,
            Status::Paused => self.paused += 1,
            Status::Waiting | Status::Delayed | Status::Cancelled | Status::Skipped => {}
        }
    }

    fn row(&self, estimated: i64) -> Value {
        json!({
            "total_tasks_count": self.total,
            "running_tasks_count": self.running,
            "success_tasks_count": self.success,
            "error_tasks_count": self.error,
            "idle_tasks_count": self.idle,
            "paused_tasks_count": self.paused,
            "estimated_time": estimated,
        })
    }
}

/// How many more seconds an execution may take, by those of its workflow before: -1 where there
/// were none, 1 where it takes longer than they did, and 0 for one that does not run.
fn estimated(journal: &Journal, row: &ExecutionRow, now: i64) -> Result<i64, Fault> {
    if row.state != Status::Running {
        return Ok(0);
    }
    let same = match &row.workflow_id {
        Some(id) => (ExecutionColumn::WorkflowId, id.as_str()),
        None => (ExecutionColumn::WorkflowName, row.workflow_name.as_str()),
    };
    let query = Query::new()
        .filter(ExecutionColumn::State, Op::Eq("SUCCESS".into()))
        .filter(
            ExecutionColumn::ProjectId,
            Op::Eq(row.project_id.as_str().into()),
        )
        .filter(same.0, Op::Eq(same.1.into()))
        .sort(ExecutionColumn::CreatedAt, Direction::Descending)
        .omit(ExecutionColumn::Output)
        .limit(EARLIER);
    let earlier = journal.list_executions(&query)?;
    let Ok(count @ 1..) = i64::try_from(earlier.len()) else {
        return Ok(-1);
    };
    let took: i64 = earlier
        .iter()
        .map(|one| one.updated_at - one.created_at)
        .sum();
    let left = took / count - (now - row.created_at);
    Ok(if left < 0 { 1 } else { left / 1000 })
}
