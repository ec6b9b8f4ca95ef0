//! By way of HTTP.

use crate::Came;
use crate::wasi::http::outgoing_handler::handle;
use crate::wasi::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingResponse, Method, OutgoingBody,
    OutgoingRequest, Scheme,
};
use crate::wasi::io::streams::StreamError;

fn say(error: &ErrorCode) -> String {
    format!("{error:?}")
}

fn request(method: &str, url: &str, headers: Fields) -> Result<OutgoingRequest, String> {
    let (scheme, rest) = url.split_once("://").ok_or("no scheme")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let request = OutgoingRequest::new(headers);
    let method = match method {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "CONNECT" => Method::Connect,
        "TRACE" => Method::Trace,
        other => Method::Other(other.to_owned()),
    };
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    let refused = |what: &'static str| move |()| format!("{what} was refused");
    request.set_method(&method).map_err(refused("the method"))?;
    request
        .set_scheme(Some(&scheme))
        .map_err(refused("the scheme"))?;
    request
        .set_authority(Some(authority))
        .map_err(refused("the authority"))?;
    request
        .set_path_with_query(Some(path))
        .map_err(refused("the path"))?;
    Ok(request)
}

fn answer(pending: &FutureIncomingResponse) -> Result<IncomingResponse, String> {
    pending.subscribe().block();
    match pending.get() {
        Some(Ok(Ok(answer))) => Ok(answer),
        Some(Ok(Err(error))) => Err(say(&error)),
        _ => Err("no answer".to_owned()),
    }
}

fn shown(answer: &IncomingResponse) -> Came {
    let body = answer.consume().map_err(|()| "no body")?;
    let stream = body.stream().map_err(|()| "no stream")?;
    let mut all = Vec::new();
    loop {
        match stream.blocking_read(4096) {
            Ok(bytes) => all.extend(bytes),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => return Err(error.to_debug_string()),
        }
    }
    let mut names: Vec<_> = answer
        .headers()
        .entries()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    names.sort();
    Ok(format!(
        "{} [{}] {}",
        answer.status(),
        names.join(" "),
        String::from_utf8_lossy(&all)
    ))
}

/// METHOD URL.
pub(crate) fn ask(with: &[&str]) -> Came {
    let [method, url, ..] = with else {
        return Err("ask what?".to_owned());
    };
    let request = request(method, &url.replace("CRLF", "\r\n"), Fields::new())?;
    let pending = handle(request, None).map_err(|error| say(&error))?;
    shown(&answer(&pending)?)
}

/// METHOD URL NAME VALUE.
pub(crate) fn header(with: &[&str]) -> Came {
    let [method, url, name, value] = with else {
        return Err("ask what?".to_owned());
    };
    let value = value.replace("CRLF", "\r\n");
    let headers = Fields::new();
    headers
        .append(name, value.as_bytes())
        .map_err(|error| format!("{error:?}"))?;
    let pending = handle(request(method, url, headers)?, None).map_err(|error| say(&error))?;
    shown(&answer(&pending)?)
}

/// URL COUNT: so many headers.
pub(crate) fn headers(with: &[&str]) -> Came {
    let [url, count] = with else {
        return Err("ask what?".to_owned());
    };
    let headers = Fields::new();
    for number in 0..count.parse().unwrap_or(1) {
        headers
            .append(&format!("x-{number}"), b"x")
            .map_err(|error| format!("{error:?}"))?;
    }
    let pending = handle(request("GET", url, headers)?, None).map_err(|error| say(&error))?;
    shown(&answer(&pending)?)
}

fn write(body: &OutgoingBody, bytes: usize) -> Result<(), String> {
    let stream = body.write().map_err(|()| "no stream")?;
    for _ in 0..bytes.div_ceil(4096) {
        if stream.blocking_write_and_flush(&[b'x'; 4096]).is_err() {
            break;
        }
    }
    Ok(())
}

/// URL BYTES.
pub(crate) fn upload(with: &[&str]) -> Came {
    let [url, bytes] = with else {
        return Err("ask what?".to_owned());
    };
    let request = request("POST", url, Fields::new())?;
    let body = request.body().map_err(|()| "no body")?;
    let pending = handle(request, None).map_err(|error| say(&error))?;
    write(&body, bytes.parse().unwrap_or(1))?;
    _ = OutgoingBody::finish(body, None);
    shown(&answer(&pending)?)
}

/// URL: its body never ends.
pub(crate) fn unfinished(with: &[&str]) -> Came {
    let request = request("POST", with[0], Fields::new())?;
    let _body = request.body().map_err(|()| "no body")?;
    let pending = handle(request, None).map_err(|error| say(&error))?;
    shown(&answer(&pending)?)
}

/// URL COUNT: so many requests, all at once.
pub(crate) fn many(with: &[&str]) -> Came {
    let mut all = Vec::new();
    for _ in 0..with[1].parse().unwrap_or(1) {
        let request = request("GET", with[0], Fields::new())?;
        all.push(handle(request, None).map_err(|error| say(&error))?);
    }
    Ok(format!("{} were sent", all.len()))
}

/// URL COUNT: so many answers, and none is read or let go.
pub(crate) fn hoard(with: &[&str]) -> Came {
    let mut all = Vec::new();
    for _ in 0..with[1].parse().unwrap_or(1) {
        let request = request("GET", with[0], Fields::new())?;
        let pending = handle(request, None).map_err(|error| say(&error))?;
        let got = answer(&pending);
        all.push(got.map_err(|error| format!("{error} after {}", all.len()))?);
    }
    Ok(format!("{} are held", all.len()))
}
