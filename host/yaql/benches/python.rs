//! This crate and Python's yaql over the same expressions, in one run: how long each takes to
//! parse and to evaluate those of the corpus, and how a query grows with its data.
//!
//! `cargo bench -p ostro-yaql` prints a table and fails where a figure is below what is promised.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that can't go on is a failed one"
)]
#![allow(
    dead_code,
    missing_docs,
    reason = "parts of the tests are used, and not all of each"
)]

#[path = "../tests/oracle/compare.rs"]
mod compare;
#[path = "../tests/oracle/generator.rs"]
mod generator;
#[path = "../tests/oracle/made.rs"]
mod made;
#[path = "../tests/oracle/python.rs"]
mod python;

use std::hint::black_box;
use std::io::Write as _;
use std::process::Stdio;
use std::time::Instant;

use ostro_yaql::{Budget, Expression, NoHost, Value};
use serde_json::{Value as Json, json};

use compare::{Functions, Ours, evaluate};
use generator::Random;
use python::oracle;

/// How often to measure; the best counts, on both sides.
const ROUNDS: usize = 1000;
const PYTHON_ROUNDS: usize = 25;

fn best(rounds: usize, mut run: impl FnMut()) -> f64 {
    let times = (0..rounds).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    });
    times.fold(f64::INFINITY, f64::min)
}

/// The expressions of the corpus, each with a context in which it has a value.
fn cases() -> Vec<(&'static str, Json)> {
    let mut random = Random::new(1);
    let sources = include_str!("../tests/corpus.txt").lines();
    sources
        .filter(|line| !line.starts_with('#'))
        .filter_map(|source| {
            let expression = Expression::parse(source).unwrap();
            let contexts = (0..100).map(|_| made::context(&expression, &mut random));
            let fits = |data: &Json| {
                matches!(evaluate(source, &Value::from(data.clone())), Ours::Value(_))
            };
            contexts.into_iter().find(fits).map(|data| (source, data))
        })
        .collect()
}

fn python(cases: &[(&str, Json)]) -> Json {
    let request = json!({
        "expressions": cases.iter().map(|(source, _)| source).collect::<Vec<_>>(),
        "data": cases.iter().map(|(_, data)| data).collect::<Vec<_>>(),
        "context_of": (0..cases.len()).collect::<Vec<_>>(),
        "rounds": PYTHON_ROUNDS,
    });
    let mut child = oracle(&["measure"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin
        .write_all(request.to_string().as_bytes())
        .expect("Python reads");
    drop(stdin);
    let output = child.wait_with_output().expect("Python ends");
    serde_json::from_slice(&output.stdout).expect("Python answers")
}

fn nodes(count: usize) -> Value {
    let node = |i: usize| {
        json!({"name": format!("node-{i}"), "state": if i.is_multiple_of(3) { "available" } else { "active" },
            "memory": i % 512, "properties": {"cpus": i % 64}})
    };
    Value::from(json!({"nodes": (0..count).map(node).collect::<Vec<_>>()}))
}

fn main() {
    let cases = cases();
    let theirs = python(&cases);
    let expressions: Vec<Expression> = cases
        .iter()
        .map(|(source, _)| Expression::parse(source).unwrap())
        .collect();
    let data: Vec<Value> = cases
        .iter()
        .map(|(_, data)| Value::from(data.clone()))
        .collect();
    let parse = best(ROUNDS, || {
        for (source, _) in &cases {
            let _ = black_box(Expression::parse(black_box(source)));
        }
    });
    let budget = Budget::default();
    let run = best(ROUNDS, || {
        for (expression, data) in expressions.iter().zip(&data) {
            let _ = black_box(expression.evaluate(data, &Functions { data }, &budget));
        }
    });
    println!(
        "{} expressions of the corpus, best of {ROUNDS} ({PYTHON_ROUNDS} in Python)",
        cases.len()
    );
    println!("{:10} {:>14} {:>14} {:>8}", "", "Python", "here", "ratio");
    let mut low = Vec::new();
    for (what, ours, promised) in [("parse", parse, 100.0), ("evaluate", run, 200.0)] {
        let theirs = theirs[what].as_f64().unwrap();
        let each = |seconds: f64| seconds * 1e6 / f64::from(u32::try_from(cases.len()).unwrap());
        let ratio = theirs / ours;
        println!(
            "{what:10} {:>11.2} us {:>11.3} us {ratio:>7.0}x",
            each(theirs),
            each(ours)
        );
        if ratio < promised {
            low.push(format!("{what}: {ratio:.0}x of {promised}x"));
        }
    }

    let query = Expression::parse(
        "$.nodes.where($.state = available and $.memory > 100).select({name => $.name, cpus => $.properties.cpus})",
    )
    .unwrap();
    let (mut points, mut floor) = (Vec::new(), Vec::new());
    println!("$.nodes.where(…).select(…), and a loop in Rust that reads and makes the same");
    for count in [1_000, 3_000, 10_000, 30_000, 100_000] {
        let data = nodes(count);
        let seconds = best(9, || {
            black_box(query.evaluate(&data, &NoHost, &budget)).unwrap();
        });
        let plain = best(9, || drop(black_box(by_hand(&data))));
        println!(
            "{count:>10} nodes {:>10.3} ms {:>10.3} ms",
            seconds * 1e3,
            plain * 1e3
        );
        let x = f64::from(u32::try_from(count).unwrap()).ln();
        points.push((x, seconds.ln()));
        floor.push((x, plain.ln()));
    }
    let (slope, plain) = (exponent(&points), exponent(&floor));
    println!("fitted exponents {slope:.2} and {plain:.2}");
    // What doesn't fit a cache takes longer to read, whoever reads it.
    if slope > plain.max(1.0) + 0.15 {
        low.push(format!("the query grows with the power of {slope:.2}"));
    }
    assert!(low.is_empty(), "below what is promised: {}", low.join(", "));
}

/// What the query does, without an evaluator.
fn by_hand(data: &Value) -> Vec<Value> {
    let nodes = data.get("nodes").and_then(Value::as_list).unwrap();
    let wanted = nodes.iter().filter(|node| {
        node.get("state").and_then(Value::as_str) == Some("available")
            && node.get("memory").and_then(Value::as_int) > Some(100)
    });
    wanted
        .map(|node| {
            let cpus = node.get("properties").and_then(|p| p.get("cpus"));
            Value::from_iter([
                ("name", node.get("name").cloned().unwrap_or_default()),
                ("cpus", cpus.cloned().unwrap_or_default()),
            ])
        })
        .collect()
}

/// The slope of the line through the points, by least squares.
fn exponent(points: &[(f64, f64)]) -> f64 {
    let n = f64::from(u32::try_from(points.len()).unwrap());
    let (sum_x, sum_y) = points
        .iter()
        .fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
    let (mean_x, mean_y) = (sum_x / n, sum_y / n);
    let covariance: f64 = points
        .iter()
        .map(|(x, y)| (x - mean_x) * (y - mean_y))
        .sum();
    let variance: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    covariance / variance
}
