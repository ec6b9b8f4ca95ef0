//! What drivers, reports and people see of task executions.

use std::sync::Arc;

use ostro_core::{
    ActionErrorKind, ActionExecutionId, ExecutionId, Map, State, TaskExecutionId, Value,
};

use crate::changed::changed;
use crate::execution::Execution;
use crate::task::{Run, RunKind, TaskExecution};

/// A task execution, to look at.
#[derive(Clone, Copy, Debug)]
pub struct TaskView<'a> {
    task: &'a TaskExecution,
}

/// How far a with-items task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemsView {
    /// How many items have ended in this try.
    pub done: usize,
    /// How many there are.
    pub total: usize,
}

/// An action execution, to look at.
#[derive(Clone, Debug)]
pub struct ActionView<'a> {
    /// Its id.
    pub id: &'a ActionExecutionId,
    /// The action's full name.
    pub name: &'a Arc<str>,
    /// Its input.
    pub input: &'a Arc<Map>,
    /// Its state.
    pub state: State,
    /// Whether its output counts: a retry or a rerun takes that away.
    pub accepted: bool,
    /// Whether it will be finished from outside.
    pub deferred: bool,
    /// Whether it may run again when nobody knows how it ended.
    pub safe_rerun: bool,
    /// Who is to blame, if it failed: none where it ended otherwise, and where the state was
    /// stored before that was kept.
    pub blame: Option<ActionErrorKind>,
    /// Its result or error; null while there is none, and where the task keeps none.
    pub output: &'a Value,
    /// Which try of the task it belongs to, from 1.
    pub attempt: u32,
    /// Which item it is for, from 0.
    pub index: usize,
    /// When it started, in milliseconds since 1970 UTC.
    pub started_at: i64,
    /// When it ended.
    pub ended_at: Option<i64>,
}

/// A sub-workflow of a task, to look at.
#[derive(Clone, Debug)]
pub struct ChildView<'a> {
    /// Its execution.
    pub id: &'a ExecutionId,
    /// The workflow's full name.
    pub workflow: &'a Arc<str>,
    /// Its input, without defaults.
    pub input: &'a Arc<Map>,
    /// Its state, as far as the task knows: `Running` until it ends.
    pub state: State,
    /// Its output; null while there is none.
    pub output: &'a Value,
    /// Which try of the task it belongs to, from 1.
    pub attempt: u32,
    /// Which item it is for, from 0.
    pub index: usize,
}

impl<'a> TaskView<'a> {
    /// Its id.
    pub fn id(&self) -> &'a TaskExecutionId {
        &self.task.id
    }

    /// The task's name.
    pub fn name(&self) -> &'a Arc<str> {
        &self.task.name
    }

    /// Its state.
    pub fn state(&self) -> State {
        self.task.state
    }

    /// Why it is in its state.
    pub fn state_info(&self) -> Option<&'a str> {
        self.task.state_info.as_deref()
    }

    /// What `task(…).result` is.
    pub fn result(&self) -> Value {
        self.task.result(self.task.items.is_some())
    }

    /// What it published for the tasks after it.
    pub fn published(&self) -> &'a Arc<Map> {
        &self.task.published
    }

    /// How long each try may take, in milliseconds, if there is a limit.
    pub fn timeout(&self) -> Option<i64> {
        self.task.timeout
    }

    /// When it was created, in milliseconds since 1970 UTC.
    pub fn created_at(&self) -> i64 {
        self.task.created_at
    }

    /// When it began.
    pub fn started_at(&self) -> Option<i64> {
        self.task.started_at
    }

    /// When it ended.
    pub fn ended_at(&self) -> Option<i64> {
        self.task.ended_at
    }

    /// Which try it is at, from 1.
    pub fn attempt(&self) -> u32 {
        self.task.attempt
    }

    /// When it last changed, in milliseconds since 1970 UTC.
    pub fn updated_at(&self) -> i64 {
        self.task.updated_at
    }

    /// Whether what follows it has been decided.
    pub fn is_processed(&self) -> bool {
        self.task.processed
    }

    /// Whether its error was handled.
    pub fn is_error_handled(&self) -> bool {
        self.task.error_handled
    }

    /// How far it is, if it runs over items.
    pub fn items(&self) -> Option<ItemsView> {
        self.task.items.as_ref().map(|items| ItemsView {
            done: items.done,
            total: items.count,
        })
    }

    /// Its action executions, in the order of their start, those of earlier tries too.
    pub fn actions(&self) -> impl Iterator<Item = ActionView<'a>> + use<'a> {
        self.task.runs.iter().filter_map(|run| action(run))
    }

    /// Those of its action executions that are not as they are in `before`, which is this task
    /// execution earlier, or nothing if it is new since; and whether each is new since.
    pub fn changed_actions(
        &self,
        before: Option<TaskView<'a>>,
    ) -> impl Iterator<Item = (ActionView<'a>, Option<State>)> + use<'a> {
        let mut old = before.into_iter().flat_map(|task| task.task.runs.iter());
        self.task.runs.iter().filter_map(move |run| {
            let old = old.next();
            let is_same = old.is_some_and(|old| Arc::ptr_eq(old, run));
            action(run)
                .filter(|_| !is_same)
                .map(|action| (action, old.map(|run| run.state)))
        })
    }

    /// Its sub-workflows, in the order of their start, those of earlier tries too.
    pub fn children(&self) -> impl Iterator<Item = ChildView<'a>> + use<'a> {
        self.task.runs.iter().filter_map(|run| match &run.kind {
            RunKind::Child { id, workflow } => Some(ChildView {
                id,
                workflow,
                input: &run.input,
                state: run.state,
                output: &run.output,
                attempt: run.attempt,
                index: run.index,
            }),
            RunKind::Action { .. } => None,
        })
    }
}

fn action(run: &Run) -> Option<ActionView<'_>> {
    match &run.kind {
        RunKind::Action { id, name } => Some(ActionView {
            id,
            name,
            input: &run.input,
            state: run.state,
            accepted: run.accepted,
            deferred: run.deferred,
            safe_rerun: run.safe_rerun,
            blame: run.blame,
            output: &run.output,
            attempt: run.attempt,
            index: run.index,
            started_at: run.started_at,
            ended_at: run.ended_at,
        }),
        RunKind::Child { .. } => None,
    }
}

impl Execution {
    /// Those of its task executions that are not as they are in `before`, which is this execution
    /// earlier; each with how it was then, if it was there.
    pub fn changed_tasks<'a>(
        &'a self,
        before: &'a Execution,
    ) -> impl Iterator<Item = (TaskView<'a>, Option<TaskView<'a>>)> {
        changed(&self.tasks, &before.tasks)
            .map(|(task, old)| (TaskView { task }, old.map(|task| TaskView { task })))
    }

    /// Its task executions, in the order of their creation.
    pub fn tasks(&self) -> impl Iterator<Item = TaskView<'_>> {
        self.tasks.iter().map(|task| TaskView { task })
    }

    /// Those of its actions that are in flight, each with its task execution, in the order of
    /// their ids.
    pub fn actions_in_flight(&self) -> impl Iterator<Item = (TaskView<'_>, ActionView<'_>)> {
        self.in_flight.values().filter_map(|at| {
            let task = &self.tasks[at.task];
            action(&task.runs[at.run]).map(|action| (TaskView { task }, action))
        })
    }

    /// The task execution `id`.
    pub fn task(&self, id: &TaskExecutionId) -> Option<TaskView<'_>> {
        self.tasks().find(|task| task.id() == id)
    }
}
