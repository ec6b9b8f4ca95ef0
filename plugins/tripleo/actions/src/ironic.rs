//! Writes to Ironic. A node that is locked is waited for.

use serde_json::Value;
use tripleo_cloud::path::segment;
use tripleo_cloud::service::{BAREMETAL, BAREMETAL_VERSION, json};
use tripleo_cloud::{Cloud, CloudError, Level, Method, Request};

use crate::error::ActionError;

/// How often a write is tried again while a node is locked: as tripleo-common's client did.
const LOCKED_RETRIES: u8 = 12;
/// How long to wait before each, in milliseconds.
const LOCKED_WAIT: u64 = 5000;

/// Creates a node and gives it.
pub fn create_node(cloud: &impl Cloud, node: &Value) -> Result<Value, ActionError> {
    write(cloud, Method::Post, "/v1/nodes", node)
}

/// Creates a port and gives it.
pub fn create_port(cloud: &impl Cloud, port: &Value) -> Result<Value, ActionError> {
    write(cloud, Method::Post, "/v1/ports", port)
}

/// Changes a node by a JSON patch and gives it.
pub fn update_node(cloud: &impl Cloud, id: &str, patch: &Value) -> Result<Value, ActionError> {
    write(
        cloud,
        Method::Patch,
        &format!("/v1/nodes/{}", segment(id)),
        patch,
    )
}

/// Removes a node.
pub fn delete_node(cloud: &impl Cloud, id: &str) -> Result<(), ActionError> {
    let path = format!("/v1/nodes/{}", segment(id));
    write(cloud, Method::Delete, &path, &Value::Null).map(drop)
}

fn write(
    cloud: &impl Cloud,
    method: Method,
    path: &str,
    body: &Value,
) -> Result<Value, ActionError> {
    let body = if body.is_null() {
        Vec::new()
    } else {
        body.to_string().into_bytes()
    };
    let request = Request {
        service: BAREMETAL,
        method,
        path,
        body,
        microversion: Some(BAREMETAL_VERSION),
    };
    let mut retries = LOCKED_RETRIES;
    loop {
        let result = cloud
            .send(&request)
            .and_then(|answer| json(BAREMETAL, path, &answer));
        match result {
            Err(error) if retries > 0 && is_passing(&error) => {
                retries -= 1;
                cloud.log(
                    Level::Debug,
                    &format!("{} {path}: {error}, trying again", method.name()),
                );
                cloud.sleep(LOCKED_WAIT);
            }
            result => return result.map_err(ActionError::from),
        }
    }
}

/// Whether Ironic refused because it was busy: nothing was changed, and soon it can be.
/// Other conflicts, as of a name that is taken, will not pass.
fn is_passing(error: &CloudError) -> bool {
    match error {
        CloudError::Service {
            status: 409,
            message,
        } => message.contains("is locked"),
        CloudError::Service { status: 503, .. } => true,
        _ => false,
    }
}
