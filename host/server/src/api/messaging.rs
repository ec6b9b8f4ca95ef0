//! The queues: `/v2/zaqar`, over a websocket.

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::{HeaderMap, header};
use axum::response::Response;

use super::routes::Routes;
use crate::app::App;
use crate::fault::Fault;

/// Who asks is said in the frames, and found out there.
pub(super) fn routes() -> Routes {
    Routes::new()
        .get("/zaqar", None, queues)
        .about("Speak Zaqar's websocket protocol")
        .open()
}

async fn queues(
    State(app): State<App>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Fault> {
    connect(&app, upgrade, &headers)
}

/// Connects a websocket with the queues, if they are the server's own.
pub(super) fn connect(
    app: &App,
    upgrade: WebSocketUpgrade,
    headers: &HeaderMap,
) -> Result<Response, Fault> {
    let zaqar = app.zaqar.as_ref().ok_or_else(|| {
        Fault::not_found("the queues are those of the cloud's Zaqar: ask that one")
    })?;
    let origin = headers.get(header::ORIGIN);
    // One that is no text is from nowhere that is known.
    let origin = origin.map(|origin| origin.to_str().unwrap_or_default());
    zaqar.upgrade(upgrade, origin, app.identity.of_tokens())
}
