//! The input that an execution starts with.

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use ostro_core::Map;

use crate::text::python_list;
use crate::{Workflow, WorkflowKind};
use ostro_core::suggest::closest;

/// One thing that is wrong with an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputProblem {
    /// It must be given and is not.
    Missing {
        /// The input's name.
        name: Arc<str>,
    },
    /// The workflow doesn't take it.
    Unexpected {
        /// The name that was given.
        name: Arc<str>,
        /// The input that was most likely meant.
        meant: Option<Arc<str>>,
    },
}

impl fmt::Display for InputProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InputProblem::Missing { name } => write!(f, "missing input `{name}`"),
            InputProblem::Unexpected { name, meant: None } => {
                write!(f, "the workflow takes no input `{name}`")
            }
            InputProblem::Unexpected {
                name,
                meant: Some(meant),
            } => {
                write!(
                    f,
                    "the workflow takes no input `{name}`, did you mean `{meant}`?"
                )
            }
        }
    }
}

/// The input of an execution of `workflow`: what was given, and the defaults of the rest.
///
/// As in Mistral, defaults are values: an expression in one stays text, of which
/// [`parse`](crate::parse) warns.
pub fn bind_input(workflow: &Workflow, given: &Map) -> Result<Map, Vec<InputProblem>> {
    let mut problems = Vec::new();
    let mut bound = given.clone();
    for input in &workflow.input {
        if given.contains_key(&input.name) {
            continue;
        }
        match &input.default {
            Some(default) => {
                bound.insert(Arc::clone(&input.name), default.written());
            }
            None => problems.push(InputProblem::Missing {
                name: Arc::clone(&input.name),
            }),
        }
    }
    let known = || workflow.input.iter().map(|input| &*input.name);
    for name in given
        .keys()
        .filter(|name| !known().any(|known| *known == ***name))
    {
        let meant = closest(name, known()).map(Arc::from);
        problems.push(InputProblem::Unexpected {
            name: Arc::clone(name),
            meant,
        });
    }
    if problems.is_empty() {
        Ok(bound)
    } else {
        Err(problems)
    }
}

/// The sentence that Mistral says about `problems`:
/// `Invalid input [name=…, class=…, missing=['a'], unexpected=['b']]`.
pub fn invalid_input(workflow: &Workflow, problems: &[InputProblem]) -> String {
    let class = match workflow.kind {
        WorkflowKind::Direct => "DirectWorkflowSpec",
        WorkflowKind::Reverse => "ReverseWorkflowSpec",
    };
    // Mistral's specs know their short names.
    let name = match &workflow.workbook {
        Some(workbook) => workflow
            .name
            .strip_prefix(&**workbook)
            .and_then(|name| name.strip_prefix('.'))
            .unwrap_or(&workflow.name),
        None => &workflow.name,
    };
    let mut text = format!("Invalid input [name={name}, class={class}");
    let missing = problems.iter().filter_map(|problem| match problem {
        InputProblem::Missing { name } => Some(&**name),
        InputProblem::Unexpected { .. } => None,
    });
    let unexpected = problems.iter().filter_map(|problem| match problem {
        InputProblem::Unexpected { name, .. } => Some(&**name),
        InputProblem::Missing { .. } => None,
    });
    for (what, names) in [
        ("missing", missing.collect::<Vec<_>>()),
        ("unexpected", unexpected.collect()),
    ] {
        if !names.is_empty() {
            // Writing to a string can't fail.
            let _ = write!(text, ", {what}={}", python_list(names));
        }
    }
    text + "]"
}
