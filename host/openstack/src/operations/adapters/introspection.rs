//! python-ironic-inspector-client (`ironic_inspector_client.v1.ClientV1`): the wait.

use std::time::Duration;

use ostro_core::{Map, RelativePath, Value, percent_encode};

use crate::Cloud;
use crate::operations::arguments::Arguments;
use crate::operations::request::{bad_path, build};
use crate::operations::{Operation, OperationError, python, send};

use super::pages::json;

/// How long the wait between two looks may be, in seconds.
const LONGEST_INTERVAL: f64 = 86_400.0;

/// `wait_for_finish`: the status of each node by the name it was given, once all have finished.
/// It looks once and `max_retries` times more, `retry_interval` seconds apart.
pub(super) async fn wait(
    cloud: &dyn Cloud,
    operation: &Operation,
    arguments: &Arguments,
) -> Result<Value, OperationError> {
    let Some(nodes) = arguments
        .get(operation, "node_ids")
        .and_then(Value::as_list)
    else {
        return Err(OperationError::parameters(
            operation,
            "parameter \"node_ids\" is missing",
        ));
    };
    if nodes.is_empty() {
        return Err(OperationError::parameters(
            operation,
            "parameter \"node_ids\" is empty",
        ));
    }
    let interval = match arguments.get(operation, "retry_interval") {
        #[expect(clippy::cast_precision_loss, reason = "seconds of a wait are few")]
        Some(Value::Int(seconds)) => *seconds as f64,
        Some(Value::Float(seconds)) => *seconds,
        _ => 0.0,
    };
    if !(0.0..=LONGEST_INTERVAL).contains(&interval) {
        return Err(OperationError::parameters(
            operation,
            format!("'retry_interval' must be from 0 to {LONGEST_INTERVAL} seconds"),
        ));
    }
    let retries = arguments
        .int(operation, "max_retries")
        .unwrap_or_default()
        .max(0);
    let mut active: Vec<String> = nodes.iter().map(python::text).collect();
    let mut result = Map::new();
    for attempt in 0..=retries {
        let mut still = Vec::new();
        for node in active {
            let status = status(cloud, operation, arguments, &node).await?;
            if status.get("finished").is_some_and(Value::is_truthy) {
                result.insert(node.into(), status);
            } else {
                still.push(node);
            }
        }
        if still.is_empty() {
            return Ok(result.into());
        }
        active = still;
        if attempt < retries {
            tokio::time::sleep(Duration::from_secs_f64(interval)).await;
        }
    }
    let active: Value = active.into_iter().map(Value::from).collect();
    Err(OperationError::Wait(format!(
        "Timeout while waiting for introspection of nodes {}",
        python::repr(&active)
    )))
}

async fn status(
    cloud: &dyn Cloud,
    operation: &Operation,
    arguments: &Arguments,
    node: &str,
) -> Result<Value, OperationError> {
    let mut request = build(operation, arguments)?;
    request.path = RelativePath::parse(&format!(
        "{}/{}",
        operation.path,
        percent_encode(node, false)
    ))
    .map_err(|error| bad_path(operation, &error))?;
    let response = send(cloud, operation, request).await?;
    json(operation, &response.body)
}
