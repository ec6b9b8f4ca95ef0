//! Grants of objects in Swift: by container and by how their names begin.

use serde::{Deserialize, Serialize};

use super::{Denial, Grants, yaml};

/// Objects of one container whose names begin alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectGrant {
    /// The container.
    pub container: String,
    /// How their names begin; all objects of the container without it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// What may be done with them. None means nothing.
    #[serde(default)]
    pub access: Vec<Access>,
}

/// What may be done with objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Read and list them.
    Read,
    /// Write them and their metadata.
    Write,
    /// Delete them.
    Delete,
}

impl Access {
    /// The word for it in grants.
    pub fn word(self) -> &'static str {
        match self {
            Access::Read => "read",
            Access::Write => "write",
            Access::Delete => "delete",
        }
    }
}

impl Grants {
    /// Whether any object may be read.
    pub fn reads_objects(&self) -> bool {
        self.has_access(|access| access == Access::Read)
    }

    /// Whether any object may be written or deleted.
    pub fn changes_objects(&self) -> bool {
        self.has_access(|access| access != Access::Read)
    }

    fn has_access(&self, is_meant: impl Fn(Access) -> bool) -> bool {
        let mut all = self.object_store.iter().flat_map(|grant| &grant.access);
        all.any(|access| is_meant(*access))
    }

    /// Whether the pack may do `access` with the object `name` of `container`.
    pub fn check_object(&self, container: &str, name: &str, access: Access) -> Result<(), Denial> {
        if self.covers(container, name, access) {
            return Ok(());
        }
        let folder = name.rfind('/').map_or(name, |at| &name[..=at]);
        let (word, did) = match access {
            Access::Read => ("read", "reading"),
            Access::Write => ("write", "writing"),
            Access::Delete => ("delete", "deleting"),
        };
        Err(Denial {
            what: format!(
                "{did} the object {name:?} of the container {container:?} is not granted"
            ),
            add: Some(lines(container, folder, word)),
        })
    }

    /// Whether the pack may list the objects of `container` whose names begin with `prefix`.
    pub fn check_listing(&self, container: &str, prefix: &str) -> Result<(), Denial> {
        if self.covers(container, prefix, Access::Read) {
            return Ok(());
        }
        Err(Denial {
            what: format!(
                "listing the container {container:?} by the prefix {prefix:?} is not granted"
            ),
            add: Some(lines(container, prefix, "read")),
        })
    }

    /// Whether all names that begin with `name` are granted.
    fn covers(&self, container: &str, name: &str, access: Access) -> bool {
        self.object_store.iter().any(|grant| {
            grant.container == container
                && name.starts_with(&grant.prefix)
                && grant.access.contains(&access)
        })
    }
}

fn lines(container: &str, prefix: &str, access: &str) -> String {
    let prefix = match prefix {
        "" => String::new(),
        prefix => format!("\n      prefix: {}", yaml(prefix)),
    };
    format!(
        "  object-store:\n    - container: {}{prefix}\n      access: [{access}]",
        yaml(container)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_granted_by_container_prefix_and_access() {
        let grants = "object-store:
          - { container: plan, prefix: p/, access: [read, write] }
          - { container: logs, access: [read] }
          - { container: nothing }";
        let grants = Grants::parse(grants, "g").unwrap();
        for (container, name, access, granted) in [
            ("plan", "p/a.yaml", Access::Read, true),
            ("plan", "p/a.yaml", Access::Write, true),
            ("plan", "p/a.yaml", Access::Delete, false),
            ("plan", "q/a.yaml", Access::Read, false),
            ("plan", "p", Access::Read, false),
            ("plans", "p/a.yaml", Access::Read, false),
            ("logs", "anything", Access::Read, true),
            ("logs", "anything", Access::Write, false),
            ("nothing", "a", Access::Read, false),
        ] {
            let checked = grants.check_object(container, name, access);
            assert_eq!(checked.is_ok(), granted, "{container} {name} {access:?}");
            let Err(denial) = checked else { continue };
            // What it says to add is what allows it.
            let more = Grants::parse(denial.lines().unwrap(), "g").unwrap();
            assert!(
                more.check_object(container, name, access).is_ok(),
                "{denial}"
            );
        }
        assert!(grants.check_listing("plan", "p/").is_ok());
        assert!(grants.check_listing("plan", "p/x").is_ok());
        assert!(grants.check_listing("plan", "").is_err());
        assert!(grants.check_listing("plan", "p").is_err());
        assert!(grants.check_listing("logs", "").is_ok());
        assert!(Grants::parse("object-store: [{container: a, access: [list]}]", "g").is_err());
    }
}
