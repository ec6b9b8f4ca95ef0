//! Executions to look at, without a runtime.

use std::collections::HashMap;
use std::sync::Arc;

use ostro_core::ExecutionId;
use ostro_engine::Execution;
use ostro_journal::Journal;

use crate::replay::Replay;
use crate::{Library, RuntimeError};

/// A root execution and all below it as of some moment, read from a journal.
#[derive(Clone, Debug)]
pub struct Snapshots {
    executions: HashMap<ExecutionId, Arc<Execution>>,
    library: Option<Arc<Library>>,
    decided: usize,
}

impl Snapshots {
    /// Reads what `journal` has of `root`. Nothing goes on by it.
    pub fn read(journal: &Journal, root: &ExecutionId) -> Result<Self, RuntimeError> {
        Self::by(Replay::new(journal, None), root)
    }

    /// As [`Snapshots::read`], by the events alone: what the journal has of earlier states, which
    /// spares work, is left alone.
    pub fn read_events(journal: &Journal, root: &ExecutionId) -> Result<Self, RuntimeError> {
        let mut replay = Replay::new(journal, None);
        replay.only_events = true;
        Self::by(replay, root)
    }

    fn by(mut replay: Replay<'_>, root: &ExecutionId) -> Result<Self, RuntimeError> {
        let family = replay.family(root)?;
        if family.is_empty() {
            return Err(RuntimeError::UnknownExecution(root.clone()));
        }
        let library = family.first().map(|revived| Arc::clone(&revived.library));
        let executions = family
            .into_iter()
            .map(|revived| (revived.row.id, Arc::new(revived.execution)))
            .collect();
        Ok(Self {
            executions,
            library,
            decided: replay.decided,
        })
    }

    /// One of the executions.
    pub fn get(&self, id: &ExecutionId) -> Option<Arc<Execution>> {
        self.executions.get(id).cloned()
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Execution>> {
        self.executions.values()
    }

    /// How many events were decided again to read them.
    pub fn decided(&self) -> usize {
        self.decided
    }

    /// The definitions that they run by.
    pub fn library(&self) -> Option<&Arc<Library>> {
        self.library.as_ref()
    }
}
