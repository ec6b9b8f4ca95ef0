//! Turns: what the engine decides, and the moment from which it holds.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ostro_core::stored::SaveError;
use ostro_engine::{Change, Decision, Event, Execution, Reason, decide, explain};
use ostro_journal::{LetterId, Turn};

use crate::NoticeKind;
use crate::feed::turns::{AtOnce, Told};
use crate::hub::Hub;
use crate::plan::Step;
use crate::record::Record;
use crate::records::OfProject;
use crate::shared::Shared;
use crate::store::{Durable, Unwritten};
use crate::{lock, persist};

/// What is to be done after a committed turn. There is no other way to get at it, so that nothing
/// can be carried out before it is durable.
pub(crate) struct Committed(Vec<Step>);

impl Committed {
    pub(crate) fn into_steps(self) -> Vec<Step> {
        self.0
    }
}

/// What the engine decides on `event`, once all that its expressions ask about other executions
/// is answered; and the event with the answers. The error is what the engine panicked with, which
/// only a bug of its own can bring about: the execution must end then, and the process must not.
pub(crate) fn take(
    shared: &Shared,
    record: &Record,
    mut event: Event,
) -> Result<(Event, Decision), String> {
    loop {
        let before = Execution::clone(&record.snapshot());
        let once = event.clone();
        let decide = if shared.options.explain {
            explain
        } else {
            decide
        };
        let definitions = &**record.library.definitions();
        let decision = catch_unwind(AssertUnwindSafe(|| {
            decide(definitions, &record.workflow, before, once)
        }))
        .map_err(|panic| panic_message(panic.as_ref()))?;
        match decision.question {
            None => return Ok((event, decision)),
            Some(query) => {
                let project = &record.about.project;
                event
                    .answers
                    .push(query.answer(&OfProject { shared, project }));
            }
        }
    }
}

/// A turn that was decided.
pub(crate) struct Decided {
    pub(crate) event: Event,
    /// The letter that the event came by.
    pub(crate) letter: Option<LetterId>,
    pub(crate) execution: Execution,
    pub(crate) changes: Vec<Change>,
    pub(crate) reasons: Vec<Reason>,
    pub(crate) steps: Vec<Step>,
}

/// Makes a turn durable. Here, and only here, a turn becomes something that has happened. What
/// watchers see follows it.
///
/// If it cannot be made durable, it has not happened. Where somebody outside asked for it (`may_fail`)
/// they are told; anything else has happened in the world, and is tried until the disk takes it.
pub(crate) async fn commit(
    shared: &Shared,
    record: &Record,
    decided: Decided,
    may_fail: bool,
) -> Result<Committed, Unwritten> {
    // Only where a feed is on: what runs nowhere is of interest to servers.
    let at_once = Mutex::default();
    if let Some(durable) = shared.store.durable() {
        let before = record.snapshot();
        let number = record.next_event.load(Ordering::Relaxed);
        let dropped = match shared.feeds() {
            Some(_) => record.notes.take_dropped(),
            None => 0,
        };
        let told = shared.feeds().map(|_| Told {
            changes: &decided.changes,
            dropped,
            at_once: &at_once,
        });
        let began = Instant::now();
        let make = || {
            persist::Written {
                record,
                before: &before,
                after: &decided.execution,
                event: &decided.event,
                number,
                letter: decided.letter.as_ref(),
                steps: &decided.steps,
                told,
            }
            .turn()
            .inspect(|turn| lock(&record.pace).wrote(turn.bytes()))
        };
        let written = if may_fail {
            write_once(durable, make()).await
        } else {
            durable.insist((&shared.hub, &record.about), make).await
        };
        if let Err(error) = written {
            record.notes.leave_out(dropped);
            for step in decided.steps {
                if let Step::Start(prepared) = step {
                    shared.give_up(prepared.record());
                }
            }
            return Err(error);
        }
        shared.hub.counted.turn(began.elapsed());
        record
            .next_event
            .store(number.max(1) + 1, Ordering::Relaxed);
    }
    record.set_snapshot(decided.execution);
    record.runs();
    if !decided.reasons.is_empty() {
        let reasons = decided.reasons;
        let kind = NoticeKind::Decided { reasons };
        shared.hub.publish(&record.about, kind);
    }
    let at_once: Vec<AtOnce> = at_once.into_inner().unwrap_or_else(PoisonError::into_inner);
    for AtOnce { action, end } in at_once {
        let started = NoticeKind::ActionStarted {
            action: Arc::clone(&action),
        };
        shared.hub.publish(&record.about, started);
        let ended = NoticeKind::ActionEnded { action, end };
        shared.hub.publish(&record.about, ended);
    }
    publish(&shared.hub, record, decided.changes);
    Ok(Committed(decided.steps))
}

async fn write_once(durable: &Durable, turn: Result<Turn, SaveError>) -> Result<(), Unwritten> {
    Ok(durable.write(turn?).await?)
}

fn publish(hub: &Hub, record: &Record, changes: Vec<Change>) {
    for change in changes {
        hub.publish(&record.about, NoticeKind::Changed { change });
    }
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it gave no reason".to_owned())
}
