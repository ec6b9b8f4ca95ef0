//! Jinja2 against what Mistral's own evaluator gave, as `tests/data/record_jinja.py` recorded it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;

use ostro_core::Value;
use ostro_lang::{Budget, FunctionEnv, Host, JinjaTemplate, call_function};

/// Mistral's functions that need no database.
struct Functions(Value);

struct Fixed;

impl FunctionEnv for Fixed {
    fn new_uuid(&self) -> String {
        "b5d2c1a0-0000-4000-8000-000000000000".to_owned()
    }
}

impl Host for Functions {
    fn call(
        &self,
        name: &str,
        args: &[Value],
        kwargs: &[(&str, Value)],
    ) -> Option<Result<Value, String>> {
        match name {
            "env" => Some(Ok(self.0.get("__env").cloned().unwrap_or_default())),
            _ => call_function(name, args, kwargs, &Fixed),
        }
    }

    fn functions(&self) -> &[&str] {
        &[
            "env",
            "json_parse",
            "json_dump",
            "json_pp",
            "yaml_parse",
            "yaml_dump",
            "uuid",
        ]
    }

    fn now_millis(&self) -> i64 {
        0
    }
}

fn cases() -> (Value, Vec<(String, Option<Value>)>) {
    let all: Value = serde_json::from_str(include_str!("data/jinja.json")).unwrap();
    let (context, cases) = all.as_list().unwrap().split_first().unwrap();
    let cases = cases
        .iter()
        .map(|case| {
            let text = case.index(0).unwrap().as_str().unwrap().to_owned();
            (text, case.index(1).unwrap().get("value").cloned())
        })
        .collect();
    (context.clone(), cases)
}

fn evaluate(text: &str, context: &Value) -> Result<Value, String> {
    let template = JinjaTemplate::parse(text).map_err(|e| e.message)?;
    template
        .evaluate(context, &Functions(context.clone()), &Budget::default())
        .map_err(|e| e.message)
}

/// As JSON text, which keeps 1, 1.0 and true apart, and the order of keys.
fn same(found: &Value, wanted: &Value) -> bool {
    match found {
        Value::Float(number) if !number.is_finite() => {
            let name = if number.is_nan() {
                "nan"
            } else if *number > 0.0 {
                "inf"
            } else {
                "-inf"
            };
            wanted.get("float") == Some(&Value::from(name))
        }
        _ => found.to_string() == wanted.to_string(),
    }
}

/// The texts whose outcome differs on purpose: COMPATIBILITY.md has the reasons.
fn known() -> Vec<String> {
    serde_json::from_str(include_str!("data/jinja_known.json")).unwrap()
}

#[test]
fn texts_give_what_mistral_gives() {
    let (context, cases) = cases();
    assert!(cases.len() > 300);
    let known = known();
    let mut wrong = String::new();
    let mut count = 0;
    for (text, wanted) in &cases {
        let found = evaluate(text, &context);
        let fits = match (&found, wanted) {
            (Ok(found), Some(wanted)) => same(found, wanted),
            (Err(_), None) => true,
            _ => false,
        };
        if fits == known.contains(text) {
            count += 1;
            let found = found.map_or_else(|e| format!("error: {e}"), |v| v.to_string());
            let wanted = wanted
                .as_ref()
                .map_or_else(|| "error".to_owned(), ToString::to_string);
            writeln!(wrong, "{text:?}\n  found  {found}\n  wanted {wanted}").unwrap();
        }
    }
    assert!(count == 0, "{count} of {}:\n{wrong}", cases.len());
}
