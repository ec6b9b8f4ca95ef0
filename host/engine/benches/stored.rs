//! What it takes to store the state of an execution and to load it again: with its large values
//! apart, by `ostro_core::stored`, and beside that as plain JSON.
//!
//! `cargo bench -p ostro-engine --bench stored` prints a table. Each row is measured in a process
//! of its own, whose memory beyond that of the state is the last column.

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on is a failed one"
)]

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::Command as Process;
use std::sync::Arc;
use std::time::Instant;

use ostro_core::stored::{Digest, load, save};
use ostro_core::{ActionOutcome, ExecutionId, Map, State, Value};
use ostro_engine::{Command, Event, EventKind, Execution, Params, decide};
use ostro_lang::{Definitions, parse};

/// Says which row a process measures.
const ROW: &str = "OSTRO_BENCH_ROW";

/// What plain JSON may take in memory to be loaded again.
const MOST_PLAIN: usize = 500_000_000;

fn main() {
    if let Ok(row) = std::env::var(ROW) {
        let words: Vec<&str> = row.split(' ').collect();
        println!("{}", measure(words[0], words[1].parse().unwrap(), words[2]));
        return;
    }
    println!(
        "{:<10} {:>6} {:<7} {:>9} {:>9} {:>13} {:>7} {:>10}",
        "each gives", "tasks", "as", "save ms", "load ms", "bytes", "values", "peak KiB"
    );
    for what in ["number", "kilobytes", "megabyte"] {
        for size in [100, 1_000, 10_000] {
            for form in ["stored", "plain"] {
                // Plain JSON would take tens of gigabytes.
                if (what, size, form) == ("megabyte", 10_000, "plain") {
                    continue;
                }
                let output = Process::new(std::env::current_exe().unwrap())
                    .env(ROW, format!("{what} {size} {form}"))
                    .output()
                    .unwrap();
                let text = String::from_utf8(output.stdout).unwrap();
                println!("{what:<10} {size:>6} {form:<7} {}", text.trim_end());
            }
        }
    }
}

/// What each action gives, and so each task hands on: a number; ten mappings of two kilobytes
/// each, others for each task; or one and the same megabyte.
fn result(what: &str, count: usize) -> Value {
    match what {
        "number" => Value::Int(1),
        "kilobytes" => (0..10)
            .map(|index| {
                let name = ("name", Value::from(format!("node {count} {index}")));
                let rest = ("rest", Value::from("x".repeat(2_000)));
                [name, rest].into_iter().collect::<Value>()
            })
            .collect(),
        _ => "x".repeat(1 << 20).into(),
    }
}

fn state(what: &str, size: usize) -> Execution {
    let mut text = "version: '2.0'\nw:\n  tasks:\n".to_owned();
    for index in 1..=size {
        writeln!(
            text,
            "    t{index}:\n      action: act\n      input: {{v: <% $.get(last) %>}}\n      \
             publish: {{last: <% task().result %>}}"
        )
        .unwrap();
        if index < size {
            writeln!(text, "      on-success: t{}", index + 1).unwrap();
        }
    }
    let definitions: Definitions = [parse(&text, "bench.yaml")].into_iter().collect();
    let workflow = definitions.workflow("w").unwrap();
    let id = ExecutionId::new("7d0f1c3e-5d7c-4b0e-9a53-0a7cbd7d3c11");
    let mut execution = Execution::new(id, workflow, &Map::new(), Params::default()).unwrap();
    let mut kinds = VecDeque::from([EventKind::Started]);
    let same = result(what, 0);
    let mut count = 0;
    while let Some(kind) = kinds.pop_front() {
        let decision = decide(&definitions, workflow, execution, Event::new(0, kind));
        execution = decision.execution;
        for command in decision.commands {
            if let Command::RunAction { id, .. } = command {
                count += 1;
                let value = match what {
                    "kilobytes" => result(what, count),
                    _ => same.clone(),
                };
                let outcome = ActionOutcome::Success(value);
                kinds.push_back(EventKind::ActionFinished { id, outcome });
            }
        }
    }
    assert_eq!(execution.state(), State::Success);
    execution
}

/// Counts what is written, and throws it away.
struct Count(usize);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn measure(what: &str, size: usize, form: &str) -> String {
    let execution = state(what, size);
    let before = kibibytes("VmRSS:");
    // What was the most so far was before.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let mut saving = f64::INFINITY;
    let mut loading = f64::INFINITY;
    let (mut bytes, mut values) = (0, 0);
    for _ in 0..3 {
        let start = Instant::now();
        if form == "stored" {
            let saved = save(&execution).unwrap();
            saving = saving.min(milliseconds(start));
            let stored: BTreeMap<Digest, Arc<[u8]>> = saved
                .values
                .iter()
                .map(|value| (value.digest, Arc::clone(&value.bytes)))
                .collect();
            values = stored.len();
            bytes = saved.body.len() + stored.values().map(|bytes| bytes.len()).sum::<usize>();
            let start = Instant::now();
            let mut fetch = |digest: &Digest| Ok::<_, Infallible>(stored.get(digest).cloned());
            let again: Execution = load(&saved.body, &mut fetch).unwrap();
            loading = loading.min(milliseconds(start));
            assert_eq!(again, execution);
            continue;
        }
        let mut count = Count(0);
        serde_json::to_writer(&mut count, &execution).unwrap();
        bytes = count.0;
        if bytes > MOST_PLAIN {
            saving = saving.min(milliseconds(start));
            break;
        }
        let start = Instant::now();
        let text = serde_json::to_vec(&execution).unwrap();
        saving = saving.min(milliseconds(start));
        let start = Instant::now();
        let again: Execution = serde_json::from_slice(&text).unwrap();
        loading = loading.min(milliseconds(start));
        assert_eq!(again, execution);
    }
    let peak = kibibytes("VmHWM:") - before;
    let loading = if loading.is_finite() {
        format!("{loading:.1}")
    } else {
        "-".to_owned()
    };
    format!("{saving:>9.1} {loading:>9} {bytes:>13} {values:>7} {peak:>10.0}")
}

fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

/// What the system says about this process's memory.
fn kibibytes(key: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
