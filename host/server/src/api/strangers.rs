//! What is answered before any route is reached: the pages of WebOb and Pecan, by what the caller
//! accepts (`webob/exc.py`).

use axum::Json;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use serde_json::json;

use crate::fault::Fault;

/// As axum says why it does not read a request.
const REFUSED: &str = "text/plain; charset=utf-8";
/// How many bytes of a reason are told.
const LONGEST: usize = 4 << 10;

/// As a page is given that is no page.
const PLAIN: &str = "text/plain; charset=UTF-8";

/// What callers want to read.
enum Form {
    Page,
    Json,
    Text,
}

impl Form {
    fn of(headers: &HeaderMap) -> Self {
        let accept = headers.get(header::ACCEPT);
        let accept = accept.and_then(|accept| accept.to_str().ok());
        let accepts = |kind| accept.is_some_and(|accept| accept.contains(kind));
        if accepts("text/html") || accepts("*/*") {
            Self::Page
        } else if accepts("application/json") {
            Self::Json
        } else {
            Self::Text
        }
    }
}

/// Gives answers of the router itself a body.
pub(super) async fn explain(request: Request, next: Next) -> Response {
    let headers = request.headers().clone();
    let answer = next.run(request).await;
    let status = answer.status();
    let kind = answer.headers().get(header::CONTENT_TYPE);
    if status.is_client_error() && kind.is_some_and(|kind| kind == REFUSED) {
        return refused(answer).await;
    }
    let is_ours = kind.is_some();
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

/// What axum refuses to read, as all else is refused.
async fn refused(answer: Response) -> Response {
    let status = answer.status();
    let reason = axum::body::to_bytes(answer.into_body(), LONGEST).await;
    let reason = reason.unwrap_or_default();
    Fault::unread(status, String::from_utf8_lossy(&reason)).into_response()
}

fn page(headers: &HeaderMap, status: StatusCode, text: &str) -> (header::HeaderValue, String) {
    let title = status.canonical_reason().unwrap_or_default();
    let code = status.as_u16();
    let (kind, body) = match Form::of(headers) {
        Form::Page => {
            let body = format!(
                "<html>\n <head>\n  <title>{code} {title}</title>\n </head>\n <body>\n  \
                 <h1>{code} {title}</h1>\n  {text}\n </body>\n</html>"
            );
            ("text/html; charset=UTF-8", body)
        }
        Form::Json => {
            let body = json!({"code": code, "title": title, "description": null});
            ("application/json", body.to_string())
        }
        Form::Text => (PLAIN, format!("{code} {title}\n\n{text}")),
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
    let mut response = match Form::of(headers) {
        Form::Json => {
            let body = json!({"code": code, "description": reason, "title": title});
            Json(body).into_response()
        }
        Form::Page => Html(format!(
            "<html>\n <head>\n  <title>{code} {title}</title>\n </head>\n <body>\n  \
             <h1>{code} {title}</h1>\n  {explanation}<br /><br />\n{reason}\n\n\n \
             </body>\n</html>"
        ))
        .into_response(),
        Form::Text => {
            let kind = [(header::CONTENT_TYPE, PLAIN)];
            let body = format!("{code} {title}\n\n{explanation}\n\n{reason}\n\n");
            (kind, body).into_response()
        }
    };
    *response.status_mut() = status;
    if let Ok(reason) = HeaderValue::from_str(reason) {
        response
            .headers_mut()
            .insert("server-error-message", reason);
    }
    response
}
