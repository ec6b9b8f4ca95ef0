//! What a component imports, and whether its pack may have it.

use std::fmt;

use crate::grants::Grants;
use crate::pack::Component;

/// An interface that a component imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// Its full name: `ostro:host/openstack@0.1.0`.
    pub interface: String,
    /// The functions and resources of it that the component uses. None where it uses types alone.
    pub items: Vec<String>,
}

/// Why a component may not import something. It says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportError {
    /// The component.
    pub component: String,
    /// What it imports.
    pub import: String,
    /// Why it may not, and what to do.
    pub reason: String,
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "component {:?} imports {}: {}",
            self.component, self.import, self.reason
        )
    }
}

impl std::error::Error for ImportError {}

/// What importing an interface takes.
enum Needs {
    /// Nothing: it reaches nothing outside.
    Nothing,
    /// A grant under `openstack` or `operations`. It only reads.
    Reads,
    /// The same, and it may write.
    Writes,
    /// A grant under `messaging`.
    Queues,
    /// A grant under `http`.
    Hosts,
    /// A grant under `object-store` that lets read. It only reads.
    ReadsObjects,
    /// A grant under `object-store` that lets write or delete.
    ChangesObjects,
    /// A grant under `secrets`.
    Secrets,
}

/// The interfaces of `ostro:host` 0.1 and what each takes.
fn needs(interface: &str) -> Option<Needs> {
    Some(match interface {
        "types" | "progress" | "log" | "execution" | "clock" => Needs::Nothing,
        "openstack-read" => Needs::Reads,
        "openstack" => Needs::Writes,
        "messaging" => Needs::Queues,
        "object-store-read" => Needs::ReadsObjects,
        "object-store" => Needs::ChangesObjects,
        "secrets" => Needs::Secrets,
        _ => return None,
    })
}

/// The interfaces that a component with `grants` may not import although it does: all of them.
pub(crate) fn check(component: &Component, grants: &Grants) -> Vec<ImportError> {
    let validates = component
        .signatures
        .iter()
        .any(|signature| signature.is_validation);
    let used = component
        .imports
        .iter()
        .filter(|import| !import.items.is_empty());
    used.filter_map(|import| {
        let reason = refuse(&import.interface, grants, validates)?;
        let component = component.name.clone();
        Some(ImportError {
            component,
            import: import.interface.clone(),
            reason,
        })
    })
    .collect()
}

fn refuse(import: &str, grants: &Grants, validates: bool) -> Option<String> {
    let (path, version) = import.split_once('@').unwrap_or((import, ""));
    let (package, interface) = path.split_once('/').unwrap_or(("", path));
    if let Some(wasi) = package.strip_prefix("wasi:") {
        let known = match wasi {
            "cli" | "clocks" | "filesystem" | "io" | "random" | "sockets" => true,
            "http" => matches!(interface, "types" | "outgoing-handler"),
            _ => false,
        };
        if !known || !version.starts_with("0.2.") {
            return Some(
                "of WASI only the 0.2 packages cli, clocks, filesystem, io, random and sockets \
                 are there, and of http the outgoing handler; folders and hosts are reached where \
                 they are granted, and services through ostro:host/openstack"
                    .to_owned(),
            );
        }
        return (wasi == "http")
            .then(|| missing(&Needs::Hosts, grants, validates))
            .flatten();
    }
    if package != "ostro:host" {
        return Some(
            "no host offers it; a component may import the interfaces of ostro:host".to_owned(),
        );
    }
    if !(version.is_empty() || version.starts_with("0.1.")) {
        return Some("this host offers ostro:host 0.1; build the component against it".to_owned());
    }
    let Some(needs) = needs(interface) else {
        return Some("ostro:host 0.1 has no such interface".to_owned());
    };
    missing(&needs, grants, validates)
}

/// Why a component may not have what an interface needs.
fn missing(needs: &Needs, grants: &Grants, validates: bool) -> Option<String> {
    let may_request = grants.has_requests() || !grants.operations.is_empty();
    match needs {
        Needs::Writes
        | Needs::Queues
        | Needs::Hosts
        | Needs::ChangesObjects
        | Needs::Secrets
            if validates =>
        {
            Some(
                "a component with a validation may only read: use ostro:host/openstack-read and \
                 object-store-read, or move the actions that write to a component of their own"
                    .to_owned(),
            )
        }
        Needs::Reads | Needs::Writes if !may_request => Some(
            "its pack is granted no request and no operation; add to the pack's grants what it \
             needs, as\n  openstack:\n    - service: baremetal\n      methods: [GET]\n      \
             paths: [/v1/nodes]\nor\n  operations: [ironic.node_list]"
                .to_owned(),
        ),
        Needs::Queues if grants.messaging.is_empty() => Some(
            "its pack is granted no queue; add to the pack's grants\n  messaging: [NAME-OF-QUEUE]"
                .to_owned(),
        ),
        Needs::Hosts if !grants.has_http() => Some(
            "its pack is granted no host; add to the pack's grants what it needs, as\n  http:\n    \
             - host: api.example.org\n      methods: [GET]\n      paths: [/v1/**]"
                .to_owned(),
        ),
        Needs::ReadsObjects if !grants.reads_objects() => Some(
            "its pack is granted no object to read; add to the pack's grants\n  object-store:\n    \
             - container: NAME\n      access: [read]"
                .to_owned(),
        ),
        Needs::ChangesObjects if !grants.changes_objects() => Some(
            "its pack is granted no object to write or delete; add to the pack's grants\n  \
             object-store:\n    - container: NAME\n      access: [write, delete]"
                .to_owned(),
        ),
        Needs::Secrets if grants.secrets.is_empty() => Some(
            "its pack is granted no secret; add to the pack's grants\n  secrets:\n    - name: \
             NAME\n      services: [NAME-OF-SERVICE]"
                .to_owned(),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_need_their_grants() {
        let none = Grants::default();
        let reads = Grants::parse("operations: [ironic.node_list]", "g").unwrap();
        let queue = Grants::parse("messaging: [tripleo]", "g").unwrap();
        let host = "http: [{host: a.example, methods: [GET], paths: [/**]}]";
        let host = Grants::parse(host, "g").unwrap();
        let secret = Grants::parse("secrets: [{name: a, reveal: true}]", "g").unwrap();
        let see = "object-store: [{container: a, access: [read]}]";
        let see = Grants::parse(see, "g").unwrap();
        let change = "object-store: [{container: a, access: [delete]}]";
        let change = Grants::parse(change, "g").unwrap();
        let empty = "openstack: [{service: baremetal, methods: [], paths: [/**]}]";
        let empty = Grants::parse(empty, "g").unwrap();
        for (import, grants, validates, part) in [
            ("ostro:host/log@0.1.0", &none, true, ""),
            ("ostro:host/clock@0.1.7", &none, false, ""),
            ("ostro:host/openstack@0.1.0", &reads, false, ""),
            ("ostro:host/openstack-read@0.1.0", &reads, true, ""),
            ("ostro:host/messaging@0.1.0", &queue, false, ""),
            ("wasi:cli/environment@0.2.6", &none, false, ""),
            ("ostro:host/secrets@0.1.0", &secret, false, ""),
            ("ostro:host/object-store-read@0.1.0", &see, true, ""),
            ("ostro:host/object-store@0.1.0", &change, false, ""),
            ("ostro:host/secrets@0.1.0", &secret, true, "may only read"),
            ("ostro:host/secrets@0.1.0", &see, false, "no secret"),
            (
                "ostro:host/object-store@0.1.0",
                &change,
                true,
                "may only read",
            ),
            (
                "ostro:host/object-store@0.1.0",
                &see,
                false,
                "no object to write",
            ),
            (
                "ostro:host/object-store-read@0.1.0",
                &change,
                false,
                "no object to read",
            ),
            (
                "ostro:host/openstack@0.1.0",
                &none,
                false,
                "granted no request",
            ),
            (
                "ostro:host/openstack@0.1.0",
                &empty,
                false,
                "granted no request",
            ),
            (
                "ostro:host/openstack@0.1.0",
                &queue,
                false,
                "granted no request",
            ),
            (
                "ostro:host/openstack-read@0.1.0",
                &none,
                true,
                "granted no request",
            ),
            ("ostro:host/openstack@0.1.0", &reads, true, "may only read"),
            ("ostro:host/messaging@0.1.0", &queue, true, "may only read"),
            (
                "ostro:host/messaging@0.1.0",
                &reads,
                false,
                "granted no queue",
            ),
            ("ostro:host/keys@0.1.0", &reads, false, "no such interface"),
            (
                "ostro:host/log@1.0.0",
                &reads,
                false,
                "offers ostro:host 0.1",
            ),
            (
                "wasi:http/outgoing-handler@0.2.0",
                &reads,
                false,
                "granted no host",
            ),
            ("wasi:http/outgoing-handler@0.2.0", &host, false, ""),
            ("wasi:http/types@0.2.6", &host, false, ""),
            (
                "wasi:http/outgoing-handler@0.2.0",
                &host,
                true,
                "may only read",
            ),
            (
                "wasi:http/incoming-handler@0.2.0",
                &host,
                false,
                "of WASI only",
            ),
            (
                "wasi:http/outgoing-handler@0.3.0",
                &host,
                false,
                "of WASI only",
            ),
            ("wasi:keyvalue/store@0.2.0", &host, false, "of WASI only"),
            ("wasi:cli/environment@0.3.0", &reads, false, "of WASI only"),
            ("evil:host/keys", &reads, false, "no host offers it"),
            ("keys", &reads, false, "no host offers it"),
        ] {
            let reason = refuse(import, grants, validates).unwrap_or_default();
            assert_eq!(reason.is_empty(), part.is_empty(), "{import}: {reason}");
            assert!(reason.contains(part), "{import}: {reason}");
        }
    }
}
