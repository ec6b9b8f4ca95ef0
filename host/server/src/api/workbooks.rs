//! `/v2/workbooks`.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use ostro_lang::{Parsed, Workbook};
use serde_json::Value;

use super::definitions::{duplicate, namespace, place, read_checked, sent, validated};
use crate::app::{App, Request};
use crate::catalogue::definition::{Definition, Kind, Place, Text, cut};
use crate::catalogue::{Edits, Tables};
use crate::fault::{Fault, TextFault};
use crate::identity::Caller;
use crate::query::{self, Resource};

const WORKBOOKS: Resource = Resource {
    plural: "workbooks",
    fields: &[
        "id",
        "name",
        "namespace",
        "definition",
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
        "definition",
        "tags",
        "scope",
        "project_id",
        "created_at",
        "updated_at",
    ],
    options: &[],
};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/workbooks", get(list).post(create).put(update))
        .route("/workbooks/validate", post(validate))
        .route("/workbooks/{name}", get(one).delete(delete))
}

async fn list(State(app): State<App>, request: Request) -> Result<Json<Value>, Fault> {
    let listing = request.query.listing(&WORKBOOKS)?;
    let kept = app.catalogue.kept();
    let workbooks = kept
        .definitions
        .seen(&request.caller)
        .filter(|one| one.kind == Kind::Workbook);
    let page = listing.page(workbooks.map(|one| one.row()), |id| {
        Fault::not_found(format!("Workbook not found [id={id}]"))
    })?;
    Ok(Json(listing.answer(&WORKBOOKS, &request.url, page)))
}

async fn one(
    State(app): State<App>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Json<Value>, Fault> {
    request.query.only(&["namespace", "fields"])?;
    let fields = request.query.fields(&WORKBOOKS)?;
    let kept = app.catalogue.kept();
    let namespace = namespace(&request);
    let found = kept.find(&request.caller, Kind::Workbook, &name, namespace);
    let found = found.ok_or_else(|| unknown(&name, namespace))?;
    Ok(Json(query::show(&fields, found.row()).into()))
}

/// Puts a workbook there, and all that is in it.
async fn create(
    State(app): State<App>,
    request: Request,
    text: String,
) -> Result<Response, TextFault> {
    let place = place(&app, &request)?;
    let parsed = read_checked(&app, &request, &text)?;
    let workbook = the_one(&parsed)?;
    let created = app.catalogue.change(|kept, edits| {
        let one = Definition::workbook(workbook, &text, place);
        if kept
            .own(&request.caller, Kind::Workbook, &one.name, &one.namespace)
            .is_some()
        {
            return Err(duplicate(&one));
        }
        edits.put(one.clone());
        parts(kept, &request.caller, workbook, &text, place, edits);
        Ok(one)
    });
    Ok(sent(StatusCode::CREATED, &created.await?.new_row().into()))
}

/// Puts a workbook in the place of the one of its name. What was in that one and is not in this
/// stays, as in Mistral.
async fn update(
    State(app): State<App>,
    request: Request,
    text: String,
) -> Result<Response, TextFault> {
    let place = place(&app, &request)?;
    let parsed = read_checked(&app, &request, &text)?;
    let workbook = the_one(&parsed)?;
    let updated = app.catalogue.change(|kept, edits| {
        let before = kept.own(
            &request.caller,
            Kind::Workbook,
            &workbook.name,
            place.namespace,
        );
        let before = before.ok_or_else(|| unknown(&workbook.name, place.namespace))?;
        let one = Definition::workbook(workbook, &text, place).instead_of(before, place.now);
        edits.put(one.clone());
        parts(kept, &request.caller, workbook, &text, place, edits);
        Ok(one)
    });
    Ok(sent(StatusCode::OK, &updated.await?.new_row().into()))
}

/// Takes a workbook away. What was in it stays, as in Mistral.
async fn delete(
    State(app): State<App>,
    Path(name): Path<String>,
    request: Request,
) -> Result<StatusCode, Fault> {
    request.query.only(&["namespace"])?;
    let namespace = namespace(&request);
    let deleted = app.catalogue.change(|kept, edits| {
        let found = kept.own(&request.caller, Kind::Workbook, &name, namespace);
        let found = found.ok_or_else(|| {
            Fault::not_found(format!(
                "Workbook not found [workbook_name={name}, namespace={namespace}]"
            ))
        })?;
        edits.drop::<Definition>(&found.id);
        Ok(())
    });
    deleted.await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn validate(State(app): State<App>, request: Request, text: String) -> Response {
    validated(read_checked(&app, &request, &text).and_then(|parsed| {
        the_one(&parsed)?;
        Ok(parsed)
    }))
}

fn the_one(parsed: &Parsed) -> Result<&Workbook, Fault> {
    let workbook = parsed.workbooks.first();
    workbook
        .map(|one| &**one)
        .ok_or_else(|| Fault::invalid("Invalid DSL: 'name' is a required property of a workbook"))
}

fn unknown(name: &str, namespace: &str) -> Fault {
    Fault::not_found(format!(
        "Workbook not found [name={name}, namespace={namespace}]"
    ))
}

/// Puts what is in a workbook in the place of what has its names.
fn parts(
    kept: &Tables,
    caller: &Caller,
    workbook: &Workbook,
    text: &str,
    place: Place<'_>,
    edits: &mut Edits,
) {
    let source = Text::new(text);
    let shown = |location| cut(text, location).unwrap_or_else(|| text.to_owned());
    let actions = workbook
        .actions
        .iter()
        .map(|one| Definition::action(one, shown(&one.location), place));
    let workflows = workbook
        .workflows
        .iter()
        .map(|one| Definition::workflow(one, shown(&one.location), place));
    for part in actions.chain(workflows) {
        let part = match kept.own(caller, part.kind, &part.name, &part.namespace) {
            Some(before) => part.instead_of(before, place.now),
            None => part,
        };
        edits.put(Definition {
            source: Some(source.id.clone()),
            ..part
        });
    }
    edits.put(source);
}
