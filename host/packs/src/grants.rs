//! Grants: the one place that decides what a pack may do.
//!
//! Nothing is granted by default, and an empty grant means nothing. Every check is a pure
//! function of the grants and of what is asked for.

mod files;
mod http;
mod objects;
mod secrets;

use std::fmt::{self, Write as _};

use ostro_core::{Method, RelativePath, ServiceRequest};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{PackError, yaml_error};
use crate::pattern::PathPattern;
use crate::scalar::scalars;
use crate::smallest::Need;
pub use files::{FolderGrant, FolderMode};
pub use http::{Host, HostPattern, HttpGrant, HttpTarget, TargetError};

pub use objects::{Access, ObjectGrant};
pub use secrets::{Destination, SecretGrant};

/// What a pack may do, as `pack.yaml` asks for it under `grants`, or as an operator writes it
/// in a file of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grants {
    /// Requests to services.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub openstack: Vec<ServiceGrant>,
    /// Named client operations, as `ironic.node_get`, or all of a client, as `swift.*`.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "operations"
    )]
    pub operations: Vec<String>,
    /// Queues of the messaging service that may be posted to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messaging: Vec<String>,
    /// Folders of the host, seen through WASI.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "files::folders"
    )]
    pub files: Vec<FolderGrant>,
    /// Hosts outside of the cloud, asked through WASI.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<HttpGrant>,
    /// Objects of Swift, through the interfaces of the object store.
    #[serde(
        default,
        rename = "object-store",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub object_store: Vec<ObjectGrant>,
    /// Values that the operator provides, and where they may go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretGrant>,
}

/// Requests to one service: each of the methods on each of the paths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceGrant {
    /// The service's type in Keystone's catalogue.
    pub service: String,
    /// The methods. None means nothing.
    #[serde(default, with = "methods")]
    pub methods: Vec<Method>,
    /// The paths. None means nothing.
    #[serde(default)]
    pub paths: Vec<PathPattern>,
}

/// Why something was not let through. It displays as the line for the operator, with what to
/// add to the grants; [`Denial::what`] is the part that a guest may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    what: String,
    add: Option<String>,
}

impl Denial {
    /// What was denied, in one line.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The lines of YAML that would allow it, where any would.
    pub fn lines(&self) -> Option<&str> {
        self.add.as_deref()
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.add {
            Some(lines) => write!(
                f,
                "{}; to allow it, add to the pack's grants:\n{lines}",
                self.what
            ),
            None => write!(f, "{}; no grant can allow it", self.what),
        }
    }
}

impl std::error::Error for Denial {}

impl Denial {
    /// A host that would be let through, was it not at an address that is not public.
    /// `may_be_granted` tells whether any grant opens such an address.
    pub fn address(method: Method, target: &HttpTarget, may_be_granted: bool) -> Self {
        let what = if may_be_granted {
            format!("{method} {target} leads to an address that is not public")
        } else {
            format!("{method} {target} leads to an address that is nobody's to ask")
        };
        let lines = || format!("{}\n      private: true", http_lines(method, target));
        Self {
            what,
            add: may_be_granted.then(lines),
        }
    }
}

impl Grants {
    /// Reads a grants file; `file` is its name for messages.
    pub fn parse(text: &str, file: &str) -> Result<Self, PackError> {
        // A file of nothing but comments is null for YAML, and no grants for a person.
        let grants: Option<Self> =
            serde_yaml::from_str(text).map_err(|error| yaml_error(file, &error))?;
        Ok(grants.unwrap_or_default())
    }

    /// Whether nothing is granted.
    pub fn is_empty(&self) -> bool {
        !self.has_requests()
            && self.operations.is_empty()
            && self.messaging.is_empty()
            && self.files.is_empty()
            && !self.has_http()
            && !self.reads_objects()
            && !self.changes_objects()
            && self.secrets.is_empty()
    }

    /// Whether some request to a host outside of the cloud could be let through.
    pub fn has_http(&self) -> bool {
        self.http.iter().any(|grant| {
            !grant.ports.is_empty() && !grant.methods.is_empty() && !grant.paths.is_empty()
        })
    }

    /// Whether some request could be let through.
    pub fn has_requests(&self) -> bool {
        self.openstack
            .iter()
            .any(|grant| !grant.methods.is_empty() && !grant.paths.is_empty())
    }

    /// Whether the pack may do what a run did.
    pub fn check(&self, need: &Need) -> Result<(), Denial> {
        match need {
            Need::Request {
                service,
                method,
                path,
            } => self.check_request(&ServiceRequest::new(service, *method, path.clone())),
            Need::Operation(name) => self.check_operation(name),
            Need::Queue(name) => self.check_queue(name),
            Need::Http { method, target, .. } => self.check_http(*method, target).map(drop),
            Need::Folder(folder) => self.check_folder(folder),
            Need::Object {
                container,
                name,
                access,
            } => self.check_object(container, name, *access),
            Need::Listing { container, prefix } => self.check_listing(container, prefix),
            Need::Secret { name, services } => {
                self.check_secret(name)?;
                let mut services = services.iter().map(|service| Destination::Service(service));
                services.try_for_each(|to| self.check_secret_to(name, to))
            }
            Need::Reveal(name) => self.check_reveal(name),
        }
    }

    /// Whether the pack may send a request to a host outside of the cloud, and if so, whether the
    /// host may be at an address that is not public.
    pub fn check_http(&self, method: Method, target: &HttpTarget) -> Result<bool, Denial> {
        let covers = |grant: &&HttpGrant| {
            grant.host.matches(&target.host)
                && grant.ports.contains(&target.port)
                && grant.methods.contains(&method)
                && grant.paths.iter().any(|path| path.matches(&target.path))
        };
        let mut covering = self.http.iter().filter(covers).peekable();
        if covering.peek().is_some() {
            return Ok(covering.any(|grant| grant.private));
        }
        Err(Denial {
            what: format!("{method} {target} is not granted"),
            add: Some(http_lines(method, target)),
        })
    }

    /// Whether the pack has a folder where `folder` has it, to do as much in.
    pub fn check_folder(&self, folder: &FolderGrant) -> Result<(), Denial> {
        let covers = |grant: &FolderGrant| grant.guest == folder.guest && grant.mode >= folder.mode;
        if self.files.iter().any(covers) {
            return Ok(());
        }
        let FolderGrant {
            path, mode, guest, ..
        } = folder;
        let mode = mode.as_str();
        Err(Denial {
            what: format!("the folder {guest} with mode {mode} is not granted"),
            add: Some(format!(
                "  files:\n    - path: {}\n      mode: {mode}\n      as: {}",
                yaml(path),
                yaml(guest)
            )),
        })
    }

    /// Whether the pack may send `request`.
    pub fn check_request(&self, request: &ServiceRequest) -> Result<(), Denial> {
        Self::check_always(request)?;
        let ServiceRequest {
            service,
            method,
            path,
            ..
        } = request;
        if let Some(word) = names_another(request) {
            return Err(Denial {
                what: format!(
                    "{method} {path} of the {service:?} service with {word:?} reaches beyond its \
                     path: use a named operation, as swift.copy_object"
                ),
                add: None,
            });
        }
        let allowed = self.openstack.iter().any(|grant| {
            grant.service == *service
                && grant.methods.contains(method)
                && grant.paths.iter().any(|pattern| pattern.matches(path))
        });
        if allowed {
            return Ok(());
        }
        let add = format!(
            "  openstack:\n    - service: {}\n      methods: [{method}]\n      paths: [{}]",
            yaml(service),
            yaml(&PathPattern::exactly(path).to_string()),
        );
        let what = format!("{method} {path} of the {service:?} service is not granted");
        Err(Denial {
            what,
            add: Some(add),
        })
    }

    /// Whether any pack may send `request`, by itself or as a part of an operation: what gives
    /// out credentials is for none.
    pub fn check_always(request: &ServiceRequest) -> Result<(), Denial> {
        let ServiceRequest {
            service,
            method,
            path,
            ..
        } = request;
        if gives_credentials(service, path) {
            let what = format!("{method} {path} of the {service:?} service gives out credentials");
            return Err(Denial { what, add: None });
        }
        Ok(())
    }

    /// Whether the pack may call the client operation `name`.
    pub fn check_operation(&self, name: &str) -> Result<(), Denial> {
        let allowed = self
            .operations
            .iter()
            .any(|grant| match grant.strip_suffix(".*") {
                Some(client) => name
                    .strip_prefix(client)
                    .is_some_and(|rest| rest.starts_with('.') && rest.len() > 1),
                None => grant == name,
            });
        if allowed {
            return Ok(());
        }
        Err(Denial {
            what: format!("the operation {name:?} is not granted"),
            add: Some(format!("  operations: [{}]", yaml(name))),
        })
    }

    /// Whether the pack may post to `queue`.
    pub fn check_queue(&self, queue: &str) -> Result<(), Denial> {
        if self.messaging.iter().any(|granted| granted == queue) {
            return Ok(());
        }
        Err(Denial {
            what: format!("posting to the queue {queue:?} is not granted"),
            add: Some(format!("  messaging: [{}]", yaml(queue))),
        })
    }
}

/// The lines that grant one request to a host outside of the cloud.
fn http_lines(method: Method, target: &HttpTarget) -> String {
    format!(
        "  http:\n    - host: {}\n      ports: [{}]\n      methods: [{method}]\n      paths: [{}]",
        yaml(&target.host.to_string()),
        target.port,
        yaml(&PathPattern::exactly(&target.path).to_string()),
    )
}

/// Whether `path` of `service` is a place where Keystone hands out what opens other doors:
/// tokens, trusts, application credentials, EC2 and OAuth keys. The names are compared decoded
/// and without case, so that no spelling gets by.
fn gives_credentials(service: &str, path: &RelativePath) -> bool {
    let service = service.to_ascii_lowercase();
    if !service.starts_with("identity") && !service.starts_with("keystone") {
        return false;
    }
    path.as_str().split('/').any(|segment| {
        let segment = decode(segment).to_ascii_lowercase();
        matches!(
            segment.as_str(),
            "auth" | "tokens" | "credentials" | "application_credentials"
        ) || [
            "os-ec2",
            "os-oauth",
            "os-trust",
            "os-federation",
            "ec2tokens",
            "s3tokens",
        ]
        .iter()
        .any(|route| segment.starts_with(route))
    })
}

/// What in a request to Swift names a second resource, which no pattern of paths has seen: an
/// object to copy, link to or assemble from, a list of objects to delete. See Swift's API
/// reference and the documentation of its `copy`, `slo`, `dlo`, `symlink`, `bulk`, `tempurl` and
/// `versioned_writes` middleware.
fn names_another(request: &ServiceRequest) -> Option<&str> {
    const HEADERS: [&str; 7] = [
        "destination",
        "x-container-sync",
        "x-copy-from",
        "x-history-location",
        "x-object-manifest",
        "x-symlink-target",
        "x-versions-location",
    ];
    const QUERY: [&str; 4] = [
        "bulk-delete",
        "extract-archive",
        "multipart-manifest",
        "temp_url",
    ];
    if !request.service.starts_with("object-store") && !request.service.starts_with("swift") {
        return None;
    }
    // Servers take `_` for `-` in the names of headers.
    let header = request.headers.iter().find(|(name, _)| {
        let name = name.to_ascii_lowercase().replace('_', "-");
        HEADERS.iter().any(|word| name.starts_with(word))
    });
    let query = request.query.iter().find(|(name, _)| {
        let name = name.to_ascii_lowercase();
        QUERY.iter().any(|word| name.starts_with(word))
    });
    header.or(query).map(|(name, _)| name.as_str())
}

/// `segment` without its percent-encoding. A [`RelativePath`] has no malformed one.
fn decode(segment: &str) -> String {
    let mut decoded = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match hex.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(code) if byte == b'%' => {
                decoded.push(code);
                rest = &tail[2..];
            }
            _ => {
                decoded.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// `text` as a YAML scalar. It may come from a guest: what is not plain is quoted, so that it
/// can neither end its line nor mean something else.
fn yaml(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let starts_plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let word = matches!(
        text.to_ascii_lowercase().as_str(),
        "y" | "n" | "yes" | "no" | "true" | "false" | "on" | "off" | "null"
    );
    if starts_plain && !word && text.chars().all(plain) {
        text.to_owned()
    } else {
        let mut quoted = String::from("\"");
        for c in text.chars() {
            let code = u32::from(c);
            // What is no letter may be a command to a terminal, or turn the direction of text.
            _ = match c {
                '"' | '\\' => write!(quoted, "\\{c}"),
                ' '..='~' => write!(quoted, "{c}"),
                _ if c.is_alphanumeric() => write!(quoted, "{c}"),
                _ if code <= 0xffff => write!(quoted, "\\u{code:04x}"),
                _ => write!(quoted, "\\U{code:08x}"),
            };
        }
        quoted + "\""
    }
}

/// Names of operations: `client.operation` or `client.*`.
fn operations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    scalars(deserializer, |name| {
        let word = |text: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        let valid = name.rsplit_once('.').is_some_and(|(client, operation)| {
            client.split('.').all(word) && (operation == "*" || word(operation))
        });
        if valid {
            return Ok(name.to_owned());
        }
        Err(format!(
            "{name:?} names no operation: write ironic.node_get, or ironic.* for all of a client"
        ))
    })
}

/// Methods as HTTP spells them.
mod methods {
    use super::{Deserializer, Method, Serialize, Serializer, scalars};

    pub(super) fn serialize<S: Serializer>(methods: &[Method], to: S) -> Result<S::Ok, S::Error> {
        methods
            .iter()
            .map(|method| method.as_str())
            .collect::<Vec<_>>()
            .serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Method>, D::Error> {
        scalars(from, |name| {
            Method::ALL
                .into_iter()
                .find(|method| method.as_str() == name)
                .ok_or_else(|| {
                    format!("{name:?} is no method: write GET, HEAD, POST, PUT, PATCH or DELETE")
                })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_that_allow_a_queue_are_safe_to_show_and_allow_it() {
        for queue in [
            "tripleo",
            "no",
            "1",
            "a\u{7f}b",
            "a\u{9b}31m\u{202e}b\u{2028}",
            "\"\\\r\n: x",
            "\u{feff}",
            "zäqar \u{1f600}",
            "",
        ] {
            let denial = Grants::default().check_queue(queue).unwrap_err();
            let lines = denial.lines().unwrap();
            assert!(
                !lines.chars().any(|c| c.is_control() && c != '\n'),
                "{lines:?}"
            );
            assert!(
                !lines.contains(['\u{202e}', '\u{2028}', '\u{feff}']),
                "{lines:?}"
            );
            let grants = Grants::parse(lines, "g").unwrap();
            assert!(grants.check_queue(queue).is_ok(), "{lines}");
        }
    }
}
