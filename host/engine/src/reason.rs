//! Why a turn went as it did.
//!
//! Reasons are made only where somebody asks for them ([`explain`](crate::explain)), and are
//! the same whenever the turn is taken. They say nothing that a driver needs.

use std::sync::Arc;

use ostro_core::{ActionOutcome, Map, State, Value};
use ostro_lang::Template;
use serde::Serialize;

use crate::decide::Turn;
use crate::event::EventKind;
use crate::execution::TimerPurpose;
use crate::task::Clause;

/// How many reasons one turn gives at most.
const MAX_REASONS: usize = 1_000;

/// How many names one reason lists at most.
const MAX_NAMES: usize = 10;

/// Something that was decided, or why.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum Reason {
    /// What happened: the first reason of each turn.
    Event {
        /// The event's name, as `action-finished`.
        event: &'static str,
        /// The task that it is about.
        #[serde(skip_serializing_if = "Option::is_none")]
        task: Option<Arc<str>>,
        /// The state that it tells or wants.
        #[serde(skip_serializing_if = "Option::is_none")]
        state: Option<State>,
        /// What else it says: the timer's purpose, the message of a stop.
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// Nothing follows from the event: nobody waits for it any more, or it cannot be done now.
    Nothing,
    /// An action is run.
    Action {
        /// The task.
        task: Arc<str>,
        /// The action.
        action: Arc<str>,
        /// Which item it is for, from 0.
        index: usize,
        /// Which try it is, from 1.
        attempt: u32,
        /// Whether it was over in this turn, without a runner.
        at_once: bool,
    },
    /// A sub-workflow is started.
    SubWorkflow {
        /// The task.
        task: Arc<str>,
        /// The workflow.
        workflow: Arc<str>,
        /// Which item it is for, from 0.
        index: usize,
    },
    /// A task runs over items.
    Items {
        /// The task.
        task: Arc<str>,
        /// How many there are.
        count: usize,
        /// How many run at a time; none for all.
        concurrency: Option<usize>,
    },
    /// A task has ended.
    Ended {
        /// The task.
        task: Arc<str>,
        /// How.
        state: State,
    },
    /// A task published variables.
    Published {
        /// The task.
        task: Arc<str>,
        /// Who sees them: `branch` for the tasks that follow it, `global` for all.
        scope: &'static str,
        /// The variables.
        variables: Arc<Map>,
    },
    /// The condition of a transition was looked at.
    Condition {
        /// The task that has ended.
        task: Arc<str>,
        /// Where the transition stands: `on-success`, …
        clause: &'static str,
        /// Where it leads.
        target: Arc<str>,
        /// The condition.
        expression: String,
        /// Its value.
        value: Value,
        /// Whether that counts as true.
        holds: bool,
    },
    /// A transition is taken.
    Transition {
        /// The task that has ended.
        task: Arc<str>,
        /// Where the transition stands.
        clause: &'static str,
        /// The task or the engine command that it leads to.
        target: Arc<str>,
    },
    /// How a join stands.
    Join {
        /// The join.
        task: Arc<str>,
        /// `waits`, `met`, `unmet` or `late`: a branch came after it had started.
        standing: &'static str,
        /// How many branches have come.
        arrived: usize,
        /// How many it needs.
        needed: usize,
        /// Those that it waits for, or that will never come; the first of them.
        missing: Vec<Arc<str>>,
    },
    /// What a policy of a task said.
    Policy {
        /// The task.
        task: Arc<str>,
        /// Which one, as `retry`.
        policy: &'static str,
        /// What follows: `pauses`, `fails`, `tries-again`, …
        outcome: &'static str,
        /// In figures or words, where there are some.
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// A timer was set.
    Timer {
        /// The task.
        task: Arc<str>,
        /// What for: `wait-before`, `wait-after`, `retry`, `timeout`.
        purpose: &'static str,
        /// In how many milliseconds.
        after: i64,
    },
    /// All tasks have ended.
    AllEnded {
        /// Those whose failure nobody handled; the first of them.
        failed: Vec<Arc<str>>,
        /// Those that were cancelled; the first of them.
        cancelled: Vec<Arc<str>>,
    },
    /// An end by `fail` or `succeed` waits for the tasks that stand before it.
    EndWaits {
        /// How it will end.
        state: State,
        /// For how many tasks.
        tasks: usize,
    },
    /// The execution changed its state.
    Execution {
        /// To what.
        state: State,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none")]
        info: Option<String>,
    },
    /// There are more reasons than one turn gives.
    More,
}

impl Turn<'_> {
    /// Notes why, if anybody wants to know.
    pub(crate) fn because(&mut self, reason: impl FnOnce(&Self) -> Reason) {
        let Some(room) = self
            .reasons
            .as_ref()
            .map(|reasons| MAX_REASONS.saturating_sub(reasons.len()))
        else {
            return;
        };
        let reason = match room {
            0 => return,
            1 => Reason::More,
            _ => reason(self),
        };
        if let Some(reasons) = &mut self.reasons {
            reasons.push(reason);
        }
    }

    /// The name of a task execution's task.
    pub(crate) fn name_of(&self, task: usize) -> Arc<str> {
        Arc::clone(&self.execution.tasks[task].name)
    }

    /// Notes what a policy of `task` said.
    pub(crate) fn policy_said(
        &mut self,
        task: usize,
        policy: &'static str,
        outcome: &'static str,
        detail: Option<String>,
    ) {
        self.because(|turn| Reason::Policy {
            task: turn.name_of(task),
            policy,
            outcome,
            detail,
        });
    }

    /// What happened, in words.
    pub(crate) fn event_reason(&self, event: &EventKind) -> Reason {
        let execution = &self.execution;
        let of_run = |id: &str| {
            let at = execution.run_in_flight(id)?;
            Some(self.name_of(at.task))
        };
        let of_task = |id: &ostro_core::TaskExecutionId| {
            let task = execution.tasks.iter().find(|task| task.id == *id)?;
            Some(Arc::clone(&task.name))
        };
        let (event, task, state, detail) = match event {
            EventKind::Started => ("started", None, None, None),
            EventKind::ActionFinished { id, outcome } => {
                let (state, detail) = match outcome {
                    ActionOutcome::Success(_) => (Some(State::Success), None),
                    ActionOutcome::Error(error) => {
                        (Some(State::Error), Some(error.message.clone()))
                    }
                    ActionOutcome::Deferred => (None, Some("goes on elsewhere".to_owned())),
                };
                ("action-finished", of_run(id.as_str()), state, detail)
            }
            EventKind::ChildFinished {
                id,
                state,
                state_info,
                ..
            } => {
                let task = of_run(id.as_str());
                ("child-finished", task, Some(*state), state_info.clone())
            }
            EventKind::TimerFired { id } => {
                let timer = execution.timers.get(id);
                let task = timer.map(|timer| self.name_of(timer.task));
                let purpose = timer.map(|timer| timer.purpose.name().to_owned());
                ("timer-fired", task, None, purpose)
            }
            EventKind::ActionChanged { id, state } => {
                ("action-changed", of_run(id.as_str()), Some(*state), None)
            }
            EventKind::ChildChanged { id, state } => {
                ("child-changed", of_run(id.as_str()), Some(*state), None)
            }
            EventKind::Paused => ("paused", None, None, None),
            EventKind::Resumed { .. } => ("resumed", None, None, None),
            EventKind::ParentPaused => ("parent-paused", None, None, None),
            EventKind::ParentResumed { .. } => ("parent-resumed", None, None, None),
            EventKind::Rerun { task, reset, .. } => {
                let detail = (!reset).then(|| "without reset".to_owned());
                ("rerun", of_task(task), None, detail)
            }
            EventKind::Skipped { task, .. } => ("skipped", of_task(task), None, None),
            EventKind::Stopped { state, message } => {
                ("stopped", None, Some(*state), message.clone())
            }
            EventKind::GivenUp { reason } => {
                ("given-up", None, Some(State::Error), Some(reason.clone()))
            }
        };
        Reason::Event {
            event,
            task,
            state,
            detail,
        }
    }
}

/// The first of `names`.
pub(crate) fn first<'n>(names: impl IntoIterator<Item = &'n Arc<str>>) -> Vec<Arc<str>> {
    names.into_iter().take(MAX_NAMES).cloned().collect()
}

/// `template` as it was written.
pub(crate) fn written(template: &Template) -> String {
    match template.written() {
        Value::String(text) => text.to_string(),
        other => other.to_string(),
    }
}

impl Clause {
    /// As the definition has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Clause::Success => "on-success",
            Clause::Error => "on-error",
            Clause::Complete => "on-complete",
            Clause::Skip => "on-skip",
        }
    }
}

impl TimerPurpose {
    /// The policy that it is for.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            TimerPurpose::WaitBefore => "wait-before",
            TimerPurpose::WaitAfter { .. } => "wait-after",
            TimerPurpose::Retry => "retry",
            TimerPurpose::Timeout { .. } => "timeout",
        }
    }
}
