//! `/v2/action_executions`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use ostro_core::{
    ActionError, ActionErrorKind, ActionExecutionId, ActionOutcome, Map, State as Status, Value,
};
use ostro_journal::{ActionColumn, ActionRecord, Op, Query};
use serde_json::{Value as JsonValue, json};

use super::given::{Given, Shape};
use super::routes::Routes;
use crate::app::{App, Request};
use crate::fault::Fault;
use crate::python::python;
use crate::query::{self, Listing, Resource, Test};
use crate::request;
use crate::row;
use crate::single::{Call, Standing, ended_already};
use crate::start::map;

const FIELDS: &[&str] = &[
    "id",
    "workflow_name",
    "workflow_namespace",
    "task_name",
    "task_execution_id",
    "state",
    "state_info",
    "tags",
    "name",
    "description",
    "project_id",
    "accepted",
    "input",
    "output",
    "created_at",
    "updated_at",
    "params",
];

pub(super) const ACTIONS: Resource = Resource {
    plural: "action_executions",
    fields: FIELDS,
    unfiltered: &["id", "workflow_namespace", "project_id", "params"],
    options: &["include_output"],
};

const SHAPE: Shape = Shape {
    argument: "action_ex",
    texts: &[
        "id",
        "workflow_name",
        "workflow_namespace",
        "task_name",
        "task_execution_id",
        "state",
        "state_info",
        "name",
        "description",
    ],
    objects: &["input", "output", "params"],
    truths: &["accepted"],
    ignored: &["tags", "created_at", "updated_at"],
    read_only: &["project_id"],
};

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/action_executions", "action_executions:list", list)
        .about("List action executions")
        .lists(&ACTIONS)
        .post("/action_executions", "action_executions:create", create)
        .about("Run an action")
        .takes(&SHAPE)
        .gives(&ACTIONS)
        .get("/action_executions/{id}", "action_executions:get", one)
        .about("Show an action execution")
        .gives(&ACTIONS)
        .put(
            "/action_executions/{id}",
            "action_executions:update",
            change,
        )
        .about("Tell from outside how an action stands")
        .takes(&SHAPE)
        .gives(&ACTIONS)
        .delete(
            "/action_executions/{id}",
            "action_executions:delete",
            delete,
        )
        .about("Delete an action execution")
        .gives_nothing()
}

async fn list(State(app): State<App>, request: Request) -> Result<Json<JsonValue>, Fault> {
    if request.query.get("params").is_some() {
        return Err(Fault::invalid(
            "A list of action executions cannot be filtered by params",
        ));
    }
    let listing = request.query.listing(&ACTIONS)?;
    answer(&app, &request, &listing).await
}

/// `/v2/tasks/{id}/action_executions`.
pub(super) async fn of_task(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<JsonValue>, Fault> {
    let listing = request
        .query
        .listing_of(&ACTIONS, "task_execution_id", &id)?;
    answer(&app, &request, &listing).await
}

async fn answer(app: &App, request: &Request, listing: &Listing) -> Result<Json<JsonValue>, Fault> {
    if let Some(marker) = &listing.marker {
        app.action(&request.caller, marker).await?;
    }
    let mut asked = listing.clone();
    for (name, test) in &mut asked.filters {
        if name == "output"
            && let Test::Eq(wanted) = test
        {
            *wanted = result_of(wanted);
        }
    }
    let wanted = request.query.is_wanted("include_output") && listing.fields.is_empty();
    let with_output = wanted || listing.asks_for("output");
    let mut query: Query<ActionColumn> = asked.stored()?;
    if !request.caller.is_admin {
        let project = request.caller.project.as_str();
        query = query.filter(ActionColumn::ProjectId, Op::Eq(project.into()));
    }
    if !with_output {
        query = query.omit(ActionColumn::Output);
    }
    let records = app.read(move |journal| Ok(journal.list_actions(&query)?));
    let rows = records.await?;
    let rows = rows.iter().map(|record| {
        let mut shown = row::action(record);
        if !with_output {
            shown.shift_remove("output");
        }
        if listing.asks_for("task_name") {
            shown.insert("task_name".to_owned(), record.task_name.clone().into());
        }
        shown
    });
    let at = format!("{}/v2/action_executions", request.base);
    Ok(Json(listing.answer(&ACTIONS, &at, rows.collect())))
}

/// What the journal has of `{"result": …}`: the result alone.
fn result_of(output: &str) -> String {
    match serde_json::from_str(output) {
        Ok(JsonValue::Object(mut entries)) if entries.len() == 1 => entries
            .shift_remove("result")
            .map_or_else(|| output.to_owned(), |result| result.to_string()),
        _ => output.to_owned(),
    }
}

async fn one(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<JsonValue>, Fault> {
    request.query.only(&["fields"])?;
    let record = app.action(&request.caller, &id).await?;
    Ok(shown(&record, &request))
}

/// `/v2/tasks/{id}/action_executions/{action}`.
pub(super) async fn one_of_task(
    State(app): State<App>,
    Path((_, id)): Path<(String, String)>,
    request: Request,
) -> Result<Json<JsonValue>, Fault> {
    request.query.only(&["fields"])?;
    let record = app.action(&request.caller, &id).await?;
    Ok(shown(&record, &request))
}

fn shown(record: &ActionRecord, request: &Request) -> Json<JsonValue> {
    let fields = request.query.field_names();
    let mut shown = row::action(record);
    if fields.iter().any(|name| name == "task_name") {
        shown.insert("task_name".to_owned(), record.task_name.clone().into());
    }
    Json(query::show(&fields, shown).into())
}

/// Runs an action by itself.
async fn create(
    State(app): State<App>,
    request: Request,
    headers: HeaderMap,
    body: String,
) -> Result<(StatusCode, Json<JsonValue>), Fault> {
    let given = SHAPE.read(&headers, &body)?;
    let params = given.object("params").cloned().unwrap_or_default();
    let says = |name: &str| params.get(name).is_some_and(is_truthy);
    let (sync, save) = (says("run_sync"), says("save_result"));
    let call = call(&app, &request, &given, params.get("timeout")).await?;
    if save && !sync {
        let id = call.id.clone();
        app.schedule_action(call).await?;
        return created(&app, &request, &id).await;
    }
    let now = app.now();
    let outcome = app.run_action(&call).await;
    let outcome = match outcome {
        // The call makes no sense.
        ActionOutcome::Error(error) if error.kind == ActionErrorKind::Call => {
            return Err(Fault::invalid(error.message));
        }
        outcome => outcome,
    };
    let Some(standing) = Standing::of(&outcome) else {
        if sync {
            return Err(Fault::invalid(
                "Action does not support synchronous execution.",
            ));
        }
        app.defer_action(&call, now).await?;
        return created(&app, &request, &call.id).await;
    };
    if save {
        app.keep_action(&call, &standing).await?;
        return created(&app, &request, &call.id).await;
    }
    Ok((StatusCode::CREATED, Json(unkept(&call, &outcome))))
}

async fn created(
    app: &App,
    request: &Request,
    id: &ActionExecutionId,
) -> Result<(StatusCode, Json<JsonValue>), Fault> {
    let record = app.action(&request.caller, id.as_str()).await?;
    Ok((StatusCode::CREATED, Json(row::action(&record).into())))
}

/// The answer with an action of which nothing is kept.
fn unkept(call: &Call, outcome: &ActionOutcome) -> JsonValue {
    let (state, value) = match outcome {
        ActionOutcome::Success(value) => (Status::Success, value),
        ActionOutcome::Error(error) => (Status::Error, &error.value),
        ActionOutcome::Deferred => (Status::Running, &Value::Null),
    };
    let input = Value::from(Arc::new(call.input.clone()));
    json!({
        "id": null,
        "workflow_name": null,
        "workflow_namespace": call.namespace,
        "task_execution_id": null,
        "state": state.as_str(),
        "state_info": null,
        "tags": null,
        "name": call.name,
        "description": call.description,
        "project_id": null,
        "accepted": null,
        "input": JsonValue::from(&input).to_string(),
        "output": json!({ "result": JsonValue::from(value) }).to_string(),
        "created_at": null,
        "updated_at": null,
    })
}

/// The call that a caller wants.
async fn call(
    app: &App,
    request: &Request,
    given: &Given,
    timeout: Option<&JsonValue>,
) -> Result<Call, Fault> {
    let name = given
        .text("name")
        .ok_or_else(|| Fault::invalid("Please provide at least action name to run action."))?;
    let namespace = given.text("workflow_namespace").unwrap_or_default();
    let library = app.catalogue.library(&request.caller).await?;
    let mut input = map(given.object("input").cloned().unwrap_or_default());
    if let Some(action) = library.definitions().action_in(namespace, name) {
        let parameters = action.input.iter();
        let parameters: Vec<(&str, bool)> = parameters
            .map(|input| (&*input.name, input.default.is_none()))
            .collect();
        let class = ", class=mistral.actions.adhoc.AdHocAction";
        fits(name, class, &parameters, &input)?;
        for parameter in &action.input {
            if let (Some(default), false) =
                (&parameter.default, input.contains_key(&parameter.name))
            {
                input.insert(Arc::clone(&parameter.name), default.written());
            }
        }
    } else {
        let action = app.catalogue.actions().get(name);
        let action = action
            .ok_or_else(|| Fault::invalid(format!("Failed to find action [action_name={name}]")))?;
        let parameters = action.parameters.iter();
        let parameters: Vec<(&str, bool)> = parameters
            .map(|parameter| (&*parameter.name, parameter.default.is_none()))
            .collect();
        fits(name, "", &parameters, &input)?;
    }
    let id = ActionExecutionId::new(uuid::Uuid::now_v7().to_string());
    request::has_made(id.as_str());
    Ok(Call {
        id,
        name: name.to_owned(),
        namespace: namespace.to_owned(),
        input,
        project: request.caller.project.clone(),
        description: given.text("description").map(str::to_owned),
        timeout: seconds(timeout)?,
        runner: Arc::clone(library.runner()),
        acts: request.acts(),
        request: request::current(),
    })
}

fn fits(name: &str, class: &str, parameters: &[(&str, bool)], input: &Map) -> Result<(), Fault> {
    let missing = parameters
        .iter()
        .filter(|(name, required)| *required && !input.contains_key(*name))
        .map(|(name, _)| *name);
    let known = |name: &str| parameters.iter().any(|(known, _)| *known == name);
    let unexpected = input.keys().map(|name| &**name).filter(|name| !known(name));
    let lists: [(&str, Vec<&str>); 2] = [
        ("missing", missing.collect()),
        ("unexpected", unexpected.collect()),
    ];
    let wrong = lists.iter().filter(|(_, names)| !names.is_empty());
    let wrong: Vec<String> = wrong
        .map(|(what, names)| format!(", {what}={}", python(&json!(names))))
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Fault::invalid(format!(
        "Invalid input [name={name}{class}{}]",
        wrong.concat()
    )))
}

fn seconds(timeout: Option<&JsonValue>) -> Result<Option<Duration>, Fault> {
    let timeout = match timeout {
        None | Some(JsonValue::Null) => return Ok(None),
        Some(timeout) => timeout.as_f64(),
    };
    let timeout = timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let timeout = timeout
        .ok_or_else(|| Fault::invalid("The parameter timeout is a number of seconds, from 0"))?;
    Ok((!timeout.is_zero()).then_some(timeout))
}

/// Whether Python takes a value for yes.
fn is_truthy(value: &JsonValue) -> bool {
    Value::from(value.clone()).is_truthy()
}

/// Says from outside how an action stands.
async fn change(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
    headers: HeaderMap,
    body: String,
) -> Result<Json<JsonValue>, Fault> {
    let given = SHAPE.read(&headers, &body)?;
    let state = match given.text("state") {
        Some("SUCCESS") => Status::Success,
        Some("ERROR") => Status::Error,
        Some("CANCELLED") => Status::Cancelled,
        Some("PAUSED") => Status::Paused,
        Some("RUNNING") => Status::Running,
        other => {
            let missing = if given.has("state") { "None" } else { "Unset" };
            return Err(Fault::invalid(format!(
                "Error. Expected one of \
                 ['SUCCESS', 'ERROR', 'CANCELLED', 'PAUSED', 'RUNNING'], actual: {}",
                other.unwrap_or(missing)
            )));
        }
    };
    let record = app.action(&request.caller, &id).await?;
    let id = &record.row.id;
    if record.row.state.is_completed() {
        return Err(ended_already(id));
    }
    let outcome = match state {
        Status::Success => Some(ActionOutcome::Success(output(&given))),
        Status::Error => Some(ActionOutcome::Error(error(&given))),
        _ => None,
    };
    if record.row.execution_id.is_some() {
        match outcome {
            Some(outcome) => app.runtime.finish_action(id, outcome).await?,
            None => app.runtime.change_action(id, state).await?,
        }
    } else {
        let standing = match &outcome {
            Some(outcome) => Standing::of(outcome),
            None if state == Status::Cancelled => Some(Standing::cancelled()),
            None => None,
        };
        let standing = standing.unwrap_or_else(|| Standing::open(state));
        app.tell_action(id, standing).await?;
    }
    let record = app.action(&request.caller, id.as_str()).await?;
    Ok(Json(row::action(&record).into()))
}

/// A result from outside: nothing is null where somebody said so, and otherwise an empty object.
fn output(given: &Given) -> Value {
    match given.object("output") {
        Some(output) => JsonValue::Object(output.clone()).into(),
        None if given.has("output") => Value::Null,
        None => Value::empty_map(),
    }
}

fn error(given: &Given) -> ActionError {
    let value = match given.object("output").filter(|output| !output.is_empty()) {
        Some(output) => JsonValue::Object(output.clone()).into(),
        None => Value::from("Unknown error"),
    };
    ActionError {
        kind: ActionErrorKind::Action,
        message: match &value {
            Value::String(text) => text.to_string(),
            other => JsonValue::from(other).to_string(),
        },
        value,
    }
}

/// As Mistral has it unless it is told otherwise.
async fn delete() -> Fault {
    Fault::forbidden("Action execution deletion is not allowed.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_looked_for_as_its_result() {
        assert_eq!(result_of(r#"{"result": {"a": 1}}"#), r#"{"a":1}"#);
        assert_eq!(result_of(r#"{"other": 1}"#), r#"{"other": 1}"#);
    }
}
