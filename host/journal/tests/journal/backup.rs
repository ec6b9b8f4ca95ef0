//! Copies, made and taken back.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ostro_journal::{Journal, JournalError};
use tempfile::tempdir;

use crate::common::*;

#[test]
fn a_backup_is_whole_while_turns_are_written() {
    let dir = tempdir().unwrap();
    let journal = open(&dir.path().join("state"));
    for number in 0..200 {
        journal.submit(first_turn(number), |_| {}).unwrap();
    }
    journal.write(first_turn(200)).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let writer = {
        let (journal, done) = (journal.clone(), Arc::clone(&done));
        std::thread::spawn(move || {
            let mut number = 201;
            while !done.load(Ordering::Relaxed) {
                journal.write(first_turn(number)).unwrap();
                number += 1;
            }
            number
        })
    };
    let copy = dir.path().join("backup.db");
    journal.backup(&copy).unwrap();
    done.store(true, Ordering::Relaxed);
    let written = writer.join().unwrap();
    let again = journal.backup(&copy).unwrap_err();
    assert!(matches!(again, JournalError::Exists { .. }), "{again}");

    let other = dir.path().join("other");
    let report = Journal::restore(&copy, &other).unwrap();
    assert!((201..=written).contains(&report.executions), "{report:?}");
    let names: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 3, "nothing else is left: {names:?}");
    let restored = open(&other);
    for number in 0..report.executions {
        let loaded = restored.load(&execution(number)).unwrap().unwrap();
        assert_eq!(loaded.events.len(), 1);
    }
    restored.write(first_turn(1_000_000)).unwrap();
}

#[test]
fn a_restore_overwrites_nothing_and_takes_nothing_that_is_damaged() {
    let dir = tempdir().unwrap();
    let state = dir.path().join("state");
    let journal = open(&state);
    for number in 0..300 {
        journal.submit(first_turn(number), |_| {}).unwrap();
    }
    journal.write(first_turn(300)).unwrap();
    let copy = dir.path().join("backup.db");
    journal.backup(&copy).unwrap();

    let held = Journal::restore(&copy, &state).unwrap_err();
    assert!(matches!(held, JournalError::Held { .. }), "{held}");
    drop(journal);
    let there = Journal::restore(&copy, &state).unwrap_err().to_string();
    assert!(there.contains("will not be overwritten"), "{there}");

    let mut bytes = fs::read(&copy).unwrap();
    let at = bytes
        .windows(8)
        .rposition(|window| window == b"event 0 ")
        .unwrap();
    bytes[at] = b'E';
    let bad = dir.path().join("bad.db");
    fs::write(&bad, &bytes).unwrap();
    let other = dir.path().join("other");
    let damaged = Journal::restore(&bad, &other).unwrap_err().to_string();
    assert!(damaged.contains("bad.db is damaged"), "{damaged}");
    assert!(damaged.contains("is not what was stored"), "{damaged}");
    assert!(!other.join("journal.db").exists());

    fs::write(
        &bad,
        "not a database, but long enough to be looked at ".repeat(40),
    )
    .unwrap();
    let other_kind = Journal::restore(&bad, &other).unwrap_err();
    assert!(
        matches!(other_kind, JournalError::NotAJournal { .. }),
        "{other_kind}"
    );
    fs::write(&bad, "").unwrap();
    let empty = Journal::restore(&bad, &other).unwrap_err();
    assert!(matches!(empty, JournalError::NotAJournal { .. }), "{empty}");
    let missing = Journal::restore(&dir.path().join("missing"), &other).unwrap_err();
    assert!(missing.to_string().contains("cannot read"), "{missing}");
    Journal::restore(&copy, &other).unwrap();
}
