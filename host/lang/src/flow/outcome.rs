//! What is published, by the way in which a task ends.

use std::sync::Arc;

use crate::{Publish, Template};

/// The names that `publish` sets.
pub(super) fn names(publish: &Publish) -> impl Iterator<Item = &Arc<str>> {
    [&publish.branch, &publish.global, &publish.atomic]
        .into_iter()
        .flatten()
        .flat_map(keys)
}

/// The names that `publish` sets for the whole execution.
pub(super) fn global_names(publish: &Publish) -> impl Iterator<Item = &Arc<str>> {
    [&publish.global, &publish.atomic]
        .into_iter()
        .flatten()
        .flat_map(keys)
}

/// The names that `publish` sets for the tasks that follow on its branch.
pub(super) fn branch_names(publish: &Publish) -> impl Iterator<Item = &Arc<str>> {
    publish.branch.iter().flat_map(keys)
}

/// The keys of a mapping that an author wrote as such.
pub(super) fn keys(template: &Template) -> impl Iterator<Item = &Arc<str>> {
    let entries: &[(Arc<str>, Template)] = match template {
        Template::Map(entries) => entries,
        _ => &[],
    };
    entries.iter().map(|(name, _)| name)
}
