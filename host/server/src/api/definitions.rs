//! What the resources have in common that take definitions as text.

use std::sync::Arc;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use ostro_lang::{Code, Definitions, Diagnostic, Parsed, parse};
use serde_json::{Value, json};

use super::kept;
use crate::actions::Actions;
use crate::app::{App, Request};
use crate::catalogue::definition::{Definition, Kind, Place, alone};
use crate::catalogue::{Edits, Kept as _, Tables};
use crate::fault::Fault;
use crate::identity::{Caller, Scope};

/// How many things wrong with a text are told.
const MOST: usize = 20;

/// How many bytes a text may have, times the number of things that it defines. What cannot be cut
/// out of it is kept with all of it.
const MOST_BYTES: usize = 128 << 20;

/// What an address may have where definitions are sent to it.
pub(super) const NEW: &[&str] = &["namespace", "scope", "skip_validation"];

/// JSON as these resources send it.
pub(super) fn sent(status: StatusCode, body: &Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json;charset=utf-8")];
    (status, kind, body.to_string()).into_response()
}

/// The namespace of a request; empty for the default one.
pub(super) fn namespace(request: &Request) -> &str {
    request.query.get("namespace").unwrap_or_default()
}

/// The namespace and scope that a text is put into.
fn place<'a>(app: &App, request: &'a Request, plural: &str) -> Result<Place<'a>, Fault> {
    let scope = request.query.get("scope").unwrap_or("private");
    let scope = kept::scope(request, plural, scope, |odd| {
        Fault::invalid(format!(
            "Scope must be one of the following: {{'private', 'public'}}; actual: {odd}"
        ))
    });
    Ok(Place {
        project: &request.caller.project,
        namespace: namespace(request),
        scope: scope?,
        now: app.now(),
    })
}

/// Reads a text, whatever it defines. The error says all that is wrong with it.
fn read(text: &str) -> Result<Parsed, Fault> {
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

/// As [`read`]; what it calls is looked at too, if there are `actions`. What a workflow calls that
/// is not there yet is no error: it may come before the workflow runs.
fn read_checked(text: &str, actions: Option<&dyn Actions>) -> Result<Parsed, Fault> {
    let parsed = read(text)?;
    check_size(&parsed, text)?;
    check_names(&parsed)?;
    let Some(actions) = actions else {
        return Ok(parsed);
    };
    let definitions: Definitions = std::iter::once(parsed.clone()).collect();
    let found = actions.check(&definitions);
    let found: Vec<Diagnostic> = found
        .into_iter()
        .filter(|one| !one.code.fails_when_reached())
        .collect();
    match wrong(&found, text) {
        Some(reason) => Err(Fault::invalid(format!("Invalid DSL: {reason}"))),
        None => Ok(parsed),
    }
}

/// What a text defines is not to take much more room than the text.
fn check_size(parsed: &Parsed, text: &str) -> Result<(), Fault> {
    let workbooks = parsed.workbooks.iter();
    let in_workbooks: usize = workbooks
        .map(|one| 1 + one.actions.len() + one.workflows.len())
        .sum();
    let count = in_workbooks + parsed.workflows.len() + parsed.actions.len();
    let bytes = text.len();
    if count.saturating_mul(bytes) <= MOST_BYTES {
        return Ok(());
    }
    Err(Fault::invalid(format!(
        "The text defines {count} things and has {bytes} bytes, which is too much for one: send \
         them as several texts"
    )))
}

/// As [`read_checked`]; it has to define one of `kind`.
fn checked(kind: Kind, text: &str, actions: Option<&dyn Actions>) -> Result<Parsed, Fault> {
    let parsed = read_checked(text, actions)?;
    let (is_empty, what) = match kind {
        Kind::Workbook => (parsed.workbooks.is_empty(), "workbook"),
        Kind::Workflow => (parsed.workflows.is_empty(), "workflow"),
        Kind::Action => (parsed.actions.is_empty(), "action"),
    };
    if is_empty {
        let reason = format!("Invalid DSL: the text defines no {what}");
        return Err(Fault::invalid(reason));
    }
    Ok(parsed)
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

/// A kind of definition, as callers put it there.
pub(super) struct Sort {
    pub(super) kind: Kind,
    pub(super) plural: &'static str,
    /// All of the kind that a text defines. What comes with them is put there.
    pub(super) all: fn(&Posted<'_>, &Tables, &mut Edits) -> Vec<Definition>,
    /// There is none of this name in this namespace.
    pub(super) unknown: fn(&str, &str) -> Fault,
}

/// A text that was read, and where what it defines is put.
pub(super) struct Posted<'a> {
    pub(super) text: &'a str,
    pub(super) parsed: Parsed,
    /// Each workflow of a text with several, as a text of its own where it can be cut out.
    pub(super) alone: Vec<Option<String>>,
    pub(super) place: Place<'a>,
    pub(super) caller: &'a Caller,
}

impl Sort {
    async fn read<'a>(
        &self,
        app: &App,
        request: &'a Request,
        text: &'a str,
    ) -> Result<Posted<'a>, Fault> {
        let place = place(app, request, self.plural)?;
        let (parsed, alone) = self.checked(app, request, text).await?;
        Ok(Posted {
            text,
            parsed,
            alone,
            place,
            caller: &request.caller,
        })
    }

    /// What a text defines, and [`Posted::alone`]. A large one takes a while, for which it holds
    /// up nobody else.
    async fn checked(
        &self,
        app: &App,
        request: &Request,
        text: &str,
    ) -> Result<(Parsed, Vec<Option<String>>), Fault> {
        let (kind, text) = (self.kind, text.to_owned());
        let is_checked = request.query.get("skip_validation").is_none();
        let actions = is_checked.then(|| Arc::clone(app.catalogue.actions()));
        let read = tokio::task::spawn_blocking(move || {
            let parsed = checked(kind, &text, actions.as_deref())?;
            let alone = match parsed.workflows.as_slice() {
                [] | [_] => Vec::new(),
                several => several.iter().map(|one| alone(&text, one)).collect(),
            };
            Ok((parsed, alone))
        });
        read.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a text cannot be read");
            let reason = "the text cannot be read: the log says why";
            Err(Fault::unavailable(reason))
        })
    }

    /// Puts all that a text defines there, or nothing.
    pub(super) async fn create(
        &self,
        app: &App,
        request: &Request,
        text: &str,
    ) -> Result<Vec<Definition>, Fault> {
        let text = self.read(app, request, text).await?;
        let created = app.catalogue.change(|kept, edits| {
            let all = (self.all)(&text, kept, edits);
            for one in &all {
                if kept.definitions.own(text.caller, &one.name()).is_some() {
                    return Err(duplicate(one));
                }
                edits.put(one.clone());
            }
            Ok(all)
        });
        created.await
    }

    /// Puts all that a text defines in the place of what has its names, or nothing.
    pub(super) async fn update(
        &self,
        app: &App,
        request: &Request,
        text: &str,
    ) -> Result<Vec<Definition>, Fault> {
        let text = self.read(app, request, text).await?;
        let updated = app.catalogue.change(|kept, edits| {
            let mut updated = Vec::new();
            for one in (self.all)(&text, kept, edits) {
                let before = kept.definitions.own(text.caller, &one.name());
                let before = before.ok_or_else(|| {
                    match kept.definitions.find(text.caller, &one.name()) {
                        Some(_) => kept::of_others(&one.name),
                        None => (self.unknown)(&one.name, &one.namespace),
                    }
                })?;
                check_scope(kept, before, one.scope)?;
                let one = one.instead_of(before, text.place.now);
                edits.put(one.clone());
                updated.push(one);
            }
            Ok(updated)
        });
        updated.await
    }

    /// Puts the one that a text defines in the place of another one, whatever its name was.
    pub(super) async fn replace(
        &self,
        app: &App,
        request: &Request,
        identifier: &str,
        text: &str,
    ) -> Result<Definition, Fault> {
        let text = self.read(app, request, text).await?;
        let updated = app.catalogue.change(|kept, edits| {
            let before = self.own(kept, text.caller, identifier, text.place.namespace)?;
            let mut all = (self.all)(&text, kept, edits);
            if all.len() != 1 {
                return Err(Fault::invalid(format!(
                    "More than one {} are not supported for update with identifier. \
                     [identifier: {identifier}]",
                    self.plural
                )));
            }
            check_scope(kept, before, text.place.scope)?;
            let one = Definition {
                namespace: before.namespace.clone(),
                project: before.project.clone(),
                ..all.remove(0).instead_of(before, text.place.now)
            };
            let owner = Caller::of(&one.project);
            let taken = kept.definitions.own(&owner, &one.name());
            if taken.is_some_and(|other| other.id != before.id) {
                return Err(duplicate(&one));
            }
            edits.put(one.clone());
            Ok(one)
        });
        updated.await
    }

    /// Takes one away, if `may` lets it go, with what `may` takes away.
    pub(super) async fn delete(
        &self,
        app: &App,
        caller: &Caller,
        (identifier, namespace): (&str, &str),
        may: impl FnOnce(&Tables, &Definition, &mut Edits) -> Result<(), Fault>,
    ) -> Result<StatusCode, Fault> {
        let deleted = app.catalogue.change(|kept, edits| {
            let found = self.own(kept, caller, identifier, namespace)?;
            may(kept, found, edits)?;
            edits.drop::<Definition>(&found.id);
            Ok(())
        });
        deleted.await?;
        Ok(StatusCode::NO_CONTENT)
    }

    /// The caller's own one with this id, or else of this name in a namespace. What others share is
    /// theirs to change, and an administrator's.
    fn own<'a>(
        &self,
        kept: &'a Tables,
        caller: &Caller,
        identifier: &str,
        namespace: &str,
    ) -> Result<&'a Definition, Fault> {
        let by_id = kept.definitions.with_id(caller, identifier);
        let found = by_id
            .filter(|one| one.kind == self.kind)
            .or_else(|| kept.find(caller, self.kind, identifier, namespace))
            .ok_or_else(|| (self.unknown)(identifier, namespace))?;
        if found.project != caller.project && !caller.is_admin {
            return Err(kept::of_others(&found.name));
        }
        Ok(found)
    }

    /// The answer to a request to validate a text.
    pub(super) async fn validate(&self, app: &App, request: &Request, text: &str) -> Response {
        let body = match self.checked(app, request, text).await {
            Ok(_) => json!({"valid": true}),
            Err(fault) => json!({"valid": false, "error": fault.message()}),
        };
        sent(StatusCode::OK, &body)
    }

    /// The answer with what a request has put there.
    pub(super) fn put(&self, status: StatusCode, all: &[Definition]) -> Response {
        let rows: Vec<Value> = all.iter().map(|one| one.new_row().into()).collect();
        sent(status, &json!({ self.plural: rows }))
    }
}

/// What triggers of other projects start stays theirs to see.
fn check_scope(kept: &Tables, before: &Definition, scope: Scope) -> Result<(), Fault> {
    if before.scope == Scope::Private || scope == Scope::Public {
        return Ok(());
    }
    let is_others =
        |workflow: &str, project: &str| workflow == before.id && project != before.project;
    let mut cron = kept.cron_triggers.all();
    let mut event = kept.event_triggers.all();
    let kind = if cron.any(|one| is_others(&one.workflow_id, &one.project)) {
        "cron"
    } else if event.any(|one| is_others(&one.workflow_id, &one.project)) {
        "event"
    } else {
        return Ok(());
    };
    Err(Fault::forbidden(format!(
        "Can not update scope of workflow that has {kind} triggers associated in other tenants. \
         [workflow_identifier={}, namespace={}]",
        before.name, before.namespace
    )))
}

/// There is a definition of this name.
fn duplicate(one: &Definition) -> Fault {
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
