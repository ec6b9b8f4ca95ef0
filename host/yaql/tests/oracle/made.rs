//! Contexts for the expressions of the corpus, made from the words that they use.

use ostro_yaql::Expression;
use serde_json::{Map, Value as Json, json};

use crate::generator::Random;

/// A context in which `expression` may find what it reads.
pub(crate) fn context(expression: &Expression, random: &mut Random) -> Json {
    let words = words(expression.source());
    let mut data = Map::new();
    for variable in expression.variables() {
        if random.percent(95) {
            data.insert(variable.name.to_owned(), value(&words, 3, random));
        }
    }
    for part in ["__env", "__execution", "__task", "__tasks"] {
        data.insert(part.to_owned(), mapping(&words, 3, random));
    }
    Json::Object(data)
}

/// The bare and the quoted words of an expression, which may be keys.
fn words(source: &str) -> Vec<&str> {
    let mut words: Vec<&str> = source
        .split(|c: char| !c.is_alphanumeric() && !"_-:.".contains(c))
        .flat_map(|word| word.split('.').chain([word]))
        .filter(|word| word.starts_with(|c: char| c.is_alphabetic()))
        .collect();
    words.sort_unstable();
    words.dedup();
    words
}

fn value(words: &[&str], depth: usize, random: &mut Random) -> Json {
    let choice = if depth == 0 { 4 } else { 10 };
    match random.below(choice) {
        0 => json!(random.below(100)),
        1 => json!(*random.pick(&["x", "a,b", "12", "", "up", "10.0.0.1", "ünï code"])),
        2 => random
            .pick(&[json!(null), json!(true), json!(false), json!(2.5)])
            .clone(),
        3 => words
            .get(random.below(words.len().max(1)))
            .map_or(json!("w"), |word| json!(word)),
        4 => json!([0, 1, 2].map(|_| random.below(9))),
        5 => json!(["b", "a", *random.pick(words_or(words))]),
        6 | 7 => (0..random.below(4))
            .map(|_| mapping(words, depth - 1, random))
            .collect(),
        _ => mapping(words, depth - 1, random),
    }
}

fn words_or<'a>(words: &'a [&'a str]) -> &'a [&'a str] {
    if words.is_empty() { &["c"] } else { words }
}

fn mapping(words: &[&str], depth: usize, random: &mut Random) -> Json {
    // Few enough that the whole stays small.
    let likely = if words.len() < 6 {
        90
    } else {
        500 / words.len()
    };
    let mut entries = Map::new();
    for word in words {
        if random.percent(likely) {
            entries.insert((*word).to_owned(), value(words, depth, random));
        }
    }
    Json::Object(entries)
}
