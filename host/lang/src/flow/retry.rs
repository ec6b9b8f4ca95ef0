//! Retries that have no effect, or that go on for too long.

use ostro_core::Value;
use ostro_yaql::{Budget, Expression, NoHost, Role};
use rustc_hash::FxHashSet;

use super::Found;
use super::graph::Graph;
use super::outcome::names;
use crate::diagnostics::Code;
use crate::{Location, Retry, Task, Template};

/// More than this many seconds of waiting is most likely not meant.
const TOO_LONG: i64 = 30 * 24 * 60 * 60;

/// Checks the retry policy of each task.
pub(super) fn check(graph: &Graph<'_>, found: &mut Found) {
    // One that stands in the task defaults is that of many tasks.
    let mut seen: FxHashSet<(&Location, &'static str)> = FxHashSet::default();
    for task in &graph.tasks {
        let Some(retry) = &task.policies.retry else {
            continue;
        };
        for (what, code, message, hint) in problems(task, retry) {
            if seen.insert((&retry.location, what)) {
                found.add(code, &retry.location, 5, message, Some(hint.to_owned()));
            }
        }
    }
}

type Problem = (&'static str, Code, String, &'static str);

fn problems(task: &Task, retry: &Retry) -> Vec<Problem> {
    let mut problems = Vec::new();
    let count = number(&retry.count);
    if count == Some(0) {
        let message = "`retry` with a `count` of 0 never tries again".to_owned();
        problems.push((
            "count",
            Code::RetryWithoutEffect,
            message,
            "`count` is how often it tries again after the first time",
        ));
    }
    let delay = retry.delay.as_ref().and_then(number);
    if let (Some(count), Some(delay)) = (count, delay)
        && count.saturating_mul(delay) > TOO_LONG
    {
        let days = count.saturating_mul(delay) / (24 * 60 * 60);
        let message = format!("this may try again for {days} days: {count} times {delay} seconds");
        problems.push((
            "length",
            Code::EndlessRetry,
            message,
            "`delay` is in seconds; `break-on` can end the tries before",
        ));
    }
    if let Some(continue_on) = &retry.continue_on {
        match constant(continue_on) {
            Some(false) => problems.push((
                "continue-on",
                Code::RetryWithoutEffect,
                "`continue-on` is never true, so that it never tries again".to_owned(),
                "leave `continue-on` out to try again after each error",
            )),
            Some(true) => problems.push((
                "continue-on",
                Code::EndlessRetry,
                "`continue-on` is always true: it tries again after a success, too, until \
                 `count` is used up"
                    .to_owned(),
                "leave `continue-on` out to try again after errors alone",
            )),
            None if never_changes(continue_on, task) => problems.push((
                "continue-on",
                Code::EndlessRetry,
                "`continue-on` reads nothing that a try changes: it is the same after each"
                    .to_owned(),
                "look at the result with `task().result`, or at what the task publishes",
            )),
            None => {}
        }
    }
    if let Some(break_on) = &retry.break_on {
        match constant(break_on) {
            Some(true) => problems.push((
                "break-on",
                Code::RetryWithoutEffect,
                "`break-on` is always true, so that it never tries again".to_owned(),
                "leave the whole `retry` out, or give `break-on` what ends the tries",
            )),
            Some(false) => problems.push((
                "break-on",
                Code::RetryWithoutEffect,
                "`break-on` is never true, so that it ends nothing".to_owned(),
                "leave `break-on` out",
            )),
            None if never_changes(break_on, task) => problems.push((
                "break-on",
                Code::EndlessRetry,
                "`break-on` reads nothing that a try changes: it is the same after each".to_owned(),
                "look at the result with `task().result`, or at what the task publishes",
            )),
            None => {}
        }
    }
    problems
}

fn number(template: &Template) -> Option<i64> {
    match template {
        Template::Literal(value) => value.as_int(),
        _ => None,
    }
}

fn expression(template: &Template) -> Option<&Expression> {
    match template {
        Template::Expression(expression) => Some(&expression.expression),
        _ => None,
    }
}

/// The value of a condition that reads nothing.
fn constant(template: &Template) -> Option<bool> {
    let expression = expression(template)?;
    if expression.source().contains('$') || expression.functions().next().is_some() {
        return None;
    }
    let budget = Budget::default();
    let value = expression.evaluate(&Value::Null, &NoHost, &budget).ok()?;
    Some(value.is_truthy())
}

/// Whether a condition reads variables alone, none of which the task publishes.
fn never_changes(template: &Template, task: &Task) -> bool {
    let Some(expression) = expression(template) else {
        return false;
    };
    let published: FxHashSet<&str> = [&task.publish.success, &task.publish.error]
        .into_iter()
        .flat_map(names)
        .map(|name| &**name)
        .collect();
    let variables = expression.variables();
    let dollars = expression.source().matches('$').count();
    let changes = |name: &str| {
        !ostro_yaql::is_library_function(name) || matches!(name, "now" | "random" | "randomInt")
    };
    // Each `$` is the start of one of the variables, so that none takes the whole context.
    dollars == variables.len()
        && variables.iter().all(|variable| {
            matches!(variable.role, Role::Key | Role::OptionalKey)
                && !published.contains(variable.name)
        })
        && !expression.functions().any(|(name, _)| changes(name))
}
