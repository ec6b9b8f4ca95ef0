//! Answers of services: their JSON, or their error's text.

use serde_json::Value;

use crate::cloud::{CloudError, ReadCloud, Response};

/// The Bare Metal service.
pub const BAREMETAL: &str = "baremetal";
/// Its API version: the first in which everything that nodes are registered with is there
/// (conductor groups are 1.46, rescue interfaces 1.38), and that all later releases serve.
pub const BAREMETAL_VERSION: &str = "1.58";
/// The Image service.
pub const IMAGE: &str = "image";
/// The Introspection service.
pub const INTROSPECTION: &str = "baremetal-introspection";
/// Its API version: the one that has the data of an introspection as the ramdisk sent them.
pub const INTROSPECTION_VERSION: &str = "1.2";
/// The Compute service.
pub const COMPUTE: &str = "compute";

/// An error's text is cut here: some services answer with a page of HTML.
const MESSAGE_LIMIT: usize = 1000;

/// How deep an error is looked for in a service's answer.
const MESSAGE_DEPTH: u8 = 4;

/// Reads a path and gives its JSON.
pub fn read(
    cloud: &impl ReadCloud,
    service: &str,
    path: &str,
    query: &[(&str, &str)],
    microversion: Option<&str>,
) -> Result<Value, CloudError> {
    let response = cloud.get(service, path, query, microversion)?;
    json(service, path, &response)
}

/// The JSON of an answer; null where there is no body.
pub fn json(service: &str, path: &str, response: &Response) -> Result<Value, CloudError> {
    if !(200..300).contains(&response.status) {
        return Err(CloudError::Service {
            status: response.status,
            message: error_message(&response.body),
        });
    }
    if response.body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&response.body).map_err(|error| CloudError::Unreadable {
        service: service.to_owned(),
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

/// What a service says about its failure. Each service wraps the text in its own way: Ironic in
/// `error_message.faultstring`, where `error_message` may be JSON in a string; Nova under the
/// name of the error; Inspector under `error`; Glance in a page of HTML.
fn error_message(body: &[u8]) -> String {
    let message = serde_json::from_slice(body)
        .ok()
        .and_then(|value| find_message(&value, MESSAGE_DEPTH))
        .unwrap_or_else(|| without_tags(&String::from_utf8_lossy(body)));
    let mut message = message.trim().to_owned();
    if message.is_empty() {
        "the service gave no reason".clone_into(&mut message);
    }
    if let Some((end, _)) = message.char_indices().nth(MESSAGE_LIMIT) {
        message.truncate(end);
        message.push('…');
    }
    message
}

/// Where the text is, by how sure that is.
const KEYS: &[&str] = &[
    "faultstring",
    "message",
    "description",
    "error_message",
    "error",
];

fn find_message(value: &Value, depth: u8) -> Option<String> {
    let depth = depth.checked_sub(1)?;
    match value {
        Value::String(text) => match serde_json::from_str(text) {
            Ok(inner @ Value::Object(_)) => find_message(&inner, depth),
            _ => Some(text.clone()),
        },
        Value::Object(entries) => KEYS
            .iter()
            .filter_map(|key| entries.get(*key))
            .chain(entries.values().filter(|value| value.is_object()))
            .find_map(|value| find_message(value, depth)),
        _ => None,
    }
}

fn without_tags(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut in_tag = false;
    for character in text.chars() {
        match character {
            '<' => in_tag = true,
            '>' => {
                in_tag = false;
                plain.push(' ');
            }
            other if !in_tag => plain.push(other),
            _ => {}
        }
    }
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_s_error_is_found() {
        for (body, expected) in [
            (
                r#"{"error_message": "{\"faultstring\": \"Node n is locked\", \"faultcode\": \"Client\"}"}"#,
                "Node n is locked",
            ),
            (
                r#"{"error_message": {"faultstring": "bad", "debuginfo": null}}"#,
                "bad",
            ),
            (
                r#"{"error_message": "{\"code\": 400, \"title\": \"Bad Request\", \"description\": \"Expected UUID\"}"}"#,
                "Expected UUID",
            ),
            (
                r#"{"itemNotFound": {"code": 404, "message": "no such"}}"#,
                "no such",
            ),
            (
                r#"{"error": {"message": "not introspected"}}"#,
                "not introspected",
            ),
            (
                "<html><head><title>404</title></head><body>No  image</body></html>",
                "404 No image",
            ),
            ("", "the service gave no reason"),
        ] {
            assert_eq!(error_message(body.as_bytes()), expected);
        }
    }

    #[test]
    fn a_long_error_is_cut() {
        let message = error_message("ä".repeat(5000).as_bytes());
        assert_eq!(message.chars().count(), MESSAGE_LIMIT + 1);
    }

    #[test]
    fn an_answer_that_is_not_json_says_so() {
        let response = Response {
            status: 200,
            body: b"<html>".to_vec(),
        };
        let error = json(BAREMETAL, "/v1/nodes", &response)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("the baremetal service's answer to /v1/nodes cannot be read: "));
    }
}
