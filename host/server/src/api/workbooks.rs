//! `/v2/workbooks`.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use ostro_lang::Workbook;
use serde_json::Value;

use super::definitions::{NEW, Posted, Sort, namespace, sent};
use super::kept::{listed, of_others};
use super::routes::Routes;
use crate::app::{App, Request};
use crate::catalogue::definition::{self, Definition, Kind, cut};
use crate::catalogue::{Edits, Kept as _, Owned as _, Tables};
use crate::fault::{Fault, TextFault};
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
    unfiltered: &["project_id"],
    options: &[],
};

const SORT: Sort = Sort {
    kind: Kind::Workbook,
    plural: WORKBOOKS.plural,
    all,
    unknown,
};

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/workbooks", "workbooks:list", list)
        .about("List workbooks")
        .lists(&WORKBOOKS)
        .post("/workbooks", "workbooks:create", create)
        .about("Define a workbook")
        .takes_definitions()
        .gives(&WORKBOOKS)
        .options(NEW)
        .put("/workbooks", "workbooks:update", update)
        .about("Define a workbook anew")
        .takes_definitions()
        .gives(&WORKBOOKS)
        .options(NEW)
        .post("/workbooks/validate", None, validate)
        .about("Tell what is wrong with a workbook")
        .takes_definitions()
        .get("/workbooks/{name}", "workbooks:get", one)
        .about("Show a workbook")
        .gives(&WORKBOOKS)
        .options(&["namespace", "fields"])
        .delete("/workbooks/{name}", "workbooks:delete", delete)
        .about("Delete a workbook")
        .gives_nothing()
        .options(&["namespace"])
}

async fn list(State(app): State<App>, request: Request) -> Result<Json<Value>, Fault> {
    let kept = app.catalogue.kept();
    let unknown = |id: &str| Fault::not_found(format!("Workbook not found [id={id}]"));
    let of = |one: &Definition| one.kind == Kind::Workbook;
    listed(&kept.definitions, &request, &WORKBOOKS, of, [], unknown)
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
    let created = SORT.create(&app, &request, &text).await?;
    Ok(shown(StatusCode::CREATED, &created))
}

/// Puts a workbook in the place of the one of its name. What was in that one and is not in this
/// stays, as in Mistral.
async fn update(
    State(app): State<App>,
    request: Request,
    text: String,
) -> Result<Response, TextFault> {
    let updated = SORT.update(&app, &request, &text).await?;
    Ok(shown(StatusCode::OK, &updated))
}

/// A text has one.
fn shown(status: StatusCode, all: &[Definition]) -> Response {
    let row = all.first().map(Definition::new_row);
    sent(status, &row.unwrap_or_default().into())
}

/// Takes a workbook away. What was in it stays, as in Mistral.
async fn delete(
    State(app): State<App>,
    Path(name): Path<String>,
    request: Request,
) -> Result<StatusCode, Fault> {
    request.query.only(&["namespace"])?;
    let namespace = namespace(&request);
    // It has no other name in addresses: its id is none.
    let deleted = app.catalogue.change(|kept, edits| {
        let found = kept.own(&request.caller, Kind::Workbook, &name, namespace);
        let found = found.ok_or_else(|| {
            if kept
                .find(&request.caller, Kind::Workbook, &name, namespace)
                .is_some()
            {
                return of_others(&name);
            }
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
    SORT.validate(&app, &request, &text).await
}

fn unknown(name: &str, namespace: &str) -> Fault {
    Fault::not_found(format!(
        "Workbook not found [name={name}, namespace={namespace}]"
    ))
}

/// The workbook of a text. What is in it is put in the place of what has its names.
fn all(text: &Posted<'_>, kept: &Tables, edits: &mut Edits) -> Vec<Definition> {
    let workbooks = text.parsed.workbooks.iter();
    workbooks
        .map(|workbook| {
            parts(workbook, text, kept, edits);
            Definition::workbook(workbook, text.text, text.place)
        })
        .collect()
}

fn parts(workbook: &Workbook, text: &Posted<'_>, kept: &Tables, edits: &mut Edits) {
    let source = definition::Text::new(text.text);
    let shown = |location| cut(text.text, location).unwrap_or_else(|| text.text.to_owned());
    let actions = workbook
        .actions
        .iter()
        .map(|one| Definition::action(one, shown(&one.location), text.place));
    let workflows = workbook
        .workflows
        .iter()
        .map(|one| Definition::workflow(one, shown(&one.location), text.place));
    for part in actions.chain(workflows) {
        let part = match kept.definitions.own(text.caller, &part.name()) {
            Some(before) => part.instead_of(before, text.place.now),
            None => part,
        };
        edits.put(Definition {
            source: Some(source.id.clone()),
            in_workbook: true,
            ..part
        });
    }
    edits.put(source);
}
