//! What is answered where something is wrong, in the forms that Mistral's clients read.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use ostro_journal::JournalError;
use ostro_runtime::RuntimeError;
use serde_json::{Value, json};

/// An answer that says what is wrong: WSME's fault, as most of Mistral's resources give it
/// (`wsmeext/pecan.py`).
#[derive(Debug)]
pub(crate) struct Fault {
    status: StatusCode,
    message: String,
    /// When to come back, in seconds.
    retry_after: Option<u64>,
}

/// The same as resources give it that take definitions as text
/// (`mistral/utils/rest_utils.py`, `wrap_pecan_controller_exception`).
#[derive(Debug)]
pub(crate) struct TextFault(Fault);

impl Fault {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            retry_after: (status == StatusCode::TOO_MANY_REQUESTS).then_some(1),
        }
    }

    /// The status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// The answer's body.
    pub(crate) fn body(&self) -> Value {
        let side = if self.status.is_server_error() {
            "Server"
        } else {
            "Client"
        };
        json!({"faultcode": side, "faultstring": self.message, "debuginfo": null})
    }

    /// What is wrong.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Whether the same may work later.
    pub(crate) fn may_pass(&self) -> bool {
        self.status.is_server_error() || self.status == StatusCode::TOO_MANY_REQUESTS
    }

    /// The request makes no sense.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// The caller may not.
    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// There is no such thing.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// There is such a thing already.
    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// The request cannot be read, and is answered with this status.
    pub(crate) fn unread(status: StatusCode, message: impl Into<String>) -> Self {
        Self::new(status, message)
    }

    /// Not now, as too much else is under way.
    pub(crate) fn busy(message: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, message)
    }

    /// Not now.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    /// A limit is reached, and may not be in some seconds.
    pub(crate) fn come_back(message: impl Into<String>, retry_after: u64) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, message)
        }
    }

    /// The body is larger than what is read.
    pub(crate) fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    /// There are as many as there may be.
    pub(crate) fn too_many(message: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, message)
    }

    /// The address is longer than what is read.
    pub(crate) fn long_address(message: impl Into<String>) -> Self {
        Self::new(StatusCode::URI_TOO_LONG, message)
    }

    /// The request does not come.
    pub(crate) fn slow(message: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, message)
    }

    /// The body is of a kind that is not read.
    pub(crate) fn unknown_kind(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
    }

    /// Something that Mistral has and Ostro does otherwise.
    pub(crate) fn not_implemented(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, message)
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let answer = (self.status, axum::Json(self.body())).into_response();
        later(answer, self.retry_after)
    }
}

/// `answer`, which says when to come back.
fn later(mut answer: Response, retry_after: Option<u64>) -> Response {
    if let Some(seconds) = retry_after {
        let headers = answer.headers_mut();
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    answer
}

impl From<Fault> for TextFault {
    fn from(fault: Fault) -> Self {
        Self(fault)
    }
}

impl IntoResponse for TextFault {
    fn into_response(self) -> Response {
        let kind = [(header::CONTENT_TYPE, "application/json;charset=utf-8")];
        let body = json!({"faultstring": self.0.message}).to_string();
        let answer = (self.0.status, kind, body).into_response();
        later(answer, self.0.retry_after)
    }
}

impl From<JournalError> for Fault {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Slow { .. } => Self::invalid(error.to_string()),
            // The log has what an operator needs; a caller learns that it is not them.
            error => {
                tracing::error!(%error, "the journal fails a request");
                Self::unavailable("the journal cannot be read or written: the log says why")
            }
        }
    }
}

impl From<RuntimeError> for Fault {
    fn from(error: RuntimeError) -> Self {
        let message = error.to_string();
        match error {
            RuntimeError::UnknownExecution(_)
            | RuntimeError::UnknownAction(_)
            | RuntimeError::UnknownWorkflow { .. } => Self::not_found(message),
            RuntimeError::Input(_)
            | RuntimeError::Nesting { .. }
            | RuntimeError::Ended(_)
            | RuntimeError::Invalid(_) => Self::invalid(message),
            RuntimeError::Full(_) | RuntimeError::Busy(_) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, message)
            }
            RuntimeError::Journal(_) | RuntimeError::ShutDown => Self::unavailable(message),
        }
    }
}
