//! Input that means harm gets a clear error, soon, and without much memory.

#![expect(
    clippy::unwrap_used,
    reason = "a test that can't go on is a failed one"
)]

use std::time::{Duration, Instant};

use ostro_yaql::{Budget, ErrorKind, Expression, NoHost, Value};

/// What is bounded takes seconds on the slowest machine; what is not, hours.
const LIMIT: Duration = Duration::from_mins(2);

fn kind(source: &str, data: &Value) -> Result<Value, ErrorKind> {
    let start = Instant::now();
    let result = Expression::parse(source)
        .and_then(|expression| expression.evaluate(data, &NoHost, &Budget::default()));
    let shown: String = source.chars().take(60).collect();
    assert!(
        start.elapsed() < LIMIT,
        "{shown} took {:?}",
        start.elapsed()
    );
    result.map_err(|error| {
        assert!(error.message.len() < 300, "{shown}: the message is short");
        error.kind
    })
}

/// The most memory that this process had, in bytes.
#[cfg(target_os = "linux")]
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<usize>()
        .unwrap()
        * 1024
}

#[test]
fn hostile_input_is_stopped_in_time() {
    use ErrorKind::{Arithmetic, IteratorLength, Memory, Steps, TooComplex, Value as BadValue};
    const DEEP: usize = 100_000;
    let null = Value::Null;
    let bounded: &[ErrorKind] = &[Steps, Memory, IteratorLength];
    let cases: Vec<(String, &[ErrorKind])> = vec![
        ("range(1000000000000).toList()".into(), bounded),
        ("range(pow(10, 12)).toList()".into(), bounded),
        (
            "range(900000).select(range(900000).sum()).sum()".into(),
            bounded,
        ),
        (
            "range(3000).select(range(3000).toList()).toList()".into(),
            bounded,
        ),
        ("[] * 9000000000000000000 + range(2000000)".into(), bounded),
        ("pow(99999999999, 99999999999)".into(), &[Arithmetic]),
        (
            "shiftBitsLeft(1, 99999999999)".into(),
            &[Arithmetic, BadValue],
        ),
        (
            "('x' * 100000000) + ('x' * 100000000) + ('x' * 100000000)".into(),
            bounded,
        ),
        ("'{:>999999999}'.format(1)".into(), bounded),
        ("'{:.999999999f}'.format(1.5)".into(), &[Memory, BadValue]),
        ("(".repeat(DEEP), &[TooComplex]),
        ("[".repeat(DEEP) + &"]".repeat(DEEP), &[TooComplex]),
        ("not ".repeat(DEEP) + "true", &[TooComplex]),
        ("a.f(".repeat(DEEP), &[TooComplex]),
        ("x".repeat(100 << 20), &[TooComplex]),
        (format!("'{}'", "x".repeat(100 << 20)), &[TooComplex]),
        (
            "regex('^(a+)+(?!x)$').matches('a' * 50 + b)".into(),
            bounded,
        ),
        ("regex('(a|a)*(?=b)c').search('a' * 5000)".into(), bounded),
        (
            "regex('((a{1,99}){1,99}){1,99}').matches(b)".into(),
            &[BadValue, Steps],
        ),
        (
            "regex('(x+x+)+y(?!z)').searchAll('x' * 100000)".into(),
            bounded,
        ),
    ];
    for (source, kinds) in cases {
        let shown: String = source.chars().take(60).collect();
        match kind(&source, &null) {
            Err(found) => assert!(kinds.contains(&found), "{shown}: {found:?}"),
            Ok(value) => panic!("{shown} gives {value:?}"),
        }
    }

    let text = Value::from("a,b ".repeat(25 << 20).as_str());
    for source in [
        "$.toCharArray()",
        "$.split(',')",
        "$ + $ + $ + $",
        "$.replace(a, 'a much longer text than it was before')",
        "regex('a').searchAll($)",
        "[1, 2, 3].select($.toUpper())",
        "str([$, $, $, $])",
        "$ * 10",
    ] {
        let found = kind(source, &text);
        let stopped = matches!(found, Err(Memory | Steps | IteratorLength));
        assert!(
            stopped || source.contains("select"),
            "{source}: {:?}",
            found.err()
        );
    }
    for source in [
        "$.len()",
        "$.startsWith(b)",
        "x in $",
        "$ =~ 'z'",
        "$.indexOf(z)",
    ] {
        assert!(kind(source, &text).is_ok(), "{source}");
    }
    #[cfg(target_os = "linux")]
    assert!(peak() < 1 << 30, "the peak is {} MiB", peak() >> 20);
}
