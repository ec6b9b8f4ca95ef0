//! Guests that misbehave: each is stopped with its own error, and nobody else is harmed.

use std::time::{Duration, Instant};

use ostro_core::Value;
use ostro_sandbox::{CallError, LimitKind, LoadedPack, Sandbox, SandboxConfig};

use crate::common::{call, call_in, context, hostile, json, load, types};

/// How a call has to end.
enum Ends {
    Well(&'static str),
    Limit(LimitKind),
    Trap(&'static str),
}

const ATTACKS: [(&str, &str, Ends); 20] = [
    ("loop_forever", "{}", Ends::Limit(LimitKind::Time)),
    ("sleep_for_a_day", "{}", Ends::Limit(LimitKind::Time)),
    (
        "send",
        r#"{"service": "baremetal", "method": "GET", "path": "/v1/nodes/slow", "headers": []}"#,
        Ends::Limit(LimitKind::Time),
    ),
    ("eat_memory", "{}", Ends::Limit(LimitKind::Memory)),
    (
        "call_host",
        r#"{"times": 1000000}"#,
        Ends::Limit(LimitKind::HostCalls),
    ),
    (
        "call_host",
        r#"{"times": 1001}"#,
        Ends::Limit(LimitKind::HostCalls),
    ),
    ("call_host", r#"{"times": 1000}"#, Ends::Well("1000")),
    (
        "panic",
        "{}",
        Ends::Trap("the component trapped: it panicked or aborted"),
    ),
    (
        "overflow_stack",
        "{}",
        Ends::Trap("the component trapped: "),
    ),
    (
        "broken_json",
        "{}",
        Ends::Trap("evil.attack.broken_json gave nonsense: result: not JSON text"),
    ),
    ("deep_json", r#"{"levels": 2}"#, Ends::Well("[[]]")),
    (
        "deep_json",
        r#"{"levels": 5000}"#,
        Ends::Trap("not JSON text: recursion limit"),
    ),
    ("many_values", r#"{"count": 3}"#, Ends::Well("[1,1,1,1]")),
    (
        "many_values",
        r#"{"count": 30000}"#,
        Ends::Limit(LimitKind::Output),
    ),
    (
        "broken_text",
        "{}",
        Ends::Trap("the component broke its contract: "),
    ),
    ("long_text", r#"{"bytes": 1}"#, Ends::Well("\"x\"")),
    (
        "long_text",
        r#"{"bytes": 70000}"#,
        Ends::Limit(LimitKind::Output),
    ),
    (
        "long_text",
        r#"{"bytes": 4000000}"#,
        Ends::Limit(LimitKind::Output),
    ),
    ("long_list", r#"{"count": 2}"#, Ends::Well("[7,7]")),
    (
        "long_list",
        r#"{"count": 500000}"#,
        Ends::Limit(LimitKind::Output),
    ),
];

async fn attack(pack: &LoadedPack, action: &str, input: &str, ends: &Ends) {
    let start = Instant::now();
    let result = call(pack, &format!("evil.attack.{action}"), input)
        .await
        .result;
    let took = start.elapsed();
    // Each ends by a limit of seconds; what none holds goes on for ever.
    assert!(took < Duration::from_mins(2), "{action} took {took:?}");
    match (ends, result) {
        (Ends::Well(expected), Ok(value)) => assert_eq!(value.to_string(), *expected, "{action}"),
        (Ends::Limit(kind), Err(CallError::Limit(limit))) => {
            assert_eq!(limit.kind, *kind, "{action}({input})");
        }
        (Ends::Trap(part), Err(CallError::Trap(message))) => {
            assert!(message.contains(part), "{action}: {message}");
        }
        (_, other) => panic!("{action}({input}) ended with {other:?}"),
    }
}

/// On one thread: an attack that kept it would keep the other execution from going on.
#[tokio::test(flavor = "current_thread")]
async fn each_attack_ends_with_its_own_error_while_another_execution_goes_on() {
    let (attacker, victim) = (load(hostile()), load(types()));
    let nodes =
        r#"{"nodes": [{"name": "a", "driver_info": {"b": [1]}, "ports": [], "boot": null}]}"#;
    for (action, input, ends) in &ATTACKS {
        let work = async {
            let mut soon = Instant::now();
            for turn in 0..20 {
                let result = call(&victim, "test.echo.of_nodes", nodes)
                    .await
                    .result
                    .unwrap();
                assert_eq!(Some(&result), json(nodes).get("nodes"));
                tokio::task::yield_now().await;
                // Not the last one: how long these take is the machine's affair.
                if turn == 4 {
                    soon = Instant::now();
                }
            }
            soon
        };
        let attack = async {
            attack(&attacker, action, input, ends).await;
            Instant::now()
        };
        let (ended, worked) = tokio::join!(attack, work);
        if matches!(ends, Ends::Limit(LimitKind::Time)) {
            assert!(worked < ended, "{action} kept another execution waiting");
        }
    }
}

#[tokio::test]
async fn many_attackers_at_once_leave_room_for_others() {
    let (attacker, victim) = (load(hostile()), load(types()));
    let attacks: Vec<_> = (0..12)
        .map(|index| {
            let attacker = attacker.clone();
            let (action, input, ends) = &ATTACKS[index % 6];
            tokio::spawn(async move { attack(&attacker, action, input, ends).await })
        })
        .collect();
    for _ in 0..50 {
        let greeting = call(&victim, "test.echo.greet", r#"{"name": "you"}"#)
            .await
            .result;
        assert_eq!(greeting, Ok(Value::from("hello you")));
    }
    for attack in attacks {
        attack.await.unwrap();
    }
}

#[tokio::test]
async fn the_timeout_of_a_task_holds_where_it_is_shorter() {
    let mut context = context();
    context.timeout = Some(Duration::from_millis(100));
    for action in ["evil.attack.sleep_for_a_day", "evil.attack.loop_forever"] {
        let result = call_in(&load(hostile()), action, "{}", &context)
            .await
            .result;
        let message = result.unwrap_err().to_string();
        assert!(
            message.starts_with("the action took too long: more than 100ms"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn input_past_its_limit_is_refused_before_the_component_starts() {
    let input = format!(r#"{{"message": "{}"}}"#, "x".repeat(65 << 10));
    let called = call(&load(hostile()), "evil.attack.log", &input).await;
    match called.result {
        Err(CallError::Limit(limit)) => assert_eq!(limit.kind, LimitKind::Input),
        other => panic!("{other:?}"),
    }
    assert_eq!(called.notes, "");
}

#[tokio::test]
async fn each_call_has_a_fresh_instance() {
    let pack = load(hostile());
    for _ in 0..3 {
        let result = call(&pack, "evil.attack.mark", "{}").await.result;
        assert_eq!(result, Ok(Value::from(0)));
    }
}

#[tokio::test]
async fn a_dropped_call_stops_the_guest_and_frees_its_slot() {
    let config = SandboxConfig {
        max_instances: 2,
        ..SandboxConfig::default()
    };
    let sandbox = Sandbox::new(config).unwrap();
    let pack = sandbox.load(hostile(), &hostile().manifest.grants).unwrap();
    for _ in 0..10 {
        let call = call(&pack, "evil.attack.sleep_for_a_day", "{}");
        assert!(
            tokio::time::timeout(Duration::from_millis(1), call)
                .await
                .is_err()
        );
    }
    let result = call(&pack, "evil.attack.mark", "{}").await.result;
    assert_eq!(result, Ok(Value::from(0)));
}
