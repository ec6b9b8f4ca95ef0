//! From an answer to a result, as an operation's row says.

use ostro_core::{Map, ServiceResponse, Value};

use crate::operations::{Operation, OperationError};

/// What of the answer is the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) form: Form,
    /// The member of the answer's JSON to take; the whole without one.
    pub(super) key: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Form {
    /// Null.
    Nothing,
    /// JSON as it is; null for an empty body.
    Json,
    /// JSON that must be a list.
    List,
    /// An object of novaclient: its attributes, and `_info` with all of them.
    Resource,
    /// A list of these.
    Resources,
    /// The headers.
    Headers,
    /// `[headers, body]`, with the body as text.
    HeadersAndText,
    /// `[headers, listing]`.
    HeadersAndList,
    /// The `etag` header without its quotes.
    Etag,
    /// Messages of a queue, with their ids.
    Messages,
    /// An environment of Mistral, whose variables are JSON text on the way.
    Environment,
}

impl Shape {
    /// The result that `response` holds.
    pub(super) fn of(
        &self,
        operation: &Operation,
        response: &ServiceResponse,
    ) -> Result<Value, OperationError> {
        let json = || self.json(operation, response);
        Ok(match self.form {
            Form::Nothing => Value::Null,
            Form::Json => json()?,
            Form::List => list(operation, json()?)?,
            Form::Resource => resource(json()?),
            Form::Resources => items(operation, &json()?)?
                .iter()
                .cloned()
                .map(resource)
                .collect(),
            Form::Headers => headers(response),
            Form::HeadersAndText => vec![headers(response), text(operation, response)?].into(),
            Form::HeadersAndList => vec![headers(response), list(operation, json()?)?].into(),
            Form::Etag => response
                .header("etag")
                .unwrap_or_default()
                .trim_matches('"')
                .into(),
            Form::Environment => environment(operation, json()?)?,
            Form::Messages => items(operation, &json()?)?.iter().map(message).collect(),
        })
    }

    fn json(
        &self,
        operation: &Operation,
        response: &ServiceResponse,
    ) -> Result<Value, OperationError> {
        if response.body.is_empty() {
            return Ok(Value::Null);
        }
        let value: Value = serde_json::from_slice(&response.body)
            .map_err(|error| OperationError::answer(operation, error.to_string()))?;
        match &self.key {
            None => Ok(value),
            Some(key) => value.get(key).cloned().ok_or_else(|| {
                OperationError::answer(operation, format!("it has no member {key:?}"))
            }),
        }
    }
}

/// `value`, which must be a list; an empty body is an empty one.
fn list(operation: &Operation, value: Value) -> Result<Value, OperationError> {
    match value {
        Value::Null => Ok(Value::from(Vec::new())),
        value => items(operation, &value).map(|_| value.clone()),
    }
}

/// The items of `value`, which must be a list.
pub(super) fn items<'a>(
    operation: &Operation,
    value: &'a Value,
) -> Result<&'a [Value], OperationError> {
    match value {
        Value::Null => Ok(&[]),
        value => value.as_list().ok_or_else(|| {
            OperationError::answer(operation, format!("expected a list, got {}", value.kind()))
        }),
    }
}

/// `value` with `_info`, as Mistral shows objects of novaclient.
pub(super) fn resource(value: Value) -> Value {
    match &value {
        Value::Map(entries) => {
            let mut entries = Map::clone(entries);
            entries.insert("_info".into(), value.clone());
            entries.into()
        }
        _ => value,
    }
}

/// `value` with the id that zaqarclient takes from the address of a message.
fn message(value: &Value) -> Value {
    let (Some(entries), None) = (value.as_map(), value.get("id")) else {
        return value.clone();
    };
    let mut entries = entries.clone();
    if let Some(href) = value.get("href").and_then(Value::as_str) {
        let last = href.rsplit('/').next().unwrap_or_default();
        entries.insert(
            "id".into(),
            last.split('?').next().unwrap_or_default().into(),
        );
    }
    entries.into()
}

/// `mistralclient.api.v2.environments.Environment`: the variables as a mapping.
fn environment(operation: &Operation, value: Value) -> Result<Value, OperationError> {
    let (Some(entries), Some(text)) = (
        value.as_map(),
        value.get("variables").and_then(Value::as_str),
    ) else {
        return Ok(value);
    };
    let variables: Value = serde_json::from_str(text)
        .map_err(|error| OperationError::answer(operation, format!("variables: {error}")))?;
    let mut entries = entries.clone();
    entries.insert("variables".into(), variables);
    Ok(entries.into())
}

/// The headers by name, in lower case. One that comes several times is joined, as HTTP has it.
fn headers(response: &ServiceResponse) -> Value {
    let mut all = Map::new();
    for (name, value) in &response.headers {
        let joined = match all.get(name.as_str()).and_then(Value::as_str) {
            Some(before) => format!("{before}, {value}"),
            None => value.clone(),
        };
        all.insert(name.as_str().into(), joined.into());
    }
    all.into()
}

fn text(operation: &Operation, response: &ServiceResponse) -> Result<Value, OperationError> {
    std::str::from_utf8(&response.body)
        .map(Value::from)
        .map_err(|_| {
            OperationError::answer(
                operation,
                format!(
                    "its {} bytes are no UTF-8 text, and workflows handle only text",
                    response.body.len()
                ),
            )
        })
}
