//! `/v2/cron_triggers`: executions that are started at times.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use ostro_lang::{bind_input, invalid_input};
use serde_json::Value;

use super::given::{Given, Shape};
use super::kept::{listed, of_others, scope_attribute};
use super::routes::Routes;
use crate::app::{App, Request};
use crate::catalogue::cron_trigger::{CronTrigger, NEVER, Pattern};
use crate::catalogue::definition::Definition;
use crate::catalogue::{Owned as _, Tables};
use crate::fault::Fault;
use crate::identity::Caller;
use crate::query::{self, Resource};
use crate::start::{Object, map};

const TRIGGERS: Resource = Resource {
    plural: "cron_triggers",
    fields: &[
        "id",
        "name",
        "workflow_name",
        "workflow_id",
        "workflow_input",
        "workflow_params",
        "project_id",
        "scope",
        "pattern",
        "remaining_executions",
        "first_execution_time",
        "next_execution_time",
        "created_at",
        "updated_at",
    ],
    unfiltered: &["id"],
    options: &["all_projects"],
};

const SHAPE: Shape = Shape {
    argument: "cron_trigger",
    texts: &[
        "id",
        "name",
        "workflow_name",
        "workflow_id",
        "pattern",
        "first_execution_time",
        "scope",
    ],
    objects: &["workflow_input", "workflow_params"],
    truths: &[],
    ignored: &[
        "remaining_executions",
        "next_execution_time",
        "created_at",
        "updated_at",
    ],
    read_only: &["project_id"],
};

/// How far off the first time has to be at least, in milliseconds.
const AHEAD: i64 = 60_000;

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/cron_triggers", "cron_triggers:list", list)
        .about("List cron triggers")
        .lists(&TRIGGERS)
        .post("/cron_triggers", "cron_triggers:create", create)
        .about("Set up a cron trigger")
        .takes(&SHAPE)
        .gives(&TRIGGERS)
        .get("/cron_triggers/{identifier}", "cron_triggers:get", one)
        .about("Show a cron trigger")
        .gives(&TRIGGERS)
        .delete(
            "/cron_triggers/{identifier}",
            "cron_triggers:delete",
            delete,
        )
        .about("Delete a cron trigger")
        .gives_nothing()
}

async fn list(State(app): State<App>, request: Request) -> Result<Json<Value>, Fault> {
    let kept = app.catalogue.kept();
    let table = &kept.cron_triggers;
    listed(table, &request, &TRIGGERS, |_| true, [], unknown)
}

async fn one(
    State(app): State<App>,
    Path(identifier): Path<String>,
    request: Request,
) -> Result<Json<Value>, Fault> {
    request.query.only(&["fields"])?;
    let fields = request.query.fields(&TRIGGERS)?;
    let kept = app.catalogue.kept();
    let found = find(&kept, &request.caller, &identifier)?;
    Ok(Json(query::show(&fields, found.row()).into()))
}

async fn create(
    State(app): State<App>,
    request: Request,
    headers: HeaderMap,
    body: String,
) -> Result<(StatusCode, Json<Value>), Fault> {
    request.query.only(&[])?;
    let given = SHAPE.read(&headers, &body)?;
    let name = given.text("name").filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Fault::invalid("A cron trigger needs a name"))?;
    let scope = given.text("scope").unwrap_or("private");
    let scope = scope_attribute(&request, TRIGGERS.plural, scope)?;
    let times = Times::of(&given, app.now())?;
    let identifier = given
        .text("workflow_id")
        .or_else(|| given.text("workflow_name"));
    let identifier = identifier.unwrap_or("None");
    let input = given.object("workflow_input").cloned().unwrap_or_default();
    let workflow = {
        let kept = app.catalogue.kept();
        kept.workflow(&request.caller, identifier, "")?.clone()
    };
    check_input(&app, &request.caller, &workflow, &input).await?;
    let id = uuid::Uuid::new_v4().to_string();
    let _pin = app.delegating.trigger(&id, &request.acts()).await?;
    let created = app.catalogue.change(|kept, edits| {
        // It may have gone meanwhile.
        let workflow = kept.workflow(&request.caller, identifier, "")?;
        workflow.runs_for(&request.caller)?;
        if kept
            .cron_triggers
            .own(&request.caller, &name.to_owned())
            .is_some()
        {
            return Err(Fault::conflict(format!(
                "Duplicate entry for cron trigger ['name', 'project_id']: {name}, None"
            )));
        }
        let trigger = CronTrigger {
            id,
            name: name.to_owned(),
            pattern: times.pattern,
            workflow_id: workflow.id.clone(),
            workflow_name: workflow.name.clone(),
            workflow_input: input,
            workflow_params: given.object("workflow_params").cloned().unwrap_or_default(),
            remaining: times.remaining,
            first: times.first,
            next: times.next,
            project: request.caller.project.clone(),
            scope,
            created_at: app.now(),
            updated_at: None,
        };
        let mut row = trigger.row();
        row.shift_remove("updated_at");
        edits.put(trigger);
        Ok(row)
    });
    Ok((StatusCode::CREATED, Json(created.await?.into())))
}

async fn delete(
    State(app): State<App>,
    Path(identifier): Path<String>,
    request: Request,
) -> Result<StatusCode, Fault> {
    request.query.only(&[])?;
    let deleted = app.catalogue.change(|kept, edits| {
        let found = find(kept, &request.caller, &identifier)?;
        if found.project != request.caller.project && !request.caller.is_admin {
            return Err(of_others(&found.name));
        }
        edits.drop::<CronTrigger>(&found.id);
        Ok(found.id.clone())
    });
    app.delegating.doubt(&deleted.await?);
    Ok(StatusCode::NO_CONTENT)
}

/// The trigger with this id, or else of this name.
fn find<'a>(kept: &'a Tables, caller: &Caller, identifier: &str) -> Result<&'a CronTrigger, Fault> {
    let by_id = kept.cron_triggers.with_id(caller, identifier);
    by_id
        .or_else(|| kept.cron_triggers.find(caller, &identifier.to_owned()))
        .ok_or_else(|| unknown(identifier))
}

fn unknown(identifier: &str) -> Fault {
    Fault::not_found(format!("Cron trigger not found [identifier={identifier}]"))
}

/// The workflow has to take what it will get.
async fn check_input(
    app: &App,
    caller: &Caller,
    workflow: &Definition,
    input: &Object,
) -> Result<(), Fault> {
    let library = app.catalogue.library(caller).await?;
    let definitions = library.definitions();
    let Some(spec) = definitions.workflow_in(&workflow.namespace, &workflow.name) else {
        return Ok(());
    };
    bind_input(spec, &map(input.clone()))
        .map_err(|problems| Fault::invalid(invalid_input(spec, &problems)))?;
    Ok(())
}

/// When a trigger starts executions.
struct Times {
    pattern: String,
    first: Option<i64>,
    remaining: Option<u64>,
    next: i64,
}

impl Times {
    fn of(given: &Given, now: i64) -> Result<Self, Fault> {
        let pattern = given.text("pattern").filter(|pattern| !pattern.is_empty());
        let first = given.text("first_execution_time").map(minute).transpose()?;
        let remaining = remaining(given)?;
        if first.is_some_and(|first| first < now + AHEAD) {
            return Err(Fault::invalid(
                "first_execution_time must be at least 1 minute in the future.",
            ));
        }
        let Some(text) = pattern else {
            let Some(first) = first else {
                return Err(Fault::invalid(
                    "Pattern or first_execution_time must be specified.",
                ));
            };
            if remaining.is_some_and(|remaining| remaining > 1) {
                return Err(Fault::invalid(
                    "Pattern must be provided if count is superior to 1.",
                ));
            }
            return Ok(Self {
                pattern: NEVER.to_owned(),
                first: Some(first),
                remaining: Some(1),
                next: first,
            });
        };
        let invalid = || Fault::invalid(format!("The specified pattern is not valid: {text}"));
        let pattern = Pattern::parse(text).ok_or_else(invalid)?;
        let next = pattern
            .next(now)
            .ok_or_else(|| Fault::invalid(format!("The specified pattern never comes: {text}")))?;
        Ok(Self {
            pattern: text.to_owned(),
            first,
            remaining,
            next: first.unwrap_or(next),
        })
    }
}

/// A time as Mistral's clients write it here, `2026-01-02 03:04`, UTC.
fn minute(text: &str) -> Result<i64, Fault> {
    let wrong = || {
        Fault::invalid(format!(
            "time data '{text}' does not match format '%Y-%m-%d %H:%M'"
        ))
    };
    let time = DateTime::strptime("%Y-%m-%d %H:%M", text).map_err(|_| wrong())?;
    let time = time.to_zoned(TimeZone::UTC).map_err(|_| wrong())?;
    Ok(time.timestamp().as_millisecond())
}

fn remaining(given: &Given) -> Result<Option<u64>, Fault> {
    let number = match given.value("remaining_executions") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.parse::<i64>().ok(),
        Some(value) => value.as_i64(),
    };
    match number.map(u64::try_from) {
        Some(Ok(count)) if count > 0 => Ok(Some(count)),
        Some(_) => Err(Fault::invalid(format!(
            "Invalid input for field/attribute remaining_executions. Value: '{}'. \
             Value should be greater or equal to 1",
            number.unwrap_or_default()
        ))),
        None => Err(Fault::invalid("remaining_executions is a number")),
    }
}
