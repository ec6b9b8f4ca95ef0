//! The smallest grants of objects.

use std::collections::{BTreeMap, BTreeSet};

use crate::grants::{Access, ObjectGrant};

/// What was done with which objects: accesses by container and beginning of names.
#[derive(Debug, Default)]
pub(super) struct Touched(BTreeMap<(String, String), BTreeSet<Access>>);

impl Touched {
    pub(super) fn object(&mut self, container: &str, name: &str, access: Access) {
        let key = (container.to_owned(), name.to_owned());
        self.0.entry(key).or_default().insert(access);
    }

    pub(super) fn listing(&mut self, container: &str, prefix: &str) {
        self.object(container, prefix, Access::Read);
    }

    /// The grants for that. Two objects in one folder stand for all that is in it.
    pub(super) fn grants(self) -> Vec<ObjectGrant> {
        let mut folders: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for (container, name) in self.0.keys() {
            *folders.entry((container, folder(name))).or_default() += 1;
        }
        let mut all: BTreeMap<(&str, &str), BTreeSet<Access>> = BTreeMap::new();
        for ((container, name), access) in &self.0 {
            let above = folder(name);
            let is_one_of_many = folders
                .get(&(&**container, above))
                .is_some_and(|many| *many > 1);
            let prefix = if is_one_of_many && !above.is_empty() {
                above
            } else {
                name
            };
            all.entry((container, prefix)).or_default().extend(access);
        }
        let is_covered = |container: &str, prefix: &str, access: Access| {
            all.iter().any(|((other, wider), accesses)| {
                *other == container
                    && *wider != prefix
                    && prefix.starts_with(wider)
                    && accesses.contains(&access)
            })
        };
        let grants = all
            .iter()
            .map(|((container, prefix), accesses)| ObjectGrant {
                container: (*container).to_owned(),
                prefix: (*prefix).to_owned(),
                access: accesses
                    .iter()
                    .copied()
                    .filter(|access| !is_covered(container, prefix, *access))
                    .collect(),
            });
        grants.filter(|grant| !grant.access.is_empty()).collect()
    }
}

/// `name` up to its last `/`; empty without one.
fn folder(name: &str) -> &str {
    name.rfind('/').map_or("", |at| &name[..=at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_objects_of_a_folder_stand_for_the_folder() {
        let mut touched = Touched::default();
        touched.object("plan", "p/a", Access::Read);
        touched.object("plan", "p/b", Access::Write);
        touched.object("plan", "q/c", Access::Delete);
        touched.listing("logs", "");
        touched.object("logs", "x/y", Access::Read);
        let grants = touched.grants();
        let lines: Vec<String> = grants
            .iter()
            .map(|grant| format!("{} {:?} {:?}", grant.container, grant.prefix, grant.access))
            .collect();
        assert_eq!(
            lines,
            [
                "logs \"\" [Read]",
                "plan \"p/\" [Read, Write]",
                "plan \"q/c\" [Delete]"
            ]
        );
    }
}
