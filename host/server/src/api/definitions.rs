//! What the resources have in common that take definitions as text.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use ostro_lang::{Code, Definitions, Diagnostic, Parsed, parse};
use serde_json::{Value, json};

use crate::app::{App, Request};
use crate::catalogue::definition::{Definition, Kind, Place};
use crate::fault::Fault;
use crate::identity::Scope;

/// How many things wrong with a text are told.
const MOST: usize = 20;

/// JSON as these resources send it.
pub(super) fn sent(status: StatusCode, body: &Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json;charset=utf-8")];
    (status, kind, body.to_string()).into_response()
}

/// The namespace of a request; empty for the default one.
pub(super) fn namespace(request: &Request) -> &str {
    request.query.get("namespace").unwrap_or_default()
}

/// Whether rows of all projects are wanted, for those who may have them.
pub(super) fn all_projects(request: &Request) -> Result<bool, Fault> {
    if request.query.get("all_projects").is_none() {
        return Ok(false);
    }
    if !request.caller.is_admin {
        return Err(not_permitted());
    }
    request.query.is("all_projects")
}

/// The caller may not.
pub(super) fn not_permitted() -> Fault {
    Fault::forbidden("Operation forbidden (insufficient permissions)")
}

/// The namespace and scope that a text is put into.
pub(super) fn place<'a>(app: &App, request: &'a Request) -> Result<Place<'a>, Fault> {
    let scope = match request.query.get("scope").unwrap_or("private") {
        "private" => Scope::Private,
        "public" if request.caller.is_admin => Scope::Public,
        "public" => return Err(not_permitted()),
        other => {
            return Err(Fault::invalid(format!(
                "Scope must be one of the following: {{'private', 'public'}}; actual: {other}"
            )));
        }
    };
    Ok(Place {
        project: &request.caller.project,
        namespace: namespace(request),
        scope,
        now: app.now(),
    })
}

/// Reads a text, whatever it defines. The error says all that is wrong with it.
pub(super) fn read(text: &str) -> Result<Parsed, Fault> {
    let parsed = parse(text, "definition");
    let Some(reason) = wrong(&parsed.diagnostics, text) else {
        return Ok(parsed);
    };
    let mut errors = parsed.diagnostics.iter().filter(|one| one.is_error());
    let is_yaml = errors.any(|one| matches!(one.code, Code::YamlSyntax | Code::YamlLimit));
    Err(Fault::invalid(if is_yaml {
        format!("Definition could not be parsed: {reason}")
    } else {
        format!("Invalid DSL: {reason}")
    }))
}

/// As [`read`]; what it calls is looked at too, unless the caller asked for less. What a workflow
/// calls that is not there yet is no error: it may come before the workflow runs.
pub(super) fn read_checked(app: &App, request: &Request, text: &str) -> Result<Parsed, Fault> {
    let parsed = read(text)?;
    check_names(&parsed)?;
    if request.query.get("skip_validation").is_some() {
        return Ok(parsed);
    }
    let definitions: Definitions = std::iter::once(parsed.clone()).collect();
    let found = app.catalogue.actions().check(&definitions);
    let found: Vec<Diagnostic> = found
        .into_iter()
        .filter(|one| !one.code.fails_when_reached())
        .collect();
    match wrong(&found, text) {
        Some(reason) => Err(Fault::invalid(format!("Invalid DSL: {reason}"))),
        None => Ok(parsed),
    }
}

/// Names are parts of addresses and of columns.
fn check_names(parsed: &Parsed) -> Result<(), Fault> {
    const LONGEST: usize = 255;
    let workbooks = parsed.workbooks.iter().map(|one| &one.name);
    let workflows = parsed.workflows.iter().map(|one| &one.name);
    let actions = parsed.actions.iter().map(|one| &one.name);
    for name in workbooks.chain(workflows).chain(actions) {
        if name.contains(' ') {
            return Err(Fault::invalid(format!(
                "Name '{name}' must not contain spaces"
            )));
        }
        if name.chars().count() > LONGEST {
            return Err(Fault::invalid(format!(
                "Name '{name}' has more than {LONGEST} characters"
            )));
        }
    }
    Ok(())
}

/// The errors among `diagnostics`, each with its line of `text`.
fn wrong(diagnostics: &[Diagnostic], text: &str) -> Option<String> {
    let errors = diagnostics.iter().filter(|one| one.is_error());
    let errors: Vec<String> = errors.take(MOST).map(|one| one.render(text)).collect();
    (!errors.is_empty()).then(|| errors.join("\n").trim_end().to_owned())
}

/// The answer to a request to validate a text.
pub(super) fn validated(result: Result<Parsed, Fault>) -> Response {
    let body = match result {
        Ok(_) => json!({"valid": true}),
        Err(fault) => json!({"valid": false, "error": fault.message()}),
    };
    sent(StatusCode::OK, &body)
}

/// There is a definition of this name.
pub(super) fn duplicate(one: &Definition) -> Fault {
    let what = match one.kind {
        Kind::Workbook => "WorkbookDefinition",
        Kind::Workflow => "WorkflowDefinition",
        Kind::Action => "Action",
    };
    Fault::conflict(format!(
        "Duplicate entry for {what} ['name', 'namespace', 'project_id']: {}, {}, None",
        one.name, one.namespace
    ))
}

/// The answer with what a request has put there.
pub(super) fn put(status: StatusCode, plural: &str, all: &[Definition]) -> Response {
    let rows: Vec<Value> = all.iter().map(|one| one.new_row().into()).collect();
    sent(status, &json!({ plural: rows }))
}
