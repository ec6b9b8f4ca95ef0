//! Task executions of the read model.

use ostro_core::TaskExecutionId;
use rusqlite::{ToSql, params};

use super::{Apply, Found, StoredCell, kind};
use crate::id::StoredId;
use crate::turn::Cells;
use crate::{JournalError, TaskRow};

const INSERT: &str = "INSERT INTO task (id, execution, name, type, created_at, state, processed,
        updated_at, started_at, finished_at, tags, state_info, runtime_context, published,
        published_global, result)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
    ON CONFLICT (id) DO NOTHING";

/// What does not change is not set, so that fewer indexes are touched.
const UPDATE: &str = "UPDATE task SET state = ?6, name = ?3, type = ?4, processed = ?7,
        updated_at = ?8, started_at = ?9, finished_at = ?10, tags = ?11, state_info = ?12,
        runtime_context = ?13, published = ?14, published_global = ?15, result = ?16
    WHERE seq = ?1";

const FIND: &str = "SELECT seq, execution, 'integer' IN (typeof(state_info),
        typeof(runtime_context), typeof(published), typeof(published_global), typeof(result)), state
    FROM task WHERE id = ?1";

impl Apply<'_, '_> {
    pub(super) fn task(&mut self, row: &TaskRow, cells: &Cells<5>) -> Result<(), JournalError> {
        let execution = self.known(&row.execution_id)?.seq;
        let stored = self.store_cells(cells)?;
        let large = stored.iter().any(StoredCell::is_value);
        let seq = match self.insert_or_find_task(row, execution, &stored)? {
            Ok(new) => new,
            Err(there) if there.execution != execution => {
                return Err(JournalError::Invalid(format!(
                    "task execution {} belongs to another execution than {}",
                    row.id, row.execution_id
                )));
            }
            Err(there) => {
                self.write_task(UPDATE, &there.seq, execution, row, &stored)?;
                self.memory.tally.tasks.moved(there.state, row.state);
                if there.large {
                    self.release(execution, kind::TASK, there.seq)?;
                }
                there.seq
            }
        };
        let found = Found {
            seq,
            execution,
            large,
            state: row.state,
        };
        self.memory.tasks.insert(row.id.clone(), found);
        self.refer_to(&stored, execution, kind::TASK, seq)
    }

    /// The `seq` of a row that is new, or the row that is there. Most rows are either known or
    /// new, so that neither is looked up.
    fn insert_or_find_task(
        &mut self,
        row: &TaskRow,
        execution: i64,
        stored: &[StoredCell<'_>; 5],
    ) -> Result<Result<i64, Found>, JournalError> {
        if !self.memory.tasks.contains_key(&row.id) {
            let id = StoredId::new(row.id.as_str());
            if self.write_task(INSERT, &id, execution, row, stored)? > 0 {
                let seq = self.db.last_insert_rowid();
                self.memory.tally.tasks.add(row.state, 1);
                return Ok(Ok(seq));
            }
        }
        self.find_task(&row.id)?
            .map(Err)
            .ok_or_else(|| JournalError::UnknownTask(row.id.clone()))
    }

    fn write_task(
        &self,
        sql: &'static str,
        key: &dyn ToSql,
        execution: i64,
        row: &TaskRow,
        [state_info, runtime_context, published, global, result]: &[StoredCell<'_>; 5],
    ) -> Result<usize, JournalError> {
        self.execute(
            sql,
            params![
                key,
                execution,
                row.name,
                row.kind,
                row.created_at,
                row.state.as_str(),
                row.processed,
                row.updated_at,
                row.started_at,
                row.finished_at,
                row.tags,
                state_info,
                runtime_context,
                published,
                global,
                result,
            ],
        )
    }

    pub(super) fn find_task(
        &mut self,
        id: &TaskExecutionId,
    ) -> Result<Option<Found>, JournalError> {
        if let Some(found) = self.memory.tasks.get(id) {
            return Ok(Some(*found));
        }
        let found = self.find_row(FIND, id.as_str())?;
        if let Some(found) = found {
            self.memory.tasks.insert(id.clone(), found);
        }
        Ok(found)
    }
}
