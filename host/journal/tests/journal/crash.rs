//! A process that is killed while it writes: everything that it acknowledged is there, and
//! nothing by halves.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use ostro_core::State;
use ostro_journal::{Journal, Query, Reached, TaskColumn, Turn};
use tempfile::tempdir;

use crate::common::*;

/// Tells this test's copy in another process where to write.
const CHILD: &str = "OSTRO_JOURNAL_CRASH";
const EXECUTIONS: u64 = 20;

#[test]
fn what_was_acknowledged_survives_a_kill_and_nothing_is_there_by_halves() {
    if let Some(dir) = std::env::var_os(CHILD) {
        write_for_ever(Path::new(&dir));
    }
    let mut dice = Dice(7);
    for _ in 0..8 {
        let dir = tempdir().unwrap();
        // Killed again and again, on what the kill before has left.
        let mut acknowledged = BTreeMap::new();
        let mut noted = Vec::new();
        for _ in 0..3 {
            run_and_kill(
                dir.path(),
                1 + dice.roll(600),
                &mut acknowledged,
                &mut noted,
            );
            look(dir.path(), &acknowledged, &noted);
        }
    }
}

/// Starts the writer, reads `lines` lines of what it acknowledges, and kills it.
fn run_and_kill(
    dir: &Path,
    lines: u64,
    acknowledged: &mut BTreeMap<u64, u64>,
    noted: &mut Vec<u64>,
) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "crash::what_was_acknowledged_survives_a_kill_and_nothing_is_there_by_halves",
            "--exact",
            "--nocapture",
        ])
        .env(CHILD, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut read = 0;
    let mut killed = false;
    loop {
        let mut line = String::new();
        if output.read_line(&mut line).unwrap() == 0 {
            break;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            // The last line may have been cut off.
            ["ack", number, next, "."] => {
                acknowledged.insert(number.parse().unwrap(), next.parse().unwrap());
                read += 1;
            }
            ["note", number, "."] => noted.push(number.parse().unwrap()),
            _ => {}
        }
        if read >= lines && !killed {
            child.kill().unwrap();
            killed = true;
        }
    }
    assert!(killed, "the writer ended by itself after {read} lines");
    child.wait().unwrap();
}

fn look(dir: &Path, acknowledged: &BTreeMap<u64, u64>, noted: &[u64]) {
    let journal = open(dir);
    let report = journal.check().unwrap();
    assert!(report.is_sound(), "{report:?}");
    for number in 0..EXECUTIONS {
        let id = execution(number);
        let Some(loaded) = journal.load(&id).unwrap() else {
            assert!(!acknowledged.contains_key(&number), "{id} is not there");
            continue;
        };
        let least = acknowledged.get(&number).copied().unwrap_or(0);
        assert!(loaded.next >= least, "{id}: {} < {least}", loaded.next);
        // Each turn wrote two events and a task, and said in the row how many events there are.
        assert_eq!(loaded.next % 2, 0);
        assert_eq!(
            loaded.row.updated_at,
            DAY + i64::try_from(loaded.next).unwrap()
        );
        let of = ostro_journal::Op::Eq(id.as_str().into());
        let tasks = Query::new().filter(TaskColumn::WorkflowExecutionId, of);
        let count = journal.list_tasks(&tasks).unwrap().len() as u64;
        assert_eq!(count, (loaded.next / 2).min(1000));
        for event in loaded.events {
            assert_eq!(event.body, body(number, event.number));
        }
    }
    for number in noted {
        let record = journal.action(&action(*number)).unwrap().unwrap();
        assert_eq!(record.row.reached, Reached::Started);
    }
}

fn body(number: u64, event: u64) -> Vec<u8> {
    let mut dice = Dice(1 + number * 1_000_003 + event);
    let length = dice.roll(600);
    (0..length)
        .map(|_| u8::try_from(dice.roll(256)).unwrap())
        .collect()
}

/// Turns of random executions, as fast as they are taken. Where an earlier process was killed
/// this one goes on.
fn write_for_ever(dir: &Path) -> ! {
    let journal = open(dir);
    let mut dice = Dice(u64::from(std::process::id()) + 1);
    let mut next: Vec<u64> = (0..EXECUTIONS)
        .map(|number| {
            let loaded = journal.load(&execution(number)).unwrap();
            loaded.map_or(0, |loaded| loaded.next)
        })
        .collect();
    let output = Arc::new(Mutex::new(std::io::stdout()));
    loop {
        let number = dice.roll(EXECUTIONS);
        let count = &mut next[usize::try_from(number).unwrap()];
        let turn = turn(number, *count, &mut dice);
        *count += 2;
        let (count, output) = (*count, Arc::clone(&output));
        let theirs = Arc::clone(&output);
        journal
            .submit(turn, move |result| {
                result.unwrap();
                tell(&output, &format!("ack {number} {count} .\n"));
            })
            .unwrap();
        if dice.roll(10) == 0 {
            note(&journal, number * 1_000_000 + count, theirs);
        }
    }
}

fn turn(number: u64, count: u64, dice: &mut Dice) -> Turn {
    let id = execution(number);
    let mut turn = Turn::new();
    if count == 0 {
        turn.execution(row(number));
    }
    let mut task = task_row(number * 1_000_000 + count, number);
    task.id = ostro_core::TaskExecutionId::new(uuid(2, number * 1_000_000 + count));
    if dice.roll(4) == 0 {
        task.result = Some("r".repeat(4096 + usize::try_from(count).unwrap()));
    }
    let event = |at| ostro_journal::NewEvent {
        body: body(number, at).into(),
        ..event(&id, at)
    };
    turn.event(event(count)).task(task).event(event(count + 1));
    if dice.roll(8) == 0 {
        turn.snapshot(snapshot(&id, count + 1));
    }
    let action = ostro_journal::ActionRow {
        execution_id: Some(id.clone()),
        ..ostro_journal::ActionRow::new(action(number * 1_000_000 + count + 2), "std.echo", DAY)
    };
    turn.action(action).execution_change(change(
        number,
        State::Running,
        DAY + i64::try_from(count).unwrap() + 2,
    ));
    turn
}

fn note(journal: &Journal, number: u64, output: Arc<Mutex<std::io::Stdout>>) {
    let mut turn = Turn::new();
    turn.action_started(action(number), DAY);
    // Refused while the queue is full, which is no matter here.
    let _ = journal.try_note(turn, move |result| {
        result.unwrap();
        tell(&output, &format!("note {number} .\n"));
    });
}

fn tell(output: &Mutex<std::io::Stdout>, line: &str) {
    let mut output = output.lock().unwrap();
    output.write_all(line.as_bytes()).unwrap();
    output.flush().unwrap();
}
