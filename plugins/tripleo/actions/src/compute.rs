//! `cell_v2_discover_hosts`: whether the compute service can take bare metal nodes.

use serde_json::Value;
use tripleo_cloud::json::text_at;
use tripleo_cloud::service::{COMPUTE, read};
use tripleo_cloud::{Level, ReadCloud};

use crate::error::ActionError;

/// Succeeds if a `nova-compute` is enabled and up.
///
/// tripleo-common runs `nova-manage cell_v2 discover_hosts` in a container of the undercloud.
/// A component runs no commands: the scheduler's periodic discovery maps hosts to cells, and
/// what is left to find out is whether there is a host to map.
pub fn discover_hosts(cloud: &impl ReadCloud) -> Result<(), ActionError> {
    let query = [("binary", "nova-compute")];
    let answer = read(cloud, COMPUTE, "/os-services", &query, None)?;
    let Some(services) = answer["services"].as_array() else {
        let what = "the compute service's answer to /os-services has no list \"services\"";
        return Err(ActionError::Unexpected(what.to_owned()));
    };
    let is = |service: &Value, key, wanted| text_at(service, key) == Some(wanted);
    let computes = services
        .iter()
        .filter(|service| is(service, "binary", "nova-compute"));
    let mut down = Vec::new();
    let mut up = 0_usize;
    for service in computes {
        if is(service, "status", "enabled") && is(service, "state", "up") {
            up += 1;
            continue;
        }
        down.push(format!(
            "{} ({}, {})",
            text_at(service, "host").unwrap_or("unknown host"),
            text_at(service, "status").unwrap_or("unknown status"),
            text_at(service, "state").unwrap_or("unknown state"),
        ));
    }
    if up > 0 {
        cloud.log(
            Level::Info,
            &format!("{up} nova-compute service(s) are enabled and up"),
        );
        return Ok(());
    }
    let found = if down.is_empty() {
        "there is none".to_owned()
    } else {
        down.join(", ")
    };
    Err(ActionError::NoComputeHost(format!(
        "no nova-compute service is enabled and up, so bare metal nodes cannot become \
         hypervisors: {found}. Start or enable nova-compute, and try again"
    )))
}
