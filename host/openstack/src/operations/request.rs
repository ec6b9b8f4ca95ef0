//! From arguments to a request, as an operation's row says.

use std::sync::Arc;

use ostro_core::{Map, RelativePath, ServiceRequest, Value, percent_encode};
use url::form_urlencoded;

use crate::operations::arguments::Arguments;
use crate::operations::{Encode, Operation, OperationError, Parameter, Place, python};

/// The request that `arguments` make.
pub(super) fn build(
    operation: &Operation,
    arguments: &Arguments,
) -> Result<ServiceRequest, OperationError> {
    build_at(operation, &operation.path, arguments)
}

/// The same below another path than the row's, for adapters that choose one.
pub(super) fn build_at(
    operation: &Operation,
    template: &str,
    arguments: &Arguments,
) -> Result<ServiceRequest, OperationError> {
    let mut path = template.to_owned();
    let mut suffix = String::new();
    let mut body = Body::default();
    let root = RelativePath::parse("/").map_err(|error| bad_path(operation, &error))?;
    let mut request = ServiceRequest::new(&*operation.service, operation.method, root);
    request.microversion.clone_from(&operation.microversion);
    request.query.clone_from(&operation.query);
    for (parameter, value) in arguments.of(operation) {
        if parameter.only_if_true && !value.is_truthy() {
            continue;
        }
        match parameter.place {
            Place::Path | Place::PathTail => {
                let text = segment(operation, parameter, value)?;
                path = path.replace(&format!("{{{}}}", parameter.name), &text);
            }
            Place::Suffix => suffix.push_str(&parameter.key),
            Place::Microversion => request.microversion = Some(python::text(value)),
            place => {
                put(
                    operation,
                    place,
                    &parameter.key,
                    parameter.encode,
                    value,
                    &mut request,
                    &mut body,
                )?;
            }
        }
    }
    if let Some(place) = operation.rest {
        for (key, value) in arguments
            .rest()
            .iter()
            .filter(|(_, value)| !value.is_null())
        {
            put(
                operation,
                place,
                key,
                Encode::Plain,
                value,
                &mut request,
                &mut body,
            )?;
        }
    }
    request.path =
        RelativePath::parse(&(path + &suffix)).map_err(|error| bad_path(operation, &error))?;
    if let Some(bytes) = body.bytes(operation)? {
        request.body = bytes;
    }
    Ok(request)
}

#[derive(Default)]
struct Body {
    members: Option<Map>,
    whole: Option<Value>,
    text: Option<Vec<u8>>,
}

impl Body {
    fn bytes(self, operation: &Operation) -> Result<Option<Vec<u8>>, OperationError> {
        let json = self.whole.or(self.members.map(Value::from));
        match (self.text, json) {
            (Some(text), _) => Ok(Some(text)),
            (None, Some(json)) => serde_json::to_vec(&json)
                .map(Some)
                .map_err(|error| OperationError::parameters(operation, error.to_string())),
            (None, None) => Ok(None),
        }
    }
}

/// Puts `value` where `place` says.
fn put(
    operation: &Operation,
    place: Place,
    key: &str,
    encode: Encode,
    value: &Value,
    request: &mut ServiceRequest,
    body: &mut Body,
) -> Result<(), OperationError> {
    match place {
        Place::Query => query(&mut request.query, key, encode, value),
        Place::QueryEntries => {
            for (key, value) in value
                .as_map()
                .into_iter()
                .flatten()
                .filter(|(_, v)| !v.is_null())
            {
                query(&mut request.query, key, Encode::Plain, value);
            }
        }
        Place::QueryText => {
            let text = python::text(value);
            let pairs = form_urlencoded::parse(text.trim_start_matches('?').as_bytes());
            request.query.extend(pairs.into_owned());
        }
        Place::Body => {
            body.members
                .get_or_insert_default()
                .insert(key.into(), encoded(encode, value));
        }
        Place::BodyEntries => {
            let entries = value.as_map().into_iter().flatten();
            body.members
                .get_or_insert_default()
                .extend(entries.map(|(key, value)| (key.clone(), value.clone())));
        }
        Place::WholeBody => body.whole = Some(encoded(encode, value)),
        Place::Text => body.text = Some(python::text(value).into_bytes()),
        Place::Header => request.headers.push((key.to_owned(), python::text(value))),
        Place::Headers => {
            for (name, value) in value.as_map().into_iter().flatten() {
                let value = match value {
                    Value::Null => String::new(),
                    Value::List(_) | Value::Map(_) => {
                        return Err(OperationError::parameters(
                            operation,
                            format!("header {name:?} must be a string, not {}", value.kind()),
                        ));
                    }
                    value => python::text(value),
                };
                request.headers.push((name.to_ascii_lowercase(), value));
            }
        }
        Place::Path | Place::PathTail | Place::Suffix | Place::Microversion | Place::Adapter => {}
    }
    Ok(())
}

/// Adds `key` to `query` as `encode` says.
pub(super) fn query(query: &mut Vec<(String, String)>, key: &str, encode: Encode, value: &Value) {
    match (encode, value) {
        (Encode::Repeat, Value::List(items)) => {
            query.extend(
                items
                    .iter()
                    .map(|item| (key.to_owned(), python::text(item))),
            );
        }
        (encode, value) => query.push((key.to_owned(), python::text(&encoded(encode, value)))),
    }
}

fn encoded(encode: Encode, value: &Value) -> Value {
    match (encode, value) {
        // Text is taken for JSON that somebody has written already, as the client does.
        (Encode::JsonText, Value::List(_) | Value::Map(_)) => value.to_string().into(),
        (Encode::OneOrMany, Value::List(_)) => value.clone(),
        (Encode::OneOrMany, single) => vec![single.clone()].into(),
        (Encode::Digit, value) => Value::from(if value.is_truthy() { "1" } else { "0" }),
        _ => value.clone(),
    }
}

/// `value` as a part of a path. An empty one would name another resource: the collection.
fn segment(
    operation: &Operation,
    parameter: &Parameter,
    value: &Value,
) -> Result<String, OperationError> {
    let text = python::text(value);
    if text.is_empty() {
        return Err(OperationError::parameters(
            operation,
            format!("parameter {:?} must not be empty", parameter.name),
        ));
    }
    Ok(percent_encode(&text, parameter.place == Place::PathTail))
}

pub(super) fn bad_path(operation: &Operation, error: &ostro_core::PathError) -> OperationError {
    OperationError::parameters(operation, error.to_string())
}

/// `key` and `value` as a mapping of one.
pub(super) fn entry(key: &str, value: impl Into<Value>) -> Value {
    Map::from_iter([(Arc::from(key), value.into())]).into()
}
