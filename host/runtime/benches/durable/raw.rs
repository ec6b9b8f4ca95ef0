//! What raw SQLite does on the same disk: with the rows that a run of the runtime has left, written
//! as they came, and with nothing but as many bytes as that run wrote.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use ostro_journal::{Journal, Options};
use rusqlite::types::Value;
use rusqlite::{Connection, Statement, params_from_iter};

/// How many bytes this process has handed to the system to be written, all files together: the
/// log, and what is moved from it into the database.
pub(crate) fn written() -> u64 {
    let figures = fs::read_to_string("/proc/self/io").unwrap();
    let line = figures
        .lines()
        .find_map(|line| line.strip_prefix("wchar: "));
    line.unwrap().parse().unwrap()
}

/// As the journal opens its database.
fn open(path: &Path) -> Connection {
    let db = Connection::open(path).unwrap();
    db.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 1000;
         PRAGMA journal_size_limit = 4194304;
         PRAGMA cache_size = -32768;
         PRAGMA temp_store = MEMORY;",
    )
    .unwrap();
    db.set_prepared_statement_cache_capacity(100);
    db
}

type Row = Vec<Value>;

/// The rows of one table, in the order of their numbers.
fn rows(db: &Connection, table: &str) -> Vec<Row> {
    let mut select = db
        .prepare(&format!("SELECT * FROM {table} ORDER BY 1"))
        .unwrap();
    let width = select.column_count();
    let rows = select.query_map([], |row| (0..width).map(|column| row.get(column)).collect());
    rows.unwrap().map(Result::unwrap).collect()
}

fn number(value: &Value) -> usize {
    match value {
        Value::Integer(number) => usize::try_from(*number).unwrap(),
        other => panic!("{other:?} is no number"),
    }
}

/// The statement that inserts a whole row.
fn insert<'a>(db: &'a Connection, table: &str, width: usize) -> Statement<'a> {
    let places = vec!["?"; width].join(", ");
    db.prepare(&format!("INSERT INTO {table} VALUES ({places})"))
        .unwrap()
}

/// The statement that changes what changes in a row once it is there.
fn update<'a>(db: &'a Connection, table: &str, columns: &[&str]) -> Statement<'a> {
    let columns: Vec<String> = columns
        .iter()
        .map(|column| format!("{column} = ?"))
        .collect();
    let sql = format!("UPDATE {table} SET {} WHERE seq = ?", columns.join(", "));
    db.prepare(&sql).unwrap()
}

/// `row` with other values in some columns.
fn with(row: &[Value], others: &[(usize, Value)]) -> Row {
    let mut row = row.to_vec();
    for (column, value) in others {
        row[*column] = value.clone();
    }
    row
}

const TASK: [&str; 7] = [
    "state",
    "processed",
    "updated_at",
    "started_at",
    "finished_at",
    "published",
    "result",
];
const ACTION: [&str; 6] = [
    "state",
    "reached",
    "accepted",
    "updated_at",
    "finished_at",
    "output",
];
const EXECUTION: [&str; 6] = [
    "state",
    "moving",
    "events",
    "last_event",
    "updated_at",
    "finished_at",
];

/// Where the columns of a table are.
fn places(db: &Connection, table: &str, columns: &[&str]) -> Vec<usize> {
    let select = db.prepare(&format!("SELECT * FROM {table}")).unwrap();
    let names: Vec<&str> = select.column_names().collect();
    let place = |column: &&str| names.iter().position(|name| name == column).unwrap();
    columns.iter().map(place).collect()
}

fn change(statement: &mut Statement<'_>, row: &[Value], places: &[usize]) {
    let values = places.iter().chain([&0]).map(|place| &row[*place]);
    statement.execute(params_from_iter(values)).unwrap();
}

/// Writes what is in the journal of `from`, a chain of tasks in each execution, to new tables of
/// the same form in `to`, `turns` events a commit: each row is inserted when it began and changed
/// when it ended, and nothing is looked at. How long that took.
pub(crate) fn same_rows(from: &Path, to: &Path, turns: usize) -> Duration {
    drop(Journal::open(to, &Options::default()).unwrap());
    let old = Connection::open(from.join(Journal::DATABASE)).unwrap();
    let [executions, texts, events, tasks, actions] =
        ["execution", "execution_text", "event", "task", "action"].map(|table| rows(&old, table));
    let mut chains = vec![Vec::new(); executions.len() + 1];
    for (index, task) in tasks.iter().enumerate() {
        chains[number(&task[2])].push(index);
    }
    let (in_task, in_action) = (places(&old, "task", &TASK), places(&old, "action", &ACTION));
    let in_execution = places(&old, "execution", &EXECUTION);
    let db = open(&to.join(Journal::DATABASE));
    let mut insert_execution = insert(&db, "execution", executions[0].len());
    let mut insert_text = insert(&db, "execution_text", texts[0].len());
    let mut insert_event = insert(&db, "event", events[0].len());
    let mut insert_task = insert(&db, "task", tasks[0].len());
    let mut insert_action = insert(&db, "action", actions[0].len());
    let mut update_execution = update(&db, "execution", &EXECUTION);
    let mut update_task = update(&db, "task", &TASK);
    let mut update_action = update(&db, "action", &ACTION);
    let running = Value::Text("RUNNING".to_owned());
    let began = Instant::now();
    for group in events.chunks(turns) {
        db.execute_batch("BEGIN IMMEDIATE").unwrap();
        for event in group {
            let (owner, step) = (number(&event[1]), number(&event[2]));
            let execution = &executions[owner - 1];
            if step == 0 {
                let row = with(execution, &[(in_execution[0], running.clone())]);
                insert_execution.execute(params_from_iter(row)).unwrap();
                insert_text
                    .execute(params_from_iter(&texts[owner - 1]))
                    .unwrap();
            } else {
                change(&mut update_execution, execution, &in_execution);
            }
            insert_event.execute(params_from_iter(event)).unwrap();
            let chain = &chains[owner];
            if let Some(done) = step.checked_sub(2).and_then(|step| chain.get(step)) {
                change(&mut update_task, &tasks[*done], &in_task);
                change(&mut update_action, &actions[*done], &in_action);
            }
            if let Some(next) = step.checked_sub(1).and_then(|step| chain.get(step)) {
                let nothing = |place: usize| (place, Value::Null);
                let task = [
                    (in_task[0], running.clone()),
                    nothing(in_task[4]),
                    nothing(in_task[5]),
                    nothing(in_task[6]),
                ];
                let task = with(&tasks[*next], &task);
                insert_task.execute(params_from_iter(task)).unwrap();
                let action = [
                    (in_action[0], running.clone()),
                    nothing(in_action[4]),
                    nothing(in_action[5]),
                ];
                let action = with(&actions[*next], &action);
                insert_action.execute(params_from_iter(action)).unwrap();
            }
        }
        db.execute_batch("COMMIT").unwrap();
    }
    began.elapsed()
}

/// Appends rows to a table that nothing can be found in, in so many commits, until about `bytes`
/// were handed to the system. Bytes a second.
pub(crate) fn same_bytes(to: &Path, commits: u64, bytes: u64, rows: u64) -> f64 {
    fs::create_dir_all(to).unwrap();
    let db = open(&to.join("raw.db"));
    db.execute_batch("CREATE TABLE raw (seq INTEGER PRIMARY KEY, body BLOB NOT NULL)")
        .unwrap();
    // Each byte goes to the log and from there to the database.
    let body = vec![7_u8; usize::try_from(bytes / rows.max(1) / 2).unwrap()];
    let mut insert = db.prepare("INSERT INTO raw (body) VALUES (?1)").unwrap();
    let (before, began) = (written(), Instant::now());
    for commit in 0..commits {
        db.execute_batch("BEGIN IMMEDIATE").unwrap();
        for _ in commit * rows / commits..(commit + 1) * rows / commits {
            insert.execute([&body]).unwrap();
        }
        db.execute_batch("COMMIT").unwrap();
    }
    let took = began.elapsed().as_secs_f64();
    f64::from(u32::try_from((written() - before) >> 10).unwrap()) * 1024.0 / took
}
