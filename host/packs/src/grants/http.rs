//! Grants of hosts that may be asked by HTTP, and what they are checked against.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ostro_core::{Method, PathError, RelativePath};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use super::methods;
use crate::pattern::PathPattern;
use crate::scalar::scalar;

/// Requests to hosts outside of the cloud: each of the methods on each of the paths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpGrant {
    /// The host.
    pub host: HostPattern,
    /// The ports.
    #[serde(default = "https")]
    pub ports: Vec<u16>,
    /// The methods. None means nothing.
    #[serde(default, with = "methods")]
    pub methods: Vec<Method>,
    /// The paths. None means nothing.
    #[serde(default)]
    pub paths: Vec<PathPattern>,
    /// Whether the host may have an address that is not public: of this machine, of a private
    /// network, of the link. Those that give out credentials stay closed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub private: bool,
}

impl HttpGrant {
    /// A grant that lets nothing through and counts as one: there is no port 0.
    #[doc(hidden)]
    pub fn of_nothing() -> Option<Self> {
        Some(Self {
            host: HostPattern::parse("nothing.invalid").ok()?,
            ports: vec![0],
            methods: vec![Method::Get],
            paths: vec![PathPattern::parse("/").ok()?],
            private: false,
        })
    }
}

/// Which hosts a grant covers: one by its name or address, or with `*.` in front all names below
/// one, at any depth, and not that one itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPattern {
    below: bool,
    host: Host,
}

/// A host, spelled in the one way that all parsers agree on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Host {
    /// A name in lower case, without a dot at its end.
    Name(String),
    /// An address.
    Address(IpAddr),
}

/// Why a text is no [`Host`], or a request no [`HttpTarget`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TargetError {
    /// Not a name, not an address.
    #[error(
        "host {0:?} is neither a name nor an address: write a name in ASCII, 192.0.2.1 or [2001:db8::1]"
    )]
    Host(String),
    /// Not a port.
    #[error("port {0:?} is no number from 1 to 65535")]
    Port(String),
    /// A user or a password in the address.
    #[error("an address may hold no user and no password: send them as a header")]
    UserInfo,
    /// Neither http nor https.
    #[error("scheme {0:?} is not spoken: http and https are")]
    Scheme(String),
    /// A path that could lead elsewhere.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A query with a character that must be percent-encoded.
    #[error("the query holds {0:?}, which must be percent-encoded")]
    Query(char),
    /// A query that is too long.
    #[error("the query is longer than {max} bytes", max = HttpTarget::MAX_QUERY)]
    QueryTooLong,
}

/// Where a request goes: all of it that a grant decides on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpTarget {
    /// Whether it goes over TLS.
    pub tls: bool,
    /// The host.
    pub host: Host,
    /// The port.
    pub port: u16,
    /// The path.
    pub path: RelativePath,
    /// The query as it is sent, without its `?`.
    pub query: Option<String>,
}

impl Host {
    /// The host that `text` is, as the authority of a URL has it.
    ///
    /// What some parsers read as an address and others as a name (`127.1`, `0x7f.1`, `2130706433`,
    /// `0177.0.0.1`) is none.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let wrong = || TargetError::Host(text.chars().take(100).collect());
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or_else(wrong)?;
            let address: Ipv6Addr = inner.parse().map_err(|_| wrong())?;
            return Ok(Host::Address(address.into()));
        }
        let letter = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.chars().all(letter)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if text.len() > 253 || !text.split('.').all(label) {
            return Err(wrong());
        }
        let name = text.to_ascii_lowercase();
        // As https://url.spec.whatwg.org/#ends-in-a-number-checker has it: such a host is an
        // address, or nothing.
        let last = name.rsplit('.').next().unwrap_or_default();
        let is_number = last.chars().all(|c| c.is_ascii_digit())
            || last
                .strip_prefix("0x")
                .is_some_and(|rest| rest.chars().all(|c| c.is_ascii_hexdigit()));
        if is_number {
            // Rust's parser takes four decimal numbers without leading zeros, and nothing else.
            let address: Ipv4Addr = name.parse().map_err(|_| wrong())?;
            return Ok(Host::Address(address.into()));
        }
        Ok(Host::Name(name))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl HostPattern {
    /// The pattern that `text` is.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (below, rest) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let host = Host::parse(rest).map_err(|_| {
            format!("{text:?} is no host: write api.example.org, *.example.org or 192.0.2.1")
        })?;
        if below && matches!(host, Host::Address(_)) {
            return Err(format!("{text:?}: nothing is below an address"));
        }
        Ok(Self { below, host })
    }

    /// The pattern for exactly `host`.
    pub fn exactly(host: &Host) -> Self {
        Self {
            below: false,
            host: host.clone(),
        }
    }

    /// Whether `host` is covered.
    pub fn matches(&self, host: &Host) -> bool {
        match (&self.host, host) {
            (Host::Name(end), Host::Name(name)) if self.below => name
                .strip_suffix(end.as_str())
                .is_some_and(|start| start.len() > 1 && start.ends_with('.')),
            (mine, other) => !self.below && mine == other,
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.below {
            f.write_str("*.")?;
        }
        self.host.fmt(f)
    }
}

impl<'de> Deserialize<'de> for HostPattern {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        scalar(from, Self::parse)
    }
}

impl Serialize for HostPattern {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl HttpTarget {
    /// How long a query may be, in bytes.
    pub const MAX_QUERY: usize = 8 << 10;

    /// The target of a request with this scheme, authority, and path with query.
    pub fn parse(scheme: &str, authority: &str, path: &str) -> Result<Self, TargetError> {
        let tls = match scheme {
            "https" => true,
            "http" => false,
            other => return Err(TargetError::Scheme(other.chars().take(20).collect())),
        };
        if authority.contains('@') {
            return Err(TargetError::UserInfo);
        }
        // The `:` in front of a port stands behind the brackets of an address.
        let after = authority.rfind(']').map_or(0, |at| at + 1);
        let (host, port) = match authority[after..].find(':') {
            Some(at) => (&authority[..after + at], Some(&authority[after + at + 1..])),
            None => (authority, None),
        };
        let port = match port {
            None if tls => 443,
            None => 80,
            Some(text) => {
                let plain = !text.is_empty()
                    && !text.starts_with('0')
                    && text.chars().all(|c| c.is_ascii_digit());
                let port = text.parse().ok().filter(|_| plain);
                port.ok_or_else(|| TargetError::Port(text.chars().take(20).collect()))?
            }
        };
        let host = Host::parse(host)?;
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        let path = RelativePath::parse(if path.is_empty() { "/" } else { path })?;
        if let Some(query) = query {
            if query.len() > Self::MAX_QUERY {
                return Err(TargetError::QueryTooLong);
            }
            // RFC 3986's query.
            let plain =
                |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/?%[]|".contains(c);
            if let Some(found) = query.chars().find(|c| !plain(*c)) {
                return Err(TargetError::Query(found));
            }
        }
        Ok(Self {
            tls,
            host,
            port,
            path,
            query: query.map(str::to_owned),
        })
    }

    /// The target that a URL is, as [`HttpTarget::url`] gives it.
    pub fn from_url(url: &str) -> Result<Self, TargetError> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        Self::parse(scheme, &rest[..end], &rest[end..])
    }

    /// The URL, with its port.
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        let Self {
            host, port, path, ..
        } = self;
        let mut url = format!("{scheme}://{host}:{port}{path}");
        if let Some(query) = &self.query {
            url.push('?');
            url.push_str(query);
        }
        url
    }
}

/// Without the query, which may hold secrets.
impl fmt::Display for HttpTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        let Self {
            host, port, path, ..
        } = self;
        write!(f, "{scheme}://{host}:{port}{path}")
    }
}

fn https() -> Vec<u16> {
    vec![443]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::Grants;

    #[test]
    fn hosts_have_one_spelling() {
        for (text, host) in [
            ("API.Example.org", "api.example.org"),
            ("localhost", "localhost"),
            ("a_b.example", "a_b.example"),
            ("192.0.2.1", "192.0.2.1"),
            ("[2001:DB8::1]", "[2001:db8::1]"),
            ("[::ffff:127.0.0.1]", "[::ffff:127.0.0.1]"),
            ("1.example", "1.example"),
        ] {
            assert_eq!(Host::parse(text).unwrap().to_string(), host, "{text}");
        }
        for text in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "-a.example",
            "a b",
            "a%2eb",
            "ü.example",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.0.0.1",
            "0177.0.0.1",
            "127.0.0.01",
            "256.1.1.1",
            "1.2.3.4.5",
            "::1",
            "[::1",
            "[::1%25eth0]",
            "[fe80::1%eth0]",
            "a\0b",
            "a\r\nb",
            "a/b",
            "a\\b",
        ] {
            assert!(Host::parse(text).is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn patterns_cover_what_they_say() {
        for (pattern, host, covered) in [
            ("api.example.org", "api.example.org", true),
            ("api.example.org", "API.EXAMPLE.ORG", true),
            ("api.example.org", "example.org", false),
            ("*.example.org", "api.example.org", true),
            ("*.example.org", "a.b.example.org", true),
            ("*.example.org", "example.org", false),
            ("*.example.org", "evilexample.org", false),
            ("*.example.org", "api.example.org.evil.test", false),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "[::ffff:192.0.2.1]", false),
            ("*.2.1", "192.0.2.1", false),
        ] {
            let Ok(parsed) = HostPattern::parse(pattern) else {
                assert!(!covered, "{pattern}");
                continue;
            };
            let host = Host::parse(host).unwrap();
            assert_eq!(parsed.matches(&host), covered, "{pattern} on {host}");
        }
        for pattern in [
            "*",
            "*.",
            "a.*",
            "*.192.0.2.1",
            "https://a.example",
            "a:443",
        ] {
            assert!(HostPattern::parse(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn targets_are_what_is_sent() {
        for (scheme, authority, path, url) in [
            (
                "https",
                "a.example",
                "/v1/x?y=1",
                "https://a.example:443/v1/x?y=1",
            ),
            ("http", "A.example:8080", "", "http://a.example:8080/"),
            (
                "http",
                "[2001:db8::1]:81",
                "?q",
                "http://[2001:db8::1]:81/?q",
            ),
        ] {
            let target = HttpTarget::parse(scheme, authority, path).unwrap();
            assert_eq!(target.url(), url);
            assert_eq!(HttpTarget::from_url(url).unwrap(), target);
        }
        for (scheme, authority, path) in [
            ("ftp", "a.example", "/"),
            ("https", "user:pw@a.example", "/"),
            ("https", "good.example@evil.example", "/"),
            ("https", "a.example:", "/"),
            ("https", "a.example:0", "/"),
            ("https", "a.example:0443", "/"),
            ("https", "a.example:65536", "/"),
            ("https", "a.example:80:81", "/"),
            ("https", "a.example", "v1"),
            ("https", "a.example", "//evil.example/"),
            ("https", "a.example", "/v1/../admin"),
            ("https", "a.example", "/v1/%2e%2e/admin"),
            ("https", "a.example", "/v1/x#y"),
            ("https", "a.example", "/x?a b"),
            ("https", "a.example", "/x?a\r\nhost: b"),
            ("https", "a.example", "http://evil.example/"),
            ("https", "", "/"),
        ] {
            let parsed = HttpTarget::parse(scheme, authority, path);
            assert!(parsed.is_err(), "{scheme} {authority} {path}: {parsed:?}");
        }
    }

    #[test]
    fn requests_need_all_of_a_grant() {
        let text = "http: [{host: \"*.example.org\", methods: [GET], paths: [/v1/**]}, \
                    {host: db.test, ports: [80, 8080], methods: [POST], paths: [/x], private: true}]";
        let grants = Grants::parse(text, "g").unwrap();
        let again = serde_yaml::to_string(&grants).unwrap();
        assert_eq!(Grants::parse(&again, "g").unwrap(), grants);
        for (method, scheme, authority, path, allowed) in [
            (Method::Get, "https", "a.example.org", "/v1/x", Some(false)),
            (Method::Post, "https", "a.example.org", "/v1/x", None),
            (Method::Get, "https", "a.example.org:8443", "/v1/x", None),
            (Method::Get, "https", "a.example.org", "/v2/x", None),
            (Method::Get, "https", "example.org", "/v1/x", None),
            (Method::Post, "http", "db.test", "/x", Some(true)),
            (Method::Post, "http", "db.test:8080", "/x", Some(true)),
            (Method::Post, "https", "db.test", "/x", None),
        ] {
            let target = HttpTarget::parse(scheme, authority, path).unwrap();
            let answer = grants.check_http(method, &target);
            assert_eq!(answer.as_ref().ok(), allowed.as_ref(), "{method} {target}");
            if let Err(denial) = answer {
                let lines = denial.lines().unwrap();
                let more = Grants::parse(lines, "g").unwrap();
                assert_eq!(more.check_http(method, &target), Ok(false), "{lines}");
            }
        }
        let none = "http: [{host: a.example, methods: [GET], paths: [], ports: [443]}]";
        assert!(Grants::parse(none, "g").unwrap().is_empty());
    }
}
