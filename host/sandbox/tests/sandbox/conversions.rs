//! Workflow values through every WIT type and back, and the errors of those that do not fit.

use std::collections::BTreeSet;

use ostro_core::Value;
use ostro_sandbox::CallError;
use serde::Deserialize as _;

use crate::common::{call, load, types};

/// What `conversions.yaml` holds: an action, what goes in, and what comes out (the same if there
/// is nothing) or the error.
struct Case {
    action: String,
    input: Value,
    output: Option<Value>,
    error: Option<String>,
}

fn cases() -> Vec<Case> {
    let documents = serde_yaml::Deserializer::from_str(include_str!("conversions.yaml"));
    let mut cases = Vec::new();
    for document in documents {
        let Value::Map(actions) = Value::deserialize(document).unwrap() else {
            panic!("a mapping")
        };
        for (action, list) in actions.iter() {
            for case in list.as_list().unwrap() {
                cases.push(Case {
                    action: format!("test.echo.{action}"),
                    input: case
                        .get("in")
                        .unwrap_or_else(|| panic!("{action}: {case}"))
                        .clone(),
                    output: case.get("out").cloned(),
                    error: case.get("error").and_then(Value::as_str).map(str::to_owned),
                });
            }
        }
    }
    cases
}

#[tokio::test]
async fn an_option_of_an_option_tells_null_from_what_is_not_given() {
    let pack = load(types());
    for (input, came) in [
        ("{}", "nothing"),
        (r#"{"value": null}"#, "null"),
        (r#"{"value": 5}"#, "a value"),
    ] {
        let result = call(&pack, "test.echo.given", input).await.result;
        assert_eq!(result, Ok(came.into()), "{input}");
    }
}

#[tokio::test]
async fn values_pass_through_every_type_or_say_why_not() {
    let pack = load(types());
    let mut tested = BTreeSet::new();
    for Case {
        action,
        input,
        output,
        error,
    } in cases()
    {
        let signature = types()
            .signature(&action)
            .unwrap_or_else(|| panic!("no action {action}"));
        let [param] = &signature.params[..] else {
            panic!("{action} has one parameter")
        };
        let arguments = Value::from_iter([(param.name.snake.clone(), input.clone())]);
        let checked = signature.check_input(arguments.as_map().unwrap());
        let result = call(&pack, &action, &arguments.to_string()).await.result;
        if let Some(expected) = error {
            let said = checked.unwrap_err();
            assert_eq!(said.to_string(), expected, "{action} of {input}");
            let full = CallError::Input {
                action: action.clone(),
                error: said,
            };
            assert_eq!(result, Err(full), "{action} of {input}");
        } else {
            assert_eq!(checked, Ok(()), "{action} of {input}");
            let expected = output.unwrap_or(input);
            let result = result.unwrap_or_else(|error| panic!("{action}: {error}"));
            // Numbers of different kinds are equal; their text tells them apart.
            assert_eq!(result.to_string(), expected.to_string(), "{action}");
        }
        tested.insert(action);
    }
    let all: BTreeSet<_> = types()
        .signatures()
        .map(|signature| signature.name.to_string())
        .collect();
    let untested: Vec<_> = all
        .difference(&tested)
        .filter(|action| action.contains(".of_"))
        .collect();
    assert!(untested.is_empty(), "no case for {untested:?}");
}

#[tokio::test]
async fn actions_answer_fail_and_give_nothing() {
    let pack = load(types());
    for (action, input, expected) in [
        ("nothing", "{}", Ok("null")),
        ("greet", r#"{"name": "you"}"#, Ok(r#""hello you""#)),
        (
            "greet",
            r#"{"name": "you", "count": 2}"#,
            Ok(r#""hello you, hello you""#),
        ),
        (
            "greet",
            r#"{"name": "you", "count": null}"#,
            Ok(r#""hello you""#),
        ),
        (
            "greet",
            r#"{"name": "you", "count": 0}"#,
            Err("nobody greets you"),
        ),
        ("fail", r#"{"why": {"code": 7}}"#, Err(r#"{"code":7}"#)),
        (
            "fail_silently",
            "{}",
            Err("the action failed without saying why"),
        ),
        (
            "greet",
            "{}",
            Err("input of test.echo.greet: name: missing; the action needs it (string)"),
        ),
        (
            "greet",
            r#"{"name": "you", "nmae": 1}"#,
            Err("input of test.echo.greet: nmae: unknown parameter; the action takes name, count"),
        ),
        (
            "nothing",
            r#"{"a": 1}"#,
            Err("input of test.echo.nothing: a: unknown parameter; the action takes none"),
        ),
        (
            "vanish",
            "{}",
            Err("pack \"types\" has no action \"test.echo.vanish\""),
        ),
    ] {
        let result = call(&pack, &format!("test.echo.{action}"), input)
            .await
            .result;
        let said = result
            .map(|value| value.to_string())
            .map_err(|error| error.to_string());
        assert_eq!(
            said,
            expected.map(str::to_owned).map_err(str::to_owned),
            "{action}({input})"
        );
    }
}

#[tokio::test]
async fn the_error_of_an_action_keeps_its_value() {
    let result = call(&load(types()), "test.echo.fail", r#"{"why": [1, "two"]}"#)
        .await
        .result;
    assert_eq!(
        result,
        Err(CallError::Action(crate::common::json(r#"[1, "two"]"#)))
    );
}
