//! What a turn changed.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use ostro_core::{ActionErrorKind, ActionExecutionId, ActionOutcome, State, TaskExecutionId};
use ostro_engine::{ActionView, Change as Engine, Event, EventKind, Execution, TaskView};
use ostro_journal::Turn;

use super::{
    ActionFault, ActionState, Change, Dropped, ExecutionState, MAX_BYTES, TaskItems, TaskState,
    TaskWork, change, change_of, cut, started,
};
use crate::plan::Step;
use crate::record::Record;
use crate::{ActionEnd, ActionRef, ExecutionInfo, lock};

/// What is told of a turn beside its own changes.
#[derive(Clone, Copy)]
pub(crate) struct Told<'a> {
    /// What the engine says that it changed, in order.
    pub(crate) changes: &'a [Engine],
    /// How much of what actions said was left out since the turn before.
    pub(crate) dropped: u64,
    /// Where those actions are put that the turn itself ran from beginning to end.
    pub(crate) at_once: &'a Mutex<Vec<AtOnce>>,
}

/// An action that a turn ran from beginning to end.
pub(crate) struct AtOnce {
    pub(crate) action: Arc<ActionRef>,
    pub(crate) end: ActionEnd,
}

/// Writes into `turn` what it changes, in the order in which that came about: what was left out;
/// that the execution is there; what became of its actions; of itself and its tasks; what it starts.
/// An action that the turn itself ran from beginning to end comes before the end of its task.
#[expect(
    clippy::too_many_lines,
    reason = "what comes after what is best seen in one place"
)]
pub(crate) fn tell(
    turn: &mut Turn,
    record: &Record,
    (before, after): (&Execution, &Execution),
    event: &Event,
    is_first: bool,
    steps: &[Step],
    told: Told<'_>,
) {
    let about = &record.about;
    let workflow_id = record.library.id_of(&record.workflow);
    let mut push = |what: Change| {
        turn.change(change_of(about, workflow_id, event.now, what));
    };
    // As changes come about: what each is in.
    let mut state = before.state();
    let mut states: HashMap<TaskExecutionId, State> = HashMap::new();
    if told.dropped > 0 {
        let count = told.dropped;
        push(Change::Dropped(Dropped { count }));
    }
    if is_first {
        push(created(before));
    }
    // What the turn ends at once, as the execution ends, never gets to its runner.
    let handed: HashSet<&ActionExecutionId> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Run(call) => Some(&call.action.id),
            _ => None,
        })
        .collect();
    let mut at_once = Vec::new();
    let mut over: HashSet<ActionExecutionId> = HashSet::new();
    let mut new: HashSet<TaskExecutionId> = HashSet::new();
    let mut within: HashMap<TaskExecutionId, Vec<Change>> = HashMap::new();
    for (task, old) in after.changed_tasks(before) {
        for (action, was) in task.changed_actions(old) {
            if was == Some(action.state) {
                continue;
            }
            if action.state.is_completed() {
                let ended = action_state(task, &action, event);
                over.insert(ended.id.clone());
                if was.is_some() {
                    push(Change::ActionEnded(ended));
                } else if handed.contains(&ended.id) {
                    let ended = Change::ActionEnded(ended);
                    within.entry(task.id().clone()).or_default().push(ended);
                } else {
                    at_once.push(ran_at_once(task, &action, &ended));
                    let begun = ActionState {
                        state: State::Running,
                        error: None,
                        ..ended.clone()
                    };
                    let both = [Change::ActionStarted(begun), Change::ActionEnded(ended)];
                    within.entry(task.id().clone()).or_default().extend(both);
                }
            } else if was.is_some() {
                push(Change::ActionChanged(action_state(task, &action, event)));
            }
        }
        match old {
            None => {
                new.insert(task.id().clone());
            }
            Some(old) => {
                states.insert(task.id().clone(), old.state());
            }
        }
    }
    // A turn that is written again has the same ones.
    *lock(told.at_once) = at_once;
    for change in told.changes {
        match change {
            Engine::Execution { state: to, info } => {
                let was = std::mem::replace(&mut state, *to);
                push(Change::ExecutionChanged(ExecutionState {
                    was: Some(was),
                    ..execution_state(after, *to, info.as_deref())
                }));
            }
            Engine::Task {
                id,
                name,
                state,
                info,
            } => {
                let task = TaskState {
                    was: states.insert(id.clone(), *state),
                    state_info: info.as_deref().map(cut),
                    ..task_state(record, after, (id, name), *state)
                };
                if new.remove(id) {
                    push(Change::TaskCreated(task));
                    continue;
                }
                if state.is_completed() {
                    within.remove(id).into_iter().flatten().for_each(&mut push);
                }
                push(Change::TaskChanged(task));
            }
            Engine::Items {
                id,
                name,
                done,
                total,
            } => push(Change::TaskItems(TaskItems {
                id: id.clone(),
                name: name.to_string(),
                done: *done,
                total: *total,
            })),
        }
    }
    // One that has to wait for something else says nothing of itself.
    for (task, _) in after.changed_tasks(before) {
        if new.remove(task.id()) {
            push(Change::TaskCreated(TaskState {
                state_info: task.state_info().map(cut),
                ..task_state(record, after, (task.id(), task.name()), task.state())
            }));
        }
    }
    // Those whose task goes on.
    for (task, _) in after.changed_tasks(before) {
        let ended = within.remove(task.id());
        ended.into_iter().flatten().for_each(&mut push);
    }
    begin(turn, about, event.now, steps, &over);
}

fn ran_at_once(task: TaskView<'_>, action: &ActionView<'_>, ended: &ActionState) -> AtOnce {
    let action = ActionRef {
        id: ended.id.clone(),
        name: Arc::clone(action.name),
        task_id: task.id().clone(),
        task_name: Arc::clone(task.name()),
        attempt: ended.attempt,
    };
    let end = match (ended.state, &ended.error) {
        (State::Success, _) => ActionEnd::Success,
        (State::Error, Some(fault)) => ActionEnd::Error {
            kind: fault.kind,
            message: fault.message.clone(),
        },
        _ => ActionEnd::Cancelled,
    };
    AtOnce {
        action: Arc::new(action),
        end,
    }
}

/// What begins by a turn: sub-workflows, and actions but for those that are `over`.
fn begin(
    turn: &mut Turn,
    about: &ExecutionInfo,
    now: i64,
    steps: &[Step],
    over: &HashSet<ActionExecutionId>,
) {
    for step in steps {
        match step {
            Step::Start(prepared) => {
                let child = prepared.record();
                let workflow_id = child.library.id_of(&child.workflow);
                let created = created(&child.snapshot());
                turn.change(change_of(&child.about, workflow_id, now, created));
            }
            // Others wait, and are told of when they start.
            Step::Run(call) if call.slot.is_some() && !over.contains(&call.action.id) => {
                turn.change(change(about, now, started(&call.action)));
            }
            _ => {}
        }
    }
}

fn created(execution: &Execution) -> Change {
    Change::ExecutionCreated(ExecutionState {
        state: execution.state(),
        was: None,
        created_at: Some(execution.created_at()),
        state_info: None,
        output: None,
        output_bytes: None,
    })
}

fn execution_state(after: &Execution, state: State, info: Option<&str>) -> ExecutionState {
    let output = after.output().filter(|_| state.is_completed());
    let bytes = output.map_or(0, |output| {
        serde_json::to_vec(output).map_or(0, |json| json.len())
    });
    let is_small = bytes <= MAX_BYTES;
    ExecutionState {
        state,
        was: None,
        created_at: Some(after.created_at()),
        state_info: info.map(cut),
        output: output.filter(|_| is_small).cloned(),
        output_bytes: (!is_small).then_some(bytes),
    }
}

/// A task as it is when it comes to `state`, which it may have left by the end of the turn.
fn task_state(
    record: &Record,
    after: &Execution,
    (id, name): (&TaskExecutionId, &str),
    state: State,
) -> TaskState {
    let task = after.task(id);
    let began = !matches!(state, State::Idle | State::Waiting);
    let work = if record.runs_workflow(name) {
        TaskWork::Workflow
    } else {
        TaskWork::Action
    };
    TaskState {
        id: id.clone(),
        name: name.to_owned(),
        work: Some(work),
        state,
        was: None,
        state_info: None,
        created_at: task.map(|task| task.created_at()),
        started_at: task.and_then(|task| task.started_at().filter(|_| began)),
        finished_at: task.and_then(|task| task.ended_at().filter(|_| state.is_completed())),
    }
}

fn action_state(task: TaskView<'_>, action: &ActionView<'_>, event: &Event) -> ActionState {
    let error = (action.state == State::Error).then(|| match &event.kind {
        EventKind::ActionFinished {
            id,
            outcome: ActionOutcome::Error(error),
        } if id == action.id => ActionFault::of(error),
        _ => ActionFault {
            kind: action.blame.unwrap_or(ActionErrorKind::Host),
            message: cut(&action.output.as_str().map_or_else(
                || serde_json::to_string(action.output).unwrap_or_default(),
                str::to_owned,
            )),
        },
    });
    ActionState {
        id: action.id.clone(),
        name: action.name.to_string(),
        task_execution_id: Some(task.id().clone()),
        task_name: Some(task.name().to_string()),
        attempt: action.attempt,
        state: action.state,
        error,
    }
}
