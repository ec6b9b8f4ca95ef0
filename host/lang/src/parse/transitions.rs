//! `on-success`, `on-error`, `on-complete` and `on-skip`.

use ostro_core::Value;

use super::context::Context;
use super::inline;
use super::policies::expression;
use super::publish::{self, Entries};
use super::template::Fragment;
use crate::diagnostics::Code;
use crate::spec::{EngineCommand, Target, Transition};
use crate::template::Template;
use crate::yaml::{Entry, Node, NodeKind, Trace};

/// The keys of all transitions.
pub(crate) const KEYS: &[&str] = &["on-success", "on-error", "on-complete", "on-skip"];

/// One `on-…` with what it publishes.
#[derive(Default)]
pub(crate) struct Clause {
    pub(crate) next: Vec<Transition>,
    pub(crate) publish: Entries,
}

/// The engine command called `name`.
pub(crate) fn engine_command(name: &str) -> Option<EngineCommand> {
    Some(match name {
        "noop" => EngineCommand::Noop,
        "fail" => EngineCommand::Fail,
        "succeed" => EngineCommand::Succeed,
        "pause" => EngineCommand::Pause,
        _ => return None,
    })
}

/// The names of the engine commands.
pub(crate) const COMMANDS: [&str; 4] = ["noop", "fail", "succeed", "pause"];

/// The clause under `key` of a task or of task defaults.
pub(crate) fn clause(cx: &mut Context<'_>, node: &Node, key: &str) -> Clause {
    let Some(entry) = node.entry(key) else {
        return Clause::default();
    };
    let is_advanced = entry.value.get("publish").is_some() || entry.value.get("next").is_some();
    if !is_advanced {
        return Clause {
            next: next(cx, entry),
            publish: Entries::default(),
        };
    }
    let what = format!("`{key}` with `publish` or `next`");
    cx.known_keys(
        Code::UnknownKey,
        &entry.value,
        &what,
        &[&["publish", "next"]],
    );
    let publish = entry
        .value
        .entry("publish")
        .map(|entry| publish::advanced(cx, entry));
    let next = entry.value.entry("next").map(|entry| next(cx, entry));
    Clause {
        next: next.unwrap_or_default(),
        publish: publish.unwrap_or_default(),
    }
}

/// One transition, or a list of them.
fn next(cx: &mut Context<'_>, entry: &Entry) -> Vec<Transition> {
    match &entry.value.kind {
        NodeKind::List(items) if !items.is_empty() => items
            .iter()
            .filter_map(|item| one(cx, entry, item))
            .collect(),
        NodeKind::Scalar(Value::String(_)) | NodeKind::Map(_) => {
            one(cx, entry, &entry.value).into_iter().collect()
        }
        _ => {
            cx.wrong_type(
                entry,
                "a task, a list of tasks, or a mapping of tasks and conditions",
            );
            Vec::new()
        }
    }
}

fn one(cx: &mut Context<'_>, clause: &Entry, node: &Node) -> Option<Transition> {
    match &node.kind {
        NodeKind::Scalar(Value::String(text)) if !text.trim().is_empty() => {
            let trace = Trace::of(&cx.source, node);
            Some(transition(cx, Fragment::new(text, &trace), None))
        }
        NodeKind::Map(entries) => {
            let [entry] = entries.as_slice() else {
                let message = format!(
                    "a transition in `{}` is one task and its condition, not {} entries",
                    clause.key,
                    entries.len()
                );
                cx.report(
                    Code::WrongType,
                    node.at,
                    node.length,
                    message,
                    Some("write one list item for each task".to_owned()),
                );
                return None;
            };
            let condition = expression(cx, &entry.value);
            if condition.is_none() {
                let message = format!(
                    "the condition of `{}` must be an expression, not {}",
                    entry.key,
                    entry.value.describe()
                );
                if entry.value.is_null() {
                    let hint = "leave out the colon if there is no condition".to_owned();
                    cx.report(
                        Code::WrongType,
                        entry.key_at,
                        entry.key_length,
                        message,
                        Some(hint),
                    );
                } else {
                    cx.at_node(Code::WrongType, &entry.value, message);
                }
            }
            let key = Node {
                at: entry.key_at,
                length: entry.key_length,
                ..Node::scalar_like(Value::String(entry.key.clone()), node)
            };
            let trace = key_trace(cx, &key);
            Some(transition(cx, Fragment::new(&entry.key, &trace), condition))
        }
        _ => {
            let message = format!(
                "a transition in `{}` is a task, not {}",
                clause.key,
                node.describe()
            );
            cx.at_node(Code::WrongType, node, message);
            None
        }
    }
}

/// The places of a key: those of its text as it stands, if that is what stands there.
fn key_trace(cx: &Context<'_>, key: &Node) -> Trace {
    let style = match cx.source.from(key.at).chars().next() {
        Some('"') => crate::yaml::Style::Double,
        Some('\'') => crate::yaml::Style::Single,
        _ => crate::yaml::Style::Plain,
    };
    Trace::of(
        &cx.source,
        &Node {
            style,
            ..key.clone()
        },
    )
}

fn transition(cx: &mut Context<'_>, text: Fragment<'_>, condition: Option<Template>) -> Transition {
    let text = text.trimmed();
    // `fail(msg="x")` may be written without a space.
    let command = match text.text.find('(') {
        Some(at) if text.text.ends_with(')') => inline::Command {
            name: text.part(0, at).trimmed(),
            params: inline::params(cx, text.part(at + 1, text.text.len() - 1)),
        },
        _ => inline::command(cx, text),
    };
    let location = cx.location(command.name.place(0));
    let Some(engine) = engine_command(command.name.text) else {
        if let Some(param) = command.params.first() {
            let message = format!(
                "`{}` is ignored: a transition gives a task no parameters",
                param.key
            );
            cx.report(Code::Ignored, param.key_at, 1, message, None);
        }
        let target = Target::Task(command.name.text.into());
        return Transition {
            target,
            condition,
            location,
        };
    };
    let mut message = None;
    for param in command.params {
        if &*param.key == "msg" {
            message = Some(param.value);
        } else {
            let text = format!("`{}` is ignored: an engine command takes `msg`", param.key);
            cx.report(Code::Ignored, param.key_at, 1, text, None);
        }
    }
    Transition {
        target: Target::Command {
            command: engine,
            message,
        },
        condition,
        location,
    }
}
