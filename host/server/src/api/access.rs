//! Who is let in, and to what: the caller of each request, and the rule of its route.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request as HttpRequest, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::kept::not_permitted;
use super::routes::Route;
use super::strangers;
use crate::app::App;
use crate::fault::Fault;
use crate::identity::{Caller, Refusal};
use crate::request::{is_denied_by, is_of};

/// What stands before all routes.
#[derive(Clone)]
pub(super) struct Gate {
    app: App,
    /// By address.
    routes: Arc<HashMap<String, Vec<Route>>>,
}

impl Gate {
    pub(super) fn new(app: App, declared: Vec<Route>) -> Self {
        let mut routes: HashMap<String, Vec<Route>> = HashMap::new();
        for route in declared {
            routes.entry(route.path.clone()).or_default().push(route);
        }
        Self {
            app,
            routes: Arc::new(routes),
        }
    }
}

/// Has a request answered for its caller, if the caller may.
pub(super) async fn check(
    State(gate): State<Gate>,
    mut request: HttpRequest,
    next: Next,
) -> Response {
    let identity = &gate.app.identity;
    if !identity.asks() {
        let caller = Caller::anybody();
        is_of(&caller);
        request.extensions_mut().insert(caller);
        return next.run(request).await;
    }
    let Some(path) = request.extensions().get::<MatchedPath>() else {
        // There is nothing.
        return next.run(request).await;
    };
    let here = gate.routes.get(path.as_str());
    let here = here.map(Vec::as_slice).unwrap_or_default();
    if !here.is_empty() && here.iter().all(|route| route.is_open) {
        request.extensions_mut().insert(Caller::stranger());
        return next.run(request).await;
    }
    let caller = match identity.caller(request.headers(), gate.app.now()).await {
        Ok(caller) => caller,
        Err(refusal) => return refused(request.headers(), refusal),
    };
    is_of(&caller);
    if let Some(rule) = rule(here, request.method())
        && !identity.policy().allows(rule, &caller)
    {
        is_denied_by(rule);
        return not_permitted().into_response();
    }
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// The rule of a method among the routes of an address.
fn rule(here: &[Route], method: &Method) -> Option<&'static str> {
    let method = match *method {
        Method::HEAD => &Method::GET,
        _ => method,
    };
    let fits = |route: &&Route| route.method.as_ref().is_none_or(|one| one == method);
    here.iter().find(fits)?.rule
}

/// As Mistral and keystonemiddleware say it (`mistral/context.py`, `AuthHook`).
fn refused(headers: &HeaderMap, refusal: Refusal) -> Response {
    let (reason, address) = match refusal {
        Refusal::Token { reason, address } => (reason, address),
        Refusal::NoProject(user) => {
            is_of(&Caller {
                user: Some(user),
                ..Caller::stranger()
            });
            return Fault::forbidden(
                "The token is for no project: get one that is, with a project's name or id",
            )
            .into_response();
        }
        Refusal::Unavailable(reason) => return Fault::unavailable(reason).into_response(),
    };
    let reason = format!("Failed to validate access token: {reason}");
    let explanation = "This server could not verify that you are authorized to access the \
                       document you requested.  Either you supplied the wrong credentials \
                       (e.g., bad password), or your browser does not understand how to supply \
                       the credentials required.";
    let status = StatusCode::UNAUTHORIZED;
    let mut response = strangers::explained(headers, status, explanation, &reason);
    let keystone = format!("Keystone uri=\"{address}\"");
    if let Ok(keystone) = HeaderValue::from_str(&keystone) {
        let headers = response.headers_mut();
        headers.insert(header::WWW_AUTHENTICATE, keystone);
    }
    response
}
