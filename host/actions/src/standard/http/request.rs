//! From an action's input to a request.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ostro_core::{ActionContext, ActionError, ActionErrorKind, Map, TaskExecutionId, Value};
use ostro_lang::python_str;
use reqwest::Method;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::super::{Input, call_error, python};
use super::cookies;
use super::egress::HttpOptions;

/// What is asked for, before any redirect.
pub(super) struct Request {
    pub(super) url: Url,
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    pub(super) cookies: Vec<(String, String)>,
    pub(super) redirects: bool,
    pub(super) timeout: Duration,
    pub(super) verify: Verify,
    pub(super) proxies: Map,
}

/// How a server's certificate is checked.
pub(super) enum Verify {
    /// With the machine's authorities.
    Yes,
    /// Not at all.
    No,
    /// With the authorities in this file or folder alone.
    With(Arc<str>),
}

impl Request {
    /// The request that `input` describes; for `std.mistral_http` `context` says where it comes
    /// from.
    pub(super) fn read(
        input: &Input<'_>,
        context: Option<&ActionContext>,
        options: &HttpOptions,
    ) -> Result<Self, ActionError> {
        let truthy = |name: &str| input.given(name).is_some_and(Value::is_truthy);
        if truthy("body") && truthy("json") {
            return Err(ActionError::new(
                ActionErrorKind::Action,
                "Only one of the parameters 'json' and 'body' can be passed",
            ));
        }
        let mut url = url(input.text("url")?)?;
        query(&mut url, input.given("params"))?;
        let method = match input.entries.get("method") {
            None => Method::GET,
            Some(_) => method(input.text("method")?)?,
        };
        let mut headers = headers(input.given("headers"))?;
        if let Some(context) = context {
            add_mistral(&mut headers, context)?;
        }
        let auth = auth(input.given("auth"), &mut url)?;
        if let Some(mut value) = auth {
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        let body = body(input, &mut headers)?;
        Ok(Self {
            url,
            method,
            headers,
            body,
            cookies: match input.given("cookies") {
                None => Vec::new(),
                Some(given) => cookies::given(given).map_err(refused)?,
            },
            redirects: truthy("allow_redirects"),
            timeout: timeout(input.given("timeout"), options)?,
            verify: match input.given("verify") {
                None => Verify::Yes,
                Some(Value::String(path)) if !path.is_empty() => Verify::With(Arc::clone(path)),
                Some(value) if value.is_truthy() => Verify::Yes,
                Some(_) => Verify::No,
            },
            proxies: match input.given("proxies") {
                None => Map::new(),
                Some(Value::Map(entries)) => (**entries).clone(),
                Some(other) => {
                    return Err(refused(format!(
                        "proxies cannot be of type {}",
                        other.kind()
                    )));
                }
            },
        })
    }
}

/// What Mistral says of a request that cannot be made.
pub(super) fn refused(reason: impl std::fmt::Display) -> ActionError {
    call_error(format!("Failed to send HTTP request: {reason}"))
}

fn url(text: &str) -> Result<Url, ActionError> {
    let text = text.trim_start();
    Url::parse(text).map_err(|error| match error {
        url::ParseError::RelativeUrlWithoutBase => {
            call_error("URL scheme '' is not allowed (only http and https are).")
        }
        url::ParseError::EmptyHost => call_error("URL does not contain a host."),
        // The URL itself may hold a password.
        other => refused(format!("the URL is invalid: {other}")),
    })
}

fn method(text: &str) -> Result<Method, ActionError> {
    Method::from_bytes(text.to_uppercase().as_bytes())
        .map_err(|_| refused(format!("'{text}' is no method of HTTP")))
}

/// Adds `params` to the query as requests does: text as it is, pairs encoded.
fn query(url: &mut Url, params: Option<&Value>) -> Result<(), ActionError> {
    let added = match params {
        None => return Ok(()),
        Some(Value::String(text)) => text.to_string(),
        Some(value) if !value.is_truthy() => return Ok(()),
        Some(value) => form(value)
            .ok_or_else(|| refused(format!("params cannot be of type {}", value.kind())))?,
    };
    if !added.is_empty() {
        let whole = match url.query() {
            Some(query) if !query.is_empty() => format!("{query}&{added}"),
            _ => added,
        };
        url.set_query(Some(&whole));
    }
    Ok(())
}

/// A mapping or a list of pairs as a form; a list as a value is one pair for each of its items.
fn form(value: &Value) -> Option<String> {
    let pairs: Vec<(String, Value)> = match value {
        Value::Map(entries) => entries
            .iter()
            .map(|(key, value)| (key.to_string(), value.clone()))
            .collect(),
        Value::List(items) => items
            .iter()
            .map(|item| match item.as_list()? {
                [key, value] => Some((python_str(key), value.clone())),
                _ => None,
            })
            .collect::<Option<_>>()?,
        _ => return None,
    };
    let mut flat: Vec<(&str, String)> = Vec::new();
    for (key, value) in &pairs {
        match value {
            Value::List(items) => {
                let items = items.iter().filter(|item| !item.is_null());
                flat.extend(items.map(|item| (key.as_str(), python_str(item))));
            }
            Value::Map(entries) => {
                flat.extend(entries.keys().map(|name| (key.as_str(), name.to_string())));
            }
            Value::Null => {}
            other => flat.push((key, python_str(other))),
        }
    }
    let pairs = flat.iter().map(|(key, value)| (*key, value.as_str()));
    Some(python::urlencode(pairs))
}

/// The headers that requests would send, with those of `given` in place of its own.
fn headers(given: Option<&Value>) -> Result<HeaderMap, ActionError> {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        (
            header::USER_AGENT,
            concat!("ostro/", env!("CARGO_PKG_VERSION")),
        ),
        (header::ACCEPT_ENCODING, "gzip, deflate"),
        (header::ACCEPT, "*/*"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let entries = match given {
        None => return Ok(headers),
        Some(Value::Map(entries)) => entries,
        Some(value) if !value.is_truthy() => return Ok(headers),
        Some(other) => {
            return Err(refused(format!(
                "headers cannot be of type {}",
                other.kind()
            )));
        }
    };
    for (name, value) in entries.iter() {
        let text = match value {
            Value::Null => {
                headers.remove(&**name);
                continue;
            }
            Value::List(_) | Value::Map(_) => {
                return Err(refused(format!(
                    "the header {name} cannot be of type {}",
                    value.kind()
                )));
            }
            other => python_str(other),
        };
        set(&mut headers, name, &text)?;
    }
    // The length and the form of the body are not a matter of opinion.
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::TRANSFER_ENCODING);
    Ok(headers)
}

fn set(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), ActionError> {
    let key = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| refused(format!("{name:?} is no name of a header")))?;
    let mut value = HeaderValue::from_bytes(&python::latin1(value)).map_err(|_| {
        refused(format!(
            "the header {name} has a character that none may have"
        ))
    })?;
    value.set_sensitive(true);
    headers.insert(key, value);
    Ok(())
}

/// What the remote needs to finish the action.
fn add_mistral(headers: &mut HeaderMap, context: &ActionContext) -> Result<(), ActionError> {
    let action = context.action_execution_id.as_str();
    let task = context.task_execution_id.as_ref();
    for (name, value) in [
        ("Mistral-Workflow-Name", Some(&*context.workflow_name)),
        (
            "Mistral-Workflow-Execution-Id",
            Some(context.execution_id.as_str()),
        ),
        ("Mistral-Task-Id", task.map(TaskExecutionId::as_str)),
        ("Mistral-Action-Execution-Id", Some(action)),
        (
            "Mistral-Callback-URL",
            Some(format!("/v2/action_executions/{action}").as_str()),
        ),
    ] {
        match value {
            Some(value) => set(headers, name, value)?,
            None => _ = headers.remove(name),
        }
    }
    Ok(())
}

/// The `Authorization` header of `auth`, or of the URL, which loses its user and password.
fn auth(auth: Option<&Value>, url: &mut Url) -> Result<Option<HeaderValue>, ActionError> {
    let in_url = (!url.username().is_empty() || url.password().is_some()).then(|| {
        (
            unquote(url.username()),
            unquote(url.password().unwrap_or_default()),
        )
    });
    // This fails for URLs that have no place for either.
    _ = url.set_username("");
    _ = url.set_password(None);
    let (user, password) = match auth {
        Some(Value::String(text)) => match text.split(':').collect::<Vec<_>>()[..] {
            [user, password] => (user.to_owned(), password.to_owned()),
            _ if text.is_empty() => return Ok(None),
            _ => {
                return Err(refused(
                    "auth must be a user and a password, as 'user:password'",
                ));
            }
        },
        Some(other) if other.is_truthy() => {
            return Err(refused(format!("auth cannot be of type {}", other.kind())));
        }
        _ => match in_url {
            Some(pair) => pair,
            None => return Ok(None),
        },
    };
    let mut plain = python::latin1(&user);
    plain.push(b':');
    plain.extend(python::latin1(&password));
    let value = format!("Basic {}", STANDARD.encode(plain));
    Ok(HeaderValue::from_str(&value).ok())
}

/// `text` without its percent-encoding.
fn unquote(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        let encoded = after
            .get(..2)
            .filter(|_| *byte == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(encoded.unwrap_or(*byte));
        rest = if encoded.is_some() {
            &after[2..]
        } else {
            after
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The body, and the header that tells its type.
fn body(input: &Input<'_>, headers: &mut HeaderMap) -> Result<Vec<u8>, ActionError> {
    let body = input.given("body");
    // An empty mapping is text by the time that Python asks whether there is a body.
    let has_body = body.is_some_and(|body| body.is_truthy() || body.as_map().is_some());
    let (text, kind) = match (body.filter(|_| has_body), input.given("json")) {
        (Some(Value::String(text)), _) => return Ok(text.as_bytes().to_vec()),
        (Some(value @ Value::Map(_)), _) => (json(value)?, None),
        (Some(value), _) => {
            let text = form(value)
                .ok_or_else(|| refused(format!("body cannot be of type {}", value.kind())))?;
            (text, Some("application/x-www-form-urlencoded"))
        }
        (None, Some(value)) => (json(value)?, Some("application/json")),
        (None, None) => return Ok(Vec::new()),
    };
    if let Some(kind) = kind {
        headers
            .entry(header::CONTENT_TYPE)
            .or_insert(HeaderValue::from_static(kind));
    }
    Ok(text.into_bytes())
}

fn json(value: &Value) -> Result<String, ActionError> {
    python::json(value).ok_or_else(|| refused("a number in the body is not in JSON's range"))
}

fn timeout(timeout: Option<&Value>, options: &HttpOptions) -> Result<Duration, ActionError> {
    let seconds = match timeout {
        None => return Ok(options.default_timeout),
        Some(Value::Int(_) | Value::Float(_)) => timeout.and_then(super::super::plain::number),
        Some(other) => {
            return Err(refused(format!(
                "timeout cannot be of type {}",
                other.kind()
            )));
        }
    };
    seconds
        .filter(|seconds| *seconds > 0.0)
        // What is longer than can be said is as good as for ever.
        .map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or(options.max_time))
        .ok_or_else(|| refused("timeout must be more than 0 seconds"))
}
