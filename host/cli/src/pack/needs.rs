//! What recorded runs had to be granted.

use ostro_core::{Method, RelativePath};
use ostro_openstack::operations;
use ostro_packs::{Access, HttpTarget, Need};
use ostro_sandbox::{RecordedCall, Recording};
use serde_json::Value;

/// What the calls of a recording needed, without those that were denied.
pub(crate) fn of(recording: &Recording) -> Vec<Need> {
    let granted = recording.calls.iter().filter(|call| !is_denied(call));
    let folders = recording.folders.iter().cloned().map(Need::Folder);
    let other = |call| object(call).or_else(|| secret(call, recording));
    granted
        .filter_map(|call| need(call).or_else(|| other(call)))
        .chain(folders)
        .collect()
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

/// What a call of the object store needs. What is done with a reader or a writer was asked for when
/// it was opened.
fn object(call: &RecordedCall) -> Option<Need> {
    let text = |key: &str| call.arguments.get(key).and_then(Value::as_str);
    let access = match call.call.as_str() {
        "object-store-read.list-objects" => {
            return Some(Need::Listing {
                container: text("container")?.to_owned(),
                prefix: text("prefix").unwrap_or_default().to_owned(),
            });
        }
        "object-store-read.head" | "object-store-read.open" => Access::Read,
        "object-store.create" | "object-store.set-metadata" => Access::Write,
        "object-store.delete" => Access::Delete,
        _ => return None,
    };
    Some(Need::Object {
        container: text("container")?.to_owned(),
        name: text("object")?.to_owned(),
        access,
    })
}

/// What the use of a secret needs: that it may go where the text went that stands for it.
fn secret(call: &RecordedCall, recording: &Recording) -> Option<Need> {
    let name = call.arguments.get("name").and_then(Value::as_str);
    match call.call.as_str() {
        "secrets.reveal" => Some(Need::Reveal(name?.to_owned())),
        "secrets.use-secret" => {
            let place = call.answer.as_ref()?.get("ok")?.as_str()?;
            let has_it = |call: &&RecordedCall| call.arguments.to_string().contains(place);
            let takers = recording.calls.iter().filter(|call| !is_denied(call));
            Some(Need::Secret {
                name: name?.to_owned(),
                services: takers.filter(has_it).filter_map(service).collect(),
            })
        }
        _ => None,
    }
}

/// The service that a call sends something to.
fn service(call: &RecordedCall) -> Option<String> {
    let text = |key: &str| call.arguments.get(key).and_then(Value::as_str);
    match call.call.as_str() {
        "openstack.send" | "openstack-read.get" => text("service").map(str::to_owned),
        "openstack.call" | "openstack-read.call" => {
            operations::find(text("operation")?).map(|operation| operation.service.clone())
        }
        "messaging.post" => {
            operations::find("zaqar.queue_post").map(|operation| operation.service.clone())
        }
        _ => None,
    }
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
