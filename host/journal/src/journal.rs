//! The journal as its callers see it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ostro_core::{ActionExecutionId, ExecutionId, TaskExecutionId, TimesTaken};
use rusqlite::{Connection, ErrorCode};

use crate::changes::Listeners;
use crate::lock::{self, DirLock};
use crate::pool::Pool;
use crate::queue::{Bounds, Queue, Submission};
use crate::read::Read;
use crate::writer::{self, Writer};
use crate::{
    ActionRecord, ChangeLimits, Digest, ExecutionRow, JournalError, Loaded, StoredEvent,
    StoredLetter, Tally, TaskRecord, Turn, Unfinished, UnfinishedRoot, schema,
};

/// The database's name in the state folder.
pub(crate) const DATABASE: &str = "journal.db";

/// How a journal is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many turns may wait to be written.
    pub queue_turns: usize,
    /// How many bytes of turns may wait to be written.
    pub queue_bytes: usize,
    /// How many turns are committed at once at most.
    pub group_turns: usize,
    /// How many bytes of turns are committed at once at most, unless one turn is larger.
    pub group_bytes: usize,
    /// How large one turn may be.
    pub turn_bytes: usize,
    /// How many queries may read at a time; more wait.
    pub readers: usize,
    /// How long a page may take. A filter or an order without an index reads a whole table.
    pub query_time: Duration,
    /// How large the database may become; none for as large as the disk allows.
    pub max_bytes: Option<u64>,
    /// Whether what is acknowledged survives the loss of power. Without it, it survives the
    /// end of the process only.
    pub durable: bool,
    /// How many changes are kept, and for how long.
    pub changes: ChangeLimits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            queue_turns: 4096,
            queue_bytes: 64 << 20,
            group_turns: 512,
            group_bytes: 16 << 20,
            turn_bytes: 256 << 20,
            readers: 4,
            query_time: Duration::from_secs(10),
            max_bytes: None,
            durable: true,
            changes: ChangeLimits::default(),
        }
    }
}

/// What a journal has written since it was opened, and what waits to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// How many commits there were.
    pub commits: u64,
    /// How many turns they had.
    pub turns: u64,
    /// How many turns wait.
    pub queued_turns: usize,
    /// How many bytes these have.
    pub queued_bytes: usize,
    /// How long commits took.
    pub commit_times: TimesTaken,
    /// How many times the disk did not take a group of turns.
    pub failures: u64,
    /// How many rows there are in each state; none before [`Journal::count`].
    pub tally: Option<Tally>,
}

/// A turn that the journal did not take, and why: [`JournalError::Busy`], most of all.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Refused {
    /// The turn, to be tried again.
    pub turn: Turn,
    /// Why.
    #[source]
    pub reason: JournalError,
}

/// The journal of one state folder. Clones are the same journal; the last one that goes closes
/// it, after what is queued is written.
#[derive(Clone)]
pub struct Journal {
    inner: Arc<Inner>,
}

/// In the order in which it goes: the folder is let go last.
struct Inner {
    queue: Arc<Queue>,
    listeners: Arc<Listeners>,
    writer: Mutex<Option<JoinHandle<()>>>,
    pool: Arc<Pool>,
    /// Whether to read is to wait for a disk.
    blocks: bool,
    dir: PathBuf,
    path: PathBuf,
    turn_bytes: usize,
    query_time: Duration,
    /// Whether the folder goes with the journal.
    ephemeral: bool,
    /// None where it is only read.
    _lock: Option<DirLock>,
}

impl Journal {
    /// The database's name in the state folder.
    pub const DATABASE: &str = DATABASE;

    /// Opens the journal of the state folder `dir`, and makes both if they are not there. The
    /// folder is held until the journal is closed; the schema is brought to the newest one.
    pub fn open(dir: &Path, options: &Options) -> Result<Self, JournalError> {
        Self::open_as(dir, options, false)
    }

    /// A journal in a folder of its own among the temporary files, which goes with it. Nothing
    /// waits for the disk.
    pub fn ephemeral(options: &Options) -> Result<Self, JournalError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("ostro-{}-{count}", std::process::id()));
        fs::create_dir(&dir).map_err(|error| JournalError::io("create", &dir, error))?;
        let options = Options {
            durable: false,
            ..options.clone()
        };
        Self::open_as(&dir, &options, true)
    }

    /// The journal of `dir` for reading, whoever holds the folder: what is committed is seen at
    /// once. Turns are refused with [`JournalError::Closed`]. None if there is no journal.
    ///
    /// One of an older schema is opened as [`Journal::open`] does first, which brings it to the
    /// newest.
    pub fn open_to_read(dir: &Path, options: &Options) -> Result<Option<Self>, JournalError> {
        let path = dir.join(DATABASE);
        if !path.is_file() {
            return Ok(None);
        }
        let queue = Queue::new(Bounds {
            queue_turns: 1,
            queue_bytes: 0,
            group_turns: 1,
            group_bytes: 0,
        });
        queue.close();
        let pool = Pool::new(path.clone(), options.readers);
        if !schema::is_newest(&pool.connect()?, &path)? {
            drop(Self::open(dir, options)?);
        }
        Ok(Some(Self {
            inner: Arc::new(Inner {
                queue: Arc::new(queue),
                listeners: Arc::default(),
                writer: Mutex::new(None),
                pool: Arc::new(pool),
                blocks: true,
                dir: dir.to_owned(),
                path,
                turn_bytes: options.turn_bytes,
                query_time: options.query_time,
                ephemeral: false,
                _lock: None,
            }),
        }))
    }

    fn open_as(dir: &Path, options: &Options, ephemeral: bool) -> Result<Self, JournalError> {
        let lock = DirLock::take(dir)?;
        let path = dir.join(DATABASE);
        let mut db = writer::open(&path, options.durable, options.max_bytes)?;
        schema::migrate(&mut db, &path)?;
        schema::verify(&db, &path)?;
        let queue = Arc::new(Queue::new(Bounds {
            queue_turns: options.queue_turns.max(1),
            queue_bytes: options.queue_bytes,
            group_turns: options.group_turns.max(1),
            group_bytes: options.group_bytes,
        }));
        let listeners: Arc<Listeners> = Arc::default();
        let (durable, tells) = (options.durable, Arc::clone(&listeners));
        let writer = Writer::new(db, path.clone(), durable, tells, options.changes);
        let theirs = Arc::clone(&queue);
        let writer = thread::Builder::new()
            .name("ostro-journal".to_owned())
            .spawn(move || writer.run(&theirs))
            .map_err(|error| JournalError::io("start the writer of", &path, error))?;
        let inner = Inner {
            queue,
            listeners,
            writer: Mutex::new(Some(writer)),
            pool: Arc::new(Pool::new(path.clone(), options.readers)),
            blocks: true,
            dir: dir.to_owned(),
            path,
            turn_bytes: options.turn_bytes,
            query_time: options.query_time,
            ephemeral,
            _lock: Some(lock),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Who holds the folder `dir`: process id, host name and since when; none if nobody does.
    pub fn holder(dir: &Path) -> Option<String> {
        lock::holder_of(dir)
    }

    /// A journal whose turns somebody else takes out of `queue`, and which reads what `pool` has.
    pub(crate) fn over(
        queue: Arc<Queue>,
        listeners: Arc<Listeners>,
        pool: Arc<Pool>,
        path: PathBuf,
    ) -> Self {
        let options = Options::default();
        let inner = Inner {
            queue,
            listeners,
            writer: Mutex::default(),
            pool,
            blocks: false,
            dir: PathBuf::new(),
            path,
            turn_bytes: options.turn_bytes,
            query_time: options.query_time,
            ephemeral: false,
            _lock: None,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Whether to read is to wait for a disk, so that it is done where waiting does no harm.
    pub fn blocks(&self) -> bool {
        self.inner.blocks
    }

    /// The database's file.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Writes a turn, and calls `done` once it is durable or has failed. Never waits: where too
    /// much is queued the turn comes back with [`JournalError::Busy`], and
    /// [`Journal::on_room`] tells when to try again.
    ///
    /// Turns are written, and told of, in the order in which they came. `done` is called by the
    /// thread that writes, so it does no more than hand on. A turn that fails leaves the others
    /// alone; when the disk fails, all that were to be committed together do, and later ones
    /// are tried all the same.
    pub fn try_submit(
        &self,
        turn: Turn,
        done: impl FnOnce(Result<(), JournalError>) + Send + 'static,
    ) -> Result<(), Refused> {
        self.offer(turn, true, done)
    }

    /// As [`Journal::try_submit`], for what need not survive the loss of power, only the end
    /// of the process: notes that an action was started. It costs no wait for the disk, unless
    /// it is written together with a turn that does.
    pub fn try_note(
        &self,
        turn: Turn,
        done: impl FnOnce(Result<(), JournalError>) + Send + 'static,
    ) -> Result<(), Refused> {
        self.offer(turn, false, done)
    }

    fn offer(
        &self,
        turn: Turn,
        synced: bool,
        done: impl FnOnce(Result<(), JournalError>) + Send + 'static,
    ) -> Result<(), Refused> {
        let turn = self.fits(turn)?;
        let submission = Submission {
            turn,
            synced,
            callback: Box::new(done),
        };
        self.inner
            .queue
            .try_push(submission)
            .map_err(|(submission, reason)| Refused {
                turn: submission.turn,
                reason,
            })
    }

    /// As [`Journal::try_submit`], but waits for room.
    pub fn submit(
        &self,
        turn: Turn,
        done: impl FnOnce(Result<(), JournalError>) + Send + 'static,
    ) -> Result<(), Refused> {
        let turn = self.fits(turn)?;
        let submission = Submission {
            turn,
            synced: true,
            callback: Box::new(done),
        };
        self.inner
            .queue
            .push(submission)
            .map_err(|(submission, reason)| Refused {
                turn: submission.turn,
                reason,
            })
    }

    /// Writes a turn and waits until it is durable or has failed.
    pub fn write(&self, turn: Turn) -> Result<(), JournalError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.submit(turn, move |result| {
            let _ = sender.send(result);
        })
        .map_err(|refused| refused.reason)?;
        receiver.recv().unwrap_or(Err(JournalError::Closed))
    }

    /// Calls `ready` once at least half of the queue is free, or the journal is closed; now, if
    /// that is so.
    pub fn on_room(&self, ready: impl FnOnce() + Send + 'static) {
        self.inner.queue.on_room(Box::new(ready));
    }

    fn fits(&self, turn: Turn) -> Result<Turn, Refused> {
        let (bytes, limit) = (turn.bytes(), self.inner.turn_bytes);
        if bytes > limit {
            let reason = JournalError::TooLarge { bytes, limit };
            return Err(Refused { turn, reason });
        }
        Ok(turn)
    }

    /// How much was written since the journal was opened.
    pub fn figures(&self) -> Figures {
        self.inner.queue.figures()
    }

    /// Counts the rows in each state, once: [`Figures::tally`] has them from then on, as of the
    /// last commit. Nothing waits for it but the caller, some 50 ms for a million rows.
    pub fn count(&self) -> Result<(), JournalError> {
        let reader = self.connect()?;
        let (path, queue) = (self.path().to_owned(), self.queue());
        // Between two groups the reader sees just what was committed and noted by then.
        let (reader, since) = self.errand(move |_| {
            let fault = |error| JournalError::sqlite(&path, error);
            reader.execute_batch("BEGIN").map_err(fault)?;
            let begin = "SELECT count(*) FROM (SELECT 1 FROM execution LIMIT 1)";
            reader
                .query_row(begin, [], |row| row.get::<_, i64>(0))
                .map_err(fault)?;
            Ok((reader, queue.since()))
        })?;
        let then = Tally::count(&reader);
        let then = then.map_err(|error| JournalError::sqlite(self.path(), error))?;
        self.inner.queue.counted(then, &since);
        Ok(())
    }

    /// Writes what is queued, and closes the journal for all its clones. The folder is let go
    /// when the last of them is dropped.
    pub fn close(&self) {
        self.inner.close();
    }

    /// What brings an execution back: its row, its newest snapshot, and the events after it.
    pub fn load(&self, id: &ExecutionId) -> Result<Option<Loaded>, JournalError> {
        self.read(|read| read.load(id))
    }

    /// At most `limit` events of an execution, from number `from` on: its history, as far as
    /// it is kept.
    pub fn events(
        &self,
        id: &ExecutionId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, JournalError> {
        self.read(|read| read.history(id, from, limit))
    }

    /// A page of root executions that have not come to rest, in the order of their creation,
    /// after the last one of the page before.
    pub fn unfinished(
        &self,
        which: Unfinished,
        after: Option<&UnfinishedRoot>,
        limit: usize,
    ) -> Result<Vec<UnfinishedRoot>, JournalError> {
        self.read(|read| read.unfinished(which, after, limit))
    }

    /// A root execution and all below it, each after the one above it; or only those that have
    /// not ended. Empty if there is no such root.
    pub fn family(
        &self,
        root: &ExecutionId,
        only_unfinished: bool,
    ) -> Result<Vec<ExecutionId>, JournalError> {
        self.read(|read| read.family(root, only_unfinished))
    }

    /// The letters that an execution has not taken in, in the order in which they were sent.
    pub fn letters(&self, recipient: &ExecutionId) -> Result<Vec<StoredLetter>, JournalError> {
        self.read(|read| read.letters(recipient))
    }

    /// The row of an execution.
    pub fn execution(&self, id: &ExecutionId) -> Result<Option<ExecutionRow>, JournalError> {
        self.read(|read| read.execution(id))
    }

    /// The row of a task execution.
    pub fn task(&self, id: &TaskExecutionId) -> Result<Option<TaskRecord>, JournalError> {
        self.read(|read| read.task(id))
    }

    /// The row of an action execution.
    pub fn action(&self, id: &ActionExecutionId) -> Result<Option<ActionRecord>, JournalError> {
        self.read(|read| read.action(id))
    }

    /// The value with this digest.
    pub fn value(&self, digest: &Digest) -> Result<Option<Vec<u8>>, JournalError> {
        self.read(|read| read.value(digest))
    }

    /// Whether there is a value with this digest.
    pub fn has_value(&self, digest: &Digest) -> Result<bool, JournalError> {
        self.read(|read| read.has_value(digest))
    }

    /// What is remembered under `name`.
    pub fn setting(&self, name: &str) -> Result<Option<Vec<u8>>, JournalError> {
        self.read(|read| read.setting(name))
    }

    /// The ids and bodies of all documents of a kind, in the order in which they were first kept.
    pub fn documents(&self, kind: &str) -> Result<Vec<(String, Vec<u8>)>, JournalError> {
        self.read(|read| read.documents(kind))
    }

    /// Who hears of changes.
    pub(crate) fn listeners(&self) -> &Arc<Listeners> {
        &self.inner.listeners
    }

    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(Read<'_>) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let path = &self.inner.path;
        self.inner.pool.read(None, |db| read(Read { db, path }))
    }

    /// Reads for as long as a query may take.
    pub(crate) fn query<T>(
        &self,
        read: impl FnOnce(Read<'_>) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let Inner {
            path, query_time, ..
        } = &*self.inner;
        let end = Instant::now() + *query_time;
        let result = self
            .inner
            .pool
            .read(Some(end), |db| read(Read { db, path }));
        match result {
            Err(JournalError::Database { source, .. })
                if source.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) =>
            {
                Err(JournalError::Slow {
                    seconds: query_time.as_secs(),
                })
            }
            result => result,
        }
    }

    /// A reading connection of one's own, for what takes long.
    pub(crate) fn connect(&self) -> Result<Connection, JournalError> {
        self.inner.pool.connect()
    }

    /// What waits, and what was written.
    pub(crate) fn queue(&self) -> Arc<Queue> {
        Arc::clone(&self.inner.queue)
    }

    /// Has the writer do something between two groups, and waits for it.
    pub(crate) fn errand<T: Send + 'static>(
        &self,
        errand: impl FnOnce(&mut Connection) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.inner.queue.push_errand(Box::new(move |db| {
            let _ = sender.send(errand(db));
        }))?;
        receiver.recv().unwrap_or(Err(JournalError::Closed))
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal")
            .field("path", &self.inner.path)
            .finish_non_exhaustive()
    }
}

impl Inner {
    fn close(&self) {
        self.queue.close();
        let writer = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(writer) = writer
            // A callback may hold the last clone; the writer cannot wait for itself.
            && writer.thread().id() != thread::current().id()
            && writer.join().is_err()
        {
            tracing::error!(path = %self.path.display(), "the journal's writer panicked");
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
        if self.ephemeral
            && let Err(error) = fs::remove_dir_all(&self.dir)
        {
            tracing::warn!(dir = %self.dir.display(), %error, "cannot remove");
        }
    }
}
