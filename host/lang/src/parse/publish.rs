//! What tasks publish: the simple form, the advanced form, and both together.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::context::Context;
use super::template::map_template;
use crate::diagnostics::Code;
use crate::spec::{OnState, Publish};
use crate::yaml::{Entry, Node, NodeKind};

/// What is published to each place, before it is compiled.
#[derive(Clone, Default)]
pub(crate) struct Entries {
    branch: Vec<Entry>,
    global: Vec<Entry>,
    atomic: Vec<Entry>,
}

impl Entries {
    /// These, and those of `over` on top of them.
    fn merged(&self, over: &Entries) -> Entries {
        Entries {
            branch: merged(&self.branch, &over.branch),
            global: merged(&self.global, &over.global),
            atomic: merged(&self.atomic, &over.atomic),
        }
    }

    fn compile(&self, cx: &mut Context<'_>) -> Publish {
        let mut compile =
            |entries: &[Entry]| (!entries.is_empty()).then(|| map_template(cx, entries));
        Publish {
            branch: compile(&self.branch),
            global: compile(&self.global),
            atomic: compile(&self.atomic),
        }
    }
}

/// `base`, and `over` on top of it: mappings are merged in depth, all else is replaced.
fn merged(base: &[Entry], over: &[Entry]) -> Vec<Entry> {
    let mut result = base.to_vec();
    let places: FxHashMap<&str, usize> = base
        .iter()
        .enumerate()
        .map(|(index, entry)| (&*entry.key, index))
        .collect();
    for entry in over {
        match places.get(&*entry.key).map(|index| &mut result[*index]) {
            Some(other) => match (&other.value.kind, &entry.value.kind) {
                (NodeKind::Map(left), NodeKind::Map(right)) => {
                    other.value.kind = NodeKind::Map(merged(left, right));
                }
                _ => *other = entry.clone(),
            },
            None => result.push(entry.clone()),
        }
    }
    result
}

/// The simple form under `key`: everything goes to the branch.
fn simple(cx: &mut Context<'_>, task: &Node, key: &str) -> Entries {
    let branch = task
        .entry(key)
        .and_then(|entry| cx.mapping(entry))
        .map(<[Entry]>::to_vec)
        .unwrap_or_default();
    Entries {
        branch,
        ..Entries::default()
    }
}

/// The advanced form: `publish: {branch: …, global: …, atomic: …}` in a transition.
pub(crate) fn advanced(cx: &mut Context<'_>, entry: &Entry) -> Entries {
    let Some(entries) = cx.mapping(entry) else {
        return Entries::default();
    };
    let mut result = Entries::default();
    for scope in entries {
        let place = match &*scope.key {
            "branch" => &mut result.branch,
            "global" => &mut result.global,
            "atomic" => &mut result.atomic,
            _ => continue,
        };
        if let Some(values) = cx.mapping(scope) {
            *place = values.to_vec();
        }
    }
    let known: &[&[&str]] = &[&["branch", "global", "atomic"]];
    cx.known_keys(
        Code::UnknownKey,
        &entry.value,
        "`publish` in a transition",
        known,
    );
    result
}

/// The advanced forms that stand in a task's transitions.
#[derive(Default)]
pub(crate) struct InTransitions {
    pub(crate) success: Entries,
    pub(crate) error: Entries,
    pub(crate) complete: Entries,
    pub(crate) skip: Entries,
}

/// All that `task` publishes.
///
/// As in Mistral, `on-complete` wins over the simple form, which wins over the transition for
/// the state in which the task ended.
pub(crate) fn publish(
    cx: &mut Context<'_>,
    task: &Node,
    advanced: &InTransitions,
) -> OnState<Publish> {
    let mut of = |key: &str, on_state: &Entries| {
        let simple = simple(cx, task, key);
        on_state
            .merged(&simple)
            .merged(&advanced.complete)
            .compile(cx)
    };
    OnState {
        success: of("publish", &advanced.success),
        error: of("publish-on-error", &advanced.error),
        skip: of("publish-on-skip", &advanced.skip),
    }
}

/// The names that `entries` set, for a message.
pub(crate) fn names(entries: &Entries) -> Vec<Arc<str>> {
    [&entries.branch, &entries.global, &entries.atomic]
        .into_iter()
        .flatten()
        .map(|entry| Arc::clone(&entry.key))
        .collect()
}
