//! A root execution and all below it, which are in memory together or not at all.

use std::ops::Deref;
use std::sync::{Arc, Mutex};

use ostro_core::ExecutionId;

use crate::lock;
use crate::record::Record;
use crate::shared::Shared;

/// What the executions of a root have in common.
#[derive(Debug, Default)]
pub(crate) struct Family(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// In the order of their start.
    ids: Vec<ExecutionId>,
    /// How many of them have an actor that is at work, or something in their inbox.
    active: usize,
    /// How many callers look at one of them.
    held: usize,
    /// Whether somebody wants them to stay.
    stays: bool,
}

impl Family {
    pub(crate) fn ids(&self) -> Vec<ExecutionId> {
        lock(&self.0).ids.clone()
    }

    pub(crate) fn len(&self) -> usize {
        lock(&self.0).ids.len()
    }

    /// One more has its place, and is at work.
    pub(crate) fn add(&self, id: ExecutionId) {
        let mut state = lock(&self.0);
        state.ids.push(id);
        state.active += 1;
    }

    pub(crate) fn remove(&self, id: &ExecutionId) {
        lock(&self.0).ids.retain(|known| known != id);
    }

    /// One of them is at work from now on.
    pub(crate) fn awakes(&self) {
        lock(&self.0).active += 1;
    }

    /// One of them is not at work any more.
    pub(crate) fn rests(&self) {
        lock(&self.0).active -= 1;
    }

    pub(crate) fn stay(&self, wanted: bool) {
        lock(&self.0).stays = wanted;
    }

    /// Whether all of them may leave memory: none is at work, so that none tells another one
    /// anything, and nobody has one in hand.
    pub(crate) fn may_leave(&self) -> bool {
        let state = lock(&self.0);
        state.active == 0 && state.held == 0 && !state.stays
    }
}

/// An execution in the hands of somebody outside: it stays in memory meanwhile, with its family.
pub(crate) struct Held {
    shared: Arc<Shared>,
    record: Arc<Record>,
}

impl Held {
    /// Only whoever has the lock under which executions leave may take one in hand.
    pub(crate) fn new(shared: Arc<Shared>, record: Arc<Record>) -> Self {
        lock(&record.family.0).held += 1;
        Self { shared, record }
    }
}

impl Deref for Held {
    type Target = Arc<Record>;

    fn deref(&self) -> &Arc<Record> {
        &self.record
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        lock(&self.record.family.0).held -= 1;
        self.shared.unload(&self.record);
    }
}
