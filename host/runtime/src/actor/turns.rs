//! One turn: decide, commit, carry out.

use std::sync::atomic::Ordering;

use ostro_core::{Clock as _, ExecutionId, State, Value};
use ostro_engine::{Decision, Event, EventKind};
use ostro_journal::{JournalError, LetterId, Turn};

use super::{Actor, Place};
use crate::plan::{Planner, Step, Tell};
use crate::record::{Message, Standing};
use crate::store::Unwritten;
use crate::turn::{self, Committed, Decided};
use crate::{NoticeKind, RuntimeError, keep};

/// Why an execution whose data nests without an end comes to one.
const TOO_DEEP: &str = "what it holds nests more than 127 levels deep, which cannot be kept";

impl Actor {
    /// Takes the execution one event further. The error is why it was not taken: only somebody
    /// outside (`may_fail`) is refused.
    pub(super) async fn turn(
        &mut self,
        kind: EventKind,
        letter: Option<LetterId>,
        may_fail: bool,
    ) -> Result<(), RuntimeError> {
        let control = matches!(
            kind,
            EventKind::Paused | EventKind::Resumed { .. } | EventKind::Stopped { .. }
        );
        if control && self.finished {
            self.ignore(letter).await;
            return Err(RuntimeError::Ended(self.record.about.id.clone()));
        }
        self.now = self.now.max(self.shared.clock.now_millis());
        let written = match self.decide(kind.clone()) {
            Ok(decided) => self.write(decided, letter.clone(), may_fail).await,
            Err(reason) => {
                tracing::error!(execution = %self.record.about.id, reason, "the engine panicked");
                let reason = format!("the engine failed, which is a bug of its own: {reason}");
                return self.give_up(reason, letter, &kind).await;
            }
        };
        match written {
            Ok(committed) => {
                self.settle(&kind);
                self.carry_out(committed);
                keep::snapshot(&self.shared, &self.record);
                Ok(())
            }
            Err(Unwritten::TooDeep) if may_fail => {
                self.refuse();
                Err(RuntimeError::Invalid(TOO_DEEP.to_owned()))
            }
            Err(Unwritten::TooDeep) => self.give_up(TOO_DEEP.to_owned(), letter, &kind).await,
            Err(Unwritten::Journal(error)) => Err(self.unwritten(may_fail, error)),
        }
    }

    /// Makes a turn durable.
    async fn write(
        &mut self,
        (event, decision): (Event, Decision),
        letter: Option<LetterId>,
        may_fail: bool,
    ) -> Result<Committed, Unwritten> {
        let Decision {
            execution,
            commands,
            changes,
            reasons,
            question: _,
        } = decision;
        let runs = !execution.state().is_completed();
        let planner = Planner {
            shared: &self.shared,
            record: &self.record,
            event: self.record.next_event.load(Ordering::Relaxed).max(1),
            steps: Vec::with_capacity(commands.len()),
            letters: 0,
        };
        let decided = Decided {
            event,
            letter,
            execution,
            changes,
            reasons,
            steps: planner.plan(commands),
        };
        let committed = turn::commit(&self.shared, &self.record, decided, may_fail).await?;
        if runs && std::mem::take(&mut self.finished) {
            self.record.standing.send_replace(Standing::Running);
        }
        Ok(committed)
    }

    /// Ends the execution in ERROR, since it cannot go further.
    async fn give_up(
        &mut self,
        reason: String,
        letter: Option<LetterId>,
        kind: &EventKind,
    ) -> Result<(), RuntimeError> {
        let stop = EventKind::Stopped {
            state: State::Error,
            message: Some(reason.clone()),
        };
        // An output that somebody wrote for errors may be what cannot be kept, or what the engine
        // fails at.
        let given_up = EventKind::GivenUp {
            reason: reason.clone(),
        };
        for event in [stop, given_up] {
            let Ok(decided) = self.decide(event) else {
                continue;
            };
            match self.write(decided, letter.clone(), false).await {
                Ok(committed) => {
                    self.settle(kind);
                    self.carry_out(committed);
                    return Ok(());
                }
                Err(Unwritten::Journal(error)) => return Err(self.unwritten(false, error)),
                Err(Unwritten::TooDeep) => {}
            }
        }
        self.runs.abort_all();
        self.fail(reason);
        Ok(())
    }

    /// What was asked for does not happen. If that was to start, there is no execution.
    fn refuse(&mut self) {
        if self.record.next_event.load(Ordering::Relaxed) == 0 {
            self.place = Place::Unborn;
        }
    }

    /// Its turn could not be written. What was asked for has not happened; but what has happened
    /// is not known to the journal, so that the execution goes on after a restart only.
    fn unwritten(&mut self, may_fail: bool, error: JournalError) -> RuntimeError {
        self.refuse();
        if !may_fail && self.place == Place::AtWork {
            self.place = Place::Stuck;
        }
        if !may_fail && !matches!(error, JournalError::Closed) {
            let execution = &self.record.about.id;
            tracing::error!(%execution, %error, "its turn cannot be written, and it stops here");
            let reason = error.to_string().into();
            let stalled = NoticeKind::Stalled { reason };
            self.shared.hub.publish(&self.record.about, stalled);
        }
        error.into()
    }

    fn decide(&self, kind: EventKind) -> Result<(Event, Decision), String> {
        turn::take(&self.shared, &self.record, Event::new(self.now, kind))
    }

    /// Takes in a letter that has no meaning any more.
    async fn ignore(&self, letter: Option<LetterId>) {
        if let (Some(durable), Some(letter)) = (self.shared.store.durable(), letter) {
            let make = || {
                let mut turn = Turn::new();
                turn.take_letter(letter.clone());
                Ok(turn)
            };
            // One that stays is ignored again after a restart.
            let watchers = (&self.shared.hub, &self.record.about);
            let _ = durable.insist(watchers, make).await;
        }
    }

    /// What an event that is committed means for what this actor holds.
    fn settle(&mut self, event: &EventKind) {
        match event {
            EventKind::ChildFinished { id, .. } => {
                self.children.remove(id);
            }
            EventKind::ChildChanged {
                id,
                state: State::Running,
            } => {
                self.children.insert(id.clone());
            }
            EventKind::ActionFinished { id, outcome } => self.finished_from_outside(id, outcome),
            EventKind::ActionChanged {
                id,
                state: State::Cancelled,
            } => self.cancel_action(id),
            _ => {}
        }
    }

    fn carry_out(&mut self, committed: Committed) {
        for step in committed.into_steps() {
            match step {
                Step::Run(call) => self.run_action(call),
                Step::CancelAction(id) => self.cancel_action(&id),
                Step::Start(prepared) => {
                    self.children.insert(prepared.record().about.id.clone());
                    self.shared.start(prepared);
                }
                Step::SetTimer(id, at) => self.timers.set(id, at),
                Step::CancelTimer(id) => self.timers.cancel(&id),
                Step::Tell(tell) => self.tell(tell),
                Step::Finish {
                    state,
                    output,
                    state_info,
                } => self.finish(state, output, state_info),
            }
        }
    }

    fn tell(&self, tell: Tell) {
        let Tell {
            to,
            event,
            letter,
            wakes,
        } = tell;
        let message = Message {
            event,
            letter,
            reply: None,
        };
        if wakes {
            // It fails only when the runtime shuts down, and then all executions stop.
            let _ = self.shared.wake(&to, message);
        } else {
            to.post(message);
        }
    }

    /// Ends the execution where the engine itself cannot.
    pub(super) fn fail(&mut self, message: String) {
        if let Some(parent) = &self.record.parent
            && !self.finished
        {
            parent.post(Message {
                event: EventKind::ChildFinished {
                    id: self.record.about.id.clone(),
                    state: State::Error,
                    output: Value::empty_map(),
                    state_info: Some(message.clone()),
                },
                letter: None,
                reply: None,
            });
        }
        self.finish(State::Error, Value::empty_map(), Some(message));
    }

    /// Sub-workflows that were started with a turn before a restart.
    pub(super) fn expects(&mut self, children: impl IntoIterator<Item = ExecutionId>) {
        self.children.extend(children);
    }
}
