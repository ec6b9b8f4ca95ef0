//! Mistral's expression functions: which there are, and those that need no execution.

mod json_dump;
mod yaml_dump;

use ostro_core::Value;

pub use json_dump::write_text as python_json_text;

/// What the functions here can't make themselves.
pub trait FunctionEnv {
    /// A new UUID. The caller draws it, so that it is the same on each replay.
    fn new_uuid(&self) -> String;
}

/// The functions that expressions have of Mistral, beside those of YAQL and Jinja2 themselves.
pub const FUNCTIONS: &[&str] = &[
    "env",
    "execution",
    "executions",
    "global",
    "json_dump",
    "json_parse",
    "json_pp",
    "task",
    "tasks",
    "uuid",
    "yaml_dump",
    "yaml_parse",
];

/// How deep a value may be that is written as text.
const MAX_DEPTH: usize = 200;

/// Calls the function `name` with arguments by place and by name; None if it is one that
/// needs an execution, or none of [`FUNCTIONS`]. Behaviour is that of `mistral/expressions/std_functions.py`, and for `json_pp`
/// that of Mistral 7, the last release that documents it.
///
/// The error is a sentence for people. It never holds the argument's data.
pub fn call(
    name: &str,
    args: &[Value],
    kwargs: &[(&str, Value)],
    env: &dyn FunctionEnv,
) -> Option<Result<Value, String>> {
    let function: fn(&Value) -> Result<Value, String> = match name {
        "uuid" => {
            return Some(if args.is_empty() && kwargs.is_empty() {
                Ok(env.new_uuid().into())
            } else {
                Err("uuid() takes no arguments".to_owned())
            });
        }
        "json_parse" => json_parse,
        "json_dump" => |data| Ok(json_dump::dump(checked("json_dump", data)?).into()),
        "json_pp" => |data| {
            let text = json_dump::dump(checked("json_pp", data)?);
            Ok(text.replace("\\n", "\n").replace(" \n", "\n").into())
        },
        "yaml_parse" => yaml_parse,
        "yaml_dump" => |data| Ok(yaml_dump::dump(checked("yaml_dump", data)?).into()),
        _ => return None,
    };
    Some(match (args, kwargs) {
        ([data], []) | ([], [("data", data)]) => function(data),
        _ => Err(format!("{name}() takes one argument, `data`")),
    })
}

fn json_parse(data: &Value) -> Result<Value, String> {
    let Value::String(text) = data else {
        return Err(format!(
            "json_parse() takes text, not a value of type {}",
            data.kind()
        ));
    };
    serde_json::from_str(text).map_err(|error| {
        // The message of serde may quote the text; line and column don't.
        format!(
            "json_parse() was given text that is not JSON (line {}, column {})",
            error.line(),
            error.column()
        )
    })
}

fn yaml_parse(data: &Value) -> Result<Value, String> {
    let Value::String(text) = data else {
        return Err(format!(
            "yaml_parse() takes text, not a value of type {}",
            data.kind()
        ));
    };
    let (node, problems) = crate::yaml::load(text);
    let error = problems
        .iter()
        .find(|problem| problem.code.severity() == crate::diagnostics::Severity::Error);
    match error {
        Some(problem) => Err(format!(
            "yaml_parse() was given text that is not YAML (line {}, column {})",
            problem.at.line, problem.at.column
        )),
        None => Ok(node.map_or(Value::Null, |node| node.to_value())),
    }
}

/// `data`, unless writing it would recurse too deep.
fn checked<'v>(function: &str, data: &'v Value) -> Result<&'v Value, String> {
    fn fits(value: &Value, left: usize) -> bool {
        match value {
            Value::List(items) => left > 0 && items.iter().all(|item| fits(item, left - 1)),
            Value::Map(entries) => left > 0 && entries.values().all(|item| fits(item, left - 1)),
            _ => true,
        }
    }
    if fits(data, MAX_DEPTH) {
        Ok(data)
    } else {
        Err(format!(
            "{function}() was given a value more than {MAX_DEPTH} deep"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl FunctionEnv for Fixed {
        fn new_uuid(&self) -> String {
            "b5d2c1a0-0000-4000-8000-000000000000".to_owned()
        }
    }

    /// Recorded from Python by `tests/data/record.py`: function, argument, result; a result of
    /// null means that it raised.
    #[test]
    fn functions_give_what_mistral_gives() {
        type Case = (String, serde_json::Value, Option<serde_json::Value>);
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("../tests/data/functions.json")).unwrap();
        assert!(cases.len() > 100);
        for (name, argument, wanted) in cases {
            let result = call(&name, &[Value::from(argument.clone())], &[], &Fixed).unwrap();
            match wanted {
                Some(wanted) => {
                    let result = result.unwrap_or_else(|e| panic!("{name}({argument}): {e}"));
                    // As JSON text, which keeps 1 and 1.0 apart, and the order of keys.
                    let wanted = Value::from(wanted).to_string();
                    assert_eq!(result.to_string(), wanted, "{name}({argument})");
                }
                None => assert!(result.is_err(), "{name}({argument}) gave {result:?}"),
            }
        }
    }

    #[test]
    fn wrong_arguments_are_errors_and_unknown_names_are_not_ours() {
        assert!(call("task", &[], &[], &Fixed).is_none());
        assert!(call("uuid", &[], &[], &Fixed).unwrap().is_ok());
        for (name, args) in [
            ("uuid", &[Value::Null][..]),
            ("json_parse", &[]),
            ("json_parse", &[Value::Int(1)]),
            ("yaml_parse", &[Value::Null]),
            ("json_dump", &[Value::Null, Value::Null]),
        ] {
            assert!(call(name, args, &[], &Fixed).unwrap().is_err(), "{name}");
        }
        let dumped = call("json_dump", &[], &[("data", Value::Int(1))], &Fixed);
        assert_eq!(dumped, Some(Ok("1".into())));
        let mut deep = Value::Null;
        for _ in 0..1000 {
            deep = vec![deep].into();
        }
        assert!(call("yaml_dump", &[deep], &[], &Fixed).unwrap().is_err());
    }
}
