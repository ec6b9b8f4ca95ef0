//! python-heatclient (`heatclient.v1.stacks.StackManager`).

use std::collections::BTreeMap;

use ostro_core::{Method, RelativePath, ServiceRequest, Value, percent_encode};

use crate::Cloud;
use crate::operations::arguments::Arguments;
use crate::operations::request::{bad_path, build, build_at};
use crate::operations::{Operation, OperationError, python, send, shape};

use super::pages::{MAX_PAGES, json, too_many};

/// `StackManager.list`: as many as `limit` says, however many a page holds; without it, one page.
pub(super) async fn stacks(
    cloud: &dyn Cloud,
    operation: &Operation,
    arguments: &Arguments,
) -> Result<Value, OperationError> {
    let mut query: BTreeMap<String, String> = BTreeMap::new();
    let filters = arguments.get(operation, "filters").and_then(Value::as_map);
    let others = arguments
        .rest()
        .iter()
        .filter(|(_, value)| value.is_truthy());
    let named = ["limit", "marker"]
        .into_iter()
        .filter_map(|name| Some((name, arguments.get(operation, name)?)))
        .filter(|(_, value)| value.is_truthy());
    query.extend(
        filters
            .into_iter()
            .flatten()
            .chain(others)
            .map(|(k, v)| (k.to_string(), python::text(v))),
    );
    query.extend(named.map(|(key, value)| (key.to_owned(), python::text(value))));
    let limit = arguments
        .int(operation, "limit")
        .and_then(|limit| usize::try_from(limit).ok());
    let mut remaining = limit.unwrap_or_default();
    let mut stacks: Vec<Value> = Vec::new();
    for _ in 0..MAX_PAGES {
        let mut request = build(operation, arguments)?;
        request.query = query.clone().into_iter().collect();
        let response = send(cloud, operation, request).await?;
        let page = operation.result.of(operation, &response)?;
        let page = shape::items(operation, &page)?;
        stacks.extend(page.iter().cloned());
        remaining = remaining.saturating_sub(page.len());
        let last = page
            .last()
            .and_then(|stack| stack.get("id"))
            .and_then(Value::as_str);
        let Some(last) = last.filter(|_| remaining > 0) else {
            return Ok(stacks.into());
        };
        query.insert("limit".to_owned(), remaining.to_string());
        query.insert("marker".to_owned(), last.to_owned());
    }
    Err(too_many(operation))
}

/// What is below a stack needs its name and its id. The client reads them off a redirect; here
/// the stack itself, to which the redirect leads, says them.
pub(super) async fn of_stack(
    cloud: &dyn Cloud,
    operation: &Operation,
    arguments: &Arguments,
) -> Result<Value, OperationError> {
    let stack = arguments.text(operation, "stack_id").unwrap_or_default();
    let identifier = if stack.contains('/') {
        percent_encode(stack, true)
    } else {
        identifier(cloud, operation, stack).await?
    };
    let template = operation.path.replace("{stack_id}", &identifier);
    let request = build_at(operation, &template, arguments)?;
    let response = send(cloud, operation, request).await?;
    operation.result.of(operation, &response)
}

async fn identifier(
    cloud: &dyn Cloud,
    operation: &Operation,
    stack: &str,
) -> Result<String, OperationError> {
    if stack.is_empty() {
        return Err(OperationError::parameters(
            operation,
            "parameter \"stack_id\" must not be empty",
        ));
    }
    let path = RelativePath::parse(&format!("/stacks/{}", percent_encode(stack, false)))
        .map_err(|error| bad_path(operation, &error))?;
    let mut request = ServiceRequest::new(&*operation.service, Method::Get, path);
    // Outputs can be costly to resolve, and are not looked at.
    request
        .query
        .push(("resolve_outputs".to_owned(), "False".to_owned()));
    let response = send(cloud, operation, request).await?;
    let body = json(operation, &response.body)?;
    let field = |name: &str| {
        body.get("stack")
            .and_then(|stack| stack.get(name))
            .and_then(Value::as_str)
            .ok_or_else(|| OperationError::answer(operation, format!("the stack has no {name:?}")))
    };
    Ok(format!(
        "{}/{}",
        percent_encode(field("stack_name")?, false),
        percent_encode(field("id")?, false)
    ))
}
