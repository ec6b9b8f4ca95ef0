//! What must hold of the feed: each change of each turn once, in order, whatever crashed.

use std::collections::{BTreeMap, BTreeSet};

use ostro_core::{ActionExecutionId, ExecutionId, State, TaskExecutionId};
use ostro_engine::{Change as Decided, Decision, Execution};
use ostro_journal::{ChangeFilter, Journal};
use ostro_runtime::feed::{Body, Change};

use crate::check::{Kept, text};

/// What the turns of an execution changed, a line each.
pub(crate) type Told = BTreeMap<ExecutionId, Vec<String>>;

/// What a turn changed, as the engine has it.
pub(crate) fn lines(before: &Execution, decision: &Decision) -> Vec<String> {
    let mut new: BTreeSet<TaskExecutionId> = decision
        .execution
        .changed_tasks(before)
        .filter(|(_, old)| old.is_none())
        .map(|(task, _)| task.id().clone())
        .collect();
    let mut lines = Vec::new();
    for change in &decision.changes {
        lines.push(match change {
            Decided::Execution { state, info } => execution(*state, info.as_deref()),
            Decided::Task {
                id, state, info, ..
            } => task(new.remove(id), id, *state, info.as_deref()),
            Decided::Items {
                id, done, total, ..
            } => format!("{id} {done}/{total}"),
        });
    }
    for (one, _) in decision.execution.changed_tasks(before) {
        if new.remove(one.id()) {
            lines.push(task(true, one.id(), one.state(), one.state_info()));
        }
    }
    lines
}

/// As much of a reason as the feed tells.
fn told(info: Option<&str>) -> Option<String> {
    const MOST: usize = 4096;
    info.map(|info| match info.len() {
        ..=MOST => info.to_owned(),
        _ => format!("{}…", &info[..info.floor_char_boundary(MOST)]),
    })
}

fn execution(state: State, info: Option<&str>) -> String {
    format!("it is {state} {:?}", told(info))
}

fn task(is_new: bool, id: &TaskExecutionId, state: State, info: Option<&str>) -> String {
    format!(
        "{id} is {state} {:?}{}",
        told(info),
        if is_new { ", new" } else { "" }
    )
}

/// Whether the feed has what `kept` says; `said` is how much actions said on their way.
pub(crate) fn check(journal: &Journal, kept: &Kept, said: u64) -> Result<(), String> {
    let page = journal.changes(0, usize::MAX, &ChangeFilter::default());
    let changes = page.map_err(text)?.changes;
    let mut of: BTreeMap<ExecutionId, Vec<Change>> = BTreeMap::new();
    let mut heard = 0;
    for (number, stored) in (1..).zip(changes) {
        if stored.sequence != number {
            return Err(format!(
                "change {} comes after {}",
                stored.sequence,
                number - 1
            ));
        }
        let body = Body::decode(&stored.change.body).map_err(text)?;
        heard += match &body.change {
            Change::ActionProgress(_) | Change::ActionNote(_) => 1,
            Change::Dropped(dropped) => dropped.count,
            _ => 0,
        };
        let id = stored.change.execution_id.clone();
        of.entry(id.ok_or("a change is about nothing")?)
            .or_default()
            .push(body.change);
    }
    if heard > said {
        return Err(format!(
            "the feed has {heard} of what actions said {said} times"
        ));
    }
    if !of.keys().eq(kept.told.keys()) {
        return Err("the feed is about other executions than there are".to_owned());
    }
    for (id, changes) in of {
        let fault = |fault| format!("the feed of {id}: {fault}");
        let is = states(&changes).map_err(fault)?;
        let should = &kept.told[&id];
        if is != *should {
            return Err(fault(format!(
                "it has\n{is:#?}\nand should have\n{should:#?}"
            )));
        }
        let execution = &kept.family[&id];
        actions(&changes, execution).map_err(fault)?;
    }
    Ok(())
}

/// What became of an execution and its tasks.
fn states(changes: &[Change]) -> Result<Vec<String>, String> {
    if !matches!(changes.first(), Some(Change::ExecutionCreated(_))) {
        return Err("it does not begin with its creation".to_owned());
    }
    let lines = changes[1..].iter().filter_map(|change| match change {
        Change::ExecutionCreated(_) => Some("it is created again".to_owned()),
        Change::ExecutionChanged(one) => Some(execution(one.state, one.state_info.as_deref())),
        Change::TaskCreated(one) => Some(task(true, &one.id, one.state, one.state_info.as_deref())),
        Change::TaskChanged(one) => {
            Some(task(false, &one.id, one.state, one.state_info.as_deref()))
        }
        Change::TaskItems(one) => Some(format!("{} {}/{}", one.id, one.done, one.total)),
        _ => None,
    });
    Ok(lines.collect())
}

/// Whether each action that ended did so once, as it did, and says nothing after it.
fn actions(changes: &[Change], execution: &Execution) -> Result<(), String> {
    let mut ended: BTreeMap<&ActionExecutionId, State> = BTreeMap::new();
    let mut started = BTreeSet::new();
    for change in changes {
        match change {
            Change::ActionStarted(action) if !ended.contains_key(&action.id) => {
                started.insert(&action.id);
            }
            Change::ActionStarted(action) => return Err(format!("{} starts late", action.id)),
            Change::ActionEnded(action) if ended.insert(&action.id, action.state).is_some() => {
                return Err(format!("{} ended twice", action.id));
            }
            Change::ActionProgress(progress) if !started.contains(&progress.id) => {
                return Err(format!("{} says something before it starts", progress.id));
            }
            _ => {}
        }
    }
    let mut count = 0;
    for action in execution.tasks().flat_map(|task| task.actions()) {
        if action.state.is_completed() {
            count += 1;
            if ended.get(action.id) != Some(&action.state) {
                return Err(format!("{} is {} in the end", action.id, action.state));
            }
        }
    }
    if ended.len() != count {
        return Err(format!("{} actions ended, and {count} have", ended.len()));
    }
    Ok(())
}
