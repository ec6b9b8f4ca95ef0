//! Whether grants that were accepted cover grants that are asked for.

use ostro_core::Method;

use crate::grants::{FolderGrant, Grants, HttpGrant, ObjectGrant, SecretGrant, ServiceGrant};
use crate::pattern::PathPattern;

impl Grants {
    /// What of the grants that are `asked` for these ones do not allow; none if that is nothing.
    ///
    /// What is left is as small as it can be said in the same lines: a service with those of its
    /// methods and paths of which one pair at least is not allowed.
    pub fn beyond(&self, asked: &Self) -> Option<Self> {
        // A key that is added must be decided about here, or a new version of a pack could take
        // it without being asked.
        let Self {
            openstack,
            operations,
            messaging,
            files,
            http,
            object_store,
            secrets,
        } = asked;
        let left = Self {
            openstack: openstack
                .iter()
                .filter_map(|grant| self.beyond_service(grant))
                .collect(),
            operations: operations
                .iter()
                .filter(|name| {
                    !self
                        .operations
                        .iter()
                        .any(|own| covers_operation(own, name))
                })
                .cloned()
                .collect(),
            messaging: messaging
                .iter()
                .filter(|queue| !self.messaging.contains(queue))
                .cloned()
                .collect(),
            files: files
                .iter()
                .filter(|folder| !self.files.iter().any(|own| covers_folder(own, folder)))
                .cloned()
                .collect(),
            http: http
                .iter()
                .filter(|host| !self.http.iter().any(|own| covers_host(own, host)))
                .cloned()
                .collect(),
            object_store: object_store
                .iter()
                .filter(|objects| {
                    !self
                        .object_store
                        .iter()
                        .any(|own| covers_objects(own, objects))
                })
                .cloned()
                .collect(),
            secrets: secrets
                .iter()
                .filter(|secret| !self.secrets.iter().any(|own| covers_secret(own, secret)))
                .cloned()
                .collect(),
        };
        (left != Self::default()).then_some(left)
    }

    fn beyond_service(&self, asked: &ServiceGrant) -> Option<ServiceGrant> {
        let allowed = |method: Method, path: &PathPattern| {
            self.openstack.iter().any(|own| {
                own.service == asked.service
                    && own.methods.contains(&method)
                    && own.paths.iter().any(|pattern| pattern.covers(path))
            })
        };
        let methods: Vec<Method> = asked
            .methods
            .iter()
            .copied()
            .filter(|method| asked.paths.iter().any(|path| !allowed(*method, path)))
            .collect();
        let paths: Vec<PathPattern> = asked
            .paths
            .iter()
            .filter(|path| asked.methods.iter().any(|method| !allowed(*method, path)))
            .cloned()
            .collect();
        (!methods.is_empty()).then(|| ServiceGrant {
            service: asked.service.clone(),
            methods,
            paths,
        })
    }
}

/// Whether all that the operations `asked` names are among those that `own` names.
fn covers_operation(own: &str, asked: &str) -> bool {
    own == asked
        || own.strip_suffix(".*").is_some_and(|client| {
            asked
                .strip_prefix(client)
                .is_some_and(|rest| rest.starts_with('.'))
        })
}

/// Whether `own` is the same folder in the same place, with at least as much.
fn covers_folder(own: &FolderGrant, asked: &FolderGrant) -> bool {
    own.path == asked.path
        && own.guest == asked.guest
        && own.mode >= asked.mode
        && own.max_size >= asked.max_size
        && own.max_files >= asked.max_files
}

/// Whether `own` alone allows all of `asked`. Where several would only together, it is asked for
/// once more.
fn covers_host(own: &HttpGrant, asked: &HttpGrant) -> bool {
    own.host == asked.host
        && (own.private || !asked.private)
        && asked.ports.iter().all(|port| own.ports.contains(port))
        && asked
            .methods
            .iter()
            .all(|method| own.methods.contains(method))
        && asked
            .paths
            .iter()
            .all(|path| own.paths.iter().any(|pattern| pattern.covers(path)))
}

/// Whether `own` alone allows all of `asked`, of the same container.
fn covers_objects(own: &ObjectGrant, asked: &ObjectGrant) -> bool {
    own.container == asked.container
        && asked.prefix.starts_with(&own.prefix)
        && asked
            .access
            .iter()
            .all(|access| own.access.contains(access))
}

/// Whether `own` lets the same secret go wherever `asked` has it go.
fn covers_secret(own: &SecretGrant, asked: &SecretGrant) -> bool {
    own.name == asked.name
        && (own.reveal || !asked.reveal)
        && asked.services.iter().all(|to| own.services.contains(to))
        && asked.hosts.iter().all(|to| own.hosts.contains(to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(text: &str) -> Grants {
        Grants::parse(text, "grants").unwrap()
    }

    #[test]
    fn what_is_not_covered_is_left() {
        let openstack = |methods: &str, paths: &str| {
            format!("openstack: [{{service: baremetal, methods: [{methods}], paths: [{paths}]}}]")
        };
        for (own, asked, left) in [
            ("{}", "{}", None),
            (
                "operations: [ironic.*]",
                "operations: [ironic.node_get, ironic.*]",
                None,
            ),
            (
                "operations: [ironic.node_get]",
                "operations: [ironic.*, ironic.node_get]",
                Some("operations: [ironic.*]".to_owned()),
            ),
            (
                "operations: [ironic.*]",
                "operations: [ironics.x]",
                Some("operations: [ironics.x]".into()),
            ),
            ("messaging: [a, b]", "messaging: [b]", None),
            (
                "files: [{path: /srv/a, mode: rw, as: /a}]",
                "files: [{path: /srv/a, as: /a}]",
                None,
            ),
            (
                "files: [{path: /srv/a, as: /a}]",
                "files: [{path: /srv/a, mode: rw, as: /a}]",
                Some("files: [{path: /srv/a, mode: rw, as: /a}]".to_owned()),
            ),
            (
                "http: [{host: a.example.org, methods: [GET, POST], paths: [/v1/**]}]",
                "http: [{host: a.example.org, methods: [GET], paths: [/v1/x]}]",
                None,
            ),
            (
                "http: [{host: a.example.org, methods: [GET], paths: [/**]}]",
                "http: [{host: a.example.org, private: true, methods: [GET], paths: [/**]}]",
                Some(
                    "http: [{host: a.example.org, private: true, methods: [GET], paths: [/**]}]"
                        .to_owned(),
                ),
            ),
            (
                "object-store: [{container: c, prefix: plan/, access: [read, write]}]",
                "object-store: [{container: c, prefix: plan/a, access: [read]}]",
                None,
            ),
            (
                "object-store: [{container: c, prefix: plan/, access: [read]}]",
                "object-store: [{container: c, access: [read]}]",
                Some("object-store: [{container: c, access: [read]}]".to_owned()),
            ),
            (
                "secrets: [{name: key, services: [baremetal]}]",
                "secrets: [{name: key, services: [baremetal], reveal: true}]",
                Some("secrets: [{name: key, services: [baremetal], reveal: true}]".to_owned()),
            ),
            (
                "messaging: [a]",
                "messaging: [a, b]",
                Some("messaging: [b]".to_owned()),
            ),
            (
                &openstack("GET, PUT", "/v1/**"),
                &openstack("GET", "/v1/nodes, /v1/*/x"),
                None,
            ),
            (
                &openstack("GET", "/v1/**"),
                &openstack("GET, PUT", "/v1/nodes"),
                Some(openstack("PUT", "/v1/nodes")),
            ),
            (
                &openstack("GET", "/v1/*"),
                &openstack("GET", "/v1/nodes, /v1/nodes/*, /v1/**"),
                Some(openstack("GET", "/v1/nodes/*, /v1/**")),
            ),
            // Asking for nothing takes no grant.
            ("{}", &openstack("", "/v1"), None),
            ("{}", &openstack("GET", ""), None),
            (
                "openstack: [{service: compute, methods: [GET], paths: [/**]}]",
                &openstack("GET", "/v1"),
                Some(openstack("GET", "/v1")),
            ),
        ] {
            let found = grants(own).beyond(&grants(asked));
            assert_eq!(found, left.as_deref().map(grants), "{own} for {asked}");
        }
    }
}
