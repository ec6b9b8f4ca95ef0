//! History that is not kept any more.

mod single;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ostro_core::{ExecutionId, State};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params, params_from_iter};

use crate::id::StoredId;
use crate::writer::kind;
use crate::{ExecutionRow, Journal, JournalError, NewChange, StoredChange, Tally, changes};

/// How long turns wait at most for a batch of deletions, unless one execution takes longer.
const PATIENCE: Duration = Duration::from_millis(50);
/// How many values are collected at a time.
const VALUES: i64 = 256;

/// Which executions are not kept: Mistral's `[execution_expiration_policy]`. Only root
/// executions that have ended are looked at; what is below them goes with them. Actions that ran by
/// themselves and have ended go by the same bounds, and are counted apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Those that ended longer ago than this many milliseconds.
    pub older_than: Option<i64>,
    /// The oldest of those that are more than this many.
    pub max_finished: Option<usize>,
    /// Those in these states are kept, and not counted.
    pub ignored_states: Vec<State>,
    /// How many are deleted in one transaction at most.
    pub batch_size: usize,
}

impl Default for Policy {
    /// Keeps everything.
    fn default() -> Self {
        Self {
            older_than: None,
            max_finished: None,
            ignored_states: Vec::new(),
            batch_size: 10,
        }
    }
}

/// What an expiry deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// How many root executions.
    pub executions: usize,
    /// How many actions that ran by themselves.
    pub actions: usize,
    /// How many values that nothing referred to any more.
    pub values: usize,
}

/// The place of an ended root in its index: when it ended, its state, its `seq`.
type Place = (i64, String, i64);

/// What a transaction gives, and the changes that it wrote.
type Written<T> = rusqlite::Result<(T, Vec<StoredChange>)>;

/// What is told of a root execution that is deleted.
type Tell = dyn Fn(&ExecutionRow) -> Option<NewChange> + Send + Sync;

impl Journal {
    /// Deletes what `policy` does not keep at `now`, and collects values that nothing refers to.
    ///
    /// Turns are written between the batches. An execution that something may still move is
    /// left alone.
    pub fn expire(&self, policy: &Policy, now: i64) -> Result<Expired, JournalError> {
        self.expire_and_tell(policy, now, |_| None)
    }

    /// As [`Journal::expire`], and tells whoever watches what `tell` makes of each root execution,
    /// in the same transaction. It is called by the thread that writes, with the row as far as
    /// that says which execution it is.
    pub fn expire_and_tell(
        &self,
        policy: &Policy,
        now: i64,
        tell: impl Fn(&ExecutionRow) -> Option<NewChange> + Send + Sync + 'static,
    ) -> Result<Expired, JournalError> {
        let tell: Arc<Tell> = Arc::new(tell);
        let mut expired = Expired::default();
        let age = policy
            .older_than
            .map(|age| (now.saturating_sub(age), String::new(), i64::MIN));
        let count = match policy.max_finished {
            Some(kept) => self.newest_superfluous(kept, &policy.ignored_states)?,
            None => None,
        };
        // The later of the two bounds deletes everything that the other one does.
        let mut place = (i64::MIN, String::new(), i64::MIN);
        if let Some(bound) = age.into_iter().chain(count).max() {
            loop {
                let (bound, ignored) = (bound.clone(), policy.ignored_states.clone());
                let (from, size) = (place.clone(), policy.batch_size.max(1));
                let tell = Arc::clone(&tell);
                let (deleted, reached) = self.transact_and_tell(move |db, deleted| {
                    delete_batch(db, deleted, (&from, &bound), &ignored, size, &*tell)
                })?;
                expired.executions += deleted;
                match reached {
                    Some(reached) => place = reached,
                    None => break,
                }
            }
        }
        expired.actions = self.expire_single(policy, now)?;
        expired.values = self.collect()?;
        Ok(expired)
    }

    /// Deletes a root execution with all below it, whatever their states. Whether there was one.
    pub fn delete(&self, root: &ExecutionId) -> Result<bool, JournalError> {
        self.delete_and_tell(root, None)
    }

    /// As [`Journal::delete`], and tells whoever watches in the same transaction, if there was one.
    pub fn delete_and_tell(
        &self,
        root: &ExecutionId,
        change: Option<NewChange>,
    ) -> Result<bool, JournalError> {
        let id = StoredId::new(root.as_str());
        let deleted = self.transact_and_tell(move |db, deleted| {
            let found: Option<i64> = db
                .query_row(
                    "SELECT seq FROM execution WHERE id = ?1 AND root IS NULL",
                    params![id],
                    |row| row.get(0),
                )
                .optional()?;
            if let Some(seq) = found {
                delete_family(db, seq, deleted)?;
            }
            let change = change.filter(|_| found.is_some());
            let told = change.map(|change| changes::append(db, change));
            Ok((found.is_some(), told.transpose()?.into_iter().collect()))
        })?;
        self.collect()?;
        Ok(deleted)
    }

    /// Deletes the events of an execution that has ended which its snapshot covers: its history
    /// is gone then, and it can be brought back all the same. How many they were.
    pub fn prune_events(&self, id: &ExecutionId) -> Result<usize, JournalError> {
        let id = StoredId::new(id.as_str());
        self.transact(move |db, _| {
            let covered: Option<(i64, i64)> = db
                .query_row(
                    "SELECT e.seq, s.events FROM execution e
                     JOIN snapshot s ON s.execution = e.seq
                     WHERE e.id = ?1 AND e.finished_at IS NOT NULL",
                    params![id],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
                .optional()?;
            let Some((seq, covered)) = covered else {
                return Ok(0);
            };
            let pruned = delete_events(db, seq, covered)?;
            for sql in [
                "INSERT OR IGNORE INTO loose SELECT value FROM reference
                 WHERE execution = ?1 AND kind = 0 AND owner < ?2",
                "DELETE FROM reference WHERE execution = ?1 AND kind = 0 AND owner < ?2",
                "UPDATE execution SET events_from = ?2 WHERE seq = ?1",
            ] {
                db.execute(sql, params![seq, covered])?;
            }
            Ok(pruned)
        })
    }

    /// Deletes the values that nothing refers to. How many they were.
    pub fn collect(&self) -> Result<usize, JournalError> {
        let mut collected = 0;
        loop {
            let (deleted, more) = self.transact(|db, _| collect_batch(db))?;
            collected += deleted;
            if !more {
                return Ok(collected);
            }
        }
    }

    /// Has the writer carry out one transaction between two groups, which says what executions
    /// and tasks it has deleted.
    fn transact<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection, &mut Tally) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, JournalError> {
        self.transact_and_tell(|db, deleted| Ok((change(db, deleted)?, Vec::new())))
    }

    /// As [`Journal::transact`], and tells whoever watches of the changes that were written.
    fn transact_and_tell<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection, &mut Tally) -> Written<T> + Send + 'static,
    ) -> Result<T, JournalError> {
        let path = self.path().to_owned();
        let listeners = Arc::clone(self.listeners());
        let queue = self.queue();
        self.errand(move |db| {
            let fault = |error| JournalError::sqlite(&path, error);
            let transaction = db
                .transaction_with_behavior(TransactionBehavior::Immediate)
                .map_err(fault)?;
            let mut deleted = Tally::default();
            let (result, told) = change(&transaction, &mut deleted).map_err(fault)?;
            transaction.commit().map_err(fault)?;
            queue.deleted(&deleted);
            listeners.tell(&told);
            Ok(result)
        })
    }

    /// The place of the newest ended root that is more than `kept`.
    fn newest_superfluous(
        &self,
        kept: usize,
        ignored: &[State],
    ) -> Result<Option<Place>, JournalError> {
        let kept = i64::try_from(kept).unwrap_or(i64::MAX);
        let sql = format!(
            "SELECT finished_at, state, seq FROM execution INDEXED BY execution_finished
             WHERE root IS NULL AND finished_at IS NOT NULL AND {}
             ORDER BY finished_at DESC, state DESC, seq DESC LIMIT 1 OFFSET ?",
            kept_out(ignored)
        );
        let bound = states(ignored).chain([Value::Integer(kept)]);
        self.read(|read| {
            read.one(&sql, params_from_iter(bound), |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
        })
    }
}

fn kept_out(ignored: &[State]) -> String {
    format!("state NOT IN ({})", vec!["?"; ignored.len()].join(", "))
}

fn states(states: &[State]) -> impl Iterator<Item = Value> {
    states
        .iter()
        .map(|state| Value::Text(state.as_str().to_owned()))
}

/// Deletes some of the roots between `from` and `bound`: how many, and how far it came, unless
/// it came to the end; and what is told of that.
fn delete_batch(
    db: &Connection,
    rows: &mut Tally,
    (from, bound): (&Place, &Place),
    ignored: &[State],
    size: usize,
    tell: &Tell,
) -> Written<(usize, Option<Place>)> {
    let begin = Instant::now();
    let sql = format!(
        "SELECT finished_at, state, seq FROM execution e INDEXED BY execution_finished
         WHERE root IS NULL AND finished_at IS NOT NULL
             AND (finished_at, state, seq) > (?, ?, ?) AND (finished_at, state, seq) <= (?, ?, ?)
             AND {}
             AND NOT EXISTS (SELECT 1 FROM execution m INDEXED BY execution_moving
                 WHERE m.moving = 1 AND ifnull(m.root, m.seq) = e.seq)
         ORDER BY finished_at, state, seq LIMIT ?",
        kept_out(ignored)
    );
    let place = |(at, state, seq): &Place| {
        [
            Value::Integer(*at),
            Value::Text(state.clone()),
            Value::Integer(*seq),
        ]
    };
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    let values = place(from)
        .into_iter()
        .chain(place(bound))
        .chain(states(ignored))
        .chain([Value::Integer(size)]);
    let roots: Vec<Place> = db
        .prepare_cached(&sql)?
        .query_map(params_from_iter(values), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut deleted = 0;
    let mut reached = None;
    let mut told = Vec::new();
    for root in roots {
        if let Some(change) = tell(&named(db, root.2)?) {
            told.push(changes::append(db, change)?);
        }
        delete_family(db, root.2, rows)?;
        deleted += 1;
        reached = Some(root);
        if begin.elapsed() >= PATIENCE {
            break;
        }
    }
    Ok(((deleted, reached), told))
}

/// The row of an execution, as far as it says which one it is.
fn named(db: &Connection, seq: i64) -> rusqlite::Result<ExecutionRow> {
    db.prepare_cached(
        "SELECT id, workflow_name, created_at, workflow_namespace, workflow_id, project_id
         FROM execution WHERE seq = ?1",
    )?
    .query_row(params![seq], |row| {
        let id = ExecutionId::new(row.get::<_, StoredId>(0)?.into_text());
        Ok(ExecutionRow {
            workflow_namespace: row.get(3)?,
            workflow_id: row.get(4)?,
            project_id: row.get(5)?,
            ..ExecutionRow::new(id, row.get::<_, String>(1)?, row.get(2)?)
        })
    })
}

fn delete_family(db: &Connection, root: i64, rows: &mut Tally) -> rusqlite::Result<()> {
    let family: Vec<i64> = db
        .prepare_cached("SELECT seq FROM execution WHERE seq = ?1 OR root = ?1")?
        .query_map(params![root], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for seq in family {
        delete_events(db, seq, i64::MAX)?;
        rows.plus(&Tally::of_execution(db, seq)?);
        for sql in [
            "INSERT OR IGNORE INTO loose SELECT value FROM reference WHERE execution = ?1",
            "DELETE FROM reference WHERE execution = ?1",
            "DELETE FROM letter WHERE recipient = ?1",
            "DELETE FROM snapshot WHERE execution = ?1",
            "DELETE FROM action WHERE execution = ?1",
            "DELETE FROM task WHERE execution = ?1",
            "DELETE FROM execution_text WHERE execution = ?1",
            "DELETE FROM execution WHERE seq = ?1",
        ] {
            db.prepare_cached(sql)?.execute(params![seq])?;
        }
    }
    Ok(())
}

/// Deletes the events of an execution that are numbered below `end`: how many.
fn delete_events(db: &Connection, execution: i64, end: i64) -> rusqlite::Result<usize> {
    let (from, mut next): (i64, Option<i64>) = db
        .prepare_cached("SELECT events_from, last_event FROM execution WHERE seq = ?1")?
        .query_row(params![execution], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut look = db.prepare_cached(
        "SELECT number, previous FROM event WHERE seq = ?1 AND execution = ?2 AND number >= ?3",
    )?;
    let mut delete = db.prepare_cached("DELETE FROM event WHERE seq = ?1")?;
    let mut deleted = 0;
    while let Some(event) = next {
        // The one before the first that is kept was deleted, and another's may have its place.
        let found: Option<(i64, Option<i64>)> = look
            .query_row(params![event, execution, from], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        let Some((number, previous)) = found else {
            break;
        };
        if number < end {
            deleted += delete.execute(params![event])?;
        }
        next = previous.filter(|_| number > from);
    }
    Ok(deleted)
}

/// Looks at some values that may be loose: how many were, and whether there are more to look at.
fn collect_batch(db: &Connection) -> rusqlite::Result<(usize, bool)> {
    let candidates: Vec<i64> = db
        .prepare_cached("SELECT value FROM loose LIMIT ?1")?
        .query_map(params![VALUES], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut deleted = 0;
    for value in &candidates {
        let is_loose = db
            .prepare_cached(
                "DELETE FROM value WHERE seq = ?1
                 AND NOT EXISTS (SELECT 1 FROM reference WHERE value = ?1)",
            )?
            .execute(params![value])?;
        if is_loose > 0 {
            for sql in [
                "INSERT OR IGNORE INTO loose SELECT value FROM reference
                 WHERE execution = 0 AND kind = ?2 AND owner = ?1",
                "DELETE FROM reference WHERE execution = 0 AND kind = ?2 AND owner = ?1",
            ] {
                db.prepare_cached(sql)?
                    .execute(params![value, kind::PART])?;
            }
        }
        deleted += is_loose;
        db.prepare_cached("DELETE FROM loose WHERE value = ?1")?
            .execute(params![value])?;
    }
    Ok((deleted, !candidates.is_empty()))
}
