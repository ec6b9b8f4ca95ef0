//! What is done around every request: it gets an id, is timed, and is noted if it changes something.
//!
//! It stands within what has a request come to its end: what was done is noted, whoever hangs up.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt as _;
use jiff::Timestamp;
use tracing::Instrument as _;

use super::broke_down;
use crate::app::App;
use crate::audit::{Line, Who};
use crate::request::{Current, REQUEST_ID};

/// What a request is counted as that no route takes.
const NO_ROUTE: &str = "none";
/// How many characters of an address are written down.
const LONGEST: usize = 256;

/// Answers a request, and tells of it.
pub(super) async fn observe(State(app): State<App>, request: Request, next: Next) -> Response {
    let (time, began) = (Timestamp::now().to_string(), Instant::now());
    let current = Arc::new(Current::new(request.headers()));
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let address = address.map(|ConnectInfo(address)| address.ip().to_string());
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    let answer = answer.instrument(current.span.clone());
    let answer = current.within(answer).await;
    // How far it came is unknown, which is why it is to be known that it was there.
    let mut answer = answer.unwrap_or_else(|_| current.span.in_scope(broke_down));
    let took = began.elapsed();
    let status = answer.status();
    let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    if let Ok(id) = HeaderValue::from_str(&current.id) {
        answer.headers_mut().insert(REQUEST_ID, id);
    }
    app.telemetry
        .metrics
        .answered(method.as_str(), route, status.as_u16(), took);
    let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    current.span.in_scope(|| {
        tracing::info!(
            method = method.as_str(),
            route,
            status = status.as_u16(),
            milliseconds,
            "answered"
        );
    });
    if app.audit.is_wanted(&method, status) {
        let known = current.known().clone();
        let line = Line {
            time,
            request_id: &current.id,
            who: Who::of(known.caller.as_ref()),
            method: method.as_str(),
            route,
            resource: known.resource.or_else(|| place(route, &path)),
            status: status.as_u16(),
            denied_by: known.denied_by.filter(|_| status == StatusCode::FORBIDDEN),
            address,
        };
        let written = app.audit.write(&line).instrument(current.span.clone());
        if let Err(error) = written.await {
            app.telemetry.metrics.audit_failed();
            current
                .span
                .in_scope(|| tracing::error!(%error, "who did what cannot be written down"));
        }
    }
    answer
}

/// What stands in the last place of a route.
fn place(route: &str, path: &str) -> Option<String> {
    let places = route.split('/').zip(path.split('/'));
    let places = places.filter(|(name, _)| name.starts_with('{'));
    let (_, value) = places.last()?;
    Some(value.chars().take(LONGEST).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resource_is_what_stands_in_the_last_place() {
        assert_eq!(
            place("/v2/tasks/{id}", "/v2/tasks/t1").as_deref(),
            Some("t1")
        );
        assert_eq!(
            place(
                "/v2/workflows/{id}/members/{member}",
                "/v2/workflows/w/members/m"
            )
            .as_deref(),
            Some("m")
        );
        assert_eq!(place("/v2/tasks", "/v2/tasks"), None);
    }
}
