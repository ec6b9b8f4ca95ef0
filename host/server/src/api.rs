//! The routes: one file a resource.

mod about;
mod access;
mod action_executions;
mod actions;
mod code;
mod cron_triggers;
mod definitions;
mod deletion;
mod environments;
mod event_triggers;
mod events;
mod executions;
mod given;
mod kept;
mod maintenance;
mod members;
mod messaging;
mod observed;
mod openapi;
mod packs;
mod report;
mod root;
mod routes;
mod strangers;
mod subexecutions;
mod tasks;
mod telemetry;
mod tree;
mod update;
mod wanted;
mod workbooks;
mod workflows;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};

use tower::util::MapRequest;

use self::access::Gate;
pub use self::routes::Route;
use self::routes::Routes;
use crate::app::App;
use crate::fault::Fault;
use crate::limits;

/// A request that has begun comes to its end, whoever hangs up: what is durable is known to the
/// host, too.
async fn to_its_end(request: Request, next: Next) -> Response {
    let answer = tokio::spawn(next.run(request)).await;
    answer.unwrap_or_else(|error| {
        tracing::error!(%error, "a request came to no end");
        broke_down()
    })
}

/// What is answered where nothing else can be.
fn broke_down() -> Response {
    tracing::error!("a request broke down");
    Fault::unavailable("the request broke down: the log says why").into_response()
}

/// All routes. A slash at the end of an address means nothing: Mistral's clients write some.
pub(crate) fn service(app: App) -> MapRequest<Router, fn(Request) -> Request> {
    MapRequest::new(router(app), trimmed)
}

fn trimmed(mut request: Request) -> Request {
    let path = request.uri().path();
    let without = path.trim_end_matches('/');
    // These two are addresses of their own.
    if without.len() == path.len() || without.is_empty() || without == "/v2" {
        return request;
    }
    let query = request.uri().query();
    let query = query.map_or(String::new(), |query| format!("?{query}"));
    if let Ok(uri) = format!("{without}{query}").parse() {
        *request.uri_mut() = uri;
    }
    request
}

/// All routes that there are, with what answers them.
fn all() -> Routes {
    let v2 = Routes::new()
        .merge(action_executions::routes())
        .merge(actions::routes())
        .merge(code::routes())
        .merge(cron_triggers::routes())
        .merge(environments::routes())
        .merge(event_triggers::routes())
        .merge(events::routes())
        .merge(executions::routes())
        .merge(members::routes())
        .merge(messaging::routes())
        .merge(packs::routes())
        .merge(openapi::routes())
        .merge(tasks::routes())
        .merge(workbooks::routes())
        .merge(workflows::routes());
    Routes::new()
        .merge(root::routes())
        .merge(maintenance::routes())
        .merge(telemetry::routes())
        .nest("/v2", v2)
}

/// All routes that are served, in the order of their declaration.
pub fn routes() -> Vec<Route> {
    all().into_parts().1
}

fn router(app: App) -> Router {
    let (router, declared) = all().into_parts();
    let gate = Gate::new(app.clone(), declared);
    router
        .layer(from_fn(strangers::explain))
        .layer(from_fn_with_state(app.clone(), limits::of_project))
        .layer(from_fn_with_state(app.clone(), maintenance::hold))
        .layer(from_fn_with_state(gate, access::check))
        // What has arrived is within the limits.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(app.clone(), limits::arrive))
        .layer(from_fn_with_state(app.clone(), observed::observe))
        .layer(from_fn(to_its_end))
        .with_state(app)
}
