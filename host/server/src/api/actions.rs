//! `/v2/actions`: those that a project has defined, and those that are there.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::definitions::{NEW, Posted, Sort, namespace};
use super::kept::listed;
use super::routes::Routes;
use crate::actions::SystemAction;
use crate::app::{App, Request};
use crate::catalogue::definition::{Definition, Kind};
use crate::catalogue::{Edits, Owned as _, Tables};
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
    unfiltered: &["namespace"],
    options: &["namespace"],
};

const SORT: Sort = Sort {
    kind: Kind::Action,
    plural: ACTIONS.plural,
    all,
    unknown,
};

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/actions", "actions:list", list)
        .about("List actions")
        .lists(&ACTIONS)
        .post("/actions", "actions:create", create)
        .about("Define ad-hoc actions")
        .takes_definitions()
        .options(NEW)
        .put("/actions", "actions:update", update)
        .about("Define ad-hoc actions anew")
        .takes_definitions()
        .options(NEW)
        .post("/actions/validate", None, validate)
        .about("Tell what is wrong with ad-hoc actions")
        .takes_definitions()
        .get("/actions/{identifier}", "actions:get", one)
        .about("Show an action")
        .gives(&ACTIONS)
        .options(&["namespace", "fields"])
        .put("/actions/{identifier}", "actions:update", update_one)
        .about("Define an ad-hoc action anew")
        .takes_definitions()
        .options(NEW)
        .delete("/actions/{identifier}", "actions:delete", delete)
        .about("Delete an ad-hoc action")
        .gives_nothing()
        .options(&["namespace"])
        // Mistral's client writes the namespace so.
        .get("/actions/{identifier}/{namespace}", "actions:get", one_in)
        .about("Show an action of a namespace")
        .gives(&ACTIONS)
        .delete(
            "/actions/{identifier}/{namespace}",
            "actions:delete",
            delete_in,
        )
        .about("Delete an ad-hoc action of a namespace")
        .gives_nothing()
}

/// A list is of one namespace, the default one if none is named.
async fn list(State(app): State<App>, request: Request) -> Result<Json<Value>, Fault> {
    let kept = app.catalogue.kept();
    let namespace = namespace(&request);
    let there = if namespace.is_empty() {
        app.catalogue.actions().all()
    } else {
        Vec::new()
    };
    let unknown = |id: &str| Fault::not_found(format!("Action not found [id={id}]"));
    let of = |one: &Definition| one.kind == Kind::Action && one.namespace == namespace;
    let there = there.iter().map(row);
    listed(&kept.definitions, &request, &ACTIONS, of, there, unknown)
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
    Ok(SORT.put(StatusCode::OK, &[updated]))
}

async fn delete(
    State(app): State<App>,
    Path(identifier): Path<String>,
    request: Request,
) -> Result<StatusCode, Fault> {
    request.query.only(&["namespace"])?;
    let named = (identifier.as_str(), namespace(&request));
    SORT.delete(&app, &request.caller, named, |_, _, _| Ok(()))
        .await
}

async fn delete_in(
    State(app): State<App>,
    Path((identifier, namespace)): Path<(String, String)>,
    request: Request,
) -> Result<StatusCode, Fault> {
    request.query.only(&[])?;
    let named = (identifier.as_str(), namespace.as_str());
    SORT.delete(&app, &request.caller, named, |_, _, _| Ok(()))
        .await
}

async fn validate(State(app): State<App>, request: Request, text: String) -> Response {
    SORT.validate(&app, &request, &text).await
}

fn unknown(name: &str, namespace: &str) -> Fault {
    Fault::not_found(format!(
        "Action definition not found [action_name={name}, namespace={namespace}]"
    ))
}

/// All actions of a text; each is shown with the whole of it, as in Mistral.
fn all(text: &Posted<'_>, _: &Tables, _: &mut Edits) -> Vec<Definition> {
    let actions = text.parsed.actions.iter();
    actions
        .map(|one| Definition::action(one, text.text.to_owned(), text.place))
        .collect()
}

/// The row of an action that no project has defined, as Mistral gives it.
fn row(action: &SystemAction) -> Map<String, Value> {
    let row = json!({
        "id": &*action.name,
        "name": &*action.name,
        "namespace": "",
        "input": action.input(),
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
