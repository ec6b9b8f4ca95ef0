//! Pages hold what a plain look at all rows finds, in the same order.

use std::cmp::Ordering;
use std::time::Duration;

use ostro_core::State;
use ostro_journal::{
    ActionColumn, Column, Direction, ExecutionColumn, ExecutionRow, Journal, JournalError,
    MAX_LIMIT, Op, Operand, Options, Query, TaskColumn, Turn,
};

use crate::common::*;

const STATES: [State; 4] = [State::Running, State::Paused, State::Success, State::Error];
const WORKFLOWS: [&str; 3] = ["deploy", "scale", "validate"];
const COLUMNS: [ExecutionColumn; 8] = [
    ExecutionColumn::Id,
    ExecutionColumn::State,
    ExecutionColumn::WorkflowName,
    ExecutionColumn::ProjectId,
    ExecutionColumn::Description,
    ExecutionColumn::CreatedAt,
    ExecutionColumn::UpdatedAt,
    ExecutionColumn::FinishedAt,
];

/// The value of a column as SQL orders it: null first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cell {
    Null,
    Number(i64),
    Text(String),
}

fn cell(row: &ExecutionRow, column: ExecutionColumn) -> Cell {
    let text = |text: &str| Cell::Text(text.to_owned());
    match column {
        ExecutionColumn::Id => text(row.id.as_str()),
        ExecutionColumn::State => text(row.state.as_str()),
        ExecutionColumn::WorkflowName => text(&row.workflow_name),
        ExecutionColumn::ProjectId => text(&row.project_id),
        ExecutionColumn::Description => row.description.as_deref().map_or(Cell::Null, text),
        ExecutionColumn::CreatedAt => Cell::Number(row.created_at),
        ExecutionColumn::UpdatedAt => Cell::Number(row.updated_at),
        ExecutionColumn::FinishedAt => row.finished_at.map_or(Cell::Null, Cell::Number),
        other => panic!("{} is not looked at here", other.name()),
    }
}

fn operand(cell: &Cell) -> Operand {
    match cell {
        Cell::Null => Operand::Null,
        Cell::Number(number) => Operand::Integer(*number),
        Cell::Text(text) => Operand::Text(text.clone()),
    }
}

fn matches(cell: &Cell, op: &Op) -> bool {
    let known = *cell != Cell::Null;
    let order = |other: &Operand| {
        let other = match other {
            Operand::Null => return None,
            Operand::Integer(number) => Cell::Number(*number),
            Operand::Text(text) => Cell::Text(text.clone()),
        };
        known.then(|| cell.cmp(&other))
    };
    match op {
        Op::Eq(Operand::Null) => !known,
        Op::Neq(Operand::Null) => known,
        Op::Eq(other) => order(other).is_some_and(Ordering::is_eq),
        Op::Neq(other) => order(other).is_some_and(Ordering::is_ne),
        Op::Gt(other) => order(other).is_some_and(Ordering::is_gt),
        Op::Gte(other) => order(other).is_some_and(Ordering::is_ge),
        Op::Lt(other) => order(other).is_some_and(Ordering::is_lt),
        Op::Lte(other) => order(other).is_some_and(Ordering::is_le),
        Op::In(some) => known && some.iter().any(|one| operand(cell) == *one),
        Op::Nin(some) => known && some.iter().all(|one| operand(cell) != *one),
        Op::Has(part) => matches!(cell, Cell::Text(text) if text.contains(part)),
    }
}

fn some_row(dice: &mut Dice, number: u64) -> ExecutionRow {
    let state = dice.pick(&STATES);
    let created_at = DAY + i64::try_from(dice.roll(40)).unwrap();
    let updated_at = created_at + i64::try_from(dice.roll(40)).unwrap();
    ExecutionRow {
        workflow_name: dice.pick(&WORKFLOWS).to_owned(),
        project_id: dice.pick(&["", "p", "q"]).to_owned(),
        state,
        description: dice
            .pick(&[None, Some("by night"), Some("by day")])
            .map(str::to_owned),
        created_at,
        updated_at,
        finished_at: state.is_completed().then_some(updated_at),
        ..row(number)
    }
}

fn some_op(dice: &mut Dice, rows: &[ExecutionRow], column: ExecutionColumn) -> Op {
    let mut like = || {
        let index = usize::try_from(dice.roll(rows.len() as u64)).unwrap();
        operand(&cell(&rows[index], column))
    };
    let (one, other) = (like(), like());
    match dice.roll(9) {
        0 => Op::Eq(one),
        1 => Op::Neq(one),
        2 if one != Operand::Null => Op::Gt(one),
        3 if one != Operand::Null => Op::Gte(one),
        4 if one != Operand::Null => Op::Lt(one),
        5 if one != Operand::Null => Op::Lte(one),
        6 if one != Operand::Null && other != Operand::Null => Op::In(vec![one, other]),
        7 if one != Operand::Null && other != Operand::Null => Op::Nin(vec![one, other]),
        8 => Op::Has("a".to_owned()),
        _ => Op::Neq(Operand::Null),
    }
}

#[test]
fn pages_hold_what_a_look_at_all_rows_finds() {
    let journal = Journal::ephemeral(&Options::default()).unwrap();
    let mut dice = Dice(20_261_124);
    let rows: Vec<ExecutionRow> = (0..300).map(|number| some_row(&mut dice, number)).collect();
    let mut turn = Turn::new();
    for row in &rows {
        turn.execution(row.clone());
    }
    journal.write(turn).unwrap();

    for _ in 0..400 {
        let filters: Vec<(ExecutionColumn, Op)> = (0..dice.roll(3))
            .map(|_| dice.pick(&COLUMNS))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|column| (column, some_op(&mut dice, &rows, column)))
            .collect();
        let sort: Vec<(ExecutionColumn, Direction)> = (0..dice.roll(3))
            .map(|_| {
                let direction = dice.pick(&[Direction::Ascending, Direction::Descending]);
                (dice.pick(&COLUMNS), direction)
            })
            .collect();
        let mut expected: Vec<(usize, &ExecutionRow)> = rows
            .iter()
            .enumerate()
            .filter(|(_, row)| {
                filters
                    .iter()
                    .all(|(column, op)| matches(&cell(row, *column), op))
            })
            .collect();
        let oldest_first = [(ExecutionColumn::CreatedAt, Direction::Ascending)];
        let keys = if sort.is_empty() {
            &oldest_first[..]
        } else {
            &sort
        };
        expected.sort_by(|(one, left), (other, right)| {
            let turned = |order: Ordering, direction| match direction {
                Direction::Ascending => order,
                Direction::Descending => order.reverse(),
            };
            keys.iter()
                .map(|(column, direction)| {
                    turned(cell(left, *column).cmp(&cell(right, *column)), *direction)
                })
                .chain([turned(one.cmp(other), keys[keys.len() - 1].1)])
                .find(|order| order.is_ne())
                .unwrap_or(Ordering::Equal)
        });

        let mut found = Vec::new();
        loop {
            let mut query = Query::new().limit(1 + usize::try_from(dice.roll(90)).unwrap());
            for (column, op) in &filters {
                query = query.filter(*column, op.clone());
            }
            for (column, direction) in &sort {
                query = query.sort(*column, *direction);
            }
            if let Some(last) = found.last() {
                let last: &ExecutionRow = last;
                query = query.after(last.id.as_str());
            }
            let page = journal.list_executions(&query).unwrap();
            if page.is_empty() {
                break;
            }
            found.extend(page);
        }
        let ids = |rows: Vec<&ExecutionRow>| -> Vec<String> {
            rows.iter().map(|row| row.id.to_string()).collect()
        };
        assert_eq!(
            ids(found.iter().collect()),
            ids(expected.iter().map(|(_, row)| *row).collect()),
            "{filters:?} {sort:?}"
        );
    }
}

#[test]
fn what_is_below_an_execution_or_a_task_is_found() {
    let journal = Journal::ephemeral(&Options::default()).unwrap();
    let mut turn = first_turn(1);
    turn.append(first_turn(2))
        .task(task_row(1, 1))
        .task(task_row(2, 2))
        .task(task_row(3, 1))
        .action(action_row(1, 1, 1))
        .action(action_row(2, 3, 1))
        .action(action_row(3, 2, 2))
        .action(ostro_journal::ActionRow::new(action(4), "std.echo", DAY))
        .execution(ExecutionRow {
            task_execution_id: Some(task(3)),
            ..child(3, 1)
        });
    journal.write(turn).unwrap();
    let same = |id: &str| Op::Eq(id.into());

    let of = same(execution(1).as_str());
    let query = Query::new().filter(TaskColumn::WorkflowExecutionId, of.clone());
    let tasks = journal.list_tasks(&query).unwrap();
    let ids: Vec<_> = tasks.into_iter().map(|task| task.row.id).collect();
    assert_eq!(ids, [task(1), task(3)]);

    let actions = |query: &Query<ActionColumn>| -> Vec<_> {
        let actions = journal.list_actions(query).unwrap();
        actions.into_iter().map(|action| action.row.id).collect()
    };
    let query = Query::new().filter(ActionColumn::TaskExecutionId, same(task(3).as_str()));
    assert_eq!(actions(&query), [action(2)]);
    let query = Query::new().filter(ActionColumn::WorkflowExecutionId, of.clone());
    assert_eq!(actions(&query), [action(1), action(2)]);
    let alone = Query::new().filter(ActionColumn::WorkflowName, Op::Eq(Operand::Null));
    assert_eq!(actions(&alone), [action(4)]);
    let named = Query::new().filter(ActionColumn::TaskName, same("register_nodes"));
    assert_eq!(actions(&named).len(), 3);

    let executions = |column, op| -> Vec<_> {
        let query = Query::new().filter(column, op);
        let executions = journal.list_executions(&query).unwrap();
        executions.into_iter().map(|row| row.id).collect()
    };
    assert_eq!(
        executions(ExecutionColumn::RootExecutionId, of.clone()),
        [execution(3)]
    );
    assert_eq!(
        executions(ExecutionColumn::ParentExecutionId, of),
        [execution(3)]
    );
    let task = same(task(3).as_str());
    assert_eq!(
        executions(ExecutionColumn::TaskExecutionId, task),
        [execution(3)]
    );
    let roots = Op::Eq(Operand::Null);
    assert_eq!(
        executions(ExecutionColumn::RootExecutionId, roots),
        [execution(1), execution(2)]
    );
    let nobody = same("no such id");
    assert!(executions(ExecutionColumn::RootExecutionId, nobody).is_empty());
}

#[test]
fn large_texts_are_searched_and_left_out_where_they_are_not_wanted() {
    let journal = Journal::ephemeral(&Options::default()).unwrap();
    let large = format!("\"{}needle\"", "hay ".repeat(3000));
    let mut turn = Turn::new();
    turn.execution(ExecutionRow {
        output: Some(large.clone()),
        input: Some("{}".to_owned()),
        ..row(1)
    })
    .execution(row(2));
    journal.write(turn).unwrap();
    let query = Query::new().filter(ExecutionColumn::Output, Op::Has("needle".to_owned()));
    let found = journal.list_executions(&query).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].output.as_ref(), Some(&large));
    let query = query.omit(ExecutionColumn::Output);
    let found = journal.list_executions(&query).unwrap();
    assert_eq!(found[0].output, None);
    assert_eq!(found[0].input.as_deref(), Some("{}"));
}

#[test]
fn a_query_is_bounded_and_no_text_of_it_is_part_of_a_statement() {
    let options = Options {
        query_time: Duration::ZERO,
        ..Options::default()
    };
    let slow = Journal::ephemeral(&options).unwrap();
    let journal = Journal::ephemeral(&Options::default()).unwrap();
    for journal in [&slow, &journal] {
        let mut turn = Turn::new();
        for number in 0..2000 {
            turn.append(first_turn(number));
        }
        journal.write(turn).unwrap();
    }
    let page = journal.list_executions(&Query::new().limit(5000)).unwrap();
    assert_eq!(page.len(), MAX_LIMIT);

    let injected = "x' OR 1 = 1 --";
    for op in [
        Op::Eq(injected.into()),
        Op::In(vec![injected.into()]),
        Op::Has(injected.to_owned()),
    ] {
        let query = Query::new().filter(ExecutionColumn::Description, op);
        assert!(journal.list_executions(&query).unwrap().is_empty());
    }
    assert_eq!(ExecutionColumn::from_name("state; DROP TABLE event"), None);
    assert_eq!(
        ExecutionColumn::from_name("created_at"),
        Some(ExecutionColumn::CreatedAt)
    );

    let missing = journal
        .list_executions(&Query::new().after("gone"))
        .unwrap_err();
    assert!(matches!(missing, JournalError::UnknownMarker(_)));
    let scan = Query::new().filter(ExecutionColumn::Input, Op::Has("x".to_owned()));
    let late = slow.list_executions(&scan).unwrap_err().to_string();
    assert!(late.contains("took longer than 0 s"), "{late}");
}
