//! What can be wrong with what a caller wants.

use std::sync::Arc;

use ostro_core::{Map, State, TaskExecutionId};
use ostro_lang::{InputProblem, Workflow, bind_input};
use thiserror::Error;

/// Why an execution cannot be created, or a task cannot run again.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum EngineError {
    /// Inputs are missing, or some are given that the workflow does not take.
    #[error("invalid input for workflow {workflow}: {}", sentences(problems))]
    Mismatch {
        /// The workflow.
        workflow: Arc<str>,
        /// All that is wrong.
        problems: Vec<InputProblem>,
    },
    /// An expression of the environment cannot be evaluated.
    #[error("the environment cannot be evaluated: {reason}")]
    Environment {
        /// Why.
        reason: String,
    },
    /// The execution has no such task execution.
    #[error("the execution has no task execution {0}")]
    UnknownTask(TaskExecutionId),
    /// The task did not fail.
    #[error("task {task} is in {state}: only a task in ERROR can run again or be skipped")]
    NotFailed {
        /// The task.
        task: Arc<str>,
        /// Its state.
        state: State,
    },
    /// The execution is paused.
    #[error("the execution of {workflow} is paused: resume it first")]
    Paused {
        /// The workflow.
        workflow: Arc<str>,
    },
    /// The execution ended in SUCCESS.
    #[error("the execution of {workflow} ended in SUCCESS, and cannot run again")]
    Succeeded {
        /// The workflow.
        workflow: Arc<str>,
    },
    /// The task has no items.
    #[error("task {task} has no items, of which those that failed could run again: reset it")]
    NoItems {
        /// The task.
        task: Arc<str>,
    },
    /// The execution runs.
    #[error("the execution of {workflow} runs, and its environment cannot be changed meanwhile")]
    EnvironmentInUse {
        /// The workflow.
        workflow: Arc<str>,
    },
}

impl EngineError {
    /// `given` with the defaults of what it leaves out.
    pub(crate) fn bind(workflow: &Workflow, given: &Map) -> Result<Map, Self> {
        bind_input(workflow, given).map_err(|problems| EngineError::Mismatch {
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
