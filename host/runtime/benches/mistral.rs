//! The same workloads on this runtime and on a real Mistral 23, in one run: wall and CPU time.
//!
//! `cargo bench -p ostro-runtime` starts Mistral with RabbitMQ and PostgreSQL
//! (`tests/mistral/record.py`, which installs what is missing), prints a table, and fails where a
//! ratio is below what is promised.
//!
//! With `OSTRO_BENCH_HERE` set nothing but this runtime is measured, for a profiler to look at:
//! `memory` or `durable` for how, and after a colon a part of a workload's name, for that alone.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that can't go on is a failed one"
)]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use ostro_core::{ActionCall, ActionOutcome, ActionRunner, Map, State, Value};
use ostro_journal::Journal;
use ostro_runtime::{File, Library, Options, Runtime, StartRequest, SystemClock};
use serde_json::{Value as Json, json};
use tokio::task::JoinSet;

/// How many times less wall and CPU time there must be in memory, and where each turn is on disk
/// before its commands are carried out, as it is in Mistral's database.
const IN_MEMORY: Promise = Promise {
    wall: 1_000.0,
    cpu: 1_000.0,
};
const DURABLE: Promise = Promise {
    wall: 500.0,
    cpu: 1_000.0,
};

struct Promise {
    wall: f64,
    cpu: f64,
}

/// How long each workload is repeated here: CPU time is counted in hundredths of a second.
const REPEATED: Duration = Duration::from_secs(2);

struct Workload {
    name: &'static str,
    definition: String,
    executions: usize,
    connections: usize,
}

fn workloads() -> Vec<Workload> {
    let mut sequence = "version: '2.0'\nw:\n  tasks:\n".to_owned();
    let mut parallel = sequence.clone();
    let mut five = sequence.clone();
    for task in 1..=100 {
        writeln!(sequence, "    t{task}:\n      action: std.noop").unwrap();
        if task < 100 {
            writeln!(sequence, "      on-success: t{}", task + 1).unwrap();
        }
        writeln!(
            parallel,
            "    t{task}: {{action: std.noop, on-success: all}}"
        )
        .unwrap();
    }
    parallel.push_str("    all: {join: all, action: std.noop}\n");
    for task in 1..=5 {
        writeln!(five, "    t{task}:\n      action: std.echo output={task}").unwrap();
        writeln!(five, "      publish: {{v{task}: <% task().result %>}}").unwrap();
        if task < 5 {
            writeln!(five, "      on-success: t{}", task + 1).unwrap();
        }
    }
    let items =
        "version: '2.0'\nw:\n  tasks:\n    t:\n      with-items: i in <% range(200) %>\n      \
                 action: std.echo output=<% $.i %>\n"
            .to_owned();
    let workload = |name, definition, executions, connections| Workload {
        name,
        definition,
        executions,
        connections,
    };
    vec![
        workload("100 std.noop in sequence", sequence, 1, 1),
        workload("with-items over 200 std.echo", items, 1, 1),
        workload("100 parallel, then join: all", parallel, 1, 1),
        workload("50 executions of five tasks", five, 50, 8),
    ]
}

/// The runtime asks nobody for what std.noop and std.echo give.
struct Nobody;

#[async_trait]
impl ActionRunner for Nobody {
    async fn run(&self, call: ActionCall) -> ActionOutcome {
        panic!("{} is not to be run", call.name)
    }
}

/// Wall and CPU seconds of one time.
struct Cost {
    wall: f64,
    cpu: f64,
}

/// CPU seconds of this process so far.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    let ticks: u32 = fields[11].parse::<u32>().unwrap() + fields[12].parse::<u32>().unwrap();
    // Linux counts for user programs in hundredths of a second.
    f64::from(ticks) / 100.0
}

async fn once(runtime: &Runtime, workload: &Workload) {
    let mut connections = JoinSet::new();
    for connection in 0..workload.connections {
        let (all, step) = (workload.executions, workload.connections);
        let runtime = runtime.clone();
        connections.spawn(async move {
            for _ in (connection..all).step_by(step) {
                let request = StartRequest::new("w", Map::new());
                let id = runtime.start(request).await.unwrap();
                assert_eq!(runtime.wait(&id).await.unwrap().state, State::Success);
                // One that has not quite come to rest is dropped later, when newer ones take its
                // place.
                runtime.forget(&id);
            }
        });
    }
    connections.join_all().await;
}

/// What `workload` costs here, from its parsed definition on, as there: in memory, or with a
/// journal in `dir`.
fn here(workload: &Workload, dir: Option<&Path>) -> Cost {
    let files = vec![File::new("w.yaml", workload.definition.clone())];
    let library = Library::new(files, Value::Null);
    let definitions = Arc::clone(library.definitions());
    assert!(!definitions.has_errors(), "{:?}", definitions.diagnostics());
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    tokio.block_on(async {
        let (runner, clock) = (Arc::new(Nobody), Arc::new(SystemClock));
        let runtime = match dir {
            None => Runtime::new(definitions, runner, clock, Options::default()),
            Some(dir) => {
                let journal = Journal::open(dir, &ostro_journal::Options::default()).unwrap();
                Runtime::durable(journal, library, runner, clock, Options::default())
            }
        };
        once(&runtime, workload).await;
        let (began, before) = (Instant::now(), cpu());
        let mut times = 0_u32;
        while began.elapsed() < REPEATED {
            once(&runtime, workload).await;
            times += 1;
        }
        Cost {
            wall: began.elapsed().as_secs_f64() / f64::from(times),
            cpu: (cpu() - before) / f64::from(times),
        }
    })
}

/// What the workloads cost Mistral, each once.
fn mistral(workloads: &[Workload]) -> Vec<Cost> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/mistral/record.py");
    let asked: Vec<Json> = workloads
        .iter()
        .map(|workload| {
            json!({
                "name": workload.name,
                "definition": workload.definition,
                "workflow": "w",
                "executions": workload.executions,
                "connections": workload.connections,
            })
        })
        .collect();
    let mut child = Command::new("python3")
        .arg(program)
        .arg("measure")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    let mut stdin = child.stdin.take().unwrap();
    stdin
        .write_all(Json::from(asked).to_string().as_bytes())
        .unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "Mistral could not be measured");
    let answer: Vec<Json> = serde_json::from_slice(&output.stdout).unwrap();
    let number = |cost: &Json, key: &str| cost[key].as_f64().unwrap();
    answer
        .iter()
        .map(|cost| Cost {
            wall: number(cost, "wall"),
            cpu: number(cost, "cpu"),
        })
        .collect()
}

/// A folder of this build, on the disk that the project is on.
fn folder() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.parent().unwrap().to_owned()
}

/// Measures what `wanted` names of this runtime alone.
fn alone(workloads: &[Workload], wanted: &str) {
    let (how, name) = wanted.split_once(':').unwrap_or((wanted, ""));
    for workload in workloads {
        if !workload.name.contains(name) {
            continue;
        }
        let dir = tempfile::tempdir_in(folder()).unwrap();
        let ours = here(workload, (how == "durable").then(|| dir.path()));
        let (wall, cpu) = (ours.wall * 1e3, ours.cpu * 1e3);
        println!("{:40} {wall:>9.3} ms wall {cpu:>9.3} ms CPU", workload.name);
    }
}

fn main() {
    let workloads = workloads();
    if let Ok(wanted) = std::env::var("OSTRO_BENCH_HERE") {
        return alone(&workloads, &wanted);
    }
    let theirs = mistral(&workloads);
    println!(
        "{:40} {:>12} {:>12} {:>9} {:>12} {:>12} {:>9}",
        "", "Mistral wall", "here", "ratio", "Mistral CPU", "here", "ratio"
    );
    let mut low = Vec::new();
    for (workload, theirs) in workloads.iter().zip(theirs) {
        let dir = tempfile::tempdir_in(folder()).unwrap();
        for (how, dir, promise) in [
            ("in memory", None, &IN_MEMORY),
            ("durable", Some(dir.path()), &DURABLE),
        ] {
            let ours = here(workload, dir);
            let (wall, cpu) = (theirs.wall / ours.wall, theirs.cpu / ours.cpu);
            println!(
                "{:40} {:>10.2} s {:>9.3} ms {wall:>8.0}x {:>10.2} s {:>9.3} ms {cpu:>8.0}x",
                format!("{}, {how}", workload.name),
                theirs.wall,
                ours.wall * 1e3,
                theirs.cpu,
                ours.cpu * 1e3
            );
            if wall < promise.wall || cpu < promise.cpu {
                low.push(format!("{}, {how}", workload.name));
            }
        }
    }
    assert!(low.is_empty(), "less than promised: {}", low.join(", "));
}
