//! The state of a task execution, and of the actions and sub-workflows that it runs.

use std::sync::Arc;

use imbl::{OrdMap, Vector};
use ostro_core::{
    ActionErrorKind, ActionExecutionId, ExecutionId, Map, State, TaskExecutionId, Value,
};
use serde::{Deserialize, Serialize};

use crate::context::Context;

/// Which clause of a task led to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Clause {
    Success,
    Error,
    Complete,
    Skip,
}

/// A run of an action or a sub-workflow: by the task and the run's place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunRef {
    pub(crate) task: usize,
    pub(crate) run: usize,
}

/// What a run runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RunKind {
    Action {
        id: ActionExecutionId,
        name: Arc<str>,
    },
    Child {
        id: ExecutionId,
        workflow: Arc<str>,
    },
}

/// One run of an action or a sub-workflow for a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) kind: RunKind,
    /// Which item it is for, from 0.
    pub(crate) index: usize,
    /// Which try of the task it belongs to, from 1.
    pub(crate) attempt: u32,
    #[serde(with = "ostro_core::stored::shared")]
    pub(crate) input: Arc<Map>,
    pub(crate) state: State,
    /// Whether its output counts: a retry or a rerun takes that away.
    pub(crate) accepted: bool,
    /// Whether it will be ended from outside.
    pub(crate) deferred: bool,
    /// Whether it may run again when nobody knows how it ended (`safe-rerun`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) safe_rerun: bool,
    /// Who is to blame, if it is an action that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) blame: Option<ActionErrorKind>,
    pub(crate) output: Value,
    pub(crate) started_at: i64,
    pub(crate) ended_at: Option<i64>,
}

impl Run {
    pub(crate) fn id(&self) -> &str {
        match &self.kind {
            RunKind::Action { id, .. } => id.as_str(),
            RunKind::Child { id, .. } => id.as_str(),
        }
    }
}

/// The items of a with-items task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Items {
    /// Each variable with its list; all lists have the length `count`.
    pub(crate) lists: Vec<(Arc<str>, Value)>,
    pub(crate) count: usize,
    /// How many run at a time; none for all.
    pub(crate) concurrency: Option<usize>,
    /// Which ones are to run, if not all: some ended before, and stay as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) chosen: Option<Arc<[usize]>>,
    /// The next one to start: its place in `chosen`, or among all.
    pub(crate) next: usize,
    /// How many are in flight.
    pub(crate) running: usize,
    /// How many have ended in this try, or stay as they are.
    pub(crate) done: usize,
}

impl Items {
    /// The next one to start, unless as many run as may.
    pub(crate) fn upcoming(&self) -> Option<usize> {
        if self.concurrency.is_some_and(|limit| self.running >= limit) {
            return None;
        }
        match &self.chosen {
            Some(chosen) => chosen.get(self.next).copied(),
            None => (self.next < self.count).then_some(self.next),
        }
    }
}

/// What a task was at when the execution ended before it did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Dropped {
    /// Its state; for one that had ended and waited after that, how it ended.
    pub(crate) state: State,
    pub(crate) info: Option<String>,
}

/// A join's branches.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Arrivals {
    /// The task executions that led here, by the name of their task.
    pub(crate) by_name: OrdMap<Arc<str>, (usize, Clause)>,
}

/// The state of one task execution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own about the task"
)]
pub(crate) struct TaskExecution {
    pub(crate) id: TaskExecutionId,
    pub(crate) name: Arc<str>,
    pub(crate) state: State,
    pub(crate) state_info: Option<String>,
    /// What it got from the tasks before it.
    pub(crate) context: Context,
    #[serde(with = "ostro_core::stored::shared")]
    pub(crate) published: Arc<Map>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) started_at: Option<i64>,
    pub(crate) ended_at: Option<i64>,
    /// Whether what follows it has been decided.
    pub(crate) processed: bool,
    /// The tasks that follow it.
    pub(crate) next: Vec<(Arc<str>, Clause)>,
    pub(crate) error_handled: bool,
    /// The branches that led to a join.
    pub(crate) arrivals: Arrivals,
    pub(crate) runs: Vector<Arc<Run>>,
    pub(crate) items: Option<Items>,
    /// Which try this is, from 1.
    pub(crate) attempt: u32,
    /// Whether `pause-before` has had its say.
    pub(crate) paused_before: bool,
    /// Whether `wait-after` has had its say.
    pub(crate) waited_after: bool,
    /// How long each try may take, in milliseconds.
    pub(crate) timeout: Option<i64>,
    /// What it was at when the execution ended before it did.
    pub(crate) dropped: Option<Dropped>,
    /// Whether this join, which was given up, waits again when a branch comes: something before
    /// it has run again.
    pub(crate) reopens: bool,
    /// Whether this is a later round of a join: branches of the earlier ones may count.
    pub(crate) again: bool,
}

impl TaskExecution {
    pub(crate) fn new(
        id: TaskExecutionId,
        name: Arc<str>,
        state: State,
        context: Context,
        now: i64,
    ) -> Self {
        Self {
            id,
            name,
            state,
            state_info: None,
            context,
            published: Arc::default(),
            created_at: now,
            updated_at: now,
            started_at: None,
            ended_at: None,
            processed: false,
            next: Vec::new(),
            error_handled: false,
            arrivals: Arrivals::default(),
            runs: Vector::new(),
            items: None,
            attempt: 1,
            paused_before: false,
            waited_after: false,
            timeout: None,
            dropped: None,
            reopens: false,
            again: false,
        }
    }

    /// What `task(…).result` is: the result; for with-items, the list of results of the items
    /// that have ended, in the order of the items.
    pub(crate) fn result(&self, with_items: bool) -> Value {
        let mut runs: Vec<&Run> = self
            .runs
            .iter()
            .map(|run| &**run)
            .filter(|run| run.accepted && run.state.is_completed())
            .collect();
        if !with_items && runs.len() == 1 {
            return runs[0].output.clone();
        }
        runs.sort_by_key(|run| run.index);
        runs.into_iter().map(|run| run.output.clone()).collect()
    }

    /// The run at `run`, to be changed.
    pub(crate) fn run_mut(&mut self, run: usize) -> &mut Run {
        Arc::make_mut(&mut self.runs[run])
    }

    /// How many runs of this try are in flight.
    pub(crate) fn running(&self) -> usize {
        self.runs
            .iter()
            .filter(|run| !run.state.is_completed())
            .count()
    }
}
