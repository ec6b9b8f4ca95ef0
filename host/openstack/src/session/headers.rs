//! Headers: which ones a request may bring, and which ones an answer may show.

use ostro_core::{ServiceRequest, ServiceResponse};

use crate::CloudError;

/// What the host sets, or what would speak to the connection instead of the service.
const RESERVED: [&str; 15] = [
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-auth-token",
    "x-service-token",
];

/// Headers of answers that are credentials, or with which one is made.
const SECRET: [&str; 9] = [
    "authorization",
    "proxy-authenticate",
    "set-cookie",
    "www-authenticate",
    "x-auth-token",
    "x-service-token",
    "x-storage-token",
    "x-subject-token",
    "openstack-auth-receipt",
];

/// Refuses headers and microversions that the host would not send as they are.
pub(super) fn check(request: &ServiceRequest) -> Result<(), CloudError> {
    for (name, value) in &request.headers {
        let lower = name.to_ascii_lowercase();
        // Proxies in front of services trust these to say who asks.
        let forwarded = lower.starts_with("x-forwarded-") || lower.starts_with("x-identity-");
        if RESERVED.contains(&lower.as_str()) || forwarded {
            return Err(CloudError::Invalid(format!(
                "header {name:?} must not be set: the host sets what is needed"
            )));
        }
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(token) {
            return Err(CloudError::Invalid(format!(
                "{name:?} is no name of a header"
            )));
        }
        if value.chars().any(|c| c.is_control() && c != '\t') {
            return Err(CloudError::Invalid(format!(
                "the value of header {name:?} holds a control character"
            )));
        }
    }
    if let Some(version) = &request.microversion {
        let whole = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let valid = version == "latest"
            || version
                .split_once('.')
                .is_some_and(|(major, minor)| whole(major) && whole(minor));
        if !valid {
            return Err(CloudError::Invalid(format!(
                "{version:?} is no microversion: it is written as 1.58"
            )));
        }
    }
    Ok(())
}

/// The headers that ask for `version` of the API of `service`.
///
/// The first is the API SIG's (<https://specs.openstack.org/openstack/api-sig/>); Ironic and its
/// inspector know only their own.
pub(super) fn microversion(service: &str, version: &str) -> Vec<(&'static str, String)> {
    let mut headers = vec![("openstack-api-version", format!("{service} {version}"))];
    let own = match service {
        "baremetal" => Some("x-openstack-ironic-api-version"),
        "baremetal-introspection" => Some("x-openstack-ironic-inspector-api-version"),
        "compute" => Some("x-openstack-nova-api-version"),
        _ => None,
    };
    headers.extend(own.map(|name| (name, version.to_owned())));
    headers
}

/// `response` without what carries a credential.
pub(super) fn without_secrets(mut response: ServiceResponse) -> ServiceResponse {
    response.headers.retain(|(name, _)| {
        // Whoever has Swift's key for temporary URLs reads and writes the account's objects.
        !SECRET.contains(&name.as_str()) && !name.contains("-meta-temp-url-key")
    });
    response
}

#[cfg(test)]
mod tests {
    use ostro_core::{Method, RelativePath};

    use super::*;

    fn request(name: &str, value: &str) -> ServiceRequest {
        let mut request = ServiceRequest::new(
            "baremetal",
            Method::Get,
            RelativePath::parse("/v1").unwrap(),
        );
        request.headers.push((name.to_owned(), value.to_owned()));
        request
    }

    #[test]
    fn headers_of_the_host_cannot_be_set() {
        for name in [
            "X-Auth-Token",
            "host",
            "Content-Length",
            "X-Forwarded-For",
            "a b",
            "",
            "a:b",
        ] {
            assert!(check(&request(name, "x")).is_err(), "{name:?} was taken");
        }
        assert!(check(&request("x-object-meta-a", "x\r\nhost: y")).is_err());
        assert!(check(&request("x-object-meta-a", "x")).is_ok());
    }

    #[test]
    fn microversions_are_two_numbers() {
        for (version, valid) in [
            ("1.58", true),
            ("latest", true),
            ("1", false),
            ("1.a", false),
            ("1.1\r\n", false),
        ] {
            let mut request = request("accept", "*/*");
            request.microversion = Some(version.to_owned());
            assert_eq!(check(&request).is_ok(), valid, "{version:?}");
        }
    }

    #[test]
    fn answers_show_no_credentials() {
        let header = |name: &str| (name.to_owned(), "value".to_owned());
        let response = ServiceResponse {
            status: 200,
            headers: [
                "x-subject-token",
                "set-cookie",
                "x-account-meta-temp-url-key-2",
                "etag",
            ]
            .map(header)
            .to_vec(),
            body: Vec::new(),
        };
        assert_eq!(without_secrets(response).headers, [header("etag")]);
    }
}
