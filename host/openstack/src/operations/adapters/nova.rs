//! python-novaclient: servers, and finding by attributes.

use ostro_core::Value;

use crate::Cloud;
use crate::operations::arguments::Arguments;
use crate::operations::{Encode, Operation, OperationError, python, request, send, shape};

use super::pages::{MAX_PAGES, too_many};

/// `ServerManager.list`. With a `limit` of -1 it asks page by page until there are no more.
pub(super) async fn servers(
    cloud: &dyn Cloud,
    operation: &Operation,
    arguments: &Arguments,
) -> Result<Value, OperationError> {
    let limit = arguments
        .int(operation, "limit")
        .filter(|limit| *limit != 0);
    let mut marker = arguments.get(operation, "marker").cloned();
    let mut servers: Vec<Value> = Vec::new();
    for _ in 0..MAX_PAGES {
        let mut request = request::build(operation, arguments)?;
        let options = arguments
            .get(operation, "search_opts")
            .and_then(Value::as_map);
        for (key, value) in options.into_iter().flatten() {
            // What is false is not sent, but for two options that mean something then.
            let says = value.is_truthy()
                || (&**key == "locked" && *value == Value::Bool(false))
                || (&**key == "config_drive" && !value.is_null());
            if says {
                request::query(&mut request.query, key, Encode::Plain, value);
            }
        }
        if let Some(marker) = &marker {
            request::query(&mut request.query, "marker", Encode::Plain, marker);
        }
        if let Some(limit) = limit.filter(|limit| *limit > 0) {
            request::query(&mut request.query, "limit", Encode::Plain, &limit.into());
        }
        request.query.sort_by(|a, b| a.0.cmp(&b.0));
        let response = send(cloud, operation, request).await?;
        let page = operation.result.of(operation, &response)?;
        let page = shape::items(operation, &page)?;
        servers.extend(page.iter().cloned());
        marker = page.last().and_then(|server| server.get("id")).cloned();
        if marker.is_none() || limit != Some(-1) {
            return Ok(servers.into());
        }
    }
    Err(too_many(operation))
}

/// `ManagerWithFind.find`: exactly one.
pub(super) async fn find(
    cloud: &dyn Cloud,
    operation: &Operation,
    arguments: &Arguments,
) -> Result<Value, OperationError> {
    let matches = matching(cloud, operation, arguments).await?;
    match matches.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(OperationError::Refused {
            status: 404,
            message: format!(
                "No {} matching {}. (HTTP 404)",
                operation.failure.as_deref().unwrap_or("Resource"),
                python::repr(&arguments.rest().clone().into())
            ),
        }),
        several => Err(OperationError::answer(
            operation,
            format!("{} match, and one is asked for", several.len()),
        )),
    }
}

/// `ManagerWithFind.findall`.
pub(super) async fn find_all(
    cloud: &dyn Cloud,
    operation: &Operation,
    arguments: &Arguments,
) -> Result<Value, OperationError> {
    Ok(matching(cloud, operation, arguments).await?.into())
}

async fn matching(
    cloud: &dyn Cloud,
    operation: &Operation,
    arguments: &Arguments,
) -> Result<Vec<Value>, OperationError> {
    let request = request::build(operation, arguments)?;
    let response = send(cloud, operation, request).await?;
    let all = operation.result.of(operation, &response)?;
    let wanted = arguments.rest();
    Ok(shape::items(operation, &all)?
        .iter()
        .filter(|object| {
            wanted
                .iter()
                .all(|(key, value)| object.get(key) == Some(value))
        })
        .cloned()
        .collect())
}
