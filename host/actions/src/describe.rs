//! What can be known about an action before it runs.

use std::sync::Arc;

use ostro_core::suggest::closest;
use ostro_core::{Map, Value};
use serde::Serialize;

/// Who provides an action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ActionKind {
    /// Ostro itself (`std.*`).
    Standard,
    /// The OpenStack clients' operations (`ironic.node_get`).
    Openstack,
    /// A workbook or an actions file, on top of another action.
    AdHoc {
        /// The action behind it.
        base: Arc<str>,
    },
    /// A pack.
    Pack {
        /// The pack's name.
        pack: Arc<str>,
        /// Whether the action is a validation.
        validation: bool,
    },
}

/// An action as an operator sees it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActionDescription {
    /// Its full name.
    pub name: Arc<str>,
    /// Who provides it.
    pub kind: ActionKind,
    /// What it takes, in order.
    pub parameters: Vec<Parameter>,
    /// The type of what it gives, where that is known.
    pub result: Option<Arc<str>>,
    /// What it does, where somebody wrote that down.
    pub docs: Option<Arc<str>>,
}

/// A parameter of an action.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Parameter {
    /// Its name.
    pub name: Arc<str>,
    /// Its type, where it has one.
    #[serde(rename = "type")]
    pub ty: Option<Arc<str>>,
    /// Whether it must be given.
    pub required: bool,
    /// What it is when it is not given, where that can be said.
    pub default: Option<Value>,
    /// What it is for, where somebody wrote that down.
    pub docs: Option<Arc<str>>,
}

impl Parameter {
    /// A parameter that must be given, of any type.
    pub(crate) fn required(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            ty: None,
            required: true,
            default: None,
            docs: None,
        }
    }

    /// A parameter with a default, of any type.
    pub(crate) fn optional(name: impl Into<Arc<str>>, default: impl Into<Value>) -> Self {
        Self {
            required: false,
            default: Some(default.into()),
            ..Self::required(name)
        }
    }
}

/// What is wrong with the names in an input: missing ones and superfluous ones.
pub(crate) fn check_names(
    action: &str,
    parameters: &[Parameter],
    input: &Map,
) -> Result<(), String> {
    let mut wrong = Vec::new();
    for parameter in parameters {
        if parameter.required && !input.contains_key(&parameter.name) {
            wrong.push(format!("{} is missing", parameter.name));
        }
    }
    let known: Vec<&str> = parameters
        .iter()
        .map(|parameter| &*parameter.name)
        .collect();
    for name in input.keys() {
        if !known.contains(&&**name) {
            let hint = meant(name, known.iter().copied());
            wrong.push(format!("{name} is no parameter of it{hint}"));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let takes = if known.is_empty() {
        "nothing".to_owned()
    } else {
        known.join(", ")
    };
    Err(format!("{action}: {} (it takes {takes})", wrong.join(", ")))
}

/// ` (did you mean …?)` with the name that `wanted` most looks like, or nothing.
pub(crate) fn meant<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    closest(wanted, known)
        .map(|name| format!(" (did you mean {name}?)"))
        .unwrap_or_default()
}
