//! python-ironicclient (`ironicclient.v1.node`), where it does more than one request as it is.

use std::time::Duration;

use ostro_core::{Method, Value};
use tokio::time::Instant;

use crate::Cloud;
use crate::operations::arguments::Arguments;
use crate::operations::request::entry;
use crate::operations::{Operation, OperationError, python, request, send, shape};

use super::pages::json;

/// How long a wait may last where the call says no end.
const LONGEST_WAIT: Duration = Duration::from_hours(24);
/// How long the wait between two looks may be.
const LONGEST_INTERVAL: f64 = 3600.0;

/// `NodeManager.set_power_state`: `on`, `off` and `reboot` are short for Ironic's targets.
pub(super) async fn power_state(
    cloud: &dyn Cloud,
    operation: &Operation,
    arguments: &Arguments,
) -> Result<Value, OperationError> {
    let state = arguments.text(operation, "state").unwrap_or_default();
    let soft = arguments.is_true(operation, "soft");
    let target = match (state, soft) {
        ("on", true) => {
            return Err(OperationError::parameters(
                operation,
                "'soft' option is invalid for the power-state 'on'",
            ));
        }
        ("on", false) => "power on",
        ("off", false) => "power off",
        ("off", true) => "soft power off",
        ("reboot", false) => "rebooting",
        ("reboot", true) => "soft rebooting",
        (other, _) => other,
    };
    let mut body = entry("target", target)
        .as_map()
        .cloned()
        .unwrap_or_default();
    if let Some(timeout) = arguments.int(operation, "timeout") {
        if timeout <= 0 {
            return Err(OperationError::parameters(
                operation,
                "'timeout' option for setting power state must have positive integer value (> 0)",
            ));
        }
        body.insert("timeout".into(), timeout.into());
    }
    let mut request = request::build(operation, arguments)?;
    request.body = Value::from(body).to_string().into_bytes();
    let response = send(cloud, operation, request).await?;
    operation.result.of(operation, &response)
}

/// `NodeManager.set_maintenance`.
pub(super) async fn maintenance(
    cloud: &dyn Cloud,
    operation: &Operation,
    arguments: &Arguments,
) -> Result<Value, OperationError> {
    let mut request = request::build(operation, arguments)?;
    if arguments.is_true(operation, "state") {
        let reason = arguments
            .get(operation, "maint_reason")
            .cloned()
            .unwrap_or_default();
        request.body = entry("reason", reason).to_string().into_bytes();
    } else {
        request.method = Method::Delete;
    }
    let response = send(cloud, operation, request).await?;
    operation.result.of(operation, &response)
}

/// `NodeManager.get_by_instance_uuid`, `PortManager.get_by_address`: what is asked for is unique,
/// and the API only lists. Without `fields` it lists details.
pub(super) async fn only_one(
    cloud: &dyn Cloud,
    operation: &Operation,
    arguments: &Arguments,
) -> Result<Value, OperationError> {
    let detail = if arguments.get(operation, "fields").is_some() {
        ""
    } else {
        "/detail"
    };
    let path = format!("{}{detail}", operation.path);
    let request = request::build_at(operation, &path, arguments)?;
    let response = send(cloud, operation, request).await?;
    let body = json(operation, &response.body)?;
    let key = operation.result.key.as_deref().unwrap_or_default();
    match shape::items(operation, body.get(key).unwrap_or(&Value::Null))? {
        [only] => Ok(only.clone()),
        _ => Err(OperationError::Refused {
            status: 404,
            message: "Not Found (HTTP 404)".into(),
        }),
    }
}

/// `NodeManager.wait_for_provision_state`. A timeout of 0, which means no end there, ends after
/// a day here.
pub(super) async fn wait_for_provision_state(
    cloud: &dyn Cloud,
    operation: &Operation,
    arguments: &Arguments,
) -> Result<Value, OperationError> {
    let node = arguments
        .get(operation, "node_ident")
        .map(python::text)
        .unwrap_or_default();
    let expected = arguments
        .text(operation, "expected_state")
        .unwrap_or_default()
        .to_ascii_lowercase();
    let seconds = |name: &str| match arguments.get(operation, name) {
        #[expect(clippy::cast_precision_loss, reason = "seconds of a wait are few")]
        Some(Value::Int(seconds)) => *seconds as f64,
        Some(Value::Float(seconds)) => *seconds,
        _ => 0.0,
    };
    let (timeout, interval) = (seconds("timeout"), seconds("poll_interval"));
    if !(0.0..=LONGEST_WAIT.as_secs_f64()).contains(&timeout) {
        return Err(OperationError::parameters(
            operation,
            format!(
                "'timeout' must be from 0 to {} seconds",
                LONGEST_WAIT.as_secs()
            ),
        ));
    }
    if !(0.1..=LONGEST_INTERVAL).contains(&interval) {
        return Err(OperationError::parameters(
            operation,
            format!("'poll_interval' must be from 0.1 to {LONGEST_INTERVAL} seconds"),
        ));
    }
    let longest = if timeout == 0.0 {
        LONGEST_WAIT
    } else {
        Duration::from_secs_f64(timeout)
    };
    let end = Instant::now() + longest;
    let request = request::build(operation, arguments)?;
    while Instant::now() < end {
        let response = send(cloud, operation, request.clone()).await?;
        let body = json(operation, &response.body)?;
        let field = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let state = field("provision_state");
        if state == expected {
            return Ok(Value::Null);
        }
        let failed = |how: String| {
            Err(OperationError::Wait(format!(
                "Node {node} failed to reach state {expected}. It's in {how}"
            )))
        };
        if state == "error" || state.ends_with(" failed") {
            return failed(format!(
                "state {state}, and has error: {}",
                field("last_error")
            ));
        }
        if arguments.is_true(operation, "fail_on_unexpected_state")
            && field("target_provision_state").is_empty()
        {
            return failed(format!("unexpected stable state {state}"));
        }
        tokio::time::sleep(Duration::from_secs_f64(interval)).await;
    }
    Err(OperationError::Wait(format!(
        "Node {node} failed to reach state {expected} in {} seconds",
        longest.as_secs()
    )))
}
