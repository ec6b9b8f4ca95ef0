//! `/v2/workflows`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use super::definitions::{NEW, Posted, Sort, namespace, sent};
use super::kept::listed;
use super::members;
use super::routes::Routes;
use crate::app::{App, Request};
use crate::catalogue::definition::{self, Definition, Kind, unknown_workflow};
use crate::catalogue::{Edits, Owned as _, Tables};
use crate::fault::{Fault, TextFault};
use crate::query::{self, Resource};

const WORKFLOWS: Resource = Resource {
    plural: "workflows",
    fields: &[
        "id",
        "name",
        "namespace",
        "input",
        "interface",
        "definition",
        "checksum",
        "tags",
        "scope",
        "project_id",
        "created_at",
        "updated_at",
    ],
    unfiltered: &["interface", "checksum"],
    options: &["all_projects"],
};

const SORT: Sort = Sort {
    kind: Kind::Workflow,
    plural: WORKFLOWS.plural,
    all,
    unknown: unknown_workflow,
};

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/workflows", "workflows:list", list)
        .about("List workflows")
        .lists(&WORKFLOWS)
        .post("/workflows", "workflows:create", create)
        .about("Define workflows")
        .takes_definitions()
        .options(NEW)
        .put("/workflows", "workflows:update", update)
        .about("Define workflows anew")
        .takes_definitions()
        .options(NEW)
        .post("/workflows/validate", None, validate)
        .about("Tell what is wrong with workflows")
        .takes_definitions()
        .get("/workflows/{identifier}", "workflows:get", one)
        .about("Show a workflow")
        .gives(&WORKFLOWS)
        .options(&["namespace", "fields"])
        .put("/workflows/{identifier}", "workflows:update", update_one)
        .about("Define a workflow anew")
        .takes_definitions()
        .options(NEW)
        .delete("/workflows/{identifier}", "workflows:delete", delete)
        .about("Delete a workflow")
        .gives_nothing()
        .options(&["namespace"])
}

async fn list(State(app): State<App>, request: Request) -> Result<Json<Value>, Fault> {
    let kept = app.catalogue.kept();
    let unknown = |id: &str| Fault::not_found(format!("Workflow not found [workflow_id={id}]"));
    let of = |one: &Definition| one.kind == Kind::Workflow;
    listed(&kept.definitions, &request, &WORKFLOWS, of, [], unknown)
}

async fn one(
    State(app): State<App>,
    Path(identifier): Path<String>,
    request: Request,
) -> Result<Json<Value>, Fault> {
    request.query.only(&["namespace", "fields"])?;
    let fields = request.query.fields(&WORKFLOWS)?;
    let kept = app.catalogue.kept();
    let found = kept.workflow(&request.caller, &identifier, namespace(&request))?;
    Ok(Json(query::show(&fields, found.row()).into()))
}

async fn create(
    State(app): State<App>,
    request: Request,
    text: String,
) -> Result<Response, TextFault> {
    let created = SORT.create(&app, &request, &text).await?;
    Ok(SORT.put(StatusCode::CREATED, &created))
}

async fn update(
    State(app): State<App>,
    request: Request,
    text: String,
) -> Result<Response, TextFault> {
    let updated = SORT.update(&app, &request, &text).await?;
    Ok(SORT.put(StatusCode::OK, &updated))
}

async fn update_one(
    State(app): State<App>,
    Path(identifier): Path<String>,
    request: Request,
    text: String,
) -> Result<Response, TextFault> {
    let updated = SORT.replace(&app, &request, &identifier, &text).await?;
    Ok(sent(StatusCode::OK, &updated.new_row().into()))
}

async fn delete(
    State(app): State<App>,
    Path(identifier): Path<String>,
    request: Request,
) -> Result<StatusCode, Fault> {
    request.query.only(&["namespace"])?;
    let named = (identifier.as_str(), namespace(&request));
    let deleted = SORT.delete(&app, &request.caller, named, |kept, found, edits| {
        let triggers = kept.cron_triggers.all();
        let triggers: Vec<&str> = triggers
            .filter(|trigger| trigger.workflow_id == found.id)
            .map(|trigger| trigger.id.as_str())
            .collect();
        if !triggers.is_empty() {
            return Err(Fault::invalid(format!(
                "Can't delete workflow that has cron triggers associated. \
                 [workflow_identifier={identifier}, namespace={}], [cron_trigger_id(s)={}]",
                named.1,
                triggers.join(", ")
            )));
        }
        let triggers = kept.event_triggers.all();
        let triggers: Vec<&str> = triggers
            .filter(|trigger| trigger.workflow_id == found.id)
            .map(|trigger| trigger.id.as_str())
            .collect();
        if !triggers.is_empty() {
            return Err(Fault::invalid(format!(
                "Can't delete workflow that has event triggers associated. \
                 [workflow_identifier={identifier}], [event_trigger_id(s)={}]",
                triggers.join(", ")
            )));
        }
        members::drop_all(kept, found, edits);
        Ok(())
    });
    deleted.await
}

async fn validate(State(app): State<App>, request: Request, text: String) -> Response {
    SORT.validate(&app, &request, &text).await
}

/// All workflows of a text. One that stands alone is shown as it was sent, and so is one of several
/// that cannot be shown by itself.
fn all(text: &Posted<'_>, _: &Tables, edits: &mut Edits) -> Vec<Definition> {
    let whole = || text.text.to_owned();
    if let [one] = text.parsed.workflows.as_slice() {
        return vec![Definition::workflow(one, whole(), text.place)];
    }
    let workflows = text.parsed.workflows.iter().zip(&text.alone);
    let all = workflows.map(|(one, alone)| {
        if let Some(shown) = alone {
            return Definition::workflow(one, shown.clone(), text.place);
        }
        let source = definition::Text::new(text.text);
        let id = source.id.clone();
        edits.put(source);
        Definition {
            source: Some(id),
            ..Definition::workflow(one, whole(), text.place)
        }
    });
    all.collect()
}
