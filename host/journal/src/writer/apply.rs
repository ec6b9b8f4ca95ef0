//! One turn as changes to the tables.

mod actions;
mod changes;
mod executions;
mod letters;
mod tasks;

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::ptr;

use ostro_core::{ActionExecutionId, ExecutionId, State, TaskExecutionId};
use rusqlite::types::{ToSql, ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, Params, Row, params};

use crate::id::StoredId;
use crate::read::Read;
use crate::turn::{Cell, Cells, NewEvent, NewSnapshot, Step};
use crate::{Blob, Digest, Document, JournalError, StoredChange, Tally, Turn};

/// Who refers to a value: `reference.kind`.
pub(crate) mod kind {
    pub(crate) const EVENT: i64 = 0;
    pub(crate) const SNAPSHOT: i64 = 1;
    pub(crate) const EXECUTION: i64 = 2;
    pub(crate) const TASK: i64 = 3;
    pub(crate) const ACTION: i64 = 4;
    pub(crate) const PIN: i64 = 5;
    pub(crate) const ACTION_END: i64 = 6;
    pub(crate) const LETTER: i64 = 7;
    pub(crate) const PART: i64 = 8;
}

/// How many executions are remembered at most, and how many tasks, actions and values.
const REMEMBERED: usize = 8192;

/// What was written to lately, so that it need not be looked up. It holds as long as what was
/// written is committed and nobody else writes: else it is to be cleared.
#[derive(Default)]
pub(super) struct Memory {
    executions: HashMap<ExecutionId, Known>,
    tasks: HashMap<TaskExecutionId, Found>,
    actions: HashMap<ActionExecutionId, Found>,
    /// The numbers of values: most executions have the definitions of one before.
    values: HashMap<Digest, i64>,
    /// The number of the last change.
    last_change: Option<i64>,
    /// The changes that were written and are not committed.
    pub(super) changes: Vec<StoredChange>,
    /// How many rows are in each state that were not before the transaction that is open.
    pub(super) tally: Tally,
}

impl Memory {
    pub(super) fn clear(&mut self) {
        self.executions.clear();
        self.tasks.clear();
        self.actions.clear();
        self.values.clear();
        self.last_change = None;
    }

    /// Forgets what has become too much.
    fn bound(&mut self) {
        if self.executions.len() > REMEMBERED {
            self.executions.clear();
        }
        if self.tasks.len() > REMEMBERED {
            self.tasks.clear();
        }
        if self.actions.len() > REMEMBERED {
            self.actions.clear();
        }
        if self.values.len() > REMEMBERED {
            self.values.clear();
        }
    }
}

/// A row of a task or an action.
#[derive(Clone, Copy, Debug)]
struct Found {
    seq: i64,
    /// The execution; 0 for an action that has none.
    execution: i64,
    /// Whether any of its texts is among the values.
    large: bool,
    state: State,
}

/// The statements of a group, at hand while it is written.
#[derive(Default)]
pub(super) struct Statements<'db> {
    prepared: RefCell<Vec<(&'static str, CachedStatement<'db>)>>,
}

impl<'db> Statements<'db> {
    fn execute(
        &self,
        db: &'db Connection,
        sql: &'static str,
        params: impl Params,
    ) -> rusqlite::Result<usize> {
        let mut prepared = self.prepared.borrow_mut();
        // There are few, and to compare where they are is enough: one that is in two places is
        // prepared for both.
        if let Some((_, statement)) = prepared.iter_mut().find(|(one, _)| ptr::eq(*one, sql)) {
            return statement.execute(params);
        }
        let mut statement = db.prepare_cached(sql)?;
        let changed = statement.execute(params);
        prepared.push((sql, statement));
        changed
    }
}

/// Writes `turn` within the transaction that is open.
pub(super) fn apply<'db>(
    db: &'db Connection,
    path: &Path,
    memory: &mut Memory,
    statements: &Statements<'db>,
    turn: &Turn,
) -> Result<(), JournalError> {
    memory.bound();
    let mut apply = Apply {
        db,
        path,
        memory,
        statements,
        touched: Vec::new(),
    };
    for step in &turn.steps {
        apply.step(step)?;
    }
    apply.flush()
}

struct Apply<'a, 'db> {
    db: &'db Connection,
    path: &'a Path,
    memory: &'a mut Memory,
    statements: &'a Statements<'db>,
    /// The executions that the turn has touched.
    touched: Vec<ExecutionId>,
}

/// An execution's row as far as turns change it: as it is stored, and as it is to be.
#[derive(Clone, Debug)]
struct Known {
    seq: i64,
    root: Option<i64>,
    stored: Standing,
    now: Standing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    state: State,
    moving: bool,
    events: i64,
    last_event: Option<i64>,
    updated_at: i64,
    finished_at: Option<i64>,
}

/// A [`Cell`] whose value is stored.
enum StoredCell<'a> {
    Null,
    Text(&'a str),
    Value(i64),
}

impl StoredCell<'_> {
    fn is_value(&self) -> bool {
        matches!(self, Self::Value(_))
    }
}

impl ToSql for StoredCell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Value(seq) => ValueRef::Integer(*seq),
        }))
    }
}

impl Apply<'_, '_> {
    fn step(&mut self, step: &Step) -> Result<(), JournalError> {
        match step {
            Step::Value(blob) => self.store(blob).map(drop),
            Step::Whole(blob, parts) => self.store_whole(blob, parts),
            Step::Pin(digest) => {
                let value = self.value(digest)?;
                self.refer(0, kind::PIN, 0, value)
            }
            Step::Unpin(digest) => self.unpin(digest),
            Step::Execution(row, cells) => self.execution(row, cells),
            Step::ExecutionChange(change, cells) => self.execution_change(change, cells),
            Step::Description(id, text) => self.description(id, text),
            Step::Params(id, params) => self.params(id, params),
            Step::Task(row, cells) => self.task(row, cells),
            Step::Action(row, cells) => self.action(row, cells),
            Step::ActionChange(change, cells) => self.action_change(change, cells),
            Step::ActionStarted(id, now, told) => self.action_started(id, *now, told.as_ref()),
            Step::DropAction(id) => self.drop_action(id),
            Step::Event(event, seal) => self.event(event, *seal),
            Step::Snapshot(snapshot, seal) => self.snapshot(snapshot, *seal),
            Step::Letter(letter, seal) => self.letter(letter, *seal),
            Step::TakeLetter(id) => self.take_letter(id),
            Step::Change(change, seal) => self.change(change, *seal),
            Step::Setting(name, Some(value)) => self
                .execute(
                    "INSERT INTO setting VALUES (?1, ?2)
                     ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                    params![name, value],
                )
                .map(drop),
            Step::Setting(name, None) => self
                .execute("DELETE FROM setting WHERE name = ?1", params![name])
                .map(drop),
            Step::Document(Document { kind, id }, Some(body)) => self
                .execute(
                    "INSERT INTO document VALUES (?1, ?2, ?3)
                     ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
                    params![kind, id, body],
                )
                .map(drop),
            Step::Document(Document { kind, id }, None) => self
                .execute(
                    "DELETE FROM document WHERE kind = ?1 AND id = ?2",
                    params![kind, id],
                )
                .map(drop),
        }
    }

    fn event(&mut self, event: &NewEvent, seal: i64) -> Result<(), JournalError> {
        let known = self.known(&event.execution)?;
        let (seq, expected, previous) = (known.seq, known.now.events, known.now.last_event);
        if i64::try_from(event.number) != Ok(expected) {
            return Err(JournalError::EventNumber {
                execution: event.execution.clone(),
                expected: expected.unsigned_abs(),
                got: event.number,
            });
        }
        self.execute(
            "INSERT INTO event (execution, number, previous, seal, body)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![seq, expected, previous, seal, &event.body[..]],
        )?;
        let last = self.db.last_insert_rowid();
        let known = self.known(&event.execution)?;
        known.now.events += 1;
        known.now.last_event = Some(last);
        for digest in &event.values {
            let value = self.value(digest)?;
            self.refer(seq, kind::EVENT, expected, value)?;
        }
        Ok(())
    }

    fn snapshot(&mut self, snapshot: &NewSnapshot, seal: i64) -> Result<(), JournalError> {
        let known = self.known(&snapshot.execution)?;
        let (seq, events) = (known.seq, known.now.events);
        let covered = i64::try_from(snapshot.events).unwrap_or(i64::MAX);
        if covered > events {
            return Err(JournalError::Invalid(format!(
                "a snapshot of execution {} covers {covered} events, and there are {events}",
                snapshot.execution
            )));
        }
        let written = self.execute(
            "INSERT INTO snapshot (execution, events, version, seal, body)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (execution) DO UPDATE SET events = excluded.events,
                 version = excluded.version, seal = excluded.seal, body = excluded.body
             WHERE excluded.events >= snapshot.events",
            params![seq, covered, snapshot.version, seal, &snapshot.body[..]],
        )?;
        if written == 0 {
            return Err(JournalError::Invalid(format!(
                "a snapshot of execution {} covers {covered} events, fewer than the one before",
                snapshot.execution
            )));
        }
        self.release(seq, kind::SNAPSHOT, 0)?;
        for digest in &snapshot.values {
            let value = self.value(digest)?;
            self.refer(seq, kind::SNAPSHOT, 0, value)?;
        }
        Ok(())
    }

    /// The execution `id`, which must be there.
    fn known(&mut self, id: &ExecutionId) -> Result<&mut Known, JournalError> {
        self.find(id)?
            .ok_or_else(|| JournalError::UnknownExecution(id.clone()))
    }

    fn find(&mut self, id: &ExecutionId) -> Result<Option<&mut Known>, JournalError> {
        if self.touched.last() != Some(id) {
            self.touched.push(id.clone());
        }
        if !self.memory.executions.contains_key(id) {
            let found = self.one(
                "SELECT seq, root, state, moving, events, last_event, updated_at, finished_at
                 FROM execution WHERE id = ?1",
                params![StoredId::new(id.as_str())],
                |row| {
                    Ok((
                        row.get(0)?,
                        row.get(1)?,
                        row.get::<_, String>(2)?,
                        row.get(3)?,
                        row.get(4)?,
                        row.get(5)?,
                        row.get(6)?,
                        row.get(7)?,
                    ))
                },
            )?;
            let Some((seq, root, state, moving, events, last_event, updated_at, finished_at)) =
                found
            else {
                return Ok(None);
            };
            let stored = Standing {
                state: crate::read::state(&state).ok_or_else(|| self.damaged(&state))?,
                moving,
                events,
                last_event,
                updated_at,
                finished_at,
            };
            let known = Known {
                seq,
                root,
                stored,
                now: stored,
            };
            self.memory.executions.insert(id.clone(), known);
        }
        Ok(self.memory.executions.get_mut(id))
    }

    /// Writes what has changed of the executions' rows, and touches no index without need.
    fn flush(&mut self) -> Result<(), JournalError> {
        for id in std::mem::take(&mut self.touched) {
            let Some(known) = self.memory.executions.get_mut(&id) else {
                continue;
            };
            let (seq, now) = (known.seq, known.now);
            let stored = std::mem::replace(&mut known.stored, now);
            if now == stored {
                continue;
            }
            let executions = &mut self.memory.tally.executions;
            executions.moved(stored.state, now.state);
            if (now.state, now.moving, now.finished_at)
                != (stored.state, stored.moving, stored.finished_at)
            {
                self.execute(
                    "UPDATE execution SET events = ?2, last_event = ?3, updated_at = ?4, state = ?5,
                         moving = ?6, finished_at = ?7 WHERE seq = ?1",
                    params![
                        seq,
                        now.events,
                        now.last_event,
                        now.updated_at,
                        now.state.as_str(),
                        now.moving,
                        now.finished_at
                    ],
                )?;
            } else if now.updated_at == stored.updated_at {
                self.execute(
                    "UPDATE execution SET events = ?2, last_event = ?3 WHERE seq = ?1",
                    params![seq, now.events, now.last_event],
                )?;
            } else {
                self.execute(
                    "UPDATE execution SET events = ?2, last_event = ?3, updated_at = ?4 WHERE seq = ?1",
                    params![seq, now.events, now.last_event, now.updated_at],
                )?;
            }
        }
        Ok(())
    }

    /// Stores a value, unless it is stored: its number.
    fn store(&mut self, blob: &Blob) -> Result<i64, JournalError> {
        let digest = blob.digest();
        if let Some(seq) = self.find_value(&digest)? {
            return Ok(seq);
        }
        self.execute(
            "INSERT INTO value (digest, body) VALUES (?1, ?2)",
            params![&digest.as_bytes()[..], blob.bytes()],
        )?;
        let seq = self.db.last_insert_rowid();
        self.execute("INSERT OR IGNORE INTO loose VALUES (?1)", params![seq])?;
        self.memory.values.insert(digest, seq);
        Ok(seq)
    }

    /// Stores a value with its parts. One that is stored has them already.
    fn store_whole(&mut self, blob: &Blob, parts: &[Blob]) -> Result<(), JournalError> {
        if self.find_value(&blob.digest())?.is_some() {
            return Ok(());
        }
        let whole = self.store(blob)?;
        for part in parts {
            let part = self.store(part)?;
            self.refer(0, kind::PART, whole, part)?;
        }
        Ok(())
    }

    fn find_value(&mut self, digest: &Digest) -> Result<Option<i64>, JournalError> {
        if let Some(seq) = self.memory.values.get(digest) {
            return Ok(Some(*seq));
        }
        let found = self.one(
            "SELECT seq FROM value WHERE digest = ?1",
            params![&digest.as_bytes()[..]],
            |row| row.get(0),
        )?;
        if let Some(seq) = found {
            self.memory.values.insert(*digest, seq);
        }
        Ok(found)
    }

    fn value(&mut self, digest: &Digest) -> Result<i64, JournalError> {
        self.find_value(digest)?
            .ok_or(JournalError::UnknownValue(*digest))
    }

    fn refer(&self, execution: i64, kind: i64, owner: i64, value: i64) -> Result<(), JournalError> {
        self.execute(
            "INSERT OR IGNORE INTO reference (execution, kind, owner, value)
             VALUES (?1, ?2, ?3, ?4)",
            params![execution, kind, owner, value],
        )
        .map(drop)
    }

    /// Takes away what `owner` refers to, and has the collector look at it.
    fn release(&self, execution: i64, kind: i64, owner: i64) -> Result<(), JournalError> {
        let loosened = self.execute(
            "INSERT INTO loose SELECT value FROM reference
             WHERE execution = ?1 AND kind = ?2 AND owner = ?3
             ON CONFLICT DO UPDATE SET value = excluded.value",
            params![execution, kind, owner],
        )?;
        if loosened > 0 {
            self.execute(
                "DELETE FROM reference WHERE execution = ?1 AND kind = ?2 AND owner = ?3",
                params![execution, kind, owner],
            )?;
        }
        Ok(())
    }

    fn unpin(&mut self, digest: &Digest) -> Result<(), JournalError> {
        let Some(value) = self.find_value(digest)? else {
            return Ok(());
        };
        self.execute(
            "DELETE FROM reference WHERE execution = 0 AND kind = ?1 AND owner = 0 AND value = ?2",
            params![kind::PIN, value],
        )?;
        self.execute("INSERT OR IGNORE INTO loose VALUES (?1)", params![value])
            .map(drop)
    }

    /// A text as it goes into its column. What is large goes among the values first.
    fn store_cell<'c>(&mut self, cell: &'c Cell) -> Result<StoredCell<'c>, JournalError> {
        Ok(match cell {
            Cell::Null => StoredCell::Null,
            Cell::Text(text) => StoredCell::Text(text),
            Cell::Large(blob) => StoredCell::Value(self.store(blob)?),
        })
    }

    fn store_cells<'c, const N: usize>(
        &mut self,
        cells: &'c Cells<N>,
    ) -> Result<[StoredCell<'c>; N], JournalError> {
        let mut stored = [const { StoredCell::Null }; N];
        for (stored, cell) in stored.iter_mut().zip(cells) {
            *stored = self.store_cell(cell)?;
        }
        Ok(stored)
    }

    /// Notes that `owner` refers to those of the cells that are values.
    fn refer_to<'c>(
        &self,
        cells: impl IntoIterator<Item = &'c StoredCell<'c>>,
        execution: i64,
        kind: i64,
        owner: i64,
    ) -> Result<(), JournalError> {
        cells.into_iter().try_for_each(|cell| match cell {
            StoredCell::Value(value) => self.refer(execution, kind, owner, *value),
            StoredCell::Null | StoredCell::Text(_) => Ok(()),
        })
    }

    fn execute(&self, sql: &'static str, params: impl Params) -> Result<usize, JournalError> {
        self.statements
            .execute(self.db, sql, params)
            .map_err(|error| JournalError::sqlite(self.path, error))
    }

    fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, JournalError> {
        let (db, path) = (self.db, self.path);
        Read { db, path }.one(sql, params, read)
    }

    fn find_row(&self, sql: &str, id: &str) -> Result<Option<Found>, JournalError> {
        self.one(sql, params![StoredId::new(id)], |row| {
            Ok(Found {
                seq: row.get(0)?,
                execution: row.get(1)?,
                large: row.get(2)?,
                state: crate::read::state(&row.get::<_, String>(3)?).unwrap_or(State::Idle),
            })
        })
    }

    fn damaged(&self, state: &str) -> JournalError {
        JournalError::Corrupt {
            path: self.path.to_owned(),
            detail: format!("an execution is in state {state:?}"),
        }
    }
}
