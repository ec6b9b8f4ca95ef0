//! Listings of several pages.

use ostro_core::{ServiceRequest, Value};
use url::Url;

use crate::Cloud;
use crate::operations::arguments::Arguments;
use crate::operations::{Operation, OperationError, request, send, shape};

/// How many pages one listing may have. A service that never ends would be asked for ever.
pub(super) const MAX_PAGES: usize = 10_000;

/// A listing whose pages have a `next` member, as Ironic's and Glance's do
/// (`ironicclient.common.base.Manager._list_pagination`).
///
/// `limit` is how many items there are at most, and 0 means all. Without it there is one page,
/// or all pages if `all` is true.
pub(super) async fn links(
    cloud: &dyn Cloud,
    operation: &Operation,
    arguments: &Arguments,
    all: bool,
) -> Result<Value, OperationError> {
    if arguments.is_true(operation, "detail") && arguments.get(operation, "fields").is_some() {
        return Err(OperationError::parameters(
            operation,
            "can't fetch a subset of fields with 'detail' set",
        ));
    }
    let limit = match arguments.int(operation, "limit") {
        Some(limit) => usize::try_from(limit).ok(),
        None => (!all).then_some(usize::MAX),
    };
    let single = arguments.int(operation, "limit").is_none() && !all;
    let wanted = limit.filter(|limit| *limit > 0).unwrap_or(usize::MAX);
    let mut request = request::build(operation, arguments)?;
    let mut items: Vec<Value> = Vec::new();
    for _ in 0..MAX_PAGES {
        let response = send(cloud, operation, request.clone()).await?;
        let body = json(operation, &response.body)?;
        let key = operation.result.key.as_deref().unwrap_or_default();
        let page = body.get(key).unwrap_or(&Value::Null);
        let page = shape::items(operation, page)?;
        items.extend(page.iter().take(wanted - items.len()).cloned());
        match next(&body, &request) {
            Some(query) if !single && !page.is_empty() && items.len() < wanted => {
                request.query = query;
            }
            _ => return Ok(items.into()),
        }
    }
    Err(too_many(operation))
}

pub(super) fn too_many(operation: &Operation) -> OperationError {
    OperationError::answer(
        operation,
        format!("the listing has more than {MAX_PAGES} pages"),
    )
}

pub(super) fn json(operation: &Operation, body: &[u8]) -> Result<Value, OperationError> {
    serde_json::from_slice(body)
        .map_err(|error| OperationError::answer(operation, error.to_string()))
}

/// The query of the page after the one that `body` is. Only the query is taken from the link:
/// where the service is, the catalogue says.
fn next(body: &Value, request: &ServiceRequest) -> Option<Vec<(String, String)>> {
    let link = body.get("next")?.as_str()?;
    let base = Url::parse("http://service/").ok()?;
    let url = base.join(link).ok()?;
    let query: Vec<_> = url.query_pairs().into_owned().collect();
    (!query.is_empty() && query != request.query).then_some(query)
}
