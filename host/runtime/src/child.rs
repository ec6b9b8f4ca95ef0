//! Sub-workflows: executions of their own, started by a task of another.

use std::sync::Arc;

use ostro_core::{ExecutionId, Map, TaskExecutionId};
use ostro_engine::{Execution, Params};

use crate::RuntimeError;
use crate::record::Record;
use crate::shared::{Launch, Shared};

/// Starts the sub-workflow `workflow` as the execution `id` for a task of `parent`.
pub(crate) fn start(
    shared: &Arc<Shared>,
    parent: (Arc<Record>, TaskExecutionId),
    id: &ExecutionId,
    workflow: &str,
    input: &Map,
    params: &Map,
) -> Result<(), RuntimeError> {
    let workflow = shared.workflow(workflow)?;
    let params = Params::from_map(params, shared.clock.now_millis());
    let execution = Execution::new(id.clone(), &workflow, input, params)
        .map_err(|error| RuntimeError::Input(error.to_string()))?;
    let parent = Some(parent);
    let launch = Launch {
        id: id.clone(),
        workflow,
        execution,
        parent,
        reply: None,
    };
    shared.launch(launch).map(drop)
}
