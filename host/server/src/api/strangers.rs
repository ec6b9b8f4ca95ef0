//! What is answered before any route is reached: the pages of WebOb and Pecan, by what the caller
//! accepts (`webob/exc.py`).

use axum::Json;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
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

/// A refusal for which there is a reason beside what its status says in general.
pub(super) fn explained(
    headers: &HeaderMap,
    status: StatusCode,
    explanation: &str,
    reason: &str,
) -> Response {
    let title = status.canonical_reason().unwrap_or_default();
    let code = status.as_u16();
    let accept = headers.get(header::ACCEPT);
    let wants_json = accept
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("application/json"));
    let mut response = if wants_json {
        let body = json!({"code": code, "description": reason, "title": title});
        Json(body).into_response()
    } else {
        Html(format!(
            "<html>\n <head>\n  <title>{code} {title}</title>\n </head>\n <body>\n  \
             <h1>{code} {title}</h1>\n  {explanation}<br /><br />\n{reason}\n\n\n \
             </body>\n</html>"
        ))
        .into_response()
    };
    *response.status_mut() = status;
    if let Ok(reason) = HeaderValue::from_str(reason) {
        response
            .headers_mut()
            .insert("server-error-message", reason);
    }
    response
}
