//! Tasks and task defaults.

use std::sync::Arc;

use ostro_core::Value;

use super::context::Context;
use super::inline::{self, Param};
use super::publish::{self, InTransitions};
use super::template::{Fragment, entry_templates, is_expression, template, text_template};
use super::{Call, policies, transitions, with_items};
use crate::diagnostics::Code;
use crate::spec::{
    Join, Policies, Target, Task, Transition, Transitions, WithItems, Work, WorkflowKind,
};
use crate::template::Template;
use crate::yaml::{Entry, Node, NodeKind, Trace};

const MAX_NAME: usize = 255;
/// Mistral makes ids for joins out of the task's name, in a column of 255 characters.
const MAX_JOIN_NAME: usize = MAX_NAME - 47;

const KEYS: &[&str] = &[
    "description",
    "action",
    "workflow",
    "input",
    "with-items",
    "publish",
    "publish-on-error",
    "publish-on-skip",
    "target",
    "keep-result",
    "safe-rerun",
    "tags",
    // Mistral puts these in by itself, so that they may stand there.
    "name",
    "version",
    "type",
];

/// What tasks get that don't say otherwise.
#[derive(Default)]
pub(crate) struct Defaults {
    policies: Policies,
    concurrency: Option<Template>,
    transitions: Transitions,
    safe_rerun: Option<Template>,
    requires: Vec<Arc<str>>,
}

/// `task-defaults`.
pub(crate) fn defaults(cx: &mut Context<'_>, entry: &Entry, kind: WorkflowKind) -> Defaults {
    if cx.mapping(entry).is_none() {
        return Defaults::default();
    }
    let node = &entry.value;
    let known: &[&[&str]] = &[
        policies::KEYS,
        transitions::KEYS,
        &["safe-rerun", "requires"],
    ];
    cx.known_keys(Code::UnknownKey, node, "`task-defaults`", known);
    let mut clause = |key: &str| {
        let clause = transitions::clause(cx, node, key);
        if let Some(name) = publish::names(&clause.publish).first()
            && let Some(entry) = node.entry(key)
        {
            let message =
                format!("`{name}` is never published: `publish` has no effect in task defaults");
            cx.at_key(Code::Ignored, entry, message);
        }
        clause.next
    };
    let transitions = Transitions {
        on_success: clause("on-success"),
        on_error: clause("on-error"),
        on_complete: clause("on-complete"),
        on_skip: clause("on-skip"),
    };
    Defaults {
        policies: policies::policies(cx, node),
        concurrency: policies::whole_number(cx, node, "concurrency"),
        transitions: match kind {
            WorkflowKind::Direct => transitions,
            WorkflowKind::Reverse => Transitions::default(),
        },
        safe_rerun: policies::truth(cx, node, "safe-rerun"),
        requires: requires(cx, node),
    }
}

/// A task of the workflow with the full name `workflow`.
pub(crate) fn task(
    cx: &mut Context<'_>,
    workflow: &Arc<str>,
    entry: &Entry,
    kind: WorkflowKind,
    defaults: &Defaults,
) -> Option<Task> {
    let node = &entry.value;
    cx.mapping(entry)?;
    let own: &[&str] = match kind {
        WorkflowKind::Direct => &["join"],
        WorkflowKind::Reverse => &["requires"],
    };
    let links = if kind == WorkflowKind::Direct {
        transitions::KEYS
    } else {
        &[]
    };
    let other = wrong_kind(cx, node, kind);
    let known: &[&[&str]] = &[KEYS, own, links, policies::KEYS, other];
    cx.known_keys(Code::UnknownKey, node, "a task", known);

    let name = &entry.key;
    let (work, input) = work(cx, workflow, entry);
    let concurrency = policies::or_default(
        policies::whole_number(cx, node, "concurrency"),
        defaults.concurrency.as_ref(),
    );
    let items = node
        .entry("with-items")
        .map(|entry| with_items::with_items(cx, entry));
    let (transitions, advanced) = links_of(cx, node, name, kind, defaults);
    let join = node.entry("join").and_then(|entry| join(cx, entry));
    if kind == WorkflowKind::Direct {
        check_name(cx, entry, join);
    }
    Some(Task {
        name: Arc::clone(name),
        description: cx.text_of(node, "description"),
        work,
        input,
        with_items: items
            .filter(|items| !items.is_empty())
            .map(|items| WithItems { items, concurrency }),
        publish: publish::publish(cx, node, &advanced),
        transitions,
        join,
        requires: match kind {
            WorkflowKind::Direct => Vec::new(),
            WorkflowKind::Reverse => with_default_requires(requires(cx, node), name, defaults),
        },
        policies: policies::with_defaults(policies::policies(cx, node), &defaults.policies),
        keep_result: policies::truth(cx, node, "keep-result"),
        safe_rerun: policies::truth(cx, node, "safe-rerun").or_else(|| defaults.safe_rerun.clone()),
        target: cx
            .text_of(node, "target")
            .and_then(|_| policies::any(cx, node, "target")),
        tags: cx.tags(node),
        location: cx.location(entry.key_at),
    })
}

/// Says of keys that belong to the other kind of workflow where they belong; gives those keys.
fn wrong_kind(cx: &mut Context<'_>, node: &Node, kind: WorkflowKind) -> &'static [&'static str] {
    const DIRECT: &[&str] = &["join", "on-success", "on-error", "on-complete", "on-skip"];
    let (keys, hint): (&'static [&'static str], _) = match kind {
        WorkflowKind::Direct => (&["requires"], "it belongs to a workflow of `type: reverse`"),
        WorkflowKind::Reverse => (DIRECT, "it belongs to a direct workflow; use `requires`"),
    };
    for entry in keys.iter().filter_map(|key| node.entry(key)) {
        cx.report(
            Code::UnknownKey,
            entry.key_at,
            entry.key_length,
            format!("a task of this workflow has no key `{}`", entry.key),
            Some(hint.to_owned()),
        );
    }
    keys
}

fn check_name(cx: &mut Context<'_>, entry: &Entry, join: Option<Join>) {
    let length = entry.key.chars().count();
    let most = if join.is_some() {
        MAX_JOIN_NAME
    } else {
        MAX_NAME
    };
    if length > most {
        let message = format!(
            "the name of this {} has {length} characters, more than {most}",
            if join.is_some() { "join task" } else { "task" }
        );
        cx.at_key(Code::BadName, entry, message);
    }
    if transitions::engine_command(&entry.key).is_some() {
        cx.report(
            Code::CommandName,
            entry.key_at,
            entry.key_length,
            format!(
                "a transition to `{}` runs the engine command, never this task",
                entry.key
            ),
            Some("give the task another name".to_owned()),
        );
    }
}

/// What the task runs, with which input.
fn work(cx: &mut Context<'_>, workflow: &Arc<str>, task: &Entry) -> (Work, Template) {
    let node = &task.value;
    if let (Some(_), Some(second)) = (node.entry("action"), node.entry("workflow")) {
        let message = "a task has an `action` or a `workflow`, not both";
        cx.at_key(Code::Conflict, second, message);
    }
    let called = node.entry("action").or_else(|| node.entry("workflow"));
    let mut params = Vec::new();
    let mut work = Work::Noop;
    let mut call = None;
    if let Some(entry) = called
        && let Some(text) = cx.text(entry)
    {
        let trace = Trace::of(&cx.source, &entry.value);
        let command = inline::command(cx, Fragment::new(&text, &trace));
        let place = command.name.place(0);
        call = Some((place, command.name.length()));
        let name = text_template(cx, command.name);
        params = command.params;
        work = match &*entry.key {
            "action" => Work::Action(name),
            _ => Work::Workflow(name),
        };
    }
    let inputs = call.map(|(place, length)| {
        let given = match node.get("input").map(|input| &input.kind) {
            None => Some(Vec::new()),
            Some(NodeKind::Map(entries)) => Some(
                entries
                    .iter()
                    .map(|e| (Arc::clone(&e.key), cx.location(e.key_at)))
                    .collect(),
            ),
            Some(_) => None,
        };
        let inputs = given.map(|mut given: Vec<_>| {
            given.extend(
                params
                    .iter()
                    .map(|p| (Arc::clone(&p.key), cx.location(p.key_at))),
            );
            given
        });
        Call {
            caller: Arc::clone(workflow),
            namespace: Arc::default(),
            task: Some(Arc::clone(&task.key)),
            location: cx.location(place),
            length,
            inputs,
        }
    });
    cx.calls.extend(inputs);
    let input = node.entry("input").map(|entry| input(cx, entry));
    (work, merged_input(cx, task, input, params))
}

/// `input`: a mapping, or an expression that gives one.
fn input(cx: &mut Context<'_>, entry: &Entry) -> Template {
    match &entry.value.kind {
        NodeKind::Map(entries) if !entries.is_empty() => {
            Template::Map(entry_templates(cx, entries).into())
        }
        NodeKind::Scalar(Value::String(text)) => {
            let template = template(cx, &entry.value);
            if !is_expression(text) && !text.trim_start().starts_with("{{") {
                cx.wrong_type(entry, "a mapping, or one expression that gives a mapping");
            }
            template
        }
        _ => {
            cx.wrong_type(entry, "a mapping with at least one entry, or an expression");
            Template::Map(Arc::default())
        }
    }
}

/// The input and the parameters of the short syntax, which win.
pub(crate) fn merged_input(
    cx: &mut Context<'_>,
    owner: &Entry,
    input: Option<Template>,
    params: Vec<Param>,
) -> Template {
    let mut entries: Vec<(Arc<str>, Template)> = match input {
        None => Vec::new(),
        Some(Template::Map(entries)) => entries.to_vec(),
        Some(expression) => {
            if let Some(param) = params.first() {
                let message = format!(
                    "`{}` takes its input from an expression, and can't take `{}` beside it",
                    owner.key, param.key
                );
                cx.report(Code::Conflict, param.key_at, 1, message, None);
            }
            return expression;
        }
    };
    for param in params {
        match entries.iter_mut().find(|(key, _)| *key == param.key) {
            Some(entry) => entry.1 = param.value,
            None => entries.push((param.key, param.value)),
        }
    }
    Template::Map(entries.into())
}

fn links_of(
    cx: &mut Context<'_>,
    node: &Node,
    name: &str,
    kind: WorkflowKind,
    defaults: &Defaults,
) -> (Transitions, InTransitions) {
    if kind == WorkflowKind::Reverse {
        return (Transitions::default(), InTransitions::default());
    }
    let success = transitions::clause(cx, node, "on-success");
    let error = transitions::clause(cx, node, "on-error");
    let complete = transitions::clause(cx, node, "on-complete");
    let skip = transitions::clause(cx, node, "on-skip");
    let or_default = |own: Vec<Transition>, default: &[Transition]| {
        if !own.is_empty() {
            return own;
        }
        // A default leads a task everywhere but to itself.
        let leads_here = |transition: &Transition| match &transition.target {
            Target::Task(target) => **target == *name,
            Target::Command { .. } => false,
        };
        default
            .iter()
            .filter(|transition| !leads_here(transition))
            .cloned()
            .collect()
    };
    let transitions = Transitions {
        on_success: or_default(success.next, &defaults.transitions.on_success),
        on_error: or_default(error.next, &defaults.transitions.on_error),
        on_complete: or_default(complete.next, &defaults.transitions.on_complete),
        on_skip: or_default(skip.next, &defaults.transitions.on_skip),
    };
    let advanced = InTransitions {
        success: success.publish,
        error: error.publish,
        complete: complete.publish,
        skip: skip.publish,
    };
    (transitions, advanced)
}

fn join(cx: &mut Context<'_>, entry: &Entry) -> Option<Join> {
    match &entry.value.kind {
        NodeKind::Scalar(Value::String(text)) if &**text == "all" => Some(Join::All),
        NodeKind::Scalar(Value::String(text)) if &**text == "one" => Some(Join::Count(1)),
        // A join of 0 is none.
        NodeKind::Scalar(Value::Int(0)) => None,
        NodeKind::Scalar(Value::Int(count)) if let Ok(count) = u32::try_from(*count) => {
            Some(Join::Count(count))
        }
        _ => {
            cx.wrong_type(entry, "`all`, `one` or a whole number");
            None
        }
    }
}

/// `requires`: a task or a list of tasks.
fn requires(cx: &mut Context<'_>, node: &Node) -> Vec<Arc<str>> {
    let Some(entry) = node.entry("requires") else {
        return Vec::new();
    };
    match entry.value.as_str() {
        Some(text) if !text.is_empty() => vec![Arc::clone(text)],
        _ => cx.texts(entry),
    }
}

fn with_default_requires(mut own: Vec<Arc<str>>, name: &str, defaults: &Defaults) -> Vec<Arc<str>> {
    for required in &defaults.requires {
        if !own.contains(required) {
            own.push(Arc::clone(required));
        }
    }
    own.retain(|required| **required != *name);
    own
}
