//! Databases of every schema that was released: `tests/schemas/NUMBER.sql` makes one as that
//! version wrote it. They are never changed; a new schema comes with a new one.

use std::fs;
use std::path::Path;

use ostro_core::State;
use ostro_journal::{ChangeFilter, Document, Journal, JournalError, Options, Query};
use rusqlite::Connection;
use tempfile::tempdir;

use crate::common::*;

#[test]
fn every_released_schema_is_opened_with_all_that_is_in_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemas");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let dir = tempdir().unwrap();
        let db = Connection::open(dir.path().join("journal.db")).unwrap();
        db.execute_batch(&fs::read_to_string(&path).unwrap())
            .unwrap();
        db.close().unwrap();
        looks_right(&open(dir.path()), &path);
        seen += 1;
    }
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    assert_eq!(seen, fs::read_dir(migrations).unwrap().count());
}

/// What [`write_fixture`] wrote is there.
fn looks_right(journal: &Journal, of: &Path) {
    let report = journal.check().unwrap();
    assert!(report.is_sound(), "{}: {report:?}", of.display());
    assert_eq!((report.executions, report.events, report.values), (2, 3, 2));
    let loaded = journal.load(&execution(1)).unwrap().unwrap();
    assert_eq!(loaded.row.state, State::Success);
    assert_eq!(loaded.row.output.map(|output| output.len()), Some(5000));
    assert_eq!(loaded.snapshot.map(|snapshot| snapshot.events), Some(1));
    assert_eq!(loaded.events.len(), 1);
    assert_eq!(journal.letters(&execution(1)).unwrap().len(), 1);
    let below = journal.execution(&execution(2)).unwrap().unwrap();
    assert_eq!(below.root_execution_id, Some(execution(1)));
    assert_eq!(journal.list_tasks(&Query::new()).unwrap().len(), 1);
    let actions = journal.list_actions(&Query::new()).unwrap();
    assert_eq!(actions[0].row.input.as_deref(), Some(r#"{"a": "ä"}"#));
    assert_eq!(journal.setting("clock").unwrap(), Some(b"12".to_vec()));
    let documents = journal.documents("environment").unwrap();
    if of.ends_with("0001.sql") {
        assert_eq!(documents, [], "that schema had none");
    } else {
        assert_eq!(documents, [("lab".to_owned(), b"{\"a\": 1}".to_vec())]);
    }
    let changes = journal.changes(0, 9, &ChangeFilter::default()).unwrap();
    if of.ends_with("0001.sql") || of.ends_with("0002.sql") {
        assert_eq!(changes.last, 0, "that schema had none");
    } else {
        let bodies = changes.changes.iter().map(|one| &one.change.body[..]);
        assert_eq!(bodies.collect::<Vec<_>>(), [b"{\"n\":1}", b"{\"n\":2}"]);
    }
    let mut turn = first_turn(3);
    turn.change(change_of(3, 1, "lab", 3));
    journal.write(turn).unwrap();
    let next = journal.changes(changes.last, 9, &ChangeFilter::default());
    assert_eq!(next.unwrap().changes[0].sequence, changes.last + 1);
}

#[test]
fn a_newer_schema_is_refused() {
    let dir = tempdir().unwrap();
    drop(open(dir.path()));
    let db = Connection::open(dir.path().join("journal.db")).unwrap();
    db.pragma_update(None, "user_version", 1000).unwrap();
    db.close().unwrap();
    let refused = Journal::open(dir.path(), &Options::default()).unwrap_err();
    assert!(
        matches!(refused, JournalError::NewerSchema { found: 1000, .. }),
        "{refused}"
    );
    assert!(refused.to_string().contains("journal.db has schema 1000"));
}

/// Writes the fixture of the newest schema to the file that `OSTRO_SCHEMA_FIXTURE` names, as a
/// database; `sqlite3 FILE .dump` and the two pragmas of its header make the text of it.
#[test]
fn the_fixture_of_the_newest_schema_looks_right_before_it_is_released() {
    let dir = tempdir().unwrap();
    let journal = open(dir.path());
    write_fixture(&journal);
    if let Some(path) = std::env::var_os("OSTRO_SCHEMA_FIXTURE") {
        journal.backup(Path::new(&path)).unwrap();
    }
    looks_right(&journal, dir.path());
}

fn environment(name: &str) -> Document {
    Document {
        kind: "environment",
        id: name.to_owned(),
    }
}

fn write_fixture(journal: &Journal) {
    let mut turn = first_turn(1);
    let definitions = ostro_journal::Blob::new(*b"version: '2.0'");
    turn.value(definitions.clone())
        .execution(ostro_journal::ExecutionRow {
            definitions: Some(definitions.digest()),
            tags: Some("[]".to_owned()),
            ..row(1)
        })
        .event(event(&execution(1), 1))
        .snapshot(snapshot(&execution(1), 1))
        .execution(child(2, 1))
        .event(event(&execution(2), 0))
        .letter(ostro_journal::NewLetter {
            id: ostro_journal::LetterId {
                sender: execution(2),
                event: 0,
                place: 0,
            },
            recipient: execution(1),
            body: (*b"ended").into(),
            values: Vec::new(),
        })
        .task(task_row(1, 1))
        .action(ostro_journal::ActionRow {
            input: Some(r#"{"a": "ä"}"#.to_owned()),
            ..action_row(1, 1, 1)
        })
        .setting("clock", Some(b"12".to_vec()))
        .document(environment("lab"), Some(b"{}".to_vec()))
        .document(environment("site"), Some(b"{}".to_vec()))
        .document(environment("lab"), Some(b"{\"a\": 1}".to_vec()))
        .document(environment("site"), None)
        .execution_change(ostro_journal::ExecutionChange {
            output: Some("x".repeat(5000)),
            ..change(1, State::Success, DAY + 9)
        })
        .change(change_of(1, 1, "lab", 1))
        .change(change_of(2, 2, "", 1));
    journal.write(turn).unwrap();
}
