//! Specs as text: enough to see what a definition was understood as.

use std::fmt::Write as _;
use std::sync::Arc;

use ostro_lang::{
    AdHocAction, Input, Join, OnState, Parsed, Part, Publish, Target, Task, Template, Transition,
    Work, Workflow,
};

/// The outline of everything that was parsed.
pub(crate) fn of(parsed: &Parsed) -> String {
    let mut out = String::new();
    for workbook in &parsed.workbooks {
        line(&mut out, 0, "workbook", &workbook.name);
        maybe(&mut out, 1, "description", workbook.description.as_deref());
        list(&mut out, 1, "tags", &workbook.tags);
        workbook
            .workflows
            .iter()
            .for_each(|w| workflow(&mut out, w));
        workbook.actions.iter().for_each(|a| action(&mut out, a));
    }
    parsed.workflows.iter().for_each(|w| workflow(&mut out, w));
    parsed.actions.iter().for_each(|a| action(&mut out, a));
    out
}

fn line(out: &mut String, depth: usize, key: &str, value: &str) {
    writeln!(out, "{}{key} {value}", "  ".repeat(depth)).unwrap();
}

fn maybe(out: &mut String, depth: usize, key: &str, value: Option<&str>) {
    if let Some(value) = value {
        line(out, depth, key, &format!("{value:?}"));
    }
}

fn list(out: &mut String, depth: usize, key: &str, values: &[Arc<str>]) {
    if !values.is_empty() {
        line(out, depth, key, &values.join(", "));
    }
}

fn shown(out: &mut String, depth: usize, key: &str, value: Option<&Template>) {
    if let Some(value) = value {
        line(out, depth, key, &template(value));
    }
}

fn workflow(out: &mut String, workflow: &Workflow) {
    line(
        out,
        0,
        "workflow",
        &format!("{} ({:?})", workflow.name, workflow.kind),
    );
    maybe(out, 1, "workbook", workflow.workbook.as_deref());
    maybe(out, 1, "description", workflow.description.as_deref());
    list(out, 1, "tags", &workflow.tags);
    inputs(out, &workflow.input);
    shown(out, 1, "vars", workflow.vars.as_ref());
    workflow.tasks.values().for_each(|t| task(out, t));
    shown(out, 1, "output", workflow.output.as_ref());
    shown(out, 1, "output-on-error", workflow.output_on_error.as_ref());
}

fn inputs(out: &mut String, inputs: &[Input]) {
    for input in inputs {
        match &input.default {
            Some(default) => {
                line(
                    out,
                    1,
                    "input",
                    &format!("{} = {}", input.name, template(default)),
                );
            }
            None => line(out, 1, "input", &input.name),
        }
    }
}

fn action(out: &mut String, action: &AdHocAction) {
    line(out, 0, "action", &action.name);
    maybe(out, 1, "description", action.description.as_deref());
    list(out, 1, "tags", &action.tags);
    inputs(out, &action.input);
    line(
        out,
        1,
        "base",
        &format!("{} {}", action.base, template(&action.base_input)),
    );
    shown(out, 1, "output", action.output.as_ref());
}

fn task(out: &mut String, task: &Task) {
    line(
        out,
        1,
        "task",
        &format!("{} at {}", task.name, task.location),
    );
    maybe(out, 2, "description", task.description.as_deref());
    list(out, 2, "tags", &task.tags);
    let work = match &task.work {
        Work::Noop => "noop".to_owned(),
        Work::Action(name) => format!("action {}", template(name)),
        Work::Workflow(name) => format!("workflow {}", template(name)),
    };
    line(out, 2, "runs", &format!("{work} {}", template(&task.input)));
    if let Some(with_items) = &task.with_items {
        for (name, items) in &with_items.items {
            line(out, 2, "for", &format!("{name} in {}", template(items)));
        }
        shown(out, 2, "concurrency", with_items.concurrency.as_ref());
    }
    match task.join {
        None => {}
        Some(Join::All) => line(out, 2, "join", "all"),
        Some(Join::Count(count)) => line(out, 2, "join", &count.to_string()),
    }
    list(out, 2, "requires", &task.requires);
    let policies = &task.policies;
    if let Some(retry) = &policies.retry {
        line(out, 2, "retry", &template(&retry.count));
        shown(out, 3, "delay", retry.delay.as_ref());
        shown(out, 3, "break-on", retry.break_on.as_ref());
        shown(out, 3, "continue-on", retry.continue_on.as_ref());
    }
    for (key, value) in [
        ("wait-before", &policies.wait_before),
        ("wait-after", &policies.wait_after),
        ("timeout", &policies.timeout),
        ("pause-before", &policies.pause_before),
        ("fail-on", &policies.fail_on),
        ("keep-result", &task.keep_result),
        ("safe-rerun", &task.safe_rerun),
        ("target", &task.target),
    ] {
        shown(out, 2, key, value.as_ref());
    }
    let OnState {
        success,
        error,
        skip,
    } = &task.publish;
    publish(out, "publish", success);
    publish(out, "publish-on-error", error);
    publish(out, "publish-on-skip", skip);
    transitions(out, "on-success", &task.transitions.on_success);
    transitions(out, "on-error", &task.transitions.on_error);
    transitions(out, "on-complete", &task.transitions.on_complete);
    transitions(out, "on-skip", &task.transitions.on_skip);
}

fn publish(out: &mut String, key: &str, publish: &Publish) {
    for (scope, value) in [
        ("branch", &publish.branch),
        ("global", &publish.global),
        ("atomic", &publish.atomic),
    ] {
        shown(out, 2, &format!("{key} {scope}"), value.as_ref());
    }
}

fn transitions(out: &mut String, key: &str, transitions: &[Transition]) {
    for transition in transitions {
        let mut text = match &transition.target {
            Target::Task(name) => name.to_string(),
            Target::Command { command, message } => {
                let message = message.as_ref().map(|m| format!(" msg={}", template(m)));
                format!("[{command:?}]{}", message.unwrap_or_default())
            }
        };
        if let Some(condition) = &transition.condition {
            write!(text, " if {}", template(condition)).unwrap();
        }
        line(out, 2, key, &text);
    }
}

/// Literals as JSON, expressions as `<% … %>` with their place, texts in quotes.
fn template(value: &Template) -> String {
    match value {
        Template::Literal(value) => value.to_string(),
        Template::Expression(expression) => {
            let at = &expression.location;
            format!(
                "<% {} %>@{}:{}",
                expression.expression.source(),
                at.line,
                at.column
            )
        }
        Template::Text(parts) => {
            let parts: Vec<_> = parts
                .iter()
                .map(|part| match part {
                    Part::Text(text) => format!("{text:?}"),
                    Part::Expression(expression) => {
                        let at = &expression.location;
                        format!(
                            "<% {} %>@{}:{}",
                            expression.expression.source(),
                            at.line,
                            at.column
                        )
                    }
                })
                .collect();
            parts.join(" + ")
        }
        Template::Jinja(jinja) => {
            let at = &jinja.location;
            format!("{}@{}:{}", jinja.template.source(), at.line, at.column)
        }
        Template::List(items) => {
            format!(
                "[{}]",
                items.iter().map(template).collect::<Vec<_>>().join(", ")
            )
        }
        Template::Map(entries) => {
            let entries: Vec<_> = entries
                .iter()
                .map(|(key, value)| format!("{key}: {}", template(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}
