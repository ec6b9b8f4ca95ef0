//! How many rows are in each state: what is noted while rows are written is what is there.

use std::sync::atomic::{AtomicBool, Ordering};

use ostro_core::State;
use ostro_journal::{Journal, Options, Policy, StateCounts, Turn};
use rusqlite::{Connection, OpenFlags};
use tempfile::tempdir;

use crate::common::*;

const STATES: [State; 5] = [
    State::Running,
    State::Paused,
    State::Success,
    State::Error,
    State::Cancelled,
];

/// What is noted, by the names of the states: of executions, and of tasks.
fn noted(journal: &Journal) -> [Vec<(String, i64)>; 2] {
    let tally = journal.figures().tally.unwrap();
    let named = |counts: &StateCounts| {
        let counts = counts.iter().filter(|(_, count)| *count != 0);
        let mut named: Vec<_> = counts
            .map(|(state, count)| (state.as_str().to_owned(), count))
            .collect();
        named.sort();
        named
    };
    [named(&tally.executions), named(&tally.tasks)]
}

/// What is there.
fn there(journal: &Journal) -> [Vec<(String, i64)>; 2] {
    let db = Connection::open_with_flags(journal.path(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    ["execution", "task"].map(|table| {
        let sql = format!("SELECT state, count(*) FROM {table} GROUP BY state ORDER BY state");
        let mut statement = db.prepare(&sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.unwrap().map(Result::unwrap).collect()
    })
}

/// Numbers that look like chance.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn state(&mut self) -> State {
        STATES[usize::try_from(self.below(5)).unwrap()]
    }
}

/// Some of all that can become of executions and tasks.
fn something(journal: &Journal, chance: &mut Chance) {
    let number = 1 + chance.below(20);
    let mut turn = Turn::new();
    match chance.below(6) {
        0 => {
            turn.execution(row(number));
        }
        1 => {
            turn.execution_change(change(number, chance.state(), DAY + 1));
        }
        2 | 3 => {
            let mut task = task_row(100 * number + chance.below(3), number);
            task.state = chance.state();
            turn.task(task);
        }
        // The rows of a turn that fails are not there.
        4 => {
            let mut task = task_row(100 * number, number);
            task.state = chance.state();
            turn.execution(row(number)).task(task);
            turn.execution_change(change(999, State::Error, DAY));
            assert!(journal.write(turn).is_err());
            return;
        }
        _ => {
            journal.delete(&execution(number)).unwrap();
            return;
        }
    }
    // What is not there cannot be changed.
    let _ = journal.write(turn);
}

#[test]
fn what_is_noted_is_there_whatever_happens() {
    let dir = tempdir().unwrap();
    let mut chance = Chance(7);
    for _ in 0..3 {
        // Rows of before are there in the second turn.
        let journal = open(dir.path());
        assert_eq!(journal.figures().tally, None);
        journal.count().unwrap();
        for _ in 0..200 {
            something(&journal, &mut chance);
            assert_eq!(noted(&journal), there(&journal));
        }
        assert!(!there(&journal)[1].is_empty());
    }
}

#[test]
fn executions_that_expire_are_counted_no_more() {
    let journal = Journal::ephemeral(&Options::default()).unwrap();
    journal.count().unwrap();
    for number in 1..=10 {
        ended(&journal, number, State::Success, DAY);
        let mut turn = Turn::new();
        turn.execution(child(100 + number, number));
        turn.execution_change(change(100 + number, State::Error, DAY));
        turn.task(task_row(number, number));
        journal.write(turn).unwrap();
    }
    let policy = Policy {
        max_finished: Some(4),
        ..Policy::default()
    };
    assert_eq!(journal.expire(&policy, DAY).unwrap().executions, 6);
    assert_eq!(noted(&journal), there(&journal));
    assert_eq!(noted(&journal)[1].iter().map(|one| one.1).sum::<i64>(), 4);
}

#[test]
fn a_count_may_come_at_any_time() {
    let journal = Journal::ephemeral(&Options::default()).unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let writes = threads.spawn(|| {
            let mut chance = Chance(11);
            let mut turns = 0;
            while !is_over.load(Ordering::Relaxed) || turns < 500 {
                something(&journal, &mut chance);
                turns += 1;
            }
        });
        for _ in 0..20 {
            journal.count().unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
        writes.join().unwrap();
    });
    assert_eq!(noted(&journal), there(&journal));
}
