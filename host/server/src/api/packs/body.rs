//! What callers send: a pack, where one is, or what it is granted.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request as HttpRequest;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::Object;
use crate::app::{App, Request};
use crate::fault::Fault;
use crate::packs::{Installation, PackSource, PacksSettings};

/// How large a body of JSON may be, in bytes.
const MAX_JSON: usize = 1 << 20;
/// How long a body may take.
const PATIENCE: Duration = Duration::from_mins(5);
/// The header with the signature of the pack in the body: minisign's file, in base64.
const SIGNATURE: &str = "ostro-signature";
/// The kind of a body that is a pack.
const PACK: &str = "application/octet-stream";

/// The pack that a request wants to be installed.
pub(super) async fn installation(
    app: &App,
    request: &Request,
    sent: HttpRequest,
) -> Result<Installation, Fault> {
    let settings = &app.packs.settings;
    let installation = match kind(sent.headers()).as_deref() {
        Some(PACK) => {
            let known = ["accept_grants", "allow_unsigned", "digest", "update"];
            request.query.only(&known)?;
            of_query(request, sent, settings).await?
        }
        Some("application/json") | None => {
            request.query.only(&[])?;
            of_json(object(sent).await?, settings)?
        }
        Some(other) => {
            return Err(Fault::unknown_kind(format!(
                "{other}: a pack is sent as {PACK}, and where one is as application/json"
            )));
        }
    };
    if installation.allow_unsigned && !settings.unsigned {
        return Err(Fault::forbidden(
            "allow_unsigned: this server takes no packs that no trusted key has signed; \
             `ostro serve --unsigned-packs` does, and `ostro pack trust add` trusts a key",
        ));
    }
    Ok(installation)
}

/// The body is the pack, the address says the rest.
async fn of_query(
    request: &Request,
    sent: HttpRequest,
    settings: &PacksSettings,
) -> Result<Installation, Fault> {
    let query = &request.query;
    let accept_grants = query.get("accept_grants").map(|text| {
        serde_json::from_str(text)
            .map_err(|error| Fault::invalid(format!("accept_grants: it is no JSON: {error}")))
    });
    let accept_grants = accept_grants.transpose()?;
    let signature = signature(sent.headers())?;
    let artifact = whole(sent.into_body(), settings.max_size).await?;
    if artifact.is_empty() {
        return Err(Fault::invalid(
            "the body is empty: it is to be the file that `ostro pack build` made",
        ));
    }
    Ok(Installation {
        source: PackSource::Sent {
            artifact,
            signature,
        },
        digest: query.get("digest").map(str::to_owned),
        accept_grants,
        allow_unsigned: query.is_wanted("allow_unsigned"),
        update: query.is_wanted("update"),
    })
}

/// The body says where the pack is.
fn of_json(mut given: Object, settings: &PacksSettings) -> Result<Installation, Fault> {
    let source = text(&mut given, "source")?.ok_or_else(|| {
        Fault::invalid("source: it is missing; it is oci://HOST/REPO:TAG, for example")
    })?;
    if !source.starts_with("oci://") && !settings.from_paths {
        return Err(Fault::forbidden(format!(
            "source: {source}: this server takes packs from oci://HOST/REPO:TAG, and not from \
             files of its machine; send the file itself as {PACK}"
        )));
    }
    let installation = Installation {
        source: PackSource::Named {
            source,
            plain_http: truth(&mut given, "plain_http")?,
        },
        digest: text(&mut given, "digest")?,
        accept_grants: given
            .shift_remove("accept_grants")
            .filter(|grants| !grants.is_null()),
        allow_unsigned: truth(&mut given, "allow_unsigned")?,
        update: truth(&mut given, "update")?,
    };
    match given.keys().next() {
        None => Ok(installation),
        Some(name) => Err(Fault::invalid(format!(
            "{name}: there is no such attribute; there are source, digest, accept_grants, \
             allow_unsigned, update, plain_http"
        ))),
    }
}

fn text(given: &mut Object, name: &str) -> Result<Option<String>, Fault> {
    match given.shift_remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Fault::invalid(format!("{name}: it is to be a text"))),
    }
}

fn truth(given: &mut Object, name: &str) -> Result<bool, Fault> {
    match given.shift_remove(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(truth)) => Ok(truth),
        Some(_) => Err(Fault::invalid(format!("{name}: it is to be true or false"))),
    }
}

/// A body that is a JSON object.
pub(super) async fn object(sent: HttpRequest) -> Result<Object, Fault> {
    let body = whole(sent.into_body(), MAX_JSON).await?;
    match serde_json::from_slice(&body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Fault::invalid("The body is to be a JSON object")),
        Err(error) => Err(Fault::invalid(format!("The body is no JSON: {error}"))),
    }
}

/// All of a body, if that is not more than `most` bytes.
async fn whole(body: Body, most: usize) -> Result<Vec<u8>, Fault> {
    let bytes = tokio::time::timeout(PATIENCE, to_bytes(body, most)).await;
    let bytes = bytes.map_err(|_| Fault::invalid("the body did not come to its end"))?;
    bytes.map(Vec::from).map_err(|_| {
        Fault::too_large(format!(
            "the body has more than {most} bytes, or was cut off"
        ))
    })
}

fn kind(headers: &HeaderMap) -> Option<String> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let kind = kind.split(';').next().unwrap_or_default();
    Some(kind.trim().to_ascii_lowercase())
}

fn signature(headers: &HeaderMap) -> Result<Option<String>, Fault> {
    let Some(value) = headers.get(SIGNATURE) else {
        return Ok(None);
    };
    let wrong = || {
        Fault::invalid(format!(
            "{SIGNATURE}: it is to be the file that `minisign -S` made, in base64"
        ))
    };
    let bytes = BASE64_STANDARD
        .decode(value.as_bytes())
        .map_err(|_| wrong())?;
    String::from_utf8(bytes).map(Some).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: Value, from_paths: bool) -> Result<Installation, String> {
        let Value::Object(body) = body else {
            return Err("no object".to_owned());
        };
        let settings = PacksSettings {
            from_paths,
            ..PacksSettings::default()
        };
        of_json(body, &settings).map_err(|fault| fault.message().to_owned())
    }

    #[test]
    fn a_body_says_where_a_pack_is() {
        let read = read(
            json!({"source": "oci://r.example/acme:1", "digest": "sha256:00", "update": true,
                "accept_grants": {"operations": ["ironic.node_get"]}}),
            false,
        );
        let read = read.unwrap();
        assert_eq!(read.digest.as_deref(), Some("sha256:00"));
        assert!(read.update && !read.allow_unsigned);
        assert!(read.accept_grants.is_some());
    }

    #[test]
    fn files_of_the_machine_are_sources_only_where_the_operator_says_so() {
        let body = json!({"source": "/etc/shadow"});
        let refused = read(body.clone(), false).unwrap_err();
        assert!(refused.contains("not from files"), "{refused}");
        assert!(read(body, true).is_ok());
    }

    #[test]
    fn what_is_not_meant_is_refused_by_name() {
        for (body, said) in [
            (json!({}), "source"),
            (json!({"source": 1}), "source"),
            (json!({"source": "oci://a/b", "update": "yes"}), "update"),
            (json!({"source": "oci://a/b", "activate": true}), "activate"),
        ] {
            let refused = read(body, false).unwrap_err();
            assert!(refused.starts_with(said), "{refused}");
        }
    }
}
