//! What is answered where there is no such route: the pages of WebOb and Pecan, by what the caller
//! accepts (`webob/exc.py`).

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Gives answers of the router itself a body.
pub(super) async fn explain(request: Request, next: Next) -> Response {
    let headers = request.headers().clone();
    let answer = next.run(request).await;
    let status = answer.status();
    let is_ours = answer.headers().contains_key(header::CONTENT_TYPE);
    let text = match status {
        StatusCode::NOT_FOUND => "The resource could not be found.",
        StatusCode::METHOD_NOT_ALLOWED => "The method is not allowed for this resource.",
        _ => return answer,
    };
    if is_ours {
        return answer;
    }
    let (mut parts, _) = answer.into_parts();
    let (kind, body) = page(&headers, status, text);
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, kind);
    Response::from_parts(parts, Body::from(body)).into_response()
}

fn page(headers: &HeaderMap, status: StatusCode, text: &str) -> (header::HeaderValue, String) {
    let title = status.canonical_reason().unwrap_or_default();
    let code = status.as_u16();
    let accept = headers.get(header::ACCEPT);
    let accept = accept
        .and_then(|accept| accept.to_str().ok())
        .unwrap_or_default();
    let (kind, body) = if accept.contains("text/html") || accept.contains("*/*") {
        let body = format!(
            "<html>\n <head>\n  <title>{code} {title}</title>\n </head>\n <body>\n  \
             <h1>{code} {title}</h1>\n  {text}\n </body>\n</html>"
        );
        ("text/html; charset=UTF-8", body)
    } else if accept.contains("application/json") {
        let body = json!({"code": code, "title": title, "description": null});
        ("application/json", body.to_string())
    } else {
        (
            "text/plain; charset=UTF-8",
            format!("{code} {title}\n\n{text}"),
        )
    };
    (header::HeaderValue::from_static(kind), body)
}
