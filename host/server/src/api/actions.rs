//! `/v2/actions`: those that a project has defined, and those that are there.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use ostro_lang::Parsed;
use serde_json::{Map, Value, json};

use super::definitions::{duplicate, namespace, place, put, read_checked, validated};
use crate::actions::SystemAction;
use crate::app::{App, Request};
use crate::catalogue::definition::{Definition, Kind, Place};
use crate::fault::{Fault, TextFault};
use crate::query::Resource;

const ACTIONS: Resource = Resource {
    plural: "actions",
    fields: &[
        "id",
        "name",
        "namespace",
        "input",
        "description",
        "tags",
        "definition",
        "is_system",
        "scope",
        "project_id",
        "created_at",
        "updated_at",
    ],
    filters: &[
        "id",
        "name",
        "input",
        "description",
        "tags",
        "definition",
        "is_system",
        "scope",
        "project_id",
        "created_at",
        "updated_at",
    ],
    options: &["namespace"],
};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/actions", get(list).post(create).put(update))
        .route("/actions/validate", post(validate))
        .route(
            "/actions/{identifier}",
            get(one).put(update_one).delete(delete),
        )
        // Mistral's client writes the namespace so.
        .route(
            "/actions/{identifier}/{namespace}",
            get(one_in).delete(delete_in),
        )
}

async fn list(State(app): State<App>, request: Request) -> Result<Json<Value>, Fault> {
    let listing = request.query.listing(&ACTIONS)?;
    let kept = app.catalogue.kept();
    // A list is of one namespace, the default one if none is named.
    let namespace = namespace(&request);
    let defined = kept
        .definitions
        .seen(&request.caller)
        .filter(|one| one.kind == Kind::Action && one.namespace == namespace)
        .map(|one| one.row());
    let there = app.catalogue.actions().all();
    let there = there.iter().filter(|_| namespace.is_empty()).map(row);
    let page = listing.page(defined.chain(there), |id| {
        Fault::not_found(format!("Action not found [id={id}]"))
    })?;
    Ok(Json(listing.answer(&ACTIONS, &request.url, page)))
}

async fn one(
    State(app): State<App>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Json<Value>, Fault> {
    request.query.only(&["namespace"])?;
    shown(&app, &request, &name, namespace(&request))
}

async fn one_in(
    State(app): State<App>,
    Path((name, namespace)): Path<(String, String)>,
    request: Request,
) -> Result<Json<Value>, Fault> {
    request.query.only(&[])?;
    shown(&app, &request, &name, &namespace)
}

fn shown(app: &App, request: &Request, name: &str, namespace: &str) -> Result<Json<Value>, Fault> {
    let kept = app.catalogue.kept();
    // What a namespace has not is the default one's.
    let find = |namespace| kept.find(&request.caller, Kind::Action, name, namespace);
    let defined = find(namespace).or_else(|| find(""));
    let there = || app.catalogue.actions().get(name);
    let row = defined
        .map(Definition::row)
        .or_else(|| there().as_ref().map(row));
    let unknown = || {
        Fault::not_found(format!(
            "Action not found [name={name}, namespace={namespace}]"
        ))
    };
    row.map(|row| Json(row.into())).ok_or_else(unknown)
}

/// Puts all actions of a text there, or none.
async fn create(
    State(app): State<App>,
    request: Request,
    text: String,
) -> Result<Response, TextFault> {
    let place = place(&app, &request)?;
    let parsed = read_checked(&app, &request, &text)?;
    let created = app.catalogue.change(|kept, edits| {
        let all = all(&parsed, &text, place)?;
        for one in &all {
            if kept
                .own(&request.caller, Kind::Action, &one.name, &one.namespace)
                .is_some()
            {
                return Err(duplicate(one));
            }
            edits.put(one.clone());
        }
        Ok(all)
    });
    Ok(put(StatusCode::CREATED, ACTIONS.plural, &created.await?))
}

/// Puts all actions of a text in the place of those of their names, or none.
async fn update(
    State(app): State<App>,
    request: Request,
    text: String,
) -> Result<Response, TextFault> {
    let place = place(&app, &request)?;
    let parsed = read_checked(&app, &request, &text)?;
    let updated = app.catalogue.change(|kept, edits| {
        let mut updated = Vec::new();
        for one in all(&parsed, &text, place)? {
            let before = kept.own(&request.caller, Kind::Action, &one.name, &one.namespace);
            let before = before.ok_or_else(|| unknown(&one.name, &one.namespace))?;
            let one = one.instead_of(before, place.now);
            edits.put(one.clone());
            updated.push(one);
        }
        Ok(updated)
    });
    Ok(put(StatusCode::OK, ACTIONS.plural, &updated.await?))
}

/// Puts the one action of a text in the place of another one, whatever its name was.
async fn update_one(
    State(app): State<App>,
    Path(identifier): Path<String>,
    request: Request,
    text: String,
) -> Result<Response, TextFault> {
    let place = place(&app, &request)?;
    let parsed = read_checked(&app, &request, &text)?;
    let updated = app.catalogue.change(|kept, edits| {
        let mut all = all(&parsed, &text, place)?;
        if all.len() > 1 {
            return Err(Fault::invalid(format!(
                "More than one actions are not supported for update with identifier. \
                 [identifier: {identifier}]"
            )));
        }
        let one = all.remove(0);
        let by_id = kept.definitions.get(&identifier).map(|one| &**one);
        let before = by_id
            .filter(|before| {
                before.kind == Kind::Action && before.project == request.caller.project
            })
            .or_else(|| kept.own(&request.caller, Kind::Action, &identifier, place.namespace))
            .ok_or_else(|| unknown(&identifier, place.namespace))?;
        let taken = kept.own(&request.caller, Kind::Action, &one.name, &before.namespace);
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
    Ok(put(StatusCode::OK, ACTIONS.plural, &[updated.await?]))
}

async fn delete(
    State(app): State<App>,
    Path(identifier): Path<String>,
    request: Request,
) -> Result<StatusCode, Fault> {
    request.query.only(&["namespace"])?;
    remove(&app, &request, &identifier, namespace(&request)).await
}

async fn delete_in(
    State(app): State<App>,
    Path((identifier, namespace)): Path<(String, String)>,
    request: Request,
) -> Result<StatusCode, Fault> {
    request.query.only(&[])?;
    remove(&app, &request, &identifier, &namespace).await
}

async fn remove(
    app: &App,
    request: &Request,
    identifier: &str,
    namespace: &str,
) -> Result<StatusCode, Fault> {
    let deleted = app.catalogue.change(|kept, edits| {
        let by_id = kept.definitions.get(identifier).map(|one| &**one);
        let found = by_id
            .filter(|one| one.kind == Kind::Action && one.project == request.caller.project)
            .or_else(|| kept.own(&request.caller, Kind::Action, identifier, namespace));
        let found = found.ok_or_else(|| unknown(identifier, namespace))?;
        edits.drop::<Definition>(&found.id);
        Ok(())
    });
    deleted.await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn validate(State(app): State<App>, request: Request, text: String) -> Response {
    validated(read_checked(&app, &request, &text).and_then(|parsed| {
        some(&parsed)?;
        Ok(parsed)
    }))
}

fn unknown(name: &str, namespace: &str) -> Fault {
    Fault::not_found(format!(
        "Action definition not found [action_name={name}, namespace={namespace}]"
    ))
}

fn some(parsed: &Parsed) -> Result<(), Fault> {
    if parsed.actions.is_empty() {
        return Err(Fault::invalid("Invalid DSL: the text defines no action"));
    }
    Ok(())
}

/// All actions of a text; each is shown with the whole of it, as in Mistral.
fn all(parsed: &Parsed, text: &str, place: Place<'_>) -> Result<Vec<Definition>, Fault> {
    some(parsed)?;
    let actions = parsed.actions.iter();
    Ok(actions
        .map(|one| Definition::action(one, text.to_owned(), place))
        .collect())
}

/// The row of an action that no project has defined, as Mistral gives it.
fn row(action: &SystemAction) -> Map<String, Value> {
    let row = json!({
        "id": &*action.name,
        "name": &*action.name,
        "namespace": "",
        "input": action.input,
        "description": action.description,
        "tags": null,
        "definition": "",
        "is_system": false,
        "scope": null,
        "project_id": null,
        "created_at": "",
        "updated_at": "",
    });
    match row {
        Value::Object(row) => row,
        _ => Map::new(),
    }
}
