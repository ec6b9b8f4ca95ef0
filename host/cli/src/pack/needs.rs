//! What recorded runs had to be granted.

use ostro_core::{Method, RelativePath};
use ostro_packs::{HttpTarget, Need};
use ostro_sandbox::{RecordedCall, Recording};
use serde_json::Value;

/// What the calls of a recording needed, without those that were denied.
pub(crate) fn of(recording: &Recording) -> Vec<Need> {
    let granted = recording.calls.iter().filter(|call| !is_denied(call));
    let folders = recording.folders.iter().cloned().map(Need::Folder);
    granted.filter_map(need).chain(folders).collect()
}

/// What was denied in a recording.
pub(crate) fn denied(recording: &Recording) -> impl Iterator<Item = &str> {
    let denied = recording.calls.iter().filter(|call| is_denied(call));
    denied.filter_map(|call| call.answer.as_ref()?.get("error")?.get("denied")?.as_str())
}

fn is_denied(call: &RecordedCall) -> bool {
    let error = call.answer.as_ref().and_then(|answer| answer.get("error"));
    error.is_some_and(|error| error.get("denied").is_some())
}

/// What a call needs; nothing if it needs nothing, or names nothing that could be granted.
fn need(call: &RecordedCall) -> Option<Need> {
    let text = |key: &str| call.arguments.get(key).and_then(Value::as_str);
    match call.call.as_str() {
        "openstack.send" => Some(Need::Request {
            service: text("service")?.to_owned(),
            method: Method::parse(text("method")?)?,
            path: RelativePath::parse(text("path")?).ok()?,
        }),
        "openstack-read.get" => Some(Need::Request {
            service: text("service")?.to_owned(),
            method: Method::Get,
            path: RelativePath::parse(text("path")?).ok()?,
        }),
        "openstack.call" | "openstack-read.call" => {
            Some(Need::Operation(text("operation")?.to_owned()))
        }
        "http.send" => {
            let answer = call.answer.as_ref();
            let private = answer.and_then(|answer| answer.get("private"));
            Some(Need::Http {
                method: Method::parse(text("method")?)?,
                target: HttpTarget::from_url(text("url")?).ok()?,
                private: private == Some(&Value::Bool(true)),
            })
        }
        "messaging.post" => Some(Need::Queue(text("queue")?.to_owned())),
        _ => None,
    }
}
