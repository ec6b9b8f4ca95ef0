//! `/metrics` and `/healthcheck`, which need no token.

use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::routes::Routes;
use crate::app::App;

/// The type of OpenMetrics' text.
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/healthcheck", None, health)
        .about("Tell whether the server is well")
        .gives_text("text/plain")
        .get("/metrics", None, metrics)
        .about("Show metrics, for Prometheus")
        .gives_text("application/openmetrics-text")
        .open()
}

async fn metrics(State(app): State<App>) -> Response {
    if !app.telemetry.shows_metrics {
        return StatusCode::NOT_FOUND.into_response();
    }
    let text = app.telemetry.metrics.text(&app);
    ([(header::CONTENT_TYPE, TEXT)], text).into_response()
}

/// As `oslo_middleware/healthcheck` answers: a line for each reason, the same as JSON for whoever
/// accepts only that, and nothing to HEAD.
async fn health(State(app): State<App>, method: Method, headers: HeaderMap) -> Response {
    if !app.telemetry.shows_health {
        return StatusCode::NOT_FOUND.into_response();
    }
    let (is_well, reasons) = match app.health.problems(&app).await {
        problems if problems.is_empty() => (true, vec!["OK".to_owned()]),
        problems => (false, problems),
    };
    let status = if !is_well {
        StatusCode::SERVICE_UNAVAILABLE
    } else if method == Method::HEAD {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::OK
    };
    let accept = headers.get(header::ACCEPT);
    let wants_json = accept
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("application/json"));
    if wants_json {
        let body = json!({"detailed": false, "reasons": reasons});
        return (status, axum::Json(body)).into_response();
    }
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=UTF-8")];
    (status, kind, reasons.join("\n")).into_response()
}
