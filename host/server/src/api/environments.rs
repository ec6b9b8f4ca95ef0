//! `/v2/environments`.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::definitions::not_permitted;
use crate::app::{App, Request};
use crate::catalogue::environment::Environment;
use crate::fault::Fault;
use crate::identity::Scope;
use crate::query::{self, Resource};

const ENVIRONMENTS: Resource = Resource {
    plural: "environments",
    fields: &[
        "id",
        "name",
        "description",
        "variables",
        "scope",
        "project_id",
        "created_at",
        "updated_at",
    ],
    filters: &[
        "name",
        "description",
        "variables",
        "scope",
        "project_id",
        "created_at",
        "updated_at",
    ],
    options: &[],
};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/environments", get(list).post(create).put(update))
        .route("/environments/{name}", get(one).delete(delete))
}

/// What a caller says of an environment. What they leave out stays as it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    name: Option<String>,
    #[serde(default, deserialize_with = "given")]
    description: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    variables: Option<Value>,
    scope: Option<Scope>,
}

/// Variables, or null in their place.
type Variables = Option<Map<String, Value>>;

/// What is given, null too.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

async fn list(State(app): State<App>, request: Request) -> Result<Json<Value>, Fault> {
    let listing = request.query.listing(&ENVIRONMENTS)?;
    let kept = app.catalogue.kept();
    let rows = kept.environments.seen(&request.caller).map(|one| one.row());
    let page = listing.page(rows, |id| unknown(id))?;
    Ok(Json(listing.answer(&ENVIRONMENTS, &request.url, page)))
}

async fn one(
    State(app): State<App>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Json<Value>, Fault> {
    request.query.only(&["fields", "export"])?;
    let fields = request.query.fields(&ENVIRONMENTS)?;
    let kept = app.catalogue.kept();
    let found = kept.environment(&request.caller, &name);
    let found = found.ok_or_else(|| unknown(&name))?;
    Ok(Json(query::show(&fields, found.row()).into()))
}

async fn create(
    State(app): State<App>,
    request: Request,
    body: String,
) -> Result<(StatusCode, Json<Value>), Fault> {
    let given = read(&body)?;
    let name = named(&given)?.to_owned();
    let says = given.description.is_some();
    let new = Environment {
        id: uuid::Uuid::new_v4().to_string(),
        name,
        description: given.description.flatten(),
        variables: variables(given.variables)?.unwrap_or(Some(Map::new())),
        project: request.caller.project.clone(),
        scope: scope(&request, given.scope)?.unwrap_or_default(),
        created_at: app.now(),
        updated_at: None,
    };
    let created = app.catalogue.change(|kept, edits| {
        if own(kept, &request, &new.name).is_some() {
            return Err(Fault::conflict(format!(
                "Duplicate entry for Environment ['name', 'project_id']: {}, None",
                new.name
            )));
        }
        let mut row = new.row();
        row.shift_remove("updated_at");
        if !says {
            row.shift_remove("description");
        }
        edits.put(new);
        Ok(row)
    });
    Ok((StatusCode::CREATED, Json(created.await?.into())))
}

async fn update(
    State(app): State<App>,
    request: Request,
    body: String,
) -> Result<Json<Value>, Fault> {
    let given = read(&body)?;
    let name = named(&given)?.to_owned();
    let variables = variables(given.variables)?;
    let scope = scope(&request, given.scope)?;
    let now = app.now();
    let updated = app.catalogue.change(|kept, edits| {
        let before = own(kept, &request, &name).ok_or_else(|| unknown(&name))?;
        let mut one = before.clone();
        one.updated_at = Some(now);
        if let Some(description) = given.description {
            one.description = description;
        }
        if let Some(variables) = variables {
            one.variables = variables;
        }
        if let Some(scope) = scope {
            one.scope = scope;
        }
        let row = one.row();
        edits.put(one);
        Ok(row)
    });
    Ok(Json(updated.await?.into()))
}

async fn delete(
    State(app): State<App>,
    Path(name): Path<String>,
    request: Request,
) -> Result<StatusCode, Fault> {
    request.query.only(&[])?;
    let deleted = app.catalogue.change(|kept, edits| {
        let found = own(kept, &request, &name).ok_or_else(|| unknown(&name))?;
        edits.drop::<Environment>(&found.id);
        Ok(())
    });
    deleted.await?;
    Ok(StatusCode::NO_CONTENT)
}

fn own<'a>(
    kept: &'a crate::catalogue::Tables,
    request: &Request,
    name: &str,
) -> Option<&'a Environment> {
    let mut all = kept.environments.all();
    all.find(|one| one.project == request.caller.project && one.name == name)
        .map(|one| &**one)
}

fn read(body: &str) -> Result<Given, Fault> {
    serde_json::from_str(body)
        .map_err(|error| Fault::invalid(format!("The body is no environment: {error}")))
}

fn named(given: &Given) -> Result<&str, Fault> {
    match given.name.as_deref() {
        Some(name) if !name.is_empty() => Ok(name),
        _ => Err(Fault::invalid("Name of the environment is not provided.")),
    }
}

/// Who is to see it.
fn scope(request: &Request, scope: Option<Scope>) -> Result<Option<Scope>, Fault> {
    if scope == Some(Scope::Public) && !request.caller.is_admin {
        return Err(not_permitted());
    }
    Ok(scope)
}

/// The variables, which callers may also give as JSON in a text.
fn variables(given: Option<Value>) -> Result<Option<Variables>, Fault> {
    let wrong = || Fault::invalid("The variables of an environment are an object");
    match given {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        Some(Value::Object(variables)) => Ok(Some(Some(variables))),
        Some(Value::String(text)) => serde_json::from_str(&text).map(Some).map_err(|_| wrong()),
        Some(_) => Err(wrong()),
    }
}

fn unknown(name: &str) -> Fault {
    Fault::not_found(format!("Environment not found [name={name}]"))
}
