//! What an execution waits for.

use std::sync::Arc;

use ostro_core::{ActionExecutionId, ExecutionId, State};

use crate::event::TimerId;
use crate::execution::Execution;
use crate::task::RunKind;

/// Something that an execution waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Nobody has started it.
    Start,
    /// An action in flight.
    Action {
        /// Which.
        id: ActionExecutionId,
        /// The task that it runs for.
        task: Arc<str>,
        /// Whether somebody outside will end it.
        deferred: bool,
    },
    /// A sub-workflow.
    Child {
        /// Which.
        id: ExecutionId,
        /// The task that it runs for.
        task: Arc<str>,
    },
    /// A timer.
    Timer {
        /// Which.
        id: TimerId,
        /// The task that it is for.
        task: Arc<str>,
        /// When it fires, in milliseconds since 1970 UTC.
        at: i64,
    },
    /// A person who resumes it.
    Person,
}

impl Execution {
    /// Whether it waits for something that comes by itself.
    pub(crate) fn is_at_work(&self) -> bool {
        !(self.in_flight.is_empty() && self.timers.is_empty())
    }

    /// Whether something moves it without a person: an action that runs, a delay, a sub-workflow.
    /// While it is paused, only actions come to their end.
    pub fn moves_by_itself(&self) -> bool {
        let is_running = self.state == State::Running;
        let at_work = self.in_flight.values().any(|at| {
            let run = &self.tasks[at.task].runs[at.run];
            match run.kind {
                RunKind::Action { .. } => !run.deferred,
                RunKind::Child { .. } => is_running,
            }
        });
        !self.state.is_completed() && (at_work || is_running && !self.timers.is_empty())
    }

    /// All that this execution waits for. It is never empty between two turns, but for an
    /// execution that has ended.
    pub fn waits_for(&self) -> Vec<Waiting> {
        let mut waiting = Vec::new();
        if self.state.is_completed() {
            return waiting;
        }
        match self.state {
            State::Idle => waiting.push(Waiting::Start),
            State::Paused => waiting.push(Waiting::Person),
            _ => {}
        }
        for at in self.in_flight.values() {
            let task = &self.tasks[at.task];
            let run = &task.runs[at.run];
            let name = Arc::clone(&task.name);
            waiting.push(match &run.kind {
                RunKind::Action { id, .. } => Waiting::Action {
                    id: id.clone(),
                    task: name,
                    deferred: run.deferred,
                },
                RunKind::Child { id, .. } => Waiting::Child {
                    id: id.clone(),
                    task: name,
                },
            });
        }
        for (id, timer) in &self.timers {
            let task = Arc::clone(&self.tasks[timer.task].name);
            waiting.push(Waiting::Timer {
                id: id.clone(),
                task,
                at: timer.at,
            });
        }
        waiting
    }
}
