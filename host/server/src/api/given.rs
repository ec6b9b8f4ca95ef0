//! What callers send as JSON, with the faults of WSME (`wsme/rest/json.py`).

use axum::http::{HeaderMap, header};
use serde_json::{Map, Value};

use crate::fault::Fault;
use crate::python::{class, python};

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
        let whole = python(&Value::Object(given.clone()));
        let wrong = |reason: &str| {
            let argument = self.argument;
            Fault::invalid(format!(
                "Invalid input for field/attribute {argument}. Value: '{whole}'. {reason}"
            ))
        };
        for (name, value) in &mut given {
            if self.objects.contains(&name.as_str()) {
                *value = object(std::mem::take(value), &wrong)?;
            } else if self.truths.contains(&name.as_str()) {
                *value = truth(value, &wrong)?;
            }
        }
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
    Fault::invalid(format!(
        "Invalid input for field/attribute {name}. Value: '{shown}'. {reason}"
    ))
}

/// An object, or null.
fn object(value: Value, wrong: &impl Fn(&str) -> Fault) -> Result<Value, Fault> {
    let value = match value {
        Value::String(text) => serde_json::from_str(&text)
            .map_err(|_| wrong("Expecting value: line 1 column 1 (char 0)"))?,
        Value::Null | Value::Object(_) => return Ok(value),
        other => {
            let class = class(&other);
            return Err(wrong(&format!(
                "the JSON object must be str, bytes or bytearray, not {class}"
            )));
        }
    };
    match value {
        Value::Null | Value::Object(_) => Ok(value),
        other => Err(Fault::invalid(format!(
            "JsonType field value must be a dictionary [actual={}]",
            python(&other)
        ))),
    }
}

fn truth(value: &Value, wrong: &impl Fn(&str) -> Fault) -> Result<Value, Fault> {
    let text = match value {
        Value::Null | Value::Bool(_) => return Ok(value.clone()),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Ok(true.into()),
        "false" | "f" | "no" | "n" | "off" | "0" => Ok(false.into()),
        _ => Err(wrong(&format!("Value not an unambiguous boolean: {text}"))),
    }
}
