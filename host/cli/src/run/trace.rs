//! `--trace`: what happened in each turn, what the engine decided, and why.

use std::sync::Arc;

use ostro_core::{Map, State, Value};
use ostro_engine::Reason;
use ostro_runtime::{Notice, NoticeKind};
use serde::Serialize;

use crate::run::plain::elapsed;
use crate::terminal::clean_line;

/// How many characters of one value are shown; the JSON form has all.
const MAX_VALUE: usize = 120;
/// How many characters of an explanation are shown.
const MAX_INFO: usize = 300;

/// A turn as JSON has it.
#[derive(Serialize)]
struct Turn<'a> {
    at: i64,
    execution_id: &'a str,
    workflow: &'a str,
    reasons: &'a [Reason],
}

/// The turn that `notice` tells of, as text; none if it tells of something else.
pub(crate) fn text(notice: &Notice, began: i64) -> Option<String> {
    let NoticeKind::Decided { reasons } = &notice.kind else {
        return None;
    };
    let mut lines = Vec::with_capacity(reasons.len());
    let time = elapsed(notice.at, began);
    let workflow = clean_line(&notice.workflow);
    for (index, reason) in reasons.iter().enumerate() {
        let told = sentence(reason);
        lines.push(if index == 0 {
            format!("{time}  {workflow}: {told}")
        } else {
            format!("         - {told}")
        });
    }
    Some(lines.join("\n"))
}

/// The same as JSON on one line.
pub(crate) fn json(notice: &Notice) -> Option<String> {
    let NoticeKind::Decided { reasons } = &notice.kind else {
        return None;
    };
    // Reasons are names, numbers and values: there is nothing that JSON cannot hold.
    serde_json::to_string(&Turn {
        at: notice.at,
        execution_id: notice.execution_id.as_str(),
        workflow: &notice.workflow,
        reasons,
    })
    .ok()
}

#[expect(clippy::too_many_lines, reason = "one arm for each reason, each short")]
fn sentence(reason: &Reason) -> String {
    match reason {
        Reason::Event {
            event,
            task,
            state,
            detail,
        } => happened(
            event,
            task.as_deref(),
            state.map(State::as_str),
            detail.as_deref(),
        ),
        Reason::Nothing => "nothing follows from that".to_owned(),
        Reason::Action {
            task,
            action,
            index,
            attempt,
            at_once,
        } => {
            let over = if *at_once { ", over at once" } else { "" };
            let run = run(*index, *attempt);
            format!("{} runs {}{run}{over}", name(task), name(action))
        }
        Reason::SubWorkflow {
            task,
            workflow,
            index,
        } => {
            let run = run(*index, 1);
            format!("{} starts {}{run}", name(task), name(workflow))
        }
        Reason::Items {
            task,
            count,
            concurrency,
        } => {
            let limit = concurrency.map(|limit| format!(", {limit} at a time"));
            let limit = limit.unwrap_or_default();
            format!("{} runs over {count} items{limit}", name(task))
        }
        Reason::Ended { task, state } => format!("{} has ended in {state}", name(task)),
        Reason::Published {
            task,
            scope,
            variables,
        } => {
            let who = match *scope {
                "global" => "for all tasks",
                _ => "for the tasks that follow it",
            };
            format!("{} publishes {who}: {}", name(task), entries(variables))
        }
        Reason::Condition {
            task,
            clause,
            target,
            expression,
            value,
            holds,
        } => {
            let follows = if *holds { "follows" } else { "does not follow" };
            format!(
                "{} {clause}: {} is {}, so {} {follows}",
                name(task),
                cut(expression, MAX_VALUE),
                shown(value),
                name(target)
            )
        }
        Reason::Transition {
            task,
            clause,
            target,
        } => format!("{} {clause}: on to {}", name(task), name(target)),
        Reason::Join {
            task,
            standing,
            arrived,
            needed,
            missing,
        } => join(&name(task), standing, *arrived, *needed, missing),
        Reason::Policy {
            task,
            policy,
            outcome,
            detail,
        } => {
            let detail = detail.as_ref().map(|text| cut(text, MAX_VALUE));
            let detail = detail.map(|text| format!(" ({text})")).unwrap_or_default();
            let outcome = outcome.replace('-', " ");
            format!("{} {policy}: {outcome}{detail}", name(task))
        }
        Reason::Timer {
            task,
            purpose,
            after,
        } => {
            let after = seconds(*after);
            format!("{} has a timer for {purpose}, of {after} s", name(task))
        }
        Reason::AllEnded { failed, cancelled } => {
            let list = |what: &str, names: &[Arc<str>]| match names {
                [] => String::new(),
                names => format!("; {what}: {}", names_of(names)),
            };
            format!(
                "all tasks have ended{}{}",
                list("failed", failed),
                list("cancelled", cancelled)
            )
        }
        Reason::EndWaits { state, tasks } => {
            format!("it will end in {state} when {tasks} more tasks have ended")
        }
        Reason::Execution { state, info } => match info.as_deref().and_then(first_line) {
            Some(info) => format!("the execution is {state}: {}", cut(info, MAX_INFO)),
            None => format!("the execution is {state}"),
        },
        Reason::More => "… and more".to_owned(),
    }
}

fn happened(event: &str, task: Option<&str>, state: Option<&str>, detail: Option<&str>) -> String {
    let state = state.map(|state| format!(" {state}")).unwrap_or_default();
    let detail = detail.and_then(first_line).map(|text| cut(text, MAX_INFO));
    let why = detail
        .as_ref()
        .map(|text| format!(": {text}"))
        .unwrap_or_default();
    let whose = task.map_or_else(|| "nobody".to_owned(), name);
    match event {
        "started" => "the execution starts".to_owned(),
        "action-finished" => format!("the action of {whose} ended{state}{why}"),
        "child-finished" => format!("the sub-workflow of {whose} ended{state}{why}"),
        "timer-fired" => format!("the timer of {whose} fired{why}"),
        "action-changed" => format!("the action of {whose} is{state}"),
        "child-changed" => format!("the sub-workflow of {whose} is{state}"),
        "paused" => "somebody pauses the execution".to_owned(),
        "resumed" => "somebody resumes the execution".to_owned(),
        "parent-paused" => "the parent pauses the execution".to_owned(),
        "parent-resumed" => "the parent resumes the execution".to_owned(),
        "rerun" => format!("somebody runs {whose} again{why}"),
        "skipped" => format!("somebody skips {whose}"),
        "stopped" => format!("the execution is stopped as{state}{why}"),
        other => format!("{other}{state}{why}"),
    }
}

fn join(task: &str, standing: &str, arrived: usize, needed: usize, missing: &[Arc<str>]) -> String {
    let names = names_of(missing);
    match standing {
        "met" => format!("{task} has the {needed} branches that it needs"),
        "unmet" => format!("{task} can never be met: {names} will not come"),
        "late" => format!("{task} had started already, so this branch comes too late"),
        _ if missing.is_empty() => format!("{task} has {arrived} of {needed} branches"),
        _ => format!("{task} has {arrived} of {needed} branches, not yet {names}"),
    }
}

fn run(index: usize, attempt: u32) -> String {
    let item = match index {
        0 => String::new(),
        index => format!(" for item {index}"),
    };
    let again = match attempt {
        1 => String::new(),
        attempt => format!(", try {attempt}"),
    };
    item + &again
}

/// Milliseconds as seconds, without a fraction where there is none.
fn seconds(millis: i64) -> String {
    let text = format!("{}.{:03}", millis / 1000, millis % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn entries(variables: &Map) -> String {
    let entries: Vec<String> = variables
        .iter()
        .map(|(key, value)| format!("{} = {}", name(key), shown(value)))
        .collect();
    entries.join(", ")
}

fn shown(value: &Value) -> String {
    cut(&value.to_string(), MAX_VALUE)
}

fn names_of(names: &[Arc<str>]) -> String {
    let names: Vec<String> = names.iter().map(|text| name(text)).collect();
    names.join(", ")
}

fn name(text: &str) -> String {
    clean_line(text)
}

fn first_line(text: &str) -> Option<&str> {
    text.lines().find(|line| !line.trim().is_empty())
}

/// `text` on one line, with `limit` characters at most.
fn cut(text: &str, limit: usize) -> String {
    let text = clean_line(text);
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
