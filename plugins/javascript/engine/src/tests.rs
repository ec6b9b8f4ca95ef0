//! Scripts, and what comes of them.

use crate::{World, evaluate};

fn run(script: &str, context: &str) -> Result<String, String> {
    let world = World {
        now: || 1_700_000_000_000,
        seed: 1,
    };
    evaluate(script, context, &world)
}

#[test]
fn scripts_return_what_json_makes_of_it() {
    for (script, context, result) in [
        ("return 1 + 1", "null", "2"),
        ("return $.a.concat([3])", r#"{"a": [1, 2]}"#, "[1,2,3]"),
        ("return $", "null", "null"),
        ("", "null", "null"),
        ("return undefined", "null", "null"),
        ("return null", "null", "null"),
        ("return function () {}", "null", "null"),
        (
            "return {b: 1, a: [true, 'é', 1.5], f: undefined}",
            "null",
            r#"{"b":1,"a":[true,"é",1.5]}"#,
        ),
        ("return NaN", "null", "null"),
        ("return new Date(0)", "null", "\"1970-01-01T00:00:00.000Z\""),
        ("return Date.now()", "null", "1700000000000"),
        ("return new Date(0).getHours()", "null", "0"),
        ("$.x = 5; return $", r#"{"x": 1}"#, r#"{"x":5}"#),
        ("return $['__proto__']", r#"{"__proto__": 7}"#, "7"),
        ("JSON.stringify = () => 'mine'; return [1]", "null", "[1]"),
        ("// a comment at the end", "null", "null"),
        (
            "return [...'ab'].map(c => c.toUpperCase()).join('')",
            "null",
            "\"AB\"",
        ),
        (
            "return typeof require + typeof fetch + typeof process",
            "null",
            "\"undefinedundefinedundefined\"",
        ),
    ] {
        assert_eq!(run(script, context).as_deref(), Ok(result), "{script}");
    }
}

#[test]
fn what_a_script_throws_is_the_error() {
    for (script, says) in [
        ("throw new Error('not today')", "Error: not today"),
        ("throw 'text'", "text"),
        ("throw {toString() { return 'own words' }}", "own words"),
        (
            "return nothing.here",
            "ReferenceError: nothing is not defined",
        ),
        ("return (", "SyntaxError: "),
        (
            "function g() { return g() } return g()",
            "RuntimeLimitError: ",
        ),
        ("const a = []; a.push(a); return a", "TypeError: "),
        ("return 1n", "TypeError: "),
    ] {
        let error = run(script, "null").unwrap_err();
        assert!(error.starts_with(says), "{script}: {error}");
    }
}

#[test]
fn random_numbers_differ_and_lie_between_0_and_1() {
    let script = "const a = []; for (let i = 0; i < 100; i++) a.push(Math.random()); \
                  return new Set(a).size === 100 && a.every(x => x >= 0 && x < 1)";
    assert_eq!(run(script, "null").as_deref(), Ok("true"));
}
