//! A journal on a disk that does what a test says, for simulations: no thread, no file, no wait.
//!
//! It writes and reads by the same statements as every journal, in a database in memory. What waits
//! to be written is written when the test says so, whoever waits is told when it says so, and a
//! crash leaves what was written, whether or not somebody was told.
//!
//! ```
//! use std::sync::{Arc, atomic::{AtomicBool, Ordering}};
//!
//! use ostro_core::ExecutionId;
//! use ostro_journal::simulated::Disk;
//! use ostro_journal::{ExecutionRow, Options, Turn};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut disk = Disk::new(&Options::default())?;
//! let id = ExecutionId::new("one");
//! let mut turn = Turn::new();
//! turn.execution(ExecutionRow::new(id.clone(), "provide", 0));
//! let told = Arc::new(AtomicBool::new(false));
//! let tell = Arc::clone(&told);
//! disk.journal().try_submit(turn, move |_| tell.store(true, Ordering::Relaxed))?;
//!
//! disk.write(1)?;
//! disk.crash(0)?;
//! assert!(disk.journal().execution(&id)?.is_some());
//! assert!(!told.load(Ordering::Relaxed));
//! # Ok(())
//! # }
//! ```

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;

use crate::changes::Listeners;
use crate::check::{Report, check};
use crate::pool::{Pool, keep_plans};
use crate::queue::{Bounds, Callback, Queue, Submission};
use crate::writer::Writer;
use crate::{ChangeLimits, Journal, JournalError, Options, schema};

/// What the journal calls its database.
const PATH: &str = "simulated.db";

/// A disk, and the journal of the host that runs on it.
pub struct Disk {
    pool: Arc<Pool>,
    bounds: Bounds,
    queue: Arc<Queue>,
    listeners: Arc<Listeners>,
    journal: Journal,
    /// Whom to tell how their turns went, in order.
    untold: VecDeque<(Callback, Result<(), JournalError>)>,
}

impl Disk {
    /// A disk with nothing on it, and a host that has just started. Of `options`, the bounds of
    /// the queue count.
    pub fn new(options: &Options) -> Result<Self, JournalError> {
        let path = Path::new(PATH);
        let fault = |error| JournalError::sqlite(path, error);
        let mut db = Connection::open_in_memory().map_err(fault)?;
        keep_plans(&db).map_err(fault)?;
        // As the writer of every journal has it: `check` looks at them.
        db.pragma_update(None, "foreign_keys", false)
            .map_err(fault)?;
        db.set_prepared_statement_cache_capacity(200);
        schema::migrate(&mut db, path)?;
        let pool = Arc::new(Pool::of(db, path.to_owned()));
        let bounds = bounds(options);
        let (queue, listeners, journal) = host(&pool, bounds);
        Ok(Self {
            pool,
            bounds,
            queue,
            listeners,
            journal,
            untold: VecDeque::new(),
        })
    }

    /// Wipes the disk, and starts a host anew: as [`Disk::new`], but the tables are there, and
    /// what SQLite has prepared for them.
    pub fn wipe(&mut self, options: &Options) -> Result<(), JournalError> {
        self.queue.close();
        self.queue.try_take(usize::MAX);
        self.untold.clear();
        self.pool.lend(|db| {
            let wiped = schema::wipe(&db, Path::new(PATH));
            (db, wiped)
        })??;
        self.bounds = bounds(options);
        (self.queue, self.listeners, self.journal) = host(&self.pool, self.bounds);
        Ok(())
    }

    /// The journal of the host that runs.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// How many turns wait to be written.
    pub fn waiting(&self) -> usize {
        self.queue.turns()
    }

    /// How many turns were written, or refused, and nobody was told.
    pub fn untold(&self) -> usize {
        self.untold.len()
    }

    /// Writes the first `turns` of those that wait, at once. The errors are those of turns that
    /// were refused: they contradict themselves, or what is there.
    pub fn write(&mut self, turns: usize) -> Result<Vec<JournalError>, JournalError> {
        let group = self.queue.try_take(turns);
        let results = self.commit(&group)?;
        let refused = results.iter().filter_map(|result| result.clone().err());
        let refused = refused.collect();
        for (submission, result) in group.into_iter().zip(results) {
            self.untold.push_back((submission.callback, result));
        }
        Ok(refused)
    }

    /// The disk fails under the first `turns` of those that wait.
    pub fn fail(&mut self, turns: usize) {
        let fault = io::Error::other("the simulated disk fails");
        let fault = JournalError::io("write", Path::new(PATH), fault);
        for submission in self.queue.try_take(turns) {
            let result = Err(fault.clone());
            self.untold.push_back((submission.callback, result));
        }
    }

    /// Tells the first `turns` of those who wait how their turns went.
    pub fn tell(&mut self, turns: usize) {
        for _ in 0..turns {
            let Some((callback, result)) = self.untold.pop_front() else {
                return;
            };
            callback(result);
        }
    }

    /// The host crashes: the first `turns` of those that wait are written all the same, nobody is
    /// told anything any more, and the next host starts on what is there. The errors are as those
    /// of [`Disk::write`].
    pub fn crash(&mut self, turns: usize) -> Result<Vec<JournalError>, JournalError> {
        let refused = self.write(turns);
        self.untold.clear();
        // Who has the old journal still finds it closed.
        self.queue.close();
        self.queue.try_take(usize::MAX);
        (self.queue, self.listeners, self.journal) = host(&self.pool, self.bounds);
        refused
    }

    /// Checks all that was written, as [`Journal::check`] does.
    pub fn check(&self) -> Result<Report, JournalError> {
        self.pool.lend(|db| {
            let report = check(&db, Path::new(PATH));
            (db, report)
        })?
    }

    fn commit(&self, group: &[Submission]) -> Result<Vec<Result<(), JournalError>>, JournalError> {
        self.pool.lend(|db| {
            let listeners = Arc::clone(&self.listeners);
            let limits = ChangeLimits::default();
            let mut writer = Writer::new(db, PathBuf::from(PATH), false, listeners, limits);
            let results = writer.commit(group);
            writer.tell();
            (writer.into_db(), results)
        })?
    }
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disk")
            .field("waiting", &self.waiting())
            .field("untold", &self.untold())
            .finish_non_exhaustive()
    }
}

fn bounds(options: &Options) -> Bounds {
    Bounds {
        queue_turns: options.queue_turns.max(1),
        queue_bytes: options.queue_bytes,
        group_turns: options.group_turns.max(1),
        group_bytes: options.group_bytes,
    }
}

/// A host that starts: its queue, and its journal.
fn host(pool: &Arc<Pool>, bounds: Bounds) -> (Arc<Queue>, Arc<Listeners>, Journal) {
    let queue = Arc::new(Queue::new(bounds));
    let listeners: Arc<Listeners> = Arc::default();
    let journal = Journal::over(
        Arc::clone(&queue),
        Arc::clone(&listeners),
        Arc::clone(pool),
        PathBuf::from(PATH),
    );
    (queue, listeners, journal)
}
