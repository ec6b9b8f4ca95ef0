//! The decider alone: how many events it takes a second, and how time and memory grow with the
//! size of what it decides on.
//!
//! `cargo bench -p ostro-engine` prints two tables and fails where a figure is worse than what
//! is promised. Times are those on the processor, whatever else the machine does. Each size is
//! measured in a process of its own, so that its memory is its own. With `OSTRO_BENCH_KEEPS` set,
//! the state before each turn is kept during the turn there, too, as a driver may.

#![expect(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a benchmark that cannot go on is a failed one, and its numbers are small"
)]

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::process::{Command as Process, ExitCode};
use std::rc::Rc;

use ostro_core::{ActionOutcome, ExecutionId, Map, State, Value};
use ostro_engine::{Command, Event, EventKind, Execution, Params, decide};
use ostro_lang::{Definitions, parse};

/// How many events a second there are to be at least.
const EVENTS_A_SECOND: f64 = 300_000.0;
/// The largest exponent of growth that is allowed.
const MAX_EXPONENT: f64 = 1.1;
/// How many events one time is measured over, about.
const EVENTS_A_POINT: usize = 100_000;
/// Says which size a process measures.
const POINT: &str = "OSTRO_BENCH_POINT";

/// Has a process keep the state before each turn during the turn, as a driver may.
const KEEPS: &str = "OSTRO_BENCH_KEEPS";

/// What grows, and its sizes.
const GROWTHS: &[(&str, &[usize])] = &[
    ("items", &[100, 1_000, 10_000, 100_000]),
    ("branches", &[10, 100, 1_000, 10_000]),
    ("sequence", &[10, 100, 1_000, 10_000]),
    ("megabyte", &[10, 100, 1_000]),
];

fn main() -> ExitCode {
    if let Ok(point) = std::env::var(POINT) {
        let (what, size) = point.split_once(' ').unwrap();
        let (time, memory) = measure(what, size.parse().unwrap());
        println!("{time} {memory}");
        return ExitCode::SUCCESS;
    }
    let mut good = true;
    println!("events a second over 100 tasks in sequence, one core, best of 20");
    for (name, more, keeps, wanted) in [
        ("plain tasks", "", false, EVENTS_A_SECOND),
        ("the same, the state before is kept", "", true, 0.0),
        ("each publishes what its action gave", PUBLISH, false, 0.0),
    ] {
        let definitions = definitions(&sequence(100, more));
        let rounds = (0..20).map(|_| events_a_second(&definitions, keeps));
        let best = rounds.fold(0.0, f64::max);
        good &= best >= wanted;
        println!("  {name:<40} {best:>10.0}");
    }
    println!("\ngrowth: seconds and KiB at each size, and the exponents of a fitted power law");
    for (what, sizes) in GROWTHS {
        let points: Vec<(f64, f64, f64)> = sizes
            .iter()
            .map(|size| {
                let (time, memory) = in_own_process(what, *size);
                (*size as f64, time, memory)
            })
            .collect();
        let time = exponent(points.iter().map(|(size, time, _)| (*size, *time)));
        let memory = exponent(points.iter().map(|(size, _, memory)| (*size, *memory)));
        good &= time <= MAX_EXPONENT && memory <= MAX_EXPONENT;
        println!("  {what}");
        for (size, time, memory) in &points {
            println!("    {size:>7} {time:>12.6} {memory:>12.0}");
        }
        println!("    exponent {time:>11.2} {memory:>12.2}");
    }
    if good {
        ExitCode::SUCCESS
    } else {
        println!("worse than promised");
        ExitCode::FAILURE
    }
}

const PUBLISH: &str = "        publish: {last: <% task().result %>}\n";

/// A workflow of `count` tasks, one after the other.
fn sequence(count: usize, more: &str) -> String {
    let mut text = "version: '2.0'\nw:\n  input: [v: null]\n  tasks:\n".to_owned();
    for index in 1..=count {
        writeln!(text, "      t{index}:\n        action: x").unwrap();
        text.push_str(more);
        if index < count {
            writeln!(text, "        on-success: t{}", index + 1).unwrap();
        }
    }
    text
}

/// A workflow of `count` tasks at once, and one that waits for all of them.
fn branches(count: usize) -> String {
    let mut text = "version: '2.0'\nw:\n  tasks:\n".to_owned();
    for index in 1..=count {
        writeln!(text, "      t{index}: {{action: x, on-success: all}}").unwrap();
    }
    text.push_str("      all: {join: all, action: x}\n");
    text
}

fn items(count: usize) -> String {
    format!(
        "version: '2.0'\nw:\n  tasks:\n    t:\n      with-items: i in <% range({count}) %>\n      \
         action: x i=<% $.i %>\n"
    )
}

/// What is measured: its text, and what its actions give.
fn subject(what: &str, size: usize) -> (String, Value) {
    let small = Value::Int(1);
    match what {
        "items" => (items(size), small),
        "branches" => (branches(size), small),
        "sequence" => (sequence(size, ""), small),
        _ => {
            let hands_on = "        input: {v: <% $.get(last) %>}\n        \
                            publish: {last: <% task().result %>}\n";
            let large = Value::from("x".repeat(1 << 20));
            (sequence(size, hands_on), large)
        }
    }
}

/// An execution that has begun, and what came of it.
struct Run {
    definitions: Rc<Definitions>,
    execution: Option<Execution>,
    events: VecDeque<Event>,
    result: Value,
    now: i64,
}

impl Run {
    fn new(definitions: &Rc<Definitions>, result: Value) -> Self {
        let id = ExecutionId::new("7d0f1c3e-5d7c-4b0e-9a53-0a7cbd7d3c11");
        let workflow = definitions.workflow("w").unwrap();
        let execution = Execution::new(id, workflow, &Map::new(), Params::default()).unwrap();
        Self {
            definitions: Rc::clone(definitions),
            execution: Some(execution),
            events: [Event::new(0, EventKind::Started)].into(),
            result,
            now: 0,
        }
    }

    /// Takes the next turn, if there is one.
    fn turn(&mut self, keeps: bool) -> bool {
        let Some(event) = self.events.pop_front() else {
            return false;
        };
        let workflow = self.definitions.workflow("w").unwrap();
        let Some(execution) = self.execution.take() else {
            return false;
        };
        // What a driver would still have if the turn failed.
        let before = keeps.then(|| execution.clone());
        let decision = decide(&*self.definitions, workflow, execution, event);
        drop(before);
        self.execution = Some(decision.execution);
        self.now += 1;
        for command in decision.commands {
            if let Command::RunAction { id, .. } = command {
                let outcome = ActionOutcome::Success(self.result.clone());
                let kind = EventKind::ActionFinished { id, outcome };
                self.events.push_back(Event::new(self.now, kind));
            }
        }
        true
    }

    fn finish(&mut self) {
        let keeps = std::env::var(KEEPS).is_ok();
        while self.turn(keeps) {}
        let state = self.execution.as_ref().map(Execution::state);
        assert_eq!(state, Some(State::Success));
    }
}

fn definitions(text: &str) -> Rc<Definitions> {
    let definitions: Definitions = [parse(text, "bench.yaml")].into_iter().collect();
    assert!(!definitions.has_errors(), "{:?}", definitions.diagnostics());
    Rc::new(definitions)
}

fn events_a_second(definitions: &Rc<Definitions>, keeps: bool) -> f64 {
    let mut runs: Vec<Run> = (0..100)
        .map(|_| Run::new(definitions, Value::Int(1)))
        .collect();
    let start = seconds();
    let mut turns = 0_u32;
    for run in &mut runs {
        while run.turn(keeps) {
            turns += 1;
        }
    }
    f64::from(turns) / (seconds() - start)
}

/// How long this process, which has one thread, has been on a processor.
fn seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    let nanos: f64 = text.split_whitespace().next().unwrap().parse().unwrap();
    nanos / 1e9
}

/// Seconds and KiB that a run takes.
fn measure(what: &str, size: usize) -> (f64, f64) {
    let (text, result) = subject(what, size);
    let mut run = Run::new(&definitions(&text), result.clone());
    let before = kibibytes("VmRSS:");
    run.finish();
    let memory = (kibibytes("VmHWM:") - before).max(1.0);
    drop(run);
    // The time on the processor is told in steps of some milliseconds, so that small runs are
    // repeated: side by side, each with a definition of its own, so that no size has the caches
    // to itself.
    let rounds = (EVENTS_A_POINT / size).max(1);
    let mut runs: Vec<Run> = (0..rounds)
        .map(|_| Run::new(&definitions(&text), result.clone()))
        .collect();
    let keeps = std::env::var(KEEPS).is_ok();
    let start = seconds();
    let mut running = true;
    while running {
        running = false;
        for run in &mut runs {
            running |= run.turn(keeps);
        }
    }
    let time = (seconds() - start) / f64::from(u32::try_from(rounds).unwrap());
    (time, memory)
}

/// What the system says about this process's memory.
fn kibibytes(key: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn in_own_process(what: &str, size: usize) -> (f64, f64) {
    // The best of three: what disturbs a run only ever makes it slower.
    let runs = (0..3).map(|_| {
        let output = Process::new(std::env::current_exe().unwrap())
            .env(POINT, format!("{what} {size}"))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).unwrap();
        let (time, memory) = text.trim().split_once(' ').unwrap();
        (time.parse().unwrap(), memory.parse().unwrap())
    });
    runs.reduce(|a: (f64, f64), b| (a.0.min(b.0), a.1.min(b.1)))
        .unwrap()
}

/// The exponent of the power law that fits the points best.
fn exponent(points: impl Iterator<Item = (f64, f64)>) -> f64 {
    let logs: Vec<(f64, f64)> = points.map(|(x, y)| (x.ln(), y.ln())).collect();
    let count = logs.len() as f64;
    let mean_x = logs.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = logs.iter().map(|(_, y)| y).sum::<f64>() / count;
    let cross: f64 = logs.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let square: f64 = logs.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    cross / square
}
