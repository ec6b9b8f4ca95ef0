//! Evaluates expressions that are made, taken from the corpus and mutated, and says whether any
//! panicked, took long, or took more memory than it may.
//!
//!     cargo run --release -p ostro-yaql --example fuzz -- --seconds 600 --seed 1

#![allow(
    dead_code,
    clippy::print_stdout,
    clippy::expect_used,
    clippy::panic,
    reason = "a program for developers, which uses parts of the tests"
)]

#[path = "../tests/oracle/generator.rs"]
mod generator;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ostro_yaql::{Budget, ErrorKind, Expression, NoHost, Value, check};

use generator::{Generator, Random};

/// The longest that one expression may take, on a busy machine.
const SLOW: Duration = Duration::from_secs(2);

/// Pieces that are put into expressions: what opens, repeats, grows or has no end.
const PIECES: [&str; 24] = [
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    " => ",
    ", ",
    "$",
    ".where($)",
    ".select($ + $)",
    "-> ",
    "def(f, f($)) -> f(1)",
    "sequence()",
    ".cycle()",
    "range(1000000000000)",
    " * 1000000000",
    ".toList()",
    "regex('(a*)*b(?!c)')",
    ".matches('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')",
    ".aggregate([$1, $1], 1)",
    "'\u{1F600}é",
    "9223372036854775807",
    "\\",
];

fn mutated(text: &str, others: &[&str], random: &mut Random) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..random.below(4) {
        let at = random.below(chars.len() + 1);
        let to = (at + random.below(12)).min(chars.len());
        match random.below(5) {
            0 => drop(chars.drain(at..to)),
            1 => drop(chars.splice(at..at, random.pick(&PIECES).chars())),
            2 => {
                let part: Vec<char> = chars[at..to].to_vec();
                for _ in 0..random.below(8) {
                    chars.splice(at..at, part.iter().copied());
                }
            }
            3 => {
                let other: Vec<char> = random.pick(others).chars().collect();
                let from = random.below(other.len() + 1);
                chars.splice(at..to, other[from..].iter().copied());
            }
            _ => chars.truncate(chars.len() - random.below(3).min(chars.len())),
        }
    }
    chars.into_iter().collect()
}

/// What an error or the tools for `lint` say about places must lie within the source.
fn try_all(source: &str, data: &Value) -> Option<ErrorKind> {
    let expression = match Expression::parse(source) {
        Ok(expression) => expression,
        Err(error) => {
            assert!(
                source.get(error.span.start..error.span.end).is_some(),
                "{error:?}"
            );
            return Some(error.kind);
        }
    };
    for problem in check(&expression, &[]) {
        assert!(
            source.get(problem.span.start..problem.span.end).is_some(),
            "{problem:?}"
        );
    }
    for variable in expression.variables() {
        assert!(
            source.get(variable.span.start..variable.span.end).is_some(),
            "{variable:?}"
        );
    }
    let error = expression
        .evaluate(data, &NoHost, &Budget::default())
        .err()?;
    assert!(
        source.get(error.span.start..error.span.end).is_some(),
        "{error:?}"
    );
    Some(error.kind)
}

/// The most memory that this process had, in MiB, where the system tells.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace()
        .nth(1)?
        .parse::<u64>()
        .ok()
        .map(|kib| kib / 1024)
}

/// The time that this process was computing, where the system tells.
fn cpu() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}

fn number(name: &str, default: u64) -> u64 {
    let mut args = std::env::args().skip_while(|arg| arg != name).skip(1);
    args.next().map_or(default, |text| {
        text.parse().expect("a number follows the option")
    })
}

fn main() -> ExitCode {
    let (seconds, seed) = (number("--seconds", 60), number("--seed", 1));
    let contexts: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../tests/oracle/contexts.json")).expect("it is JSON");
    let contexts: Vec<Value> = contexts.into_iter().map(Value::from).collect();
    let corpus: Vec<&str> = include_str!("../tests/corpus.txt").lines().collect();
    let mut random = Random::new(seed);
    let mut generator = Generator::new(seed);
    let start = Instant::now();
    let (mut tried, mut values, mut bounded, mut panics, mut slow) = (0_u64, 0_u64, 0_u64, 0, 0);
    let mut slowest = (Duration::ZERO, String::new());
    while start.elapsed() < Duration::from_secs(seconds) {
        let (made, _) = generator.expression(contexts.len());
        let base = if random.percent(40) {
            *random.pick(&corpus)
        } else {
            &made
        };
        let source = mutated(base, &corpus, &mut random);
        let data = random.pick(&contexts).clone();
        let before = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| try_all(&source, &data)));
        let mut took = before.elapsed();
        // On a busy machine a process may have to wait; only what is slow each time is slow.
        for _ in 0..3 {
            if took > SLOW && result.is_ok() {
                let before = (Instant::now(), cpu());
                try_all(&source, &data);
                took = took.min(before.0.elapsed());
                if let (Some(before), Some(after)) = (before.1, cpu()) {
                    took = took.min(after.saturating_sub(before));
                }
            }
        }
        tried += 1;
        match result {
            Ok(None) => values += 1,
            Ok(Some(
                ErrorKind::Steps | ErrorKind::Memory | ErrorKind::IteratorLength | ErrorKind::Depth,
            )) => bounded += 1,
            Ok(Some(_)) => {}
            Err(_) => {
                panics += 1;
                println!("panic: {source}");
            }
        }
        if took > SLOW {
            slow += 1;
            println!("slow ({took:.1?}): {source}");
        }
        if took > slowest.0 {
            slowest = (took, source);
        }
    }
    println!(
        "seed {seed}, {seconds} s: {tried} expressions, {values} with a value, {bounded} stopped by a bound"
    );
    println!(
        "panics {panics}, slower than {SLOW:?} {slow}, slowest {:.1?}: {}",
        slowest.0, slowest.1
    );
    if let Some(peak) = peak() {
        println!(
            "peak memory {peak} MiB (one expression may build {} MiB)",
            Budget::default().memory >> 20
        );
    }
    ExitCode::from(u8::from(panics + slow > 0))
}
