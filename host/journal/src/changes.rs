//! What changed, for whoever watches: numbered in the order of its commits, read by number, and
//! kept for a while.

mod listeners;
mod trim;

use std::sync::Arc;

use ostro_core::ExecutionId;
use rusqlite::{Connection, params};

use crate::digest::seal;
use crate::id::StoredId;
use crate::read::Read;
use crate::{Journal, JournalError};

pub(crate) use self::listeners::Listeners;
pub(crate) use self::trim::Trimmer;

/// How many changes a page looks at at most, unless an index leads to those that are wanted.
const SCANNED: i64 = 20_000;

/// Something that changed, on its way to the journal with the turn that changed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewChange {
    /// When, in milliseconds since 1970 UTC.
    pub at: i64,
    /// The project that sees it; empty where there are none.
    pub project_id: Arc<str>,
    /// The execution at the top of the one that it is about.
    pub root_execution_id: Option<ExecutionId>,
    /// The execution that it is about; none for an action that runs by itself.
    pub execution_id: Option<ExecutionId>,
    /// What changed, as the caller writes it.
    pub body: Arc<[u8]>,
}

impl NewChange {
    /// Whether it was damaged shows by this.
    pub(crate) fn seal(&self) -> i64 {
        let nobody = ExecutionId::new("");
        let about = self.execution_id.as_ref().unwrap_or(&nobody);
        seal(about, self.at.unsigned_abs(), 0, &self.body)
    }
}

/// A change that is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredChange {
    /// Its place among all changes of the journal, from 1, without gaps and never used again.
    pub sequence: u64,
    /// What changed.
    pub change: Arc<NewChange>,
}

/// How many changes are kept, and for how long: the oldest go. The last one always stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeLimits {
    /// How many. A few hundred more may be there until the journal has time.
    pub count: u64,
    /// For how many milliseconds, reckoned from the last change: where nothing changes, nothing
    /// goes.
    pub age_millis: i64,
}

impl Default for ChangeLimits {
    fn default() -> Self {
        Self {
            count: 1_000_000,
            age_millis: 7 * 24 * 60 * 60 * 1000,
        }
    }
}

/// Which changes are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeFilter {
    /// Those of this project.
    pub project_id: Option<Arc<str>>,
    /// Those of this root execution and all below it. An index leads to them.
    pub root_execution_id: Option<ExecutionId>,
    /// Those of this execution alone. Name its root, too, where it is known.
    pub execution_id: Option<ExecutionId>,
}

/// A page of changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Those that are wanted, in order.
    pub changes: Vec<StoredChange>,
    /// Up to which number all were looked at: where the next page begins. A page may have no
    /// change and still be followed by others, up to `last`.
    pub reached: u64,
    /// The number of the last change of the journal; 0 where there is none.
    pub last: u64,
}

impl Journal {
    /// At most `limit` of the changes after number `after` that `filter` wants. Where some after
    /// it are not kept any more that is an error, [`JournalError::Trimmed`], whatever they were.
    pub fn changes(
        &self,
        after: u64,
        limit: usize,
        filter: &ChangeFilter,
    ) -> Result<Changes, JournalError> {
        self.read(|read| read.changes(after, limit, filter))
    }

    /// The numbers of the first change that is kept and of the last one; none where there is no
    /// change.
    pub fn change_bounds(&self) -> Result<Option<(u64, u64)>, JournalError> {
        // The method itself is not general enough in its lifetimes.
        #[expect(clippy::redundant_closure_for_method_calls)]
        self.read(|read| read.change_bounds())
    }

    /// Has `listener` hear of all changes that are committed from now on, in order, right after
    /// their commit. It is called by the thread that writes, so it does no more than hand on; once
    /// it answers false, it is not called again.
    ///
    /// All that [`Journal::changes`] does not show when this returns, the listener will hear of.
    pub fn on_changes(&self, listener: impl FnMut(&[StoredChange]) -> bool + Send + 'static) {
        self.listeners().add(Box::new(listener));
    }
}

impl Read<'_> {
    fn changes(
        self,
        after: u64,
        limit: usize,
        filter: &ChangeFilter,
    ) -> Result<Changes, JournalError> {
        let Some((oldest, last)) = self.change_bounds()? else {
            return Ok(Changes {
                reached: after,
                ..Changes::default()
            });
        };
        if after.saturating_add(1) < oldest {
            return Err(JournalError::Trimmed { after, oldest });
        }
        let from = i64::try_from(after).unwrap_or(i64::MAX);
        let is_indexed = filter.root_execution_id.is_some();
        let (sql, end) = if is_indexed {
            (OF_ROOT, i64::MAX)
        } else {
            (OF_ALL, from.saturating_add(SCANNED))
        };
        let stored = |id: &Option<ExecutionId>| id.as_ref().map(|id| StoredId::new(id.as_str()));
        let limit = limit.max(1);
        let rows = self.many(
            sql,
            params![
                from,
                end,
                stored(&filter.root_execution_id),
                filter.project_id.as_deref(),
                stored(&filter.execution_id),
                i64::try_from(limit).unwrap_or(i64::MAX)
            ],
            |row| {
                let id = |column| -> rusqlite::Result<_> {
                    let id: Option<StoredId> = row.get(column)?;
                    Ok(id.map(|id| ExecutionId::new(id.into_text())))
                };
                let change = NewChange {
                    at: row.get(1)?,
                    project_id: row.get_ref(2)?.as_str()?.into(),
                    root_execution_id: id(3)?,
                    execution_id: id(4)?,
                    body: row.get_ref(6)?.as_blob()?.into(),
                };
                Ok((row.get::<_, u64>(0)?, row.get::<_, i64>(5)?, change))
            },
        )?;
        let reached = match rows.last() {
            Some((sequence, ..)) if rows.len() == limit => *sequence,
            _ => last.min(end.unsigned_abs()).max(after),
        };
        let changes = rows.into_iter().map(|(sequence, sealed, change)| {
            if change.seal() != sealed {
                let what = format!("change {sequence} is not what was stored");
                return Err(self.corrupt(what));
            }
            let change = Arc::new(change);
            Ok(StoredChange { sequence, change })
        });
        Ok(Changes {
            changes: changes.collect::<Result<_, _>>()?,
            reached,
            last,
        })
    }

    fn change_bounds(self) -> Result<Option<(u64, u64)>, JournalError> {
        let found = self.one(BOUNDS, [], |row| {
            Ok(row.get::<_, Option<u64>>(0)?.zip(row.get(1)?))
        })?;
        Ok(found.flatten())
    }
}

/// Each of the two by itself is one look at the table.
const BOUNDS: &str = "SELECT (SELECT min(seq) FROM change), (SELECT max(seq) FROM change)";
const OF_ROOT: &str = "SELECT seq, at, project_id, root, execution, seal, body
    FROM change INDEXED BY change_root
    WHERE root = ?3 AND seq > ?1 AND seq <= ?2
        AND (?4 IS NULL OR project_id = ?4) AND (?5 IS NULL OR execution = ?5)
    ORDER BY seq LIMIT ?6";
const OF_ALL: &str = "SELECT seq, at, project_id, root, execution, seal, body
    FROM change NOT INDEXED
    WHERE seq > ?1 AND seq <= ?2 AND ?3 IS NULL
        AND (?4 IS NULL OR project_id = ?4) AND (?5 IS NULL OR execution = ?5)
    ORDER BY seq LIMIT ?6";

/// Writes a change under the number `seq`.
pub(crate) const INSERT: &str =
    "INSERT INTO change (seq, at, project_id, root, execution, seal, body)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

/// The number of the last change; 0 where there is none.
pub(crate) fn last(db: &Connection) -> rusqlite::Result<i64> {
    db.prepare_cached("SELECT ifnull(max(seq), 0) FROM change")?
        .query_row([], |row| row.get(0))
}

/// Writes a change with the next number, which comes back.
pub(crate) fn append(db: &Connection, change: NewChange) -> rusqlite::Result<StoredChange> {
    let seq = last(db)? + 1;
    let stored = |id: &Option<ExecutionId>| id.as_ref().map(|id| StoredId::new(id.as_str()));
    db.prepare_cached(INSERT)?.execute(params![
        seq,
        change.at,
        &*change.project_id,
        stored(&change.root_execution_id),
        stored(&change.execution_id),
        change.seal(),
        &change.body[..],
    ])?;
    Ok(StoredChange {
        sequence: seq.unsigned_abs(),
        change: Arc::new(change),
    })
}
