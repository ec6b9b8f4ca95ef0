//! `/v2/workflows`.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use ostro_lang::Parsed;
use serde_json::{Value, json};

use super::definitions::{all_projects, duplicate, namespace, place, put, read_checked, validated};
use crate::app::{App, Request};
use crate::catalogue::definition::{Definition, Kind, Place, Text, alone};
use crate::catalogue::{Edits, Tables};
use crate::fault::{Fault, TextFault};
use crate::identity::Caller;
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
    filters: &[
        "id",
        "name",
        "namespace",
        "input",
        "definition",
        "tags",
        "scope",
        "project_id",
        "created_at",
        "updated_at",
    ],
    options: &["all_projects"],
};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/workflows", get(list).post(create).put(update))
        .route("/workflows/validate", post(validate))
        .route(
            "/workflows/{identifier}",
            get(one).put(update_one).delete(delete),
        )
        .route(
            "/workflows/{identifier}/members",
            get(members).post(members).put(members).delete(members),
        )
        .route(
            "/workflows/{identifier}/members/{member}",
            get(members).post(members).put(members).delete(members),
        )
}

async fn list(State(app): State<App>, request: Request) -> Result<Json<Value>, Fault> {
    let listing = request.query.listing(&WORKFLOWS)?;
    let of_all = all_projects(&request)?;
    let kept = app.catalogue.kept();
    let workflows = kept.definitions.all().filter(|one| {
        one.kind == Kind::Workflow && (of_all || request.caller.sees(&one.project, one.scope))
    });
    let page = listing.page(workflows.map(|one| one.row()), |id| {
        Fault::not_found(format!("Workflow not found [workflow_id={id}]"))
    })?;
    Ok(Json(listing.answer(&WORKFLOWS, &request.url, page)))
}

async fn one(
    State(app): State<App>,
    Path(identifier): Path<String>,
    request: Request,
) -> Result<Json<Value>, Fault> {
    request.query.only(&["namespace", "fields"])?;
    let fields = request.query.fields(&WORKFLOWS)?;
    let kept = app.catalogue.kept();
    let found = find(&kept, &request.caller, &identifier, namespace(&request))?;
    Ok(Json(query::show(&fields, found.row()).into()))
}

/// Puts all workflows of a text there, or none.
async fn create(
    State(app): State<App>,
    request: Request,
    text: String,
) -> Result<Response, TextFault> {
    let place = place(&app, &request)?;
    let parsed = read_checked(&app, &request, &text)?;
    let created = app.catalogue.change(|kept, edits| {
        let all = all(&parsed, &text, place, edits)?;
        for one in &all {
            if kept
                .own(&request.caller, Kind::Workflow, &one.name, &one.namespace)
                .is_some()
            {
                return Err(duplicate(one));
            }
            edits.put(one.clone());
        }
        Ok(all)
    });
    Ok(put(StatusCode::CREATED, WORKFLOWS.plural, &created.await?))
}

/// Puts all workflows of a text in the place of those of their names, or none.
async fn update(
    State(app): State<App>,
    request: Request,
    text: String,
) -> Result<Response, TextFault> {
    let place = place(&app, &request)?;
    let parsed = read_checked(&app, &request, &text)?;
    let updated = app.catalogue.change(|kept, edits| {
        let mut updated = Vec::new();
        for one in all(&parsed, &text, place, edits)? {
            let before = kept.own(&request.caller, Kind::Workflow, &one.name, &one.namespace);
            let before = before.ok_or_else(|| unknown(&one.name, &one.namespace))?;
            let one = one.instead_of(before, place.now);
            edits.put(one.clone());
            updated.push(one);
        }
        Ok(updated)
    });
    Ok(put(StatusCode::OK, WORKFLOWS.plural, &updated.await?))
}

/// Puts the one workflow of a text in the place of another one, whatever its name was.
async fn update_one(
    State(app): State<App>,
    Path(identifier): Path<String>,
    request: Request,
    text: String,
) -> Result<Response, TextFault> {
    let place = place(&app, &request)?;
    let parsed = read_checked(&app, &request, &text)?;
    let updated = app.catalogue.change(|kept, edits| {
        let before = find(kept, &request.caller, &identifier, place.namespace)?;
        own(before, &request.caller)?;
        let mut all = all(&parsed, &text, place, edits)?;
        if all.len() > 1 {
            return Err(Fault::invalid(format!(
                "More than one workflows are not supported for update with identifier. \
                 [identifier: {identifier}]"
            )));
        }
        let one = all.remove(0);
        let taken = kept.own(
            &request.caller,
            Kind::Workflow,
            &one.name,
            &before.namespace,
        );
        if taken.is_some_and(|other| other.id != before.id) {
            return Err(duplicate(&one));
        }
        let namespace = before.namespace.clone();
        let one = Definition {
            namespace,
            ..one.instead_of(before, place.now)
        };
        edits.put(one.clone());
        Ok(one)
    });
    let row = updated.await?.new_row();
    Ok(super::definitions::sent(StatusCode::OK, &row.into()))
}

async fn delete(
    State(app): State<App>,
    Path(identifier): Path<String>,
    request: Request,
) -> Result<StatusCode, Fault> {
    request.query.only(&["namespace"])?;
    let deleted = app.catalogue.change(|kept, edits| {
        let found = find(kept, &request.caller, &identifier, namespace(&request))?;
        own(found, &request.caller)?;
        let triggers = kept.cron_triggers.all();
        let triggers: Vec<&str> = triggers
            .filter(|trigger| trigger.workflow_id == found.id)
            .map(|trigger| trigger.id.as_str())
            .collect();
        if !triggers.is_empty() {
            return Err(Fault::invalid(format!(
                "Can't delete workflow that has cron triggers associated. \
                 [workflow_identifier={identifier}, namespace={}], [cron_trigger_id(s)={}]",
                namespace(&request),
                triggers.join(", ")
            )));
        }
        edits.drop::<Definition>(&found.id);
        Ok(())
    });
    deleted.await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn validate(State(app): State<App>, request: Request, text: String) -> Response {
    validated(read_checked(&app, &request, &text).and_then(some))
}

/// Members need somebody to tell projects apart.
async fn members() -> (StatusCode, Json<Value>) {
    let reason = "Resource sharing feature can only be supported with authentication enabled.";
    (
        StatusCode::BAD_REQUEST,
        Json(json!({"faultstring": reason})),
    )
}

/// The workflow with this id, or else of this name in a namespace.
pub(super) fn find<'a>(
    kept: &'a Tables,
    caller: &'a Caller,
    identifier: &str,
    namespace: &str,
) -> Result<&'a Definition, Fault> {
    let by_id = kept
        .definitions
        .get(identifier)
        .filter(|one| one.kind == Kind::Workflow && caller.sees(&one.project, one.scope));
    by_id
        .map(|one| &**one)
        .or_else(|| kept.find(caller, Kind::Workflow, identifier, namespace))
        .ok_or_else(|| unknown(identifier, namespace))
}

fn unknown(identifier: &str, namespace: &str) -> Fault {
    Fault::not_found(format!(
        "Workflow not found [workflow_identifier={identifier}, namespace={namespace}]"
    ))
}

/// What others share is theirs to change.
fn own(one: &Definition, caller: &Caller) -> Result<(), Fault> {
    if one.project == caller.project {
        return Ok(());
    }
    Err(Fault::forbidden(format!(
        "Can not modify a resource of other projects: {}",
        one.name
    )))
}

fn some(parsed: Parsed) -> Result<Parsed, Fault> {
    if parsed.workflows.is_empty() {
        return Err(Fault::invalid("Invalid DSL: the text defines no workflow"));
    }
    Ok(parsed)
}

/// All workflows of a text. Where one cannot be shown by itself, the whole text is.
fn all(
    parsed: &Parsed,
    text: &str,
    place: Place<'_>,
    edits: &mut Edits,
) -> Result<Vec<Definition>, Fault> {
    let [one] = parsed.workflows.as_slice() else {
        if parsed.workflows.is_empty() {
            return Err(Fault::invalid("Invalid DSL: the text defines no workflow"));
        }
        let all = parsed.workflows.iter().map(|one| {
            if let Some(shown) = alone(text, one) {
                Definition::workflow(one, shown, place)
            } else {
                let source = Text::new(text);
                let id = source.id.clone();
                edits.put(source);
                Definition {
                    source: Some(id),
                    ..Definition::workflow(one, text.to_owned(), place)
                }
            }
        });
        return Ok(all.collect());
    };
    Ok(vec![Definition::workflow(one, text.to_owned(), place)])
}
