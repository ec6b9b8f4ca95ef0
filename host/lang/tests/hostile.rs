//! Definitions and templates that mean harm get a clear error, soon, and without much memory.

#![expect(
    clippy::unwrap_used,
    reason = "a test that can't go on is a failed one"
)]

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ostro_lang::{
    ActionCatalogue, ActionParameter, Budget, Code, JinjaTemplate, LintOptions, NoHost, Report,
    Severity, format, lint,
};

/// What is bounded takes seconds on the slowest machine; what is not, hours.
const LIMIT: Duration = Duration::from_mins(2);

struct Nothing;

impl ActionCatalogue for Nothing {
    fn parameters(&self, _action: &str) -> Option<Vec<ActionParameter>> {
        None
    }

    fn names(&self) -> Vec<Arc<str>> {
        (0..1000)
            .map(|n| format!("std.action_{n}").into())
            .collect()
    }
}

/// The most memory that this process had, in bytes.
#[cfg(target_os = "linux")]
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<usize>().unwrap() * 1024
}

/// How long this thread has been computing, where the system tells: on a busy machine it may have
/// to wait, which is not its fault.
fn computing() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

fn in_time<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let (start, before) = (Instant::now(), computing());
    let result = run();
    let took = match (before, computing()) {
        (Some(before), Some(after)) => after.saturating_sub(before),
        _ => start.elapsed(),
    };
    assert!(took < LIMIT, "{what} took {took:?}");
    result
}

fn linted<'a>(what: &str, text: &'a str) -> Report<'a> {
    let options = LintOptions {
        unused: true,
        ..LintOptions::default()
    };
    let report = in_time(what, || lint(&[("f.yaml", text)], &Nothing, &options));
    let shown = in_time(what, || report.render());
    assert!(report.diagnostics.len() <= 2001, "{what}: too many");
    assert!(shown.len() < 4 << 20, "{what}: too much to read");
    in_time(what, || format(text).is_ok());
    report
}

/// `count` tasks, each written by `task`.
fn tasks(count: usize, task: impl Fn(usize) -> String) -> String {
    let mut text = String::from("version: '2.0'\nwf:\n  tasks:\n");
    for number in 0..count {
        writeln!(text, "    t{number}: {}", task(number)).unwrap();
    }
    text
}

#[test]
fn hostile_definitions_are_stopped_in_time() {
    const DEEP: usize = 100_000;
    let in_workflow = |value: &str| {
        format!(
            "version: '2.0'\nwf: {{tasks: {{a: {{action: std.noop, publish: {{x: {value}}}}}}}}}\n"
        )
    };
    let cases: Vec<(&str, String, Code)> = vec![
        ("lists in lists", "[".repeat(DEEP), Code::YamlLimit),
        ("lists in lines", "- ".repeat(DEEP), Code::YamlLimit),
        ("mappings in mappings", "{a: ".repeat(DEEP), Code::YamlLimit),
        ("keys in keys", "? ".repeat(DEEP), Code::YamlLimit),
        (
            "a flow list of values",
            format!("[{}]", "1,".repeat(300_000)),
            Code::YamlLimit,
        ),
        (
            "a list in a workflow",
            in_workflow(&format!("{}{}", "[".repeat(DEEP), "]".repeat(DEEP))),
            Code::YamlLimit,
        ),
        ("100 MB of spaces", " ".repeat(100 << 20), Code::YamlLimit),
        ("100 MB of text", "a: b\n".repeat(20 << 20), Code::YamlLimit),
        (
            "a bomb of aliases",
            {
                let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
                for n in 1..30 {
                    let alias = format!("*a{}, ", n - 1).repeat(9);
                    writeln!(text, "a{n}: &a{n} [{alias}]").unwrap();
                }
                text
            },
            Code::NotADefinition,
        ),
        (
            "100,000 tasks",
            tasks(DEEP, |n| {
                format!("{{action: std.noop, on-success: t{}}}", n + 1)
            }),
            Code::YamlLimit,
        ),
        (
            "a deep YAQL expression",
            in_workflow(&format!("<% {} %>", "(".repeat(DEEP))),
            Code::Yaql,
        ),
        (
            "a deep Jinja expression",
            in_workflow(&format!("\"{{{{ {} }}}}\"", "(".repeat(DEEP))),
            Code::Jinja,
        ),
        (
            "deep Jinja blocks",
            in_workflow(&format!("\"{}\"", "{% if 1 %}".repeat(DEEP))),
            Code::Jinja,
        ),
    ];
    for (what, text, code) in cases {
        let report = linted(what, &text);
        assert!(report.has_errors(), "{what}");
        let found = report.diagnostics.iter().find(|d| d.code == code);
        let found = found.unwrap_or_else(|| panic!("{what}: {}", report.render()));
        assert!(found.message.len() < 300, "{what}: the message is short");
    }
    #[cfg(target_os = "linux")]
    assert!(peak() < 1 << 30, "the peak is {} MiB", peak() >> 20);
}

#[test]
fn many_problems_are_counted_and_not_all_shown() {
    let long = "x".repeat(1000);
    let cases: Vec<(&str, String)> = vec![
        (
            "unknown keys",
            tasks(40_000, |n| format!("{{action: std.noop, acton{n}: x}}")),
        ),
        (
            "unknown tasks",
            tasks(40_000, |n| format!("{{on-success: u{n}}}")),
        ),
        (
            "tasks required in a circle",
            tasks(30_000, |n| format!("{{requires: t{}}}", (n + 1) % 30_000))
                .replace("wf:\n", "wf:\n  type: reverse\n"),
        ),
        (
            "unknown actions",
            tasks(30_000, |n| format!("{{action: std.axtion_{n}}}")),
        ),
        (
            "unknown workflows",
            tasks(30_000, |n| format!("{{workflow: flow_{n}}}")),
        ),
        (
            "unset variables",
            tasks(15_000, |n| format!("{{publish: {{x{n}: <% $.y{n} %>}}}}")),
        ),
        (
            "wrong expressions",
            tasks(30_000, |n| format!("{{publish: {{x{n}: '<% ( %>'}}}}")),
        ),
        (
            "unknown functions",
            tasks(30_000, |_| "{publish: {x: '<% nope() %>'}}".to_owned()),
        ),
        (
            "duplicate keys",
            format!("a: {{{}}}", "a: 1, ".repeat(90_000)),
        ),
        (
            "long duplicate keys",
            format!("a: {{{}}}", format!("{long}: 1, ").repeat(300)),
        ),
        (
            "merged mappings",
            format!(
                "a:\n  <<: {{{}}}\n",
                (0..90_000).fold(String::new(), |mut text, n| {
                    write!(text, "k{n}: 1, ").unwrap();
                    text
                })
            ),
        ),
        (
            "a wide fan",
            tasks(20_000, |n| match n {
                0 => {
                    let all: Vec<String> = (1..20_000).map(|n| format!("t{n}")).collect();
                    format!("{{on-success: [{}]}}", all.join(", "))
                }
                19_999 => "{join: all, publish: {y: <% $.x %>}}".to_owned(),
                n => format!("{{publish: {{x: {n}}}, on-success: t19999}}"),
            }),
        ),
        (
            "calls in one expression",
            tasks(1, |_| {
                format!(
                    "{{publish: {{x: '<% [{}] %>'}}}}",
                    "nope(), ".repeat(50_000)
                )
            }),
        ),
    ];
    for (what, text) in cases {
        let report = linted(what, &text);
        let (errors, warnings) = (
            report.count(Severity::Error),
            report.count(Severity::Warning),
        );
        assert!(errors + warnings > 0, "{what}");
        if errors >= 1000 || warnings > 1000 {
            let note = report.diagnostics.iter().find(|d| d.code == Code::TooMany);
            let note = note.unwrap_or_else(|| panic!("{what}: {errors} and {warnings}"));
            assert!(note.message.contains("more errors and warnings"), "{note}");
        }
    }
    #[cfg(target_os = "linux")]
    assert!(peak() < 1 << 30, "the peak is {} MiB", peak() >> 20);
}

#[test]
fn warnings_do_not_hide_errors() {
    let text = format!(
        "version: '2.0'\nwf:\n  vars: {{{}}}\n  tasks: {{a: {{acton: x}}}}\n",
        "a: 1, ".repeat(3000)
    );
    let report = linted("an error behind many warnings", &text);
    assert!(report.has_errors());
    let note = report.diagnostics.iter().find(|d| d.code == Code::TooMany);
    let message = "from here on 1999 more errors and warnings are not shown";
    assert_eq!(note.unwrap().message, message);
}

#[test]
fn hostile_templates_are_stopped_in_time() {
    for source in [
        "{{ range(10**9) | list }}",
        "{{ range(1000000000) }}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{{ a * b }}{% endfor %}{% endfor %}",
        "{{ 'x' * 10000000000 }}",
        "{{ ('x' * 100000000) ~ ('x' * 100000000) ~ ('x' * 100000000) }}",
        "{{ [[0] * 10000000] * 10000000 }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% macro f(n) %}{{ f(n + 1) }}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
        "{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{{ '%99999999999d' % 1 }}",
        "{{ '%.99999999999f' % 1.5 }}",
        "{{ '{:>99999999999}'.format(1) }}",
        "{{ 'x'.center(99999999999) }}",
        "{{ 'x'.zfill(99999999999) }}",
        "{{ 'x'.ljust(999999999) | length }}",
        "{{ 'a' | indent(99999999999) }}",
        "{{ 10 ** 10 ** 10 }}",
        "{{ 2 ** 99999999999 }}",
        "{{ ('ab' * 1000000) | replace('a', 'b' * 1000000) }}",
        "{{ ('ab' * 1000000).replace('', 'x' * 1000) }}",
        "{{ (['x' * 1000000] * 1000000) | join }}",
        "{{ (range(99999) | list) * 99999 }}",
        "{{ range(99999) | batch(1) | map('list') | map('tojson') | join * 99999 }}",
        "{% set x = 'x' * 1000000 %}{% for a in range(99999) %}{{ x }}{% endfor %}",
    ] {
        let result = in_time(source, || {
            JinjaTemplate::parse(source).and_then(|template| {
                template.evaluate(&ostro_core::Value::empty_map(), &NoHost, &Budget::default())
            })
        });
        let error = result.map(|value| value.kind()).expect_err(source);
        assert!(
            !error.message.is_empty() && error.message.len() < 300,
            "{source}: {error}"
        );
    }
    #[cfg(target_os = "linux")]
    assert!(peak() < 1 << 30, "the peak is {} MiB", peak() >> 20);
}

#[test]
fn places_are_right_whatever_ends_a_line() {
    for end in ["\n", "\r\n", "\r"] {
        let text = ["version: '2.0'", "wf:", "  tasks:", "    a: {acton: x}", ""].join(end);
        let report = linted("line ends", &text);
        let shown = report.render();
        assert!(shown.contains("f.yaml:4:9\n"), "{end:?}: {shown}");
        assert!(
            shown.contains("4 |     a: {acton: x}\n"),
            "{end:?}: {shown}"
        );
        let text = [
            "version: '2.0'",
            "wf:",
            "  tasks:",
            "    a:",
            "      action: std.echo",
            "        noop",
            "",
        ]
        .join(end);
        let shown = linted("folded lines", &text).render();
        assert!(shown.contains("`noop` is ignored"), "{end:?}: {shown}");
        assert!(shown.contains("f.yaml:6:9\n"), "{end:?}: {shown}");
    }
}
