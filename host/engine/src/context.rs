//! The data that flows from task to task.
//!
//! Each task hands on what it got and what it published. Where branches meet, the value that was
//! published more often along its branch wins, key by key (Mistral's context versioning, which
//! is on by default).

use std::collections::BTreeMap;
use std::sync::Arc;

use ostro_core::{Map, Value};
use serde::{Deserialize, Serialize};

use crate::decide::Turn;
use crate::execution::Execution;

/// What a task gets from the tasks before it, and how often each key was published on the way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Context {
    pub(crate) data: Arc<Map>,
    /// By path, `key` or `key.inner`.
    versions: Arc<BTreeMap<String, u32>>,
}

impl Context {
    /// This context after a task published `published`.
    pub(crate) fn with_published(&self, published: &Map) -> Self {
        if published.is_empty() {
            return self.clone();
        }
        let mut data = (*self.data).clone();
        let mut versions = (*self.versions).clone();
        count_paths(published, "", &mut versions);
        for (key, value) in published {
            data.insert(Arc::clone(key), value.clone());
        }
        Self {
            data: Arc::new(data),
            versions: Arc::new(versions),
        }
    }

    /// The contexts of branches that meet, as one. Where no branch published more often than
    /// another, the last one wins.
    pub(crate) fn merged(branches: &[Context]) -> Self {
        let Some((last, others)) = branches.split_last() else {
            return Self::default();
        };
        let mut merged = last.clone();
        for other in others {
            let same = Arc::ptr_eq(&merged.data, &other.data)
                && Arc::ptr_eq(&merged.versions, &other.versions);
            if !same {
                merged.merge(other);
            }
        }
        merged
    }

    fn merge(&mut self, other: &Context) {
        let data = Arc::make_mut(&mut self.data);
        merge(data, &self.versions, &other.data, &other.versions, "");
        let versions = Arc::make_mut(&mut self.versions);
        for (path, version) in other.versions.iter() {
            let own = versions.entry(path.clone()).or_default();
            *own = (*own).max(*version);
        }
    }
}

fn path_of(prefix: &str, key: &str) -> String {
    if prefix.is_empty() {
        key.to_owned()
    } else {
        format!("{prefix}.{key}")
    }
}

fn count_paths(published: &Map, prefix: &str, versions: &mut BTreeMap<String, u32>) {
    for (key, value) in published {
        let path = path_of(prefix, key);
        match value {
            Value::Map(inner) => count_paths(inner, &path, versions),
            _ => *versions.entry(path).or_default() += 1,
        }
    }
}

fn merge(
    left: &mut Map,
    left_versions: &BTreeMap<String, u32>,
    right: &Map,
    right_versions: &BTreeMap<String, u32>,
    prefix: &str,
) {
    for (key, value) in right {
        let Some(own) = left.get_mut(key) else {
            left.insert(Arc::clone(key), value.clone());
            continue;
        };
        let path = path_of(prefix, key);
        if let (Value::Map(own), Value::Map(other)) = (&mut *own, value) {
            if !Arc::ptr_eq(own, other) {
                merge(
                    Arc::make_mut(own),
                    left_versions,
                    other,
                    right_versions,
                    &path,
                );
            }
            continue;
        }
        let version =
            |versions: &BTreeMap<String, u32>| versions.get(&path).copied().unwrap_or_default();
        if version(right_versions) > version(left_versions) {
            *own = value.clone();
        }
    }
}

/// `left` and `right` as one, maps merged deeply; where both have a value, `left`'s stays.
pub(crate) fn filled_up(left: &Map, right: &Map) -> Map {
    let mut filled = left.clone();
    for (key, value) in right {
        match filled.get_mut(key) {
            None => {
                filled.insert(Arc::clone(key), value.clone());
            }
            Some(own) => {
                if let (Value::Map(inner), Value::Map(other)) = (&*own, value) {
                    *own = filled_up(inner, other).into();
                }
            }
        }
    }
    filled
}

impl Execution {
    /// What a task hands on.
    pub(crate) fn outbound(&self, task: usize) -> Context {
        let task = &self.tasks[task];
        task.context.with_published(&task.published)
    }

    /// `$` where no task is at work: `data` over what belongs to the execution.
    pub(crate) fn data(&self, data: &Map) -> Map {
        let mut all = (*self.input).clone();
        for (key, value) in self.globals.iter().chain(data) {
            all.insert(Arc::clone(key), value.clone());
        }
        all.insert("__env".into(), Value::Map(Arc::clone(&self.params.env)));
        all.insert(
            "__execution".into(),
            [("id", self.id.as_str().into())].into_iter().collect(),
        );
        all
    }
}

impl Turn<'_> {
    /// What `task`, which has ended, hands on: to all that follow it the same.
    pub(crate) fn outbound(&mut self, task: usize) -> Context {
        match &self.outbound {
            Some((of, context)) if *of == task => context.clone(),
            _ => {
                let context = self.execution.outbound(task);
                self.outbound = Some((task, context.clone()));
                context
            }
        }
    }

    /// `$` for `task`: what it got, and `extra` over that.
    pub(crate) fn task_data(&self, task: usize, extra: &Map) -> Value {
        let task = &self.execution.tasks[task];
        let mut all = self.execution.data(&task.context.data);
        for (key, value) in extra {
            all.insert(Arc::clone(key), value.clone());
        }
        let current = [
            ("id", task.id.as_str().into()),
            ("name", Value::from(Arc::clone(&task.name))),
        ];
        all.insert("__task_execution".into(), current.into_iter().collect());
        all.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, Value)]) -> Map {
        entries
            .iter()
            .map(|(key, value)| (Arc::from(*key), value.clone()))
            .collect()
    }

    #[test]
    fn what_was_published_more_often_wins_where_branches_meet() {
        let start = Context::default().with_published(&map(&[("x", 1.into()), ("y", 1.into())]));
        let left = start.with_published(&map(&[("x", 2.into())]));
        let right = start.with_published(&map(&[("y", 3.into())]));
        for branches in [[left.clone(), right.clone()], [right, left]] {
            let merged = Context::merged(&branches);
            assert_eq!(merged.data.get("x"), Some(&Value::Int(2)));
            assert_eq!(merged.data.get("y"), Some(&Value::Int(3)));
        }
    }

    #[test]
    fn maps_are_merged_key_by_key() {
        let left =
            Context::default().with_published(&map(&[("m", map(&[("a", 1.into())]).into())]));
        let right =
            Context::default().with_published(&map(&[("m", map(&[("b", 2.into())]).into())]));
        let merged = Context::merged(&[left, right]);
        assert_eq!(
            merged.data.get("m"),
            Some(&map(&[("a", 1.into()), ("b", 2.into())]).into())
        );
    }

    #[test]
    fn the_last_branch_wins_a_tie() {
        let left = Context::default().with_published(&map(&[("x", 1.into())]));
        let right = Context::default().with_published(&map(&[("x", 2.into())]));
        assert_eq!(
            Context::merged(&[left, right]).data.get("x"),
            Some(&Value::Int(2))
        );
    }
}
