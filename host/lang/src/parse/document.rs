//! What a text is: a workbook, or workflows and ad-hoc actions by name.

use std::sync::Arc;

use super::context::Context;
use super::{Parsed, action, workflow};
use crate::diagnostics::Code;
use crate::spec::Workbook;
use crate::yaml::{Entry, Node, NodeKind, Place};
use ostro_core::suggest::did_you_mean;

const START: Place = Place { line: 1, column: 1 };

/// Everything that the text of `cx` defines.
pub(crate) fn document(cx: &mut Context<'_>) -> Parsed {
    let before = cx.source.text.trim();
    let Some(root) = cx.load() else {
        if before.is_empty() || cx.is_clean() {
            not_a_definition(cx, START, "the text is empty");
        }
        return Parsed::default();
    };
    let NodeKind::Map(entries) = &root.kind else {
        let at = root.at;
        not_a_definition(
            cx,
            at,
            &format!("a definition is a mapping, not {}", root.describe()),
        );
        return Parsed::default();
    };
    if entries.is_empty() {
        not_a_definition(cx, root.at, "the mapping is empty");
        return Parsed::default();
    }
    if root.entry("version").is_none() {
        cx.report(
            Code::MissingKey,
            root.at,
            1,
            "a definition needs `version`",
            Some("put `version: '2.0'` at its top".to_owned()),
        );
    }
    cx.version(&root);
    if is_workbook(&root) {
        workbook(cx, &root)
    } else {
        list(cx, entries)
    }
}

fn not_a_definition(cx: &mut Context<'_>, at: Place, message: &str) {
    let hint = "a definition is a workbook (`name`, `workflows`, `actions`), or workflows by name";
    cx.report(Code::NotADefinition, at, 1, message, Some(hint.to_owned()));
}

/// Whether the text has a workbook's keys. A workflow may be called `workflows`, too.
fn is_workbook(root: &Node) -> bool {
    let is_section = |key: &str| {
        root.get(key)
            .is_some_and(|node| node.get("tasks").is_none() && node.get("base").is_none())
    };
    is_section("workflows")
        || is_section("actions")
        || root.get("name").is_some_and(|node| node.as_map().is_none())
}

fn workbook(cx: &mut Context<'_>, root: &Node) -> Parsed {
    let known: &[&[&str]] = &[&[
        "name",
        "version",
        "description",
        "tags",
        "workflows",
        "actions",
    ]];
    cx.known_keys(Code::UnknownKey, root, "a workbook", known);
    if root.entry("name").is_none() {
        cx.report(
            Code::MissingKey,
            root.at,
            1,
            "a workbook needs a `name`",
            None,
        );
    }
    let name = cx.text_of(root, "name").unwrap_or_default();
    let workflows = section(cx, root, "workflows")
        .iter()
        .filter_map(|entry| workflow::workflow(cx, entry, Some(&name)))
        .map(Arc::new)
        .collect();
    let actions = section(cx, root, "actions")
        .iter()
        .filter_map(|entry| action::action(cx, entry, Some(&name)))
        .map(Arc::new)
        .collect();
    let workbook = Workbook {
        description: cx.text_of(root, "description"),
        tags: cx.tags(root),
        name,
        workflows,
        actions,
    };
    Parsed {
        workbooks: vec![Arc::new(workbook)],
        ..Parsed::default()
    }
}

/// The definitions in a section of a workbook.
fn section(cx: &mut Context<'_>, root: &Node, key: &str) -> Vec<Entry> {
    let Some(section) = root.entry(key) else {
        return Vec::new();
    };
    let entries: Vec<_> = cx
        .mapping(section)
        .unwrap_or_default()
        .iter()
        .filter(|entry| &*entry.key != "version")
        .cloned()
        .collect();
    for entry in &entries {
        let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        if entry.key.is_empty() || !entry.key.chars().all(fits) {
            let message = format!(
                "`{}` is no name for a part of a workbook: letters, digits, `_` and `-` are",
                entry.key
            );
            cx.at_key(Code::BadName, entry, message);
        }
    }
    entries
}

fn list(cx: &mut Context<'_>, entries: &[Entry]) -> Parsed {
    let mut parsed = Parsed::default();
    let mut found = false;
    for entry in entries.iter().filter(|entry| &*entry.key != "version") {
        found = true;
        let node = &entry.value;
        let likely_action = ["base", "base-input"]
            .iter()
            .any(|key| node.get(key).is_some());
        let likely_workflow = ["tasks", "task-defaults", "vars", "type", "output-on-error"];
        if node.get("tasks").is_none() && likely_action {
            parsed
                .actions
                .extend(action::action(cx, entry, None).map(Arc::new));
        } else if node.as_map().is_some()
            && likely_workflow.iter().any(|key| node.get(key).is_some())
        {
            parsed
                .workflows
                .extend(workflow::workflow(cx, entry, None).map(Arc::new));
        } else {
            let sections = [
                "version",
                "name",
                "workflows",
                "actions",
                "description",
                "tags",
            ];
            let hint = did_you_mean(&entry.key, sections);
            let message = format!(
                "`{}` is neither a workflow (it has no `tasks`) nor an ad-hoc action (it has no \
                 `base`)",
                entry.key
            );
            cx.report(
                Code::NotADefinition,
                entry.key_at,
                entry.key_length,
                message,
                hint,
            );
        }
    }
    if !found {
        not_a_definition(cx, START, "nothing is defined here");
    }
    parsed
}
