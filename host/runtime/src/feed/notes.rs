//! What actions say on their way: it stands in order with what turns change, and holds up nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use ostro_core::Clock as _;
use ostro_journal::Turn;

use super::{Change, Dropped, change, cut};
use crate::notice::ActionRef;
use crate::record::Record;
use crate::shared::Shared;

/// How much of what the actions of one execution say may wait to be written, and of what all say:
/// a quarter of what the journal has room for.
const MAX_OF_ONE: usize = 16;
const MAX_OF_ALL: usize = 1024;

/// What waits, of one execution or of all.
#[derive(Debug, Default)]
pub(crate) struct Notes {
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

/// An action made progress.
pub(crate) fn progress(
    shared: &Shared,
    record: &Record,
    action: &ActionRef,
    progress: &ostro_core::Progress,
) {
    note(shared, record, || {
        Change::ActionProgress(super::ActionProgress {
            id: action.id.clone(),
            name: action.name.to_string(),
            percent: progress.percent,
            message: cut(&progress.message),
        })
    });
}

/// An action has a line for the operator.
pub(crate) fn line(shared: &Shared, record: &Record, action: &ActionRef, line: &str) {
    note(shared, record, || {
        Change::ActionNote(super::ActionNote {
            id: action.id.clone(),
            name: action.name.to_string(),
            line: cut(line),
        })
    });
}

fn note(shared: &Shared, record: &Record, make: impl FnOnce() -> Change) {
    let Some(journal) = shared.feeds() else {
        return;
    };
    let (own, all) = (&record.notes, &shared.notes);
    if !own.enter(MAX_OF_ONE) {
        return own.leave_out(1);
    }
    if !all.enter(MAX_OF_ALL) {
        own.leave();
        return own.leave_out(1);
    }
    let (about, now) = (&record.about, shared.clock.now_millis());
    let mut turn = Turn::new();
    let count = own.take_dropped();
    if count > 0 {
        turn.change(change(about, now, Change::Dropped(Dropped { count })));
    }
    turn.change(change(about, now, make()));
    let (waiting, of_all) = (Arc::clone(own), Arc::clone(all));
    let done = move |written: bool| {
        of_all.leave();
        waiting.leave();
        if !written {
            waiting.leave_out(count + 1);
        }
    };
    let also = done.clone();
    // What is read is durable: a number that somebody has seen never comes again.
    let submitted = journal.try_submit(turn, move |result| done(result.is_ok()));
    if submitted.is_err() {
        also(false);
    }
}
