//! What is known of a request while it is answered: its id, whose it is, what it is about. Layers
//! around the routes have it, and logs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::HeaderMap;
use tracing::Span;
use tracing::field::Empty;
use uuid::Uuid;

use crate::identity::Caller;
use crate::telemetry::TraceParent;

/// The header of a request's id, in requests and answers (`oslo_middleware/request_id.py`).
pub(crate) const REQUEST_ID: &str = "x-openstack-request-id";

tokio::task_local! {
    /// The request that this task answers.
    static CURRENT: Arc<Current>;
}

/// A request that is answered.
pub(crate) struct Current {
    /// `req-` and a UUID.
    pub(crate) id: String,
    /// Where it comes from, if its caller traces.
    pub(crate) trace: Option<TraceParent>,
    /// What logs say beside each line about it.
    pub(crate) span: Span,
    known: Mutex<Known>,
}

/// What is found out on the way.
#[derive(Clone, Default)]
pub(crate) struct Known {
    pub(crate) caller: Option<Caller>,
    /// The id of what was made.
    pub(crate) resource: Option<String>,
    /// The policy's rule that the caller does not pass.
    pub(crate) denied_by: Option<String>,
}

impl Current {
    /// A request with these headers: with the id that its caller has given it, if that is one.
    pub(crate) fn new(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let given = text(REQUEST_ID).filter(|id| is_request_id(id));
        let id = given.map_or_else(|| format!("req-{}", Uuid::new_v4()), str::to_owned);
        // As loud as anything is: a warning has the ids where only warnings are logged.
        let span = tracing::error_span!(
            "request",
            request_id = id,
            project_id = Empty,
            user_id = Empty,
            execution_id = Empty
        );
        Self {
            id,
            trace: text("traceparent").and_then(TraceParent::parse),
            span,
            known: Mutex::default(),
        }
    }

    /// Answers the request by `answer`.
    pub(crate) async fn within<T>(self: &Arc<Self>, answer: impl Future<Output = T>) -> T {
        CURRENT.scope(Arc::clone(self), answer).await
    }

    pub(crate) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The request that this task answers; none where it answers none.
pub(crate) fn current() -> Option<Arc<Current>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// Notes whose request it is.
pub(crate) fn is_of(caller: &Caller) {
    if let Some(current) = current() {
        current.span.record("project_id", &*caller.project);
        if let Some(user) = &caller.user {
            current.span.record("user_id", &*user.id);
        }
        current.known().caller = Some(caller.clone());
    }
}

/// Notes that the caller does not pass a rule of the policy.
pub(crate) fn is_denied_by(rule: &str) {
    if let Some(current) = current() {
        current.known().denied_by = Some(rule.to_owned());
    }
}

/// Notes the id of what the request has made.
pub(crate) fn has_made(id: &str) {
    if let Some(current) = current() {
        current.known().resource = Some(id.to_owned());
    }
}

/// Notes which execution the request is about.
pub(crate) fn is_about_execution(id: &str) {
    if let Some(current) = current() {
        current.span.record("execution_id", id);
    }
}

/// `req-` and a UUID in small letters, as oslo.middleware takes it.
fn is_request_id(text: &str) -> bool {
    let Some(uuid) = text.strip_prefix("req-") else {
        return false;
    };
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let groups: Vec<&str> = uuid.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.chars().all(hex))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_request_ids_are_taken_over() {
        for (text, taken) in [
            ("req-01234567-89ab-cdef-0123-456789abcdef", true),
            ("req-01234567-89AB-cdef-0123-456789abcdef", false),
            ("req-01234567-89ab-cdef-0123-456789abcde", false),
            ("01234567-89ab-cdef-0123-456789abcdef", false),
            ("req-01234567-89ab-cdef-0123-456789abcdef\nx", false),
        ] {
            assert_eq!(is_request_id(text), taken, "{text:?}");
        }
    }
}
