//! What a runtime has to do, as figures.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ostro_core::{Times, TimesTaken};

/// What a runtime has to do, and how long it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// How many actions may run at the same time.
    pub action_slots: usize,
    /// How many run.
    pub actions_running: usize,
    /// How many wait for a slot.
    pub actions_waiting: usize,
    /// How many executions are in memory.
    pub executions_in_memory: usize,
    /// How many turns wait for a disk that has failed, and are tried again.
    pub turns_stalled: usize,
    /// How long turns took from their decision until they were durable.
    pub turn_times: TimesTaken,
}

/// What is counted as it happens.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) stalled: AtomicUsize,
    turns: Times,
}

/// A turn that waits for a disk that has failed, for as long as this is there.
pub(crate) struct Stalled<'a>(&'a AtomicUsize);

impl Counted {
    pub(crate) fn turn(&self, took: Duration) {
        self.turns.took(took);
    }

    pub(crate) fn turn_times(&self) -> TimesTaken {
        self.turns.taken()
    }
}

impl<'a> Stalled<'a> {
    pub(crate) fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Stalled<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
