//! What keeps an expression from taking the machine with it.

#![expect(
    clippy::unwrap_used,
    reason = "a test that can't go on is a failed one"
)]

use ostro_yaql::{Budget, ErrorKind, Expression, NoHost, Value};

fn evaluate(source: &str, budget: &Budget) -> Result<Value, ErrorKind> {
    Expression::parse(source)
        .and_then(|expression| expression.evaluate(&Value::Null, &NoHost, budget))
        .map_err(|error| error.kind)
}

fn kind(source: &str) -> ErrorKind {
    let budget = Budget {
        steps: 2_000_000,
        iterator_length: 100_000,
        ..Budget::default()
    };
    evaluate(source, &budget).unwrap_err()
}

#[test]
fn each_bound_has_its_own_error() {
    let bounds = Budget {
        steps: 1000,
        iterator_length: 100,
        memory: 10_000,
        depth: 30,
    };
    let kind = |source| evaluate(source, &bounds).unwrap_err();
    assert_eq!(
        kind("range(90).select(range(90).len()).sum()"),
        ErrorKind::Steps
    );
    assert_eq!(kind("range(101).len()"), ErrorKind::IteratorLength);
    assert_eq!(kind("'abcdefgh' * 5000"), ErrorKind::Memory);
    assert_eq!(kind("def(f, f($)) -> f(1)"), ErrorKind::Depth);
    assert!(evaluate("range(100).len()", &bounds).is_ok());
}

#[test]
fn endless_iterators_end() {
    for source in [
        "sequence()",
        "1.repeat()",
        "[1].cycle()",
        "generate(0, true, $ + 1)",
    ] {
        assert_eq!(kind(source), ErrorKind::IteratorLength, "{source}");
    }
    assert_eq!(kind("generateMany(1, [$, $])"), ErrorKind::IteratorLength);
    assert_eq!(
        kind("[].cycle().len() + range(9000000000).len()"),
        ErrorKind::IteratorLength
    );
}

#[test]
fn what_grows_is_stopped() {
    // Doubling, by sharing: small to build, huge to write out.
    assert!(matches!(
        kind("range(100).aggregate([$1, $1], 1)"),
        ErrorKind::Steps | ErrorKind::Memory
    ));
    assert!(matches!(
        kind(
            "let(a => range(100).aggregate([$1, $1], 1)) -> $a = range(100).aggregate([$1, $1], 1)"
        ),
        ErrorKind::Steps | ErrorKind::Memory
    ));
    assert!(matches!(
        kind("[range(100).aggregate([$1, $1], 1)].toSet().len()"),
        ErrorKind::Steps | ErrorKind::Memory
    ));
    assert!(matches!(
        kind("str(range(100).aggregate([$1, $1], 1))"),
        ErrorKind::Steps | ErrorKind::Memory
    ));
    assert_eq!(
        kind("range(100).aggregate($1 + $1, 'x')"),
        ErrorKind::Memory
    );
    assert_eq!(kind("'x' * 9000000000000000000"), ErrorKind::Memory);
    assert_eq!(kind("[1] * 9000000000000000000"), ErrorKind::Memory);
    assert_eq!(
        kind("'aaaa'.replace(a, 'x' * 100000000)"),
        ErrorKind::Memory
    );
    assert_eq!(kind("'{:999999999999}'.format(1)"), ErrorKind::Memory);
    assert_eq!(
        kind("range(90000).select(range(90000).len()).sum()"),
        ErrorKind::Steps
    );
}

#[test]
fn values_nest_only_so_deep() {
    for source in [
        "range(100000).aggregate([$1], 0)",
        "range(100000).aggregate({a => $1}, 0)",
        "range(100000).aggregate(set($1), 0)",
        "range(100000).aggregate($1.select($), [])",
        "range(100000).aggregate($1.orderBy($), [])",
        "range(100000).aggregate(let(x => $1), 0)",
        "range(100000).aggregate($1.concat([1]), [])",
        "range(100000).aggregate($1.memorize().select($), [])",
        "range(100000).aggregate($1.enumerate(), [])",
        "range(100000).aggregate([$1].zip([1]), [])",
    ] {
        assert_eq!(kind(source), ErrorKind::Depth, "{source}");
    }
}

#[test]
fn calls_nest_as_deep_as_the_default_says_in_a_thread_of_two_mebibytes() {
    let run = || {
        kind("def(f, [1].select([f($ + 1)]).toList()) -> f(1)");
        kind("def(f, switch(true => coalesce(null, f($ + 1)))) -> f(1)");
        kind("def(f, [1, 2].orderBy(f($ + 1)).first()) -> f(1)");
        kind("def(f, {a => 1}.mergeWith({a => 2}, itemMerger => f(1))) -> f(1)");
        kind("def(f, regex('.').replaceBy(abc, f(1))) -> f(1)");
        kind("def(f, [1, 2].groupBy(f($), $, f($)).toDict(f($))) -> f(1)")
    };
    let thread = std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(run)
        .unwrap();
    assert_eq!(thread.join().unwrap(), ErrorKind::Depth);
}

#[test]
fn sources_nest_only_so_deep() {
    let deep = 100_000;
    for source in [
        "(".repeat(deep),
        "[".repeat(deep),
        "{".repeat(deep),
        "f(".repeat(deep),
        "- ".repeat(deep) + "1",
        "not ".repeat(deep) + "1",
        "1 -> ".repeat(deep) + "1",
        "a[".repeat(deep),
        "a.f(".repeat(deep),
        "(".repeat(deep) + "1" + &")".repeat(deep),
    ] {
        let error = Expression::parse(&source).unwrap_err();
        assert_eq!(error.kind, ErrorKind::TooComplex, "{}", &source[..10]);
    }
    let long = format!("'{}'", "x".repeat(2 << 20));
    assert_eq!(
        Expression::parse(&long).unwrap_err().kind,
        ErrorKind::TooComplex
    );
}

#[test]
fn long_chains_are_no_deep_ones() {
    let sum = "1".to_owned() + &" + 1".repeat(50_000);
    assert_eq!(evaluate(&sum, &Budget::default()), Ok(Value::Int(50_001)));
    let dots = "1".to_owned() + &".a".repeat(50_000);
    assert_eq!(kind(&dots), ErrorKind::UnknownAttribute);
    let calls = "[]".to_owned() + &".select($)".repeat(50_000);
    assert_eq!(kind(&calls), ErrorKind::Depth);
    let calls = "'x'".to_owned() + &".trim()".repeat(50_000);
    assert_eq!(evaluate(&calls, &Budget::default()), Ok(Value::from("x")));
}

#[test]
fn deep_data_is_compared_and_written_without_a_stack_overflow() {
    let mut data = Value::Int(1);
    for _ in 0..120 {
        data = Value::from(vec![data]);
    }
    let same = Expression::parse("[$ = $, [$].toSet().len(), str($).len() > 0]").unwrap();
    let result = same.evaluate(&data, &NoHost, &Budget::default()).unwrap();
    assert_eq!(result.to_string(), "[true,1,true]");
}
