//! What changed: numbered in the order of commits, kept for a while, told once it is committed.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ostro_journal::{
    ChangeFilter, ChangeLimits, Journal, JournalError, NewChange, Options, StoredChange, Turn,
};
use rusqlite::Connection;
use tempfile::tempdir;

use crate::common::*;

fn told(number: u64) -> Turn {
    let mut turn = Turn::new();
    turn.change(change_of(number, 1, "lab", 1));
    turn
}

fn all(journal: &Journal, after: u64) -> Vec<StoredChange> {
    let page = journal.changes(after, usize::MAX, &ChangeFilter::default());
    page.unwrap().changes
}

fn numbers(changes: &[StoredChange]) -> Vec<u64> {
    changes.iter().map(|one| one.sequence).collect()
}

fn kept(count: u64, age_millis: i64) -> Options {
    Options {
        changes: ChangeLimits { count, age_millis },
        ..Options::default()
    }
}

#[test]
fn changes_are_numbered_without_gaps_whatever_turns_are_refused() {
    let dir = tempdir().unwrap();
    let journal = open(dir.path());
    let mut first = first_turn(1);
    first.change(change_of(1, 1, "lab", 1));
    journal.write(first).unwrap();
    // In one group, so that the turns beside it are written again.
    let (sender, receiver) = std::sync::mpsc::channel();
    for number in 2..=40 {
        let mut turn = told(number);
        if number % 7 == 0 {
            turn.event(event(&execution(1), 99));
        }
        let sender = sender.clone();
        let done = move |result| sender.send((number, result)).unwrap();
        journal.submit(turn, done).unwrap();
    }
    for _ in 2..=40 {
        let (number, result): (u64, Result<(), JournalError>) = receiver.recv().unwrap();
        assert_eq!(result.is_err(), number % 7 == 0, "{number}: {result:?}");
    }
    let changes = all(&journal, 0);
    assert_eq!(numbers(&changes), (1..=35).collect::<Vec<_>>());
    let bodies: Vec<&NewChange> = changes.iter().map(|one| &*one.change).collect();
    let should = (1..=40).filter(|number| number % 7 != 0);
    let should: Vec<NewChange> = should.map(|n| change_of(n, 1, "lab", 1)).collect();
    assert_eq!(bodies, should.iter().collect::<Vec<_>>());
    drop(journal);

    let journal = open(dir.path());
    journal.write(told(41)).unwrap();
    assert_eq!(numbers(&all(&journal, 34)), [35, 36]);
    let report = journal.check().unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.changes, 36);
}

#[test]
fn a_page_has_what_its_filter_wants_and_says_how_far_it_came() {
    let journal = Journal::ephemeral(&Options::default()).unwrap();
    assert_eq!(journal.change_bounds().unwrap(), None);
    let mut turn = Turn::new();
    for number in 1..=30 {
        let project = if number % 2 == 0 { "lab" } else { "site" };
        let root = number % 3;
        turn.change(change_of(number, root * 10 + number % 5, project, root));
    }
    journal.write(turn).unwrap();
    assert_eq!(journal.change_bounds().unwrap(), Some((1, 30)));
    let page = |after, limit, filter: &ChangeFilter| {
        let page = journal.changes(after, limit, filter).unwrap();
        assert_eq!(page.last, 30);
        (numbers(&page.changes), page.reached)
    };
    let lab = ChangeFilter {
        project_id: Some("lab".into()),
        ..ChangeFilter::default()
    };
    assert_eq!(page(0, 3, &lab), (vec![2, 4, 6], 6));
    assert_eq!(page(26, 3, &lab), (vec![28, 30], 30));
    let root = ChangeFilter {
        root_execution_id: Some(execution(1)),
        ..ChangeFilter::default()
    };
    assert_eq!(page(20, 9, &root), (vec![22, 25, 28], 30));
    let both = ChangeFilter {
        root_execution_id: Some(execution(1)),
        ..lab
    };
    assert_eq!(page(0, 2, &both), (vec![4, 10], 10));
    let one = ChangeFilter {
        execution_id: Some(execution(14)),
        ..root
    };
    assert_eq!(page(0, 9, &one), (vec![4, 19], 30));
    assert_eq!(page(99, 9, &one), (vec![], 99));
}

#[test]
fn what_is_too_old_or_too_much_goes_and_whoever_misses_it_is_told() {
    let dir = tempdir().unwrap();
    let journal = Journal::open(dir.path(), &kept(10, 1000)).unwrap();
    let wait = |oldest| {
        let end = Instant::now() + Duration::from_mins(2);
        while journal.change_bounds().unwrap().unwrap().0 != oldest {
            assert!(Instant::now() < end, "{:?}", journal.change_bounds());
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    for number in 1..=25 {
        journal.write(told(number)).unwrap();
    }
    // Once there is time.
    wait(16);
    let trimmed = journal.changes(14, 5, &ChangeFilter::default());
    let trimmed = trimmed.unwrap_err();
    assert!(
        matches!(
            trimmed,
            JournalError::Trimmed {
                after: 14,
                oldest: 16
            }
        ),
        "{trimmed}"
    );
    assert_eq!(numbers(&all(&journal, 15)), (16..=25).collect::<Vec<_>>());
    journal.write(told(1000 + 24)).unwrap();
    wait(24);
    // All are too old but the last one, which stays, so that no number comes again.
    journal.write(told(5000)).unwrap();
    wait(27);
    journal.write(told(5001)).unwrap();
    assert_eq!(numbers(&all(&journal, 26)), [27, 28]);
    assert!(journal.check().unwrap().is_sound());
}

#[test]
fn what_is_too_much_goes_while_the_journal_is_at_work() {
    let journal = Journal::ephemeral(&kept(100, i64::MAX)).unwrap();
    for _ in 0..40 {
        let mut turn = Turn::new();
        for number in 1..=100 {
            turn.change(change_of(number, 1, "lab", 1));
        }
        journal.write(turn).unwrap();
    }
    // Errands come after what was written before them.
    journal.collect().unwrap();
    let (oldest, last) = journal.change_bounds().unwrap().unwrap();
    assert_eq!(last, 4000);
    assert!((3300..=3901).contains(&oldest), "{oldest}");
}

#[test]
fn whoever_listens_hears_of_each_change_once_and_in_order_after_its_commit() {
    let dir = tempdir().unwrap();
    let journal = open(dir.path());
    let heard: Arc<Mutex<Vec<StoredChange>>> = Arc::default();
    let (ears, reader) = (Arc::clone(&heard), journal.clone());
    journal.on_changes(move |changes| {
        let (_, last) = reader.change_bounds().unwrap().unwrap();
        assert!(last >= changes.last().unwrap().sequence, "not committed");
        let mut heard = ears.lock().unwrap();
        heard.extend_from_slice(changes);
        heard.len() < 200
    });
    journal.on_changes(|_| panic!("it is not called again, and harms nobody"));
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let journal = journal.clone();
            scope.spawn(move || {
                for number in 0..50 {
                    journal.write(told(writer * 50 + number)).unwrap();
                }
            });
        }
    });
    journal.write(told(999)).unwrap();
    assert_eq!(*heard.lock().unwrap(), all(&journal, 0)[..200]);
}

#[test]
fn the_end_of_an_execution_is_told_with_its_deletion() {
    let journal = Journal::ephemeral(&Options::default()).unwrap();
    journal.write(first_turn(1)).unwrap();
    let heard: Arc<Mutex<Vec<StoredChange>>> = Arc::default();
    let ears = Arc::clone(&heard);
    journal.on_changes(move |changes| {
        ears.lock().unwrap().extend_from_slice(changes);
        true
    });
    let gone = change_of(7, 1, "lab", 1);
    let delete = || journal.delete_and_tell(&execution(1), Some(gone.clone()));
    assert!(delete().unwrap());
    assert!(!delete().unwrap(), "there is none any more");
    journal.write(told(8)).unwrap();
    let changes = all(&journal, 0);
    assert_eq!(*changes[0].change, gone);
    assert_eq!(numbers(&changes), [1, 2]);
    assert_eq!(*heard.lock().unwrap(), changes);
}

#[test]
fn a_damaged_or_missing_change_is_found() {
    let dir = tempdir().unwrap();
    let journal = open(dir.path());
    for number in 1..=5 {
        journal.write(told(number)).unwrap();
    }
    drop(journal);
    let db = Connection::open(dir.path().join("journal.db")).unwrap();
    db.execute_batch("DELETE FROM change WHERE seq = 2; UPDATE change SET at = 1 WHERE seq = 4")
        .unwrap();
    db.close().unwrap();
    let journal = open(dir.path());
    let problems = journal.check().unwrap().problems;
    assert_eq!(
        problems,
        [
            "changes between 1 and 3 are not there",
            "change 4 is not what was stored"
        ]
    );
    let read = journal.changes(3, 5, &ChangeFilter::default());
    assert!(
        matches!(read, Err(JournalError::Corrupt { .. })),
        "{read:?}"
    );
}

#[test]
fn an_action_that_has_ended_is_not_told_to_start() {
    let journal = Journal::ephemeral(&Options::default()).unwrap();
    let mut turn = first_turn(1);
    turn.task(task_row(1, 1));
    for number in [1, 2] {
        turn.action(action_row(number, 1, 1));
    }
    turn.action_change(ostro_journal::ActionChange {
        id: action(2),
        state: ostro_core::State::Cancelled,
        reached: ostro_journal::Reached::Ended,
        accepted: false,
        state_info: None,
        output: None,
        updated_at: DAY,
        finished_at: Some(DAY),
    });
    for number in [1, 2] {
        turn.action_started_and_told(action(number), DAY, change_of(number, 1, "lab", 1));
    }
    journal.write(turn).unwrap();
    let told = all(&journal, 0);
    assert_eq!(told.len(), 1);
    assert_eq!(*told[0].change, change_of(1, 1, "lab", 1));
}
