//! Action executions of the read model.

use std::sync::Arc;

use ostro_core::ActionExecutionId;
use rusqlite::{ToSql, params};

use super::{Apply, Found, StoredCell, kind};
use crate::id::StoredId;
use crate::turn::Cells;
use crate::{ActionChange, ActionRow, JournalError, NewChange, Reached};

const INSERT: &str = "INSERT INTO action (id, execution, task, name, created_at, state, reached,
        accepted, updated_at, started_at, finished_at, project_id, description, tags, state_info,
        runtime_context, input, output)
    VALUES (?1, nullif(?2, 0), ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,
        ?17, ?18)
    ON CONFLICT (id) DO NOTHING";

/// What does not change is not set, so that fewer indexes are touched.
const UPDATE: &str = "UPDATE action SET state = ?6, name = ?4, reached = ?7, accepted = ?8,
        updated_at = ?9, started_at = ?10, finished_at = ?11, project_id = ?12, description = ?13,
        tags = ?14, state_info = ?15, runtime_context = ?16, input = ?17, output = ?18
    WHERE seq = ?1";

const FIND: &str = "SELECT seq, ifnull(execution, 0), 'integer' IN (typeof(state_info),
        typeof(runtime_context), typeof(input), typeof(output)), state
    FROM action WHERE id = ?1";

impl Apply<'_, '_> {
    pub(super) fn action(&mut self, row: &ActionRow, cells: &Cells<4>) -> Result<(), JournalError> {
        let (execution, task) = self.owners(row)?;
        let stored = self.store_cells(cells)?;
        let large = stored.iter().any(StoredCell::is_value);
        let seq = match self.insert_or_find_action(row, execution, task, &stored)? {
            Ok(new) => new,
            Err(there) if there.execution != execution => {
                return Err(JournalError::Invalid(format!(
                    "action execution {} belongs to another execution",
                    row.id
                )));
            }
            Err(there) => {
                self.write_action(UPDATE, &there.seq, (execution, task), row, &stored)?;
                if there.large {
                    self.release(execution, kind::ACTION, there.seq)?;
                    self.release(execution, kind::ACTION_END, there.seq)?;
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
        // One that has ended is seldom changed again.
        if row.reached == Reached::Ended {
            self.memory.actions.remove(&row.id);
        } else {
            self.memory.actions.insert(row.id.clone(), found);
        }
        let [state_info, runtime_context, input, output] = &stored;
        self.refer_to([runtime_context, input], execution, kind::ACTION, seq)?;
        self.refer_to([state_info, output], execution, kind::ACTION_END, seq)
    }

    /// The execution that an action belongs to, 0 for none, and the task.
    fn owners(&mut self, row: &ActionRow) -> Result<(i64, Option<i64>), JournalError> {
        let execution = match &row.execution_id {
            Some(id) => self.known(id)?.seq,
            None => 0,
        };
        let Some(id) = &row.task_execution_id else {
            return Ok((execution, None));
        };
        match self.find_task(id)? {
            Some(task) if task.execution == execution => Ok((execution, Some(task.seq))),
            Some(_) => Err(JournalError::Invalid(format!(
                "action execution {} names a task of another execution",
                row.id
            ))),
            None => Err(JournalError::UnknownTask(id.clone())),
        }
    }

    /// The `seq` of a row that is new, or the row that is there.
    fn insert_or_find_action(
        &mut self,
        row: &ActionRow,
        execution: i64,
        task: Option<i64>,
        stored: &[StoredCell<'_>; 4],
    ) -> Result<Result<i64, Found>, JournalError> {
        if !self.memory.actions.contains_key(&row.id) {
            let id = StoredId::new(row.id.as_str());
            if self.write_action(INSERT, &id, (execution, task), row, stored)? > 0 {
                return Ok(Ok(self.db.last_insert_rowid()));
            }
        }
        self.find_action(&row.id).map(Err)
    }

    fn write_action(
        &self,
        sql: &'static str,
        key: &dyn ToSql,
        (execution, task): (i64, Option<i64>),
        row: &ActionRow,
        [state_info, runtime_context, input, output]: &[StoredCell<'_>; 4],
    ) -> Result<usize, JournalError> {
        self.execute(
            sql,
            params![
                key,
                execution,
                task,
                row.name,
                row.created_at,
                row.state.as_str(),
                row.reached.as_i64(),
                row.accepted,
                row.updated_at,
                row.started_at,
                row.finished_at,
                row.project_id,
                row.description,
                row.tags,
                state_info,
                runtime_context,
                input,
                output,
            ],
        )
    }

    /// The row of an action, which must be there.
    fn find_action(&mut self, id: &ActionExecutionId) -> Result<Found, JournalError> {
        if let Some(found) = self.memory.actions.get(id) {
            return Ok(*found);
        }
        let found = self
            .find_row(FIND, id.as_str())?
            .ok_or_else(|| JournalError::UnknownAction(id.clone()))?;
        self.memory.actions.insert(id.clone(), found);
        Ok(found)
    }

    pub(super) fn action_change(
        &mut self,
        change: &ActionChange,
        cells: &Cells<2>,
    ) -> Result<(), JournalError> {
        let found = self.find_action(&change.id)?;
        let (seq, execution) = (found.seq, found.execution);
        let stored = self.store_cells(cells)?;
        // Where the output stays, so does what it refers to.
        if found.large && !cells[1].is_null() {
            self.release(execution, kind::ACTION_END, seq)?;
        }
        self.refer_to(&stored, execution, kind::ACTION_END, seq)?;
        if stored.iter().any(StoredCell::is_value) {
            let large = Found {
                large: true,
                ..found
            };
            self.memory.actions.insert(change.id.clone(), large);
        }
        let [state_info, output] = &stored;
        self.execute(
            "UPDATE action SET state = ?2, reached = ?3, accepted = ?4, state_info = ?5,
                 output = ifnull(?6, output), updated_at = ?7, finished_at = ?8 WHERE seq = ?1",
            params![
                seq,
                change.state.as_str(),
                change.reached.as_i64(),
                change.accepted,
                state_info,
                output,
                change.updated_at,
                change.finished_at
            ],
        )
        .map(drop)
    }

    pub(super) fn action_started(
        &mut self,
        id: &ActionExecutionId,
        now: i64,
        told: Option<&(Arc<NewChange>, i64)>,
    ) -> Result<(), JournalError> {
        let found = self.find_action(id)?;
        if let Some((change, seal)) = told {
            let reached: Option<i64> = self.one(
                "SELECT reached FROM action WHERE seq = ?1",
                params![found.seq],
                |row| row.get(0),
            )?;
            if reached.is_some_and(|reached| reached < Reached::Ended.as_i64()) {
                self.change(change, *seal)?;
            }
        }
        self.execute(
            "UPDATE action SET reached = max(reached, ?2), started_at = ifnull(started_at, ?3)
             WHERE seq = ?1",
            params![found.seq, Reached::Started.as_i64(), now],
        )
        .map(drop)
    }

    pub(super) fn drop_action(&mut self, id: &ActionExecutionId) -> Result<(), JournalError> {
        let Found { seq, execution, .. } = self.find_action(id)?;
        self.memory.actions.remove(id);
        self.release(execution, kind::ACTION, seq)?;
        self.release(execution, kind::ACTION_END, seq)?;
        self.execute("DELETE FROM action WHERE seq = ?1", params![seq])
            .map(drop)
    }
}
