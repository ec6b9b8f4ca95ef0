//! What can be wrong with what a caller gives.

use std::sync::Arc;

use ostro_core::Map;
use ostro_lang::{InputProblem, Workflow, bind_input};
use thiserror::Error;

/// Why an execution cannot be created.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum InputError {
    /// Inputs are missing, or some are given that the workflow does not take.
    #[error("invalid input for workflow {workflow}: {}", sentences(problems))]
    Mismatch {
        /// The workflow.
        workflow: Arc<str>,
        /// All that is wrong.
        problems: Vec<InputProblem>,
    },
}

impl InputError {
    /// `given` with the defaults of what it leaves out.
    pub(crate) fn bind(workflow: &Workflow, given: &Map) -> Result<Map, Self> {
        bind_input(workflow, given).map_err(|problems| InputError::Mismatch {
            workflow: Arc::clone(&workflow.name),
            problems,
        })
    }
}

fn sentences(problems: &[InputProblem]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}
