//! The journal beside raw SQLite, with many paused executions, and with a long history.
//!
//! `cargo bench -p ostro-journal` prints three tables, and fails where one of them is worse than
//! what is promised. `OSTRO_BENCH_DIR` says on which disk (else the temporary folder's),
//! `OSTRO_BENCH_SCALE` divides how much there is to write.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a benchmark that can't go on is a failed one, and its figures are rough"
)]

use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use ostro_core::{ActionExecutionId, ExecutionId, State, TaskExecutionId};
use ostro_journal::{
    ActionChange, ActionRow, Direction, ExecutionChange, ExecutionColumn, ExecutionRow, Journal,
    NewEvent, NewSnapshot, Op, Options, Query, Reached, TaskRow, Turn, Unfinished,
};
use rusqlite::{Connection, params};

/// The least that the journal may do of what raw SQLite does.
const PROMISED_RATIO: f64 = 0.3;
/// The most that 100,000 paused executions may take on the disk, and to open.
const PROMISED_BYTES: u64 = 500 << 20;
const PROMISED_OPENING: Duration = Duration::from_secs(2);
/// The most that a page may take.
const PROMISED_PAGE: Duration = Duration::from_millis(20);

/// Some day of 2026, in milliseconds.
const DAY: i64 = 1_795_478_400_000;
/// How many executions the turns of the first table belong to.
const ACTIVE: usize = 500;

fn main() {
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() == Some("open") {
        return open_and_tell(Path::new(&args.next().unwrap()));
    }
    let mut kept = true;
    kept &= beside_raw();
    kept &= paused();
    kept &= history();
    assert!(kept, "something is worse than what is promised");
}

fn scale() -> usize {
    std::env::var("OSTRO_BENCH_SCALE").map_or(1, |scale| scale.parse().unwrap())
}

fn folder() -> tempfile::TempDir {
    match std::env::var_os("OSTRO_BENCH_DIR") {
        Some(dir) => tempfile::tempdir_in(dir).unwrap(),
        None => tempfile::tempdir().unwrap(),
    }
}

/// An id that looks random, as they do.
fn uuid(kind: u64, number: u64) -> String {
    let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ kind;
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        mixed >> 32,
        mixed >> 16 & 0xffff,
        mixed >> 4 & 0xfff,
        kind,
        number
    )
}

fn execution(number: u64) -> ExecutionId {
    ExecutionId::new(uuid(1, number))
}

fn json(bytes: usize, seed: u64) -> String {
    format!(
        "{{\"n\": {seed:020}, \"text\": \"{}\"}}",
        "x".repeat(bytes.saturating_sub(40))
    )
}

fn event(execution: &ExecutionId, number: u64, bytes: usize) -> NewEvent {
    NewEvent {
        execution: execution.clone(),
        number,
        body: json(bytes, number).into_bytes().into(),
        values: Vec::new(),
    }
}

/// What a turn writes in the first table.
#[derive(Clone, Copy)]
enum Kind {
    /// One event of 400 bytes.
    Event,
    /// An event, the execution's row, and how an action and a task came on: what the end of an
    /// action is in a workflow of small tasks.
    Step,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Event => "one event",
            Kind::Step => "a step of a workflow",
        }
    }

    /// How many bytes there are in each of the rows of a turn.
    fn rows(self) -> &'static [usize] {
        match self {
            Kind::Event => &[400],
            Kind::Step => &[400, 250, 300, 250],
        }
    }

    /// The turn number `number` of all: the next one of the execution whose turn it is.
    fn turn(self, number: usize) -> Turn {
        let own = (number / ACTIVE) as u64 + 1;
        let index = (number % ACTIVE) as u64;
        let id = execution(index);
        let mut turn = Turn::new();
        turn.event(event(&id, own, 400));
        if let Kind::Event = self {
            return turn;
        }
        let now = DAY + i64::try_from(number).unwrap();
        let task = |back: u64| TaskExecutionId::new(uuid(2, index * 1_000_000 + own - back));
        let action = |back: u64| ActionExecutionId::new(uuid(3, index * 1_000_000 + own - back));
        if own > 1 {
            turn.action_change(ActionChange {
                id: action(1),
                state: State::Success,
                reached: Reached::Ended,
                accepted: true,
                state_info: None,
                output: Some(json(150, 1)),
                updated_at: now,
                finished_at: Some(now),
            });
            let mut done = TaskRow::new(task(1), id.clone(), "configure", now);
            done.state = State::Success;
            done.finished_at = Some(now);
            done.published = Some(json(150, 2));
            turn.task(done);
        }
        turn.task(TaskRow::new(task(0), id.clone(), "configure", now))
            .action(ActionRow {
                execution_id: Some(id.clone()),
                task_execution_id: Some(task(0)),
                input: Some(json(100, 3)),
                ..ActionRow::new(action(0), "ironic.node_set_provision_state", now)
            })
            .execution_change(ExecutionChange {
                id,
                state: State::Running,
                moving: true,
                state_info: None,
                output: None,
                updated_at: now,
                finished_at: None,
            });
        turn
    }
}

/// Turns a second by how many are committed at a time: through the journal; the same bytes
/// through raw SQLite into a table that nothing can be found in, for the disk has to take them
/// in any case; and the same rows through raw SQLite into the journal's own tables, with nothing
/// looked at.
fn beside_raw() -> bool {
    println!("\nturns a second          commit of   journal  raw bytes  ratio   raw rows  ratio");
    let mut kept = true;
    for kind in [Kind::Event, Kind::Step] {
        for (group, commits) in [(1, 600), (32, 200), (256, 60)] {
            let commits = (commits / scale()).max(5);
            let dirs = [folder(), folder(), folder()];
            let mut journal = Subject::new(dirs[0].path(), group);
            let mut bytes = RawBytes::new(dirs[1].path());
            let mut rows = RawRows::new(dirs[2].path());
            // Turn and turn about, so that all see the same moods of the disk.
            let mut times = [Duration::ZERO; 3];
            let rounds = 4;
            for _ in 0..rounds {
                times[0] += journal.run(kind, group * commits);
                times[1] += bytes.run(kind, group, commits);
                times[2] += rows.run(kind, group, commits);
            }
            let count = (rounds * group * commits) as f64;
            let [ours, bytes, rows] = times.map(|time| count / time.as_secs_f64());
            // Events are promised beside the bytes; what can be queried beside its rows.
            kept &= match kind {
                Kind::Event => ours / bytes >= PROMISED_RATIO,
                Kind::Step => ours / rows >= PROMISED_RATIO,
            };
            println!(
                "{:<23} {group:>9} {ours:>9.0} {bytes:>10.0} {:>6.2} {rows:>10.0} {:>6.2}",
                kind.name(),
                ours / bytes,
                ours / rows
            );
        }
    }
    kept
}

struct Subject {
    journal: Journal,
    written: usize,
}

impl Subject {
    fn new(dir: &Path, group: usize) -> Self {
        let options = Options {
            group_turns: group,
            ..Options::default()
        };
        let journal = Journal::open(dir, &options).unwrap();
        let mut turn = Turn::new();
        for number in 0..ACTIVE as u64 {
            let id = execution(number);
            turn.execution(ExecutionRow::new(id.clone(), "deploy", DAY))
                .event(event(&id, 0, 400));
        }
        journal.write(turn).unwrap();
        Self {
            journal,
            written: 0,
        }
    }

    fn run(&mut self, kind: Kind, count: usize) -> Duration {
        // What a turn takes to be made is the engine's affair.
        let turns: Vec<Turn> = (0..count)
            .map(|number| kind.turn(self.written + number))
            .collect();
        self.written += count;
        let (told, answers) = mpsc::channel();
        let begin = Instant::now();
        for turn in turns {
            let told = told.clone();
            self.journal
                .submit(turn, move |result| told.send(result).unwrap())
                .unwrap();
        }
        for _ in 0..count {
            answers.recv().unwrap().unwrap();
        }
        begin.elapsed()
    }
}

fn raw(path: &Path) -> Connection {
    let db = Connection::open(path).unwrap();
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 12000; PRAGMA cache_size = -32768",
    )
    .unwrap();
    db
}

struct RawBytes {
    db: Connection,
}

impl RawBytes {
    fn new(dir: &Path) -> Self {
        let db = raw(&dir.join("raw.db"));
        db.execute_batch("CREATE TABLE raw (seq INTEGER PRIMARY KEY, body BLOB NOT NULL)")
            .unwrap();
        Self { db }
    }

    fn run(&mut self, kind: Kind, group: usize, commits: usize) -> Duration {
        let bodies: Vec<Vec<u8>> = kind.rows().iter().map(|bytes| vec![7; *bytes]).collect();
        let begin = Instant::now();
        for _ in 0..commits {
            let transaction = self.db.transaction().unwrap();
            let mut insert = transaction
                .prepare_cached("INSERT INTO raw (body) VALUES (?1)")
                .unwrap();
            for body in (0..group).flat_map(|_| &bodies) {
                insert.execute(params![body]).unwrap();
            }
            drop(insert);
            transaction.commit().unwrap();
        }
        begin.elapsed()
    }
}

struct RawRows {
    db: Connection,
    written: usize,
}

impl RawRows {
    fn new(dir: &Path) -> Self {
        drop(Subject::new(dir, 1));
        Self {
            db: raw(&dir.join("journal.db")),
            written: 0,
        }
    }

    fn run(&mut self, kind: Kind, group: usize, commits: usize) -> Duration {
        let mut bodies = [400, 150, 150, 100].map(|bytes| json(bytes, 1));
        let event = std::mem::take(&mut bodies[0]).into_bytes();
        let begin = Instant::now();
        for _ in 0..commits {
            let transaction = self.db.transaction().unwrap();
            for _ in 0..group {
                let number = self.written;
                self.written += 1;
                write_rows(&transaction, kind, number, &event, &bodies[1..]).unwrap();
            }
            transaction.commit().unwrap();
        }
        begin.elapsed()
    }
}

/// The rows of the turn number `number`, with ids that look random as well.
fn write_rows(
    db: &Connection,
    kind: Kind,
    number: usize,
    event: &[u8],
    texts: &[String],
) -> rusqlite::Result<()> {
    let own = i64::try_from(number / ACTIVE).unwrap() + 1;
    let execution = i64::try_from(number % ACTIVE).unwrap() + 1;
    let now = DAY + i64::try_from(number).unwrap();
    db.prepare_cached(
        "INSERT INTO event (execution, number, previous, seal, body) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![execution, own, now, now, event])?;
    db.prepare_cached("UPDATE execution SET events = ?2, last_event = ?3 WHERE seq = ?1")?
        .execute(params![execution, own, now])?;
    if let Kind::Event = kind {
        return Ok(());
    }
    let seq = i64::try_from(number).unwrap() + 1;
    let before = seq - i64::try_from(ACTIVE).unwrap();
    if before > 0 {
        db.prepare_cached(
            "UPDATE action SET state = 'SUCCESS', reached = 2, accepted = 1, output = ?2,
                 updated_at = ?3, finished_at = ?3 WHERE seq = ?1",
        )?
        .execute(params![before, texts[0], now])?;
        db.prepare_cached(
            "UPDATE task SET state = 'SUCCESS', published = ?2, updated_at = ?3,
                 finished_at = ?3 WHERE seq = ?1",
        )?
        .execute(params![before, texts[1], now])?;
    }
    let id = |kind| -> [u8; 16] {
        let mixed = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ kind;
        (u128::from(mixed) << 64 | number as u128).to_be_bytes()
    };
    db.prepare_cached(
        "INSERT INTO task (id, execution, name, type, created_at, state, processed, updated_at)
         VALUES (?1, ?2, 'configure', 'ACTION', ?3, 'RUNNING', 0, ?3)",
    )?
    .execute(params![id(2), execution, now])?;
    db.prepare_cached(
        "INSERT INTO action (id, execution, task, name, created_at, state, reached, accepted,
             updated_at, input)
         VALUES (?1, ?2, ?3, 'ironic.node_set_provision_state', ?4, 'RUNNING', 0, 0, ?4, ?5)",
    )?
    .execute(params![id(3), execution, seq, now, texts[2]])?;
    db.prepare_cached("UPDATE execution SET updated_at = ?2 WHERE seq = ?1")?
        .execute(params![execution, now])?;
    Ok(())
}

/// Many paused executions: what they take on the disk, and what opening takes.
fn paused() -> bool {
    let count = 100_000 / scale() as u64;
    let (dir, empty) = (folder(), folder());
    drop(Journal::open(empty.path(), &Options::default()).unwrap());
    let journal = Journal::open(dir.path(), &Options::default()).unwrap();
    for number in 0..count {
        let id = execution(number);
        let mut turn = Turn::new();
        let mut row = ExecutionRow::new(id.clone(), "deploy", DAY);
        row.state = State::Paused;
        row.moving = false;
        row.project_id = "40a908dbddfe48ad80a87fb30fa70a03".into();
        row.input = Some(json(300, number));
        row.params = Some(json(100, number));
        turn.execution(row);
        for own in 0..3 {
            turn.event(event(&id, own, 300));
        }
        turn.snapshot(NewSnapshot {
            execution: id.clone(),
            events: 3,
            version: 1,
            body: json(1500, number).into_bytes().into(),
            values: Vec::new(),
        });
        let task = TaskExecutionId::new(uuid(2, number));
        turn.task(TaskRow::new(task.clone(), id.clone(), "approve", DAY))
            .action(ActionRow {
                execution_id: Some(id),
                task_execution_id: Some(task),
                input: Some(json(100, number)),
                ..ActionRow::new(ActionExecutionId::new(uuid(3, number)), "std.noop", DAY)
            });
        journal.submit(turn, |result| result.unwrap()).unwrap();
    }
    journal.close();
    drop(journal);
    let bytes = size(dir.path());
    let (opening, resting) = measure_opening(dir.path());
    let (_, without) = measure_opening(empty.path());
    println!("\n{count} paused executions");
    println!("  on the disk                       {:>8} MB", bytes >> 20);
    println!(
        "  to open, and find what to resume  {:>8.1} ms",
        opening.as_secs_f64() * 1e3
    );
    println!("  memory then                       {resting:>8} kB");
    println!("  memory with an empty journal      {without:>8} kB");
    bytes <= PROMISED_BYTES && opening <= PROMISED_OPENING && resting < without + 16 * 1024
}

fn size(dir: &Path) -> u64 {
    std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum()
}

/// Opens a journal in a process of its own: how long it took, and how many kB it held then.
fn measure_opening(dir: &Path) -> (Duration, u64) {
    let output = Command::new(std::env::current_exe().unwrap())
        .arg("open")
        .arg(dir)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let [micros, memory] = text.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("{text}");
    };
    let micros = micros.parse().unwrap();
    (Duration::from_micros(micros), memory.parse().unwrap())
}

fn open_and_tell(dir: &Path) {
    let begin = Instant::now();
    let journal = Journal::open(dir, &Options::default()).unwrap();
    let moving = journal.unfinished(Unfinished::Moving, None, 1000).unwrap();
    assert!(moving.is_empty());
    let still = journal.unfinished(Unfinished::Still, None, 100).unwrap();
    let took = begin.elapsed();
    drop(still);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let memory = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    println!(
        "{} {}",
        took.as_micros(),
        memory.trim().trim_end_matches(" kB")
    );
}

/// A long history: how long pages take.
fn history() -> bool {
    let count = 1_000_000 / scale() as u64;
    let dir = folder();
    let journal = Journal::open(dir.path(), &Options::default()).unwrap();
    let begin = Instant::now();
    let mut dice = 7_u64;
    for number in 0..count {
        dice = dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let id = execution(number);
        let mut row = ExecutionRow::new(
            id.clone(),
            format!("tripleo.workflow_{}", dice >> 33 & 31),
            DAY + i64::try_from(number * 50 + (dice >> 40 & 1023)).unwrap(),
        );
        row.project_id = format!("40a908dbddfe48ad80a87fb30fa7{:04}", dice >> 50 & 15);
        row.moving = false;
        row.state = match dice >> 20 & 127 {
            0 => State::Cancelled,
            1..12 => State::Error,
            _ => State::Success,
        };
        row.updated_at = row.created_at + i64::try_from(dice >> 30 & 0xffff).unwrap();
        row.input = Some(json(120, number));
        row.output = Some(json(120, number));
        let mut turn = Turn::new();
        turn.execution(row).event(event(&id, 0, 200));
        journal.submit(turn, |result| result.unwrap()).unwrap();
    }
    journal.close();
    drop(journal);
    println!(
        "\n{count} ended executions, {} MB, written in {:.0} s",
        size(dir.path()) >> 20,
        begin.elapsed().as_secs_f64()
    );
    println!("a page of 100 by                                     p50 ms   p99 ms   worst");
    let journal = Journal::open(dir.path(), &Options::default()).unwrap();
    let mut kept = true;
    for (name, query) in pages() {
        let (middle, late, worst) = measure_pages(&journal, &query);
        kept &= late <= PROMISED_PAGE;
        let [middle, late, worst] = [middle, late, worst].map(|time| time.as_secs_f64() * 1e3);
        println!("  {name:<50} {middle:>6.2} {late:>8.2} {worst:>7.2}");
    }
    kept
}

fn pages() -> Vec<(&'static str, Query<ExecutionColumn>)> {
    use ExecutionColumn as E;
    let newest = || {
        Query::new()
            .sort(E::CreatedAt, Direction::Descending)
            .limit(100)
    };
    let is = |text: &str| Op::Eq(text.into());
    let workflow = || is("tripleo.workflow_7");
    let project = || is("40a908dbddfe48ad80a87fb30fa70003");
    vec![
        ("created_at, newest first", newest()),
        ("created_at, oldest first", Query::new().limit(100)),
        (
            "updated_at, newest first",
            Query::new()
                .sort(E::UpdatedAt, Direction::Descending)
                .limit(100),
        ),
        (
            "created_at, state SUCCESS",
            newest().filter(E::State, is("SUCCESS")),
        ),
        (
            "created_at, state ERROR",
            newest().filter(E::State, is("ERROR")),
        ),
        (
            "created_at, state RUNNING (none)",
            newest().filter(E::State, is("RUNNING")),
        ),
        (
            "created_at, state not SUCCESS",
            newest().filter(E::State, Op::Neq("SUCCESS".into())),
        ),
        (
            "created_at, one workflow",
            newest().filter(E::WorkflowName, workflow()),
        ),
        (
            "created_at, one workflow, state ERROR",
            newest()
                .filter(E::WorkflowName, workflow())
                .filter(E::State, is("ERROR")),
        ),
        (
            "created_at, one project",
            newest().filter(E::ProjectId, project()),
        ),
        (
            "created_at, one project, state CANCELLED",
            newest()
                .filter(E::ProjectId, project())
                .filter(E::State, is("CANCELLED")),
        ),
        (
            "created_at, one project, one workflow, state ERROR",
            newest()
                .filter(E::ProjectId, project())
                .filter(E::WorkflowName, workflow())
                .filter(E::State, is("ERROR")),
        ),
        (
            "updated_at, state ERROR, created on one day",
            Query::new()
                .sort(E::UpdatedAt, Direction::Ascending)
                .filter(E::State, is("ERROR"))
                .filter(E::CreatedAt, Op::Gt((DAY + 20_000_000).into()))
                .limit(100),
        ),
    ]
}

/// Page after page, from the first on.
fn measure_pages(
    journal: &Journal,
    query: &Query<ExecutionColumn>,
) -> (Duration, Duration, Duration) {
    let mut times = Vec::new();
    let mut marker: Option<ExecutionId> = None;
    for _ in 0..200 {
        let query = match &marker {
            None => query.clone(),
            Some(id) => query.clone().after(id.as_str()),
        };
        let begin = Instant::now();
        let page = journal.list_executions(&query).unwrap();
        times.push(begin.elapsed());
        marker = page.last().map(|row| row.id.clone());
    }
    times.sort();
    (
        times[times.len() / 2],
        times[times.len() * 99 / 100],
        times[times.len() - 1],
    )
}
