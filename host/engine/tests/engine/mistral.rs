//! The cases, held against what the real Mistral 23.0.0 answered to them.
//!
//! `tests/mistral/record.py` of the repository runs the case files against a Mistral and puts its
//! answers beside them. A case whose answer differs names what `COMPATIBILITY.md` says about it,
//! by `deviates`; one that names something and does not differ is wrong as well.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use ostro_core::Value;
use serde::Deserialize;
use serde_json::{Map as JsonMap, Value as Json, json};

use crate::cases::{Case, case_files, load, play};
use crate::world::World;

/// The areas of Mistral's language that the cases are about, and the files that are about one of
/// them, where a case does not say otherwise.
const ROWS: [(&str, &[&str]); 15] = [
    ("workflow", &["workflow.yaml"]),
    ("task", &["task.yaml"]),
    ("publish", &["context.yaml", "publish.yaml"]),
    (
        "transitions",
        &["transitions.yaml", "joins.yaml", "cycles.yaml"],
    ),
    ("reverse", &["reverse.yaml"]),
    ("with-items", &["with_items.yaml"]),
    ("policies", &["policies.yaml"]),
    ("engine commands", &["commands.yaml"]),
    ("ad-hoc actions", &["adhoc.yaml"]),
    (
        "workbooks and namespaces",
        &["workbooks.yaml", "namespaces.yaml", "subworkflows.yaml"],
    ),
    ("states", &["states.yaml"]),
    (
        "expressions",
        &["errors.yaml", "expressions.yaml", "places.yaml"],
    ),
    ("functions", &["asking.yaml", "functions.yaml"]),
    ("std actions", &["std.yaml"]),
    (
        "control",
        &["control.yaml", "cascades.yaml", "rerun.yaml", "skip.yaml"],
    ),
];

/// Execution ids of Mistral and of the engine, and the only one that is told apart.
const ROOT: &str = "7d0f1c3e-5d7c-4b0e-9a53-0a7cbd7d3c11";

/// What Mistral answered to a case, or why there is no answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    /// What was asked: the digest of the case without its name and what is expected.
    asked: String,
    /// Why the case does not run on Mistral.
    unrecorded: Option<String>,
    /// Mistral does not take it, for this reason.
    refused: Option<String>,
    state: Option<String>,
    /// Whether there is an explanation of the state.
    #[serde(default)]
    info: bool,
    #[serde(default)]
    output: Json,
    #[serde(default)]
    tasks: Json,
    #[serde(default)]
    executions: Json,
    /// Something was still at work when the recorder gave up waiting.
    #[serde(default)]
    unrest: bool,
}

impl Recorded {
    fn answer(&self) -> Json {
        if self.refused.is_some() {
            return json!({"refused": true});
        }
        let mut answer = json!({
            "state": self.state,
            "info": self.info,
            "output": self.output,
            "tasks": self.tasks,
        });
        if !self.executions.is_null() {
            answer["executions"] = self.executions.clone();
        }
        answer
    }
}

/// What the engine gives, in the form of a recorded answer.
fn answer(world: &World, case: &Json) -> Json {
    let root = world.root();
    let scripted = json!([case.get("actions"), case.get("events")]).to_string();
    let infos: BTreeSet<String> = world
        .executions
        .values()
        .flat_map(|execution| {
            let own = execution.state_info().map(str::to_owned);
            let tasks = execution
                .tasks()
                .filter_map(|task| task.state_info().map(str::to_owned));
            own.into_iter().chain(tasks)
        })
        .filter(|info| !scripted.contains(&json!(info).to_string()))
        .collect();
    let mut tasks: BTreeMap<String, Vec<Json>> = BTreeMap::new();
    for task in root.tasks() {
        tasks
            .entry(task.name().to_string())
            .or_default()
            .push(json!({
                "state": task.state().as_str(),
                "info": task.state_info().is_some(),
                "result": neutral(&to_json(&task.result()), &infos),
                "published": neutral(&to_json(&Value::Map(task.published().clone())), &infos),
            }));
    }
    let output = root.output().map_or_else(|| json!({}), to_json);
    let mut answer = json!({
        "state": root.state().as_str(),
        "info": root.state_info().is_some(),
        "output": neutral(&output, &infos),
        "tasks": tasks,
    });
    let mut executions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (id, execution) in &world.executions {
        if *id != world.root {
            executions
                .entry(execution.workflow_name())
                .or_default()
                .push(execution.state().as_str());
        }
    }
    if !executions.is_empty() {
        for states in executions.values_mut() {
            states.sort_unstable();
        }
        answer["executions"] = json!(executions);
    }
    answer
}

fn to_json(value: &Value) -> Json {
    serde_json::to_value(value).unwrap()
}

/// The value without what differs from run to run or is worded otherwise, as the recorder has it.
fn neutral(value: &Json, infos: &BTreeSet<String>) -> Json {
    match value {
        Json::String(text) if infos.contains(text) => json!("<info>"),
        Json::String(text) => json!(plain(text)),
        Json::Array(items) => items.iter().map(|item| neutral(item, infos)).collect(),
        Json::Object(entries) => entries
            .iter()
            .map(|(key, value)| (plain(key), neutral(value, infos)))
            .collect::<JsonMap<_, _>>()
            .into(),
        other => other.clone(),
    }
}

/// A text with `<id>` for ids but the root's and `<time>` for times.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let (length, name) = if starts_as(rest, "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh") {
            (36, if rest.starts_with(ROOT) { ROOT } else { "<id>" })
        } else if starts_as(rest, "dddd-dd-dd dd:dd:dd") || starts_as(rest, "dddd-dd-ddTdd:dd:dd") {
            let fraction = rest[19..].strip_prefix('.').map_or(0, |more| {
                1 + more.bytes().take_while(u8::is_ascii_digit).count()
            });
            let zone = usize::from(rest[19 + fraction..].starts_with('Z'));
            (19 + fraction + zone, "<time>")
        } else {
            out.push(next);
            rest = &rest[next.len_utf8()..];
            continue;
        };
        out.push_str(name);
        rest = &rest[length..];
    }
    out
}

/// Whether `text` begins as `pattern` says: `h` for a hexadecimal digit, `d` for a decimal one.
fn starts_as(text: &str, pattern: &str) -> bool {
    text.len() >= pattern.len()
        && text
            .bytes()
            .zip(pattern.bytes())
            .all(|(byte, pattern)| match pattern {
                b'h' => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
                b'd' => byte.is_ascii_digit(),
                other => byte == other,
            })
}

/// The digest of what a case asks, which the recorder computes as well: FNV-1a over the text with
/// sorted keys.
fn digest(case: &Json) -> String {
    const ASKED: [&str; 10] = [
        "actions",
        "env",
        "events",
        "input",
        "namespace",
        "namespaces",
        "params",
        "unrecorded",
        "workflow",
        "workflows",
    ];
    let asked: BTreeMap<&str, Json> = ASKED
        .iter()
        .filter_map(|key| Some((*key, sorted(case.get(key)?))))
        .collect();
    let text = serde_json::to_string(&asked).unwrap();
    let number = text
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325_u64, |number, byte| {
            (number ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)
        });
    format!("{number:016x}")
}

fn sorted(value: &Json) -> Json {
    match value {
        Json::Object(entries) => {
            let entries: BTreeMap<_, _> = entries.iter().map(|(k, v)| (k, sorted(v))).collect();
            json!(entries)
        }
        Json::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// What differs, a line each.
fn differences(what: &str, mistral: &Json, ours: &Json, out: &mut String) {
    match (mistral, ours) {
        (Json::Object(left), Json::Object(right)) => {
            let keys: BTreeSet<_> = left.keys().chain(right.keys()).collect();
            for key in keys {
                let none = Json::Null;
                let (left, right) = (
                    left.get(key).unwrap_or(&none),
                    right.get(key).unwrap_or(&none),
                );
                differences(&format!("{what}.{key}"), left, right, out);
            }
        }
        _ if same(mistral, ours) => {}
        _ => {
            let _ = writeln!(
                out,
                "  {}\n    mistral {}\n      ostro {}",
                what.trim_start_matches('.'),
                short(mistral),
                short(ours),
            );
        }
    }
}

fn short(value: &Json) -> String {
    let text = value.to_string();
    let end = text.char_indices().nth(400).map(|(at, _)| at);
    end.map_or(text.clone(), |end| format!("{}…", &text[..end]))
}

/// Whether two values are the same: `1.0` and `1` are, as JSON knows one kind of number.
fn same(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::Number(left), Json::Number(right)) => left.as_f64() == right.as_f64(),
        (Json::Array(left), Json::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(l, r)| same(l, r))
        }
        (Json::Object(left), Json::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(key, value)| right.get(key).is_some_and(|other| same(value, other)))
        }
        _ => left == right,
    }
}

/// One line of the table.
#[derive(Default)]
struct Count {
    cases: usize,
    equal: usize,
    deviating: BTreeMap<String, usize>,
}

fn row_of(file: &str, case: &Case) -> &'static str {
    let wanted = case.row.as_deref();
    ROWS.iter()
        .find(|(row, files)| wanted.map_or(files.contains(&file), |wanted| wanted == *row))
        .unwrap_or_else(|| panic!("{file}: {}: no such row: {wanted:?}", case.name))
        .0
}

fn compare(case: Case, text: &Json, recorded: Option<&Recorded>) -> Result<Option<String>, String> {
    let recorded = recorded.ok_or("not recorded; run tests/mistral/record.py record")?;
    if recorded.asked != digest(text) {
        return Err("changed since it was recorded; run tests/mistral/record.py record".to_owned());
    }
    if recorded.unrest {
        return Err("it did not come to rest while it was recorded".to_owned());
    }
    let deviates = case.deviates.clone();
    let unrecorded = case.unrecorded.clone();
    if recorded.unrecorded != unrecorded {
        return Err("what is said about recording it has changed; record again".to_owned());
    }
    let says = case.expect.is_some();
    let ours = match play(case, None) {
        Ok(world) => answer(&world, text),
        Err(_) => json!({"refused": true}),
    };
    let mut out = String::new();
    if unrecorded.is_none() {
        differences("", &recorded.answer(), &ours, &mut out);
    }
    match (deviates, out.is_empty() && unrecorded.is_none()) {
        (Some(_), false) if !says => Err(format!(
            "it deviates and does not say what to expect, which would be {ours}"
        )),
        (None, true) => Ok(None),
        (Some(_), true) => Err("`deviates`, but the answers are equal".to_owned()),
        (None, false) => Err(match &recorded.refused {
            Some(reason) => format!("{out}  mistral: {reason}"),
            None => out,
        }),
        (Some(reason), false) => Ok(Some(reason)),
    }
}

#[test]
fn the_engine_answers_as_mistral_does_or_says_why_not() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let compatibility = std::fs::read_to_string(here.join("COMPATIBILITY.md")).unwrap();
    let mut wrong = Vec::new();
    let mut table: BTreeMap<&str, Count> = BTreeMap::new();
    for file in case_files() {
        let name = file.replace(".yaml", ".mistral.json");
        let text = std::fs::read_to_string(here.join("tests/cases").join(&name));
        let mut recorded: BTreeMap<String, Recorded> =
            serde_json::from_str(&text.unwrap_or_else(|_| "{}".to_owned())).unwrap();
        let (cases, texts): (Vec<Case>, Vec<Json>) = (load(&file), load(&file));
        for (case, text) in cases.into_iter().zip(texts) {
            let name = case.name.clone();
            let count = table.entry(row_of(&file, &case)).or_default();
            count.cases += 1;
            if let Some(reason) = &case.deviates
                && !compatibility.contains(reason.as_str())
            {
                wrong.push(format!(
                    "{file}: {name}: COMPATIBILITY.md does not say {reason:?}"
                ));
            }
            match compare(case, &text, recorded.remove(&name).as_ref()) {
                Ok(None) => count.equal += 1,
                Ok(Some(reason)) => {
                    let reason = first_cell(&compatibility, &reason);
                    *count.deviating.entry(reason).or_default() += 1;
                }
                Err(message) => wrong.push(format!("{file}: {name}\n{message}")),
            }
        }
        for name in recorded.keys() {
            wrong.push(format!(
                "{file}: {name}\nrecorded, but there is no such case"
            ));
        }
    }
    print(&table);
    assert!(
        wrong.is_empty(),
        "{} wrong\n\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// What Mistral does, by the words of a row of `COMPATIBILITY.md`.
fn first_cell(compatibility: &str, words: &str) -> String {
    let line = compatibility.lines().find(|line| line.contains(words));
    let line = line.unwrap_or(words).trim_start_matches("| ");
    line.split(" | ").next().unwrap_or(line).to_owned()
}

/// The table, seen with `cargo test -p ostro-engine -- --nocapture answers_as_mistral`.
#[expect(clippy::print_stdout, reason = "the table is what is asked for")]
fn print(table: &BTreeMap<&str, Count>) {
    println!(
        "{:<26}{:>6}{:>7}{:>11}",
        "row", "cases", "equal", "deviating"
    );
    let (mut cases, mut equal) = (0, 0);
    for (row, _) in ROWS {
        let Some(count) = table.get(row) else {
            continue;
        };
        let deviating: usize = count.deviating.values().sum();
        println!(
            "{row:<26}{:>6}{:>7}{deviating:>11}",
            count.cases, count.equal
        );
        for (reason, number) in &count.deviating {
            println!("{:<26}{number:>24}  {reason:.100}", "");
        }
        cases += count.cases;
        equal += count.equal;
    }
    println!("{:<26}{cases:>6}{equal:>7}{:>11}", "all", cases - equal);
}
