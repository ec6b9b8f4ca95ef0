//! python-swiftclient: listings and copies.

use ostro_core::{Map, RelativePath, Value, percent_encode};

use crate::Cloud;
use crate::operations::arguments::Arguments;
use crate::operations::request::{self, bad_path};
use crate::operations::{Encode, Operation, OperationError, send, shape};

use super::pages::{MAX_PAGES, too_many};

/// `Connection.get_container` and `get_account`: `[headers, listing]` of the first page, or with
/// `full_listing` of all, with the headers of the first.
pub(super) async fn listing(
    cloud: &dyn Cloud,
    operation: &Operation,
    arguments: &Arguments,
) -> Result<Value, OperationError> {
    let (headers, mut items) = page(cloud, operation, arguments, None).await?;
    let mut last = items.last().cloned();
    let full = arguments.is_true(operation, "full_listing");
    for _ in 1..MAX_PAGES {
        let Some(marker) = last.as_ref().filter(|_| full) else {
            return Ok(vec![headers, items.into()].into());
        };
        let (_, more) = page(cloud, operation, arguments, Some(marker)).await?;
        last = more.last().cloned();
        items.extend(more);
    }
    Err(too_many(operation))
}

/// `SwiftService.list`: a part for each page, in the form of the service's results. Of its
/// options, those that a listing takes count.
pub(super) async fn parts(
    cloud: &dyn Cloud,
    operation: &Operation,
    arguments: &Arguments,
) -> Result<Value, OperationError> {
    let container = arguments
        .get(operation, "container")
        .cloned()
        .unwrap_or_default();
    let options = arguments
        .get(operation, "options")
        .cloned()
        .unwrap_or_default();
    let known = ["prefix", "delimiter", "marker", "end_marker", "limit"];
    for name in options.as_map().into_iter().flatten().map(|(name, _)| name) {
        if !known.contains(&&**name) {
            return Err(OperationError::parameters(
                operation,
                format!("there is no option {name:?}: it takes {}", known.join(", ")),
            ));
        }
    }
    let path = match container.as_str() {
        Some(name) if !name.is_empty() => format!("/{}", percent_encode(name, false)),
        _ => "/".to_owned(),
    };
    let path = RelativePath::parse(&path).map_err(|error| bad_path(operation, &error))?;
    let action = if container.is_null() {
        "list_account_part"
    } else {
        "list_container_part"
    };
    let mut parts: Vec<Value> = Vec::new();
    let mut marker = options.get("marker").cloned().unwrap_or_else(|| "".into());
    for _ in 0..MAX_PAGES {
        let mut request = request::build(operation, arguments)?;
        request.path = path.clone();
        if marker.is_truthy() {
            request.query.retain(|(key, _)| key != "marker");
            request::query(&mut request.query, "marker", Encode::Plain, &marker);
        }
        let response = send(cloud, operation, request).await?;
        let result = operation.result.of(operation, &response)?;
        let items = result.index(1).cloned().unwrap_or_default();
        let Some(last) = items.as_list().and_then(<[Value]>::last) else {
            return Ok(parts.into());
        };
        let next = name_of(last);
        parts.push(
            Map::from_iter([
                ("action".into(), action.into()),
                ("container".into(), container.clone()),
                (
                    "prefix".into(),
                    options.get("prefix").cloned().unwrap_or_default(),
                ),
                ("success".into(), true.into()),
                ("marker".into(), marker),
                ("listing".into(), items),
            ])
            .into(),
        );
        marker = next;
    }
    Err(too_many(operation))
}

/// One page of a listing: after `marker`, an item of the page before.
async fn page(
    cloud: &dyn Cloud,
    operation: &Operation,
    arguments: &Arguments,
    marker: Option<&Value>,
) -> Result<(Value, Vec<Value>), OperationError> {
    let mut request = request::build(operation, arguments)?;
    if let Some(item) = marker {
        request.query.retain(|(key, _)| key != "marker");
        request::query(&mut request.query, "marker", Encode::Plain, &name_of(item));
    }
    let response = send(cloud, operation, request).await?;
    let result = operation.result.of(operation, &response)?;
    let headers = result.index(0).cloned().unwrap_or_default();
    let items = shape::items(operation, result.index(1).unwrap_or(&Value::Null))?.to_vec();
    Ok((headers, items))
}

fn name_of(item: &Value) -> Value {
    item.get("name")
        .or_else(|| item.get("subdir"))
        .cloned()
        .unwrap_or_default()
}

/// `Connection.copy_object`. The client sends COPY to the source; a PUT to the destination that
/// names the source is the same request (<https://docs.openstack.org/api-ref/object-store/>).
pub(super) async fn copy(
    cloud: &dyn Cloud,
    operation: &Operation,
    arguments: &Arguments,
) -> Result<Value, OperationError> {
    let mut request = request::build(operation, arguments)?;
    let source = request.path.to_string();
    if let Some(destination) = arguments.text(operation, "destination") {
        let destination = destination.trim_start_matches('/');
        if !destination.contains('/') {
            return Err(OperationError::parameters(
                operation,
                "parameter \"destination\" must be a container and an object: box/name",
            ));
        }
        request.path = RelativePath::parse(&format!("/{}", percent_encode(destination, true)))
            .map_err(|error| bad_path(operation, &error))?;
    }
    request.headers.push(("x-copy-from".to_owned(), source));
    if let Some(fresh) = arguments.get(operation, "fresh_metadata") {
        request
            .headers
            .retain(|(name, _)| name != "x-fresh-metadata");
        request
            .headers
            .push(("x-fresh-metadata".to_owned(), fresh.is_truthy().to_string()));
    }
    let response = send(cloud, operation, request).await?;
    operation.result.of(operation, &response)
}
