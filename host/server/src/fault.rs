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

    /// Not now, as too much else is under way.
    pub(crate) fn busy(message: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, message)
    }

    /// Not now.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    /// The body is larger than may be.
    pub(crate) fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    /// There are as many as there may be.
    pub(crate) fn too_many(message: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, message)
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
        (self.status, axum::Json(self.body())).into_response()
    }
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
        (self.0.status, kind, body).into_response()
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
