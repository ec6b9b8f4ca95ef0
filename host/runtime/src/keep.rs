//! Snapshots: what few events are decided again by when an execution is brought back.
//!
//! The events are the truth, and a snapshot only spares work. So it is written after a turn and
//! not with it: none waits for it, and one that is lost is not missed.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ostro_engine::Execution;
use ostro_journal::{Journal, NewSnapshot, StoredSnapshot, Turn};

use crate::entry::{decode_sized, encode};
use crate::record::Record;
use crate::shared::Shared;
use crate::{Options, RuntimeError, lock};

/// The form that states are written in. A snapshot of another one is not read.
const VERSION: u32 = 1;

/// When the next snapshot of an execution is worth its price.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    /// How many events the last one covers.
    covered: u64,
    /// How many bytes it took.
    size: usize,
    /// How many bytes of turns were written since.
    since: usize,
    /// Whether one is being made.
    is_busy: bool,
}

impl Pace {
    /// That of an execution whose last snapshot is of `size` bytes and covers `covered` events,
    /// with `since` bytes of events after it.
    pub(crate) fn after(covered: u64, size: usize, since: usize) -> Self {
        Self {
            covered,
            size,
            since,
            is_busy: false,
        }
    }

    pub(crate) fn wrote(&mut self, bytes: usize) {
        self.since = self.since.saturating_add(bytes);
    }

    /// Whether one is due after `events` events. A state only grows, so that snapshots at equal
    /// distances would cost the square of its length; what they cost is a share of what the turns
    /// between them do instead.
    fn is_due(&self, events: u64, options: &Options) -> bool {
        !self.is_busy
            && events.saturating_sub(self.covered) >= options.snapshot_events.max(1)
            && self.since >= self.size.saturating_mul(options.snapshot_distance)
    }
}

/// Has a snapshot of an execution written, if one is due after its last turn.
pub(crate) fn snapshot(shared: &Shared, record: &Arc<Record>) {
    let Some(journal) = shared.store.journal() else {
        return;
    };
    let events = record.next_event.load(Ordering::Relaxed);
    {
        let mut pace = lock(&record.pace);
        if !pace.is_due(events, &shared.options) {
            return;
        }
        *pace = Pace {
            covered: events,
            size: pace.size,
            since: 0,
            is_busy: true,
        };
    }
    let execution = record.snapshot();
    let (journal, record) = (journal.clone(), Arc::clone(record));
    let blocks = journal.blocks();
    let write = move || {
        let size = write(&journal, &execution, events);
        let mut pace = lock(&record.pace);
        pace.size = size.unwrap_or(pace.size);
        pace.is_busy = false;
        drop(pace);
        // What only older ones referred to is of no use any more; what is left stays for the next.
        if blocks && let Err(error) = journal.collect() {
            tracing::debug!(%error, "values that nothing refers to stay");
        }
    };
    // A large state takes a while: others get on meanwhile.
    if blocks {
        tokio::task::spawn_blocking(write);
    } else {
        write();
    }
}

/// Its size, if there is one.
fn write(journal: &Journal, execution: &Execution, events: u64) -> Option<usize> {
    let turn = turn(execution, events)?;
    let size = turn.bytes();
    // Where the disk fails or has too much to do, the next one comes in its time.
    let _ = journal.try_note(turn, |_| ());
    Some(size)
}

/// The turn that writes the state after `events` events. None if that nests too deeply.
pub(crate) fn turn(execution: &Execution, events: u64) -> Option<Turn> {
    let mut turn = Turn::new();
    let (body, values) = encode(execution).ok()?.store(&mut turn);
    turn.snapshot(NewSnapshot {
        execution: execution.id().clone(),
        events,
        version: VERSION,
        body,
        values,
    });
    Some(turn)
}

/// The state in a snapshot, and how many bytes it takes. None if it is of another form.
pub(crate) fn read(
    journal: &Journal,
    snapshot: &StoredSnapshot,
) -> Option<Result<(Execution, usize), RuntimeError>> {
    (snapshot.version == VERSION).then(|| decode_sized(journal, "a snapshot", &snapshot.body))
}
