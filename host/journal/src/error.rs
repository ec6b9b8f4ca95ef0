//! Why the journal could not do what it was asked.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ostro_core::{ActionExecutionId, ExecutionId, TaskExecutionId};
use rusqlite::ErrorCode;
use thiserror::Error;

use crate::Digest;

/// Why the journal could not do what it was asked: one line that says what is wrong, where, and
/// what to do about it.
///
/// It can be cloned, because one fault of the disk is the answer to every turn of a group.
#[derive(Clone, Debug, Error)]
pub enum JournalError {
    /// Another process has the folder open.
    #[error(
        "the state folder {} is in use by {holder}: stop that process, or give this one a folder of its own",
        dir.display()
    )]
    Held {
        /// The folder.
        dir: PathBuf,
        /// Process id, host name and since when.
        holder: String,
    },
    /// A newer version of Ostro wrote the database.
    #[error(
        "{} has schema {found}, and this version of ostro knows schemas up to {known}: use the version that wrote it, or a newer one",
        path.display()
    )]
    NewerSchema {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest schema that is known.
        known: u32,
    },
    /// The file is no database of a journal.
    #[error("{} is not a journal of ostro: {reason}", path.display())]
    NotAJournal {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        reason: String,
    },
    /// The database is damaged.
    #[error(
        "{} is damaged: {detail}; stop ostro, keep a copy of the file, and take back what was in it from a backup with `ostro backup restore`",
        path.display()
    )]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// There is no room left.
    #[error("no room to write {}: {detail}; free space on its disk, or keep less history", path.display())]
    Full {
        /// The database.
        path: PathBuf,
        /// Whether it is the disk, a limit of the process or the journal's own.
        detail: String,
    },
    /// The folder or its disk cannot be written to.
    #[error(
        "cannot write to {}: it is read-only or belongs to another user; give ostro a folder that it may write to",
        path.display()
    )]
    ReadOnly {
        /// The folder or file.
        path: PathBuf,
    },
    /// The operating system failed.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// The fault.
        source: Arc<io::Error>,
    },
    /// SQLite failed in another way.
    #[error("the database {} failed: {detail}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// What it says, in one line.
        detail: String,
        /// The fault.
        source: Arc<rusqlite::Error>,
    },
    /// An event does not follow the execution's last one.
    #[error("event {got} of execution {execution} was to be written where {expected} comes next")]
    EventNumber {
        /// The execution.
        execution: ExecutionId,
        /// The number that comes next.
        expected: u64,
        /// The number that was given.
        got: u64,
    },
    /// A turn contradicts itself or what is stored.
    #[error("the journal refuses the turn: {0}")]
    Invalid(String),
    /// No such execution is stored.
    #[error("the journal has no execution {0}")]
    UnknownExecution(ExecutionId),
    /// No such task execution is stored.
    #[error("the journal has no task execution {0}")]
    UnknownTask(TaskExecutionId),
    /// No such action execution is stored.
    #[error("the journal has no action execution {0}")]
    UnknownAction(ActionExecutionId),
    /// No value with this digest is stored.
    #[error("the journal has no value {0}")]
    UnknownValue(Digest),
    /// The marker of a page is not there any more.
    #[error("the marker {0} is not in the journal: begin again with the first page")]
    UnknownMarker(String),
    /// Changes that a reader has not seen are not kept any more.
    #[error(
        "changes after {after} are not kept any more: the oldest that is has number {oldest}, so begin with that one, and look at the executions themselves"
    )]
    Trimmed {
        /// The last change that the reader has seen.
        after: u64,
        /// The oldest change that is kept.
        oldest: u64,
    },
    /// Too much is waiting to be written.
    #[error("the journal has as many turns waiting as it takes: try again when there is room")]
    Busy,
    /// One turn is larger than the journal takes.
    #[error("a turn of {bytes} bytes is larger than the {limit} bytes that the journal takes")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The bound.
        limit: usize,
    },
    /// A query went over its time.
    #[error(
        "the query took longer than {seconds} s: filter by state, workflow or project, which have indexes"
    )]
    Slow {
        /// The bound.
        seconds: u64,
    },
    /// The journal was closed.
    #[error("the journal is closed")]
    Closed,
    /// A restore would overwrite what is there.
    #[error("{} is there already and will not be overwritten: restore into another folder, or move it away", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
}

impl JournalError {
    /// Whether the disk failed, and not the turn: the same turn may succeed later.
    pub fn is_disk(&self) -> bool {
        matches!(
            self,
            Self::Full { .. } | Self::ReadOnly { .. } | Self::Io { .. }
        )
    }

    pub(crate) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                Self::ReadOnly { path }
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full {
                path,
                detail: source.to_string(),
            },
            _ => Self::Io {
                doing,
                path,
                source: Arc::new(source),
            },
        }
    }

    pub(crate) fn sqlite(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        // It may quote a statement.
        let text = source.to_string();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match source.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full { path, detail: text },
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly { path },
            Some(ErrorCode::DatabaseCorrupt) => Self::Corrupt { path, detail: text },
            Some(ErrorCode::NotADatabase) => Self::NotAJournal { path, reason: text },
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => Self::Io {
                doing: "read or write",
                path,
                source: Arc::new(io::Error::other(source)),
            },
            _ => Self::Database {
                path,
                detail: text,
                source: Arc::new(source),
            },
        }
    }
}
