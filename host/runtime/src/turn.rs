//! Turns: what the engine decides, and the moment from which it holds.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ostro_engine::{Change, Command, Decision, Event, Execution, decide, explain};

use crate::NoticeKind;
use crate::hub::Hub;
use crate::record::Record;
use crate::shared::Shared;

/// The commands of a committed turn. There is no other way to get any, so that nothing can be
/// carried out before it is durable.
pub(crate) struct Committed(Vec<Command>);

impl Committed {
    pub(crate) fn into_commands(self) -> Vec<Command> {
        self.0
    }
}

/// What the engine decides on `event`, once all that its expressions ask about other executions
/// is answered. The error is what the engine panicked with, which only a bug of its own can
/// bring about: the execution must end then, and the process must not.
pub(crate) fn take(shared: &Shared, record: &Record, mut event: Event) -> Result<Decision, String> {
    loop {
        let before = Execution::clone(&record.snapshot());
        let once = event.clone();
        let decide = if shared.options.explain {
            explain
        } else {
            decide
        };
        let decision = catch_unwind(AssertUnwindSafe(|| {
            decide(&*shared.definitions, &record.workflow, before, once)
        }))
        .map_err(|panic| panic_message(panic.as_ref()))?;
        match decision.question {
            None => return Ok(decision),
            Some(query) => event.answers.push(query.answer(shared)),
        }
    }
}

/// Makes a turn durable. Here, and only here, a turn becomes something that has happened:
/// memory now, a journal's transaction when there is one. What watchers see follows it.
pub(crate) fn commit(hub: &Hub, record: &Record, turn: Decision) -> Committed {
    let Decision {
        execution,
        commands,
        changes,
        reasons,
        question: _,
    } = turn;
    record.set_snapshot(execution);
    if !reasons.is_empty() {
        hub.publish(&record.about, NoticeKind::Decided { reasons });
    }
    publish(hub, record, changes);
    Committed(commands)
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
