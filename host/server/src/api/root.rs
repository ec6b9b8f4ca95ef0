//! What the service is: `/`, `/v2/`, `/info`, `/maintenance`.

use axum::http::HeaderMap;
use axum::response::Redirect;
use axum::routing::any;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::app::{App, Request, base};
use crate::fault::Fault;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/", any(versions))
        .route("/v2", any(|headers: HeaderMap| async move {
            Redirect::to(&format!("{}/v2/", base(&headers)))
        }))
        .route("/v2/", any(v2))
}

/// Which versions of the API there are.
async fn versions(request: Request, headers: HeaderMap) -> Result<Json<Value>, Fault> {
    request.query.only(&[])?;
    let link = json!({"href": format!("{}/v2", base(&headers)), "target": "v2", "rel": "self"});
    Ok(Json(json!({
        "versions": [{"id": "v2.0", "status": "CURRENT", "links": [link]}],
    })))
}

async fn v2(request: Request, headers: HeaderMap) -> Result<Json<Value>, Fault> {
    request.query.only(&[])?;
    Ok(Json(json!({"uri": format!("{}/v2", base(&headers))})))
}
