//! `/v2/executions`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use ostro_journal::{ExecutionColumn, ExecutionRow, Op, Operand, Query};
use serde_json::{Map, Value};

use super::given::Shape;
use super::kept::{all_projects, not_permitted};
use super::routes::Routes;
use super::{deletion, report, subexecutions, tasks, tree, update, wanted};
use crate::app::{App, Request};
use crate::fault::Fault;
use crate::query::{self, Listing, Resource};
use crate::row;
use crate::start::start;

pub(super) const EXECUTIONS: Resource = Resource {
    plural: "executions",
    fields: &[
        "id",
        "workflow_id",
        "workflow_name",
        "workflow_namespace",
        "description",
        "tags",
        "params",
        "task_execution_id",
        "root_execution_id",
        "source_execution_id",
        "state",
        "state_info",
        "input",
        "output",
        "created_at",
        "updated_at",
        "project_id",
        "published_global",
    ],
    unfiltered: &[
        "id",
        "workflow_namespace",
        "source_execution_id",
        "published_global",
    ],
    options: &["include_output", "all_projects", "nulls"],
};

/// What else Mistral keeps of an execution, and shows nobody.
const UNSHOWN: [&str; 4] = ["spec", "context", "runtime_context", "name"];

/// An execution as callers send it.
pub(super) const SHAPE: Shape = Shape {
    argument: "wf_ex",
    texts: &[
        "id",
        "workflow_id",
        "workflow_name",
        "workflow_namespace",
        "description",
        "source_execution_id",
        "state",
        "state_info",
    ],
    objects: &["params", "input"],
    truths: &[],
    ignored: &[
        "tags",
        "output",
        "task_execution_id",
        "root_execution_id",
        "created_at",
        "updated_at",
        "published_global",
    ],
    read_only: &["project_id"],
};

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/executions", "executions:list", list)
        .about("List executions")
        .lists(&EXECUTIONS)
        .post("/executions", "executions:create", create)
        .about("Start an execution")
        .takes(&SHAPE)
        .gives(&EXECUTIONS)
        .get("/executions/{id}", "executions:get", one)
        .about("Show an execution")
        .gives(&EXECUTIONS)
        .put("/executions/{id}", "executions:update", change)
        .about("Pause, resume, end or describe an execution")
        .takes(&SHAPE)
        .gives(&EXECUTIONS)
        .delete("/executions/{id}", "executions:delete", delete)
        .about("Delete an execution")
        .gives_nothing()
        .options(&["force"])
        .get(
            "/executions/{id}/executions",
            "executions:get",
            subexecutions::of_execution,
        )
        .about("List the executions below an execution")
        .lists(&EXECUTIONS)
        .options(&["errors_only", "max_depth"])
        .get(
            "/executions/{id}/report",
            "executions:get",
            report::of_execution,
        )
        .about("Report on an execution and all below it")
        .options(&["errors_only", "max_depth", "statistics_only"])
        .get("/executions/{id}/tasks", "tasks:list", tasks::of_execution)
        .about("List the tasks of an execution")
        .lists(&tasks::TASKS)
        .get(
            "/executions/{id}/tree",
            "executions:get",
            tree::of_execution,
        )
        .about("Show an execution with all below it")
}

async fn list(State(app): State<App>, request: Request) -> Result<Json<Value>, Fault> {
    let listing = request.query.listing(&EXECUTIONS)?;
    let of_all = all_projects(&request, &EXECUTIONS)?;
    if request.query.get("project_id").is_some() && !request.may("executions:list:all_projects") {
        return Err(not_permitted());
    }
    let mut query: Query<ExecutionColumn> = listing.stored()?;
    if !of_all {
        let project = request.caller.project.as_str();
        query = query.filter(ExecutionColumn::ProjectId, Op::Eq(project.into()));
    }
    for (name, column) in nulls(&request)? {
        // As in Mistral, what is asked of a field otherwise counts.
        if !listing.filters.iter().any(|(filter, _)| filter == name) {
            query = query.filter(column, Op::Eq(Operand::Null));
        }
    }
    let with_output = request.query.is_wanted("include_output") && listing.fields.is_empty();
    let rows = page(&app, &request, &listing, query, with_output).await?;
    Ok(Json(listing.answer(&EXECUTIONS, &request.url, rows)))
}

/// The fields that are to be null.
fn nulls(request: &Request) -> Result<Vec<(&str, ExecutionColumn)>, Fault> {
    use ExecutionColumn as E;
    let names = request.query.get("nulls").unwrap_or_default().split(',');
    let names = names.map(str::trim).filter(|name| !name.is_empty());
    names
        .map(|name| match name {
            "workflow_id" => Ok((name, E::WorkflowId)),
            "task_execution_id" => Ok((name, E::TaskExecutionId)),
            "root_execution_id" => Ok((name, E::RootExecutionId)),
            "source_execution_id" => Ok((name, E::SourceExecutionId)),
            "state_info" => Ok((name, E::StateInfo)),
            "description" => Ok((name, E::Description)),
            "params" => Ok((name, E::Params)),
            "input" => Ok((name, E::Input)),
            "output" => Ok((name, E::Output)),
            name if EXECUTIONS.fields.contains(&name) => Err(Fault::invalid(format!(
                "The field '{name}' can't hold None value."
            ))),
            name => Err(Fault::invalid(format!(
                "'{name}' is not a valid field name."
            ))),
        })
        .collect()
}

/// The rows of a page of executions.
pub(super) async fn page(
    app: &App,
    request: &Request,
    listing: &Listing,
    mut query: Query<ExecutionColumn>,
    with_output: bool,
) -> Result<Vec<Map<String, Value>>, Fault> {
    if let Some(marker) = &listing.marker {
        app.execution(&request.caller, marker).await?;
    }
    let with_output = with_output || listing.asks_for("output");
    if !with_output {
        query = query.omit(ExecutionColumn::Output);
    }
    let rows = app.read(move |journal| Ok(journal.list_executions(&query)?));
    let rows = rows.await?;
    Ok(rows.iter().map(|row| shown(row, with_output)).collect())
}

/// A row without what only some answers have.
pub(super) fn shown(row: &ExecutionRow, with_output: bool) -> Map<String, Value> {
    let mut shown = row::execution(row);
    if !with_output {
        shown.shift_remove("output");
    }
    shown
}

async fn one(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<Value>, Fault> {
    request.query.only(&["fields"])?;
    let fields = request.query.field_names();
    let shown = |name: &str| name != "published_global" && EXECUTIONS.fields.contains(&name);
    if let Some(name) = fields
        .iter()
        .find(|name| !shown(name) && !UNSHOWN.contains(&name.as_str()))
    {
        return Err(Fault::invalid(format!("Field '{name}' does not exist.")));
    }
    let row = app.execution(&request.caller, &id).await?;
    let mut answer = row::execution(&row);
    if fields.is_empty() {
        let globals = app.state_of(&row).await?;
        let globals = Value::from(&ostro_core::Value::from(globals.globals().clone()));
        answer.insert("published_global".to_owned(), globals.to_string().into());
    } else if let Some(source) = &row.source_execution_id {
        answer.insert("source_execution_id".to_owned(), source.as_str().into());
    }
    Ok(Json(query::show(&fields, answer).into()))
}

async fn create(
    State(app): State<App>,
    request: Request,
    headers: HeaderMap,
    body: String,
) -> Result<(StatusCode, Json<Value>), Fault> {
    let given = SHAPE.read(&headers, &body)?;
    let mut wanted = wanted::wanted(&app, &request.caller, &given).await?;
    wanted.acts = request.acts();
    let row = start(&app, &request.caller, wanted).await?;
    Ok((StatusCode::CREATED, Json(row::execution(&row).into())))
}

async fn change(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
    headers: HeaderMap,
    body: String,
) -> Result<Json<Value>, Fault> {
    let given = SHAPE.read(&headers, &body)?;
    let row = app.execution(&request.caller, &id).await?;
    let answer = update::update(&app, row, &given).await?;
    Ok(Json(answer.into()))
}

async fn delete(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
) -> Result<StatusCode, Fault> {
    request.query.only(&["force"])?;
    let row = app.execution(&request.caller, &id).await?;
    if !row.state.is_completed() && !request.query.is_wanted("force") {
        return Err(Fault::forbidden(format!(
            "Only completed executions can be deleted. Use --force to override this. \
             Execution {id} is in {} state",
            row.state
        )));
    }
    deletion::delete(&app, &row).await?;
    Ok(StatusCode::NO_CONTENT)
}
