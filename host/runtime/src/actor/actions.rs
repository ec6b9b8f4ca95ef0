//! The actions of one execution: run, ended, cancelled.

use std::sync::Arc;
use std::time::Duration;

use ostro_core::{
    ActionCall, ActionContext, ActionError, ActionErrorKind, ActionExecutionId, ActionOutcome,
    Clock as _, Progress, ProgressSink, State,
};
use ostro_engine::EventKind;
use ostro_journal::Turn;
use tokio::task::{AbortHandle, JoinError};
use tracing::Instrument as _;

use super::Actor;
use crate::notice::{ActionEnd, ActionRef, NoticeKind};
use crate::plan::Call;
use crate::record::Record;
use crate::replay::{Known, Outstanding};
use crate::shared::{Phase, Shared};
use crate::slots::Slot;
use crate::turn::panic_message;
use crate::{RuntimeError, feed};

pub(super) struct InFlight {
    action: Arc<ActionRef>,
    /// None for an action that goes on elsewhere.
    run: Option<AbortHandle>,
}

impl Actor {
    pub(super) fn run_action(&mut self, call: Call) {
        let Call {
            action,
            input,
            timeout,
            slot,
        } = call;
        let about = &self.record.about;
        let call = ActionCall {
            name: Arc::clone(&action.name),
            input,
            context: ActionContext {
                project: Arc::clone(&about.project),
                execution_id: about.id.clone(),
                workflow_name: Arc::clone(&about.workflow),
                workflow_namespace: Arc::clone(&about.namespace),
                task_execution_id: Some(action.task_id.clone()),
                task_name: Some(Arc::clone(&action.task_name)),
                action_execution_id: action.id.clone(),
                attempt: action.attempt,
                timeout: timeout
                    .map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or_default())),
            },
            root: about.root_id.clone(),
            progress: Arc::new(Sink {
                shared: Arc::clone(&self.shared),
                record: Arc::clone(&self.record),
                action: Arc::clone(&action),
            }),
        };
        self.shared.add_action(&action.id, &self.record);
        let run = self.runs.spawn(run(
            Arc::clone(&self.shared),
            Arc::clone(&self.record),
            Arc::clone(&action),
            call,
            slot,
        ));
        self.running.insert(run.id(), action.id.clone());
        self.actions.insert(
            action.id.clone(),
            InFlight {
                action,
                run: Some(run),
            },
        );
    }

    /// Knows what the execution waited for when it was last in memory. Gives the actions, none of
    /// which runs.
    pub(super) fn take_up(&mut self, outstanding: Outstanding) -> Vec<(Call, Known)> {
        let Outstanding {
            calls,
            timers,
            children,
        } = outstanding;
        for (id, at) in timers {
            self.timers.set(id, at);
        }
        self.expects(children);
        for (call, _) in &calls {
            let action = Arc::clone(&call.action);
            self.shared.add_action(&action.id, &self.record);
            self.actions
                .insert(action.id.clone(), InFlight { action, run: None });
        }
        calls
    }

    /// Goes on with those of the actions that are still wanted.
    pub(super) async fn carry_out_again(&mut self, calls: Vec<(Call, Known)>) {
        let mut lost = Vec::new();
        for (call, known) in calls {
            if !self.actions.contains_key(&call.action.id) {
                continue;
            }
            match known {
                Known::NotStarted | Known::MayRunAgain => self.run_action(call),
                Known::Elsewhere => {}
                Known::Lost => lost.push(call.action),
            }
        }
        for action in lost {
            let message = format!(
                "the host stopped while {} was at work, and nobody knows whether it did its work; \
                 it is run again only where its task says `safe-rerun: true`",
                action.name
            );
            let outcome = ActionOutcome::Error(ActionError::new(ActionErrorKind::Host, message));
            let id = action.id.clone();
            self.happened(EventKind::ActionFinished { id, outcome })
                .await;
        }
    }

    /// Whether somebody outside may say that an action pauses, goes on or is cancelled.
    pub(super) fn check_change(
        &self,
        id: &ActionExecutionId,
        state: State,
    ) -> Result<(), RuntimeError> {
        let Some(in_flight) = self.actions.get(id) else {
            return Err(RuntimeError::UnknownAction(id.clone()));
        };
        if state != State::Cancelled && in_flight.run.is_some() {
            let reason = "only an action that is finished from outside can pause";
            return Err(RuntimeError::Invalid(reason.to_owned()));
        }
        Ok(())
    }

    /// The end of an action is committed. One that came from outside ends its run.
    pub(super) fn finished_from_outside(
        &mut self,
        id: &ActionExecutionId,
        outcome: &ActionOutcome,
    ) {
        if *outcome == ActionOutcome::Deferred {
            return;
        }
        if let Some(in_flight) = self.actions.remove(id) {
            self.release(id, &in_flight);
            if in_flight.run.is_some() {
                self.publish_end(in_flight.action, outcome);
            }
        }
    }

    /// The event that the end of a run is, if anybody still wants to know.
    pub(super) fn run_ended(
        &mut self,
        ended: Result<(tokio::task::Id, ActionOutcome), JoinError>,
    ) -> Option<EventKind> {
        let (run, outcome) = match ended {
            Ok(ended) => ended,
            Err(error) => (error.id(), ActionOutcome::Error(crash(error))),
        };
        let id = self.running.remove(&run)?;
        let in_flight = self.actions.get_mut(&id)?;
        let action = Arc::clone(&in_flight.action);
        if outcome == ActionOutcome::Deferred {
            in_flight.run = None;
        } else {
            self.actions.remove(&id);
            self.shared.remove_action(&id, &self.record);
        }
        self.publish_end(action, &outcome);
        Some(EventKind::ActionFinished { id, outcome })
    }

    pub(super) fn cancel_action(&mut self, id: &ActionExecutionId) {
        let Some(in_flight) = self.actions.remove(id) else {
            return;
        };
        self.release(id, &in_flight);
        let ended = NoticeKind::ActionEnded {
            action: in_flight.action,
            end: ActionEnd::Cancelled,
        };
        self.shared.hub.publish(&self.record.about, ended);
    }

    /// Lets go of an action that is not in flight any more, and of its run.
    fn release(&mut self, id: &ActionExecutionId, in_flight: &InFlight) {
        self.shared.remove_action(id, &self.record);
        if let Some(run) = &in_flight.run {
            run.abort();
            self.running.remove(&run.id());
        }
    }

    fn publish_end(&self, action: Arc<ActionRef>, outcome: &ActionOutcome) {
        let end = match outcome {
            ActionOutcome::Success(_) => ActionEnd::Success,
            ActionOutcome::Error(ActionError { kind, message, .. }) => ActionEnd::Error {
                kind: *kind,
                message: message.clone(),
            },
            ActionOutcome::Deferred => ActionEnd::Deferred,
        };
        self.shared
            .hub
            .publish(&self.record.about, NoticeKind::ActionEnded { action, end });
    }
}

/// Runs one action when its turn has come.
async fn run(
    shared: Arc<Shared>,
    record: Arc<Record>,
    action: Arc<ActionRef>,
    call: ActionCall,
    slot: Option<Slot>,
) -> ActionOutcome {
    // Where there is one already, its turn says that it starts.
    let _slot = if let Some(slot) = slot {
        slot
    } else {
        let slot = shared.slots.acquire(&record.about.root_id).await;
        if *shared.phase().borrow() == Phase::Closed {
            // What others left behind as the runtime closed is no leave to start.
            return std::future::pending().await;
        }
        if let Err(outcome) = note_start(&shared, &record, &action).await {
            return outcome;
        }
        slot
    };
    // As loud as anything is: a warning has the ids where only warnings are logged.
    let span = tracing::error_span!(
        "action",
        action = &*action.name,
        execution_id = %record.about.id,
        task_execution_id = %action.task_id,
        action_execution_id = %action.id,
        project_id = &*record.about.project,
    );
    shared
        .hub
        .publish(&record.about, NoticeKind::ActionStarted { action });
    let runner = Arc::clone(record.library.runner());
    let run = async move {
        tracing::debug!("runs");
        let outcome = runner.run(call).await;
        tracing::debug!(end = outcome_name(&outcome), "has run");
        outcome
    };
    run.instrument(span).await
}

fn outcome_name(outcome: &ActionOutcome) -> &'static str {
    match outcome {
        ActionOutcome::Success(_) => "success",
        ActionOutcome::Error(_) => "error",
        ActionOutcome::Deferred => "deferred",
    }
}

/// Notes durably that an action is handed to its runner: after a crash, one that was is told from
/// one that was not. One that cannot be noted does not start.
async fn note_start(
    shared: &Shared,
    record: &Record,
    action: &ActionRef,
) -> Result<(), ActionOutcome> {
    let Some(durable) = shared.store.durable() else {
        return Ok(());
    };
    let now = shared.clock.now_millis();
    let make = || {
        let mut turn = Turn::new();
        let id = action.id.clone();
        if shared.feeds().is_some() {
            let change = feed::change(&record.about, now, feed::started(action));
            turn.action_started_and_told(id, now, change);
        } else {
            turn.action_started(id, now);
        }
        Ok(turn)
    };
    durable
        .insist((&shared.hub, &record.about), make)
        .await
        .map_err(|_| {
            // Its turn finds the same, and tells it.
            let message = "it was not started: that could not be noted in the journal";
            ActionOutcome::Error(ActionError::new(ActionErrorKind::Host, message))
        })
}

/// What a run that did not come to its end is to the engine.
fn crash(error: JoinError) -> ActionError {
    let message = match error.try_into_panic() {
        Ok(panic) => {
            let reason = panic_message(panic.as_ref());
            format!("the host failed while it ran the action, which is a bug: {reason}")
        }
        Err(error) => format!("the host stopped while it ran the action: {error}"),
    };
    ActionError::new(ActionErrorKind::Host, message)
}

/// Turns what an action says about itself into notices.
struct Sink {
    shared: Arc<Shared>,
    record: Arc<Record>,
    action: Arc<ActionRef>,
}

impl ProgressSink for Sink {
    fn progress(&self, _: &ActionContext, progress: Progress) {
        let ActionRef { id, name, .. } = &*self.action;
        feed::note(&self.shared, &self.record, || {
            feed::Change::ActionProgress(feed::ActionProgress::of(id, name, &progress))
        });
        let action = Arc::clone(&self.action);
        self.shared.hub.publish(
            &self.record.about,
            NoticeKind::Progress { action, progress },
        );
    }

    fn note(&self, _: &ActionContext, line: &str) {
        let ActionRef { id, name, .. } = &*self.action;
        feed::note(&self.shared, &self.record, || {
            feed::Change::ActionNote(feed::ActionNote::of(id, name, line))
        });
        let action = Arc::clone(&self.action);
        self.shared.hub.publish(
            &self.record.about,
            NoticeKind::Note {
                action,
                line: line.into(),
            },
        );
    }
}
