//! Who is told, as `params.notify` and the operator name them.

use std::fmt;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::Value;
use url::Url;

use super::event::EVENTS;

/// How long an address may be, and how many headers it may come with, of how many bytes.
const MAX_ADDRESS: usize = 4096;
const MAX_HEADERS: usize = 32;
const MAX_HEADER_BYTES: usize = 16 << 10;

/// Headers that belong to the connection, and not to whoever has it made.
const OF_CONNECTION: [HeaderName; 9] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Somebody who is told of what becomes of executions.
#[derive(Clone)]
pub struct Publisher {
    pub(super) way: Way,
    /// The events that it wants; none for all.
    events: Vec<String>,
    /// As it was given.
    source: Value,
}

/// How somebody is told.
#[derive(Clone)]
pub(super) enum Way {
    /// By a line in the log.
    Log,
    /// By a request.
    Webhook { url: Url, headers: HeaderMap },
}

impl Publisher {
    /// Reads one as Mistral has them: `{"type": "webhook", "url": …, "headers": {…}, "event_types":
    /// […]}`, or `{"type": "noop"}` for a line in the log. The error says what is wrong with it,
    /// and holds nothing that may be a secret.
    pub fn read(source: &Value) -> Result<Self, String> {
        let Value::Object(entry) = source else {
            return Err("it is an object, as {\"type\": \"webhook\", \"url\": …}".to_owned());
        };
        let way = match entry.get("type").and_then(Value::as_str) {
            Some("webhook") => Way::Webhook {
                url: url(entry.get("url"))?,
                headers: headers(entry.get("headers"))?,
            },
            Some("noop") => Way::Log,
            Some(other) => {
                return Err(format!("`type` is webhook or noop, not {other:?}"));
            }
            None => return Err("`type` is missing: it is webhook or noop".to_owned()),
        };
        let events = match entry.get("event_types") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(names)) => {
                let names = names.iter().map(|name| name.as_str().map(str::to_owned));
                let names: Option<Vec<String>> = names.collect();
                names.ok_or("`event_types` is a list of names")?
            }
            Some(_) => return Err("`event_types` is a list of names".to_owned()),
        };
        Ok(Self {
            way,
            events,
            source: source.clone(),
        })
    }

    /// As [`Publisher::read`], where what will never be told of is a mistake, too.
    pub fn read_exactly(source: &Value) -> Result<Self, String> {
        let known = ["type", "url", "headers", "event_types"];
        let keys = source.as_object().into_iter().flatten().map(|(key, _)| key);
        if let Some(key) = keys.into_iter().find(|key| !known.contains(&key.as_str())) {
            return Err(format!("there is no `{key}` here"));
        }
        let publisher = Self::read(source)?;
        let mut names = publisher.events.iter();
        match names.find(|name| !EVENTS.contains(&name.as_str())) {
            None => Ok(publisher),
            Some(name) => Err(format!(
                "`event_types`: there is no event {name:?}; those that there are: {}",
                EVENTS.join(", ")
            )),
        }
    }

    /// Whether it wants to know of `event`.
    pub(super) fn wants(&self, event: &str) -> bool {
        self.events.is_empty() || self.events.iter().any(|name| name == event)
    }

    /// As it was given.
    pub(super) fn source(&self) -> &Value {
        &self.source
    }

    /// Where it is and what it wants.
    pub(super) fn identity(&self) -> String {
        let place = match &self.way {
            Way::Log => "noop",
            Way::Webhook { url, .. } => url.as_str(),
        };
        format!("{place} {}", self.events.join(" "))
    }

    /// Where it is, as far as that is no secret.
    pub(super) fn place(&self) -> String {
        match &self.way {
            Way::Log => "the log".to_owned(),
            Way::Webhook { url, .. } => url.origin().ascii_serialization(),
        }
    }
}

impl PartialEq for Publisher {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

/// What an address or a header holds may be a secret.
impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher")
            .field("place", &self.place())
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}

fn url(given: Option<&Value>) -> Result<Url, String> {
    let text = given.and_then(Value::as_str);
    let text = text.ok_or("`url` is missing: it is a text")?;
    if text.len() > MAX_ADDRESS {
        return Err(format!("`url` has more than {MAX_ADDRESS} bytes"));
    }
    let url: Url = text.parse().map_err(|error| format!("`url`: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err("`url` begins with http:// or https://, and names a host".to_owned());
    }
    Ok(url)
}

fn headers(given: Option<&Value>) -> Result<HeaderMap, String> {
    let given = match given {
        None | Some(Value::Null) => return Ok(HeaderMap::new()),
        Some(Value::Object(given)) => given,
        Some(_) => return Err("`headers` is an object of texts".to_owned()),
    };
    let bytes: usize = given
        .iter()
        .map(|(name, value)| name.len() + value.as_str().map_or(0, str::len))
        .sum();
    if given.len() > MAX_HEADERS || bytes > MAX_HEADER_BYTES {
        return Err(format!(
            "`headers` has more than {MAX_HEADERS} entries, or than {MAX_HEADER_BYTES} bytes"
        ));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let header: HeaderName = name
            .parse()
            .map_err(|_| format!("`headers`: {name:?} is no header's name"))?;
        if OF_CONNECTION.contains(&header) {
            return Err(format!("`headers`: {header} belongs to the connection"));
        }
        let value = value.as_str().and_then(|text| text.parse().ok());
        let mut value: HeaderValue =
            value.ok_or_else(|| format!("`headers`: what {header} has is no header's text"))?;
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_wrong_is_said_without_what_may_be_secret() {
        for (given, reason) in [
            (json!("odd"), "it is an object"),
            (json!({}), "`type` is missing"),
            (
                json!({"type": "queue"}),
                "`type` is webhook or noop, not \"queue\"",
            ),
            (json!({"type": "webhook"}), "`url` is missing"),
            (
                json!({"type": "webhook", "url": "s3cret"}),
                "`url`: relative URL",
            ),
            (
                json!({"type": "webhook", "url": "file:///etc/s3cret"}),
                "`url` begins with",
            ),
            (
                json!({"type": "webhook", "url": "http://a/", "headers": {"Host": "s3cret"}}),
                "`headers`: host belongs to the connection",
            ),
            (
                json!({"type": "webhook", "url": "http://a/", "headers": {"X-A": "s3cret\r\nB: c"}}),
                "`headers`: what x-a has is no header's text",
            ),
            (
                json!({"type": "noop", "event_types": "TASK_FAILED"}),
                "`event_types` is a list of names",
            ),
        ] {
            let found = Publisher::read(&given).unwrap_err();
            assert!(found.starts_with(reason), "{given}: {found}");
            assert!(!found.contains("s3cret"), "{found}");
        }
        let given = json!({"type": "webhook", "url": "http://u:s3cret@a:1/s3cret?t=s3cret",
            "headers": {"X-Auth-Token": "s3cret"}, "event_types": ["TASK_FAILED"]});
        let publisher = Publisher::read(&given).unwrap();
        let shown = format!("{publisher:?}");
        assert!(
            shown.contains("http://a:1") && !shown.contains("s3cret"),
            "{shown}"
        );
        assert!(publisher.wants("TASK_FAILED") && !publisher.wants("TASK_SUCCEEDED"));
    }

    #[test]
    fn an_operator_is_told_of_what_nobody_would_ever_be_told() {
        let given = json!({"type": "noop", "event_types": ["TASK_FALIED"]});
        assert!(Publisher::read(&given).is_ok());
        let found = Publisher::read_exactly(&given).unwrap_err();
        assert!(
            found.contains("there is no event \"TASK_FALIED\""),
            "{found}"
        );
        let found = Publisher::read_exactly(&json!({"type": "noop", "event_type": []}));
        assert_eq!(found.unwrap_err(), "there is no `event_type` here");
    }
}
