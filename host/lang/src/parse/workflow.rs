//! Workflows.

use std::sync::Arc;

use indexmap::IndexMap;
use ostro_core::{Map, Value};
use rustc_hash::FxHashSet;

use super::context::Context;
use super::graph;
use super::task::{self, Defaults};
use super::template::{find_expression, find_yaql, map_template};
use crate::diagnostics::Code;
use crate::graph::Graph;
use crate::spec::{Input, Task, Workflow, WorkflowKind};
use crate::template::Template;
use crate::yaml::{Entry, Node, NodeKind};
use ostro_core::suggest::did_you_mean;

const KEYS: &[&str] = &[
    "name",
    "version",
    "type",
    "description",
    "tags",
    "input",
    "output",
    "output-on-error",
    "vars",
    "task-defaults",
    "tasks",
];

/// The workflow that `entry` names and describes, in `workbook` if it stands in one.
pub(crate) fn workflow(
    cx: &mut Context<'_>,
    entry: &Entry,
    workbook: Option<&Arc<str>>,
) -> Option<Workflow> {
    let node = &entry.value;
    cx.mapping(entry)?;
    // Mistral takes any other key, and does nothing with it.
    cx.known_keys(Code::IgnoredKey, node, "a workflow", &[KEYS]);
    cx.version(node);
    if is_uuid(&entry.key) {
        cx.at_key(
            Code::BadName,
            entry,
            "the name of a workflow can't be a UUID",
        );
    }
    let name: Arc<str> = match workbook {
        Some(workbook) => format!("{workbook}.{}", entry.key).into(),
        None => Arc::clone(&entry.key),
    };
    let kind = kind(cx, node);
    let defaults = node
        .entry("task-defaults")
        .map_or_else(Defaults::default, |entry| task::defaults(cx, entry, kind));
    let tasks = tasks(cx, &name, entry, kind, &defaults);
    let definition = definition(entry, kind);
    let workflow = Workflow {
        name,
        namespace: Arc::default(),
        workbook: workbook.cloned(),
        kind,
        description: cx.text_of(node, "description"),
        tags: cx.tags(node),
        input: node
            .entry("input")
            .map(|entry| inputs(cx, entry))
            .unwrap_or_default(),
        output: templates(cx, node, "output"),
        output_on_error: templates(cx, node, "output-on-error"),
        vars: templates(cx, node, "vars"),
        graph: Graph::new(&tasks),
        asks: names_functions(&definition),
        tasks,
        location: cx.location(entry.key_at),
        definition,
    };
    graph::check(cx, &workflow, node);
    Some(workflow)
}

/// Whether a text in `value` names the functions `executions` or `tasks`.
fn names_functions(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("executions") || text.contains("tasks"),
        Value::List(items) => items.iter().any(names_functions),
        Value::Map(entries) => entries.values().any(names_functions),
        _ => false,
    }
}

fn kind(cx: &mut Context<'_>, node: &Node) -> WorkflowKind {
    let Some(entry) = node.entry("type") else {
        return WorkflowKind::Direct;
    };
    match entry.value.as_str().map(|text| &**text) {
        Some("direct") => WorkflowKind::Direct,
        Some("reverse") => WorkflowKind::Reverse,
        other => {
            let message = "`type` must be `direct` or `reverse`";
            let hint = other.and_then(|other| did_you_mean(other, ["direct", "reverse"]));
            cx.report(
                Code::BadValue,
                entry.value.at,
                entry.value.length,
                message,
                hint,
            );
            WorkflowKind::Direct
        }
    }
}

fn tasks(
    cx: &mut Context<'_>,
    workflow: &Arc<str>,
    entry: &Entry,
    kind: WorkflowKind,
    defaults: &Defaults,
) -> IndexMap<Arc<str>, Arc<Task>> {
    let Some(tasks) = entry.value.entry("tasks") else {
        let message = format!("the workflow `{}` has no `tasks`", entry.key);
        cx.at_key(Code::MissingKey, entry, message);
        return IndexMap::new();
    };
    let mut result = IndexMap::new();
    for entry in cx.mapping(tasks).unwrap_or_default() {
        if let Some(task) = task::task(cx, workflow, entry, kind, defaults) {
            result.insert(Arc::clone(&entry.key), Arc::new(task));
        }
    }
    result
}

fn templates(cx: &mut Context<'_>, node: &Node, key: &str) -> Option<Template> {
    let entry = node.entry(key)?;
    let entries = cx.mapping(entry)?;
    Some(map_template(cx, entries))
}

/// `input`: names, and names with defaults.
pub(crate) fn inputs(cx: &mut Context<'_>, entry: &Entry) -> Vec<Input> {
    let items = match &entry.value.kind {
        NodeKind::List(items) if !items.is_empty() => items,
        _ => {
            cx.wrong_type(entry, "a list of names, each with or without a default");
            return Vec::new();
        }
    };
    let mut inputs: Vec<Input> = Vec::new();
    let mut seen = FxHashSet::default();
    for item in items {
        let (name, at, length, default) = match &item.kind {
            NodeKind::Scalar(Value::String(name)) if !name.is_empty() => {
                (name, item.at, item.length, None)
            }
            NodeKind::Map(entries) if let [entry] = entries.as_slice() => {
                // Mistral hands a default over as it stands.
                unevaluated(cx, &entry.value);
                let default = Template::Literal(entry.value.to_value());
                (&entry.key, entry.key_at, entry.key_length, Some(default))
            }
            _ => {
                let message = format!(
                    "an input is a name, or a name with one default, not {}",
                    item.describe()
                );
                cx.at_node(Code::WrongType, item, message);
                continue;
            }
        };
        if !seen.insert(name) {
            let message = format!("the input `{name}` stands here twice");
            cx.report(Code::BadValue, at, length, message, None);
            continue;
        }
        let location = cx.location(at);
        inputs.push(Input {
            name: Arc::clone(name),
            default,
            location,
        });
    }
    inputs
}

/// Warns of expressions in `node`, which nobody will evaluate.
fn unevaluated(cx: &mut Context<'_>, node: &Node) {
    match &node.kind {
        NodeKind::Scalar(Value::String(text)) => {
            if find_yaql(text, 0).is_some() || find_expression(text, 0, "{{", "}}").is_some() {
                cx.report(
                    Code::UnevaluatedExpression,
                    node.at,
                    node.length,
                    "the default of an input is not evaluated, this stays text",
                    Some("set a variable under `vars` from the input instead".to_owned()),
                );
            }
        }
        NodeKind::Scalar(_) => {}
        NodeKind::List(items) => {
            for item in items {
                unevaluated(cx, item);
            }
        }
        NodeKind::Map(entries) => {
            for entry in entries {
                unevaluated(cx, &entry.value);
            }
        }
    }
}

/// The definition with what Mistral puts in: names, version and type.
fn definition(entry: &Entry, kind: WorkflowKind) -> Value {
    let kind = match kind {
        WorkflowKind::Direct => "direct",
        WorkflowKind::Reverse => "reverse",
    };
    let Value::Map(mut map) = entry.value.to_value() else {
        return Value::empty_map();
    };
    let workflow = Arc::make_mut(&mut map);
    if let Some(Value::Map(tasks)) = workflow.get_mut("tasks") {
        for (name, task) in Arc::make_mut(tasks) {
            if let Value::Map(task) = task {
                let task = Arc::make_mut(task);
                task.insert("type".into(), kind.into());
                put_name(task, name);
            }
        }
    }
    put_name(workflow, &entry.key);
    Value::Map(map)
}

fn put_name(map: &mut Map, name: &Arc<str>) {
    map.insert("name".into(), Value::String(Arc::clone(name)));
    map.insert("version".into(), "2.0".into());
}

/// Whether `text` is a UUID in the usual form.
fn is_uuid(text: &str) -> bool {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit())
}
