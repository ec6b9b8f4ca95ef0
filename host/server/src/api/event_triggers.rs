//! `/v2/event_triggers`: executions that are started by what other services notify.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use ostro_lang::{bind_input, invalid_input};
use serde_json::Value;
use uuid::Uuid;

use super::given::{Given, Shape};
use super::kept::{listed, of_others, scope_attribute};
use super::routes::Routes;
use crate::app::{App, Request};
use crate::catalogue::definition::{Definition, Kind};
use crate::catalogue::event_trigger::{EventTrigger, Source};
use crate::catalogue::{Owned as _, Tables};
use crate::events::MAX_SOURCES;
use crate::fault::Fault;
use crate::identity::Caller;
use crate::query::{self, Resource};
use crate::start::{Object, map};

const TRIGGERS: Resource = Resource {
    plural: "event_triggers",
    fields: &[
        "id",
        "created_at",
        "updated_at",
        "project_id",
        "name",
        "workflow_id",
        "workflow_input",
        "workflow_params",
        "exchange",
        "topic",
        "event",
        "scope",
    ],
    unfiltered: &["id"],
    options: &["all_projects"],
};

const SHAPE: Shape = Shape {
    argument: "event_trigger",
    texts: &["name", "workflow_id", "exchange", "topic", "event", "scope"],
    objects: &["workflow_input", "workflow_params"],
    truths: &[],
    ignored: &[],
    read_only: &["id", "created_at", "updated_at", "project_id"],
};

/// How long the names of an exchange, a topic and an event may be, in bytes. In Mistral it is 80
/// characters, and brokers take 255 bytes of a topic with its priority.
const MAX_NAME: usize = 200;

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/event_triggers", "event_triggers:list", list)
        .about("List event triggers")
        .lists(&TRIGGERS)
        .post("/event_triggers", "event_triggers:create", create)
        .about("Set up an event trigger")
        .takes(&SHAPE)
        .gives(&TRIGGERS)
        .get("/event_triggers/{id}", "event_triggers:get", one)
        .about("Show an event trigger")
        .gives(&TRIGGERS)
        .put("/event_triggers/{id}", "event_triggers:update", update)
        .about("Change an event trigger")
        .takes(&SHAPE)
        .gives(&TRIGGERS)
        .delete("/event_triggers/{id}", "event_triggers:delete", delete)
        .about("Delete an event trigger")
        .gives_nothing()
}

async fn list(State(app): State<App>, request: Request) -> Result<Json<Value>, Fault> {
    let kept = app.catalogue.kept();
    let table = &kept.event_triggers;
    listed(table, &request, &TRIGGERS, |_| true, [], unknown)
}

async fn one(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<Value>, Fault> {
    request.query.only(&["fields"])?;
    let id = query::uuid("id", &id)?;
    let kept = app.catalogue.kept();
    let found = kept.event_triggers.with_id(&request.caller, id);
    let row = found.ok_or_else(|| unknown(id))?.row();
    Ok(Json(query::show(&request.query.field_names(), row).into()))
}

async fn create(
    State(app): State<App>,
    request: Request,
    headers: HeaderMap,
    body: String,
) -> Result<(StatusCode, Json<Value>), Fault> {
    request.query.only(&[])?;
    let given = SHAPE.read(&headers, &body)?;
    let workflow_id = workflow_id(&given)?;
    let needed = |name| needed(&given, name);
    let source = Source {
        exchange: needed("exchange")?,
        topic: needed("topic")?,
    };
    let event = needed("event")?;
    let workflow_id = workflow_id.ok_or_else(|| missing("workflow_id"))?;
    let scope = given.text("scope").unwrap_or("private");
    let scope = scope_attribute(&request, TRIGGERS.plural, scope)?;
    let caller = &request.caller;
    let trigger = EventTrigger {
        id: Uuid::new_v4().to_string(),
        name: name(&given).unwrap_or_default(),
        workflow_id,
        workflow_input: object(&given, "workflow_input"),
        workflow_params: object(&given, "workflow_params"),
        source,
        event,
        project: caller.project.clone(),
        scope,
        created_at: app.now(),
        updated_at: None,
    };
    let workflow = workflow(&app.catalogue.kept(), caller, &trigger.workflow_id)?.clone();
    check_input(&app, caller, &workflow, &trigger.workflow_input).await?;
    let _pin = app.delegating.trigger(&trigger.id, &request.acts()).await?;
    let created = app.catalogue.change(|kept, edits| {
        // It may have gone meanwhile.
        workflow_of(kept, caller, &trigger)?;
        check_room(kept, &trigger.source)?;
        let row = trigger.row();
        edits.put(trigger);
        Ok(row)
    });
    let row = created.await?;
    app.events.settle().await;
    Ok((StatusCode::CREATED, Json(row.into())))
}

async fn update(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
    headers: HeaderMap,
    body: String,
) -> Result<Json<Value>, Fault> {
    request.query.only(&[])?;
    let id = query::uuid("id", &id)?;
    let given = SHAPE.read(&headers, &body)?;
    let workflow_id = workflow_id(&given)?;
    let scope = given.text("scope");
    let scope = scope
        .map(|scope| scope_attribute(&request, TRIGGERS.plural, scope))
        .transpose()?;
    if ["exchange", "topic", "event"]
        .iter()
        .any(|name| given.text(name).is_some())
    {
        return Err(Fault::invalid(
            "Can not update fields ['exchange', 'topic', 'event'] of event trigger.",
        ));
    }
    let now = app.now();
    let caller = &request.caller;
    let updated = app.catalogue.change(|kept, edits| {
        let mut trigger = own(kept, caller, id)?.clone();
        trigger.updated_at = Some(now);
        if let Some(name) = name(&given) {
            trigger.name = name;
        }
        if given.has("workflow_input") {
            trigger.workflow_input = object(&given, "workflow_input");
        }
        if given.has("workflow_params") {
            trigger.workflow_params = object(&given, "workflow_params");
        }
        if let Some(scope) = scope {
            trigger.scope = scope;
        }
        if let Some(workflow_id) = workflow_id {
            trigger.workflow_id = workflow_id;
            workflow_of(kept, caller, &trigger)?;
        }
        let row = trigger.row();
        edits.put(trigger);
        Ok(row)
    });
    Ok(Json(updated.await?.into()))
}

async fn delete(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
) -> Result<StatusCode, Fault> {
    request.query.only(&[])?;
    let id = query::uuid("id", &id)?;
    let deleted = app.catalogue.change(|kept, edits| {
        let id = own(kept, &request.caller, id)?.id.clone();
        edits.drop::<EventTrigger>(&id);
        Ok(())
    });
    deleted.await?;
    app.delegating.doubt(id);
    app.events.settle().await;
    Ok(StatusCode::NO_CONTENT)
}

/// The trigger with this id, if it is the caller's to change.
fn own<'a>(kept: &'a Tables, caller: &Caller, id: &str) -> Result<&'a EventTrigger, Fault> {
    let found = kept.event_triggers.with_id(caller, id);
    let found = found.ok_or_else(|| unknown(id))?;
    if found.project != caller.project && !caller.is_admin {
        return Err(of_others(&found.name));
    }
    Ok(found)
}

fn unknown(id: &str) -> Fault {
    Fault::not_found(format!("Event trigger not found [id={id}]."))
}

/// The name that is given, which may be an empty one.
fn name(given: &Given) -> Option<String> {
    let name = given.value("name").and_then(Value::as_str);
    name.map(str::to_owned)
}

fn object(given: &Given, name: &str) -> Object {
    given.object(name).cloned().unwrap_or_default()
}

/// A text that there must be.
fn needed(given: &Given, name: &str) -> Result<String, Fault> {
    let text = given.text(name).ok_or_else(|| missing(name))?;
    if text.len() > MAX_NAME {
        return Err(Fault::invalid(format!(
            "{name} has {} bytes, and may have {MAX_NAME}",
            text.len()
        )));
    }
    Ok(text.to_owned())
}

fn missing(name: &str) -> Fault {
    Fault::invalid(format!(
        "Params {{'exchange', 'topic', 'event', 'workflow_id'}} must be provided \
         for creating event trigger: {name} is not there."
    ))
}

/// The id of a workflow, if one is given.
fn workflow_id(given: &Given) -> Result<Option<String>, Fault> {
    let Some(id) = given.text("workflow_id") else {
        return Ok(None);
    };
    if Uuid::try_parse(id).is_err() {
        return Err(Fault::invalid(format!(
            "Expected a uuid but received {id}."
        )));
    }
    Ok(Some(id.to_owned()))
}

fn workflow<'a>(kept: &'a Tables, caller: &Caller, id: &str) -> Result<&'a Definition, Fault> {
    let found = kept.definitions.with_id(caller, id);
    let found = found
        .filter(|one| one.kind == Kind::Workflow)
        .ok_or_else(|| Fault::not_found(format!("Workflow not found [workflow_id={id}]")))?;
    found.runs_for(caller)?;
    Ok(found)
}

/// The workflow that `trigger` starts has to be there, and no other trigger that starts it for the
/// same.
fn workflow_of(kept: &Tables, caller: &Caller, trigger: &EventTrigger) -> Result<(), Fault> {
    workflow(kept, caller, &trigger.workflow_id)?;
    if kept.event_triggers.all().any(|one| trigger.is_another(one)) {
        let Source { exchange, topic } = &trigger.source;
        return Err(Fault::conflict(format!(
            "Duplicate entry for EventTrigger ['exchange', 'topic', 'event', 'workflow_id', \
             'project_id']: {exchange}, {topic}, {}, {}, None",
            trigger.event, trigger.workflow_id
        )));
    }
    Ok(())
}

/// Each source is a queue of its own at the broker.
fn check_room(kept: &Tables, source: &Source) -> Result<(), Fault> {
    let sources = kept.sources();
    if sources.len() >= MAX_SOURCES && !sources.contains(source) {
        return Err(Fault::forbidden(format!(
            "There are event triggers for {MAX_SOURCES} pairs of an exchange and a topic, \
             which is as many as may be: take one of these, or delete triggers"
        )));
    }
    Ok(())
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
