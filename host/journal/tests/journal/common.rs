//! Short ways to make turns.

use std::path::Path;

use ostro_core::{ActionExecutionId, ExecutionId, State, TaskExecutionId};
use ostro_journal::{
    ActionRow, ExecutionChange, ExecutionRow, Journal, NewChange, NewEvent, NewSnapshot, Options,
    TaskRow, Turn,
};

/// Some day of 2026, in milliseconds.
pub(crate) const DAY: i64 = 1_795_478_400_000;

pub(crate) fn open(dir: &Path) -> Journal {
    Journal::open(dir, &Options::default()).unwrap()
}

/// The UUID with this number.
pub(crate) fn uuid(kind: u8, number: u64) -> String {
    format!("{kind:08x}-0000-4000-8000-{number:012x}")
}

pub(crate) fn execution(number: u64) -> ExecutionId {
    ExecutionId::new(uuid(1, number))
}

pub(crate) fn task(number: u64) -> TaskExecutionId {
    TaskExecutionId::new(uuid(2, number))
}

pub(crate) fn action(number: u64) -> ActionExecutionId {
    ActionExecutionId::new(uuid(3, number))
}

pub(crate) fn row(number: u64) -> ExecutionRow {
    let at = DAY + i64::try_from(number).unwrap();
    ExecutionRow::new(execution(number), "tripleo.deploy", at)
}

/// A sub-workflow's row, directly below `root`.
pub(crate) fn child(number: u64, root: u64) -> ExecutionRow {
    ExecutionRow {
        root_execution_id: Some(execution(root)),
        parent_execution_id: Some(execution(root)),
        ..row(number)
    }
}

pub(crate) fn event(execution: &ExecutionId, number: u64) -> NewEvent {
    NewEvent {
        execution: execution.clone(),
        number,
        body: format!("event {number} of {execution}").into_bytes().into(),
        values: Vec::new(),
    }
}

pub(crate) fn snapshot(execution: &ExecutionId, events: u64) -> NewSnapshot {
    NewSnapshot {
        execution: execution.clone(),
        events,
        version: 1,
        body: format!("{events} events of {execution}")
            .into_bytes()
            .into(),
        values: Vec::new(),
    }
}

pub(crate) fn change(number: u64, state: State, at: i64) -> ExecutionChange {
    ExecutionChange {
        id: execution(number),
        state,
        moving: state == State::Running,
        state_info: None,
        output: None,
        updated_at: at,
        finished_at: None,
    }
}

pub(crate) fn task_row(number: u64, of: u64) -> TaskRow {
    let at = DAY + i64::try_from(number).unwrap();
    TaskRow::new(task(number), execution(of), "register_nodes", at)
}

pub(crate) fn action_row(number: u64, task_number: u64, of: u64) -> ActionRow {
    ActionRow {
        execution_id: Some(execution(of)),
        task_execution_id: Some(task(task_number)),
        ..ActionRow::new(action(number), "ironic.node_list", DAY)
    }
}

/// Something that changed: `number` says what.
pub(crate) fn change_of(number: u64, of: u64, project: &str, root: u64) -> NewChange {
    NewChange {
        at: DAY + i64::try_from(number).unwrap(),
        project_id: project.into(),
        root_execution_id: Some(execution(root)),
        execution_id: Some(execution(of)),
        body: format!("{{\"n\":{number}}}").into_bytes().into(),
    }
}

/// The first turn of an execution.
pub(crate) fn first_turn(number: u64) -> Turn {
    let mut turn = Turn::new();
    turn.execution(row(number))
        .event(event(&execution(number), 0));
    turn
}

/// An execution that has begun and ended.
pub(crate) fn ended(journal: &Journal, number: u64, state: State, at: i64) {
    let mut turn = first_turn(number);
    turn.execution_change(change(number, state, at));
    journal.write(turn).unwrap();
}

/// Numbers that look random and are the same in each run with the same seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % sides
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.roll(of.len() as u64)).unwrap()]
    }
}
