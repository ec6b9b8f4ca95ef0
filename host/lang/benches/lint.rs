//! How long linting takes as workflows grow, and how long Mistral's validator takes beside it.
//!
//! `cargo bench -p ostro-lang` prints a table and fails where a figure is below what is promised.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark prints its table, and one that can't go on is a failed one"
)]
#![allow(
    dead_code,
    missing_docs,
    reason = "a part of another crate's tests is used, and not all of it"
)]

/// Installs Mistral 23.0.0 from PyPI into the user's cache the first time.
#[path = "../../yaql/tests/oracle/python.rs"]
mod python;

use std::fmt::Write as _;
use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use ostro_lang::{ActionCatalogue, ActionParameter, LintOptions, lint};

/// What is promised for 100 tasks: seconds, and how many times faster than Mistral's validator.
const MOST_SECONDS: f64 = 0.02;
const LEAST_RATIO: f64 = 1000.0;
/// How much steeper than loading the same text as plain values linting may grow.
const MORE: f64 = 0.1;

/// Loads a definition as `POST /v2/workflows/validate` does, and prints the CPU seconds.
const VALIDATE: &str = "
import sys, time
from mistral.lang import parser
text = open(sys.argv[1]).read()
start = time.process_time()
parser.get_workflow_list_spec_from_yaml(text, validate=True)
print(time.process_time() - start)
";

struct Standard;

impl ActionCatalogue for Standard {
    fn parameters(&self, action: &str) -> Option<Vec<ActionParameter>> {
        let of = |name: &str, required| ActionParameter {
            name: Arc::from(name),
            required,
        };
        match action {
            "std.noop" => Some(Vec::new()),
            "std.echo" => Some(vec![of("output", true), of("delay", false)]),
            _ => None,
        }
    }
}

/// A workflow of `count` tasks: in sequence, with a side branch and a join every tenth task, each
/// publishing and reading variables.
fn workflow(count: usize) -> String {
    let mut text = String::from("version: '2.0'\nbig:\n  input: [seed]\n  tasks:\n");
    for task in 0..count {
        let read = match task % 10 {
            _ if task == 0 => "seed".to_owned(),
            // Two branches follow the first of ten tasks, and don't see each other's variables.
            2 => format!("v{}", task - 2),
            _ => format!("v{}", task - 1),
        };
        let _ = write!(
            text,
            "    t{task}:\n      action: std.echo\n      input: {{output: <% $.{read} %>}}\n      \
             publish: {{v{task}: <% task().result %>}}\n"
        );
        let next: Vec<String> = match task % 10 {
            _ if task + 1 == count => Vec::new(),
            0 => vec![format!("t{}", task + 1), format!("t{}", task + 2)],
            1 => vec![format!("t{}", task + 2)],
            _ => vec![format!("t{}", task + 1)],
        };
        if task % 10 == 3 {
            text.push_str("      join: all\n");
        }
        if !next.is_empty() {
            let _ = writeln!(text, "      on-success: [{}]", next.join(", "));
        }
    }
    text
}

/// How many tasks are gone over at each size in a round. Each size does the same work, so that
/// none is likelier than another to find the machine quiet.
const WORK: usize = 30_000;
const ROUNDS: usize = 7;

/// The seconds that one of `runs` runs takes.
fn each(runs: usize, mut run: impl FnMut()) -> f64 {
    let start = Instant::now();
    (0..runs).for_each(|_| run());
    start.elapsed().as_secs_f64() / f64::from(u32::try_from(runs).unwrap())
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn lints(text: &str) {
    let files = [("big.yaml", text)];
    let report = black_box(lint(&files, &Standard, &LintOptions::default()));
    assert!(!report.has_errors(), "{}", report.render());
}

/// Loads the same text as plain values, keeps all of them until the end, and goes over them once.
fn loads(text: &str) {
    let values: serde_yaml::Value = serde_yaml::from_str(text).unwrap();
    black_box(characters(&values));
}

/// How many characters of text a value holds.
fn characters(value: &serde_yaml::Value) -> usize {
    match value {
        serde_yaml::Value::String(text) => text.len(),
        serde_yaml::Value::Sequence(items) => items.iter().map(characters).sum(),
        serde_yaml::Value::Mapping(entries) => entries
            .iter()
            .map(|(key, value)| characters(key) + characters(value))
            .sum(),
        _ => 0,
    }
}

/// The slope of the line through the points, by least squares.
fn exponent(points: &[(f64, f64)]) -> f64 {
    let n = f64::from(u32::try_from(points.len()).unwrap());
    let (x, y): (Vec<f64>, Vec<f64>) = points.iter().map(|(x, y)| (x.ln(), y.ln())).unzip();
    let (mean_x, mean_y) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let both = x.iter().zip(&y);
    let covariance: f64 = both.map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    covariance / x.iter().map(|x| (x - mean_x).powi(2)).sum::<f64>()
}

fn main() {
    println!("{:>8}  {:>12}  {:>12}", "tasks", "lint", "serde_yaml");
    let sizes = [100_u32, 300, 1_000, 3_000, 10_000];
    let texts = sizes.map(|count| workflow(usize::try_from(count).unwrap()));
    let mut times = vec![(Vec::new(), Vec::new()); sizes.len()];
    for _ in 0..ROUNDS {
        for ((count, text), (lint, plain)) in sizes.iter().zip(&texts).zip(&mut times) {
            let runs = WORK / usize::try_from(*count).unwrap();
            lint.push(each(runs, || lints(text)));
            plain.push(each(runs, || loads(text)));
        }
    }
    let (mut linted, mut read) = (Vec::new(), Vec::new());
    for (count, (lint, plain)) in sizes.into_iter().zip(times) {
        let (lint, plain) = (median(lint), median(plain));
        println!(
            "{count:>8}  {:>9.3} ms  {:>9.3} ms",
            lint * 1e3,
            plain * 1e3
        );
        linted.push((f64::from(count), lint));
        read.push((f64::from(count), plain));
    }
    let hundred = linted[0].1;
    let mut low = Vec::new();
    let (slope, plain) = (exponent(&linted), exponent(&read));
    println!("fitted exponents {slope:.2} and {plain:.2}");
    // What doesn't fit a cache takes longer to go over, whoever does it.
    if slope > plain.max(1.0) + MORE {
        low.push(format!("linting grows with the power of {slope:.2}"));
    }
    if hundred > MOST_SECONDS {
        low.push(format!("100 tasks take {:.1} ms", hundred * 1e3));
    }
    let seconds = mistral(&workflow(100));
    let ratio = seconds / hundred;
    println!(
        "Mistral 23.0.0's validator, 100 tasks: {seconds:.2} CPU seconds, {ratio:.0} times as long"
    );
    if ratio < LEAST_RATIO {
        low.push(format!("{ratio:.0}x of {LEAST_RATIO:.0}x"));
    }
    assert!(low.is_empty(), "below what is promised: {}", low.join(", "));
}

/// The CPU seconds that Mistral's validator takes for `text`.
fn mistral(text: &str) -> f64 {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let output = Command::new(python::interpreter())
        .args(["-c", VALIDATE])
        .arg(file.path())
        .output()
        .expect("Python starts");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    printed.trim().parse().unwrap_or_else(|_| {
        panic!(
            "Mistral's validator can't be measured: {}",
            String::from_utf8_lossy(&output.stderr)
        )
    })
}
