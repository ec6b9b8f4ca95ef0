//! Checks of how the tasks of a workflow hang together.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::context::Context;
use super::transitions::COMMANDS;
use crate::diagnostics::Code;
use crate::spec::{Join, Target, Task, Transition, Workflow, WorkflowKind};
use crate::yaml::Node;

/// Checks the tasks of `workflow`, which was parsed from `node`.
pub(crate) fn check(cx: &mut Context<'_>, workflow: &Workflow, node: &Node) {
    match workflow.kind {
        WorkflowKind::Direct => direct(cx, workflow, node),
        WorkflowKind::Reverse => reverse(cx, workflow, node),
    }
}

fn transitions(task: &Task) -> impl Iterator<Item = &Transition> {
    let all = &task.transitions;
    [
        &all.on_success,
        &all.on_error,
        &all.on_complete,
        &all.on_skip,
    ]
    .into_iter()
    .flatten()
}

fn targets(task: &Task) -> impl Iterator<Item = &Arc<str>> {
    transitions(task).filter_map(|transition| match &transition.target {
        Target::Task(name) => Some(name),
        Target::Command { .. } => None,
    })
}

/// The names of the tasks in the text, those that could not be parsed too.
fn written(node: &Node) -> FxHashSet<&str> {
    let tasks = node.get("tasks").and_then(Node::as_map).unwrap_or_default();
    tasks.iter().map(|entry| &*entry.key).collect()
}

fn direct(cx: &mut Context<'_>, workflow: &Workflow, node: &Node) {
    let written = written(node);
    let mut inbound: FxHashMap<&str, FxHashSet<&str>> = FxHashMap::default();
    for task in workflow.tasks.values() {
        for transition in transitions(task) {
            let Target::Task(name) = &transition.target else {
                continue;
            };
            if !written.contains(&**name) {
                let known = workflow.tasks.keys().map(|name| &**name).chain(COMMANDS);
                let hint = cx.did_you_mean(name, known);
                let length = u32::try_from(name.chars().count()).unwrap_or(1);
                let message = format!("there is no task `{name}`");
                let location = transition.location.clone();
                cx.report_at(Code::UnknownTask, location, length, message, hint);
            }
            inbound.entry(name).or_default().insert(&task.name);
        }
    }
    if workflow.tasks.is_empty() {
        return;
    }
    let start: Vec<_> = workflow
        .tasks
        .values()
        .filter(|task| !inbound.contains_key(&*task.name))
        .collect();
    if start.is_empty() {
        let prefix = workflow
            .workbook
            .as_ref()
            .map_or(0, |workbook| workbook.len() + 1);
        let short_name = workflow.name.get(prefix..).unwrap_or_default();
        cx.report_at(
            Code::NoStartTask,
            workflow.location.clone(),
            u32::try_from(short_name.chars().count()).unwrap_or(1),
            "no task of this workflow can start: each has a task before it",
            Some("a workflow starts with the tasks that no transition leads to".to_owned()),
        );
    } else {
        unreachable(cx, workflow, start);
    }
    for task in workflow.tasks.values() {
        join(
            cx,
            task,
            node,
            inbound.get(&*task.name).map_or(0, FxHashSet::len),
        );
    }
}

fn unreachable(cx: &mut Context<'_>, workflow: &Workflow, start: Vec<&Arc<Task>>) {
    let mut reached: FxHashSet<&str> = start.iter().map(|task| &*task.name).collect();
    let mut open = start;
    while let Some(task) = open.pop() {
        for name in targets(task) {
            if reached.insert(name)
                && let Some(task) = workflow.tasks.get(name)
            {
                open.push(task);
            }
        }
    }
    for task in workflow
        .tasks
        .values()
        .filter(|task| !reached.contains(&*task.name))
    {
        let length = u32::try_from(task.name.chars().count()).unwrap_or(1);
        let message = format!(
            "the task `{}` can't be reached from any start task",
            task.name
        );
        let hint = "only tasks that can't be reached themselves lead to it".to_owned();
        cx.report_at(
            Code::UnreachableTask,
            task.location.clone(),
            length,
            message,
            Some(hint),
        );
    }
}

fn join(cx: &mut Context<'_>, task: &Task, node: &Node, inbound: usize) {
    let message = match task.join {
        Some(Join::All) if inbound == 0 => "`join: all` on a task that no task leads to".to_owned(),
        Some(Join::Count(count)) if inbound < usize::try_from(count).unwrap_or(usize::MAX) => {
            format!("this waits for {count} tasks, but only {inbound} can lead to it")
        }
        _ => return,
    };
    let entry = node
        .get("tasks")
        .and_then(|tasks| tasks.get(&task.name))
        .and_then(|task| task.entry("join"));
    if let Some(entry) = entry {
        cx.at_node(Code::UnmetJoin, &entry.value, message);
    }
}

fn reverse(cx: &mut Context<'_>, workflow: &Workflow, node: &Node) {
    let written = written(node);
    for task in workflow.tasks.values() {
        for name in task
            .requires
            .iter()
            .filter(|name| !written.contains(&***name))
        {
            let hint = cx.did_you_mean(name, workflow.tasks.keys().map(|name| &**name));
            let own = node
                .get("tasks")
                .and_then(|tasks| tasks.get(&task.name))
                .and_then(|task| task.entry("requires"));
            let default = node
                .get("task-defaults")
                .and_then(|all| all.entry("requires"));
            let message = format!("there is no task `{name}`");
            if let Some(entry) = own.or(default) {
                let value = &entry.value;
                cx.report(Code::UnknownTask, value.at, value.length, message, hint);
            }
        }
    }
    if let Some(cycle) = cycle(workflow)
        && let Some(task) = cycle.first().and_then(|name| workflow.tasks.get(*name))
    {
        let length = u32::try_from(task.name.chars().count()).unwrap_or(1);
        let shown = shortened(&cycle).join(" → ");
        let message = format!("tasks require each other in a circle: {shown}");
        let location = task.location.clone();
        cx.report_at(Code::NoStartTask, location, length, message, None);
    }
}

/// The first circle of tasks that require each other, from one of them back to itself. Each task
/// is looked at once.
fn cycle(workflow: &Workflow) -> Option<Vec<&str>> {
    // The place on the way from the first task; none once all behind the task is known.
    let mut seen: FxHashMap<&str, Option<usize>> = FxHashMap::default();
    for task in workflow.tasks.values() {
        if seen.contains_key(&*task.name) {
            continue;
        }
        seen.insert(&task.name, Some(0));
        let mut way: Vec<(&Task, usize)> = vec![(task, 0)];
        while let Some((at, next)) = way.last_mut() {
            let Some(name) = at.requires.get(*next) else {
                seen.insert(&at.name, None);
                way.pop();
                continue;
            };
            *next += 1;
            match seen.get(&**name) {
                Some(None) => {}
                Some(Some(place)) => {
                    let circle = way[*place..].iter().map(|(task, _)| &*task.name);
                    return Some(circle.chain([&**name]).collect());
                }
                None => {
                    if let Some(task) = workflow.tasks.get(name) {
                        seen.insert(&task.name, Some(way.len()));
                        way.push((task, 0));
                    }
                }
            }
        }
    }
    None
}

/// A long way without its middle.
fn shortened<'n>(way: &[&'n str]) -> Vec<&'n str> {
    const SHOWN: usize = 12;
    match way {
        [start @ .., end] if start.len() > SHOWN => {
            let mut short = start[..SHOWN].to_vec();
            short.extend(["…", end]);
            short
        }
        _ => way.to_vec(),
    }
}
