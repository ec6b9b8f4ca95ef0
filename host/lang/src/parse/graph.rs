//! Checks of how the tasks of a workflow hang together.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::context::Context;
use super::transitions::COMMANDS;
use crate::diagnostics::Code;
use crate::spec::{Join, Target, Task, Transition, Workflow, WorkflowKind};
use crate::suggest::did_you_mean;
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
            if !written.contains(&**name) && !cx.is_full() {
                let known = workflow.tasks.keys().map(|name| &**name).chain(COMMANDS);
                let hint = did_you_mean(name, known);
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
            if cx.is_full() {
                return;
            }
            let hint = did_you_mean(name, workflow.tasks.keys().map(|name| &**name));
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
    for task in workflow.tasks.values() {
        if let Some(cycle) = cycle(workflow, task) {
            let length = u32::try_from(task.name.chars().count()).unwrap_or(1);
            let message = format!(
                "tasks require each other in a circle: {}",
                cycle.join(" → ")
            );
            cx.report_at(
                Code::NoStartTask,
                task.location.clone(),
                length,
                message,
                None,
            );
            return;
        }
    }
}

/// The way from `task` back to itself along `requires`, if there is one.
fn cycle<'w>(workflow: &'w Workflow, task: &'w Task) -> Option<Vec<&'w str>> {
    let mut came_from: FxHashMap<&str, &str> = FxHashMap::default();
    let mut open: Vec<&Task> = vec![task];
    while let Some(at) = open.pop() {
        for name in &at.requires {
            if *name == task.name {
                let mut way = vec![&*task.name, &*at.name];
                while let Some(before) = came_from.get(way[way.len() - 1]) {
                    way.push(before);
                }
                if at.name == task.name {
                    way.pop();
                }
                way.reverse();
                way.push(&*task.name);
                way.dedup();
                return Some(way);
            }
            if let Some(next) = workflow.tasks.get(name)
                && !came_from.contains_key(&**name)
            {
                came_from.insert(&next.name, &at.name);
                open.push(next);
            }
        }
    }
    None
}
