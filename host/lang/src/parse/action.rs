//! Ad-hoc actions.

use std::sync::Arc;

use super::Call;
use super::context::Context;
use super::inline;
use super::task::merged_input;
use super::template::{Fragment, map_template, template};
use super::workflow::inputs;
use crate::diagnostics::Code;
use crate::spec::AdHocAction;
use crate::yaml::{Entry, Trace};

const KEYS: &[&str] = &[
    "name",
    "version",
    "description",
    "tags",
    "base",
    "base-input",
    "input",
    "output",
];

/// The ad-hoc action that `entry` names and describes, in `workbook` if it stands in one.
pub(crate) fn action(
    cx: &mut Context<'_>,
    entry: &Entry,
    workbook: Option<&Arc<str>>,
) -> Option<AdHocAction> {
    let node = &entry.value;
    cx.mapping(entry)?;
    cx.known_keys(Code::UnknownKey, node, "an ad-hoc action", &[KEYS]);
    cx.version(node);
    let name: Arc<str> = match workbook {
        Some(workbook) => format!("{workbook}.{}", entry.key).into(),
        None => Arc::clone(&entry.key),
    };
    let Some(base_entry) = node.entry("base") else {
        let message = format!("the ad-hoc action `{}` has no `base`", entry.key);
        cx.at_key(Code::MissingKey, entry, message);
        return None;
    };
    let base = cx.text(base_entry)?;
    let trace = Trace::of(&cx.source, &base_entry.value);
    let command = inline::command(cx, Fragment::new(&base, &trace));
    let base_input = node.entry("base-input");
    let inputs_given = base_input
        .and_then(|entry| entry.value.as_map())
        .unwrap_or_default()
        .iter()
        .map(|entry| (Arc::clone(&entry.key), cx.location(entry.key_at)))
        .chain(
            command
                .params
                .iter()
                .map(|p| (Arc::clone(&p.key), cx.location(p.key_at))),
        )
        .collect();
    cx.calls.push(Call {
        caller: Arc::clone(&name),
        namespace: Arc::default(),
        task: None,
        location: cx.location(command.name.place(0)),
        length: command.name.length(),
        inputs: Some(inputs_given),
    });
    let base_name: Arc<str> = command.name.text.into();
    if base_name.contains("<%") {
        let message = "`base` names an action, and can't be an expression";
        cx.at_node(Code::BadValue, &base_entry.value, message);
    }
    let base_input = base_input.and_then(|entry| {
        let entries = cx.mapping(entry)?;
        Some(map_template(cx, entries))
    });
    Some(AdHocAction {
        name,
        namespace: Arc::default(),
        description: cx.text_of(node, "description"),
        base: base_name,
        base_input: merged_input(cx, entry, base_input, command.params),
        input: node
            .entry("input")
            .map(|entry| inputs(cx, entry))
            .unwrap_or_default(),
        output: node
            .get("output")
            .filter(|output| !output.is_null())
            .map(|output| template(cx, output)),
        tags: cx.tags(node),
        location: cx.location(entry.key_at),
    })
}
