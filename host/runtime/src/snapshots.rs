//! Executions to look at, without a runtime.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use ostro_core::{
    ActionCall, ActionError, ActionErrorKind, ActionOutcome, ActionRunner, ExecutionId,
};
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
        Self::by(Replay::new(journal, &Nobody), root)
    }

    /// As [`Snapshots::read`], by the events alone: what the journal has of earlier states, which
    /// spares work, is left alone.
    pub fn read_events(journal: &Journal, root: &ExecutionId) -> Result<Self, RuntimeError> {
        let mut replay = Replay::new(journal, &Nobody);
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

/// Runs nothing.
pub(crate) struct Nobody;

#[async_trait]
impl ActionRunner for Nobody {
    async fn run(&self, _: ActionCall) -> ActionOutcome {
        let message = "nothing is run where executions are only looked at";
        ActionOutcome::Error(ActionError::new(ActionErrorKind::Host, message))
    }
}
