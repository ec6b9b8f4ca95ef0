//! Calls that can't work are found without evaluating them, and no others.

#![expect(
    clippy::unwrap_used,
    reason = "a test that can't go on is a failed one"
)]

use ostro_yaql::{
    CallStyle, ErrorKind, Expression, HostFunction, Span, check, is_library_function, signatures,
};

const HOST: [HostFunction<'_>; 3] = [
    HostFunction {
        name: "task",
        parameters: &["task_name"],
        required: 0,
    },
    HostFunction {
        name: "env",
        parameters: &[],
        required: 0,
    },
    HostFunction {
        name: "json_parse",
        parameters: &["json_string", "strict"],
        required: 1,
    },
];

/// The place, message and hint of each problem.
fn problems(source: &str) -> Vec<String> {
    let expression = Expression::parse(source).unwrap();
    let problems = check(&expression, &HOST).into_iter();
    problems
        .map(|p| {
            let hint = p.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            format!("{}: {}{hint}", &source[p.span.start..p.span.end], p.message)
        })
        .collect()
}

#[test]
fn what_can_work_is_left_alone() {
    for source in [
        "$.nodes.where($.state = up).select($.name).len()",
        "task(a).result.unknown + env().x",
        "json_parse('1', strict => true)",
        "def(twice, $ * 2) -> twice(3)",
        "def($.name, $) -> anything(3)",
        "switch($.a => 1, true => 2)",
        "dict(a => 1, $.b => 2).set(c => 3)",
        "let(2, a => 1) -> $a",
        "$.text.replace(a, b).split(',', 1)",
        "[1].groupBy($, aggregator => $.sum())",
        "null?.len()",
    ] {
        assert_eq!(problems(source), [""; 0], "{source}");
    }
}

#[test]
fn names_that_do_not_exist_are_found_with_what_was_meant() {
    assert_eq!(
        problems("$.nodes.wher($.x = 1) + tsk(a)"),
        [
            "wher: unknown method `wher`; did you mean `where`?",
            "tsk: unknown function `tsk`; did you mean `task`?"
        ]
    );
    assert_eq!(
        problems("where($, true)"),
        ["where: unknown function `where`; `where` is a method: call it as `value.where(…)`"]
    );
}

#[test]
fn arguments_that_nothing_takes_are_found() {
    assert_eq!(
        problems("$.a.where() + $.b.first(1, 2)"),
        [
            "where: no method `where` takes these arguments; there is `where(predicate)`",
            "first: no method `first` takes these arguments; there is `first([default])`"
        ]
    );
    assert_eq!(
        problems("range(a)"),
        [
            "range: no function `range` takes these arguments; there is `range(stop)` or \
             `range(start, stop, [step])`"
        ]
    );
    assert_eq!(
        problems("'abc'.where(true)"),
        [
            "where: no method `where` takes these arguments; there is `where(predicate)`; it is \
             called on a value of type string"
        ]
    );
    assert_eq!(
        problems("$.a.orderBy(selectr => $)").len(),
        1,
        "an unknown name of an argument"
    );
}

#[test]
fn functions_of_the_host_are_held_against_their_parameters() {
    assert_eq!(
        problems("env(1)"),
        ["env: `env` takes at most 0 arguments, and gets 1; it is called as `env()`"]
    );
    assert_eq!(
        problems("task(tsk_name => a)"),
        ["task: `task` has no argument `tsk_name`; did you mean `task_name`?"]
    );
    assert_eq!(
        problems("task(a, task_name => b)"),
        [
            "task: argument `task_name` of `task` is given twice; it is called as \
             `task(task_name)`"
        ]
    );
    assert_eq!(
        problems("json_parse()"),
        [
            "json_parse: `json_parse` needs its argument `json_string`; it is called as \
             `json_parse(json_string, strict)`"
        ]
    );
}

#[test]
fn problems_are_of_the_kind_that_evaluation_would_fail_with() {
    let kinds = |source: &str| {
        let problems = check(&Expression::parse(source).unwrap(), &HOST).into_iter();
        problems.map(|p| p.kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds("nothing()"), [ErrorKind::UnknownFunction]);
    assert_eq!(kinds("$.nothing()"), [ErrorKind::UnknownMethod]);
    assert_eq!(kinds("len()"), [ErrorKind::NoMatch]);
}

#[test]
fn calls_are_listed_with_their_arguments() {
    let expression = Expression::parse("task(x).where($ > 1, a => len($), b => 2)").unwrap();
    let calls = expression.calls();
    let told: Vec<_> = calls
        .iter()
        .map(|c| (c.name, c.style, c.positional, &c.keywords[..]))
        .collect();
    assert_eq!(
        told,
        [
            ("task", CallStyle::Function, 1, &[][..]),
            ("where", CallStyle::Method, 1, &["a", "b"]),
            ("len", CallStyle::Function, 1, &[]),
        ]
    );
    assert_eq!(calls[0].whole, Span::new(0, 7));
}

#[test]
fn the_corpus_has_no_problem_but_a_slip_of_its_authors() {
    let host =
        ["execution", "json_pp", "yaml_dump", "yaml_parse", "tag"].map(|name| HostFunction {
            name,
            parameters: &["a"],
            required: 0,
        });
    let host: Vec<_> = HOST.into_iter().chain(host).collect();
    for source in include_str!("corpus.txt")
        .lines()
        .filter(|l| !l.starts_with('#'))
    {
        let found = check(&Expression::parse(source).unwrap(), &host);
        assert!(found.is_empty(), "{source}: {found:?}");
    }
}

#[test]
fn the_table_of_signatures_is_whole() {
    let all = signatures();
    assert!(all.len() > 150, "{}", all.len());
    for signature in all {
        assert!(is_library_function(signature.name));
        assert!(signature.is_function || signature.is_method);
    }
}
