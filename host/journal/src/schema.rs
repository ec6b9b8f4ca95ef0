//! The schema, and the way from each older one to it.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::JournalError;

/// Each takes a database from the schema that is its place in the list to the next one. A
/// released one is never changed.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001.sql"),
    include_str!("../migrations/0002.sql"),
    include_str!("../migrations/0003.sql"),
];

/// `PRAGMA application_id` of a journal: `ostr`.
const APPLICATION: i32 = 0x6f73_7472;

/// Brings the database at `path` to the newest schema.
pub(crate) fn migrate(db: &mut Connection, path: &Path) -> Result<(), JournalError> {
    migrate_with(db, path, MIGRATIONS)
}

/// Whether the database at `path` has the newest schema; an error if it has a newer one.
pub(crate) fn is_newest(db: &Connection, path: &Path) -> Result<bool, JournalError> {
    let (found, known) = (version(db, path)?, count(MIGRATIONS));
    if found > known {
        return Err(JournalError::NewerSchema {
            path: path.to_owned(),
            found,
            known,
        });
    }
    Ok(found == known)
}

/// Whether the tables and indexes of a database of the newest schema are those that the
/// migrations make. What else there is does no harm.
pub(crate) fn verify(db: &Connection, path: &Path) -> Result<(), JournalError> {
    let fault = |error| JournalError::sqlite(path, error);
    let mut fresh = Connection::open_in_memory().map_err(fault)?;
    migrate(&mut fresh, path)?;
    let there = objects(db).map_err(fault)?;
    for object in objects(&fresh).map_err(fault)? {
        if !there.contains(&object) {
            return Err(JournalError::Corrupt {
                path: path.to_owned(),
                detail: format!("its {} is not what was made", object.0),
            });
        }
    }
    Ok(())
}

/// Each table and index with the statement that makes it.
fn objects(db: &Connection) -> rusqlite::Result<BTreeSet<(String, Option<String>)>> {
    db.prepare("SELECT type || ' ' || name, sql FROM sqlite_schema")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

fn migrate_with(db: &mut Connection, path: &Path, migrations: &[&str]) -> Result<(), JournalError> {
    let fault = |error| JournalError::sqlite(path, error);
    let found = version(db, path)?;
    let known = count(migrations);
    if found > known {
        return Err(JournalError::NewerSchema {
            path: path.to_owned(),
            found,
            known,
        });
    }
    for (migration, version) in migrations.iter().zip(1..).skip(found as usize) {
        // All of it or nothing: the version is part of the transaction.
        let step = db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(fault)?;
        step.execute_batch(migration).map_err(fault)?;
        step.pragma_update(None, "user_version", version)
            .map_err(fault)?;
        step.pragma_update(None, "application_id", APPLICATION)
            .map_err(fault)?;
        step.commit().map_err(fault)?;
        tracing::debug!(path = %path.display(), version, "brought the journal to a newer schema");
    }
    Ok(())
}

/// Empties all tables of a database.
pub(crate) fn wipe(db: &Connection, path: &Path) -> Result<(), JournalError> {
    let fault = |error| JournalError::sqlite(path, error);
    let tables: Vec<String> = db
        .prepare_cached("SELECT name FROM sqlite_schema WHERE type = 'table'")
        .and_then(|mut names| names.query_map([], |row| row.get(0))?.collect())
        .map_err(fault)?;
    for table in tables {
        let delete = format!("DELETE FROM \"{table}\"");
        db.prepare_cached(&delete)
            .and_then(|mut delete| delete.execute([]))
            .map_err(fault)?;
    }
    Ok(())
}

/// The schema of a database; 0 for an empty file.
pub(crate) fn version(db: &Connection, path: &Path) -> Result<u32, JournalError> {
    let fault = |error| JournalError::sqlite(path, error);
    let number = |name| db.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let version = number("user_version").map_err(fault)?;
    let application = number("application_id").map_err(fault)?;
    let tables: i64 = db
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(fault)?;
    let empty = tables == 0 && version == 0 && application == 0;
    match u32::try_from(version) {
        Ok(version) if empty || (application == APPLICATION && version > 0) => Ok(version),
        _ => Err(JournalError::NotAJournal {
            path: path.to_owned(),
            reason: "another program made this database".to_owned(),
        }),
    }
}

fn count(migrations: &[&str]) -> u32 {
    u32::try_from(migrations.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEXT: &str = "ALTER TABLE setting ADD COLUMN note TEXT";
    const BROKEN: &str = "CREATE TABLE third (x); INSERT INTO nowhere VALUES (1)";

    #[test]
    fn a_database_goes_through_each_step_once() {
        let path = Path::new("journal.db");
        let mut db = Connection::open_in_memory().unwrap();
        migrate(&mut db, path).unwrap();
        assert_eq!(version(&db, path).unwrap(), count(MIGRATIONS));
        db.execute("INSERT INTO setting VALUES ('a', x'01')", [])
            .unwrap();

        let known = count(MIGRATIONS);
        let longer: Vec<&str> = MIGRATIONS.iter().copied().chain([NEXT]).collect();
        migrate_with(&mut db, path, &longer).unwrap();
        migrate_with(&mut db, path, &longer).unwrap();
        assert_eq!(version(&db, path).unwrap(), known + 1);
        let note: Option<String> = db
            .query_row("SELECT note FROM setting WHERE name = 'a'", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(note, None);

        // A step that fails leaves the database as it was.
        let broken: Vec<&str> = longer.iter().copied().chain([BROKEN]).collect();
        migrate_with(&mut db, path, &broken).unwrap_err();
        assert_eq!(version(&db, path).unwrap(), known + 1);
        assert!(!db.table_exists(None, "third").unwrap());

        let refused = migrate(&mut db, path).unwrap_err().to_string();
        let (has, up_to) = (
            format!("has schema {}", known + 1),
            format!("schemas up to {known}"),
        );
        assert!(refused.contains(&has), "{refused}");
        assert!(refused.contains(&up_to), "{refused}");
    }

    #[test]
    fn a_database_of_another_program_is_left_alone() {
        let mut db = Connection::open_in_memory().unwrap();
        db.execute("CREATE TABLE other (x)", []).unwrap();
        let refused = migrate(&mut db, Path::new("x.db")).unwrap_err();
        assert!(
            matches!(refused, JournalError::NotAJournal { .. }),
            "{refused}"
        );
    }
}
