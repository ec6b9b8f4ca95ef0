//! What callers send as JSON, with the faults of WSME (`wsme/rest/json.py`).

use std::borrow::Cow;

use axum::http::{HeaderMap, header};
use serde_json::{Map, Value};

use crate::fault::Fault;
use crate::python::{class, python};

/// How many bytes of what is wrong are told.
const SHOWN: usize = 4 << 10;

/// What an object that a caller sends may have.
#[derive(Debug)]
pub(crate) struct Shape {
    /// What Mistral calls it.
    pub(super) argument: &'static str,
    /// Which of its attributes are texts.
    pub(super) texts: &'static [&'static str],
    /// Which are objects, as such or as JSON in a text.
    pub(super) objects: &'static [&'static str],
    /// Which are truth values.
    pub(super) truths: &'static [&'static str],
    /// Which are of other kinds, and are taken for nothing.
    pub(super) ignored: &'static [&'static str],
    /// Which cannot be set.
    pub(super) read_only: &'static [&'static str],
}

/// An object that a caller has sent. What was given as null is there as null.
#[derive(Debug)]
pub(crate) struct Given(Map<String, Value>);

impl Shape {
    /// Reads the body of a request.
    pub(super) fn read(&self, headers: &HeaderMap, body: &str) -> Result<Given, Fault> {
        if body.trim().is_empty() {
            let argument = self.argument;
            return Err(Fault::invalid(format!("Missing argument: \"{argument}\"")));
        }
        let kind = headers
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .and_then(|kind| kind.split(';').next());
        if let Some(kind) =
            kind.filter(|kind| !kind.trim().eq_ignore_ascii_case("application/json"))
        {
            return Err(Fault::unknown_kind(format!("Unknown mimetype: {kind}")));
        }
        let given: Value = serde_json::from_str(body)
            .map_err(|_| Fault::invalid("Request is not in valid JSON format"))?;
        let Value::Object(mut given) = given else {
            return Err(Fault::invalid("The body is to be a JSON object"));
        };
        self.check(&given)?;
        let mut meant = Vec::new();
        for (name, value) in &given {
            let read = if self.objects.contains(&name.as_str()) {
                object(value)
            } else if self.truths.contains(&name.as_str()) {
                truth(value)
            } else {
                continue;
            };
            match read {
                Ok(None) => {}
                Ok(Some(value)) => meant.push((name.clone(), value)),
                Err(Wrong::Itself(fault)) => return Err(fault),
                Err(Wrong::Whole(reason)) => {
                    return Err(invalid(self.argument, &Value::Object(given), &reason));
                }
            }
        }
        given.extend(meant);
        Ok(Given(given))
    }

    fn check(&self, given: &Map<String, Value>) -> Result<(), Fault> {
        for (name, value) in given {
            let is = |names: &[&str]| names.contains(&name.as_str());
            if is(self.read_only) {
                return Err(invalid(name, value, "Cannot set read only field."));
            }
            if is(self.texts) && !(value.is_string() || value.is_null()) {
                let got = class(value);
                let reason = format!("Wrong type. Expected '<class 'str'>', got '<class '{got}'>'");
                return Err(invalid(name, value, &reason));
            }
            let known = is(self.texts) || is(self.objects) || is(self.truths) || is(self.ignored);
            if !known {
                let argument = self.argument;
                return Err(Fault::invalid(format!(
                    "Unknown attribute for argument {argument}: {name}"
                )));
            }
        }
        Ok(())
    }
}

impl From<Map<String, Value>> for Given {
    fn from(object: Map<String, Value>) -> Self {
        Self(object)
    }
}

impl Given {
    /// A text that is not empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let text = self.0.get(name)?.as_str();
        text.filter(|text| !text.is_empty())
    }

    /// An object, if there is one.
    pub(super) fn object(&self, name: &str) -> Option<&Map<String, Value>> {
        self.0.get(name)?.as_object()
    }

    /// A truth value, if there is one.
    pub(super) fn truth(&self, name: &str) -> Option<bool> {
        self.0.get(name)?.as_bool()
    }

    /// An attribute, whatever it is; one that was given as null is null.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Whether anything was given for it, be it null.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

fn invalid(name: &str, value: &Value, reason: &str) -> Fault {
    let shown = match value {
        Value::String(text) => text.clone(),
        other => python(other),
    };
    let shown = brief(&shown);
    Fault::invalid(format!(
        "Invalid input for field/attribute {name}. Value: '{shown}'. {reason}"
    ))
}

/// The beginning of what a caller has sent: they know the rest.
fn brief(text: &str) -> Cow<'_, str> {
    if text.len() <= SHOWN {
        return text.into();
    }
    let end = text.floor_char_boundary(SHOWN);
    format!("{}…", &text[..end]).into()
}

/// Why an attribute is not what it is to be.
enum Wrong {
    /// For this reason, which is told with all that was sent.
    Whole(String),
    Itself(Fault),
}

/// The object, or null, that an attribute is meant to be; none where it is one.
fn object(value: &Value) -> Result<Option<Value>, Wrong> {
    let value = match value {
        Value::String(text) => serde_json::from_str(text)
            .map_err(|_| Wrong::Whole("Expecting value: line 1 column 1 (char 0)".to_owned()))?,
        Value::Null | Value::Object(_) => return Ok(None),
        other => {
            let class = class(other);
            return Err(Wrong::Whole(format!(
                "the JSON object must be str, bytes or bytearray, not {class}"
            )));
        }
    };
    match value {
        Value::Null | Value::Object(_) => Ok(Some(value)),
        other => Err(Wrong::Itself(Fault::invalid(format!(
            "JsonType field value must be a dictionary [actual={}]",
            brief(&python(&other))
        )))),
    }
}

/// The truth value, or null, that an attribute is meant to be; none where it is one.
fn truth(value: &Value) -> Result<Option<Value>, Wrong> {
    let text = match value {
        Value::Null | Value::Bool(_) => return Ok(None),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Ok(Some(true.into())),
        "false" | "f" | "no" | "n" | "off" | "0" => Ok(Some(false.into())),
        _ => Err(Wrong::Whole(format!(
            "Value not an unambiguous boolean: {}",
            brief(&text)
        ))),
    }
}
