//! What is written is there, all of it or nothing.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use ostro_core::State;
use ostro_journal::{
    ActionChange, Blob, Digest, ExecutionRow, Journal, JournalError, NewEvent, Options, Policy,
    Reached, Turn, Unfinished,
};
use tempfile::tempdir;

use crate::common::*;

#[test]
fn what_was_written_is_there_after_a_restart() {
    let dir = tempdir().unwrap();
    let journal = open(dir.path());
    let definitions = Blob::new(*b"version: '2.0'");
    let full = ExecutionRow {
        source_execution_id: Some(ostro_core::ExecutionId::new("not a uuid")),
        workflow_namespace: "night".to_owned(),
        workflow_id: Some("w".to_owned()),
        definitions: Some(definitions.digest()),
        project_id: "p".to_owned(),
        state_info: Some("because".to_owned()),
        description: Some("mine".to_owned()),
        tags: Some(r#"["a"]"#.to_owned()),
        params: Some(r#"{"env": {}}"#.to_owned()),
        input: Some(format!("\"{}\"", "ä".repeat(10_000))),
        ..row(1)
    };
    let below = child(2, 1);
    let mut task = task_row(1, 1);
    task.published = Some("{}".to_owned());
    task.result = Some(format!("\"{}\"", "r".repeat(5000)));
    let action = action_row(1, 1, 1);
    let mut turn = Turn::new();
    turn.value(definitions.clone())
        .execution(full.clone())
        .event(event(&full.id, 0))
        .execution(below.clone())
        .task(task.clone())
        .action(action.clone())
        .setting("clock", Some(b"12".to_vec()));
    journal.write(turn).unwrap();
    drop(journal);

    let journal = open(dir.path());
    assert_eq!(journal.execution(&full.id).unwrap(), Some(full.clone()));
    assert_eq!(journal.execution(&below.id).unwrap(), Some(below.clone()));
    let stored = journal.task(&task.id).unwrap().unwrap();
    assert_eq!(stored.row, task);
    assert_eq!(stored.workflow.name, full.workflow_name);
    assert_eq!(stored.project_id, "p");
    let stored = journal.action(&action.id).unwrap().unwrap();
    assert_eq!(stored.row.input, action.input);
    assert_eq!(stored.task_name.as_deref(), Some("register_nodes"));
    assert_eq!(stored.row.project_id.as_deref(), Some("p"));
    let value = journal.value(&definitions.digest()).unwrap();
    assert_eq!(value.as_deref(), Some(definitions.bytes()));
    assert_eq!(journal.setting("clock").unwrap(), Some(b"12".to_vec()));
    assert_eq!(journal.setting("other").unwrap(), None);
    let family = journal.family(&full.id, false).unwrap();
    assert_eq!(family, [full.id.clone(), below.id]);
    let report = journal.check().unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.executions, report.events, report.values), (2, 1, 3));
}

#[test]
fn an_execution_is_brought_back_by_its_snapshot_and_the_events_after_it() {
    let dir = tempdir().unwrap();
    let journal = open(dir.path());
    let id = execution(1);
    journal.write(first_turn(1)).unwrap();
    for number in 1..7 {
        let mut turn = Turn::new();
        turn.event(event(&id, number));
        if number == 4 || number == 5 {
            turn.snapshot(snapshot(&id, number));
        }
        journal.write(turn).unwrap();
    }
    let loaded = journal.load(&id).unwrap().unwrap();
    let newest = loaded.snapshot.unwrap();
    assert_eq!((newest.events, newest.version), (5, 1));
    assert_eq!(newest.body, snapshot(&id, 5).body[..]);
    let numbers: Vec<u64> = loaded.events.iter().map(|event| event.number).collect();
    assert_eq!(numbers, [5, 6]);
    assert_eq!(loaded.next, 7);
    let history = journal.events(&id, 2, 3).unwrap();
    assert_eq!(history[0].body, event(&id, 2).body[..]);
    assert_eq!(history.len(), 3);
    assert!(journal.load(&execution(2)).unwrap().is_none());
}

#[test]
fn an_event_twice_or_after_a_gap_is_refused_and_so_is_its_whole_turn() {
    let journal = Journal::ephemeral(&Options::default()).unwrap();
    journal.write(first_turn(1)).unwrap();
    let id = execution(1);
    for wrong in [0, 2, u64::MAX] {
        let mut turn = Turn::new();
        turn.setting("half", Some(Vec::new()))
            .event(event(&id, wrong));
        let refused = journal.write(turn).unwrap_err();
        assert!(
            matches!(refused, JournalError::EventNumber { expected: 1, got, .. } if got == wrong),
            "{refused}"
        );
    }
    assert_eq!(journal.setting("half").unwrap(), None);
    let mut turn = Turn::new();
    turn.event(event(&id, 1)).snapshot(snapshot(&id, 3));
    let refused = journal.write(turn).unwrap_err().to_string();
    assert!(
        refused.contains("covers 3 events, and there are 2"),
        "{refused}"
    );
    assert_eq!(journal.load(&id).unwrap().unwrap().next, 1);
}

#[test]
fn a_turn_that_fails_leaves_the_others_of_its_group_alone() {
    let journal = Journal::ephemeral(&Options::default()).unwrap();
    let (told, answers) = mpsc::channel();
    // The writer is held up, so that all of these become one group.
    let gate = Arc::new(Mutex::new(()));
    let held = gate.lock().unwrap();
    let theirs = Arc::clone(&gate);
    journal
        .submit(first_turn(0), move |_| drop(theirs.lock()))
        .unwrap();
    for number in 1..=20 {
        let turn = if number % 5 == 0 {
            let mut turn = first_turn(number);
            turn.event(event(&execution(number), 7));
            turn
        } else {
            first_turn(number)
        };
        let told = told.clone();
        journal
            .submit(turn, move |result| {
                told.send((number, result.is_ok())).unwrap();
            })
            .unwrap();
    }
    drop(held);
    let answers: Vec<(u64, bool)> = answers.iter().take(20).collect();
    for (index, (number, good)) in answers.into_iter().enumerate() {
        assert_eq!(number, index as u64 + 1, "answers come in order");
        assert_eq!(good, number % 5 != 0);
        assert_eq!(journal.load(&execution(number)).unwrap().is_some(), good);
    }
}

#[test]
fn what_a_turn_names_must_be_there() {
    let journal = Journal::ephemeral(&Options::default()).unwrap();
    let refused = |turn: Turn| journal.write(turn).unwrap_err().to_string();
    let mut turn = Turn::new();
    turn.event(event(&execution(1), 0));
    assert!(refused(turn).contains("has no execution"));
    let mut turn = Turn::new();
    turn.execution(child(2, 1));
    assert!(refused(turn).contains("has no execution"));
    let mut turn = first_turn(1);
    turn.action(action_row(1, 1, 1));
    assert!(refused(turn).contains("has no task execution"));
    let mut turn = Turn::new();
    turn.action_started(action(1), DAY);
    assert!(refused(turn).contains("has no action execution"));
    let missing = Digest::of(b"nowhere");
    let mut turn = first_turn(1);
    turn.event(NewEvent {
        values: vec![missing],
        ..event(&execution(1), 1)
    });
    assert!(refused(turn).contains(&missing.to_string()));
}

#[test]
fn an_action_that_was_handed_on_is_told_from_one_that_was_not() {
    let journal = Journal::ephemeral(&Options::default()).unwrap();
    let mut turn = first_turn(1);
    turn.task(task_row(1, 1))
        .action(action_row(1, 1, 1))
        .action(action_row(2, 1, 1));
    journal.write(turn).unwrap();
    let mut note = Turn::new();
    note.action_started(action(1), DAY + 5);
    let (told, answer) = mpsc::channel();
    journal
        .try_note(note, move |result| told.send(result).unwrap())
        .unwrap();
    answer.recv().unwrap().unwrap();
    let reached = |number| {
        let record = journal.action(&action(number)).unwrap().unwrap();
        (record.row.reached, record.row.started_at)
    };
    assert_eq!(reached(1), (Reached::Started, Some(DAY + 5)));
    assert_eq!(reached(2), (Reached::Queued, None));

    let large = "x".repeat(6000);
    let mut turn = Turn::new();
    turn.action_change(ActionChange {
        id: action(1),
        state: State::Success,
        reached: Reached::Ended,
        accepted: true,
        state_info: None,
        output: Some(large.clone()),
        updated_at: DAY + 9,
        finished_at: Some(DAY + 9),
    });
    // A note that comes late takes nothing back.
    turn.action_started(action(1), DAY + 10);
    journal.write(turn).unwrap();
    assert_eq!(reached(1), (Reached::Ended, Some(DAY + 5)));
    let record = journal.action(&action(1)).unwrap().unwrap();
    assert_eq!(record.row.output, Some(large));
}

#[test]
fn unfinished_executions_are_listed_by_whether_something_moves_them() {
    let journal = Journal::ephemeral(&Options::default()).unwrap();
    let mut turn = Turn::new();
    for number in 1..=6 {
        turn.append(first_turn(number));
    }
    turn.execution_change(change(2, State::Paused, DAY + 50))
        .execution_change(change(3, State::Success, DAY + 50))
        .execution_change(change(4, State::Paused, DAY + 50))
        // Paused itself, with a sub-workflow that is at work.
        .execution(child(7, 4));
    journal.write(turn).unwrap();
    let list = |which| {
        let mut all = Vec::new();
        let mut last = None;
        loop {
            let page = journal.unfinished(which, last.as_ref(), 2).unwrap();
            let Some(end) = page.last() else {
                return all;
            };
            last = Some(end.clone());
            all.extend(page.into_iter().map(|root| (root.id, root.state)));
        }
    };
    assert_eq!(
        list(Unfinished::Moving),
        [
            (execution(1), State::Running),
            (execution(4), State::Paused),
            (execution(5), State::Running),
            (execution(6), State::Running),
        ]
    );
    assert_eq!(list(Unfinished::Still), [(execution(2), State::Paused)]);
    assert_eq!(
        journal.family(&execution(4), true).unwrap(),
        [execution(4), execution(7)]
    );
}

#[test]
fn a_full_queue_gives_the_turn_back_and_tells_when_there_is_room() {
    let options = Options {
        queue_turns: 4,
        turn_bytes: 1 << 20,
        ..Options::default()
    };
    let journal = Journal::ephemeral(&options).unwrap();
    let gate = Arc::new(Mutex::new(()));
    let held = gate.lock().unwrap();
    let theirs = Arc::clone(&gate);
    let (held_up, wait) = mpsc::channel();
    journal
        .try_submit(first_turn(0), move |_| {
            held_up.send(()).unwrap();
            drop(theirs.lock());
        })
        .unwrap();
    wait.recv().unwrap();
    for number in 1..=4 {
        journal.try_submit(first_turn(number), |_| {}).unwrap();
    }
    let refused = journal.try_submit(first_turn(5), |_| {}).unwrap_err();
    assert!(matches!(refused.reason, JournalError::Busy));
    assert!(!refused.turn.is_empty());
    let (told, room) = mpsc::channel();
    journal.on_room(move || told.send(()).unwrap());
    assert!(room.try_recv().is_err());
    drop(held);
    room.recv().unwrap();
    journal.write(refused.turn).unwrap();

    let mut large = Turn::new();
    large.setting("large", Some(vec![0; 1 << 20]));
    let refused = journal.try_submit(large, |_| {}).unwrap_err();
    assert!(matches!(refused.reason, JournalError::TooLarge { .. }));
}

#[test]
fn closing_writes_what_is_queued_and_takes_no_more() {
    let dir = tempdir().unwrap();
    let journal = open(dir.path());
    for number in 0..50 {
        journal.submit(first_turn(number), |_| {}).unwrap();
    }
    journal.close();
    let refused = journal.try_submit(first_turn(99), |_| {}).unwrap_err();
    assert!(matches!(refused.reason, JournalError::Closed));
    drop(journal);
    let journal = open(dir.path());
    for number in 0..50 {
        assert!(journal.load(&execution(number)).unwrap().is_some());
    }
}

#[test]
fn a_callback_that_panics_or_holds_the_last_clone_harms_nobody() {
    let dir = tempdir().unwrap();
    let journal = open(dir.path());
    let (told, answer) = mpsc::channel();
    journal
        .submit(first_turn(1), |_| panic!("a caller's mistake"))
        .unwrap();
    let clone = journal.clone();
    journal
        .submit(first_turn(2), move |result| {
            drop(clone);
            told.send(result.is_ok()).unwrap();
        })
        .unwrap();
    drop(journal);
    assert!(answer.recv().unwrap());
}

#[test]
fn a_journal_that_somebody_holds_can_be_read() {
    let dir = tempdir().unwrap();
    assert!(
        Journal::open_to_read(dir.path(), &Options::default())
            .unwrap()
            .is_none()
    );
    let journal = open(dir.path());
    let reader = Journal::open_to_read(dir.path(), &Options::default())
        .unwrap()
        .unwrap();
    journal.write(first_turn(1)).unwrap();
    assert!(reader.execution(&execution(1)).unwrap().is_some());
    let refused = reader.write(first_turn(2)).unwrap_err();
    assert!(matches!(refused, JournalError::Closed), "{refused}");
    let holder = Journal::holder(dir.path()).unwrap();
    assert!(holder.contains(&std::process::id().to_string()), "{holder}");
    drop(journal);
    assert_eq!(Journal::holder(dir.path()), None);
    assert!(reader.execution(&execution(1)).unwrap().is_some());
}

#[test]
fn a_snapshot_that_is_damaged_is_as_good_as_none() {
    let dir = tempdir().unwrap();
    let journal = open(dir.path());
    let id = execution(1);
    journal.write(first_turn(1)).unwrap();
    let mut turn = Turn::new();
    turn.event(event(&id, 1)).snapshot(snapshot(&id, 2));
    journal.write(turn).unwrap();
    drop(journal);
    let db = rusqlite::Connection::open(dir.path().join("journal.db")).unwrap();
    db.execute("UPDATE snapshot SET body = x'00'", []).unwrap();
    drop(db);

    let journal = open(dir.path());
    let loaded = journal.load(&id).unwrap().unwrap();
    assert_eq!(loaded.snapshot, None);
    let numbers: Vec<u64> = loaded.events.iter().map(|event| event.number).collect();
    assert_eq!(numbers, [0, 1]);
    assert!(!journal.check().unwrap().is_sound());
}

#[test]
fn what_a_person_changes_of_an_execution_stands_in_its_row() {
    let dir = tempdir().unwrap();
    let journal = open(dir.path());
    let large = |letter: &str| format!("{{\"env\":{{\"a\":\"{}\"}}}}", letter.repeat(5000));
    let before = ExecutionRow {
        params: Some(large("a")),
        input: Some("{}".to_owned()),
        ..row(1)
    };
    let mut turn = Turn::new();
    turn.execution(before.clone()).event(event(&before.id, 0));
    journal.write(turn).unwrap();
    let value = |text: &str| {
        let digest = Digest::of(text.as_bytes());
        journal.has_value(&digest).unwrap()
    };
    for letter in ["b", "c"] {
        let mut turn = Turn::new();
        turn.description(before.id.clone(), format!("It is {letter}"))
            .params(before.id.clone(), large(letter));
        journal.write(turn).unwrap();
    }
    journal.expire(&Policy::default(), DAY).unwrap();
    let expected = ExecutionRow {
        params: Some(large("c")),
        description: Some("It is c".to_owned()),
        ..before.clone()
    };
    assert_eq!(journal.execution(&before.id).unwrap(), Some(expected));
    // What was between is needed by nothing.
    assert_eq!((value(&large("b")), value(&large("c"))), (false, true));
    assert!(journal.delete(&before.id).unwrap());
    assert!(!value(&large("a")) && !value(&large("c")));

    let mut turn = Turn::new();
    turn.description(before.id, "It is gone".to_owned());
    assert!(matches!(
        journal.write(turn),
        Err(JournalError::UnknownExecution(_))
    ));
}
