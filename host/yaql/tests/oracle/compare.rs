//! What this crate answers, and whether that is what Mistral answers.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ostro_yaql::{Budget, Expression, Host, Value, YaqlError};
use serde_json::Value as Json;

/// Functions as `oracle.py` has them: parts of the context, and echoes.
pub(crate) struct Functions<'a> {
    pub(crate) data: &'a Value,
}

const FUNCTIONS: [&str; 13] = [
    "env",
    "execution",
    "executions",
    "global",
    "json_dump",
    "json_parse",
    "json_pp",
    "tag",
    "task",
    "tasks",
    "uuid",
    "yaml_dump",
    "yaml_parse",
];

impl Host for Functions<'_> {
    fn call(
        &self,
        name: &str,
        args: &[Value],
        kwargs: &[(&str, Value)],
    ) -> Option<Result<Value, String>> {
        Some(Ok(match name {
            "env" if !args.is_empty() || !kwargs.is_empty() => {
                return Some(Err("takes no arguments".to_owned()));
            }
            "env" | "execution" | "executions" | "task" | "tasks" => self
                .data
                .get(&format!("__{name}"))
                .cloned()
                .unwrap_or_default(),
            _ => Value::from_iter([
                ("function", Value::from(name)),
                ("args", Value::from(args.to_vec())),
                (
                    "kwargs",
                    kwargs.iter().map(|(k, v)| (*k, v.clone())).collect(),
                ),
            ]),
        }))
    }

    fn functions(&self) -> &[&str] {
        &FUNCTIONS
    }

    fn now_millis(&self) -> i64 {
        // Python's clock; a date that leaves out its year takes today's.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map_or(0, |now| i64::try_from(now.as_millis()).unwrap_or(0))
    }
}

/// What this crate answers.
pub(crate) enum Ours {
    Value(Json),
    Error(YaqlError),
    Panic,
}

pub(crate) fn evaluate(expression: &str, data: &Value) -> Ours {
    let answer = catch_unwind(AssertUnwindSafe(|| {
        Expression::parse(expression.trim())?.evaluate(
            data,
            &Functions { data },
            &Budget::default(),
        )
    }));
    match answer {
        Ok(Ok(value)) => Ours::Value(Json::from(&value)),
        Ok(Err(error)) => Ours::Error(error),
        Err(_) => Ours::Panic,
    }
}

/// How an answer of ours compares with one of Mistral's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Equal,
    BothFail,
    Different,
}

pub(crate) fn compare(ours: &Ours, theirs: &Json) -> Verdict {
    match (ours, theirs.get("value")) {
        (Ours::Value(ours), Some(theirs)) if same(ours, theirs) => Verdict::Equal,
        (Ours::Error(_), None) if theirs["error"] != "TooSlow" => Verdict::BothFail,
        _ => Verdict::Different,
    }
}

/// Whether the values are equal, integers told from floats; what Mistral has as a set is a list
/// here, and may be in any order.
fn same(ours: &Json, theirs: &Json) -> bool {
    match (ours, theirs) {
        (Json::Array(ours), Json::Object(entries)) if entries.len() == 1 => {
            let Some(Json::Array(theirs)) = entries.get("$set") else {
                return false;
            };
            let mut left: Vec<&Json> = theirs.iter().collect();
            ours.len() == theirs.len()
                && ours.iter().all(|item| {
                    let found = left.iter().position(|other| same(item, other));
                    found.map(|at| left.swap_remove(at)).is_some()
                })
        }
        (Json::Array(ours), Json::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| same(a, b))
        }
        (Json::Object(ours), Json::Object(theirs)) => {
            ours.len() == theirs.len()
                && ours
                    .iter()
                    .all(|(key, value)| theirs.get(key).is_some_and(|other| same(value, other)))
        }
        _ => ours == theirs,
    }
}
