//! Policies of tasks and of task defaults.

use ostro_core::Value;

use super::context::Context;
use super::inline;
use super::template::{Fragment, is_expression, may_hold_expressions, template, text_template};
use crate::diagnostics::Code;
use crate::spec::{Policies, Retry};
use crate::template::Template;
use crate::yaml::{Entry, Node, NodeKind, Trace};

/// The keys of all policies.
pub(crate) const KEYS: &[&str] = &[
    "retry",
    "wait-before",
    "wait-after",
    "timeout",
    "pause-before",
    "concurrency",
    "fail-on",
];

/// The policies that `node` (a task, or task defaults) has. `concurrency` is not one of
/// [`Policies`]: it belongs to `with-items`.
pub(crate) fn policies(cx: &mut Context<'_>, node: &Node) -> Policies {
    Policies {
        retry: node.entry("retry").and_then(|entry| retry(cx, entry)),
        wait_before: whole_number(cx, node, "wait-before"),
        wait_after: whole_number(cx, node, "wait-after"),
        timeout: whole_number(cx, node, "timeout"),
        pause_before: truth(cx, node, "pause-before"),
        fail_on: truth(cx, node, "fail-on"),
    }
}

/// `own`, and what it lacks from `defaults`. As in Mistral, a policy of 0 or `false` is none.
pub(crate) fn with_defaults(own: Policies, defaults: &Policies) -> Policies {
    Policies {
        retry: own.retry.or_else(|| defaults.retry.clone()),
        wait_before: or_default(own.wait_before, defaults.wait_before.as_ref()),
        wait_after: or_default(own.wait_after, defaults.wait_after.as_ref()),
        timeout: or_default(own.timeout, defaults.timeout.as_ref()),
        pause_before: or_default(own.pause_before, defaults.pause_before.as_ref()),
        fail_on: or_default(own.fail_on, defaults.fail_on.as_ref()),
    }
}

/// `own` if it can have an effect, and else `default` if that can.
pub(crate) fn or_default(own: Option<Template>, default: Option<&Template>) -> Option<Template> {
    let has_effect = |template: &Template| match template {
        Template::Literal(value) => value.is_truthy(),
        _ => true,
    };
    own.filter(has_effect)
        .or_else(|| default.filter(|template| has_effect(template)).cloned())
}

/// An expression or a whole number from 0 under `key`.
pub(crate) fn whole_number(cx: &mut Context<'_>, node: &Node, key: &str) -> Option<Template> {
    let entry = node.entry(key)?;
    expression_or(
        cx,
        entry,
        "a whole number from 0 or an expression",
        |value| value.as_int().is_some_and(|number| number >= 0),
    )
}

/// An expression or a truth value under `key`.
pub(crate) fn truth(cx: &mut Context<'_>, node: &Node, key: &str) -> Option<Template> {
    let entry = node.entry(key)?;
    expression_or(cx, entry, "true, false or an expression", |value| {
        value.as_bool().is_some()
    })
}

fn expression_or(
    cx: &mut Context<'_>,
    entry: &Entry,
    wanted: &str,
    fits: impl Fn(&Value) -> bool,
) -> Option<Template> {
    match &entry.value.kind {
        NodeKind::Scalar(Value::String(text)) => {
            let template = expression(cx, &entry.value);
            if template.is_none() {
                let is_number = text.parse::<i64>().is_ok();
                let hint = is_number.then(|| "write the number without quotes".to_owned());
                let message = format!("`{}` must be {wanted}", entry.key);
                cx.report(
                    Code::WrongType,
                    entry.value.at,
                    entry.value.length,
                    message,
                    hint,
                );
            }
            template
        }
        NodeKind::Scalar(value) if fits(value) => Some(Template::Literal(value.clone())),
        _ => {
            cx.wrong_type(entry, wanted);
            None
        }
    }
}

/// The expression that `node` is, which may have a line break after it. None if it isn't one
/// expression. A Jinja2 expression is reported as such, and counts.
pub(crate) fn expression(cx: &mut Context<'_>, node: &Node) -> Option<Template> {
    let text = node.as_str()?;
    let trimmed = text.trim_end();
    let jinja = trimmed.starts_with("{{") && trimmed.ends_with("}}");
    if !is_expression(text) && !jinja && !starts_with_expression(text) {
        return None;
    }
    let trace = Trace::of(&cx.source, node);
    Some(text_template(
        cx,
        Fragment::new(text, &trace).part(0, trimmed.len()),
    ))
}

/// `<% a %> or <% b %>` is what Mistral's schema takes for one expression.
fn starts_with_expression(text: &str) -> bool {
    text.starts_with("<%") && text.trim_end().ends_with("%>")
}

fn retry(cx: &mut Context<'_>, entry: &Entry) -> Option<Retry> {
    let node = &entry.value;
    let retry = match &node.kind {
        NodeKind::Scalar(Value::String(text)) => {
            let trace = Trace::of(&cx.source, node);
            retry_line(cx, Fragment::new(text, &trace))
        }
        NodeKind::Map(_) => {
            cx.known_keys(
                Code::UnknownKey,
                node,
                "`retry`",
                &[&["count", "delay", "break-on", "continue-on"]],
            );
            RetryParts {
                count: whole_number(cx, node, "count"),
                delay: whole_number(cx, node, "delay"),
                break_on: condition(cx, node, "break-on"),
                continue_on: condition(cx, node, "continue-on"),
                has_count: node.entry("count").is_some(),
                has_delay: node.entry("delay").is_some(),
            }
        }
        _ => {
            cx.wrong_type(entry, "a mapping or `count=… delay=…`");
            return None;
        }
    };
    for (name, is_there) in [("count", retry.has_count), ("delay", retry.has_delay)] {
        if !is_there {
            cx.at_key(Code::MissingKey, entry, format!("`retry` needs `{name}`"));
        }
    }
    Some(Retry {
        count: retry.count?,
        delay: retry.delay,
        break_on: retry.break_on,
        continue_on: retry.continue_on,
        location: cx.location(entry.key_at),
    })
}

#[derive(Default)]
struct RetryParts {
    count: Option<Template>,
    delay: Option<Template>,
    break_on: Option<Template>,
    continue_on: Option<Template>,
    has_count: bool,
    has_delay: bool,
}

fn condition(cx: &mut Context<'_>, node: &Node, key: &str) -> Option<Template> {
    let entry = node.entry(key)?;
    let template = expression(cx, &entry.value);
    if template.is_none() {
        cx.wrong_type(entry, "an expression");
    }
    template
}

/// `count=5 delay=1`.
fn retry_line(cx: &mut Context<'_>, text: Fragment<'_>) -> RetryParts {
    let mut retry = RetryParts::default();
    for param in inline::params(cx, text) {
        let part = match &*param.key {
            "count" => {
                retry.has_count = true;
                &mut retry.count
            }
            "delay" => {
                retry.has_delay = true;
                &mut retry.delay
            }
            "break-on" => &mut retry.break_on,
            "continue-on" => &mut retry.continue_on,
            other => {
                let length = u32::try_from(other.chars().count()).unwrap_or(1);
                let message = format!("`retry` has no key `{other}`");
                cx.report(Code::UnknownKey, param.key_at, length, message, None);
                continue;
            }
        };
        let number = matches!(&*param.key, "count" | "delay");
        let fits = match &param.value {
            // An expression that is wrong has been reported already.
            Template::Literal(Value::String(text)) => may_hold_expressions(text),
            Template::Literal(value) => number && value.as_int().is_some(),
            _ => true,
        };
        if fits {
            *part = Some(param.value);
        } else {
            let length = u32::try_from(param.key.chars().count()).unwrap_or(1);
            let wanted = if number {
                "a whole number or an expression"
            } else {
                "an expression"
            };
            let message = format!("`{}` must be {wanted}", param.key);
            cx.report(Code::WrongType, param.key_at, length, message, None);
        }
    }
    retry
}

/// A truth value or text with expressions under `key`, as `keep-result` takes it.
pub(crate) fn any(cx: &mut Context<'_>, node: &Node, key: &str) -> Option<Template> {
    node.get(key).map(|value| template(cx, value))
}
