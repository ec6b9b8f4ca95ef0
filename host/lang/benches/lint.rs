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
use saphyr_parser::{Event, Parser};

/// What is promised for 100 tasks: seconds, and how many times faster than Mistral's validator.
const MOST_SECONDS: f64 = 0.02;
const LEAST_RATIO: f64 = 1000.0;
/// How much steeper than a plain pass over the same text linting may grow.
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

/// The shortest of some runs, in seconds.
fn best(runs: usize, mut run: impl FnMut()) -> f64 {
    let times = (0..runs).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    });
    times.fold(f64::INFINITY, f64::min)
}

fn lints(text: &str) {
    let files = [("big.yaml", text)];
    let report = black_box(lint(&files, &Standard, &LintOptions::default()));
    assert!(!report.has_errors(), "{}", report.render());
}

/// Reads the same text and keeps what it says, with no thought of what it means.
fn reads(text: &str) {
    let kept: Vec<Option<String>> = Parser::new_from_str(text)
        .map(|event| match event.unwrap().0 {
            Event::Scalar(text, ..) => Some(text.into_owned()),
            _ => None,
        })
        .collect();
    drop(black_box(kept));
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
    println!("{:>8}  {:>12}  {:>12}", "tasks", "lint", "only reading");
    let (mut linted, mut read) = (Vec::new(), Vec::new());
    for count in [100_u32, 300, 1_000, 3_000, 10_000] {
        let text = workflow(usize::try_from(count).unwrap());
        let runs = usize::try_from(60_000 / count).unwrap();
        let (lint, plain) = (best(runs, || lints(&text)), best(runs, || reads(&text)));
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
    // What doesn't fit a cache takes longer to read, whoever reads it.
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
