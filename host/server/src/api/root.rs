//! What the service is: `/`, `/v2/`, `/info`, `/maintenance`.

use axum::Json;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::messaging;
use super::routes::Routes;
use crate::app::{App, Request, base};
use crate::fault::Fault;

pub(super) fn routes() -> Routes {
    Routes::new()
        .any("/", None, versions)
        .about("List the versions of the API")
        .any("/v2", None, redirect)
        .about("Lead to this version of the API")
        .any("/v2/", None, v2)
        .about("Show this version of the API")
        .open()
}

/// The version's own address ends with a slash.
async fn redirect(headers: HeaderMap) -> (StatusCode, [(HeaderName, String); 2]) {
    let at = format!("{}/v2/", base(&headers));
    let kind = "text/html; charset=UTF-8".to_owned();
    let headers = [(header::LOCATION, at), (header::CONTENT_TYPE, kind)];
    (StatusCode::FOUND, headers)
}

/// Which versions of the API there are; and, for a websocket, the queues: the address of
/// `messaging-websocket` in Keystone's catalogue has no path.
async fn versions(
    State(app): State<App>,
    request: Request,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Fault> {
    if let Ok(upgrade) = upgrade {
        return messaging::connect(&app, upgrade, &headers);
    }
    request.query.only(&[])?;
    let link = json!({"href": format!("{}/v2", base(&headers)), "target": "v2", "rel": "self"});
    let versions = json!({
        "versions": [{"id": "v2.0", "status": "CURRENT", "links": [link]}],
    });
    Ok(Json(versions).into_response())
}

async fn v2(request: Request, headers: HeaderMap) -> Result<Json<Value>, Fault> {
    request.query.only(&[])?;
    Ok(Json(json!({"uri": format!("{}/v2", base(&headers))})))
}
