//! What is read of single executions, and what is unfinished.

use std::path::Path;

use ostro_core::{ActionExecutionId, ExecutionId, State, TaskExecutionId};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use crate::digest::seal;
use crate::id::StoredId;
use crate::{
    ActionRecord, ActionRow, Digest, ExecutionRow, JournalError, LetterId, Reached, TaskRecord,
    TaskRow, WorkflowRef,
};

/// An event as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its place among the execution's events, from 0.
    pub number: u64,
    /// What happened, as the caller wrote it.
    pub body: Vec<u8>,
}

/// A snapshot as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSnapshot {
    /// How many events it covers.
    pub events: u64,
    /// The version of the form that the caller wrote it in.
    pub version: u32,
    /// The state.
    pub body: Vec<u8>,
}

/// A letter as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLetter {
    /// Which it is.
    pub id: LetterId,
    /// What it says, as the caller wrote it.
    pub body: Vec<u8>,
}

/// What brings an execution back: its newest snapshot and the events after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The execution's row.
    pub row: ExecutionRow,
    /// The newest snapshot, if there is one.
    pub snapshot: Option<StoredSnapshot>,
    /// The events that the snapshot does not cover, in order.
    pub events: Vec<StoredEvent>,
    /// The number of the next event.
    pub next: u64,
}

/// Which unfinished executions are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfinished {
    /// Those that something may move by itself, or that have a sub-workflow which does, or a
    /// letter that nobody has taken in: they are to be brought back when the host starts.
    Moving,
    /// Those that only a person moves.
    Still,
}

/// A root execution that has not come to rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfinishedRoot {
    /// Its id.
    pub id: ExecutionId,
    /// Its state.
    pub state: State,
    seq: i64,
}

/// A connection, and what its faults are told about.
#[derive(Clone, Copy)]
pub(crate) struct Read<'a> {
    pub(crate) db: &'a Connection,
    pub(crate) path: &'a Path,
}

/// A text as it stands in its column: itself, or the number of its value.
pub(crate) enum Column {
    Null,
    Text(String),
    Value(i64),
}

impl FromSql for Column {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Null => Ok(Self::Null),
            ValueRef::Integer(seq) => Ok(Self::Value(seq)),
            ValueRef::Text(_) => Ok(Self::Text(value.as_str()?.to_owned())),
            _ => Err(FromSqlError::InvalidType),
        }
    }
}

/// The columns that [`Read::execution_row`] reads, of `execution e` and `execution_text x`.
pub(crate) const EXECUTION: &str = "e.id, (SELECT r.id FROM execution r WHERE r.seq = e.root),
    (SELECT p.id FROM execution p WHERE p.seq = e.parent), e.task_execution_id,
    e.source_execution_id, e.workflow_name, e.workflow_namespace, e.workflow_id, e.definitions,
    e.project_id, e.state, e.moving, e.created_at, e.updated_at, e.finished_at, x.description,
    x.tags";
pub(crate) const EXECUTION_TEXTS: [&str; 4] = ["x.state_info", "x.params", "x.input", "x.output"];
/// Where [`EXECUTION`] comes from.
pub(crate) const FROM_EXECUTION: &str =
    "execution e LEFT JOIN execution_text x ON x.execution = e.seq";

pub(crate) const TASK: &str = "t.id, e.id, t.name, t.type, t.state, t.processed, t.tags,
    t.created_at, t.updated_at, t.started_at, t.finished_at, e.workflow_name,
    e.workflow_namespace, e.workflow_id, e.project_id";
pub(crate) const TASK_TEXTS: [&str; 5] = [
    "t.state_info",
    "t.runtime_context",
    "t.published",
    "t.published_global",
    "t.result",
];
pub(crate) const FROM_TASK: &str = "task t CROSS JOIN execution e ON e.seq = t.execution";

pub(crate) const ACTION: &str = "a.id, e.id, t.id, a.name, a.state, a.reached, a.accepted,
    ifnull(a.project_id, e.project_id), a.description, a.tags, a.created_at, a.updated_at,
    a.started_at, a.finished_at, t.name, e.workflow_name, e.workflow_namespace, e.workflow_id";
pub(crate) const ACTION_TEXTS: [&str; 4] =
    ["a.state_info", "a.runtime_context", "a.input", "a.output"];
pub(crate) const FROM_ACTION: &str = "action a LEFT JOIN execution e ON e.seq = a.execution
    LEFT JOIN task t ON t.seq = a.task";

impl Read<'_> {
    pub(crate) fn load(self, id: &ExecutionId) -> Result<Option<Loaded>, JournalError> {
        let Some(row) = self.execution(id)? else {
            return Ok(None);
        };
        let Some((seq, next)) = self.one(
            "SELECT seq, events FROM execution WHERE id = ?1",
            params![StoredId::new(id.as_str())],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, u64>(1)?)),
        )?
        else {
            return Ok(None);
        };
        let snapshot = self.one(
            "SELECT events, version, seal, body FROM snapshot WHERE execution = ?1",
            params![seq],
            |row| {
                let snapshot = StoredSnapshot {
                    events: row.get(0)?,
                    version: row.get(1)?,
                    body: row.get(3)?,
                };
                Ok((snapshot, row.get::<_, i64>(2)?))
            },
        )?;
        let snapshot = match snapshot {
            None => None,
            Some((snapshot, sealed)) => {
                if seal(id, snapshot.events, snapshot.version, &snapshot.body) != sealed {
                    return Err(self.corrupt(format!(
                        "the snapshot of execution {id} is not what was stored"
                    )));
                }
                Some(snapshot)
            }
        };
        let covered = snapshot.as_ref().map_or(0, |snapshot| snapshot.events);
        let events = self.events(id, seq, covered, i64::MAX)?;
        let first = events.first().map_or(next, |event| event.number);
        if first != covered || covered + events.len() as u64 != next {
            return Err(self.corrupt(format!(
                "execution {id} has {next} events, and not all of them are there"
            )));
        }
        Ok(Some(Loaded {
            row,
            snapshot,
            events,
            next,
        }))
    }

    /// Events of an execution from number `from` on, which must follow each other.
    pub(crate) fn events(
        self,
        id: &ExecutionId,
        seq: i64,
        from: u64,
        limit: i64,
    ) -> Result<Vec<StoredEvent>, JournalError> {
        let events = self.many(
            "SELECT number, body, seal FROM event WHERE execution = ?1 AND number >= ?2
             ORDER BY number LIMIT ?3",
            params![seq, i64::try_from(from).unwrap_or(i64::MAX), limit],
            |row| {
                let event = StoredEvent {
                    number: row.get(0)?,
                    body: row.get(1)?,
                };
                Ok((event, row.get::<_, i64>(2)?))
            },
        )?;
        let mut expected = None;
        let mut whole = Vec::with_capacity(events.len());
        for (event, sealed) in events {
            let number = event.number;
            if expected.is_some_and(|expected| expected != number) {
                return Err(self.corrupt(format!("event {number} of execution {id} follows a gap")));
            }
            expected = Some(number + 1);
            if seal(id, number, 0, &event.body) != sealed {
                return Err(self.corrupt(format!(
                    "event {number} of execution {id} is not what was stored"
                )));
            }
            whole.push(event);
        }
        Ok(whole)
    }

    pub(crate) fn history(
        self,
        id: &ExecutionId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, JournalError> {
        let seq = self
            .execution_seq(id)?
            .ok_or_else(|| JournalError::UnknownExecution(id.clone()))?;
        self.events(id, seq, from, i64::try_from(limit).unwrap_or(i64::MAX))
    }

    pub(crate) fn execution_seq(self, id: &ExecutionId) -> Result<Option<i64>, JournalError> {
        self.one(
            "SELECT seq FROM execution WHERE id = ?1",
            params![StoredId::new(id.as_str())],
            |row| row.get(0),
        )
    }

    pub(crate) fn unfinished(
        self,
        which: Unfinished,
        after: Option<&UnfinishedRoot>,
        limit: usize,
    ) -> Result<Vec<UnfinishedRoot>, JournalError> {
        let sql = match which {
            Unfinished::Moving => MOVING,
            Unfinished::Still => STILL,
        };
        let roots = self.many(
            sql,
            params![
                after.map_or(i64::MIN, |root| root.seq),
                i64::try_from(limit).unwrap_or(i64::MAX)
            ],
            |row| Ok((execution_id(row, 0)?, row.get::<_, String>(1)?, row.get(2)?)),
        )?;
        roots
            .into_iter()
            .map(|(id, state, seq)| {
                Ok(UnfinishedRoot {
                    id,
                    state: self.state(&state)?,
                    seq,
                })
            })
            .collect()
    }

    /// A root and all executions below it that have not ended, or all, from the top down.
    pub(crate) fn family(
        self,
        root: &ExecutionId,
        unfinished: bool,
    ) -> Result<Vec<ExecutionId>, JournalError> {
        let Some(seq) = self.execution_seq(root)? else {
            return Ok(Vec::new());
        };
        self.many(
            "SELECT id FROM execution WHERE (seq = ?1 OR root = ?1)
                 AND (NOT ?2 OR finished_at IS NULL) ORDER BY seq",
            params![seq, unfinished],
            |row| execution_id(row, 0),
        )
    }

    pub(crate) fn value(self, digest: &Digest) -> Result<Option<Vec<u8>>, JournalError> {
        let body: Option<Vec<u8>> = self.one(
            "SELECT body FROM value WHERE digest = ?1",
            params![&digest.as_bytes()[..]],
            |row| row.get(0),
        )?;
        match body {
            Some(body) if Digest::of(&body) != *digest => {
                Err(self.corrupt(format!("value {digest} is not what was stored")))
            }
            body => Ok(body),
        }
    }

    pub(crate) fn has_value(self, digest: &Digest) -> Result<bool, JournalError> {
        let found = self.one(
            "SELECT 1 FROM value WHERE digest = ?1",
            params![&digest.as_bytes()[..]],
            |_| Ok(()),
        )?;
        Ok(found.is_some())
    }

    pub(crate) fn setting(self, name: &str) -> Result<Option<Vec<u8>>, JournalError> {
        self.one(
            "SELECT value FROM setting WHERE name = ?1",
            params![name],
            |row| row.get(0),
        )
    }

    pub(crate) fn execution(self, id: &ExecutionId) -> Result<Option<ExecutionRow>, JournalError> {
        let sql = format!(
            "SELECT {EXECUTION}, {} FROM {FROM_EXECUTION} WHERE e.id = ?1",
            EXECUTION_TEXTS.join(", ")
        );
        let read = self.one(&sql, params![StoredId::new(id.as_str())], raw_execution)?;
        read.map(|raw| self.execution_row(raw)).transpose()
    }

    pub(crate) fn task(self, id: &TaskExecutionId) -> Result<Option<TaskRecord>, JournalError> {
        let sql = format!(
            "SELECT {TASK}, {} FROM {FROM_TASK} WHERE t.id = ?1",
            TASK_TEXTS.join(", ")
        );
        let read = self.one(&sql, params![StoredId::new(id.as_str())], raw_task)?;
        read.map(|raw| self.task_record(raw)).transpose()
    }

    pub(crate) fn action(
        self,
        id: &ActionExecutionId,
    ) -> Result<Option<ActionRecord>, JournalError> {
        let sql = format!(
            "SELECT {ACTION}, {} FROM {FROM_ACTION} WHERE a.id = ?1",
            ACTION_TEXTS.join(", ")
        );
        let read = self.one(&sql, params![StoredId::new(id.as_str())], raw_action)?;
        read.map(|raw| self.action_record(raw)).transpose()
    }

    /// The letters that `recipient` has not taken in, in the order in which they were sent.
    pub(crate) fn letters(
        self,
        recipient: &ExecutionId,
    ) -> Result<Vec<StoredLetter>, JournalError> {
        let stored = self.many(
            "SELECT sender, event, place, seal, body FROM letter
             WHERE recipient = (SELECT seq FROM execution WHERE id = ?1) ORDER BY seq",
            params![StoredId::new(recipient.as_str())],
            |row| {
                let id = LetterId {
                    sender: execution_id(row, 0)?,
                    event: row.get(1)?,
                    place: row.get(2)?,
                };
                Ok((id, row.get::<_, i64>(3)?, row.get::<_, Vec<u8>>(4)?))
            },
        )?;
        stored
            .into_iter()
            .map(|(id, sealed, body)| {
                if seal(&id.sender, id.event, id.place, &body) != sealed {
                    let what = format!("a letter to execution {recipient} is not what was stored");
                    return Err(self.corrupt(what));
                }
                Ok(StoredLetter { id, body })
            })
            .collect()
    }

    pub(crate) fn execution_row(
        self,
        raw: Raw<ExecutionRow, 4>,
    ) -> Result<ExecutionRow, JournalError> {
        let Raw {
            mut row,
            state,
            texts: [state_info, params, input, output],
        } = raw;
        row.state = self.state(&state)?;
        row.state_info = self.text(state_info)?;
        row.params = self.text(params)?;
        row.input = self.text(input)?;
        row.output = self.text(output)?;
        Ok(row)
    }

    pub(crate) fn task_record(self, raw: Raw<TaskRecord, 5>) -> Result<TaskRecord, JournalError> {
        let Raw {
            row: mut record,
            state,
            texts: [state_info, runtime_context, published, global, result],
        } = raw;
        record.row.state = self.state(&state)?;
        record.row.state_info = self.text(state_info)?;
        record.row.runtime_context = self.text(runtime_context)?;
        record.row.published = self.text(published)?;
        record.row.published_global = self.text(global)?;
        record.row.result = self.text(result)?;
        Ok(record)
    }

    pub(crate) fn action_record(
        self,
        raw: Raw<ActionRecord, 4>,
    ) -> Result<ActionRecord, JournalError> {
        let Raw {
            row: mut record,
            state,
            texts: [state_info, runtime_context, input, output],
        } = raw;
        record.row.state = self.state(&state)?;
        record.row.state_info = self.text(state_info)?;
        record.row.runtime_context = self.text(runtime_context)?;
        record.row.input = self.text(input)?;
        record.row.output = self.text(output)?;
        Ok(record)
    }

    fn state(self, name: &str) -> Result<State, JournalError> {
        state(name).ok_or_else(|| self.corrupt(format!("a row is in state {name:?}")))
    }

    fn text(self, column: Column) -> Result<Option<String>, JournalError> {
        let seq = match column {
            Column::Null => return Ok(None),
            Column::Text(text) => return Ok(Some(text)),
            Column::Value(seq) => seq,
        };
        let found = self.one(
            "SELECT body, digest FROM value WHERE seq = ?1",
            params![seq],
            |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?)),
        )?;
        let Some((body, digest)) = found else {
            return Err(self.corrupt(format!("a row refers to value {seq}, which is not there")));
        };
        if Digest::of(&body).as_bytes()[..] != digest[..] {
            return Err(self.corrupt(format!("value {seq} is not what was stored")));
        }
        String::from_utf8(body)
            .map(Some)
            .map_err(|_| self.corrupt(format!("value {seq} of a row is no text")))
    }

    pub(crate) fn corrupt(self, detail: String) -> JournalError {
        JournalError::Corrupt {
            path: self.path.to_owned(),
            detail,
        }
    }

    pub(crate) fn one<T>(
        self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, JournalError> {
        self.db
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(params, read).optional())
            .map_err(|error| JournalError::sqlite(self.path, error))
    }

    pub(crate) fn many<T>(
        self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, JournalError> {
        self.db
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_map(params, read)?.collect())
            .map_err(|error| JournalError::sqlite(self.path, error))
    }
}

/// A moving execution may be a sub-workflow's, so that a root comes up in the index as often as
/// it has moving ones below it. A letter moves whom it is for: one that was stopped while it was
/// paused has nothing else that does.
pub(crate) const MOVING: &str = "SELECT e.id, e.state, e.seq FROM (
        SELECT top FROM (
            SELECT DISTINCT ifnull(root, seq) AS top
            FROM execution INDEXED BY execution_moving
            WHERE moving = 1 AND ifnull(root, seq) > ?1
            ORDER BY ifnull(root, seq) LIMIT ?2
        )
        UNION
        SELECT ifnull(r.root, r.seq) AS top FROM letter l INDEXED BY letter_recipient
        CROSS JOIN execution r ON r.seq = l.recipient
        WHERE ifnull(r.root, r.seq) > ?1
        ORDER BY top LIMIT ?2
    ) CROSS JOIN execution e ON e.seq = top";
pub(crate) const STILL: &str = "SELECT e.id, e.state, e.seq
    FROM execution e INDEXED BY execution_unfinished
    WHERE e.root IS NULL AND e.finished_at IS NULL AND e.seq > ?1
        AND NOT EXISTS (
            SELECT 1 FROM execution m INDEXED BY execution_moving
            WHERE m.moving = 1 AND ifnull(m.root, m.seq) = e.seq)
        AND NOT EXISTS (
            SELECT 1 FROM letter l INDEXED BY letter_recipient
            CROSS JOIN execution r ON r.seq = l.recipient
            WHERE ifnull(r.root, r.seq) = e.seq)
    ORDER BY e.seq LIMIT ?2";

/// A row before its large texts are fetched and its state is looked at.
pub(crate) struct Raw<T, const N: usize> {
    row: T,
    state: String,
    texts: [Column; N],
}

fn texts<const N: usize>(row: &Row<'_>, first: usize) -> rusqlite::Result<[Column; N]> {
    let mut texts = [const { Column::Null }; N];
    for (index, text) in texts.iter_mut().enumerate() {
        *text = row.get(first + index)?;
    }
    Ok(texts)
}

pub(crate) fn raw_execution(row: &Row<'_>) -> rusqlite::Result<Raw<ExecutionRow, 4>> {
    let definitions: Option<[u8; 32]> = row.get(8)?;
    let read = ExecutionRow {
        root_execution_id: id(row, 1)?.map(ExecutionId::new),
        parent_execution_id: id(row, 2)?.map(ExecutionId::new),
        task_execution_id: id(row, 3)?.map(TaskExecutionId::new),
        source_execution_id: id(row, 4)?.map(ExecutionId::new),
        workflow_namespace: row.get(6)?,
        workflow_id: row.get(7)?,
        definitions: definitions.map(Digest::from_bytes),
        project_id: row.get(9)?,
        moving: row.get(11)?,
        updated_at: row.get(13)?,
        finished_at: row.get(14)?,
        description: row.get(15)?,
        tags: row.get(16)?,
        ..ExecutionRow::new(
            execution_id(row, 0)?,
            row.get::<_, String>(5)?,
            row.get(12)?,
        )
    };
    Ok(Raw {
        row: read,
        state: row.get(10)?,
        texts: texts(row, 17)?,
    })
}

pub(crate) fn raw_task(row: &Row<'_>) -> rusqlite::Result<Raw<TaskRecord, 5>> {
    let task = TaskExecutionId::new(row.get::<_, StoredId>(0)?.into_text());
    let read = TaskRow {
        kind: row.get(3)?,
        processed: row.get(5)?,
        tags: row.get(6)?,
        updated_at: row.get(8)?,
        started_at: row.get(9)?,
        finished_at: row.get(10)?,
        ..TaskRow::new(
            task,
            execution_id(row, 1)?,
            row.get::<_, String>(2)?,
            row.get(7)?,
        )
    };
    let record = TaskRecord {
        row: read,
        workflow: WorkflowRef {
            name: row.get(11)?,
            namespace: row.get(12)?,
            id: row.get(13)?,
        },
        project_id: row.get(14)?,
    };
    Ok(Raw {
        row: record,
        state: row.get(4)?,
        texts: texts(row, 15)?,
    })
}

pub(crate) fn raw_action(row: &Row<'_>) -> rusqlite::Result<Raw<ActionRecord, 4>> {
    let action = ActionExecutionId::new(row.get::<_, StoredId>(0)?.into_text());
    let reached =
        Reached::from_i64(row.get(5)?).ok_or(rusqlite::Error::IntegralValueOutOfRange(5, -1))?;
    let read = ActionRow {
        execution_id: id(row, 1)?.map(ExecutionId::new),
        task_execution_id: id(row, 2)?.map(TaskExecutionId::new),
        reached,
        accepted: row.get(6)?,
        project_id: row.get(7)?,
        description: row.get(8)?,
        tags: row.get(9)?,
        updated_at: row.get(11)?,
        started_at: row.get(12)?,
        finished_at: row.get(13)?,
        ..ActionRow::new(action, row.get::<_, String>(3)?, row.get(10)?)
    };
    let workflow = match row.get::<_, Option<String>>(15)? {
        None => None,
        Some(name) => Some(WorkflowRef {
            name,
            namespace: row.get(16)?,
            id: row.get(17)?,
        }),
    };
    let record = ActionRecord {
        row: read,
        task_name: row.get(14)?,
        workflow,
    };
    Ok(Raw {
        row: record,
        state: row.get(4)?,
        texts: texts(row, 18)?,
    })
}

fn id(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<String>> {
    Ok(row
        .get::<_, Option<StoredId>>(column)?
        .map(StoredId::into_text))
}

fn execution_id(row: &Row<'_>, column: usize) -> rusqlite::Result<ExecutionId> {
    Ok(ExecutionId::new(
        row.get::<_, StoredId>(column)?.into_text(),
    ))
}

/// All states.
pub(crate) const STATES: [State; 9] = [
    State::Idle,
    State::Waiting,
    State::Running,
    State::Delayed,
    State::Paused,
    State::Success,
    State::Cancelled,
    State::Error,
    State::Skipped,
];

/// The state with this name.
pub(crate) fn state(name: &str) -> Option<State> {
    STATES.into_iter().find(|state| state.as_str() == name)
}
