//! Executions of the read model.

use ostro_core::{ExecutionId, State, TaskExecutionId};
use rusqlite::params;

use super::{Apply, Known, Standing, kind};
use crate::id::StoredId;
use crate::turn::{Cell, Cells};
use crate::{ExecutionChange, ExecutionRow, JournalError};

/// The parts of an execution's row that refer to values: `reference.owner`.
mod part {
    pub(super) const ROW: i64 = 0;
    pub(super) const STATE_INFO: i64 = 1;
    pub(super) const OUTPUT: i64 = 2;
    /// The parameters, where they have changed since.
    pub(super) const PARAMS: i64 = 3;
}

impl Apply<'_, '_> {
    pub(super) fn execution(
        &mut self,
        row: &ExecutionRow,
        cells: &Cells<4>,
    ) -> Result<(), JournalError> {
        let (root, parent) = self.family(row)?;
        let now = Standing {
            state: row.state,
            moving: row.moving,
            events: 0,
            last_event: None,
            updated_at: row.updated_at,
            finished_at: finished_at(row.state, row.finished_at, row.updated_at),
        };
        let seq = match self.insert_or_find_execution(row, root, parent, now)? {
            Ok(new) => new,
            Err(known) => {
                known.now = Standing {
                    events: known.now.events,
                    last_event: known.now.last_event,
                    ..now
                };
                let seq = known.seq;
                if known.root != root {
                    return Err(JournalError::Invalid(format!(
                        "execution {} cannot move to another root",
                        row.id
                    )));
                }
                for part in [part::ROW, part::STATE_INFO, part::OUTPUT, part::PARAMS] {
                    self.release(seq, kind::EXECUTION, part)?;
                }
                self.update_execution(seq, row)?;
                seq
            }
        };
        if let Some(definitions) = &row.definitions {
            let value = self.value(definitions)?;
            self.refer(seq, kind::EXECUTION, part::ROW, value)?;
        }
        let stored = self.store_cells(cells)?;
        let [state_info, params, input, output] = &stored;
        self.execute(
            "INSERT OR REPLACE INTO execution_text
                 (execution, description, tags, state_info, params, input, output)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                seq,
                row.description,
                row.tags,
                state_info,
                params,
                input,
                output
            ],
        )?;
        self.refer_to([params, input], seq, kind::EXECUTION, part::ROW)?;
        self.refer_to([state_info], seq, kind::EXECUTION, part::STATE_INFO)?;
        self.refer_to([output], seq, kind::EXECUTION, part::OUTPUT)
    }

    /// The numbers of the root and the parent of a row.
    fn family(&mut self, row: &ExecutionRow) -> Result<(Option<i64>, Option<i64>), JournalError> {
        let invalid =
            |reason: &str| JournalError::Invalid(format!("execution {} {reason}", row.id));
        match (&row.root_execution_id, &row.parent_execution_id) {
            (None, None) => Ok((None, None)),
            (Some(root), Some(parent)) => {
                let root = self.known(root)?;
                if root.root.is_some() {
                    return Err(invalid("names a root that has a parent itself"));
                }
                let root = root.seq;
                let parent = self.known(parent)?;
                if parent.root.unwrap_or(parent.seq) != root {
                    return Err(invalid("names a parent that has another root"));
                }
                Ok((Some(root), Some(parent.seq)))
            }
            _ => Err(invalid("has a root and a parent, or neither")),
        }
    }

    /// The `seq` of a row that is new, or the row that is there.
    fn insert_or_find_execution(
        &mut self,
        row: &ExecutionRow,
        root: Option<i64>,
        parent: Option<i64>,
        now: Standing,
    ) -> Result<Result<i64, &mut Known>, JournalError> {
        if !self.memory.executions.contains_key(&row.id)
            && let Some(seq) = self.insert_execution(row, root, parent, now)?
        {
            self.touched.push(row.id.clone());
            return Ok(Ok(seq));
        }
        self.known(&row.id).map(Err)
    }

    /// Inserts a row, unless there is one with its id.
    fn insert_execution(
        &mut self,
        row: &ExecutionRow,
        root: Option<i64>,
        parent: Option<i64>,
        now: Standing,
    ) -> Result<Option<i64>, JournalError> {
        let inserted = self.execute(
            "INSERT INTO execution (id, root, parent, task_execution_id, state, moving, events,
                 events_from, created_at, updated_at, finished_at, workflow_name,
                 workflow_namespace, workflow_id, project_id, source_execution_id, definitions)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
             ON CONFLICT (id) DO NOTHING",
            params![
                StoredId::new(row.id.as_str()),
                root,
                parent,
                row.task_execution_id.as_ref().map(task_id),
                now.state.as_str(),
                now.moving,
                row.created_at,
                now.updated_at,
                now.finished_at,
                row.workflow_name,
                row.workflow_namespace,
                row.workflow_id,
                row.project_id,
                row.source_execution_id.as_ref().map(execution_id),
                row.definitions
                    .as_ref()
                    .map(|digest| digest.as_bytes().to_vec()),
            ],
        )?;
        if inserted == 0 {
            return Ok(None);
        }
        let seq = self.db.last_insert_rowid();
        self.memory.tally.executions.add(now.state, 1);
        let known = Known {
            seq,
            root,
            stored: now,
            now,
        };
        self.memory.executions.insert(row.id.clone(), known);
        Ok(Some(seq))
    }

    fn update_execution(&self, seq: i64, row: &ExecutionRow) -> Result<(), JournalError> {
        self.execute(
            "UPDATE execution SET task_execution_id = ?2, created_at = ?3, workflow_name = ?4,
                 workflow_namespace = ?5, workflow_id = ?6, project_id = ?7,
                 source_execution_id = ?8, definitions = ?9 WHERE seq = ?1",
            params![
                seq,
                row.task_execution_id.as_ref().map(task_id),
                row.created_at,
                row.workflow_name,
                row.workflow_namespace,
                row.workflow_id,
                row.project_id,
                row.source_execution_id.as_ref().map(execution_id),
                row.definitions
                    .as_ref()
                    .map(|digest| digest.as_bytes().to_vec()),
            ],
        )
        .map(drop)
    }

    pub(super) fn execution_change(
        &mut self,
        change: &ExecutionChange,
        cells: &Cells<2>,
    ) -> Result<(), JournalError> {
        let known = self.known(&change.id)?;
        let seq = known.seq;
        let turned = known.now.state != change.state;
        known.now = Standing {
            state: change.state,
            moving: change.moving,
            events: known.now.events,
            last_event: known.now.last_event,
            updated_at: change.updated_at,
            finished_at: finished_at(change.state, change.finished_at, change.updated_at),
        };
        let [state_info, output] = cells;
        if turned || !state_info.is_null() {
            self.release(seq, kind::EXECUTION, part::STATE_INFO)?;
            let state_info = self.store_cell(state_info)?;
            self.refer_to([&state_info], seq, kind::EXECUTION, part::STATE_INFO)?;
            self.execute(
                "UPDATE execution_text SET state_info = ?2 WHERE execution = ?1",
                params![seq, state_info],
            )?;
        }
        if !output.is_null() {
            self.release(seq, kind::EXECUTION, part::OUTPUT)?;
            let output = self.store_cell(output)?;
            self.refer_to([&output], seq, kind::EXECUTION, part::OUTPUT)?;
            self.execute(
                "UPDATE execution_text SET output = ?2 WHERE execution = ?1",
                params![seq, output],
            )?;
        }
        Ok(())
    }

    pub(super) fn description(&mut self, id: &ExecutionId, text: &str) -> Result<(), JournalError> {
        let seq = self.known(id)?.seq;
        self.execute(
            "UPDATE execution_text SET description = ?2 WHERE execution = ?1",
            params![seq, text],
        )
        .map(drop)
    }

    /// Those that it was created with stay among the values as long as its row, if they are large.
    pub(super) fn params(&mut self, id: &ExecutionId, params: &Cell) -> Result<(), JournalError> {
        let seq = self.known(id)?.seq;
        self.release(seq, kind::EXECUTION, part::PARAMS)?;
        let params = self.store_cell(params)?;
        self.refer_to([&params], seq, kind::EXECUTION, part::PARAMS)?;
        self.execute(
            "UPDATE execution_text SET params = ?2 WHERE execution = ?1",
            params![seq, params],
        )
        .map(drop)
    }
}

/// When an execution ended, if it has.
fn finished_at(state: State, told: Option<i64>, updated_at: i64) -> Option<i64> {
    state.is_completed().then(|| told.unwrap_or(updated_at))
}

fn execution_id(id: &ExecutionId) -> StoredId {
    StoredId::new(id.as_str())
}

fn task_id(id: &TaskExecutionId) -> StoredId {
    StoredId::new(id.as_str())
}
