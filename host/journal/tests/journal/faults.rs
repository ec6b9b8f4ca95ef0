//! Bad disks, damaged files and second openers: each is told in one clear line.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;

use ostro_journal::{Journal, JournalError, Options, Turn};
use tempfile::tempdir;

use crate::common::*;

/// Tells a test's copy in another process which folder it is about.
const CHILD: &str = "OSTRO_JOURNAL_FAULT";

fn child_folder() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

/// Runs the test `name` once more, in a process that `prepare` has prepared: a shell script,
/// run by the owner of a mount namespace of its own.
#[track_caller]
fn run_prepared(name: &str, dir: &Path, prepare: &str) {
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-ec"])
        .arg(format!("{prepare}\nexec \"$0\" \"$@\""))
        .arg(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(CHILD, dir)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
}

/// A turn that takes this many bytes.
fn large_turn(bytes: usize) -> Turn {
    let mut turn = Turn::new();
    turn.setting("large", Some(vec![7; bytes]));
    turn
}

#[test]
fn a_full_disk_fails_what_does_not_fit_and_loses_nothing_else() {
    let Some(dir) = child_folder() else {
        let dir = tempdir().unwrap();
        return run_prepared(
            "faults::a_full_disk_fails_what_does_not_fit_and_loses_nothing_else",
            dir.path(),
            "mount -t tmpfs -o size=24m tmpfs \"$OSTRO_JOURNAL_FAULT\"",
        );
    };
    let journal = open(&dir);
    for number in 0..100 {
        journal.write(first_turn(number)).unwrap();
    }
    // Takes what is left, whatever that is.
    let full = fs::write(dir.join("filler"), vec![1; 32 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    let error = journal.write(large_turn(12 << 20)).unwrap_err();
    assert!(matches!(error, JournalError::Full { .. }), "{error}");
    assert!(error.is_disk());
    assert!(error.to_string().starts_with("no room to write"), "{error}");
    // A small one may have room; whatever is said of it holds.
    let small = journal.write(first_turn(100)).is_ok();
    fs::remove_file(dir.join("filler")).unwrap();
    journal.write(first_turn(101)).unwrap();
    journal.write(large_turn(1 << 20)).unwrap();
    drop(journal);
    let journal = open(&dir);
    for number in (0..=101).filter(|number| small || *number != 100) {
        assert!(journal.load(&execution(number)).unwrap().is_some());
    }
    let report = journal.check().unwrap();
    assert!(report.is_sound(), "{report:?}");
}

#[test]
fn a_limit_on_the_size_of_files_fails_what_does_not_fit_and_loses_nothing_else() {
    let Some(dir) = child_folder() else {
        let dir = tempdir().unwrap();
        return run_prepared(
            "faults::a_limit_on_the_size_of_files_fails_what_does_not_fit_and_loses_nothing_else",
            dir.path(),
            "trap '' XFSZ; ulimit -f 2048",
        );
    };
    let journal = open(&dir);
    for number in 0..50 {
        journal.write(first_turn(number)).unwrap();
    }
    let error = journal.write(large_turn(4 << 20)).unwrap_err();
    assert!(error.is_disk(), "{error}");
    journal.write(first_turn(50)).unwrap();
    let report = journal.check().unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.executions, 51);
}

#[test]
fn a_bound_of_ones_own_fails_the_whole_group_and_later_turns_are_tried() {
    let dir = tempdir().unwrap();
    let options = Options {
        max_bytes: Some(1 << 20),
        ..Options::default()
    };
    let journal = Journal::open(dir.path(), &options).unwrap();
    journal.write(first_turn(1)).unwrap();
    let (told, answers) = mpsc::channel();
    let (gate, shut) = mpsc::channel::<()>();
    journal
        .submit(first_turn(2), move |_| {
            let _ = shut.recv();
        })
        .unwrap();
    for turn in [first_turn(3), large_turn(2 << 20), first_turn(4)] {
        let told = told.clone();
        journal
            .submit(turn, move |result| told.send(result).unwrap())
            .unwrap();
    }
    gate.send(()).unwrap();
    for _ in 0..3 {
        let error = answers.recv().unwrap().unwrap_err();
        assert!(matches!(error, JournalError::Full { .. }), "{error}");
    }
    journal.write(first_turn(3)).unwrap();
    journal.write(large_turn(100_000)).unwrap();
    assert!(journal.check().unwrap().is_sound());
}

#[test]
fn a_read_only_disk_is_told_when_it_is_opened_and_when_it_becomes_so() {
    let Some(dir) = child_folder() else {
        let dir = tempdir().unwrap();
        return run_prepared(
            "faults::a_read_only_disk_is_told_when_it_is_opened_and_when_it_becomes_so",
            dir.path(),
            "mount -t tmpfs -o size=8m tmpfs \"$OSTRO_JOURNAL_FAULT\"",
        );
    };
    let remount = |how: &str| {
        let status = Command::new("mount")
            .args(["-o", &format!("remount,{how}")])
            .arg(&dir)
            .status()
            .unwrap();
        status.success()
    };
    drop(open(&dir));
    assert!(remount("ro"));
    let error = Journal::open(&dir, &Options::default()).unwrap_err();
    assert!(matches!(error, JournalError::ReadOnly { .. }), "{error}");
    assert!(error.to_string().contains("read-only"), "{error}");
    let inner = dir.join("new");
    let error = Journal::open(&inner, &Options::default()).unwrap_err();
    assert!(matches!(error, JournalError::ReadOnly { .. }), "{error}");
    assert!(remount("rw"));
    open(&dir).write(first_turn(1)).unwrap();
}

#[test]
fn a_folder_of_somebody_else_is_told() {
    let dir = tempdir().unwrap();
    let state = dir.path().join("state");
    fs::create_dir(&state).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o555)).unwrap();
    // The super-user may write wherever the disk lets it.
    if fs::write(state.join("probe"), "").is_err() {
        let error = Journal::open(&state, &Options::default()).unwrap_err();
        assert!(matches!(error, JournalError::ReadOnly { .. }), "{error}");
    }
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Journal::open(&file, &Options::default()).unwrap_err();
    assert!(error.to_string().starts_with("cannot create"), "{error}");
}

#[test]
fn a_second_process_is_refused_and_told_who_holds_the_folder() {
    let Some(dir) = child_folder() else {
        let dir = tempdir().unwrap();
        let journal = open(dir.path());
        run_prepared(
            "faults::a_second_process_is_refused_and_told_who_holds_the_folder",
            dir.path(),
            &format!("export HOLDER={}", std::process::id()),
        );
        drop(journal);
        open(dir.path()).write(first_turn(1)).unwrap();
        return;
    };
    let error = Journal::open(&dir, &Options::default()).unwrap_err();
    assert!(matches!(error, JournalError::Held { .. }), "{error}");
    let holder = format!("in use by process {} on ", std::env::var("HOLDER").unwrap());
    assert!(error.to_string().contains(&holder), "{error}");
    assert!(error.to_string().contains(" since 2"), "{error}");
}

/// A journal of some executions with a few events each, as the bytes of its file.
fn some_database(dir: &Path) -> Vec<u8> {
    let journal = open(dir);
    for number in 0..60 {
        let id = execution(number);
        let mut turn = first_turn(number);
        turn.event(event(&id, 1)).event(event(&id, 2));
        if number % 3 == 0 {
            turn.snapshot(snapshot(&id, 2));
        }
        turn.task(task_row(number, number))
            .action(action_row(number, number, number));
        journal.write(turn).unwrap();
    }
    drop(journal);
    fs::read(dir.join("journal.db")).unwrap()
}

/// Whatever has happened to the file: an execution comes back as it was, or there is an error,
/// or at least `check` tells of it. How many faults were told in all.
fn assert_told(dir: &Path, bytes: &[u8]) -> usize {
    let _ = fs::remove_dir_all(dir);
    fs::create_dir(dir).unwrap();
    fs::write(dir.join("journal.db"), bytes).unwrap();
    let journal = match Journal::open(dir, &Options::default()) {
        Ok(journal) => journal,
        Err(error) => {
            assert_clear(&error);
            return 1;
        }
    };
    let report = journal.check().unwrap();
    let mut told = report.problems.len();
    for number in 0..60 {
        let id = execution(number);
        match journal.load(&id) {
            Ok(Some(loaded)) => {
                assert_eq!(loaded.next, 3);
                for stored in loaded.events {
                    assert_eq!(stored.body, event(&id, stored.number).body[..]);
                }
                if let Some(stored) = loaded.snapshot {
                    assert_eq!(stored.body, snapshot(&id, 2).body[..]);
                    assert_eq!(stored.version, 1);
                }
            }
            Ok(None) => assert!(!report.is_sound(), "{id} is missing, and nobody tells"),
            Err(error) => {
                assert_clear(&error);
                assert!(!report.is_sound(), "only a read tells: {error}");
                told += 1;
            }
        }
    }
    told
}

#[track_caller]
fn assert_clear(error: &JournalError) {
    // SQLite says other things where it can make no sense of the schema or of a row.
    let of_the_file = matches!(
        error,
        JournalError::Corrupt { .. }
            | JournalError::NotAJournal { .. }
            | JournalError::NewerSchema { .. }
            | JournalError::Database { .. }
    );
    assert!(of_the_file, "{error}");
    assert!(!error.to_string().contains('\n'), "{error}");
}

#[test]
fn a_damaged_page_is_told_and_nothing_wrong_is_ever_read() {
    let dir = tempdir().unwrap();
    let bytes = some_database(&dir.path().join("good"));
    let bad = dir.path().join("bad");
    assert_eq!(assert_told(&bad, &bytes), 0);
    let pages = bytes.len() / 4096;
    for page in 0..pages {
        let mut bytes = bytes.clone();
        bytes[page * 4096..(page + 1) * 4096].fill(0xa5);
        assert!(assert_told(&bad, &bytes) > 0, "page {page} of {pages}");
    }
    // The end of the file is missing.
    assert!(assert_told(&bad, &bytes[..(pages - 2) * 4096]) > 0);
}

#[test]
fn a_damaged_byte_is_told_or_does_no_harm() {
    let dir = tempdir().unwrap();
    let bytes = some_database(&dir.path().join("good"));
    let bad = dir.path().join("bad");
    let mut dice = Dice(99);
    for _ in 0..200 {
        let at = usize::try_from(dice.roll(bytes.len() as u64)).unwrap();
        let mut bytes = bytes.clone();
        bytes[at] ^= 1 << dice.roll(8);
        assert_told(&bad, &bytes);
    }
}
