//! What is read of single executions, and what is unfinished.

mod rows;

use std::path::Path;

use ostro_core::{ActionExecutionId, ExecutionId, State, TaskExecutionId};
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use self::rows::execution_id;
pub(crate) use self::rows::{
    ACTION, ACTION_TEXTS, EXECUTION, EXECUTION_TEXTS, FROM_ACTION, FROM_EXECUTION, FROM_TASK, Raw,
    TASK, TASK_TEXTS, raw_action, raw_execution, raw_task,
};
use crate::digest::seal;
use crate::id::StoredId;
use crate::{ActionRecord, Digest, ExecutionRow, JournalError, LetterId, TaskRecord};

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
    /// The newest snapshot, if there is one that is not damaged.
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

/// The events of an execution: each knows the one before it.
struct Chain {
    execution: i64,
    /// The number of the next event.
    next: u64,
    /// The number of the first event that is kept.
    from: u64,
    /// The `seq` of the last event.
    last: Option<i64>,
}

/// A connection, and what its faults are told about.
#[derive(Clone, Copy)]
pub(crate) struct Read<'a> {
    pub(crate) db: &'a Connection,
    pub(crate) path: &'a Path,
}

impl Read<'_> {
    pub(crate) fn load(self, id: &ExecutionId) -> Result<Option<Loaded>, JournalError> {
        let Some(row) = self.execution(id)? else {
            return Ok(None);
        };
        let Some(chain) = self.chain(id)? else {
            return Ok(None);
        };
        let (seq, next) = (chain.execution, chain.next);
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
        // The events are the truth: one that is damaged is as good as none.
        let snapshot = snapshot.and_then(|(snapshot, sealed)| {
            let found = seal(id, snapshot.events, snapshot.version, &snapshot.body);
            (found == sealed && snapshot.events <= next).then_some(snapshot)
        });
        let covered = snapshot.as_ref().map_or(0, |snapshot| snapshot.events);
        let events = self.events(id, &chain, covered, usize::MAX)?;
        Ok(Some(Loaded {
            row,
            snapshot,
            events,
            next,
        }))
    }

    /// Where the events of an execution are.
    fn chain(self, id: &ExecutionId) -> Result<Option<Chain>, JournalError> {
        self.one(
            "SELECT seq, events, events_from, last_event FROM execution WHERE id = ?1",
            params![StoredId::new(id.as_str())],
            |row| {
                Ok(Chain {
                    execution: row.get(0)?,
                    next: row.get(1)?,
                    from: row.get(2)?,
                    last: row.get(3)?,
                })
            },
        )
    }

    /// At most `limit` events of an execution from number `from` on. They are walked from the
    /// last one back, and must all be there.
    fn events(
        self,
        id: &ExecutionId,
        chain: &Chain,
        from: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, JournalError> {
        let fault = |error| JournalError::sqlite(self.path, error);
        let from = from.max(chain.from);
        let end = from.saturating_add(limit as u64);
        let mut statement = self
            .db
            .prepare_cached(
                "SELECT execution, number, previous, seal, body FROM event WHERE seq = ?1",
            )
            .map_err(fault)?;
        let mut events = Vec::new();
        let mut last = chain.last;
        for number in (from..chain.next).rev() {
            let wanted = number < end;
            let found = statement
                .query_row(params![last], |row| {
                    let mut whole =
                        row.get::<_, i64>(0)? == chain.execution && row.get::<_, u64>(1)? == number;
                    let mut body: Vec<u8> = Vec::new();
                    if wanted {
                        body = row.get(4)?;
                        whole &= seal(id, number, 0, &body) == row.get::<_, i64>(3)?;
                    }
                    Ok((whole, row.get(2)?, body))
                })
                .optional()
                .map_err(fault)?;
            let Some((whole, previous, body)) = found else {
                return Err(self.corrupt(format!("event {number} of execution {id} is not there")));
            };
            if !whole {
                return Err(self.corrupt(format!(
                    "event {number} of execution {id} is not what was stored"
                )));
            }
            if wanted {
                events.push(StoredEvent { number, body });
            }
            last = previous;
        }
        events.reverse();
        Ok(events)
    }

    pub(crate) fn history(
        self,
        id: &ExecutionId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, JournalError> {
        let chain = self
            .chain(id)?
            .ok_or_else(|| JournalError::UnknownExecution(id.clone()))?;
        self.events(id, &chain, from, limit)
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

    pub(crate) fn documents(self, kind: &str) -> Result<Vec<(String, Vec<u8>)>, JournalError> {
        let sql = "SELECT id, body FROM document WHERE kind = ?1 ORDER BY rowid";
        self.many(sql, params![kind], |row| Ok((row.get(0)?, row.get(1)?)))
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

    fn state(self, name: &str) -> Result<State, JournalError> {
        state(name).ok_or_else(|| self.corrupt(format!("a row is in state {name:?}")))
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

/// The state with this name.
pub(crate) fn state(name: &str) -> Option<State> {
    State::ALL.into_iter().find(|state| state.as_str() == name)
}
