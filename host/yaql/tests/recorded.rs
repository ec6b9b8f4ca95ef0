//! The cases in `cases/*.json`, with what Python's yaql says (`oracle.py` records them), and those
//! in `cases/own/*.json`, where this crate differs on purpose.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that can't go on is a failed one"
)]

use std::fmt::Write as _;
use std::path::Path;

use ostro_yaql::{Budget, ErrorKind, Expression, Host, Value};
use serde_json::Value as Json;

/// What our errors are where Python raises an exception of this class.
fn kinds(class: &str) -> &'static [ErrorKind] {
    match class {
        "YaqlLexicalException" => &[ErrorKind::Lexical],
        "YaqlGrammarException" => &[ErrorKind::Syntax],
        "NoFunctionRegisteredException" => {
            &[ErrorKind::UnknownFunction, ErrorKind::UnknownAttribute]
        }
        "NoMethodRegisteredException" => &[ErrorKind::UnknownMethod],
        "NoMatchingFunctionException"
        | "NoMatchingMethodException"
        | "MappingTranslationException" => &[ErrorKind::NoMatch],
        "AmbiguousFunctionException" | "AmbiguousMethodException" => &[ErrorKind::Ambiguous],
        "KeyError" => &[ErrorKind::MissingKey],
        "IndexError" => &[ErrorKind::Index],
        "ZeroDivisionError" => &[ErrorKind::Arithmetic],
        "AssertionError" => &[ErrorKind::Assertion],
        "StopIteration" => &[ErrorKind::Cardinality],
        "ValueError" | "TypeError" | "error" | "ParserError" => &[
            ErrorKind::Value,
            ErrorKind::Cardinality,
            ErrorKind::NoMatch,
            ErrorKind::Result,
            ErrorKind::Arithmetic,
        ],
        _ => &[],
    }
}

/// Mistral's functions as the recorder has them: parts of the data.
struct Recorded {
    data: Value,
}

impl Host for Recorded {
    fn call(&self, name: &str, _: &[Value], _: &[(&str, Value)]) -> Option<Result<Value, String>> {
        let part = self.data.get(&format!("__{name}"));
        Some(Ok(part.cloned().unwrap_or_default()))
    }

    fn functions(&self) -> &[&str] {
        &["env", "execution", "task"]
    }

    fn now_millis(&self) -> i64 {
        0
    }
}

/// What is wrong about one case.
fn check(case: &Json, data: &Value) -> Option<String> {
    let source = case["expression"].as_str().unwrap();
    let result = Expression::parse(source).and_then(|expression| {
        let host = Recorded { data: data.clone() };
        expression.evaluate(data, &host, &Budget::default())
    });
    match (
        result,
        case.get("value"),
        case.get("error").and_then(Json::as_str),
    ) {
        (Ok(value), Some(wanted), _) => {
            let (value, mut wanted) = (Json::from(&value), wanted.clone());
            // The order of Python's sets is none.
            let mut sorted = value.clone();
            if case.get("unordered").is_some() {
                sort(&mut sorted);
                sort(&mut wanted);
            }
            (sorted != wanted).then(|| format!("gives {value}, not {wanted}"))
        }
        (Ok(value), None, Some(wanted)) => Some(format!(
            "gives {}, not an error ({wanted})",
            Json::from(&value)
        )),
        (Err(error), Some(wanted), _) => Some(format!("fails ({error}), not {wanted}")),
        (Err(error), None, Some(wanted)) => {
            let told = format!("{:?}: {error}", error.kind);
            let outside = error.span.start > error.span.end || error.span.end > source.len();
            if outside {
                return Some(format!("fails outside of the source: {told}"));
            }
            // The recorded ones are named by Python's class, our own by a part of our message.
            let fits = match kinds(wanted) {
                [] => told.contains(wanted),
                kinds => kinds.contains(&error.kind),
            };
            (!fits).then(|| format!("fails with {told}, not {wanted}"))
        }
        (_, None, None) => Some("says neither a value nor an error".to_owned()),
    }
}

fn sort(value: &mut Json) {
    match value {
        Json::Array(items) => {
            items.iter_mut().for_each(sort);
            items.sort_by_key(ToString::to_string);
        }
        Json::Object(entries) => entries.values_mut().for_each(sort),
        _ => {}
    }
}

/// The cases of a group with the data that they share, or a case of its own.
fn cases(group: &Json) -> Vec<(&Json, Value)> {
    let data = Value::from(group.get("data").cloned().unwrap_or_default());
    match group.get("cases").and_then(Json::as_array) {
        Some(cases) => cases.iter().map(|case| (case, data.clone())).collect(),
        None => vec![(group, data)],
    }
}

fn run(folder: &Path) -> usize {
    let mut differences = String::new();
    let mut count = 0;
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    files.sort();
    for path in files {
        let groups: Vec<Json> = serde_json::from_str(&std::fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for (case, data) in groups.iter().flat_map(cases) {
            count += 1;
            if let Some(difference) = check(case, &data) {
                let name = path.file_name().unwrap().display();
                writeln!(
                    differences,
                    "{name}: {}\n    {difference}",
                    case["expression"]
                )
                .unwrap();
            }
        }
    }
    assert!(differences.is_empty(), "\n{differences}");
    count
}

#[test]
fn gives_what_python_yaql_gives() {
    let count = run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases"));
    assert!(count > 500, "the recorded cases are there: {count}");
}

#[test]
fn differs_only_where_the_documentation_says_so() {
    let count = run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/own"));
    assert!(count > 10, "our own cases are there: {count}");
}
