//! What is kept, and what goes.

use ostro_core::{ExecutionId, State};
use ostro_journal::{
    ActionRow, Blob, ChangeFilter, Expired, Journal, NewChange, NewEvent, NewSnapshot, Options,
    Policy, Reached, Turn,
};

use crate::common::*;

fn kept(journal: &Journal, numbers: std::ops::RangeInclusive<u64>) -> Vec<u64> {
    let there = |id: &ExecutionId| journal.load(id).unwrap().is_some();
    numbers
        .filter(|number| there(&execution(*number)))
        .collect()
}

/// Ten executions that ended one millisecond after the other, the even ones badly; and one that
/// has not ended.
fn history() -> Journal {
    let journal = Journal::ephemeral(&Options::default()).unwrap();
    for number in 1..=10 {
        let state = if number % 2 == 0 {
            State::Error
        } else {
            State::Success
        };
        ended(
            &journal,
            number,
            state,
            DAY + 100 + i64::try_from(number).unwrap(),
        );
    }
    journal.write(first_turn(11)).unwrap();
    journal
}

#[test]
fn nothing_goes_without_a_policy() {
    let journal = history();
    let expired = journal.expire(&Policy::default(), i64::MAX).unwrap();
    assert_eq!(expired, Expired::default());
}

#[test]
fn the_old_go() {
    let journal = history();
    let policy = Policy {
        older_than: Some(1000),
        batch_size: 2,
        ..Policy::default()
    };
    let expired = journal.expire(&policy, DAY + 1104).unwrap();
    assert_eq!(expired.executions, 3);
    assert_eq!(kept(&journal, 1..=11), [4, 5, 6, 7, 8, 9, 10, 11]);
    assert!(journal.check().unwrap().is_sound());
}

#[test]
fn those_that_are_too_many_go_oldest_first() {
    let journal = history();
    let policy = Policy {
        max_finished: Some(3),
        batch_size: 2,
        ..Policy::default()
    };
    assert_eq!(journal.expire(&policy, DAY).unwrap().executions, 7);
    assert_eq!(kept(&journal, 1..=11), [8, 9, 10, 11]);
    assert_eq!(journal.expire(&policy, DAY).unwrap().executions, 0);
}

#[test]
fn ignored_states_stay_and_are_not_counted() {
    let journal = history();
    let policy = Policy {
        max_finished: Some(2),
        ignored_states: vec![State::Error],
        ..Policy::default()
    };
    assert_eq!(journal.expire(&policy, DAY).unwrap().executions, 3);
    assert_eq!(kept(&journal, 1..=11), [2, 4, 6, 7, 8, 9, 10, 11]);
}

#[test]
fn what_is_below_a_root_goes_with_it_and_a_value_with_its_last_owner() {
    let journal = Journal::ephemeral(&Options::default()).unwrap();
    let shared = Blob::new(*b"both need this");
    let own = Blob::new(*b"one needs this");
    let pinned = Blob::new(*b"a person needs this");
    for number in [1, 2] {
        let id = execution(number);
        let mut turn = first_turn(number);
        turn.value(shared.clone())
            .value(own.clone())
            .value(pinned.clone())
            .pin(pinned.digest())
            .execution(child(number + 10, number))
            .event(NewEvent {
                values: vec![shared.digest()],
                ..event(&execution(number + 10), 0)
            })
            .task(task_row(number, number))
            .action(ActionRow {
                input: Some(format!("{number}").repeat(5000)),
                ..action_row(number, number, number)
            })
            .execution_change(change(number, State::Success, DAY + 5))
            .execution_change(change(number + 10, State::Success, DAY + 5));
        if number == 1 {
            turn.snapshot(NewSnapshot {
                values: vec![own.digest()],
                ..snapshot(&id, 1)
            });
        }
        journal.write(turn).unwrap();
    }
    assert!(journal.delete(&execution(1)).unwrap());
    assert!(!journal.delete(&execution(1)).unwrap());
    assert!(!journal.delete(&execution(12)).unwrap(), "not a root");
    assert_eq!(kept(&journal, 1..=12), [2, 12]);
    assert!(journal.task(&task(1)).unwrap().is_none());
    assert!(journal.action(&action(1)).unwrap().is_none());
    assert!(journal.has_value(&shared.digest()).unwrap());
    assert!(!journal.has_value(&own.digest()).unwrap());
    assert!(journal.has_value(&pinned.digest()).unwrap());
    let report = journal.check().unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.executions, report.events, report.values), (2, 2, 3));

    let all = Policy {
        older_than: Some(0),
        ..Policy::default()
    };
    let expired = journal.expire(&all, DAY + 6).unwrap();
    assert_eq!((expired.executions, expired.values), (1, 2));
    let mut turn = Turn::new();
    turn.unpin(pinned.digest());
    journal.write(turn).unwrap();
    assert_eq!(journal.collect().unwrap(), 1);
    assert_eq!(journal.check().unwrap().values, 0);
}

#[test]
fn a_value_goes_when_what_needed_it_is_replaced() {
    let journal = Journal::ephemeral(&Options::default()).unwrap();
    let id = execution(1);
    journal.write(first_turn(1)).unwrap();
    for number in 1..4_u64 {
        let context = Blob::new(number.to_be_bytes());
        let mut turn = Turn::new();
        turn.value(context.clone())
            .event(event(&id, number))
            .snapshot(NewSnapshot {
                values: vec![context.digest()],
                ..snapshot(&id, number)
            })
            .execution_change(ostro_journal::ExecutionChange {
                output: Some(number.to_string().repeat(5000)),
                ..change(1, State::Running, DAY)
            });
        journal.write(turn).unwrap();
    }
    assert_eq!(journal.collect().unwrap(), 4);
    let report = journal.check().unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.values, 2);
}

#[test]
fn a_root_that_may_still_move_stays() {
    let journal = Journal::ephemeral(&Options::default()).unwrap();
    let mut turn = first_turn(1);
    turn.execution(child(2, 1))
        .execution_change(change(1, State::Cancelled, DAY));
    journal.write(turn).unwrap();
    let all = Policy {
        older_than: Some(0),
        ..Policy::default()
    };
    assert_eq!(journal.expire(&all, DAY + 1).unwrap().executions, 0);
    let mut turn = Turn::new();
    turn.execution_change(change(2, State::Cancelled, DAY));
    journal.write(turn).unwrap();
    assert_eq!(journal.expire(&all, DAY + 1).unwrap().executions, 1);
}

#[test]
fn history_can_go_while_the_execution_can_still_be_brought_back() {
    let journal = Journal::ephemeral(&Options::default()).unwrap();
    let id = execution(1);
    let mut turn = first_turn(1);
    turn.event(event(&id, 1))
        .event(event(&id, 2))
        .snapshot(snapshot(&id, 2));
    journal.write(turn).unwrap();
    assert_eq!(journal.prune_events(&id).unwrap(), 0, "it has not ended");
    let mut turn = Turn::new();
    turn.execution_change(change(1, State::Error, DAY));
    journal.write(turn).unwrap();
    assert_eq!(journal.prune_events(&id).unwrap(), 2);
    let loaded = journal.load(&id).unwrap().unwrap();
    assert_eq!((loaded.events.len(), loaded.next), (1, 3));
    let report = journal.check().unwrap();
    assert!(report.is_sound(), "{report:?}");
    let mut turn = Turn::new();
    turn.event(event(&id, 3));
    journal.write(turn).unwrap();
}

#[test]
fn what_is_deleted_after_a_pruning_is_never_anothers() {
    let journal = Journal::ephemeral(&Options::default()).unwrap();
    let id = execution(1);
    let mut turn = first_turn(1);
    turn.event(event(&id, 1))
        .snapshot(snapshot(&id, 2))
        .execution_change(change(1, State::Success, DAY));
    journal.write(turn).unwrap();
    assert_eq!(journal.prune_events(&id).unwrap(), 2);
    // Where the pruned ones were there is room for those of another execution.
    let mut turn = first_turn(2);
    turn.event(event(&execution(2), 1)).event(event(&id, 2));
    journal.write(turn).unwrap();
    assert_eq!(journal.load(&id).unwrap().unwrap().events.len(), 1);
    assert_eq!(journal.prune_events(&id).unwrap(), 0);
    assert!(journal.delete(&id).unwrap());
    let loaded = journal.load(&execution(2)).unwrap().unwrap();
    assert_eq!(loaded.events.len(), 2);
    let report = journal.check().unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.events, 2);
}

#[test]
fn who_watches_is_told_of_each_root_that_expires() {
    let journal = history();
    let heard = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let listening = std::sync::Arc::clone(&heard);
    journal.on_changes(move |changes| {
        listening.lock().unwrap().extend_from_slice(changes);
        true
    });
    let policy = Policy {
        older_than: Some(1000),
        batch_size: 2,
        ..Policy::default()
    };
    let expired = journal.expire_and_tell(&policy, DAY + 1104, |row| {
        Some(NewChange {
            at: DAY,
            project_id: row.project_id.as_str().into(),
            root_execution_id: Some(row.id.clone()),
            execution_id: Some(row.id.clone()),
            body: row.workflow_name.as_bytes().into(),
        })
    });
    assert_eq!(expired.unwrap().executions, 3);
    let heard = heard.lock().unwrap();
    let roots = heard.iter().map(|one| one.change.root_execution_id.clone());
    let gone: Vec<_> = (1..=3).map(|number| Some(execution(number))).collect();
    assert_eq!(roots.collect::<Vec<_>>(), gone);
    let kept = journal.changes(0, 10, &ChangeFilter::default()).unwrap();
    assert_eq!(kept.changes, *heard);
    assert!(journal.check().unwrap().is_sound());
}

#[test]
fn actions_that_ran_by_themselves_go_by_the_same_bounds() {
    let journal = Journal::ephemeral(&Options::default()).unwrap();
    let mut turn = first_turn(1);
    // One of a workflow, and one that is still at work.
    turn.task(task_row(1, 1)).action(action_row(1, 1, 1));
    for number in 2..=9 {
        let at = DAY + i64::try_from(number).unwrap();
        let has_ended = number != 3;
        turn.action(ActionRow {
            reached: if has_ended {
                Reached::Ended
            } else {
                Reached::Started
            },
            state: match number {
                3 => State::Running,
                4 => State::Error,
                _ => State::Success,
            },
            finished_at: has_ended.then_some(at),
            output: Some(format!("{number}").repeat(5000)),
            ..ActionRow::new(action(number), "std.echo", at)
        });
    }
    journal.write(turn).unwrap();
    let left = || -> Vec<u64> {
        let there = |number: &u64| journal.action(&action(*number)).unwrap().is_some();
        (1..=9).filter(there).collect()
    };
    let mut policy = Policy {
        older_than: Some(1000),
        ignored_states: vec![State::Error],
        ..Policy::default()
    };
    assert_eq!(journal.expire(&policy, DAY + 1006).unwrap().actions, 2);
    assert_eq!(left(), [1, 3, 4, 6, 7, 8, 9]);
    policy.max_finished = Some(1);
    let expired = journal.expire(&policy, DAY + 1006).unwrap();
    assert_eq!((expired.actions, expired.values), (3, 3));
    assert_eq!(left(), [1, 3, 4, 9]);
    assert_eq!(
        journal.expire(&policy, DAY + 1006).unwrap(),
        Expired::default()
    );
    policy = Policy {
        older_than: Some(0),
        ..Policy::default()
    };
    assert_eq!(journal.expire(&policy, i64::MAX).unwrap().actions, 2);
    assert_eq!(left(), [1, 3]);
    assert!(journal.check().unwrap().is_sound());
}
