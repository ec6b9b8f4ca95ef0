//! The one thread that writes: it takes what waits as a group, commits it at once, and tells
//! everybody.

mod apply;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) use apply::kind;
use apply::{Memory, Statements};
use rusqlite::Connection;

use crate::changes::{Listeners, Trimmer};
use crate::pool::keep_plans;
use crate::queue::{Queue, Submission, Work};
use crate::{ChangeLimits, JournalError, Tally};

/// How long nothing may come before the writer uses the time to tidy up.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a commit takes at least that is worth waiting for others, and how long they are
/// waited for at most.
const SLOW: Duration = Duration::from_millis(1);
const MOMENT: Duration = Duration::from_micros(500);

pub(crate) struct Writer {
    db: Connection,
    path: PathBuf,
    /// Whether commits are to survive the loss of power at all.
    durable: bool,
    /// Whether the next commit would, as the database stands now.
    synced: bool,
    memory: Memory,
    listeners: Arc<Listeners>,
    trimmer: Trimmer,
    /// How many turns were committed last, and how long that took.
    last: (usize, Duration),
}

impl Writer {
    /// A writer to a database that [`open`] has opened.
    pub(crate) fn new(
        db: Connection,
        path: PathBuf,
        durable: bool,
        listeners: Arc<Listeners>,
        limits: ChangeLimits,
    ) -> Self {
        Self {
            db,
            path,
            durable,
            synced: durable,
            memory: Memory::default(),
            listeners,
            trimmer: Trimmer::new(limits),
            last: (0, Duration::ZERO),
        }
    }

    /// The database, for somebody else to write to.
    pub(crate) fn into_db(self) -> Connection {
        self.db
    }

    /// Writes until the queue is closed and empty.
    pub(crate) fn run(mut self, queue: &Arc<Queue>) {
        let mut busy = false;
        loop {
            self.gather(queue);
            match queue.take(busy, PATIENCE) {
                Work::Group(group) => {
                    busy = true;
                    let (turns, began) = (group.len(), Instant::now());
                    let taken = self.write(group, queue, began);
                    if !taken {
                        queue.failed();
                    }
                    self.last = (turns, began.elapsed());
                }
                Work::Errand(errand) => {
                    busy = true;
                    if let Err(error) = self.sync(true) {
                        tracing::error!(path = %self.path.display(), %error, "cannot have commits wait for the disk");
                    }
                    guarded(|| errand(&mut self.db));
                    self.leave_transaction();
                    self.memory.clear();
                }
                Work::Idle => {
                    busy = false;
                    while self.trim(true) && queue.turns() == 0 {}
                    self.checkpoint("PASSIVE");
                }
                Work::End => break,
            }
        }
        self.checkpoint("TRUNCATE");
    }

    /// Where several executions are at work, those of the last commit have their next turns ready
    /// a moment after it. To wait that moment makes half as many commits of them.
    fn gather(&self, queue: &Queue) {
        let (turns, took) = self.last;
        if turns > 1 && took >= SLOW && queue.turns() < turns {
            std::thread::sleep((took / 8).min(MOMENT));
        }
    }

    /// Commits a group and tells everybody. Whether the disk took it.
    fn write(&mut self, group: Vec<Submission>, queue: &Queue, began: Instant) -> bool {
        let outcome = self.commit(&group).or_else(|error| {
            if !error.is_disk() {
                return Err(error);
            }
            // What is in the log may have its place in the database already, or find it there:
            // the log then begins anew, and needs no room that it does not have.
            self.checkpoint("PASSIVE");
            self.commit(&group)
        });
        let taken = outcome.is_ok();
        let changed = taken && !self.memory.changes.is_empty();
        self.tell();
        if taken {
            queue.committed(group.len(), began.elapsed(), &self.memory.tally);
        }
        let results = match outcome {
            Ok(results) => results,
            Err(error) => group.iter().map(|_| Err(error.clone())).collect(),
        };
        for (submission, result) in group.into_iter().zip(results) {
            let callback = submission.callback;
            guarded(|| callback(result));
        }
        if changed {
            self.trim(false);
        }
        taken
    }

    /// Writes a group in one transaction: an answer for each turn, or a fault of the disk that
    /// is the answer for all.
    pub(crate) fn commit(
        &mut self,
        group: &[Submission],
    ) -> Result<Vec<Result<(), JournalError>>, JournalError> {
        self.sync(group.iter().any(|submission| submission.synced))?;
        let first = self.attempt(group, false);
        match first {
            Ok(results) => Ok(results),
            Err(error) if error.is_disk() => Err(error),
            // One of them is wrong. Which one shows when each has a savepoint of its own, which
            // is too slow to do always.
            Err(_) => self.attempt(group, true),
        }
    }

    fn attempt(
        &mut self,
        group: &[Submission],
        one_by_one: bool,
    ) -> Result<Vec<Result<(), JournalError>>, JournalError> {
        let results = self.attempt_open(group, one_by_one);
        if results.is_err() {
            self.leave_transaction();
            self.memory.clear();
            self.memory.changes.clear();
        }
        results
    }

    /// Tells whoever listens what changed with the last commit.
    pub(crate) fn tell(&mut self) {
        self.listeners
            .tell(&std::mem::take(&mut self.memory.changes));
    }

    /// Takes some of the oldest changes away, if that is due. Whether there may be more.
    fn trim(&mut self, idle: bool) -> bool {
        // What comes back with the loss of power goes again.
        let trimmed = self.sync(false).and_then(|()| {
            let step = self.trimmer.step(&self.db, idle);
            step.map_err(|error| JournalError::sqlite(&self.path, error))
        });
        trimmed.unwrap_or_else(|error| {
            tracing::warn!(path = %self.path.display(), %error, "cannot take old changes away");
            false
        })
    }

    fn attempt_open(
        &mut self,
        group: &[Submission],
        one_by_one: bool,
    ) -> Result<Vec<Result<(), JournalError>>, JournalError> {
        self.memory.changes.clear();
        self.execute("BEGIN IMMEDIATE")?;
        self.memory.tally = Tally::default();
        let statements = Statements::default();
        let mut results = Vec::with_capacity(group.len());
        for submission in group {
            if !one_by_one {
                apply::apply(
                    &self.db,
                    &self.path,
                    &mut self.memory,
                    &statements,
                    &submission.turn,
                )?;
                results.push(Ok(()));
                continue;
            }
            self.execute("SAVEPOINT turn")?;
            let changes = self.memory.changes.len();
            let tally = self.memory.tally;
            let result = apply::apply(
                &self.db,
                &self.path,
                &mut self.memory,
                &statements,
                &submission.turn,
            );
            match &result {
                Ok(()) => {}
                Err(error) if error.is_disk() || self.db.is_autocommit() => {
                    return Err(error.clone());
                }
                Err(_) => {
                    self.memory.clear();
                    self.memory.changes.truncate(changes);
                    self.memory.tally = tally;
                    self.execute("ROLLBACK TO turn")?;
                }
            }
            self.execute("RELEASE turn")?;
            results.push(result);
        }
        self.execute("COMMIT")?;
        Ok(results)
    }

    /// Has commits wait for the disk, or not. SQLite changes that only between transactions.
    fn sync(&mut self, wanted: bool) -> Result<(), JournalError> {
        let wanted = wanted && self.durable;
        if self.durable && wanted != self.synced {
            let level = if wanted { "FULL" } else { "NORMAL" };
            self.db
                .execute_batch(&format!("PRAGMA synchronous = {level}"))
                .map_err(|error| JournalError::sqlite(&self.path, error))?;
            self.synced = wanted;
        }
        Ok(())
    }

    fn execute(&self, sql: &str) -> Result<(), JournalError> {
        self.db
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute([]))
            .map(drop)
            .map_err(|error| JournalError::sqlite(&self.path, error))
    }

    fn leave_transaction(&self) {
        if !self.db.is_autocommit()
            && let Err(error) = self.db.execute_batch("ROLLBACK")
        {
            tracing::error!(path = %self.path.display(), %error, "cannot roll back");
        }
    }

    /// Moves what is in the log into the database. What cannot be moved now is moved later.
    fn checkpoint(&self, mode: &str) {
        let moved = self
            .db
            .query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()));
        if let Err(error) = moved {
            tracing::warn!(path = %self.path.display(), %error, "cannot checkpoint");
        }
    }
}

/// A caller's panic must not take the writer with it.
fn guarded(call: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(call)).is_err() {
        tracing::error!("what the journal told about a turn led to a panic");
    }
}

/// Opens the database for writing.
pub(crate) fn open(
    path: &Path,
    durable: bool,
    max_bytes: Option<u64>,
) -> Result<Connection, JournalError> {
    let fault = |error| JournalError::sqlite(path, error);
    let db = Connection::open(path).map_err(fault)?;
    let level = if durable { "FULL" } else { "OFF" };
    // A checkpoint comes with a commit when the log has 4 MiB. It is there for each run that goes
    // on, and on a disk that is full it must not be what takes the room.
    db.execute_batch(&format!(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = {level};
         PRAGMA wal_autocheckpoint = 1000;
         PRAGMA journal_size_limit = 4194304;
         PRAGMA cache_size = -32768;
         PRAGMA temp_store = MEMORY;
         PRAGMA cell_size_check = ON;
         PRAGMA foreign_keys = OFF;"
    ))
    .map_err(fault)?;
    if let Some(bytes) = max_bytes {
        let size: u64 = db
            .query_row("PRAGMA page_size", [], |row| row.get::<_, u32>(0))
            .map_err(fault)?
            .into();
        let pages = (bytes / size.max(1)).max(1);
        db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
            .map_err(fault)?;
    }
    keep_plans(&db).map_err(fault)?;
    db.set_prepared_statement_cache_capacity(100);
    Ok(db)
}
