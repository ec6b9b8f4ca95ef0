//! `/v2/environments`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

use super::given::{Given, Shape};
use super::kept::{listed, of_others, scope_attribute};
use super::routes::Routes;
use crate::app::{App, Request};
use crate::catalogue::environment::Environment;
use crate::catalogue::{Owned as _, Tables};
use crate::fault::Fault;
use crate::identity::{Caller, Scope};
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
    unfiltered: &["id", "project_id"],
    options: &[],
};

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/environments", "environments:list", list)
        .about("List environments")
        .lists(&ENVIRONMENTS)
        .post("/environments", "environments:create", create)
        .about("Set up an environment")
        .takes(&SHAPE)
        .gives(&ENVIRONMENTS)
        .put("/environments", "environments:update", update)
        .about("Change an environment")
        .takes(&SHAPE)
        .gives(&ENVIRONMENTS)
        .get("/environments/{name}", "environments:get", one)
        .about("Show an environment")
        .gives(&ENVIRONMENTS)
        .options(&["export", "fields"])
        .delete("/environments/{name}", "environments:delete", delete)
        .about("Delete an environment")
        .gives_nothing()
}

/// What a caller says of an environment. What they leave out stays as it is.
const SHAPE: Shape = Shape {
    argument: "env",
    texts: &["name", "description", "scope"],
    objects: &["variables"],
    truths: &[],
    ignored: &[],
    read_only: &["project_id"],
};

async fn list(State(app): State<App>, request: Request) -> Result<Json<Value>, Fault> {
    let kept = app.catalogue.kept();
    let table = &kept.environments;
    listed(table, &request, &ENVIRONMENTS, |_| true, [], unknown)
}

async fn one(
    State(app): State<App>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Json<Value>, Fault> {
    request.query.only(&["fields", "export"])?;
    let fields = request.query.fields(&ENVIRONMENTS)?;
    let kept = app.catalogue.kept();
    let found = kept.environments.find(&request.caller, &name);
    let found = found.ok_or_else(|| unknown(&name))?;
    Ok(Json(query::show(&fields, found.row()).into()))
}

async fn create(
    State(app): State<App>,
    request: Request,
    headers: HeaderMap,
    body: String,
) -> Result<(StatusCode, Json<Value>), Fault> {
    let given = SHAPE.read(&headers, &body)?;
    let name = named(&given)?.to_owned();
    let variables = given.has("variables").then(|| variables(&given));
    let new = Environment {
        id: uuid::Uuid::new_v4().to_string(),
        name,
        description: description(&given),
        variables: variables.unwrap_or_else(|| Some(Map::new())),
        project: request.caller.project.clone(),
        scope: scope(&request, &given)?.unwrap_or_default(),
        created_at: app.now(),
        updated_at: None,
    };
    let created = app.catalogue.change(|kept, edits| {
        if kept.environments.own(&request.caller, &new.name).is_some() {
            return Err(Fault::conflict(format!(
                "Duplicate entry for Environment ['name', 'project_id']: {}, None",
                new.name
            )));
        }
        let mut row = new.row();
        row.shift_remove("updated_at");
        if !given.has("description") {
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
    headers: HeaderMap,
    body: String,
) -> Result<Json<Value>, Fault> {
    let given = SHAPE.read(&headers, &body)?;
    let name = named(&given)?.to_owned();
    let scope = scope(&request, &given)?;
    let now = app.now();
    let updated = app.catalogue.change(|kept, edits| {
        let before = own(kept, &request.caller, &name)?;
        let mut one = before.clone();
        one.updated_at = Some(now);
        if given.has("description") {
            one.description = description(&given);
        }
        if given.has("variables") {
            one.variables = variables(&given);
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
        let found = own(kept, &request.caller, &name)?;
        edits.drop::<Environment>(&found.id);
        Ok(())
    });
    deleted.await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The caller's own one of this name.
fn own<'a>(kept: &'a Tables, caller: &Caller, name: &String) -> Result<&'a Environment, Fault> {
    let found = kept.environments.own(caller, name);
    found.ok_or_else(|| match kept.environments.find(caller, name) {
        Some(_) => of_others(name),
        None => unknown(name),
    })
}

fn named(given: &Given) -> Result<&str, Fault> {
    let name = given.text("name");
    name.ok_or_else(|| Fault::invalid("Name of the environment is not provided."))
}

fn description(given: &Given) -> Option<String> {
    let text = given.value("description").and_then(Value::as_str);
    text.map(str::to_owned)
}

/// The variables; none where null is given in their place.
fn variables(given: &Given) -> Option<Map<String, Value>> {
    given.object("variables").cloned()
}

/// Who is to see it.
fn scope(request: &Request, given: &Given) -> Result<Option<Scope>, Fault> {
    let text = given.text("scope");
    text.map(|text| scope_attribute(request, ENVIRONMENTS.plural, text))
        .transpose()
}

fn unknown(name: &str) -> Fault {
    Fault::not_found(format!("Environment not found [name={name}]"))
}
