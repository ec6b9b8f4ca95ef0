//! What actions say on their way: it stands in order with what turns change, and holds up nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use ostro_core::Clock as _;
use ostro_journal::{Journal, NewChange, Turn};

use super::{Change, Dropped, change};
use crate::record::Record;
use crate::shared::Shared;

/// How much of what the actions of one execution say may wait to be written, and of what all say:
/// a quarter of what the journal has room for.
const MAX_OF_ONE: usize = 16;
const MAX_OF_ALL: usize = 1024;

/// What waits to be written, of one execution (or action that runs by itself) or of all.
#[derive(Debug, Default)]
pub struct Notes {
    waiting: AtomicUsize,
    /// How much was left out and nobody was told.
    dropped: AtomicU64,
}

impl Notes {
    /// How much was left out; the caller tells of it, or gives it back.
    pub(crate) fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }

    /// So much was left out.
    pub(crate) fn leave_out(&self, count: u64) {
        self.dropped.fetch_add(count, Ordering::Relaxed);
    }

    /// Has `journal` keep what an action has said, made a change by `change`. Where much waits
    /// already, of this one or of `all`, it is left out, and with the next that is not stands how
    /// much was.
    pub fn say(
        self: &Arc<Self>,
        all: &Arc<Self>,
        journal: &Journal,
        said: impl FnOnce() -> Change,
        change: impl Fn(Change) -> NewChange,
    ) {
        if !self.enter(MAX_OF_ONE) {
            return self.leave_out(1);
        }
        if !all.enter(MAX_OF_ALL) {
            self.leave();
            return self.leave_out(1);
        }
        let mut turn = Turn::new();
        let count = self.take_dropped();
        if count > 0 {
            turn.change(change(Change::Dropped(Dropped { count })));
        }
        turn.change(change(said()));
        let (own, all) = (Arc::clone(self), Arc::clone(all));
        let done = move |written: bool| {
            all.leave();
            own.leave();
            if !written {
                own.leave_out(count + 1);
            }
        };
        let also = done.clone();
        // What is read is durable: a number that somebody has seen never comes again.
        let submitted = journal.try_submit(turn, move |result| done(result.is_ok()));
        if submitted.is_err() {
            also(false);
        }
    }

    /// Takes a place among those that wait, if there is one.
    fn enter(&self, most: usize) -> bool {
        let enter = |waiting| (waiting < most).then_some(waiting + 1);
        self.waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, enter)
            .is_ok()
    }

    fn leave(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What an execution's action has said.
pub(crate) fn note(shared: &Shared, record: &Record, said: impl FnOnce() -> Change) {
    let Some(journal) = shared.feeds() else {
        return;
    };
    let (about, now) = (&record.about, shared.clock.now_millis());
    record.notes.say(&shared.notes, journal, said, |what| {
        change(about, now, what)
    });
}
