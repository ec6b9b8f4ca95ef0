//! `/v2/packs`: the packs that are installed, and what new executions get of them. Mistral has no
//! such thing.
//!
//! | | |
//! |---|---|
//! | `GET /packs` | all installed versions, and why new executions do not get what is active, if so |
//! | `POST /packs` | installs one: the file itself, or JSON that says where it is |
//! | `GET /packs/{name}` | the versions of one |
//! | `GET`, `DELETE /packs/{name}/{version}` | one version: shown with its actions, taken away |
//! | `GET …/{version}/diff?against=` | what activating it changes and breaks |
//! | `PUT …/{version}/grants` | what it is granted |
//! | `POST …/{version}/activate?force=`, `…/deactivate?force=` | what new executions get |
//! | `POST /packs/{name}/rollback` | what was active before the last change is active again |

mod body;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request as HttpRequest, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::routes::Routes;
use crate::app::{App, Request};
use crate::fault::Fault;
use crate::packs::{PackRefusal, PackRefusalKind, PackVersion, Packs, Stored};
use crate::row;

pub(super) fn routes() -> Routes {
    const VERSION: &str = "/packs/{name}/{version}";
    let below = |verb: &str| format!("{VERSION}/{verb}");
    Routes::new()
        .get("/packs", "packs:list", list)
        .about("List installed packs")
        .post("/packs", "packs:install", install)
        .about("Install a pack")
        .get("/packs/{name}", "packs:get", versions)
        .about("List the versions of a pack")
        .post("/packs/{name}/rollback", "packs:rollback", roll_back)
        .about("Activate what was active before")
        .get(VERSION, "packs:get", one)
        .about("Show a version of a pack")
        .delete(VERSION, "packs:delete", remove)
        .about("Delete a version of a pack")
        .post(&below("activate"), "packs:activate", activate)
        .about("Have new executions get a version")
        .post(&below("deactivate"), "packs:activate", deactivate)
        .about("Have new executions get a version no longer")
        .get(&below("diff"), "packs:diff", diff)
        .about("Tell what a version changes, asks for and breaks")
        .put(&below("grants"), "packs:grants", grants)
        .about("Grant a version something else")
}

/// A fault, with what was found where that is more than its text.
struct Refusal {
    fault: Fault,
    review: Option<Value>,
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self {
            fault,
            review: None,
        }
    }
}

impl From<PackRefusal> for Refusal {
    fn from(refusal: PackRefusal) -> Self {
        let fault = match refusal.kind {
            PackRefusalKind::Unknown => Fault::not_found(refusal.message),
            PackRefusalKind::Invalid => Fault::invalid(refusal.message),
            PackRefusalKind::Conflict => Fault::conflict(refusal.message),
            PackRefusalKind::Unavailable => Fault::unavailable(refusal.message),
        };
        Self {
            fault,
            review: refusal.review,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut body = self.fault.body();
        if let Some(review) = self.review {
            body["review"] = review;
        }
        (self.fault.status(), Json(body)).into_response()
    }
}

/// The installed packs, if this server has any.
fn packs(app: &App) -> Result<Arc<dyn Packs>, Fault> {
    app.packs.settings.packs.clone().ok_or_else(|| {
        Fault::not_implemented(
            "This server runs without installed packs: start it without --no-packs",
        )
    })
}

/// Has `work` done where it may block.
async fn done<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&dyn Packs) -> Result<T, PackRefusal> + Send + 'static,
) -> Result<T, Refusal> {
    let packs = packs(app)?;
    let done = tokio::task::spawn_blocking(move || work(&*packs)).await;
    done.map_err(|error| {
        tracing::error!(%error, "a request about packs broke down");
        Fault::unavailable("the request broke down: the log says why")
    })?
    .map_err(Refusal::from)
}

/// What projects have defined, for what must not break it.
async fn stored(app: &App) -> Result<Vec<Stored>, Fault> {
    // Nobody need read them where there are no packs.
    packs(app)?;
    app.catalogue.stored().await
}

async fn list(State(app): State<App>, request: Request) -> Result<Json<Value>, Refusal> {
    request.query.only(&["active", "name"])?;
    let mut rows = done(&app, |packs| packs.list()).await?;
    if let Some(name) = request.query.get("name") {
        rows.retain(|row| row["name"] == name);
    }
    if request.query.get("active").is_some() {
        let wanted = request.query.is_wanted("active");
        rows.retain(|row| row["active"] == wanted);
    }
    Ok(Json(json!({"packs": rows, "problem": problem(&app)?})))
}

/// Why new executions do not get what is active.
fn problem(app: &App) -> Result<Value, Fault> {
    let problem = packs(app)?.problem();
    Ok(problem.map_or(
        Value::Null,
        |problem| json!({"message": problem.message, "since": row::time(problem.since)}),
    ))
}

async fn versions(
    State(app): State<App>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    request.query.only(&[])?;
    let mut rows = done(&app, |packs| packs.list()).await?;
    rows.retain(|row| row["name"] == name.as_str());
    if rows.is_empty() {
        let reason = format!("no pack {name} is installed: GET /v2/packs lists those that are");
        return Err(Fault::not_found(reason).into());
    }
    Ok(Json(
        json!({"name": name, "versions": rows, "problem": problem(&app)?}),
    ))
}

async fn one(
    State(app): State<App>,
    which: Which,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    request.query.only(&[])?;
    let which = version(which);
    Ok(Json(done(&app, move |packs| packs.show(&which)).await?))
}

async fn install(
    State(app): State<App>,
    request: Request,
    sent: HttpRequest,
) -> Result<Response, Refusal> {
    packs(&app)?;
    // Taken before the body is read, so that not everybody's pack is in memory at once.
    let _slot = app.packs.slots.try_acquire().map_err(|_| {
        Fault::busy("as many packs are being installed as may be: try it again in a moment")
    })?;
    let installation = body::installation(&app, &request, sent).await?;
    let (is_new, row) = done(&app, move |packs| packs.install(installation)).await?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(row)).into_response())
}

async fn diff(
    State(app): State<App>,
    which: Which,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    request.query.only(&["against"])?;
    let which = version(which);
    let against = request.query.get("against").map(str::to_owned);
    let mut stored = stored(&app).await?;
    // Nobody learns here what other projects have.
    let caller = &request.caller;
    stored.retain(|one| caller.is_admin || one.project == caller.project);
    let diff = move |packs: &dyn Packs| packs.diff(&which, against.as_deref(), &stored);
    Ok(Json(done(&app, diff).await?))
}

async fn activate(
    State(app): State<App>,
    which: Which,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    request.query.only(&["force"])?;
    let (which, force) = (version(which), request.query.is_wanted("force"));
    let stored = stored(&app).await?;
    let activate = move |packs: &dyn Packs| packs.activate(&which, force, &stored);
    let row = done(&app, activate).await?;
    app.renew();
    Ok(Json(row))
}

async fn deactivate(
    State(app): State<App>,
    which: Which,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    request.query.only(&["force"])?;
    let (which, force) = (version(which), request.query.is_wanted("force"));
    let stored = stored(&app).await?;
    let deactivate = move |packs: &dyn Packs| packs.deactivate(&which, force, &stored);
    let rows = done(&app, deactivate).await?;
    app.renew();
    Ok(Json(json!({"packs": rows})))
}

async fn roll_back(
    State(app): State<App>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Json<Value>, Refusal> {
    request.query.only(&[])?;
    let rows = done(&app, move |packs| packs.roll_back(&name)).await?;
    app.renew();
    Ok(Json(json!({"packs": rows})))
}

async fn grants(
    State(app): State<App>,
    which: Which,
    request: Request,
    sent: HttpRequest,
) -> Result<Json<Value>, Refusal> {
    request.query.only(&[])?;
    let which = version(which);
    let grants = Value::Object(body::object(sent).await?);
    let row = done(&app, move |packs| packs.grant(&which, grants)).await?;
    app.renew();
    Ok(Json(row))
}

async fn remove(
    State(app): State<App>,
    which: Which,
    request: Request,
) -> Result<StatusCode, Refusal> {
    request.query.only(&[])?;
    let which = version(which);
    // What is not active any more is not kept for projects that have not asked since.
    app.renew();
    done(&app, move |packs| packs.remove(&which)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The parts of an address that name a version.
type Which = Path<(String, String)>;

fn version(Path((name, version)): Which) -> PackVersion {
    PackVersion { name, version }
}

/// A JSON object.
type Object = Map<String, Value>;
