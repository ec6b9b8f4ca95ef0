//! What is said where a limit is reached.

use std::fmt::Write as _;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::{Duration, Instant};

use ostro_server::LimitSettings;
use serde_json::json;

use crate::wire::{Answer, Wire};
use crate::world::World;

fn number(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap()
}

async fn world(limits: LimitSettings) -> World {
    World::set_up(|server| server.with_limits(limits)).await
}

#[track_caller]
fn is_refused(answer: &Answer, status: u16, limit: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(answer.fault().contains(limit), "{answer:?}");
    assert_eq!(
        answer.header("retry-after").is_some(),
        status == 429,
        "{answer:?}"
    );
}

/// An action that takes some time, and whose answer is waited for.
const SLOW: &str = r#"{"name": "std.echo", "input": {"output": 1, "delay": 600}, "params": {"run_sync": true, "save_result": false}}"#;

#[tokio::test]
async fn connections_past_the_limit_are_told_so_and_then_served() {
    let world = world(LimitSettings::default()).await;
    world.live.set_limits(LimitSettings {
        connections: number(3),
        ..LimitSettings::default()
    });
    let mut taken = Vec::new();
    // The world's own connection is one of them, if it is still open.
    loop {
        let mut wire = Wire::to(world.address()).await;
        let answer = wire.ask("GET", "/v2/workflows", "").await;
        if answer.status == 429 {
            is_refused(&answer, 429, "limits.connections");
            assert!(wire.is_closed().await);
            break;
        }
        assert_eq!(answer.status, 200, "{answer:?}");
        taken.push(wire);
        assert!(taken.len() <= 3);
    }
    assert!(taken.len() >= 2);
    taken.pop();
    for _ in 0..200 {
        let answer = Wire::to(world.address()).await.ask("GET", "/", "").await;
        if answer.status == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("there is room again, and nobody is let in");
}

#[tokio::test]
async fn requests_past_the_limit_are_told_so() {
    for (limits, limit) in [
        (
            LimitSettings {
                requests: number(2),
                ..LimitSettings::default()
            },
            "limits.requests",
        ),
        (
            LimitSettings {
                requests_of_project: number(2),
                ..LimitSettings::default()
            },
            "limits.requests_of_project",
        ),
    ] {
        let world = world(limits).await;
        let (mut one, mut two) = (
            Wire::to(world.address()).await,
            Wire::to(world.address()).await,
        );
        let refused = async {
            let mut wire = Wire::to(world.address()).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            wire.ask("GET", "/v2/workflows", "").await
        };
        let (one, two, refused) = tokio::join!(
            one.ask("POST", "/v2/action_executions", SLOW),
            two.ask("POST", "/v2/action_executions", SLOW),
            refused
        );
        assert_eq!((one.status, two.status), (201, 201), "{one:?} {two:?}");
        is_refused(&refused, 429, limit);
        assert!(
            !refused.fault().contains("project") || limit.contains("project"),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn a_project_makes_so_many_requests_a_second() {
    let world = world(LimitSettings::default()).await;
    world.live.set_limits(LimitSettings {
        rate_of_project: NonZeroU32::new(5),
        ..LimitSettings::default()
    });
    let mut wire = Wire::to(world.address()).await;
    let mut refused = 0;
    for _ in 0..20 {
        let answer = wire.ask("GET", "/v2/workflows", "").await;
        if answer.status == 429 {
            is_refused(&answer, 429, "limits.rate_of_project");
            refused += 1;
        }
    }
    assert!(refused >= 10, "{refused}");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(wire.ask("GET", "/v2/workflows", "").await.status, 200);
}

#[tokio::test]
async fn what_is_too_large_is_named() {
    let limits = LimitSettings {
        body_bytes: number(10_000),
        address_bytes: number(2_000),
        header_bytes: number(20_000),
        headers: number(20),
        ..LimitSettings::default()
    };
    let world = world(limits).await;
    let mut wire = Wire::to(world.address()).await;
    let body = "#".repeat(3_000_000);
    is_refused(
        &wire.ask("POST", "/v2/workflows", &body).await,
        413,
        "limits.body_bytes",
    );
    // All of it was read, so that the connection goes on.
    let path = format!("/v2/workflows?name={}", "a".repeat(2_000));
    is_refused(
        &wire.ask("GET", &path, "").await,
        414,
        "limits.address_bytes",
    );
    assert_eq!(wire.ask("GET", "/v2/workflows", "").await.status, 200);

    // A length that nobody announced.
    let mut chunked = String::from(
        "POST /v2/workflows HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    let chunk = format!("400\r\n{}\r\n", "#".repeat(0x400));
    chunked.push_str(&chunk.repeat(20));
    wire.write((chunked + "0\r\n\r\n").as_bytes())
        .await
        .unwrap();
    is_refused(&wire.answer().await.unwrap(), 413, "limits.body_bytes");

    for headers in [
        format!("a: {}\r\n", "b".repeat(30_000)),
        "a: b\r\n".repeat(30),
    ] {
        let mut wire = Wire::to(world.address()).await;
        let request = format!("GET / HTTP/1.1\r\nhost: here\r\n{headers}\r\n");
        wire.write(request.as_bytes()).await.unwrap();
        assert_eq!(wire.answer().await.unwrap().status, 431);
    }
}

#[tokio::test]
async fn bodies_are_bounded_together() {
    let limits = LimitSettings {
        bodies_bytes: number(50_000),
        ..LimitSettings::default()
    };
    let world = world(limits).await;
    let mut slow = Wire::to(world.address()).await;
    let head = "POST /v2/workflows HTTP/1.1\r\nhost: here\r\ncontent-length: 40001\r\n\r\n";
    slow.write(format!("{head}{}", "#".repeat(40_000)).as_bytes())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut wire = Wire::to(world.address()).await;
    let refused = wire.ask("POST", "/v2/workflows", &"#".repeat(20_000)).await;
    is_refused(&refused, 429, "limits.bodies_bytes");
    slow.write(b"#").await.unwrap();
    assert_eq!(slow.answer().await.unwrap().status, 400);
    assert_eq!(
        wire.ask("POST", "/v2/workflows", &"#".repeat(20_000))
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn who_is_slow_is_let_go_and_holds_up_nobody() {
    let limits = LimitSettings {
        header_time: Duration::from_millis(300),
        body_time: Duration::from_millis(300),
        requests: number(2),
        ..LimitSettings::default()
    };
    let world = world(limits).await;
    let (mut headers, mut bodies, mut silent) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..20 {
        let mut wire = Wire::to(world.address()).await;
        wire.write(b"GET /v2/workflows HTTP/1.1\r\nhost: he")
            .await
            .unwrap();
        headers.push(wire);
        let mut wire = Wire::to(world.address()).await;
        let head = b"POST /v2/workflows HTTP/1.1\r\nhost: here\r\ncontent-length: 100\r\n\r\nver";
        wire.write(head).await.unwrap();
        bodies.push(wire);
        silent.push(Wire::to(world.address()).await);
    }
    let began = Instant::now();
    let mut wire = Wire::to(world.address()).await;
    assert_eq!(wire.ask("GET", "/v2/workflows", "").await.status, 200);
    assert!(
        began.elapsed() < Duration::from_millis(250),
        "{:?}",
        began.elapsed()
    );
    for mut wire in bodies {
        is_refused(&wire.answer().await.unwrap(), 408, "limits.body_time");
    }
    for mut wire in headers.into_iter().chain(silent) {
        assert!(wire.is_closed().await);
    }
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn who_takes_nothing_in_is_let_go() {
    const ASKED: usize = 500_000;
    let limits = LimitSettings {
        stall_time: Duration::from_millis(300),
        ..LimitSettings::default()
    };
    let world = world(limits).await;
    let mut wire = Wire::to(world.address()).await;
    // More than fits between the two.
    let requests = "GET /v2/workflows HTTP/1.1\r\nhost: here\r\n\r\n".repeat(ASKED);
    let began = Instant::now();
    let sent = wire.write(requests.as_bytes()).await;
    assert!(sent.is_err(), "all of it was taken");
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn bombs_are_refused_at_once() {
    let world = World::new().await;
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let alias = format!("*a{}", level - 1);
        let aliases = vec![alias; 10].join(", ");
        writeln!(bomb, "a{level}: &a{level} [{aliases}]").unwrap();
    }
    let nested = "[".repeat(100_000);
    let closed = format!("{nested}{}", "]".repeat(100_000));
    let mapped = "{a: ".repeat(100_000);
    let dashes = "- ".repeat(100_000);
    let long = format!("[{}]", "1,".repeat(1_000_000));
    let mut wire = Wire::to(world.address()).await;
    for text in [&bomb, &nested, &closed, &mapped, &dashes, &long] {
        for path in [
            "/v2/workflows",
            "/v2/workbooks",
            "/v2/actions",
            "/v2/workflows/validate",
        ] {
            let began = Instant::now();
            let answer = wire.ask("POST", path, text).await;
            let took = began.elapsed();
            assert!(took < Duration::from_secs(2), "{path}: {took:?}");
            let reason = if path.ends_with("validate") {
                assert_eq!(answer.status, 200, "{answer:?}");
                assert_eq!(answer.json()["valid"], false, "{answer:?}");
                answer.json()["error"].as_str().unwrap().to_owned()
            } else {
                assert_eq!(answer.status, 400, "{path}: {answer:?}");
                answer.fault()
            };
            assert!(
                !reason.is_empty() && reason.len() < 20_000,
                "{}",
                reason.len()
            );
        }
        // The same as JSON.
        let body = format!("{{\"workflow_name\": \"bare\", \"input\": {text}}}");
        let answer = wire.ask("POST", "/v2/executions", &body).await;
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    let input = json!({ "output": { "a": "[".repeat(100_000) } });
    let body = json!({"workflow_name": "bare", "input": input.to_string()}).to_string();
    assert_eq!(wire.ask("POST", "/v2/executions", &body).await.status, 400);
}
