//! What changed with a turn, numbered.

use std::sync::Arc;

use ostro_core::ExecutionId;
use rusqlite::params;

use super::Apply;
use crate::changes::{self, INSERT};
use crate::id::StoredId;
use crate::{JournalError, NewChange, StoredChange};

impl Apply<'_, '_> {
    pub(super) fn change(
        &mut self,
        change: &Arc<NewChange>,
        seal: i64,
    ) -> Result<(), JournalError> {
        let last = match self.memory.last_change {
            Some(last) => last,
            None => {
                changes::last(self.db).map_err(|error| JournalError::sqlite(self.path, error))?
            }
        };
        let seq = last + 1;
        let stored = |id: &Option<ExecutionId>| id.as_ref().map(|id| StoredId::new(id.as_str()));
        self.execute(
            INSERT,
            params![
                seq,
                change.at,
                &*change.project_id,
                stored(&change.root_execution_id),
                stored(&change.execution_id),
                seal,
                &change.body[..],
            ],
        )?;
        self.memory.last_change = Some(seq);
        self.memory.changes.push(StoredChange {
            sequence: seq.unsigned_abs(),
            change: Arc::clone(change),
        });
        Ok(())
    }
}
