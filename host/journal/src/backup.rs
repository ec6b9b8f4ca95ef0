//! Copies of the database: made while it is written to, and taken back.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::check::check;
use crate::journal::DATABASE;
use crate::lock::DirLock;
use crate::{Journal, JournalError, Report, schema};

/// How many pages are copied at a time.
const PAGES: i32 = 1024;

impl Journal {
    /// Writes a copy of the database, as it is now, to the file `to`, which must not be there.
    /// Turns are written meanwhile, to a log that grows until the copy is made, and are not in the
    /// copy.
    pub fn backup(&self, to: &Path) -> Result<(), JournalError> {
        refuse_existing(to)?;
        let db = self.connect()?;
        // One transaction for the whole copy: with one for each step, every turn that is
        // written meanwhile would make it begin again.
        db.execute_batch("BEGIN; SELECT 1 FROM sqlite_schema LIMIT 1")
            .map_err(|error| JournalError::sqlite(self.path(), error))?;
        let partial = with_suffix(to, ".partial");
        let copied = copy(&db, self.path(), &partial).and_then(|()| put(&partial, to));
        if copied.is_err() {
            let _ = fs::remove_file(&partial);
        }
        copied
    }

    /// Makes the state folder `dir` from the backup `from`, after checking all of it: what the
    /// check found, which is sound. A database that is there already is not overwritten.
    pub fn restore(from: &Path, dir: &Path) -> Result<Report, JournalError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        fs::metadata(from).map_err(|error| JournalError::io("read", from, error))?;
        let source = Connection::open_with_flags(from, flags)
            .map_err(|error| JournalError::sqlite(from, error))?;
        if schema::version(&source, from)? == 0 {
            return Err(JournalError::NotAJournal {
                path: from.to_owned(),
                reason: "the file is empty".to_owned(),
            });
        }
        let _lock = DirLock::take(dir)?;
        let to = dir.join(DATABASE);
        refuse_existing(&to)?;
        refuse_existing(&with_suffix(&to, "-wal"))?;
        let partial = with_suffix(&to, ".partial");
        let _ = fs::remove_file(&partial);
        let restored = take_back(&source, from, &partial).and_then(|report| {
            put(&partial, &to)?;
            Ok(report)
        });
        if restored.is_err() {
            let _ = fs::remove_file(&partial);
        }
        restored
    }
}

/// Copies a backup and brings the copy to the newest schema; then checks it.
fn take_back(source: &Connection, from: &Path, partial: &Path) -> Result<Report, JournalError> {
    copy(source, from, partial)?;
    let mut db = Connection::open(partial).map_err(|error| JournalError::sqlite(partial, error))?;
    schema::migrate(&mut db, from)?;
    schema::verify(&db, from)?;
    let report = check(&db, from)?;
    match report.problems.first() {
        None => Ok(report),
        Some(problem) => Err(JournalError::Corrupt {
            path: from.to_owned(),
            detail: problem.clone(),
        }),
    }
}

fn copy(source: &Connection, from: &Path, to: &Path) -> Result<(), JournalError> {
    let fault = |error: rusqlite::Error| {
        let damaged = error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseCorrupt);
        JournalError::sqlite(if damaged { from } else { to }, error)
    };
    let _ = fs::remove_file(to);
    let mut copy = Connection::open(to).map_err(fault)?;
    {
        let backup = Backup::new(source, &mut copy).map_err(fault)?;
        while backup.step(PAGES).map_err(fault)? != StepResult::Done {}
    }
    // One file is what a backup should be, without a log beside it.
    copy.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))
        .map_err(fault)?;
    copy.close().map_err(|(_, error)| fault(error))
}

/// Gives a finished copy its name, for good.
fn put(partial: &Path, to: &Path) -> Result<(), JournalError> {
    let fault = |error| JournalError::io("write", to, error);
    File::open(partial)
        .and_then(|file| file.sync_all())
        .map_err(fault)?;
    // Unlike renaming, linking fails if somebody was faster.
    fs::hard_link(partial, to).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => JournalError::Exists {
            path: to.to_owned(),
        },
        _ => fault(error),
    })?;
    fs::remove_file(partial).map_err(fault)?;
    let folder = match to.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(fault)
}

fn refuse_existing(path: &Path) -> Result<(), JournalError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Err(JournalError::Exists {
            path: path.to_owned(),
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(JournalError::io("look at", path, error)),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
