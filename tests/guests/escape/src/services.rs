//! By way of OpenStack's services.

use crate::Came;
use crate::ostro::host::openstack::{Method, Request};
use crate::ostro::host::{log as operator, messaging, openstack, openstack_read};
use crate::say::say;

/// SERVICE METHOD PATH, and then `?NAME=VALUE` and `NAME: VALUE`; `*N` in front repeats a header.
pub(crate) fn send(with: &[&str]) -> Came {
    let [service, method, path, rest @ ..] = with else {
        return Err("send what?".to_owned());
    };
    let method = match *method {
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        _ => Method::Get,
    };
    let (mut query, mut headers) = (Vec::new(), Vec::new());
    for word in rest {
        if let Some((name, value)) = word.strip_prefix('?').and_then(|q| q.split_once('=')) {
            query.push((name.to_owned(), value.to_owned()));
        } else if let Some((name, value)) = word.split_once(": ") {
            let (times, name) = match name.strip_prefix('*').and_then(|n| n.split_once(' ')) {
                Some((times, name)) => (times.parse().unwrap_or(1), name),
                None => (1, name),
            };
            for _ in 0..times {
                headers.push((name.to_owned(), value.to_owned()));
            }
        }
    }
    let request = Request {
        service: (*service).to_owned(),
        method,
        path: (*path).to_owned(),
        query,
        headers,
        body: Vec::new(),
        microversion: None,
    };
    let answer = openstack::send(&request).map_err(say)?;
    Ok(format!("{} {:?}", answer.status, answer.headers))
}

/// `reading` or `writing`, OPERATION, ARGUMENTS.
pub(crate) fn operate(with: &[&str]) -> Came {
    match with {
        ["reading", operation, arguments] => {
            openstack_read::call(operation, &(*arguments).to_owned()).map_err(say)
        }
        ["writing", operation, arguments] => {
            openstack::call(operation, &(*arguments).to_owned()).map_err(say)
        }
        ["bomb", operation, levels] => {
            let levels = levels.parse().unwrap_or(1);
            let bomb = format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
            openstack::call(operation, &bomb).map_err(say)
        }
        _ => Err("operate what?".to_owned()),
    }
}

/// QUEUE BODY.
pub(crate) fn post(with: &[&str]) -> Came {
    let [queue, body] = with else {
        return Err("post what?".to_owned());
    };
    messaging::post(queue, &(*body).to_owned()).map_err(say)?;
    Ok("posted".to_owned())
}

/// TEXT TIMES.
pub(crate) fn log(with: &[&str]) -> Came {
    let [text, times] = with else {
        return Err("log what?".to_owned());
    };
    for _ in 0..times.parse().unwrap_or(1) {
        operator::write(operator::Level::Info, text);
    }
    Ok("logged".to_owned())
}
