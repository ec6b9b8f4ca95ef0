//! python-mistralclient (`mistralclient.api.v2`): what runs something.

use ostro_core::{Map, Value};
use uuid::Uuid;

use crate::Cloud;
use crate::operations::arguments::Arguments;
use crate::operations::{Operation, OperationError, request, send};

use super::pages::json;

/// `ExecutionManager.create`: arguments beside the parameters are the execution's `params`, and
/// an identifier that is a uuid is the workflow's id.
pub(super) async fn execution(
    cloud: &dyn Cloud,
    operation: &Operation,
    arguments: &Arguments,
) -> Result<Value, OperationError> {
    let workflow = arguments
        .text(operation, "wf_identifier")
        .filter(|name| !name.is_empty());
    let source = arguments.get(operation, "source_execution_id");
    if workflow.is_none() && source.is_none() {
        return Err(OperationError::parameters(
            operation,
            "parameter \"wf_identifier\" or \"source_execution_id\" is needed",
        ));
    }
    let mut more = Map::new();
    if let Some(workflow) = workflow {
        let key = if Uuid::parse_str(workflow).is_ok() {
            "workflow_id"
        } else {
            "workflow_name"
        };
        more.insert(key.into(), workflow.into());
    }
    create(cloud, operation, arguments, more).await
}

/// `ActionExecutionManager.create`: arguments beside the parameters are its `params`.
pub(super) async fn action_execution(
    cloud: &dyn Cloud,
    operation: &Operation,
    arguments: &Arguments,
) -> Result<Value, OperationError> {
    create(cloud, operation, arguments, Map::new()).await
}

async fn create(
    cloud: &dyn Cloud,
    operation: &Operation,
    arguments: &Arguments,
    mut more: Map,
) -> Result<Value, OperationError> {
    if !arguments.rest().is_empty() {
        let params: Value = arguments.rest().clone().into();
        more.insert("params".into(), params.to_string().into());
    }
    let mut request = request::build(operation, arguments)?;
    let mut body = match request.body.as_slice() {
        [] => Map::new(),
        bytes => json(operation, bytes)?
            .as_map()
            .cloned()
            .unwrap_or_default(),
    };
    body.extend(more);
    request.body = Value::from(body).to_string().into_bytes();
    let response = send(cloud, operation, request).await?;
    operation.result.of(operation, &response)
}
