//! Whether everything that is stored is what was stored.

use std::path::Path;

use ostro_core::ExecutionId;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::digest::seal;
use crate::id::StoredId;
use crate::writer::kind;
use crate::{Digest, Journal, JournalError};

/// How many faults a report tells of.
const MAX_PROBLEMS: usize = 100;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many executions there are.
    pub executions: u64,
    /// How many events there are.
    pub events: u64,
    /// How many values there are.
    pub values: u64,
    /// How many changes there are.
    pub changes: u64,
    /// What is wrong, one line each; the first hundred.
    pub problems: Vec<String>,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }
}

impl Journal {
    /// Checks the whole database: its pages and indexes, that each execution's events follow
    /// each other, that every body and value is what was stored, and that nothing refers to
    /// what is not there. Takes as long as reading all of it. Turns are written
    /// meanwhile, to a log that grows until the check is over.
    pub fn check(&self) -> Result<Report, JournalError> {
        let report = self.connect().and_then(|db| check(&db, self.path()));
        match report {
            // So damaged that it cannot even be looked at.
            Err(JournalError::Corrupt { detail, .. }) => {
                let mut report = Report::default();
                report.tell(detail);
                Ok(report)
            }
            report => report,
        }
    }
}

/// Checks a database of the newest schema.
pub(crate) fn check(db: &Connection, path: &Path) -> Result<Report, JournalError> {
    let fault = |error| JournalError::sqlite(path, error);
    db.execute_batch("BEGIN").map_err(fault)?;
    let mut report = Report::default();
    let steps: [fn(&Connection, &mut Report) -> rusqlite::Result<()>; 8] = [
        pages, references, events, snapshots, letters, changes, values, columns,
    ];
    for step in steps {
        match step(db, &mut report).map_err(fault) {
            Ok(()) => {}
            // A row that cannot be read as what it should be is a fault of the data, too.
            Err(JournalError::Corrupt { detail, .. } | JournalError::Database { detail, .. }) => {
                report.tell(detail);
            }
            Err(error) => return Err(error),
        }
    }
    db.execute_batch("COMMIT").map_err(fault)?;
    Ok(report)
}

impl Report {
    fn tell(&mut self, problem: impl Into<String>) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem.into());
        }
    }
}

/// Calls `look` with each row that `sql` finds.
fn each(
    db: &Connection,
    sql: &str,
    mut look: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut statement = db.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        look(row)?;
    }
    Ok(())
}

fn pages(db: &Connection, report: &mut Report) -> rusqlite::Result<()> {
    each(
        db,
        &format!("PRAGMA integrity_check({MAX_PROBLEMS})"),
        |row| {
            let line: String = row.get(0)?;
            if line != "ok" {
                report.tell(line);
            }
            Ok(())
        },
    )
}

fn references(db: &Connection, report: &mut Report) -> rusqlite::Result<()> {
    each(db, "PRAGMA foreign_key_check", |row| {
        let (table, other): (String, String) = (row.get(0)?, row.get(2)?);
        let number: Option<i64> = row.get(1)?;
        let number = number.map_or_else(String::new, |number| format!(" {number}"));
        report.tell(format!(
            "row{number} of {table} refers to a row of {other} that is not there"
        ));
        Ok(())
    })?;
    each(
        db,
        "SELECT DISTINCT execution FROM reference
         WHERE execution <> 0 AND execution NOT IN (SELECT seq FROM execution)",
        |row| {
            let seq: i64 = row.get(0)?;
            report.tell(format!(
                "values are kept for execution {seq}, which is not there"
            ));
            Ok(())
        },
    )?;
    each(
        db,
        &format!(
            "SELECT DISTINCT owner FROM reference WHERE execution = 0 AND kind = {}
             AND owner NOT IN (SELECT seq FROM value)",
            kind::PART
        ),
        |row| {
            let seq: i64 = row.get(0)?;
            report.tell(format!(
                "values are parts of value {seq}, which is not there"
            ));
            Ok(())
        },
    )?;
    each(
        db,
        "SELECT id FROM execution WHERE definitions IS NOT NULL
             AND definitions NOT IN (SELECT digest FROM value)",
        |row| {
            report.tell(format!(
                "the definitions of execution {} are not there",
                id(row)?
            ));
            Ok(())
        },
    )
}

fn events(db: &Connection, report: &mut Report) -> rusqlite::Result<()> {
    let mut statement =
        db.prepare("SELECT execution, number, previous, seal, body FROM event WHERE seq = ?1")?;
    let mut seen = 0;
    each(
        db,
        "SELECT e.id, e.seq, e.events_from, e.events, e.last_event, s.events
         FROM execution e LEFT JOIN snapshot s ON s.execution = e.seq",
        |row| {
            report.executions += 1;
            let id = ExecutionId::new(id(row)?);
            let seq: i64 = row.get(1)?;
            let (from, next): (u64, u64) = (row.get(2)?, row.get(3)?);
            let mut last: Option<i64> = row.get(4)?;
            for number in (from..next).rev() {
                let found = statement
                    .query_row(params![last], |row| {
                        let sealed = seal(&id, number, 0, row.get_ref(4)?.as_blob()?);
                        let whole = row.get::<_, i64>(0)? == seq
                            && row.get::<_, u64>(1)? == number
                            && row.get::<_, i64>(3)? == sealed;
                        Ok((whole, row.get(2)?))
                    })
                    .optional()?;
                let Some((whole, previous)) = found else {
                    report.tell(format!("event {number} of execution {id} is not there"));
                    break;
                };
                seen += 1;
                if !whole {
                    report.tell(format!(
                        "event {number} of execution {id} is not what was stored"
                    ));
                }
                last = previous;
            }
            let covered: Option<u64> = row.get(5)?;
            if covered.map_or(from > 0, |covered| covered < from || covered > next) {
                report.tell(format!(
                    "the snapshot of execution {id} does not fit its events"
                ));
            }
            Ok(())
        },
    )?;
    report.events = db.query_row("SELECT count(*) FROM event", [], |row| row.get(0))?;
    if report.problems.is_empty() && report.events != seen {
        report.tell(format!(
            "there are {} events, and only {seen} of them belong to an execution's history",
            report.events
        ));
    }
    Ok(())
}

fn snapshots(db: &Connection, report: &mut Report) -> rusqlite::Result<()> {
    each(
        db,
        "SELECT e.id, s.events, s.version, s.seal, s.body FROM snapshot s
         CROSS JOIN execution e ON e.seq = s.execution",
        |row| {
            let execution = ExecutionId::new(id(row)?);
            let found = seal(
                &execution,
                row.get(1)?,
                row.get(2)?,
                row.get_ref(4)?.as_blob()?,
            );
            if found != row.get::<_, i64>(3)? {
                report.tell(format!(
                    "the snapshot of execution {execution} is not what was stored"
                ));
            }
            Ok(())
        },
    )
}

fn letters(db: &Connection, report: &mut Report) -> rusqlite::Result<()> {
    each(
        db,
        "SELECT sender, event, place, seal, body FROM letter",
        |row| {
            let sender = ExecutionId::new(id(row)?);
            let body = row.get_ref(4)?.as_blob()?;
            let found = seal(&sender, row.get(1)?, row.get(2)?, body);
            if found != row.get::<_, i64>(3)? {
                report.tell(format!(
                    "a letter of execution {sender} is not what was stored"
                ));
            }
            Ok(())
        },
    )
}

fn changes(db: &Connection, report: &mut Report) -> rusqlite::Result<()> {
    let nobody = ExecutionId::new("");
    let mut before: Option<i64> = None;
    each(
        db,
        "SELECT seq, at, execution, seal, body FROM change ORDER BY seq",
        |row| {
            report.changes += 1;
            let seq: i64 = row.get(0)?;
            if let Some(before) = before.replace(seq)
                && before + 1 != seq
            {
                report.tell(format!("changes between {before} and {seq} are not there"));
            }
            let about: Option<StoredId> = row.get(2)?;
            let about = about.map_or_else(|| nobody.clone(), |id| ExecutionId::new(id.into_text()));
            let at: i64 = row.get(1)?;
            let found = seal(&about, at.unsigned_abs(), 0, row.get_ref(4)?.as_blob()?);
            if found != row.get::<_, i64>(3)? {
                report.tell(format!("change {seq} is not what was stored"));
            }
            Ok(())
        },
    )
}

fn values(db: &Connection, report: &mut Report) -> rusqlite::Result<()> {
    each(db, "SELECT seq, digest, body FROM value", |row| {
        report.values += 1;
        let digest = row.get_ref(1)?.as_blob()?;
        if Digest::of(row.get_ref(2)?.as_blob()?).as_bytes()[..] != *digest {
            let seq: i64 = row.get(0)?;
            report.tell(format!("value {seq} is not what was stored"));
        }
        Ok(())
    })
}

/// The columns that name a value in the place of a text.
fn columns(db: &Connection, report: &mut Report) -> rusqlite::Result<()> {
    let columns = [
        (
            "execution_text",
            &["state_info", "params", "input", "output"][..],
        ),
        (
            "task",
            &[
                "state_info",
                "runtime_context",
                "published",
                "published_global",
                "result",
            ],
        ),
        (
            "action",
            &["state_info", "runtime_context", "input", "output"],
        ),
    ];
    for (table, names) in columns {
        for name in names {
            let sql = format!(
                "SELECT count(*) FROM {table} WHERE typeof({name}) = 'integer'
                     AND {name} NOT IN (SELECT value FROM reference)"
            );
            each(db, &sql, |row| {
                let count: i64 = row.get(0)?;
                if count > 0 {
                    report.tell(format!(
                        "{count} rows of {table} have a value as their {name} that is not kept for them"
                    ));
                }
                Ok(())
            })?;
        }
    }
    Ok(())
}

fn id(row: &Row<'_>) -> rusqlite::Result<String> {
    Ok(row.get::<_, StoredId>(0)?.into_text())
}
