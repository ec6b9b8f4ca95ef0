//! `/maintenance` and `/info`, and what is not taken during maintenance
//! (`mistral/api/hooks/maintenance.py`).

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{Request as HttpRequest, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::given::Shape;
use super::routes::Routes;
use super::strangers;
use crate::app::App;
use crate::fault::{Fault, TextFault};
use crate::maintenance::{Maintenance, Status};
use crate::python::python;

/// What is answered whatever the status is.
const ALWAYS: [&str; 4] = ["/", "/v2/", "/health", "/maintenance"];

const SHAPE: Shape = Shape {
    argument: "new_maintenance_status",
    texts: &["status"],
    objects: &[],
    truths: &[],
    ignored: &[],
    read_only: &[],
};

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/info", None, info)
        .about("Tell what this server says of itself")
        .open()
        .get("/maintenance", None, status)
        .about("Show whether maintenance is under way")
        .put("/maintenance", "maintenance:update", change)
        .about("Begin or end maintenance")
        .takes(&SHAPE)
}

async fn status(State(app): State<App>) -> Json<Value> {
    shown(app.maintenance.status())
}

async fn change(
    State(app): State<App>,
    headers: HeaderMap,
    body: String,
) -> Result<Json<Value>, Fault> {
    let given = SHAPE.read(&headers, &body)?;
    let wanted = match given.text("status") {
        Some("RUNNING") => Status::Running,
        Some("PAUSED") => Status::Paused,
        Some("PAUSING") => {
            return Err(Fault::invalid(
                "PAUSING is intermediate state. Consider PAUSED, RUNNING as new state",
            ));
        }
        other => {
            let missing = if given.has("status") {
                python(&Value::Null)
            } else {
                "Unset".to_owned()
            };
            return Err(Fault::invalid(format!(
                "Not found {} maintenance state. \
                 List of states: ['PAUSING', 'PAUSED', 'RUNNING']",
                other.unwrap_or(&missing)
            )));
        }
    };
    Ok(shown(Maintenance::change(&app, wanted).await?))
}

fn shown(status: Status) -> Json<Value> {
    Json(json!({ "status": status.as_str() }))
}

/// Mistral tells nothing there unless an operator says what.
async fn info() -> TextFault {
    Fault::invalid("Info endpoint disabled.").into()
}

/// Holds back what would change something during maintenance, but for what lets executions come
/// to their end.
pub(super) async fn hold(State(app): State<App>, request: HttpRequest, next: Next) -> Response {
    let status = app.maintenance.status();
    let reads = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    let path = request.uri().path();
    // That is when an operator changes packs.
    let is_always = ALWAYS.contains(&path) || path.starts_with("/v2/packs");
    if status == Status::Running || reads || is_always {
        return next.run(request).await;
    }
    let puts = request.method() == Method::PUT;
    if puts && status == Status::Pausing && path.starts_with("/v2/action_executions") {
        return next.run(request).await;
    }
    if puts && path.starts_with("/v2/executions") {
        let (parts, body) = request.into_parts();
        // It has arrived, within the limits.
        let Ok(body) = to_bytes(body, usize::MAX).await else {
            return StatusCode::BAD_REQUEST.into_response();
        };
        let given: Value = serde_json::from_slice(&body).unwrap_or_default();
        if given.get("state").and_then(Value::as_str) == Some("CANCELLED") {
            let request = HttpRequest::from_parts(parts, Body::from(body));
            return next.run(request).await;
        }
        return locked(&parts.headers, status);
    }
    locked(request.headers(), status)
}

fn locked(headers: &HeaderMap, status: Status) -> Response {
    let reason = format!(
        "Current Mistral state is {}. Method is not allowed",
        status.as_str()
    );
    strangers::explained(
        headers,
        StatusCode::LOCKED,
        "The resource is locked",
        &reason,
    )
}
