//! `/v2/workflows/{id}/members`: projects with which a workflow is shared
//! (`mistral/api/controllers/v2/member.py`).
//!
//! Unlike Mistral, where whoever sees a workflow shares it on, only its owner does.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::given::{Given, Shape};
use super::routes::Routes;
use crate::app::{App, Request};
use crate::catalogue::definition::{Definition, Kind, unknown_workflow};
use crate::catalogue::member::{Member, Status};
use crate::catalogue::{Edits, Tables};
use crate::fault::Fault;
use crate::identity::Scope;

/// How long the id of a project may be.
const LONGEST: usize = 255;

const SHAPE: Shape = Shape {
    argument: "member_info",
    texts: &[
        "id",
        "resource_id",
        "resource_type",
        "project_id",
        "member_id",
        "status",
        "created_at",
        "updated_at",
    ],
    objects: &[],
    truths: &[],
    ignored: &[],
    read_only: &[],
};

pub(super) fn routes() -> Routes {
    let all = "/workflows/{identifier}/members";
    let one = "/workflows/{identifier}/members/{member}";
    Routes::new()
        .get(all, "members:list", list)
        .about("List the projects that share a workflow")
        .post(all, "members:create", create)
        .about("Offer a workflow to a project")
        .takes(&SHAPE)
        .put(all, "members:update", no_member)
        .about("Tell that a member is to be named")
        .delete(all, "members:delete", no_member)
        .about("Tell that a member is to be named")
        .get(one, "members:get", show)
        .about("Show how a project shares a workflow")
        .post(one, "members:create", no_offer)
        .about("Tell that a project is named in the body")
        .put(one, "members:update", answer)
        .about("Accept or reject a workflow that is offered")
        .takes(&SHAPE)
        .delete(one, "members:delete", take_away)
        .about("Share a workflow no longer with a project")
        .gives_nothing()
}

/// Projects are told apart only where callers say who they are; and a workflow is meant by its id.
fn check(app: &App, workflow: &str) -> Result<(), Box<Response>> {
    let reason = if !app.identity.asks() {
        "Resource sharing feature can only be supported with authentication enabled."
    } else if uuid::Uuid::try_parse(workflow).is_err() {
        "Only support UUID as resource identifier in resource sharing feature."
    } else {
        return Ok(());
    };
    let body = Json(json!({ "faultstring": reason }));
    Err(Box::new((StatusCode::BAD_REQUEST, body).into_response()))
}

fn unknown(workflow: &str, member: &str) -> Fault {
    Fault::not_found(format!(
        "Resource member not found [resource_id={workflow}, member_id={member}]"
    ))
}

async fn list(
    State(app): State<App>,
    Path(workflow): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    if let Err(refusal) = check(&app, &workflow) {
        return Ok(*refusal);
    }
    request.query.only(&[])?;
    let kept = app.catalogue.kept();
    let members = kept.members.all();
    let rows = members
        .filter(|one| one.workflow == workflow && one.concerns(&request.caller))
        .map(|one| one.row().into());
    let rows: Vec<Value> = rows.collect();
    Ok(Json(json!({ "members": rows })).into_response())
}

async fn show(
    State(app): State<App>,
    Path((workflow, member)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Fault> {
    if let Err(refusal) = check(&app, &workflow) {
        return Ok(*refusal);
    }
    request.query.only(&[])?;
    let kept = app.catalogue.kept();
    let found = find(&kept, &workflow, &member).filter(|one| one.concerns(&request.caller));
    let found = found.ok_or_else(|| unknown(&workflow, &member))?;
    Ok(Json(Value::from(found.row())).into_response())
}

/// Offers a workflow to a project.
async fn create(
    State(app): State<App>,
    Path(id): Path<String>,
    request: Request,
    headers: HeaderMap,
    body: String,
) -> Result<Response, Fault> {
    if let Err(refusal) = check(&app, &id) {
        return Ok(*refusal);
    }
    let given = SHAPE.read(&headers, &body)?;
    status(&given)?;
    let member = given.text("member_id");
    let member = member.ok_or_else(|| Fault::invalid("Member id must be provided."))?;
    if member.len() > LONGEST {
        return Err(Fault::invalid(format!(
            "The id of a member has more than {LONGEST} bytes: it is that of a project"
        )));
    }
    let caller = &request.caller;
    let created = app.catalogue.change(|kept, edits| {
        let workflow = kept.definitions.with_id(caller, &id);
        let workflow = workflow
            .filter(|one| one.kind == Kind::Workflow)
            .ok_or_else(|| unknown_workflow(&id, ""))?;
        if workflow.scope != Scope::Private {
            return Err(Fault::invalid("Only private resource could be shared."));
        }
        if workflow.project != caller.project && !caller.is_admin {
            return Err(Fault::forbidden(format!(
                "Can not share a resource of other projects: {}",
                workflow.name
            )));
        }
        if find(kept, &id, member).is_some() {
            return Err(Fault::conflict(format!(
                "Duplicate entry for ResourceMember ['resource_id', 'resource_type', \
                 'member_id']: {id}, workflow, {member}"
            )));
        }
        let new = Member {
            id: uuid::Uuid::new_v4().to_string(),
            workflow: id.clone(),
            owner: workflow.project.clone(),
            member: member.to_owned(),
            status: Status::Pending,
            created_at: app.now(),
            updated_at: None,
        };
        let mut row = new.row();
        row.shift_remove("updated_at");
        edits.put(new);
        Ok(row)
    });
    let row = Value::from(created.await?);
    Ok((StatusCode::CREATED, Json(row)).into_response())
}

/// The member says whether it wants the workflow.
async fn answer(
    State(app): State<App>,
    Path((id, member)): Path<(String, String)>,
    request: Request,
    headers: HeaderMap,
    body: String,
) -> Result<Response, Fault> {
    if let Err(refusal) = check(&app, &id) {
        return Ok(*refusal);
    }
    let given = SHAPE.read(&headers, &body)?;
    let status = status(&given)?.ok_or_else(|| Fault::invalid("Status must be provided."))?;
    let answered = app.catalogue.change(|kept, edits| {
        let before = find(kept, &id, &member)
            .filter(|one| one.member == request.caller.project)
            .ok_or_else(|| unknown(&id, &member))?;
        let one = Member {
            status,
            updated_at: Some(app.now()),
            ..before.clone()
        };
        if let Some(workflow) = kept.definitions.get(&id) {
            let accepts = status == Status::Accepted;
            edits.put(workflow.clone().shared_with(&member, accepts));
        }
        let row = one.row();
        edits.put(one);
        Ok(row)
    });
    Ok(Json(Value::from(answered.await?)).into_response())
}

/// The owner shares a workflow with a project no longer.
async fn take_away(
    State(app): State<App>,
    Path((id, member)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Fault> {
    if let Err(refusal) = check(&app, &id) {
        return Ok(*refusal);
    }
    request.query.only(&[])?;
    let taken = app.catalogue.change(|kept, edits| {
        let found = find(kept, &id, &member)
            .filter(|one| one.owner == request.caller.project)
            .ok_or_else(|| unknown(&id, &member))?;
        if let Some(workflow) = kept.definitions.get(&id) {
            edits.put(workflow.clone().shared_with(&member, false));
        }
        edits.drop::<Member>(&found.id);
        Ok(())
    });
    taken.await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A member is changed and taken away by its id.
async fn no_member(
    State(app): State<App>,
    Path(workflow): Path<String>,
) -> Result<Response, Fault> {
    if let Err(refusal) = check(&app, &workflow) {
        return Ok(*refusal);
    }
    Err(Fault::invalid("Member id must be provided."))
}

/// A workflow is offered at the address of all its members.
async fn no_offer(
    State(app): State<App>,
    Path((workflow, _)): Path<(String, String)>,
) -> Result<Response, Fault> {
    if let Err(refusal) = check(&app, &workflow) {
        return Ok(*refusal);
    }
    Err(Fault::invalid(
        "The id of a new member stands in the body, as member_id",
    ))
}

/// Takes the members of a workflow away, with the workflow itself.
pub(super) fn drop_all(kept: &Tables, workflow: &Definition, edits: &mut Edits) {
    let members = kept.members.all();
    for one in members.filter(|one| one.workflow == workflow.id) {
        edits.drop::<Member>(&one.id);
    }
}

fn find<'a>(kept: &'a Tables, workflow: &str, member: &str) -> Option<&'a Member> {
    let mut named = kept
        .members
        .named(&(workflow.to_owned(), member.to_owned()));
    named.next()
}

fn status(given: &Given) -> Result<Option<Status>, Fault> {
    let Some(text) = given.text("status") else {
        return Ok(None);
    };
    let status = Status::parse(text).ok_or_else(|| {
        Fault::invalid(format!(
            "Invalid input for field/attribute status. Value: '{text}'. \
             Value should be one of: accepted, pending, rejected"
        ))
    });
    status.map(Some)
}
