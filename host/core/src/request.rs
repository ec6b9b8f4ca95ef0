//! Requests to OpenStack services, before anyone knows where the services are.

use std::fmt;
use std::fmt::Write as _;

use thiserror::Error;

/// The methods of HTTP that OpenStack's services use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// Reads.
    Get,
    /// Reads the headers alone.
    Head,
    /// Creates, or does.
    Post,
    /// Creates or replaces what the path names.
    Put,
    /// Changes a part.
    Patch,
    /// Deletes.
    Delete,
}

impl Method {
    /// All of them.
    pub const ALL: [Method; 6] = [
        Method::Get,
        Method::Head,
        Method::Post,
        Method::Put,
        Method::Patch,
        Method::Delete,
    ];

    /// The method as HTTP spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }

    /// The method that `text` spells, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|method| method.as_str().eq_ignore_ascii_case(text))
    }

    /// Whether it changes nothing.
    pub fn is_read(self) -> bool {
        matches!(self, Method::Get | Method::Head)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A path below a service's endpoint that can lead nowhere else.
///
/// The text starts with one `/`, is percent-encoded, and holds no empty segment but a last one,
/// no `.` or `..` segment in any encoding, and none of the characters that end or restart a
/// path. What is granted is matched against this text, and this text is what is sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RelativePath(String);

/// Why a text is no [`RelativePath`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PathError {
    /// It is an absolute URL, or starts with `//`, or does not start with `/`.
    #[error(
        "path {0:?} must start with a single `/`: name the service and a path below its endpoint"
    )]
    NotRelative(String),
    /// It holds a `.`, `..` or empty segment, encoded or not.
    #[error("path {0:?} must not hold `.`, `..` or empty segments, encoded or not")]
    Traversal(String),
    /// It holds a character that must be percent-encoded.
    #[error("path {path:?} holds {found:?}, which must be percent-encoded")]
    Character {
        /// The path.
        path: String,
        /// The character.
        found: char,
    },
    /// It holds a `%` that no two hexadecimal digits follow, or an encoded separator.
    #[error("path {0:?} has a percent-encoding that is not valid here")]
    Encoding(String),
    /// It is too long.
    #[error("path of {0} bytes: at most {max} are sent", max = RelativePath::MAX_BYTES)]
    TooLong(usize),
}

/// `text` percent-encoded, to be a part of a path (RFC 3986, unreserved characters stay); with
/// `slashes`, slashes stay, too.
pub fn percent_encode(text: &str, slashes: bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || (slashes && byte == b'/') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

impl RelativePath {
    /// How long a path may be, in bytes.
    pub const MAX_BYTES: usize = 4096;

    /// The path that `text` is.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if text.len() > Self::MAX_BYTES {
            return Err(PathError::TooLong(text.len()));
        }
        let Some(rest) = text.strip_prefix('/') else {
            return Err(PathError::NotRelative(text.to_owned()));
        };
        if rest.starts_with(['/', '\\']) {
            return Err(PathError::NotRelative(text.to_owned()));
        }
        // RFC 3986's pchar and `/`. Everything else, `\`, `?`, `#` and controls among it, could
        // be read in two ways by two parsers.
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/%".contains(c);
        if let Some(found) = text.chars().find(|c| !plain(*c)) {
            return Err(PathError::Character {
                path: text.to_owned(),
                found,
            });
        }
        let segments: Vec<&str> = rest.split('/').collect();
        for (index, segment) in segments.iter().enumerate() {
            let decoded = decode(segment).ok_or_else(|| PathError::Encoding(text.to_owned()))?;
            let empty = decoded.is_empty() && index + 1 != segments.len();
            if empty || decoded == b"." || decoded == b".." {
                return Err(PathError::Traversal(text.to_owned()));
            }
            // An encoded separator is one more segment for some servers, and a part of this one
            // for others; an encoded `%` may be decoded twice. No service needs either, but for
            // Swift, whose object names take separators as they are.
            if decoded
                .iter()
                .any(|byte| matches!(byte, b'/' | b'\\' | 0..=31 | 127))
                || segment.contains("%25")
            {
                return Err(PathError::Encoding(text.to_owned()));
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// The path as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `segment` without its percent-encoding; none if that is malformed.
fn decode(segment: &str) -> Option<Vec<u8>> {
    let mut bytes = segment.bytes();
    let mut decoded = Vec::with_capacity(segment.len());
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' {
            let digit = |b: u8| (b as char).to_digit(16).and_then(|d| u8::try_from(d).ok());
            16 * digit(bytes.next()?)? + digit(bytes.next()?)?
        } else {
            byte
        });
    }
    Some(decoded)
}

/// One request to a service of the catalogue.
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceRequest {
    /// The type of the service in Keystone's catalogue: `baremetal`, `object-store`, …
    pub service: String,
    /// What to do.
    pub method: Method,
    /// Where, below the service's endpoint.
    pub path: RelativePath,
    /// The query, decoded.
    pub query: Vec<(String, String)>,
    /// Headers beside those that the host adds.
    pub headers: Vec<(String, String)>,
    /// The body, empty for none. It is JSON unless a `content-type` header says otherwise.
    pub body: Vec<u8>,
    /// The API microversion to ask for, as `1.58`.
    pub microversion: Option<String>,
}

impl ServiceRequest {
    /// A request without query, headers and body.
    pub fn new(service: impl Into<String>, method: Method, path: RelativePath) -> Self {
        Self {
            service: service.into(),
            method,
            path,
            query: Vec::new(),
            headers: Vec::new(),
            body: Vec::new(),
            microversion: None,
        }
    }
}

impl fmt::Debug for ServiceRequest {
    /// Bodies, queries and headers hold passwords: they stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.service, self.method, self.path)
    }
}

/// The answer of a service, whatever its status.
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceResponse {
    /// The HTTP status.
    pub status: u16,
    /// Headers with lower-case names, without those that carry a credential.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl ServiceResponse {
    /// The first header called `name` (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for ServiceResponse {
    /// Bodies hold secrets: they stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {} bytes", self.status, self.body.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_below_an_endpoint_are_taken_as_they_are() {
        for path in [
            "/",
            "/v1/nodes",
            "/v1/nodes/",
            "/v1/nodes/a%20b",
            "/v1/c/o:1@x;y=z",
        ] {
            assert_eq!(RelativePath::parse(path).unwrap().as_str(), path);
        }
    }

    #[test]
    fn paths_that_could_lead_elsewhere_are_refused() {
        for path in [
            "",
            "v1/nodes",
            "//evil.example/v1",
            "/\\evil.example",
            "http://evil.example/",
            "/v1/../../admin",
            "/v1/%2e%2E/admin",
            "/v1/./nodes",
            "/v1//nodes",
            "/v1/nodes?x=1",
            "/v1/nodes#x",
            "/v1/a%2fb",
            "/v1/a%5cb",
            "/v1/a%00",
            "/v1/%252e%252e/x",
            "/v1/%2",
            "/v1/ä",
            "/v1/a b",
            "/v1/a\r\nx: y",
        ] {
            assert!(RelativePath::parse(path).is_err(), "{path:?} was taken");
        }
    }
}
