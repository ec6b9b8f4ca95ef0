//! Headers at the border: which ones a guest may send, and which ones it may see.
//!
//! The session refuses and strips such headers as well, for every caller. Here it is done for
//! guests whatever cloud is behind, and more strictly: a guest must not learn where services are.

use ostro_core::RelativePath;

/// How many headers a request may have.
const MAX_HEADERS: usize = 100;

/// Headers that speak to the connection, say who asks, or are the host's to set.
const RESERVED: [&str; 25] = [
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "max-forwards",
    "openstack-api-version",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-auth-token",
    "x-http-method-override",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
    "x-service-token",
    "x-subject-token",
];

/// Beginnings of names that proxies and Keystone's middleware trust to say who asks.
const RESERVED_PREFIXES: [&str; 10] = [
    "proxy-",
    "x-forwarded",
    "x-identity-",
    "x-project",
    "x-tenant",
    "x-user",
    "x-role",
    "x-domain",
    "x-service-",
    "x-trust",
];

/// Headers that speak to the connection alone.
const OF_CONNECTION: [&str; 9] = [
    "connection",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers that tell a server to take a request for another one than was granted, or for
/// somebody else's.
const MISLEADING: [&str; 10] = [
    "forwarded",
    "max-forwards",
    "via",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-host",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
];

/// Headers of answers that carry a credential, or tell where a service is.
const HIDDEN: [&str; 16] = [
    "alt-svc",
    "authorization",
    "link",
    "openstack-auth-receipt",
    "proxy-authenticate",
    "refresh",
    "server",
    "set-cookie",
    "set-cookie2",
    "via",
    "www-authenticate",
    "x-auth-token",
    "x-service-token",
    "x-storage-token",
    "x-storage-url",
    "x-subject-token",
];

/// Why a guest may not send these headers to a service.
pub(super) fn check(headers: &[(String, String)]) -> Result<(), String> {
    check_each(headers, |name| {
        RESERVED.contains(&name)
            || RESERVED_PREFIXES
                .iter()
                .any(|prefix| name.starts_with(prefix))
            || is_temp_url_key(name)
    })
}

/// Why a guest may not send these headers to a host outside of the cloud. Credentials are its own
/// there.
pub(super) fn check_http(headers: &[(String, String)]) -> Result<(), String> {
    check_each(headers, |name| {
        is_of_connection(name) || MISLEADING.contains(&name) || name.starts_with("x-forwarded")
    })
}

/// Whether a header speaks to the connection, and not to who asks or answers.
pub(super) fn is_of_connection(name: &str) -> bool {
    let name = name.replace('_', "-").to_ascii_lowercase();
    OF_CONNECTION.contains(&name.as_str()) || name.starts_with("proxy-")
}

fn check_each(
    headers: &[(String, String)],
    is_reserved: impl Fn(&str) -> bool,
) -> Result<(), String> {
    if headers.len() > MAX_HEADERS {
        return Err(format!(
            "{} headers: at most {MAX_HEADERS} are sent",
            headers.len()
        ));
    }
    for (name, value) in headers {
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || name.len() > 256 || !name.chars().all(token) {
            return Err("a header's name is empty, too long or holds what no name may".to_owned());
        }
        let lower = name.to_ascii_lowercase();
        // WSGI servers take `_` for `-`.
        let lower = lower.replace('_', "-");
        if is_reserved(&lower) {
            return Err(format!("header {name:?} belongs to the host; leave it out"));
        }
        if value.len() > 8192 || value.chars().any(|c| c.is_control() && c != '\t') {
            return Err(format!(
                "the value of header {name:?} is too long or holds a control character"
            ));
        }
    }
    Ok(())
}

/// The headers of an answer that a guest may see.
pub(super) fn visible(headers: Vec<(String, String)>) -> Vec<(String, String)> {
    let visible = headers.into_iter().filter_map(|(name, value)| {
        let name = name.to_ascii_lowercase();
        if HIDDEN.contains(&name.as_str()) || is_temp_url_key(&name) {
            return None;
        }
        if matches!(name.as_str(), "location" | "content-location") {
            return path_of(&value).map(|path| (name, path));
        }
        Some((name, value))
    });
    visible.collect()
}

/// Swift's keys of temporary URLs: with one, anybody reads and writes objects.
fn is_temp_url_key(name: &str) -> bool {
    name.contains("-meta-temp-url-key") || name.contains("-meta-tempurl-key")
}

/// The path of a URL: not its origin, which is an endpoint, nor its query, which may be signed.
fn path_of(url: &str) -> Option<String> {
    let after_scheme = match url.split_once("://") {
        Some((scheme, rest))
            if scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) =>
        {
            &rest[rest.find('/')?..]
        }
        _ => url,
    };
    let path = after_scheme.split(['?', '#']).next().unwrap_or_default();
    RelativePath::parse(path)
        .ok()
        .map(|path| path.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn headers_of_the_host_are_refused_in_every_spelling() {
        for name in [
            "authorization",
            "X-Auth-Token",
            "x_auth_token",
            "X-Subject-Token",
            "x-service-token",
            "HOST",
            "cookie",
            "Content-Length",
            "transfer-encoding",
            "connection",
            "Forwarded",
            "x-forwarded-host",
            "X-Forwarded-For",
            "x-project-id",
            "X-Account-Meta-Temp-URL-Key-2",
            "x-identity-status",
            "",
            "a b",
            "a:b",
            "a\r\nb",
        ] {
            assert!(check(&[header(name, "x")]).is_err(), "{name:?} was taken");
        }
        assert!(check(&[header("x-object-meta-a", "x\r\nx-auth-token: y")]).is_err());
        assert!(check(&vec![header("a", "x"); MAX_HEADERS + 1]).is_err());
        assert!(
            check(&[
                header("x-object-meta-a", "x"),
                header("Content-Type", "text/plain")
            ])
            .is_ok()
        );
    }

    #[test]
    fn headers_that_mislead_are_refused_outside_of_the_cloud_and_credentials_are_not() {
        for name in [
            "Host",
            "connection",
            "Transfer_Encoding",
            "Proxy-Authorization",
            "x-forwarded-for",
            "X_Forwarded_Host",
            "x-http-method-override",
            "x-original-url",
            "a b",
        ] {
            assert!(check_http(&[header(name, "x")]).is_err(), "{name:?}");
        }
        assert!(check_http(&[header("a", "x\r\nhost: y")]).is_err());
        let plain = ["Authorization", "cookie", "accept", "x-api-key"];
        let plain = plain.map(|name| header(name, "x"));
        assert_eq!(check_http(&plain), Ok(()));
    }

    #[test]
    fn answers_show_neither_credentials_nor_origins() {
        let seen = visible(vec![
            header("X-Subject-Token", "secret"),
            header("x-auth-token", "secret"),
            header("x-storage-token", "secret"),
            header("Set-Cookie", "secret"),
            header("x-account-meta-temp-url-key-2", "secret"),
            header("x-container-meta-temp-url-key", "secret"),
            header("x-storage-url", "http://10.0.0.1:8080/v1"),
            header(
                "location",
                "http://user:pw@10.0.0.1:6385/v1/nodes/a?sig=secret#x",
            ),
            header("content-location", "//evil/x"),
            header("ETag", "abc"),
        ]);
        assert_eq!(
            seen,
            [header("location", "/v1/nodes/a"), header("etag", "abc")]
        );
    }

    #[test]
    fn a_location_without_a_path_is_dropped() {
        assert_eq!(path_of("http://10.0.0.1:6385"), None);
        assert_eq!(path_of("//10.0.0.1/x"), None);
        assert_eq!(path_of("/v1/x"), Some("/v1/x".to_owned()));
    }
}
