//! Where services are: Keystone's catalogue and the rule that joins a path to an endpoint.

use std::fmt;

use openstack_sdk_auth_core::ServiceEndpoints;
use ostro_core::RelativePath;
use url::Url;

use crate::session::guard;
use crate::{CloudConfig, CloudError};

/// Types that mean the same service, the official one first
/// (<https://service-types.openstack.org/service-types.json>).
const ALIASES: [&[&str]; 17] = [
    &["baremetal", "bare-metal"],
    &["baremetal-introspection"],
    &[
        "block-storage",
        "volumev3",
        "volumev2",
        "volume",
        "block-store",
    ],
    &["clustering", "resource-cluster", "cluster"],
    &["compute"],
    &[
        "container-infrastructure-management",
        "container-infrastructure",
        "container-infra",
    ],
    &["dns"],
    &["identity"],
    &["image"],
    &["key-manager"],
    &["load-balancer"],
    &["message", "messaging"],
    &["network"],
    &["object-store", "object-storage"],
    &["orchestration"],
    &["shared-file-system", "sharev2", "share"],
    &["workflow", "workflowv2"],
];

/// The type that `service` is an alias of, or itself.
pub(crate) fn official(service: &str) -> &str {
    names(service).first().copied().unwrap_or(service)
}

/// All types that mean what `service` means.
fn names(service: &str) -> &'static [&'static str] {
    ALIASES
        .into_iter()
        .find(|names| names.contains(&service))
        .unwrap_or_default()
}

/// The services of a cloud.
#[derive(Debug, Default)]
pub(super) struct Catalogue(Vec<ServiceEndpoints>);

impl Catalogue {
    pub(super) fn new(services: Vec<ServiceEndpoints>) -> Self {
        Self(services)
    }

    /// Where `service` is, in the region and at the interface that `config` wants.
    pub(super) fn endpoint(
        &self,
        service: &str,
        config: &CloudConfig,
    ) -> Result<Endpoint, CloudError> {
        let endpoint = self.find(service, config)?;
        guard::check(&endpoint.url, config)?;
        Ok(endpoint)
    }

    fn find(&self, service: &str, config: &CloudConfig) -> Result<Endpoint, CloudError> {
        let aliases = names(service);
        for name in std::iter::once(&service).chain(aliases) {
            if let Some(url) = config.overrides.get(&name.replace('-', "_")) {
                return Ok(Endpoint {
                    service: service.to_owned(),
                    url: url.clone(),
                });
            }
        }
        // The name that was asked for goes before its aliases: a cloud may have volumev2 and
        // volumev3.
        std::iter::once(&service)
            .chain(aliases)
            .flat_map(|name| {
                self.0
                    .iter()
                    .filter(move |entry| entry.service_type == **name)
            })
            .flat_map(|entry| &entry.endpoints)
            .filter(|endpoint| endpoint.interface == config.interface)
            .filter(|endpoint| config.region.is_none() || endpoint.region == config.region)
            .filter_map(|endpoint| Url::parse(&endpoint.url).ok())
            .find(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .map(|url| Endpoint {
                service: service.to_owned(),
                url,
            })
            .ok_or_else(|| self.missing(service, config))
    }

    fn missing(&self, service: &str, config: &CloudConfig) -> CloudError {
        let elsewhere = self.0.iter().find(|entry| {
            entry.service_type == service || names(service).contains(&&*entry.service_type)
        });
        let known = match elsewhere {
            Some(entry) => {
                let places: Vec<String> = entry
                    .endpoints
                    .iter()
                    .map(|endpoint| {
                        let region = endpoint.region.as_deref().unwrap_or("no region");
                        format!("{} in {region}", endpoint.interface)
                    })
                    .collect();
                format!(
                    "it as {}, and {} wants {} in {}",
                    places.join(", "),
                    config.label,
                    config.interface,
                    config.region.as_deref().unwrap_or("any region")
                )
            }
            None if !config.login.has_token() => format!(
                "only what is configured; set OS_{0}_ENDPOINT_OVERRIDE or {1}_endpoint_override",
                service.replace('-', "_").to_ascii_uppercase(),
                service.replace('-', "_")
            ),
            None if self.0.is_empty() => "nothing; check that the login names a project".to_owned(),
            None => self.to_string(),
        };
        CloudError::NoService {
            service: service.to_owned(),
            known,
        }
    }
}

/// The types of services, with commas.
impl fmt::Display for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, entry) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{}", entry.service_type)?;
        }
        Ok(())
    }
}

/// Where a service is.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    /// The type that was asked for.
    pub(super) service: String,
    url: Url,
}

impl Endpoint {
    /// The service that is at `url`.
    pub(super) fn new(service: &str, url: Url) -> Self {
        Self {
            service: service.to_owned(),
            url,
        }
    }

    /// The endpoint's own address.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// The address of `path` below the endpoint. It has the endpoint's origin, whatever the path.
    ///
    /// A version that starts the path and that the endpoint's path already ends with is not
    /// doubled.
    pub(super) fn join(
        &self,
        path: &RelativePath,
        query: &[(String, String)],
    ) -> Result<Url, CloudError> {
        let base = self.url.path().trim_end_matches('/');
        let mut rest = path.as_str();
        let first = rest[1..].split('/').next().unwrap_or_default();
        if is_version(first) && base.rsplit('/').next() == Some(first) {
            rest = &rest[1 + first.len()..];
        }
        let joined = match rest {
            "/" if !base.is_empty() => base.to_owned(),
            rest => format!("{base}{rest}"),
        };
        let mut url = self.url.clone();
        url.set_query(None);
        url.set_fragment(None);
        url.set_path(&joined);
        // Url normalises paths. A path that it reads otherwise than who granted it is not sent.
        let wanted = if joined.is_empty() { "/" } else { &joined };
        if url.path() != wanted || url.origin() != self.url.origin() {
            return Err(CloudError::Invalid(format!(
                "path {:?} cannot be sent to the {:?} service as it is",
                path.as_str(),
                self.service
            )));
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }
}

/// Whether `segment` is a version as `v1`, `v2.1`.
fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|number| {
        number.starts_with(|c: char| c.is_ascii_digit())
            && number
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_goes_below_the_endpoint_without_doubling_its_version() {
        for (endpoint, path, expected) in [
            ("http://c:6385", "/v1/nodes", "http://c:6385/v1/nodes"),
            ("http://c:6385/", "/v1/nodes", "http://c:6385/v1/nodes"),
            (
                "http://c/baremetal",
                "/v1/nodes",
                "http://c/baremetal/v1/nodes",
            ),
            (
                "http://c/baremetal/v1",
                "/v1/nodes",
                "http://c/baremetal/v1/nodes",
            ),
            (
                "http://c:8774/v2.1",
                "/v2.1/servers",
                "http://c:8774/v2.1/servers",
            ),
            (
                "http://c:8774/v2.1/",
                "/v2.1/servers",
                "http://c:8774/v2.1/servers",
            ),
            (
                "http://c:8774/v2",
                "/v2.1/servers",
                "http://c:8774/v2/v2.1/servers",
            ),
            ("http://c:8989/v2", "/v2", "http://c:8989/v2"),
            (
                "http://c:8080/v1/AUTH_x",
                "/box/a%20b",
                "http://c:8080/v1/AUTH_x/box/a%20b",
            ),
            (
                "http://c:8080/v1/AUTH_x",
                "/v1/a",
                "http://c:8080/v1/AUTH_x/v1/a",
            ),
            ("http://c:8080/v1/AUTH_x", "/", "http://c:8080/v1/AUTH_x"),
            ("http://c:6385", "/", "http://c:6385/"),
            (
                "http://c:8004/v1/p",
                "/stacks/a/",
                "http://c:8004/v1/p/stacks/a/",
            ),
        ] {
            let endpoint = Endpoint {
                service: "any".to_owned(),
                url: Url::parse(endpoint).unwrap(),
            };
            let url = endpoint
                .join(&RelativePath::parse(path).unwrap(), &[])
                .unwrap();
            assert_eq!(url.as_str(), expected, "{path} below {endpoint:?}");
        }
    }

    #[test]
    fn a_query_is_encoded() {
        let endpoint = Endpoint {
            service: "any".to_owned(),
            url: Url::parse("http://c").unwrap(),
        };
        let query = [("a".to_owned(), "b&c=d e".to_owned())];
        let url = endpoint
            .join(&RelativePath::parse("/x").unwrap(), &query)
            .unwrap();
        assert_eq!(url.as_str(), "http://c/x?a=b%26c%3Dd+e");
    }

    #[test]
    fn aliases_mean_one_service() {
        assert_eq!(official("workflowv2"), "workflow");
        assert_eq!(official("messaging"), "message");
        assert_eq!(official("unheard-of"), "unheard-of");
    }
}
