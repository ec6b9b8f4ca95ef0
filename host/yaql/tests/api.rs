//! The crate as its users see it.

#![expect(
    clippy::unwrap_used,
    reason = "a test that can't go on is a failed one"
)]

use ostro_yaql::{Budget, ErrorKind, Expression, Host, NoHost, Role, Span, Value};

/// A host that answers with what it was asked.
struct Echo;

impl Host for Echo {
    fn call(
        &self,
        name: &str,
        args: &[Value],
        kwargs: &[(&str, Value)],
    ) -> Option<Result<Value, String>> {
        match name {
            "task" => Some(Ok(Value::from_iter([
                ("args", Value::from(args.to_vec())),
                (
                    "kwargs",
                    kwargs.iter().map(|(k, v)| (*k, v.clone())).collect(),
                ),
            ]))),
            "broken" => Some(Err("out of order".to_owned())),
            // Hosts come before the library.
            "len" => Some(Ok(Value::from("mine"))),
            _ => None,
        }
    }

    fn functions(&self) -> &[&str] {
        &["broken", "len", "task"]
    }

    fn now_millis(&self) -> i64 {
        1_577_934_245_678
    }

    fn random(&self) -> Option<f64> {
        Some(0.5)
    }
}

fn evaluate(source: &str) -> Result<String, (ErrorKind, String)> {
    let data: Value = serde_json::from_str(r#"{"a": {"b": [1, 2]}, "n": null}"#).unwrap();
    Expression::parse(source)
        .and_then(|expression| expression.evaluate(&data, &Echo, &Budget::default()))
        .map(|value| value.to_string())
        .map_err(|error| (error.kind, error.to_string()))
}

#[test]
fn the_host_gets_arguments_as_json_values() {
    assert_eq!(
        evaluate("task(name, $.a.b.select($ + 1), flat => true)").unwrap(),
        r#"{"args":["name",[2,3]],"kwargs":{"flat":true}}"#
    );
    assert_eq!(evaluate("task().args").unwrap(), "[]");
    assert_eq!(evaluate("len(1)").unwrap(), r#""mine""#);
    assert_eq!(evaluate("$.a.b.len()").unwrap(), "2");
    assert_eq!(
        evaluate("1 + broken()").unwrap_err(),
        (
            ErrorKind::Host,
            "broken: out of order, at offset 4".to_owned()
        )
    );
}

#[test]
fn time_and_chance_come_from_the_host() {
    assert_eq!(
        evaluate("now()").unwrap(),
        r#""2020-01-02T03:04:05.678000""#
    );
    assert_eq!(evaluate("random()").unwrap(), "0.5");
    assert_eq!(evaluate("random(1, 10)").unwrap(), "6");
}

#[test]
fn errors_say_where_in_bytes() {
    let at = |source: &str| {
        let error = Expression::parse(source)
            .and_then(|e| e.evaluate(&Value::Null, &NoHost, &Budget::default()))
            .unwrap_err();
        source[error.span.start..error.span.end].to_owned()
    };
    assert_eq!(at("1 + nothing(2)"), "nothing");
    assert_eq!(at("[1, 2].select($.foo)"), "foo");
    assert_eq!(at("'ü' + [1][5]"), "[1][5]");
    assert_eq!(at("1 + 2 ? 3"), "?");
    assert_eq!(at("let(a => 1) -> 1 / 0"), "1 / 0");
    assert_eq!(at("{a => 1, b}"), "}");
    assert_eq!(at("[1, {b}]"), "b");
    assert_eq!(at("f(a => 1, a => 2)"), "f");
    assert_eq!(at("let(a => 1, a => 2)"), "a");
}

#[test]
fn functions_are_listed_with_their_place() {
    let expression = Expression::parse("task(x).result.where(len($) > 1)").unwrap();
    let functions: Vec<_> = expression.functions().collect();
    assert_eq!(
        functions,
        [
            ("task", Span::new(0, 4)),
            ("len", Span::new(21, 24)),
            ("where", Span::new(15, 20))
        ]
    );
}

#[test]
fn variables_are_listed_with_where_they_come_from() {
    let expression = Expression::parse(
        "let(x => $.first, y => 1) -> $.second.where($.not_data = $x and $z) + \
         $.get(third, $.fourth) + [$?.fifth, $[sixth], $[seventh, 1]]",
    )
    .unwrap();
    let found: Vec<_> = expression
        .variables()
        .iter()
        .map(|v| {
            assert_eq!(
                &expression.source()[v.span.start..v.span.end].trim_start_matches('$'),
                &v.name
            );
            (v.name.to_owned(), v.role)
        })
        .collect();
    let found: Vec<_> = found.iter().map(|(name, role)| (&**name, *role)).collect();
    assert_eq!(
        found,
        [
            ("first", Role::Key),
            ("second", Role::Key),
            ("x", Role::Bound),
            ("z", Role::Free),
            ("third", Role::OptionalKey),
            ("fourth", Role::Key),
            ("fifth", Role::OptionalKey),
            ("sixth", Role::Key),
            ("seventh", Role::OptionalKey),
        ]
    );
}

#[test]
fn what_positional_let_binds_is_no_data() {
    let expression = Expression::parse("let(1) -> $.x").unwrap();
    assert_eq!(expression.variables(), []);
    let expression = Expression::parse("$.list.unpack(a, b) -> $a + $.x").unwrap();
    let roles: Vec<_> = expression
        .variables()
        .iter()
        .map(|v| (v.name, v.role))
        .collect();
    assert_eq!(
        roles,
        [("list", Role::Key), ("a", Role::Bound), ("x", Role::Key)]
    );
}

#[test]
fn an_expression_is_shared_between_threads() {
    let expression = Expression::parse("$ + 1").unwrap();
    let threads: Vec<_> = (0..4)
        .map(|i| {
            let expression = expression.clone();
            std::thread::spawn(move || {
                expression
                    .evaluate(&Value::Int(i), &NoHost, &Budget::default())
                    .unwrap()
            })
        })
        .collect();
    let sums: Vec<_> = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect();
    assert_eq!(sums, [1, 2, 3, 4].map(|i: i64| Value::Int(i)));
}

#[test]
fn data_is_shared_with_the_result() {
    let list = Value::from(vec![Value::Int(1); 10]);
    let data = Value::from_iter([("list", list.clone())]);
    let result = Expression::parse("$.list")
        .unwrap()
        .evaluate(&data, &NoHost, &Budget::default())
        .unwrap();
    let (Value::List(given), Value::List(got)) = (&list, &result) else {
        panic!("{result}")
    };
    assert!(std::sync::Arc::ptr_eq(given, got));
}
