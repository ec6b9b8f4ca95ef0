//! Templates as a workflow uses them: places of errors, budgets, secrets, what parts give.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use ostro_core::Value;
use ostro_lang::{
    Budget, ExpressionError, NoHost, Scope, Step, Template, explain, parse, parse_template,
};

/// The template of the output `x` of a workflow.
fn template(line: &str) -> (String, Template) {
    let text = format!(
        "version: '2.0'\nwf:\n  output:\n    x: {line}\n  tasks:\n    a: {{action: std.noop}}\n"
    );
    let parsed = parse(&text, "f.yaml");
    assert!(!parsed.has_errors(), "{:#?}", parsed.diagnostics);
    let Some(Template::Map(entries)) = &parsed.workflows[0].output else {
        panic!("the output is no mapping");
    };
    (text, entries[0].1.clone())
}

fn data() -> Value {
    serde_json::from_str(
        r#"{"name": "node-0", "password": "s3cret", "n": 3, "nodes": [{"a": 1}, {"a": 2}]}"#,
    )
    .unwrap()
}

fn evaluate(line: &str) -> Result<Value, ExpressionError> {
    with_budget(line, &Budget::default())
}

fn with_budget(line: &str, budget: &Budget) -> Result<Value, ExpressionError> {
    let data = data();
    template(line).1.evaluate(Scope {
        data: &data,
        host: &NoHost,
        budget,
    })
}

fn steps(line: &str) -> Vec<(usize, String, String)> {
    let data = data();
    let budget = Budget::default();
    let scope = Scope {
        data: &data,
        host: &NoHost,
        budget: &budget,
    };
    explain(&template(line).1, scope)
        .into_iter()
        .map(|step: Step| {
            let shown = step
                .result
                .map_or_else(|e| format!("error: {e}"), |v| v.to_string());
            (step.depth, step.source, shown)
        })
        .collect()
}

#[test]
fn one_jinja_expression_gives_its_value_and_more_give_text() {
    assert_eq!(evaluate("\"{{ _.n }}\"").unwrap(), Value::Int(3));
    assert_eq!(evaluate("\"{{ _.n }} \"").unwrap(), "3 ".into());
    assert_eq!(
        evaluate("\"{% if _.n > 2 %}big{% endif %}\"").unwrap(),
        "big".into()
    );
}

#[test]
fn what_is_not_touched_is_not_copied() {
    let data = data();
    let budget = Budget::default();
    let scope = Scope {
        data: &data,
        host: &NoHost,
        budget: &budget,
    };
    for line in [
        "\"{{ _.nodes }}\"",
        "\"{{ [_.nodes][0] }}\"",
        "\"{{ _.nodes | default([]) }}\"",
    ] {
        let value = template(line).1.evaluate(scope).unwrap();
        let (Value::List(given), Some(Value::List(known))) = (&value, data.get("nodes")) else {
            panic!("{value:?}");
        };
        assert!(std::sync::Arc::ptr_eq(given, known), "{line}");
    }
}

#[test]
fn errors_point_at_their_place_in_the_definition() {
    let line = "\"{{ _.name | upper }} and {{ _.nmae }}\"";
    let error = evaluate(line).unwrap_err();
    let (text, _) = template(line);
    assert_eq!(
        error.render(&text),
        "error: cannot evaluate {{ _.name | upper }} and {{ _.nmae }}: 'dict object' has no \
         attribute 'nmae'
 --> f.yaml:4:37
  |
4 |     x: \"{{ _.name | upper }} and {{ _.nmae }}\"
  |                                     ^^^^^^
"
    );
    let folded = ">-\n      {{ _.n }}\n      {{ 1 / 0 }}";
    let error = evaluate(folded).unwrap_err();
    assert_eq!((error.at.line, error.at.column), (6, 10));
    let yaql = evaluate("<% $.n + nope() %>").unwrap_err();
    assert_eq!((yaql.at.line, yaql.at.column), (4, 17));
    assert_eq!(yaql.location.column, 11);
}

#[test]
fn names_that_are_nearly_right_are_told() {
    for (line, meant) in [
        ("\"{{ rnge(3) }}\"", "`range`"),
        ("\"{{ _.name.uper() }}\"", "`upper`"),
        ("\"{{ _.nodes | sort(atribute='a') }}\"", "`attribute`"),
    ] {
        let error = evaluate(line).unwrap_err();
        assert!(error.message.contains(meant), "{error}");
    }
}

#[test]
fn errors_never_show_the_data() {
    for line in [
        "\"{{ _.password / 2 }}\"",
        "\"{{ _.password + 1 }}\"",
        "\"{{ _.password() }}\"",
        "\"{{ _.password.nope() }}\"",
        "\"{{ _[_.password][_.password].x }}\"",
        "\"{{ _.password | round }}\"",
        "\"{{ _.nodes | map(_.password) }}\"",
        "\"{{ '%d' % _.password }}\"",
        "\"{{ _.nodes | select(_.password) }}\"",
        "\"{{ _.password is divisibleby 2 }}\"",
        "\"{{ range(_.password) }}\"",
        "\"{{ _.nodes | map(attribute=_.password) | first }}\"",
        "\"{{ _.nodes | sort(attribute=_.password) }}\"",
        "\"{{ _.name | attr(_.password) }}\"",
        "\"{{ _.nodes | first(**{_.password: 1}) }}\"",
        "\"{{ _.nodes | map(**{'attribute': 'a', _.password: 1}) }}\"",
        "\"{{ _.password | tojson(_.password) }}\"",
        "\"{{ _.password % 1 }}\"",
        "\"{{ _.password.format() + 1 }}\"",
        "\"{{ _.password.index(_.password ~ 'x') }}\"",
    ] {
        let error = evaluate(line).unwrap_err();
        assert!(!error.message.contains("s3cret"), "{error}");
    }
}

#[test]
fn what_costs_too_much_is_refused() {
    let nested = format!("\"{{{{ {}1{} }}}}\"", "(".repeat(50), ")".repeat(50));
    assert_eq!(evaluate(&nested).unwrap(), Value::Int(1));
    for line in [
        "\"{{ 'x' * 10000000000 }}\"",
        "\"{{ [0] * 100000000 }}\"",
        "\"{{ 'x'.center(10000000000) }}\"",
        "\"{{ '%999999999d' % 1 }}\"",
        "\"{{ '{:>999999999}'.format(1) }}\"",
        "\"{{ range(100000000) }}\"",
        "\"{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}{% endfor %}{% endfor %}\"",
        "\"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}\"",
        "\"{{ 'x' | replace('', 'y' * 100000) | replace('y', 'z' * 100000) }}\"",
        "\"{{ 'a' | indent(10000000000) }}\"",
        "\"{{ 10 ** 10 ** 10 }}\"",
    ] {
        let budget = Budget {
            steps: 200_000,
            ..Budget::default()
        };
        let error = with_budget(line, &budget).unwrap_err();
        assert!(!error.message.is_empty(), "{line}");
    }
    let small = Budget {
        steps: 10,
        ..Budget::default()
    };
    let error = with_budget("\"{{ range(30) | map('abs') | list }}\"", &small).unwrap_err();
    assert!(error.message.contains("10 steps"), "{error}");
}

#[test]
fn what_nests_too_deep_is_no_jinja() {
    for inner in [
        "(".repeat(100_000),
        "[".repeat(100_000),
        "1+".repeat(100_000) + "1",
        "_".to_owned() + &".a".repeat(100_000),
        "1".to_owned() + &"|abs".repeat(100_000),
        "not ".repeat(100_000) + "1",
        "-".repeat(100_000) + "1",
    ] {
        assert!(ostro_lang::JinjaTemplate::parse(&format!("{{{{ {inner} }}}}")).is_err());
    }
    let blocks = "{% if 1 %}".repeat(10_000) + &"{% endif %}".repeat(10_000);
    assert!(ostro_lang::JinjaTemplate::parse(&blocks).is_err());
    let elif = "{% if 1 %}".to_owned() + &"{% elif 1 %}".repeat(10_000) + "{% endif %}";
    assert!(ostro_lang::JinjaTemplate::parse(&elif).is_err());
}

#[test]
fn names_that_a_template_uses_are_known_without_evaluating_it() {
    let template = ostro_lang::JinjaTemplate::parse(
        "{% set x = f(_.a) %}{{ x }}{{ _['b'].c }}{{ _.get('d') }}{% macro m() %}{% endmacro %}{{ m() }}",
    )
    .unwrap();
    let names = |found: Vec<(std::sync::Arc<str>, std::ops::Range<usize>)>| {
        found
            .into_iter()
            .map(|(name, _)| name.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(template.functions()), ["f"]);
    assert_eq!(names(template.variables()), ["a", "b", "d"]);
}

#[test]
fn every_part_of_an_expression_is_explained() {
    let of = |depth, source: &str, value: &str| (depth, source.to_owned(), value.to_owned());
    assert_eq!(
        steps("<% $.nodes.where($.a > 1).a + [$.n] %>"),
        [
            of(0, "$.nodes.where($.a > 1).a + [$.n]", "[2,3]"),
            of(1, "$.nodes.where($.a > 1).a", "[2]"),
            of(2, "$.nodes.where($.a > 1)", "[{\"a\":2}]"),
            of(3, "$.nodes", "[{\"a\":1},{\"a\":2}]"),
            of(3, "$.a > 1", "false"),
            of(4, "$.a", "1"),
            of(5, "$", "{\"a\":1}"),
            of(1, "[$.n]", "[3]"),
            of(2, "$.n", "3"),
        ]
    );
    let jinja = steps("\"{{ (_.n + 1) * 2 if _.x is defined or _.n else 0 }} x\"");
    let text: Vec<_> = jinja
        .iter()
        .map(|(_, source, value)| format!("{source} = {value}"))
        .collect();
    assert!(text.contains(&"(_.n + 1) * 2 = 8".to_owned()), "{text:#?}");
    assert!(text.contains(&"_.n + 1 = 4".to_owned()), "{text:#?}");
    assert!(
        text.contains(&"_.x is defined = false".to_owned()),
        "{text:#?}"
    );
    assert_eq!(text[0].split(" = ").last(), Some("\"8 x\""));
    let wrong = steps("\"{{ _.nope + 1 }}\"");
    assert!(
        wrong
            .iter()
            .any(|(_, source, value)| source == "_.nope" && value.starts_with("error"))
    );
}

#[test]
fn a_text_by_itself_is_a_template_with_places() {
    let budget = Budget::default();
    let data = data();
    let scope = Scope {
        data: &data,
        host: &NoHost,
        budget: &budget,
    };
    for (text, value) in [
        ("<% $.n + 1 %>", Value::Int(4)),
        ("{{ _.n + 1 }}", Value::Int(4)),
        ("n is <% $.n %>.", "n is 3.".into()),
        ("plain: [text", "plain: [text".into()),
    ] {
        let (template, found) = parse_template(text, "template");
        assert!(found.is_empty(), "{found:?}");
        assert_eq!(template.evaluate(scope).unwrap(), value, "{text}");
    }
    let text = "line one\nand <% $.n + %> more";
    let (_, found) = parse_template(text, "template");
    assert_eq!(
        found[0].render(text).lines().nth(1),
        Some(" --> template:2:13")
    );
    let text = "a\nb <% $.nn %>";
    let error = parse_template(text, "template")
        .0
        .evaluate(scope)
        .unwrap_err();
    assert_eq!((error.at.line, error.at.column), (2, 8));
    let (_, found) = parse_template(&"x".repeat(5 << 20), "template");
    assert_eq!(
        found[0].message,
        "the text has 5242880 bytes, more than 4194304"
    );
}
