//! `/v2/tasks`, and the tasks of an execution.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use ostro_core::State as Status;
use ostro_journal::{ExecutionColumn, ExecutionRow, Op, Query, TaskColumn, TaskRecord};
use serde_json::{Map, Value};

use super::executions::{self, EXECUTIONS};
use super::given::Shape;
use super::routes::Routes;
use super::{action_executions, subexecutions, update};
use crate::app::{App, Request};
use crate::delegation::Pin;
use crate::fault::Fault;
use crate::query::{self, Listing, Resource};
use crate::row;
use crate::start::map;

const FIELDS: &[&str] = &[
    "id",
    "name",
    "type",
    "workflow_name",
    "workflow_namespace",
    "workflow_id",
    "workflow_execution_id",
    "tags",
    "state",
    "state_info",
    "project_id",
    "runtime_context",
    "result",
    "published",
    "published_global",
    "processed",
    "created_at",
    "updated_at",
    "started_at",
    "finished_at",
    "reset",
    "env",
];

pub(super) const TASKS: Resource = Resource {
    plural: "tasks",
    fields: FIELDS,
    unfiltered: &[
        "id",
        "type",
        "workflow_namespace",
        "project_id",
        "runtime_context",
        "result",
        "published_global",
        "started_at",
        "finished_at",
        "reset",
        "env",
    ],
    options: &[],
};

/// The executions that a task has started.
const STARTED: Resource = Resource {
    options: &[],
    ..EXECUTIONS
};

const SHAPE: Shape = Shape {
    argument: "task",
    texts: &["id", "name", "workflow_name", "state", "state_info"],
    objects: &["env"],
    truths: &["reset"],
    ignored: &[
        "type",
        "workflow_namespace",
        "workflow_id",
        "workflow_execution_id",
        "tags",
        "runtime_context",
        "result",
        "published",
        "published_global",
        "processed",
        "created_at",
        "updated_at",
        "started_at",
        "finished_at",
    ],
    read_only: &["project_id"],
};

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/tasks", "tasks:list", list)
        .about("List task executions")
        .lists(&TASKS)
        .get("/tasks/{id}", "tasks:get", one)
        .about("Show a task execution")
        .gives(&TASKS)
        .put("/tasks/{id}", "tasks:update", change)
        .about("Run a task again, or skip it")
        .takes(&SHAPE)
        .gives(&TASKS)
        .get(
            "/tasks/{id}/action_executions",
            "action_executions:list",
            action_executions::of_task,
        )
        .about("List the action executions of a task")
        .lists(&action_executions::ACTIONS)
        .get(
            "/tasks/{id}/action_executions/{action}",
            "action_executions:get",
            action_executions::one_of_task,
        )
        .about("Show an action execution of a task")
        .gives(&action_executions::ACTIONS)
        .get(
            "/tasks/{id}/executions",
            "executions:get",
            subexecutions::of_task,
        )
        .about("List the executions below a task")
        .lists(&executions::EXECUTIONS)
        .options(&["errors_only", "max_depth"])
        .get(
            "/tasks/{id}/workflow_executions",
            "executions:list",
            started,
        )
        .about("List the executions that a task has started")
        .lists(&STARTED)
}

async fn list(State(app): State<App>, request: Request) -> Result<Json<Value>, Fault> {
    known_filters(&request)?;
    let listing = request.query.listing(&TASKS)?;
    answer(&app, &request, &listing).await
}

/// `/v2/executions/{id}/tasks`.
pub(super) async fn of_execution(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<Value>, Fault> {
    known_filters(&request)?;
    let listing = request
        .query
        .listing_of(&TASKS, "workflow_execution_id", &id)?;
    app.execution(&request.caller, &id).await?;
    answer(&app, &request, &listing).await
}

/// Mistral lets these be asked for, and fails.
fn known_filters(request: &Request) -> Result<(), Fault> {
    for name in ["result", "reset", "env"] {
        if request.query.get(name).is_some() {
            return Err(Fault::invalid(format!(
                "A list of tasks cannot be filtered by {name}"
            )));
        }
    }
    Ok(())
}

async fn answer(app: &App, request: &Request, listing: &Listing) -> Result<Json<Value>, Fault> {
    if let Some(marker) = &listing.marker {
        app.task(&request.caller, marker).await?;
    }
    let mut query: Query<TaskColumn> = listing.stored()?;
    if !request.caller.is_admin {
        let project = request.caller.project.as_str();
        query = query.filter(TaskColumn::ProjectId, Op::Eq(project.into()));
    }
    let query = query.omit(TaskColumn::Result);
    let records = app.read(move |journal| Ok(journal.list_tasks(&query)?));
    let rows = records.await?.iter().map(row::task).collect();
    let at = format!("{}/v2/tasks", request.base);
    Ok(Json(listing.answer(&TASKS, &at, rows)))
}

async fn one(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<Value>, Fault> {
    request.query.only(&["fields"])?;
    let fields = request.query.field_names();
    if let Some(name) = fields.iter().find(|name| !FIELDS.contains(&name.as_str())) {
        return Err(Fault::invalid(format!("Field '{name}' does not exist.")));
    }
    let record = app.task(&request.caller, &id).await?;
    Ok(Json(query::show(&fields, with_result(&record)).into()))
}

/// A row with the task's result, which is JSON in a text too.
fn with_result(record: &TaskRecord) -> Map<String, Value> {
    let mut answer = row::task(record);
    // One that has not ended has the results of nothing yet.
    let missing = if record.row.state.is_completed() {
        "null"
    } else {
        "[]"
    };
    let result = record.row.result.as_deref().unwrap_or(missing);
    answer.insert("result".to_owned(), result.into());
    answer
}

/// Has a task run again that has failed, or skips it.
async fn change(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
    headers: HeaderMap,
    body: String,
) -> Result<Json<Value>, Fault> {
    let given = SHAPE.read(&headers, &body)?;
    let record = app.task(&request.caller, &id).await?;
    let (task, workflow) = (&record.row, &record.workflow);
    if given.text("name").is_some_and(|name| name != task.name) {
        return Err(Fault::invalid("Task name does not match."));
    }
    if given
        .text("workflow_name")
        .is_some_and(|name| name != workflow.name)
    {
        return Err(Fault::invalid("Workflow name does not match."));
    }
    let skip = match given.text("state") {
        Some("RUNNING") => false,
        Some("SKIPPED") => true,
        _ => {
            return Err(Fault::invalid(
                "Invalid task state. Only updating task to RUNNING or SKIPPED is supported.",
            ));
        }
    };
    if task.state != Status::Error {
        return Err(Fault::invalid(
            "The current task execution must be in ERROR for rerun. \
             Only updating task to rerun is supported.",
        ));
    }
    let execution = app
        .execution(&request.caller, task.execution_id.as_str())
        .await?;
    let env = given.object("env").filter(|env| !env.is_empty()).cloned();
    if env.is_some() && execution.state == Status::Running {
        return Err(Fault::forbidden(
            "Updating env to workflow execution is only permitted if it is in IDLE, PAUSED, \
             or ERROR state.",
        ));
    }
    let env = if execution.state == Status::Running {
        env.map(map)
    } else {
        update::changed_env(&app, &execution, env).await?
    };
    let _pin = delegated(&app, &request, &execution).await?;
    if skip {
        app.runtime.skip(&execution.id, &task.id, env).await?;
    } else {
        if !given.has("reset") {
            return Err(Fault::invalid("Reset field is mandatory to rerun task."));
        }
        let reset = given.truth("reset").unwrap_or_default();
        if !reset && !has_items(&app, &record, &execution).await? {
            return Err(Fault::invalid(
                "Only with-items task has the option to not reset.",
            ));
        }
        let rerun = app.runtime.rerun(&execution.id, &task.id, reset, env);
        rerun.await?;
    }
    let record = app.task(&request.caller, &id).await?;
    Ok(Json(with_result(&record).into()))
}

/// Has the root of an execution act as the caller does, where it has ended and runs again, and
/// those told again whom it names.
async fn delegated(
    app: &App,
    request: &Request,
    execution: &ExecutionRow,
) -> Result<Option<Pin>, Fault> {
    let root = match &execution.root_execution_id {
        Some(root) => app.execution(&request.caller, root.as_str()).await?,
        None => execution.clone(),
    };
    let (has_ended, acts) = (root.state.is_completed(), request.acts());
    let again = app.delegating.again(root.id.as_str(), has_ended, &acts);
    let pin = again.await?;
    if has_ended {
        app.webhooks.again(&root, app.feed.last()).await?;
    }
    Ok(pin)
}

async fn has_items(
    app: &App,
    record: &TaskRecord,
    execution: &ExecutionRow,
) -> Result<bool, Fault> {
    let execution = app.state_of(execution).await?;
    let task = execution.task(&record.row.id);
    Ok(task.is_some_and(|task| task.items().is_some()))
}

/// `/v2/tasks/{id}/workflow_executions`.
async fn started(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<Value>, Fault> {
    let listing = request
        .query
        .listing_of(&STARTED, "task_execution_id", &id)?;
    let mut query: Query<ExecutionColumn> = listing.stored()?;
    if !request.caller.is_admin {
        let project = request.caller.project.as_str();
        query = query.filter(ExecutionColumn::ProjectId, Op::Eq(project.into()));
    }
    let mut rows = executions::page(&app, &request, &listing, query, false).await?;
    for row in &mut rows {
        row.retain(|name, _| {
            let is_large = matches!(name.as_str(), "input" | "params" | "output");
            !is_large || listing.asks_for(name)
        });
    }
    let at = format!("{}/v2/executions", request.base);
    Ok(Json(listing.answer(&STARTED, &at, rows)))
}
