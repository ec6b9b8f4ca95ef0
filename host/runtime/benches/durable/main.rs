//! How many actions a second a durable runtime runs, beside raw SQLite that only writes the same;
//! and how long a step of a lone execution takes beside one synced commit of the same rows.
//!
//! `cargo bench -p ostro-runtime --bench durable` prints a table, and fails where a figure is below
//! what is promised.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark that can't go on is a failed one"
)]

mod raw;

use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use ostro_core::{
    ActionCall, ActionExecutionId, ActionOutcome, ActionRunner, ExecutionId, Map, State,
    TaskExecutionId, Value,
};
use ostro_journal::{
    ActionChange, ActionRow, ExecutionChange, ExecutionRow, Journal, NewEvent, Reached, TaskRow,
    Turn,
};
use ostro_runtime::{File, Library, Options, Runtime, StartRequest, SystemClock};
use tokio::task::JoinSet;

/// How many executions are at work at the same time, of how many actions each.
const EXECUTIONS: usize = 1_000;
const ACTIONS: usize = 50;
/// How many steps of a lone execution are timed.
const STEPS: usize = 300;
/// How often both are measured; the round in the middle counts.
const ROUNDS: usize = 45;

/// What is promised: actions a second, how much of what raw SQLite does, and how many commits a step may take.
const LEAST_RATE: f64 = 10_000.0;
const LEAST_OF_RAW: f64 = 0.3;
const MOST_COMMITS: f64 = 1.3;

/// An action that takes no time.
struct Instantly;

#[async_trait]
impl ActionRunner for Instantly {
    async fn run(&self, call: ActionCall) -> ActionOutcome {
        ActionOutcome::Success(call.input["value"].clone())
    }
}

/// As [`Instantly`], and remembers when.
#[derive(Default)]
struct Timed(Mutex<Vec<Instant>>);

#[async_trait]
impl ActionRunner for Timed {
    async fn run(&self, call: ActionCall) -> ActionOutcome {
        self.0.lock().unwrap().push(Instant::now());
        ActionOutcome::Success(call.input["value"].clone())
    }
}

/// How long something takes that was done many times, in seconds.
#[derive(Clone, Copy)]
struct Latency {
    middle: f64,
    mean: f64,
}

impl Latency {
    fn of(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        let count = f64::from(u32::try_from(all.len()).unwrap());
        Self {
            middle: all[all.len() / 2].as_secs_f64(),
            mean: all.iter().sum::<Duration>().as_secs_f64() / count,
        }
    }
}

/// So many tasks one after the other, each of which runs an action.
fn chain(length: usize) -> String {
    let mut text = "version: '2.0'\nw:\n  tasks:\n".to_owned();
    for task in 1..=length {
        writeln!(text, "    t{task}:\n      action: a.do value={task}").unwrap();
        if task < length {
            writeln!(text, "      on-success: t{}", task + 1).unwrap();
        }
    }
    text
}

fn open(dir: &Path) -> Journal {
    Journal::open(dir, &ostro_journal::Options::default()).unwrap()
}

fn runtime(journal: Journal, length: usize, runner: Arc<dyn ActionRunner>, feed: bool) -> Runtime {
    let library = Library::new(vec![File::new("w.yaml", chain(length))], Value::Null);
    let options = Options {
        max_actions: EXECUTIONS,
        feed,
        ..Options::default()
    };
    let clock = Arc::new(SystemClock);
    Runtime::durable(journal, library, runner, clock, options)
}

async fn run(runtime: &Runtime) {
    let id = runtime
        .start(StartRequest::new("w", Map::new()))
        .await
        .unwrap();
    assert_eq!(runtime.wait(&id).await.unwrap().state, State::Success);
}

/// Seconds that all executions take; `feed` is whether they tell what they change.
async fn all(journal: Journal, feed: bool) -> f64 {
    let runtime = runtime(journal, ACTIONS, Arc::new(Instantly), feed);
    let began = Instant::now();
    let mut running = JoinSet::new();
    for _ in 0..EXECUTIONS {
        let runtime = runtime.clone();
        running.spawn(async move { run(&runtime).await });
    }
    running.join_all().await;
    let took = began.elapsed().as_secs_f64();
    runtime.shutdown(std::time::Duration::ZERO).await;
    took
}

/// Actions a second over all executions; and of raw SQLite, that only writes the same rows, or
/// the same bytes, in as many commits.
async fn rate(dir: &Path) -> (f64, f64, f64) {
    let before = raw::written();
    let journal = open(&dir.join("run"));
    let took = all(journal.clone(), false).await;
    let figures = journal.figures();
    drop(journal);
    let bytes = raw::written() - before;
    let count = u32::try_from(EXECUTIONS * ACTIONS).unwrap();
    println!(
        "{EXECUTIONS} executions of {ACTIONS} actions: {} turns in {} commits, {} bytes written an action",
        figures.turns,
        figures.commits,
        bytes / u64::from(count),
    );
    let turns = usize::try_from(figures.turns / figures.commits.max(1)).unwrap();
    let rows = raw::same_rows(&dir.join("run"), &dir.join("rows"), turns.max(1));
    let speed = raw::same_bytes(&dir.join("bytes"), figures.commits, bytes, figures.turns);
    let count = f64::from(count);
    let bytes = f64::from(u32::try_from(bytes >> 10).unwrap()) * 1024.0;
    (
        count / took,
        count / rows.as_secs_f64(),
        speed * count / bytes,
    )
}

/// A step of a lone execution: from the start of one action to that of the next.
async fn step(dir: &Path) -> Latency {
    let timed = Arc::new(Timed::default());
    let runner = Arc::clone(&timed);
    let runtime = runtime(open(dir), STEPS + 1, runner, false);
    run(&runtime).await;
    let began = timed.0.lock().unwrap();
    Latency::of(began.windows(2).map(|pair| pair[1] - pair[0]).collect())
}

/// One commit of as many rows as a step writes, by the journal alone.
fn commit(dir: &Path) -> Latency {
    let journal = open(dir);
    let uuid = |kind: u32, number: usize| format!("{kind:08x}-0000-4000-8000-{number:012x}");
    let id = ExecutionId::new(uuid(0, 0));
    let mut turn = Turn::new();
    turn.execution(ExecutionRow::new(id.clone(), "w", 0));
    journal.write(turn).unwrap();
    let task = |number| TaskExecutionId::new(uuid(1, number));
    let action = |number| ActionExecutionId::new(uuid(2, number));
    let commit = |number: usize| {
        let now = i64::try_from(number).unwrap();
        let mut turn = Turn::new();
        turn.event(NewEvent {
            execution: id.clone(),
            number: u64::try_from(number).unwrap(),
            body: [b'x'; 120].into(),
            values: Vec::new(),
        });
        turn.execution_change(ExecutionChange {
            id: id.clone(),
            state: State::Running,
            moving: true,
            state_info: None,
            output: None,
            updated_at: now,
            finished_at: None,
        });
        // The task and the action that end, and those that begin.
        if number > 0 {
            turn.task(TaskRow {
                state: State::Success,
                result: Some("1".to_owned()),
                ..TaskRow::new(task(number - 1), id.clone(), "t", now)
            });
            turn.action_change(ActionChange {
                id: action(number - 1),
                state: State::Success,
                reached: Reached::Ended,
                accepted: true,
                state_info: None,
                output: Some("1".to_owned()),
                updated_at: now,
                finished_at: Some(now),
            });
        }
        turn.task(TaskRow::new(task(number), id.clone(), "t", now));
        turn.action(ActionRow {
            execution_id: Some(id.clone()),
            task_execution_id: Some(task(number)),
            input: Some("{\"value\":1}".to_owned()),
            ..ActionRow::new(action(number), "a.do", now)
        });
        let began = Instant::now();
        journal.write(turn).unwrap();
        began.elapsed()
    };
    Latency::of((0..STEPS).map(commit).collect())
}

fn main() {
    let own = std::env::current_exe().unwrap();
    let dir = tempfile::tempdir_in(own.parent().unwrap()).unwrap();
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let (rate, rows, bytes) = tokio.block_on(rate(&dir.path().join("rate")));
    println!(
        "{rate:.0} actions a second; raw SQLite writes the same rows for {rows:.0}: {:.2} of it; \
         the same bytes for {bytes:.0}: {:.2} of it",
        rate / rows,
        rate / bytes
    );
    let journal = open(&dir.path().join("feed"));
    let took = tokio.block_on(all(journal.clone(), true));
    let told = f64::from(u32::try_from(EXECUTIONS * ACTIONS).unwrap()) / took;
    println!(
        "{told:.0} actions a second with the feed: {:.2} of it without; {} changes",
        told / rate,
        journal.change_bounds().unwrap().map_or(0, |(_, last)| last)
    );
    drop(journal);
    // One after the other, many times, so that both meet the same disk.
    let (mut middles, mut means) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let commit = commit(&dir.path().join(format!("commit{round}")));
        let step = tokio.block_on(step(&dir.path().join(format!("step{round}"))));
        let (middle, mean) = (step.middle / commit.middle, step.mean / commit.mean);
        println!(
            "a commit {:.3} ms, a step of a lone execution {:.3} ms: {middle:.2} times, by the mean {mean:.2}",
            commit.middle * 1e3,
            step.middle * 1e3,
        );
        middles.push(middle);
        means.push(mean);
    }
    middles.sort_unstable_by(f64::total_cmp);
    means.sort_unstable_by(f64::total_cmp);
    let mut low = Vec::new();
    if rate < LEAST_RATE {
        low.push(format!("{rate:.0} of {LEAST_RATE:.0} actions a second"));
    }
    if rate < LEAST_OF_RAW * rows {
        low.push(format!("{rate:.0} actions a second beside raw SQLite"));
    }
    let (middle, mean) = (middles[ROUNDS / 2], means[ROUNDS / 2]);
    println!(
        "a step takes {middle:.2} commits by the middle of {STEPS}, {mean:.2} by their mean, \
         in the round in the middle of {ROUNDS}"
    );
    if middle > MOST_COMMITS {
        low.push(format!("a step takes {middle:.2} commits"));
    }
    assert!(low.is_empty(), "below what is promised: {}", low.join(", "));
}
