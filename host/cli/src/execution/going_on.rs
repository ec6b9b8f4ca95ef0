//! What an execution that is brought back goes on with, told before anything changes.

use console::style;
use ostro_core::{Clock as _, ExecutionId};
use ostro_engine::{Execution, Waiting};
use ostro_runtime::{Snapshots, SystemClock};

use crate::terminal::{self, clean_line};
use crate::text::{duration, seconds_between};

/// How many lines are said at most of what it waits for.
const MAX_LINES: usize = 10;

/// Says what is done with the execution `id` now, and if that is `detailed` what each part of it
/// waits for.
pub(super) fn tell(id: &ExecutionId, snapshots: &Snapshots, what: &str, detailed: bool) {
    let mut executions: Vec<_> = snapshots.iter().collect();
    executions.sort_by_key(|execution| (execution.created_at(), execution.id().clone()));
    let ended = executions
        .iter()
        .flat_map(|execution| execution.tasks())
        .filter(|task| task.state().is_completed())
        .count();
    let tasks = match ended {
        1 => "1 task has".to_owned(),
        many => format!("{many} tasks have"),
    };
    let workflow = snapshots.get(id).map(|root| root.workflow_name().clone());
    terminal::complain(&format!(
        "{} {what}: {tasks} ended (execution {id})",
        style(clean_line(&workflow.unwrap_or_default()))
            .bold()
            .for_stderr()
    ));
    if !detailed {
        return;
    }
    // As the runtime does: where the machine's clock was set back, time goes on from what was.
    let last = executions.iter().map(|execution| execution.updated_at());
    let now = last.max().unwrap_or_default().max(SystemClock.now_millis());
    let lines: Vec<String> = executions
        .iter()
        .flat_map(|execution| waits(execution, now))
        .collect();
    for line in lines.iter().take(MAX_LINES) {
        terminal::complain(line);
    }
    if lines.len() > MAX_LINES {
        terminal::complain(&format!("  … and {} more", lines.len() - MAX_LINES));
    }
}

/// A line for each thing that an execution waits for, but for its sub-workflows, which have
/// their own.
fn waits(execution: &Execution, now: i64) -> impl Iterator<Item = String> {
    let workflow = clean_line(execution.workflow_name());
    execution
        .waits_for()
        .into_iter()
        .filter_map(move |waiting| {
            let of = |task: &str| format!("  {workflow} / {}", clean_line(task));
            Some(match waiting {
                Waiting::Child { .. } => return None,
                Waiting::Start => format!("  {workflow}  has not begun"),
                Waiting::Person => format!("  {workflow}  was paused"),
                Waiting::Action {
                    id,
                    task,
                    deferred: true,
                } => format!("{}  waits for `ostro action complete {id}`", of(&task)),
                Waiting::Action { task, .. } => format!("{}  was at work", of(&task)),
                Waiting::Timer { task, at, .. } if at > now => {
                    let left = duration(seconds_between(now, at));
                    format!("{}  waits {left} more", of(&task))
                }
                Waiting::Timer { task, .. } => format!("{}  has waited long enough", of(&task)),
            })
        })
}
