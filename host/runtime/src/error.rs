//! Why a runtime refuses.

use ostro_core::{ActionExecutionId, ExecutionId};
use ostro_journal::JournalError;
use thiserror::Error;

/// Why a runtime did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RuntimeError {
    /// No definition has this workflow.
    #[error(
        "no workflow is called {name:?}{}; there are: {known}",
        inside(namespace)
    )]
    UnknownWorkflow {
        /// The name that was asked for.
        name: String,
        /// The namespace in which it was looked for; empty for the default one.
        namespace: String,
        /// The first of those that there are.
        known: String,
    },
    /// The input or the parameters do not fit the workflow.
    #[error("{0}")]
    Input(String),
    /// As many executions run as may.
    #[error("{0} executions run already, which is as many as may: wait for one to end")]
    Full(usize),
    /// The sub-workflow would be one too many.
    #[error("cannot start sub-workflow {workflow}: {reason}")]
    Nesting {
        /// The sub-workflow's full name.
        workflow: String,
        /// Which bound it would break.
        reason: String,
    },
    /// No such execution is running or kept.
    #[error("no execution {0} is running or kept for reports")]
    UnknownExecution(ExecutionId),
    /// The execution has ended, so nothing can be done to it.
    #[error("execution {0} has ended")]
    Ended(ExecutionId),
    /// The execution has more requests waiting than it takes.
    #[error("execution {0} has too many requests waiting: try again later")]
    Busy(ExecutionId),
    /// No such action is in flight.
    #[error("no action execution {0} is in flight")]
    UnknownAction(ActionExecutionId),
    /// What was asked for could not be made durable, so it has not happened; or what is stored
    /// cannot be read.
    #[error("{0}")]
    Journal(String),
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The runtime shuts down, or did.
    #[error("the runtime has shut down")]
    ShutDown,
}

impl From<JournalError> for RuntimeError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Closed => Self::ShutDown,
            other => Self::Journal(other.to_string()),
        }
    }
}

fn inside(namespace: &str) -> String {
    if namespace.is_empty() {
        String::new()
    } else {
        format!(" in the namespace {namespace:?}")
    }
}
