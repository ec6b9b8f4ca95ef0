//! The library as its callers use it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ostro_core::{Map, Value};
use ostro_lang::{
    ActionCatalogue, ActionParameter, Budget, Code, Definitions, InputProblem, NoHost, Scope,
    Template, Workflow, bind_input, check, invalid_input, parse,
};

const BOOK: &str = "\
version: '2.0'
name: book.v1
workflows:
  main:
    input: [nodes, queue: tripleo, nothing: null]
    vars: {greeting: 'hello <% $.name %>', count: <% $.nodes.len() %>, list: [1, <% $.name %>]}
    tasks:
      a: {workflow: sub, on-success: b}
      b: {action: say}
  sub:
    tasks: {a: {action: std.noop}}
actions:
  say: {base: std.echo, base-input: {output: hi}}
";

const OTHER: &str = "\
version: '2.0'
sub: {tasks: {a: {action: std.noop}}}
say: {base: std.noop}
";

struct NoActions;

impl ActionCatalogue for NoActions {
    fn parameters(&self, _: &str) -> Option<Vec<ActionParameter>> {
        None
    }
}

fn definitions(texts: &[&str]) -> Definitions {
    texts
        .iter()
        .enumerate()
        .map(|(index, text)| parse(text, &format!("{index}.yaml")))
        .collect()
}

#[test]
fn names_lead_to_the_same_workbook_first() {
    let definitions = definitions(&[BOOK, OTHER]);
    assert!(!definitions.has_errors(), "{:?}", definitions.diagnostics());
    let main = definitions.workflow("book.v1.main").unwrap();
    let sub = definitions.workflow("sub").unwrap();
    assert_eq!(
        &*definitions.resolve("sub", main, "").unwrap().name,
        "book.v1.sub"
    );
    assert_eq!(
        &*definitions.resolve("book.v1.sub", main, "").unwrap().name,
        "book.v1.sub"
    );
    assert_eq!(&*definitions.resolve("sub", sub, "").unwrap().name, "sub");
    assert!(definitions.resolve("nobody", main, "").is_none());
    assert_eq!(
        &*definitions.action("say", main).unwrap().name,
        "book.v1.say"
    );
    assert_eq!(&*definitions.action("say", sub).unwrap().name, "say");
}

#[test]
fn a_namespace_goes_before_the_default_one_and_is_filled_up_from_it() {
    const OWN: &str = "\
version: '2.0'
own: {tasks: {a: {action: say}, b: {workflow: sub}, c: {workflow: unknown}}}
sub: {tasks: {a: {action: std.noop}}}
";
    let mut definitions = definitions(&[OTHER]);
    definitions.add_to("site", parse(OWN, "own.yaml"));
    // The two of one name are no duplicates.
    assert!(!definitions.has_errors(), "{:?}", definitions.diagnostics());
    assert!(definitions.workflow("own").is_none());
    let own = definitions.workflow_in("site", "own").unwrap();
    let namespace = |workflow: Option<Arc<Workflow>>| workflow.unwrap().namespace.to_string();
    assert_eq!(namespace(definitions.resolve("sub", own, "site")), "site");
    assert_eq!(namespace(definitions.resolve("sub", own, "")), "");
    assert_eq!(&*definitions.action("say", own).unwrap().namespace, "");
    let found = check(&definitions, &NoActions);
    let messages: Vec<_> = found.iter().map(|found| &*found.message).collect();
    assert!(
        messages.contains(&"there is no workflow `unknown`"),
        "{messages:?}"
    );
    assert!(
        !messages.iter().any(|message| message.contains("`sub`")),
        "{messages:?}"
    );
}

#[test]
fn a_second_definition_of_a_name_is_an_error_that_shows_the_first() {
    let definitions = definitions(&[BOOK, OTHER, OTHER]);
    let found: Vec<_> = definitions
        .diagnostics()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        found,
        [
            "error[E0501]: there is a second workflow `sub`",
            "error[E0501]: there is a second ad-hoc action `say`",
        ]
    );
    let hint = definitions.diagnostics()[0].hint.as_deref();
    assert_eq!(hint, Some("the first is at 1.yaml:2:1"));
    assert_eq!(
        definitions.diagnostics()[0].location.to_string(),
        "2.yaml:2:1"
    );
}

#[test]
fn input_is_bound_to_what_the_workflow_takes() {
    let definitions = definitions(&[BOOK]);
    let main = definitions.workflow("book.v1.main").unwrap();
    let given: Map = [("nodes".into(), Value::from(1_i64))].into_iter().collect();
    let bound = Value::from(bind_input(main, &given).unwrap());
    assert_eq!(
        bound.to_string(),
        r#"{"nodes":1,"queue":"tripleo","nothing":null}"#
    );

    let given: Map = [("node".into(), Value::Null), ("zzz".into(), Value::Null)]
        .into_iter()
        .collect();
    let problems = bind_input(main, &given).unwrap_err();
    assert_eq!(
        problems,
        [
            InputProblem::Missing {
                name: "nodes".into()
            },
            InputProblem::Unexpected {
                name: "node".into(),
                meant: Some("nodes".into())
            },
            InputProblem::Unexpected {
                name: "zzz".into(),
                meant: None
            },
        ]
    );
    assert_eq!(
        invalid_input(main, &problems),
        "Invalid input [name=main, class=DirectWorkflowSpec, missing=['nodes'], \
         unexpected=['node', 'zzz']]"
    );
}

#[test]
fn templates_are_evaluated_in_their_scope() {
    let definitions = definitions(&[BOOK]);
    let main = definitions.workflow("book.v1.main").unwrap();
    let data: Value = serde_json::from_str(r#"{"name": ["it's"], "nodes": [1, 2]}"#).unwrap();
    let budget = Budget::default();
    let scope = Scope {
        data: &data,
        host: &NoHost,
        budget: &budget,
    };
    let vars = main.vars.as_ref().unwrap();
    assert!(matches!(vars, Template::Map(_)));
    assert_eq!(
        vars.evaluate(scope).unwrap().to_string(),
        r#"{"greeting":"hello [\"it's\"]","count":2,"list":[1,["it's"]]}"#
    );
}

#[test]
fn the_definition_is_kept_with_what_mistral_adds() {
    let definitions = definitions(&[BOOK]);
    let sub = definitions.workflow("book.v1.sub").unwrap();
    let wanted: Value = serde_json::from_str(
        r#"{"name": "sub", "version": "2.0", "tasks":
            {"a": {"action": "std.noop", "name": "a", "type": "direct", "version": "2.0"}}}"#,
    )
    .unwrap();
    assert_eq!(sub.definition, wanted);
}

#[test]
fn carets_stand_under_what_they_mean() {
    let text = format!(
        "version: '2.0'\nwf: {{tasks: {{a: {{{} actoin: x}}}}}}\n",
        " ".repeat(300)
    );
    let parsed = parse(&text, "f.yaml");
    let shown = parsed.diagnostics[0].render(&text);
    let lines: Vec<_> = shown.lines().collect();
    let at = lines[4].chars().position(|c| c == '^').unwrap();
    let under: String = lines[3].chars().skip(at).take(6).collect();
    assert_eq!(under, "actoin", "{shown}");
    assert!(lines[3].chars().count() < 200, "{shown}");

    let hostile = "version: '2.0'\nwf: {tasks: {a: {x: \"\u{1b}[2J\"}}}\n";
    let parsed = parse(hostile, "f.yaml");
    assert!(parsed.has_errors());
    assert!(
        parsed
            .diagnostics
            .iter()
            .all(|d| !d.render(hostile).contains('\u{1b}'))
    );
}

#[test]
fn every_code_has_its_letter_and_an_explanation() {
    let mut seen = std::collections::HashSet::new();
    for code in Code::ALL {
        assert!(seen.insert(code.as_str()), "{code} is taken twice");
        let letter = if code.severity() == ostro_lang::Severity::Error {
            'E'
        } else {
            'W'
        };
        assert!(code.as_str().starts_with(letter), "{code}");
        assert!(
            code.explanation().ends_with('.'),
            "{code}: {}",
            code.explanation()
        );
    }
}

/// A workflow of `count` tasks in a row, each with an input, an expression and a condition.
fn long_workflow(count: usize) -> String {
    let mut text = String::from("version: '2.0'\nwf:\n  input: [x]\n  tasks:\n");
    for index in 0..count {
        let next = index + 1;
        writeln!(
            text,
            "    task_{index}:\n      action: std.echo output=\"<% $.x %> and {index}\"\n      \
             publish:\n        y_{index}: <% task().result.where($.a = 1).select($.b) %>\n      \
             retry: {{count: 3, delay: <% $.delay %>}}\n      on-success:\n        \
             - task_{next}: <% $.x != null and $.y_{index} > 3 %>"
        )
        .unwrap();
    }
    writeln!(text, "    task_{count}: {{action: std.noop, join: all}}").unwrap();
    text
}

#[test]
fn parsing_takes_time_in_proportion_to_the_text() {
    let text = long_workflow(5_000);
    let start = Instant::now();
    let parsed = parse(&text, "long.yaml");
    let took = start.elapsed();
    assert!(!parsed.has_errors(), "{:?}", parsed.diagnostics.first());
    assert_eq!(parsed.workflows[0].tasks.len(), 5_001);
    // Unoptimised on a busy machine this takes about a second; squared, it would take hours.
    assert!(took < Duration::from_mins(2), "{took:?}");
}

#[test]
fn hostile_texts_end_soon() {
    let start = Instant::now();
    for text in [
        format!(
            "version: '2.0'\nwf: {{tasks: {{a: {{action: '{}'}}}}}}",
            "<%".repeat(500_000)
        ),
        format!(
            "version: '2.0'\nwf: {{tasks: {{a: {{action: 'a {}'}}}}}}",
            "a=<%".repeat(250_000)
        ),
        format!(
            "version: '2.0'\nwf: {{description: [{}]}}",
            "'<% é %>',".repeat(100_000)
        ),
        format!(
            "version: '2.0'\nwf: {{vars: {{a: [{}]}}}}",
            "'<% é %>',".repeat(50_000)
        ),
        format!("version: '2.0'\nwf: {{tags: [{}]}}", "a,".repeat(150_000)),
        format!(
            "version: '2.0'\nwf: {{vars: {{a: '{}'}}}}",
            "<% ( %> ".repeat(50_000)
        ),
        format!("{{{}", "a: {".repeat(200_000)),
        "!!str ".repeat(200_000),
        "\u{e400}*".repeat(200_000),
    ] {
        parse(&text, "f.yaml");
    }
    assert!(
        start.elapsed() < Duration::from_mins(5),
        "{:?}",
        start.elapsed()
    );
}
