//! From a response to what the action gives.

use std::io::Read as _;
use std::time::Duration;

use encoding_rs::Encoding;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use ostro_core::{ActionError, ActionErrorKind, Map, Value};
use reqwest::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use reqwest::{Response, StatusCode};
use url::Url;

use super::request::refused;
use super::unreachable;

/// How long the pieces are that Mistral's `history` has bodies in.
const PIECE: usize = 128;

/// A response, read to its end.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    reason: String,
    content: Vec<u8>,
    elapsed: Duration,
}

impl Answer {
    /// Reads a response with a body of at most `max` bytes, as it comes and unpacked.
    pub(super) async fn read(
        mut response: Response,
        elapsed: Duration,
        max: usize,
    ) -> Result<Self, ActionError> {
        let status = response.status();
        let headers = response.headers().clone();
        let declared = headers
            .get(CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if let Some(length) = declared.filter(|length| *length > max as u64) {
            return Err(ActionError::new(
                ActionErrorKind::Limit,
                format!("HTTP response is too large (Content-Length={length}, limit={max} bytes)."),
            ));
        }
        let reason = match response.extensions().get::<hyper::ext::ReasonPhrase>() {
            Some(phrase) => phrase.as_bytes().iter().copied().map(char::from).collect(),
            None => status.canonical_reason().unwrap_or_default().to_owned(),
        };
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| unreachable(&error))?
        {
            if body.len() + chunk.len() > max {
                return Err(too_large(max));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Self {
            content: unpack(body, &headers, max)?,
            status,
            headers,
            reason,
            elapsed,
        })
    }

    /// Whether Mistral takes the status for success.
    pub(super) fn is_good(&self) -> bool {
        (200..307).contains(&self.status.as_u16())
    }

    /// What went wrong, for a person. The answer itself is the error's value.
    pub(super) fn failure(&self, method: &reqwest::Method, url: &Url) -> String {
        let mut place = url.clone();
        // A query may hold a token.
        place.set_query(None);
        place.set_fragment(None);
        let status = self.status.as_u16();
        format!("{method} {place} answered {status} {}", self.reason)
            .trim_end()
            .to_owned()
    }

    /// The result, as Mistral has it.
    pub(super) fn result(
        &self,
        url: &Url,
        history: Vec<Value>,
        cookies: Map,
    ) -> Result<Value, ActionError> {
        let encoding = encoding(&self.headers);
        let entries = [
            ("content", self.content(encoding.as_deref())?),
            ("status", i64::from(self.status.as_u16()).into()),
            ("headers", headers(&self.headers)),
            ("url", url.as_str().into()),
            ("history", history.into()),
            ("encoding", encoding.map_or(Value::Null, Value::from)),
            ("reason", self.reason.as_str().into()),
            ("cookies", cookies.into()),
            ("elapsed", self.elapsed.as_secs_f64().into()),
        ];
        Ok(entries.into_iter().collect())
    }

    /// JSON where it reads as JSON, else text.
    fn content(&self, encoding: Option<&str>) -> Result<Value, ActionError> {
        let plain = self.content.strip_prefix(b"\xef\xbb\xbf");
        let bytes = plain.unwrap_or(&self.content);
        let text = decode(bytes, encoding.unwrap_or("utf-8"));
        if let Some(value) = text
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok())
        {
            return Ok(value);
        }
        match decode(&self.content, encoding.unwrap_or("utf-8")) {
            Some(text) => Ok(text.into()),
            None => Err(ActionError::new(
                ActionErrorKind::Action,
                format!(
                    "HTTP response of {} bytes is neither JSON nor text in the encoding {}",
                    self.content.len(),
                    encoding.unwrap_or("utf-8")
                ),
            )),
        }
    }

    /// The body as `history` has it.
    pub(super) fn pieces(&self) -> Value {
        self.content
            .chunks(PIECE)
            .map(|piece| Value::from(&*String::from_utf8_lossy(piece)))
            .collect()
    }
}

fn too_large(max: usize) -> ActionError {
    ActionError::new(
        ActionErrorKind::Limit,
        format!("HTTP response is too large (limit={max} bytes)."),
    )
}

/// A body without its compression.
fn unpack(body: Vec<u8>, headers: &HeaderMap, max: usize) -> Result<Vec<u8>, ActionError> {
    let packing = headers
        .get(CONTENT_ENCODING)
        .and_then(|packing| packing.to_str().ok())
        .map(|packing| packing.trim().to_ascii_lowercase());
    let whole = |decoder: &mut dyn std::io::Read| {
        let mut plain = Vec::new();
        let limit = max as u64 + 1;
        decoder
            .take(limit)
            .read_to_end(&mut plain)
            .ok()
            .map(|_| plain)
    };
    let plain = match packing.as_deref() {
        _ if body.is_empty() => return Ok(body),
        Some("gzip" | "x-gzip") => whole(&mut MultiGzDecoder::new(body.as_slice())),
        // Some servers send the one, some the other.
        Some("deflate") => whole(&mut ZlibDecoder::new(body.as_slice()))
            .or_else(|| whole(&mut DeflateDecoder::new(body.as_slice()))),
        _ => return Ok(body),
    };
    match plain {
        Some(plain) if plain.len() > max => Err(too_large(max)),
        Some(plain) => Ok(plain),
        None => Err(refused("the response is not compressed as it says")),
    }
}

/// The encoding of the body as requests finds it in the headers.
fn encoding(headers: &HeaderMap) -> Option<String> {
    let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let mut parts = kind.split(';');
    let media = parts.next()?.trim().to_ascii_lowercase();
    let charset = parts.find_map(|part| {
        let (key, value) = part.split_once('=')?;
        let value = value.trim_matches(|c| matches!(c, '\'' | '"' | ' '));
        key.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| value.to_owned())
    });
    charset.or_else(|| {
        if media.contains("text") {
            Some("ISO-8859-1".to_owned())
        } else if media.contains("application/json") {
            Some("utf-8".to_owned())
        } else {
            None
        }
    })
}

/// `bytes` as text in an encoding; none if they are none, or the encoding is not known.
fn decode(bytes: &[u8], encoding: &str) -> Option<String> {
    let label = encoding.to_ascii_lowercase().replace('_', "-");
    match label.as_str() {
        "iso-8859-1" | "iso8859-1" | "latin-1" | "latin1" | "l1" => {
            Some(bytes.iter().copied().map(char::from).collect())
        }
        "ascii" | "us-ascii" => bytes
            .is_ascii()
            .then(|| String::from_utf8_lossy(bytes).into_owned()),
        _ => Encoding::for_label(label.as_bytes())?
            .decode_without_bom_handling_and_without_replacement(bytes)
            .map(std::borrow::Cow::into_owned),
    }
}

/// The headers, in the case in which servers write them; those of one name are one.
fn headers(headers: &HeaderMap) -> Value {
    let mut entries = Map::new();
    for name in headers.keys() {
        let values: Vec<String> = headers
            .get_all(name)
            .iter()
            .map(|value| value.as_bytes().iter().copied().map(char::from).collect())
            .collect();
        entries.insert(title(name.as_str()).into(), values.join(", ").into());
    }
    entries.into()
}

/// A header's name as servers write it: the HTTP library gives it in lower case.
fn title(name: &str) -> String {
    match name {
        "etag" => return "ETag".to_owned(),
        "www-authenticate" => return "WWW-Authenticate".to_owned(),
        "content-md5" => return "Content-MD5".to_owned(),
        _ => {}
    }
    let mut out = String::with_capacity(name.len());
    let mut first = true;
    for c in name.chars() {
        out.push(if first { c.to_ascii_uppercase() } else { c });
        first = c == '-';
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_is_what_the_content_type_says_or_implies() {
        for (kind, expected) in [
            ("text/plain", Some("ISO-8859-1")),
            ("text/html; charset=UTF-8", Some("UTF-8")),
            ("application/json", Some("utf-8")),
            ("application/json; charset=\"latin-1\"", Some("latin-1")),
            ("application/octet-stream", None),
            ("Text/Plain; format=flowed", Some("ISO-8859-1")),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, kind.parse().unwrap());
            assert_eq!(encoding(&headers).as_deref(), expected, "{kind}");
        }
        assert_eq!(encoding(&HeaderMap::new()), None);
    }

    #[test]
    fn names_of_headers_are_written_as_servers_write_them() {
        for (name, written) in [
            ("content-type", "Content-Type"),
            ("x-openstack-request-id", "X-Openstack-Request-Id"),
            ("etag", "ETag"),
            ("date", "Date"),
        ] {
            assert_eq!(title(name), written);
        }
    }
}
