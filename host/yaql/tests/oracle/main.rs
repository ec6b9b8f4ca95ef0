//! Holds this crate against Mistral's own evaluator, which runs beside the test: expressions that
//! are made from a grammar, those of the corpus over made data, and the examples of yaql's
//! documentation.
//!
//! `OSTRO_YAQL_ORACLE` is how many expressions are made (20,000), `OSTRO_YAQL_SEED` from which seed
//! (1). Each difference has to be one that `COMPATIBILITY.md` names.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can't go on is a failed one"
)]

mod compare;
mod deviations;
mod generator;
mod made;
mod python;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Instant;

use ostro_yaql::{Expression, Value};
use serde_json::Value as Json;

use compare::{Ours, Verdict, compare, evaluate};
use generator::{Generator, Random};
use python::{Question, ask, oracle};

/// Asks both sides, prints what came of it, and fails where there is a difference without a
/// reason.
fn hold(title: &str, contexts: &[Json], questions: &[Question]) -> usize {
    let start = Instant::now();
    let data: Vec<Value> = contexts.iter().cloned().map(Value::from).collect();
    let ours: Vec<Ours> = questions
        .iter()
        .map(|q| evaluate(&q.expression, &data[q.context]))
        .collect();
    let here = start.elapsed();
    let contexts = Json::from(contexts);
    let theirs = ask(&contexts, questions, &[]);
    let mut open: Vec<usize> = Vec::new();
    let (mut equal, mut both_fail) = (0, 0);
    for (i, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        match compare(ours, theirs) {
            Verdict::Equal => equal += 1,
            Verdict::BothFail => both_fail += 1,
            Verdict::Different => open.push(i),
        }
    }
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    open.retain(|i| {
        let reason = deviations::told_by(&questions[*i].expression, &ours[*i], &theirs[*i]);
        reason
            .inspect(|reason| *reasons.entry(reason).or_default() += 1)
            .is_none()
    });
    for (variants, reason) in deviations::VARIANTS {
        let asked: Vec<Question> = open.iter().map(|i| questions[*i].clone()).collect();
        let mut answers = ask(&contexts, &asked, variants).into_iter();
        open.retain(|i| {
            let answer = answers.next().expect("an answer to each");
            let explained = compare(&ours[*i], &answer) != Verdict::Different
                || deviations::told_by(&questions[*i].expression, &ours[*i], &answer).is_some();
            if explained {
                *reasons.entry(reason).or_default() += 1;
            }
            !explained
        });
    }
    println!(
        "{title}: {} tried in {:.1?} ({here:.1?} here)",
        questions.len(),
        start.elapsed()
    );
    println!(
        "  equal {equal}, equal errors {both_fail}, deliberate deviations {}, unexplained {}",
        reasons.values().sum::<usize>(),
        open.len()
    );
    for (reason, count) in &reasons {
        println!("    {count:6} {reason}");
    }
    let mut told = String::new();
    for i in open.iter().take(60) {
        let ours = match &ours[*i] {
            Ours::Value(value) => format!("gives {value}"),
            Ours::Error(error) => format!("fails: {:?}: {error}", error.kind),
            Ours::Panic => "panics".to_owned(),
        };
        writeln!(
            told,
            "\n{} (context {})\n    {ours}\n    Mistral: {}",
            questions[*i].expression, questions[*i].context, theirs[*i]
        )
        .expect("a string takes text");
    }
    assert!(
        open.is_empty(),
        "{} differences without a reason:\n{told}",
        open.len()
    );
    equal
}

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is a number, not {text:?}"))
    })
}

fn made_contexts() -> Vec<Json> {
    serde_json::from_str(include_str!("contexts.json")).unwrap()
}

#[test]
fn made_expressions_give_what_mistral_gives() {
    let count = number("OSTRO_YAQL_ORACLE", 20_000);
    let seed = number("OSTRO_YAQL_SEED", 1);
    println!("seed {seed}");
    let contexts = made_contexts();
    let mut generator = Generator::new(seed as u64);
    let questions: Vec<Question> = (0..count)
        .map(|_| {
            let (expression, context) = generator.expression(contexts.len());
            Question {
                expression,
                context,
            }
        })
        .collect();
    let equal = hold("made expressions", &contexts, &questions);
    assert!(
        equal * 3 > count,
        "at least a third of the expressions mean something"
    );
}

#[test]
fn the_corpus_gives_what_mistral_gives() {
    let mut random = Random::new(number("OSTRO_YAQL_SEED", 1) as u64);
    let (mut contexts, mut questions) = (Vec::new(), Vec::new());
    let mut with_value = 0;
    let sources = include_str!("../corpus.txt")
        .lines()
        .filter(|line| !line.starts_with('#'));
    let sources: Vec<&str> = sources.collect();
    for source in &sources {
        let expression = Expression::parse(source).unwrap();
        // Contexts in which there is a value say more; one in which there is none is kept, too.
        let (mut values, mut errors) = (0, 0);
        for _ in 0..100 {
            let context = made::context(&expression, &mut random);
            let kept = match evaluate(source, &Value::from(context.clone())) {
                Ours::Value(_) => &mut values,
                Ours::Error(_) | Ours::Panic => &mut errors,
            };
            if *kept >= 3 {
                continue;
            }
            *kept += 1;
            questions.push(Question {
                expression: (*source).to_owned(),
                context: contexts.len(),
            });
            contexts.push(context);
            if values == 3 {
                break;
            }
        }
        with_value += usize::from(values > 0);
    }
    println!(
        "{} expressions, {with_value} of them with a value somewhere",
        sources.len()
    );
    hold("corpus", &contexts, &questions);
    assert!(
        with_value * 100 > sources.len() * 95,
        "the made contexts fit: {with_value}"
    );
}

#[test]
fn the_examples_of_the_documentation_give_what_mistral_gives() {
    let output = oracle(&["examples"]).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let examples: Vec<Json> = serde_json::from_slice(&output.stdout).unwrap();
    assert!(
        examples.len() > 300,
        "the examples are there: {}",
        examples.len()
    );
    let contexts = made_contexts();
    let questions: Vec<Question> = examples
        .iter()
        .map(|example| Question {
            expression: example["expression"].as_str().unwrap().to_owned(),
            context: 0,
        })
        .collect();
    hold("documentation", &contexts, &questions);
}

#[test]
fn functions_and_their_parameters_are_called_what_mistral_calls_them() {
    let output = oracle(&["signatures"]).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let theirs: Vec<Json> = serde_json::from_slice(&output.stdout).unwrap();
    assert!(
        theirs.len() > 150,
        "the functions are there: {}",
        theirs.len()
    );
    let ours = ostro_yaql::signatures();
    let mut missing = Vec::new();
    for their in &theirs {
        let found = ours.iter().any(|our| {
            let names: Vec<&str> = our.parameters.iter().map(|p| p.name).collect();
            let required = our.parameters.iter().filter(|p| p.required).count();
            // A receiver can't be given by name.
            let skip = usize::from(!our.is_function);
            let parameters = their["parameters"].as_array().unwrap();
            let their_names: Vec<&str> = parameters.iter().map(|p| p.as_str().unwrap()).collect();
            our.name == their["name"]
                && our.is_function == their["function"]
                && our.is_method == their["method"]
                && names.iter().skip(skip).eq(their_names.iter().skip(skip))
                && required == their["required"]
        });
        if !found {
            missing.push(their.to_string());
        }
    }
    println!(
        "{} functions, {} not found here",
        theirs.len(),
        missing.len()
    );
    assert!(
        missing.is_empty(),
        "not found here:\n{}",
        missing.join("\n")
    );
}
