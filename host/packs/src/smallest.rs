//! The smallest grants that runs needed.

mod objects;

use std::collections::{BTreeMap, BTreeSet};

use ostro_core::{Method, RelativePath};

use crate::grants::{
    Access, FolderGrant, Grants, HostPattern, HttpGrant, HttpTarget, SecretGrant, ServiceGrant,
};
use crate::pattern::PathPattern;

/// Something that a run did, and has to be granted for that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// A request to a service.
    Request {
        /// The service's type.
        service: String,
        /// The method.
        method: Method,
        /// The path.
        path: RelativePath,
    },
    /// A named client operation.
    Operation(String),
    /// A post to a queue.
    Queue(String),
    /// A request to a host outside of the cloud.
    Http {
        /// The method.
        method: Method,
        /// Where it went.
        target: HttpTarget,
        /// Whether that was at an address that is not public.
        private: bool,
    },
    /// A folder, and what was done in it.
    Folder(FolderGrant),
    /// Something that was done with an object.
    Object {
        /// The container.
        container: String,
        /// The object's name.
        name: String,
        /// What was done.
        access: Access,
    },
    /// A listing of a container.
    Listing {
        /// The container.
        container: String,
        /// How the names that were asked for begin.
        prefix: String,
    },
    /// A secret that was used.
    Secret {
        /// Its name.
        name: String,
        /// The services that it was sent to.
        services: Vec<String>,
    },
    /// The value of this secret was seen.
    Reveal(String),
}

/// The segments of a path; none for one that can be any.
type Segments = Vec<Option<String>>;
/// The services or hosts and the methods, and the paths that were asked for with the runs that did.
type Asked<Of> = BTreeMap<(Of, Method), BTreeMap<Segments, BTreeSet<usize>>>;
/// A host, its port, and whether it is at an address that is not public.
type Place = (HostPattern, u16, bool);

impl Grants {
    /// The grants that `runs` needed, and no more. A segment of a path is taken for an id, and
    /// becomes `*`, if it is a UUID, or if it follows the name of a collection and is another in
    /// another run.
    pub fn smallest(runs: &[Vec<Need>]) -> Self {
        let mut asked: Asked<String> = Asked::new();
        let mut hosts: Asked<Place> = Asked::new();
        let mut folders: BTreeMap<String, FolderGrant> = BTreeMap::new();
        let mut operations = BTreeSet::new();
        let mut queues = BTreeSet::new();
        let mut objects = objects::Touched::default();
        let mut secrets: BTreeMap<String, SecretGrant> = BTreeMap::new();
        for (run, needs) in runs.iter().enumerate() {
            for need in needs {
                match need {
                    Need::Request {
                        service,
                        method,
                        path,
                    } => {
                        let paths = asked.entry((service.clone(), *method)).or_default();
                        paths.entry(segments(path)).or_default().insert(run);
                    }
                    Need::Operation(name) => {
                        operations.insert(name.clone());
                    }
                    Need::Queue(name) => {
                        queues.insert(name.clone());
                    }
                    Need::Http {
                        method,
                        target,
                        private,
                    } => {
                        let host = HostPattern::exactly(&target.host);
                        let place = (host, target.port, *private);
                        let paths = hosts.entry((place, *method)).or_default();
                        let path = segments(&target.path);
                        paths.entry(path).or_default().insert(run);
                    }
                    Need::Folder(folder) => {
                        let one = folders
                            .entry(folder.guest.clone())
                            .or_insert_with(|| folder.clone());
                        one.mode = one.mode.max(folder.mode);
                    }
                    Need::Object {
                        container,
                        name,
                        access,
                    } => objects.object(container, name, *access),
                    Need::Listing { container, prefix } => objects.listing(container, prefix),
                    Need::Secret { name, services } => {
                        let named = &mut secret(&mut secrets, name).services;
                        named.extend(services.iter().cloned());
                        named.sort();
                        named.dedup();
                    }
                    Need::Reveal(name) => secret(&mut secrets, name).reveal = true,
                }
            }
        }
        for paths in asked.values_mut().chain(hosts.values_mut()) {
            while generalise(paths) {}
        }
        let openstack = grouped(asked).map(|((service, methods), paths)| ServiceGrant {
            service,
            methods,
            paths,
        });
        let http = grouped(hosts).map(|(((host, port, private), methods), paths)| HttpGrant {
            host,
            ports: vec![port],
            methods,
            paths,
            private,
        });
        Self {
            openstack: openstack.collect(),
            operations: operations.into_iter().collect(),
            messaging: queues.into_iter().collect(),
            files: folders.into_values().collect(),
            http: http.collect(),
            object_store: objects.grants(),
            secrets: secrets.into_values().collect(),
        }
    }
}

/// The grant of the secret `name`.
fn secret<'a>(all: &'a mut BTreeMap<String, SecretGrant>, name: &str) -> &'a mut SecretGrant {
    all.entry(name.to_owned()).or_insert_with(|| SecretGrant {
        name: name.to_owned(),
        ..SecretGrant::default()
    })
}

fn segments(path: &RelativePath) -> Segments {
    let segments = path.as_str().split('/').skip(1);
    segments
        .map(|segment| (!is_uuid(segment)).then(|| segment.to_owned()))
        .collect()
}

/// Whether `text` is a UUID, as 8-4-4-4-12 digits or without its dashes.
fn is_uuid(text: &str) -> bool {
    let dashed = text.len() == 36
        && text.char_indices().all(|(at, c)| match at {
            8 | 13 | 18 | 23 => c == '-',
            _ => c.is_ascii_hexdigit(),
        });
    dashed || (text.len() == 32 && text.chars().all(|c| c.is_ascii_hexdigit()))
}

/// Puts one pattern in the place of two paths, if there are two that differ in an id alone.
fn generalise(paths: &mut BTreeMap<Segments, BTreeSet<usize>>) -> bool {
    let found = paths.iter().enumerate().find_map(|(at, (one, runs))| {
        let mut others = paths.iter().skip(at + 1);
        others.find_map(|(other, other_runs)| {
            let place = only_difference(one, other)?;
            // What stands for any segment has the other one in it already.
            let is_covered = one[place].is_none() || other[place].is_none();
            let is_id = is_covered || (runs.is_disjoint(other_runs) && may_be_id(one, place));
            is_id.then(|| (one.clone(), other.clone(), place))
        })
    });
    let Some((one, other, place)) = found else {
        return false;
    };
    let mut runs = paths.remove(&one).unwrap_or_default();
    runs.extend(paths.remove(&other).unwrap_or_default());
    let mut pattern = one;
    pattern[place] = None;
    paths.entry(pattern).or_default().extend(runs);
    true
}

/// The one segment in which two paths differ.
fn only_difference(one: &Segments, other: &Segments) -> Option<usize> {
    if one.len() != other.len() {
        return None;
    }
    let mut places = (0..one.len()).filter(|&at| one[at] != other[at]);
    let place = places.next()?;
    places.next().is_none().then_some(place)
}

/// Whether an id can stand at `place`: behind the name of a collection, which is neither the
/// version of an API nor an id.
fn may_be_id(path: &Segments, place: usize) -> bool {
    let Some(Some(collection)) = place.checked_sub(1).and_then(|before| path.get(before)) else {
        return false;
    };
    let is_version = collection.strip_prefix('v').is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_digit())
            && rest.chars().all(|c| c.is_ascii_digit() || c == '.')
    });
    let named = path[place].as_deref().is_some_and(|text| !text.is_empty());
    !is_version && named
}

/// A line for all paths of a service or host that need the same methods.
fn grouped<Of: Clone + Ord>(
    asked: Asked<Of>,
) -> impl Iterator<Item = ((Of, Vec<Method>), Vec<PathPattern>)> {
    let mut methods: BTreeMap<(Of, Segments), BTreeSet<Method>> = BTreeMap::new();
    for ((of, method), paths) in asked {
        for path in paths.into_keys() {
            let key = (of.clone(), path);
            methods.entry(key).or_default().insert(method);
        }
    }
    let mut grants: BTreeMap<(Of, Vec<Method>), Vec<PathPattern>> = BTreeMap::new();
    for ((of, path), methods) in methods {
        let pattern: String = path
            .iter()
            .map(|segment| match segment {
                Some(text) => format!("/{}", text.replace('*', "%2A")),
                None => "/*".to_owned(),
            })
            .collect();
        let Ok(pattern) = PathPattern::parse(&pattern) else {
            continue;
        };
        let key = (of, methods.into_iter().collect());
        grants.entry(key).or_default().push(pattern);
    }
    grants.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::FolderMode;

    const ID: &str = "931c9f64-0c35-4c3e-9f0c-0d8b1b3b7a11";

    fn run(requests: &[&str]) -> Vec<Need> {
        let need = |text: &&str| {
            let words: Vec<&str> = text.split(' ').collect();
            Need::Request {
                service: words[0].to_owned(),
                method: Method::parse(words[1]).unwrap(),
                path: RelativePath::parse(words[2]).unwrap(),
            }
        };
        requests.iter().map(need).collect()
    }

    fn lines(runs: &[Vec<Need>]) -> Vec<String> {
        let grants = Grants::smallest(runs).openstack;
        let line = |grant: &ServiceGrant| {
            let methods: Vec<&str> = grant.methods.iter().map(|m| m.as_str()).collect();
            let paths: Vec<String> = grant.paths.iter().map(ToString::to_string).collect();
            format!(
                "{} {} {}",
                grant.service,
                methods.join(","),
                paths.join(",")
            )
        };
        grants.iter().map(line).collect()
    }

    #[test]
    fn uuids_become_stars() {
        let node = format!("baremetal GET /v1/nodes/{ID}");
        let patch = format!("baremetal PATCH /v1/nodes/{ID}");
        let runs = [run(&["baremetal GET /v1/nodes", &node, &patch])];
        assert_eq!(
            lines(&runs),
            ["baremetal GET /v1/nodes", "baremetal GET,PATCH /v1/nodes/*"]
        );
    }

    #[test]
    fn what_differs_between_runs_is_an_id_and_what_one_run_names_is_not() {
        let two = |one: &str, other: &str| lines(&[run(&[one]), run(&[other])]);
        assert_eq!(
            two("baremetal GET /v1/nodes/a", "baremetal GET /v1/nodes/b"),
            ["baremetal GET /v1/nodes/*"]
        );
        assert_eq!(
            two("baremetal GET /v1/nodes/a/x", "baremetal GET /v1/nodes/b/x"),
            ["baremetal GET /v1/nodes/*/x"]
        );
        // Collections and what is below an id are no ids.
        assert_eq!(
            two("baremetal GET /v1/nodes", "baremetal GET /v1/ports"),
            ["baremetal GET /v1/nodes,/v1/ports"]
        );
        let states = format!("baremetal GET /v1/nodes/{ID}/states");
        let validate = format!("baremetal GET /v1/nodes/{ID}/validate");
        assert_eq!(
            two(&states, &validate),
            ["baremetal GET /v1/nodes/*/states,/v1/nodes/*/validate"]
        );
        let one = run(&["object-store GET /plans/a", "object-store GET /plans/b"]);
        assert_eq!(lines(&[one]), ["object-store GET /plans/a,/plans/b"]);
    }

    #[test]
    fn what_a_star_covers_is_not_named_again() {
        let node = format!("baremetal GET /v1/nodes/{ID}");
        let runs = [run(&["baremetal GET /v1/nodes/detail", &node])];
        assert_eq!(lines(&runs), ["baremetal GET /v1/nodes/*"]);
    }

    #[test]
    fn grants_let_through_what_they_were_made_of() {
        let node = format!("baremetal GET /v1/nodes/{ID}");
        let mut needs = run(&[&node, "baremetal GET /v1/x*y"]);
        needs.push(Need::Operation("ironic.node_list".into()));
        needs.push(Need::Queue("tripleo".into()));
        let folder = |mode| Need::Folder(FolderGrant::new("/srv/plans", mode, "/plans"));
        needs.push(folder(FolderMode::ReadWrite));
        needs.push(folder(FolderMode::ReadOnly));
        for (url, private) in [
            ("https://api.example.org/v1/a", false),
            ("http://db.test:8080/x?secret", true),
        ] {
            needs.push(Need::Http {
                method: Method::Get,
                target: HttpTarget::from_url(url).unwrap(),
                private,
            });
        }
        let grants = Grants::smallest(&[needs.clone()]);
        let text = serde_yaml::to_string(&grants).unwrap();
        assert_eq!(Grants::parse(&text, "g").unwrap(), grants);
        assert_eq!(grants.files.len(), 1);
        assert_eq!(grants.http.len(), 2);
        assert!(!text.contains("secret"), "{text}");
        let needs = &needs[2..];
        assert!(needs.iter().all(|need| grants.check(need).is_ok()));
        assert!(grants.check_operation("ironic.node_list").is_ok());
        assert!(grants.check_queue("tripleo").is_ok());
        let path = RelativePath::parse("/v1/x*y").unwrap();
        assert!(grants.openstack[0].paths.iter().any(|p| p.matches(&path)));
    }
}
