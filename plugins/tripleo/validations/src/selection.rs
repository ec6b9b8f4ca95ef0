//! Which nodes to check.

use serde_json::Value;
use tripleo_cloud::{CloudError, ReadCloud, list};

/// The nodes of the given names or UUIDs, or all nodes. A node that isn't there is an error: a
/// validation of it would say nothing.
pub fn nodes(cloud: &impl ReadCloud, names: Option<&[String]>) -> Result<Vec<Value>, CloudError> {
    match names {
        None => list::nodes(cloud),
        Some(names) => names.iter().map(|name| list::node(cloud, name)).collect(),
    }
}
