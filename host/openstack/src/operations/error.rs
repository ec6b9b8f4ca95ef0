//! What goes wrong with an operation, in the words of the Python clients.

use ostro_core::suggest::closest;
use ostro_core::{RelativePath, ServiceResponse};
use reqwest::StatusCode;
use serde_json::Value as Json;
use thiserror::Error;

use crate::CloudError;
use crate::operations::{Client, Operation, all};

/// How much of an answer that says nothing better goes into a message, in characters.
const MAX_TEXT: usize = 500;

/// Why an operation gave no result.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OperationError {
    /// There is no such operation.
    #[error("there is no operation {name:?}{hint}")]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// A name that is meant perhaps, as `; did you mean "ironic.node_get"?`
        hint: String,
    },
    /// The arguments do not fit.
    #[error("{operation}: {reason}")]
    Parameters {
        /// The operation.
        operation: String,
        /// Which argument, and what is wrong with it.
        reason: String,
    },
    /// The request got no answer.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// The service refused.
    #[error("{message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What the Python client says, as `Node 1 could not be found. (HTTP 404)`.
        message: String,
    },
    /// What was waited for did not come, or something else did.
    #[error("{0}")]
    Wait(String),
    /// The service's answer is not of the form that its API promises.
    #[error("{operation}: the answer is not understood: {reason}")]
    Answer {
        /// The operation.
        operation: String,
        /// What was expected and what came.
        reason: String,
    },
}

impl OperationError {
    pub(super) fn unknown(name: &str) -> Self {
        let known = all().iter().map(|operation| &*operation.name);
        let hint = closest(name, known).map(|name| format!("; did you mean {name:?}?"));
        let hint = hint.unwrap_or_default();
        Self::Unknown {
            name: name.to_owned(),
            hint,
        }
    }

    pub(super) fn parameters(operation: &Operation, reason: impl Into<String>) -> Self {
        Self::Parameters {
            operation: operation.name.clone(),
            reason: reason.into(),
        }
    }

    pub(super) fn answer(operation: &Operation, reason: impl Into<String>) -> Self {
        Self::Answer {
            operation: operation.name.clone(),
            reason: reason.into(),
        }
    }
}

/// What the client of `operation` says when `path` is answered with `response`.
pub(super) fn refused(
    operation: &Operation,
    path: &RelativePath,
    response: &ServiceResponse,
) -> OperationError {
    let status = response.status;
    let phrase = StatusCode::from_u16(status)
        .ok()
        .and_then(|code| code.canonical_reason());
    let phrase = phrase.unwrap_or("Unknown Status");
    let said = || message(&response.body).unwrap_or_else(|| phrase.to_owned());
    let message = match operation.client {
        Client::Ironic | Client::Keystone => format!("{} (HTTP {status})", said()),
        Client::Nova => {
            let id = response
                .header("x-openstack-request-id")
                .map_or_else(String::new, |id| format!(" (Request-ID: {id})"));
            format!("{} (HTTP {status}){id}", said())
        }
        Client::Glance => format!("HTTP {status} {phrase}: {}", said()),
        Client::Heat => format!("ERROR: {}", said()),
        Client::Inspector | Client::Mistral => said(),
        Client::Swift => {
            let failure = operation.failure.as_deref().unwrap_or("Request failed");
            format!("{failure}: {path} {status} {phrase}")
        }
        Client::Zaqar => zaqar(status, &response.body),
    };
    OperationError::Refused { status, message }
}

/// `zaqarclient.transport.errors.TransportError`.
fn zaqar(status: u16, body: &[u8]) -> String {
    let json: Option<Json> = serde_json::from_slice(body).ok();
    let text = |key: &str| json.as_ref()?.get(key)?.as_str().map(str::to_owned);
    let details = match (text("title"), text("description")) {
        (Some(title), Some(description)) => {
            format!(" Title: {title}. Description: {description}.")
        }
        _ => plain(body).map_or_else(String::new, |said| format!(" Text: {said}.")),
    };
    format!("Error response from Zaqar. Code: {status}.{details}")
}

/// What `body` says went wrong, in the forms that OpenStack's services have for it.
fn message(body: &[u8]) -> Option<String> {
    match serde_json::from_slice::<Json>(body) {
        Ok(json) => within(&json, 0).or_else(|| plain(body)),
        Err(_) => plain(body),
    }
}

fn within(json: &Json, depth: u8) -> Option<String> {
    // Ironic wraps JSON text in JSON, once; anything deeper is not a message.
    if depth > 3 {
        return None;
    }
    match json {
        Json::String(text) => match serde_json::from_str::<Json>(text) {
            Ok(inner @ Json::Object(_)) => within(&inner, depth + 1),
            _ => Some(shorten(text)).filter(|text| !text.is_empty()),
        },
        Json::Object(entries) => {
            let keys = [
                "error_message",
                "faultstring",
                "message",
                "error",
                "description",
                "title",
            ];
            keys.iter()
                .filter_map(|key| entries.get(*key))
                .find_map(|value| within(value, depth + 1))
                // Nova puts it under the name of the fault: {"itemNotFound": {"message": …}}.
                .or_else(|| match entries.values().next() {
                    Some(only @ Json::Object(_)) if entries.len() == 1 => within(only, depth + 1),
                    _ => None,
                })
        }
        _ => None,
    }
}

/// `body` as text, unless it is a page for a browser.
fn plain(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?.trim();
    (!text.is_empty() && !text.starts_with('<')).then(|| shorten(text))
}

fn shorten(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_in_the_forms_of_every_service() {
        for (body, expected) in [
            (
                r#"{"error_message": "{\"faultstring\": \"Node a could not be found.\"}"}"#,
                Some("Node a could not be found."),
            ),
            (
                r#"{"error_message": {"faultcode": "Client", "faultstring": "no"}}"#,
                Some("no"),
            ),
            (
                r#"{"error": {"message": "Node b not found"}}"#,
                Some("Node b not found"),
            ),
            (
                r#"{"itemNotFound": {"code": 404, "message": "gone"}}"#,
                Some("gone"),
            ),
            (
                r#"{"faultstring": "Workflow not found", "debuginfo": null}"#,
                Some("Workflow not found"),
            ),
            ("plain words", Some("plain words")),
            ("<html>a page</html>", None),
            ("", None),
        ] {
            assert_eq!(message(body.as_bytes()).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn a_long_answer_is_cut() {
        assert_eq!(
            message("ä".repeat(1000).as_bytes())
                .unwrap()
                .chars()
                .count(),
            MAX_TEXT + 1
        );
    }

    #[test]
    fn names_that_are_nearly_right_get_a_hint() {
        let error = OperationError::unknown("ironic.node_gt");
        assert_eq!(
            error.to_string(),
            "there is no operation \"ironic.node_gt\"; did you mean \"ironic.node_get\"?"
        );
        assert_eq!(
            OperationError::unknown("weather.today_in_town").to_string(),
            "there is no operation \"weather.today_in_town\""
        );
    }
}
