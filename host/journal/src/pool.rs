//! Connections that only read. The writer never waits for them, nor they for the writer.

use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::JournalError;

/// After how many of its steps SQLite looks at the time.
const STEPS: i32 = 10_000;

pub(crate) struct Pool {
    path: PathBuf,
    limit: usize,
    state: Mutex<State>,
    returned: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<Connection>,
    /// How many there are, idle or not.
    open: usize,
}

impl Pool {
    pub(crate) fn new(path: PathBuf, limit: usize) -> Self {
        Self {
            path,
            limit: limit.max(1),
            state: Mutex::default(),
            returned: Condvar::new(),
        }
    }

    /// A pool of one connection, which is there already: for a database that is nowhere else.
    pub(crate) fn of(db: Connection, path: PathBuf) -> Self {
        let state = State {
            idle: vec![db],
            open: 1,
        };
        Self {
            path,
            limit: 1,
            state: Mutex::new(state),
            returned: Condvar::new(),
        }
    }

    /// Hands out a connection, to write by or to look at all of the database.
    pub(crate) fn lend<T>(
        &self,
        by: impl FnOnce(Connection) -> (Connection, T),
    ) -> Result<T, JournalError> {
        let (db, result) = by(self.take()?);
        self.lock().idle.push(db);
        self.returned.notify_one();
        Ok(result)
    }

    /// Reads within one transaction: all of it sees the same commit. SQLite stops at `end`.
    pub(crate) fn read<T>(
        &self,
        end: Option<Instant>,
        read: impl FnOnce(&Connection) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let mut reader = Reader {
            db: Some(self.take()?),
            pool: self,
        };
        let Some(db) = &mut reader.db else {
            return Err(JournalError::Closed);
        };
        let fault = |error| JournalError::sqlite(&self.path, error);
        let late = end.map(|end| move || Instant::now() >= end);
        db.progress_handler(STEPS, late).map_err(fault)?;
        let transaction = db.transaction().map_err(fault)?;
        let result = read(&transaction)?;
        transaction.commit().map_err(fault)?;
        Ok(result)
    }

    fn take(&self) -> Result<Connection, JournalError> {
        let mut state = self.lock();
        loop {
            if let Some(db) = state.idle.pop() {
                return Ok(db);
            }
            if state.open < self.limit {
                break;
            }
            state = self
                .returned
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.open += 1;
        drop(state);
        self.connect().inspect_err(|_| {
            self.lock().open -= 1;
            self.returned.notify_one();
        })
    }

    /// A connection of one's own, for what takes long.
    pub(crate) fn connect(&self) -> Result<Connection, JournalError> {
        let fault = |error| JournalError::sqlite(&self.path, error);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(&self.path, flags).map_err(fault)?;
        db.execute_batch(
            "PRAGMA query_only = ON;
             PRAGMA cache_size = -8192;
             PRAGMA temp_store = MEMORY;
             PRAGMA cell_size_check = ON;",
        )
        .map_err(fault)?;
        keep_plans(&db).map_err(fault)?;
        db.set_prepared_statement_cache_capacity(64);
        Ok(db)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has SQLite make the plan of a statement once, and not anew for each value that is bound to it.
pub(crate) fn keep_plans(db: &Connection) -> rusqlite::Result<()> {
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map(drop)
}

/// Brings the connection back, whatever happens to the reader.
struct Reader<'a> {
    db: Option<Connection>,
    pool: &'a Pool,
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let mut state = self.pool.lock();
        state.idle.extend(self.db.take());
        drop(state);
        self.pool.returned.notify_one();
    }
}
