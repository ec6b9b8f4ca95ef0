//! What passes in a host call, as JSON and back.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ostro_packs::HttpTarget;
use serde_json::ser::{Formatter, Serializer};
use serde_json::{Map, Value, json};

use crate::host::contract::types::{CallError, Response, ServiceError};
use crate::host::contract::{execution, openstack};

/// What the host answers to a call.
pub(crate) trait Answer: Sized {
    fn encode(&self) -> Value;
    /// The answer that `value` is; none if it is no such answer.
    fn decode(value: &Value) -> Option<Self>;
}

impl Answer for () {
    fn encode(&self) -> Value {
        json!({})
    }

    fn decode(_: &Value) -> Option<Self> {
        Some(())
    }
}

impl Answer for u64 {
    fn encode(&self) -> Value {
        json!(self)
    }

    fn decode(value: &Value) -> Option<Self> {
        value.as_u64()
    }
}

impl Answer for execution::Context {
    fn encode(&self) -> Value {
        json!({
            "execution-id": self.execution_id,
            "workflow-name": self.workflow_name,
            "task-name": self.task_name,
            "action-execution-id": self.action_execution_id,
            "attempt": self.attempt,
            "deadline": self.deadline,
        })
    }

    fn decode(value: &Value) -> Option<Self> {
        let text = |key: &str| Some(value.get(key)?.as_str()?.to_owned());
        Some(Self {
            execution_id: text("execution-id")?,
            workflow_name: text("workflow-name")?,
            task_name: text("task-name"),
            action_execution_id: text("action-execution-id")?,
            attempt: value.get("attempt")?.as_u64()?.try_into().ok()?,
            deadline: value.get("deadline")?.as_u64()?,
        })
    }
}

impl<T: Success> Answer for Result<T, CallError> {
    fn encode(&self) -> Value {
        match self {
            Ok(success) => json!({ "ok": success.encode() }),
            Err(error) => json!({ "error": match error {
                CallError::Denied(text) => json!({ "denied": text }),
                CallError::Invalid(text) => json!({ "invalid": text }),
                CallError::Refused(ServiceError { status, message }) => {
                    json!({ "refused": { "status": status, "message": message } })
                }
                CallError::Unavailable(text) => json!({ "unavailable": text }),
                CallError::Exhausted(text) => json!({ "exhausted": text }),
            } }),
        }
    }

    fn decode(value: &Value) -> Option<Self> {
        if let Some(success) = value.get("ok") {
            return T::decode(success).map(Ok);
        }
        let (case, value) = value.get("error")?.as_object()?.iter().next()?;
        let text = || value.as_str().map(str::to_owned);
        Some(Err(match case.as_str() {
            "denied" => CallError::Denied(text()?),
            "invalid" => CallError::Invalid(text()?),
            "refused" => CallError::Refused(ServiceError {
                status: value.get("status")?.as_u64()?.try_into().ok()?,
                message: value.get("message")?.as_str()?.to_owned(),
            }),
            "unavailable" => CallError::Unavailable(text()?),
            "exhausted" => CallError::Exhausted(text()?),
            _ => return None,
        }))
    }
}

/// What a call that may fail gives if it does not.
pub(crate) trait Success: Sized {
    fn encode(&self) -> Value;
    fn decode(value: &Value) -> Option<Self>;
}

impl Success for () {
    fn encode(&self) -> Value {
        json!({})
    }

    fn decode(_: &Value) -> Option<Self> {
        Some(())
    }
}

impl Success for Response {
    fn encode(&self) -> Value {
        let mut value = Map::new();
        value.insert("status".into(), self.status.into());
        put(&mut value, "headers", pairs(&self.headers));
        put(&mut value, "body", bytes(&self.body));
        value.into()
    }

    fn decode(value: &Value) -> Option<Self> {
        let headers = match value.get("headers") {
            Some(headers) => headers
                .as_array()?
                .iter()
                .map(|pair| {
                    let text = |at: usize| Some(pair.get(at)?.as_str()?.to_owned());
                    Some((text(0)?, text(1)?))
                })
                .collect::<Option<_>>()?,
            None => Vec::new(),
        };
        let body = match value.get("body") {
            Some(body) => from_bytes(body)?,
            None => Vec::new(),
        };
        Some(Self {
            status: value.get("status")?.as_u64()?.try_into().ok()?,
            headers,
            body,
        })
    }
}

/// JSON text.
impl Success for String {
    fn encode(&self) -> Value {
        json_text(self)
    }

    fn decode(value: &Value) -> Option<Self> {
        String::from_utf8(from_bytes(value)?).ok()
    }
}

/// The answer to a request to a host outside of the cloud.
pub(crate) struct HttpAnswer {
    pub(crate) result: Result<Response, CallError>,
    /// Whether it came from an address that is not public.
    pub(crate) is_private: bool,
}

impl Answer for HttpAnswer {
    fn encode(&self) -> Value {
        let mut value = self.result.encode();
        if self.is_private
            && let Some(answer) = value.as_object_mut()
        {
            answer.insert("private".to_owned(), true.into());
        }
        value
    }

    fn decode(value: &Value) -> Option<Self> {
        Some(Self {
            result: Result::decode(value)?,
            is_private: value.get("private") == Some(&Value::Bool(true)),
        })
    }
}

/// The arguments of a request to a host outside of the cloud, without its body. The query is in
/// pairs, as it is sent, so that what is secret in it is found by its name.
pub(crate) fn http_request(
    method: ostro_core::Method,
    target: &HttpTarget,
    headers: &[(String, String)],
) -> Value {
    let mut value = Map::new();
    value.insert("method".into(), method.as_str().into());
    value.insert("url".into(), target.to_string().into());
    let query = target.query.as_deref().map(|query| {
        let pairs = query.split('&').map(|pair| match pair.split_once('=') {
            Some((name, value)) => json!([name, value]),
            None => json!([pair]),
        });
        pairs.collect()
    });
    put(&mut value, "query", query);
    put(&mut value, "headers", pairs(headers));
    value.into()
}

/// A body, as part of a call's arguments; nothing for none.
pub(crate) fn body(body: &[u8]) -> Option<Value> {
    bytes(body)
}

/// Text that passes as it is.
pub(crate) struct Plain(pub(crate) String);

impl Success for Plain {
    fn encode(&self) -> Value {
        self.0.as_str().into()
    }

    fn decode(value: &Value) -> Option<Self> {
        value.as_str().map(|text| Self(text.to_owned()))
    }
}

/// The arguments of a request.
pub(crate) fn request(request: &openstack::Request) -> Value {
    let mut value = Map::new();
    value.insert("service".into(), request.service.as_str().into());
    let method = ostro_core::Method::from(request.method);
    value.insert("method".into(), method.as_str().into());
    value.insert("path".into(), request.path.as_str().into());
    put(&mut value, "query", pairs(&request.query));
    put(&mut value, "headers", pairs(&request.headers));
    put(&mut value, "body", bytes(&request.body));
    put(
        &mut value,
        "microversion",
        request.microversion.as_deref().map(Value::from),
    );
    value.into()
}

/// The arguments of a request that only reads: it has no method.
pub(crate) fn read(request: &openstack::Request) -> Value {
    let mut value = self::request(request);
    if let Some(arguments) = value.as_object_mut() {
        arguments.shift_remove("method");
    }
    value
}

/// The arguments of an operation.
pub(crate) fn operation(name: &str, arguments: &str) -> Value {
    json!({ "operation": name, "arguments": json_text(arguments) })
}

/// JSON text that passes as such.
pub(crate) fn json_text(text: &str) -> Value {
    bytes(text.as_bytes()).unwrap_or_else(|| json!({ "text": "" }))
}

/// Arguments whose JSON is given as a person would write it: how it is spaced does not matter.
pub(crate) fn without_style(arguments: &Value) -> Value {
    let mut arguments = arguments.clone();
    for key in ["body", "arguments"] {
        let Some(part) = arguments.get_mut(key) else {
            continue;
        };
        let text = part.get("text").and_then(Value::as_str);
        let nested: Option<Value> = text.and_then(|text| serde_json::from_str(text).ok());
        if let Some(value) = nested.as_ref().or_else(|| part.get("json")) {
            *part = json!({ "json": value });
        }
    }
    arguments
}

fn put(value: &mut Map<String, Value>, key: &str, part: Option<Value>) {
    if let Some(part) = part {
        value.insert(key.to_owned(), part);
    }
}

fn pairs(pairs: &[(String, String)]) -> Option<Value> {
    let all = || pairs.iter().map(|(name, value)| json!([name, value]));
    (!pairs.is_empty()).then(|| all().collect())
}

/// Bytes, as JSON that gives the same bytes again; nothing for none.
pub(crate) fn bytes(bytes: &[u8]) -> Option<Value> {
    if bytes.is_empty() {
        return None;
    }
    let value: Option<Value> = serde_json::from_slice(bytes).ok();
    if let Some(value) = value {
        if serde_json::to_vec(&value).is_ok_and(|text| text == bytes) {
            return Some(json!({ "json": value }));
        }
        if spaced(&value).is_some_and(|text| text == bytes) {
            return Some(json!({ "json": value, "spaced": true }));
        }
    }
    Some(match std::str::from_utf8(bytes) {
        Ok(text) => json!({ "text": text }),
        Err(_) => json!({ "base64": STANDARD.encode(bytes) }),
    })
}

pub(crate) fn from_bytes(value: &Value) -> Option<Vec<u8>> {
    if let Some(json) = value.get("json") {
        return match value.get("spaced") {
            Some(Value::Bool(true)) => spaced(json),
            _ => serde_json::to_vec(json).ok(),
        };
    }
    if let Some(text) = value.get("text") {
        return Some(text.as_str()?.as_bytes().to_vec());
    }
    STANDARD.decode(value.get("base64")?.as_str()?).ok()
}

/// JSON with a blank after each comma and colon, as Python's `json.dumps` writes it.
fn spaced(value: &Value) -> Option<Vec<u8>> {
    struct Spaced;
    impl Formatter for Spaced {
        fn begin_array_value<W: ?Sized + io::Write>(
            &mut self,
            to: &mut W,
            first: bool,
        ) -> io::Result<()> {
            to.write_all(if first { b"" } else { b", " })
        }

        fn begin_object_key<W: ?Sized + io::Write>(
            &mut self,
            to: &mut W,
            first: bool,
        ) -> io::Result<()> {
            to.write_all(if first { b"" } else { b", " })
        }

        fn begin_object_value<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
            to.write_all(b": ")
        }
    }
    let mut text = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut text, Spaced);
    serde::Serialize::serialize(value, &mut serializer).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_as_they_were() {
        for (body, form) in [
            (&br#"{"b":1,"a":[1.5,null]}"#[..], "json"),
            (br#"{"b": 1, "a": [1.5, null]}"#, "json"),
            (br#"{"b":1, "a":2}"#, "text"),
            (br#"{"a":1,"a":2}"#, "text"),
            (b"no JSON", "text"),
            (b"\xff\x00", "base64"),
        ] {
            let value = bytes(body).unwrap();
            assert!(value.get(form).is_some(), "{value}");
            assert_eq!(from_bytes(&value).unwrap(), body);
        }
        assert_eq!(bytes(b""), None);
    }

    #[test]
    fn style_does_not_matter_to_a_person() {
        let spaced = operation("a.b", r#"{"a": 1}"#);
        let mixed = operation("a.b", r#"{"a":  1}"#);
        let plain = operation("a.b", r#"{"a":1}"#);
        assert_ne!(spaced, plain);
        assert_eq!(without_style(&spaced), plain);
        assert_eq!(without_style(&mixed), plain);
        assert_eq!(without_style(&plain), plain);
    }

    #[test]
    fn answers_come_back_as_they_were() {
        let answers: [Result<(), CallError>; 4] = [
            Ok(()),
            Err(CallError::Denied("no".into())),
            Err(CallError::Refused(ServiceError {
                status: 404,
                message: "gone".into(),
            })),
            Err(CallError::Exhausted("all".into())),
        ];
        for answer in answers {
            let value = answer.encode();
            let again = <Result<(), CallError>>::decode(&value).unwrap();
            assert_eq!(again.encode(), value);
        }
    }
}
