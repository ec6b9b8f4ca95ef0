//! How many rows there are in each state, kept while they are written.

use ostro_core::State;
use rusqlite::{Connection, params};

use crate::read::state;

/// How many rows there are in each state, or how many more than before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateCounts([i64; State::ALL.len()]);

impl StateCounts {
    /// Each state with its count.
    pub fn iter(&self) -> impl Iterator<Item = (State, i64)> {
        State::ALL.into_iter().zip(self.0)
    }

    /// How many are in `state`.
    pub fn of(&self, state: State) -> i64 {
        self.0[state as usize]
    }

    pub(crate) fn add(&mut self, state: State, count: i64) {
        self.0[state as usize] += count;
    }

    /// One that was in a state is in another.
    pub(crate) fn moved(&mut self, from: State, to: State) {
        self.add(from, -1);
        self.add(to, 1);
    }

    fn plus(&mut self, other: &Self, sign: i64) {
        for (count, other) in self.0.iter_mut().zip(other.0) {
            *count += sign * other;
        }
    }
}

/// The executions and tasks in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The rows of executions.
    pub executions: StateCounts,
    /// The rows of task executions.
    pub tasks: StateCounts,
}

impl Tally {
    /// All rows that there are. It reads an index of each table.
    pub(crate) fn count(db: &Connection) -> rusqlite::Result<Self> {
        let mut tally = Self::default();
        read(
            db,
            "SELECT state, count(*) FROM execution GROUP BY state",
            None,
            &mut tally.executions,
        )?;
        read(
            db,
            "SELECT state, count(*) FROM task GROUP BY state",
            None,
            &mut tally.tasks,
        )?;
        Ok(tally)
    }

    /// The rows of an execution and its tasks.
    pub(crate) fn of_execution(db: &Connection, seq: i64) -> rusqlite::Result<Self> {
        let mut tally = Self::default();
        read(
            db,
            "SELECT state, 1 FROM execution WHERE seq = ?1",
            Some(seq),
            &mut tally.executions,
        )?;
        read(
            db,
            "SELECT state, count(*) FROM task WHERE execution = ?1 GROUP BY state",
            Some(seq),
            &mut tally.tasks,
        )?;
        Ok(tally)
    }

    pub(crate) fn plus(&mut self, other: &Self) {
        self.executions.plus(&other.executions, 1);
        self.tasks.plus(&other.tasks, 1);
    }

    pub(crate) fn minus(&mut self, other: &Self) {
        self.executions.plus(&other.executions, -1);
        self.tasks.plus(&other.tasks, -1);
    }
}

fn read(
    db: &Connection,
    sql: &str,
    seq: Option<i64>,
    counts: &mut StateCounts,
) -> rusqlite::Result<()> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = match seq {
        Some(seq) => statement.query(params![seq])?,
        None => statement.query([])?,
    };
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        // One in a state that nobody knows is found by `check`.
        if let Some(state) = state(&name) {
            counts.add(state, row.get(1)?);
        }
    }
    Ok(())
}
