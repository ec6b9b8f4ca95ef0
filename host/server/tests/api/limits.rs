//! What is said where a limit is reached.

use std::fmt::Write as _;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::{Duration, Instant};

use ostro_server::LimitSettings;
use serde_json::json;

use crate::wire::{Answer, Wire};
use crate::world::{Gate, World, eventually};

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

/// An action whose answer is waited for.
const SLOW: &str = r#"{"name": "std.echo", "input": {"output": 1}, "params": {"run_sync": true, "save_result": false}}"#;

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
    eventually("the room of who has left", async || {
        let answer = Wire::to(world.address()).await.ask("GET", "/", "").await;
        answer.status == 200
    })
    .await;
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
        let gate = Gate::shut();
        let world = gate.world(|server| server.with_limits(limits)).await;
        let (mut one, mut two) = (
            Wire::to(world.address()).await,
            Wire::to(world.address()).await,
        );
        let refused = async {
            let mut wire = Wire::to(world.address()).await;
            gate.begun(2).await;
            let refused = wire.ask("GET", "/v2/workflows", "").await;
            gate.open();
            gate.open();
            refused
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
    let began = Instant::now();
    let (mut served, mut refused) = (0.0, 0);
    // However fast they come: a second's worth at once, and then so many a second.
    while refused < 20 {
        let answer = wire.ask("GET", "/v2/workflows", "").await;
        if answer.status == 429 {
            is_refused(&answer, 429, "limits.rate_of_project");
            refused += 1;
        } else {
            assert_eq!(answer.status, 200, "{answer:?}");
            served += 1.0;
        }
        let most = 5.0 + 5.0 * began.elapsed().as_secs_f64();
        assert!(served <= most, "{served} of {most}");
    }
    let answer = wire.ask("GET", "/v2/workflows", "").await;
    let wait = answer.header("retry-after").unwrap_or("0").parse();
    tokio::time::sleep(Duration::from_secs(wait.unwrap())).await;
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
    let mut wire = Wire::to(world.address()).await;
    // Once all of the other one is there.
    eventually("a refusal", async || {
        let refused = wire.ask("POST", "/v2/workflows", &"#".repeat(20_000)).await;
        if refused.status != 400 {
            is_refused(&refused, 429, "limits.bodies_bytes");
        }
        refused.status == 429
    })
    .await;
    slow.write(b"#").await.unwrap();
    assert_eq!(slow.answer().await.unwrap().status, 400);
    assert_eq!(
        wire.ask("POST", "/v2/workflows", &"#".repeat(20_000))
            .await
            .status,
        400
    );
}

/// Connections that begin a request and do not end it: in its headers, in its body, and before it
/// begins.
async fn slow(world: &World) -> [Vec<Wire>; 3] {
    let mut slow = [const { Vec::new() }; 3];
    let body = b"POST /v2/workflows HTTP/1.1\r\nhost: here\r\ncontent-length: 4\r\n\r\nver";
    let begun: [&[u8]; 3] = [b"GET /v2/workflows HTTP/1.1\r\nhost: he", body, b""];
    for _ in 0..20 {
        for (wires, begun) in slow.iter_mut().zip(begun) {
            let mut wire = Wire::to(world.address()).await;
            wire.write(begun).await.unwrap();
            wires.push(wire);
        }
    }
    slow
}

#[tokio::test]
async fn who_is_slow_holds_up_nobody() {
    let limits = LimitSettings {
        requests: number(2),
        ..LimitSettings::default()
    };
    let world = world(limits).await;
    let [headers, bodies, silent] = slow(&world).await;
    let mut wire = Wire::to(world.address()).await;
    assert_eq!(wire.ask("GET", "/v2/workflows", "").await.status, 200);
    // All of them were there meanwhile: they go on.
    for mut wire in headers {
        wire.write(b"re\r\n\r\n").await.unwrap();
        assert_eq!(wire.answer().await.unwrap().status, 200);
    }
    for mut wire in bodies {
        wire.write(b"s").await.unwrap();
        assert_eq!(wire.answer().await.unwrap().status, 400);
    }
    for mut wire in silent {
        assert_eq!(wire.ask("GET", "/v2/workflows", "").await.status, 200);
    }
}

#[tokio::test]
async fn who_is_slow_is_let_go() {
    let limits = LimitSettings {
        header_time: Duration::from_millis(300),
        body_time: Duration::from_millis(300),
        ..LimitSettings::default()
    };
    let world = world(limits).await;
    let [headers, bodies, silent] = slow(&world).await;
    for mut wire in bodies {
        is_refused(&wire.answer().await.unwrap(), 408, "limits.body_time");
    }
    for mut wire in headers.into_iter().chain(silent) {
        assert!(wire.is_closed().await);
    }
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
    let sent = wire.write(requests.as_bytes()).await;
    assert!(sent.is_err(), "all of it was taken");
}

#[tokio::test]
async fn bombs_are_refused() {
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
            let answer = wire.ask("POST", path, text).await;
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
    // What is wrong is not sent back whole.
    let long = "x".repeat(1_000_000);
    for body in [
        json!({"workflow_name": "bare", "input": [long]}),
        json!({"workflow_name": "bare", "input": long}),
        json!({"workflow_name": {"a": long}}),
    ] {
        let answer = wire.ask("POST", "/v2/executions", &body.to_string()).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.body.len() < 20_000, "{}", answer.body.len());
    }
    let input = json!({ "output": { "a": "[".repeat(100_000) } });
    let body = json!({"workflow_name": "bare", "input": input.to_string()}).to_string();
    assert_eq!(wire.ask("POST", "/v2/executions", &body).await.status, 400);
}

#[tokio::test]
async fn a_text_that_would_take_much_more_room_than_it_has_is_refused() {
    let world = World::new().await;
    let mut wire = Wire::to(world.address()).await;
    let many = |one: &dyn Fn(usize) -> String| (0..5_000).map(one).collect::<String>();
    let actions = many(&|number| format!("a{number}: {{base: std.noop}}\n"));
    let workflows = many(&|number| format!("w{number}: {{tasks: {{t: {{action: std.noop}}}}}},\n"));
    let workbook = many(&|number| format!("  a{number}: {{base: std.noop}}\n"));
    for (path, text) in [
        ("/v2/actions", format!("version: '2.0'\n{actions}")),
        ("/v2/workflows", format!("{{version: '2.0',\n{workflows}}}")),
        (
            "/v2/workbooks",
            format!("version: '2.0'\nname: book\nactions:\n{workbook}"),
        ),
    ] {
        let answer = wire.ask("POST", path, &text).await;
        assert_eq!(answer.status, 400, "{path}: {answer:?}");
        assert!(answer.fault().contains("as several texts"), "{answer:?}");
    }
}

#[tokio::test]
async fn actions_that_nobody_waits_for_are_so_many_at_most() {
    let gate = Gate::shut();
    let world = gate.world(|server| server).await;
    let mut wire = Wire::to(world.address()).await;
    let body = r#"{"name": "std.echo", "input": {"output": 1}, "params": {"save_result": true}}"#;
    let mut scheduled = 0;
    let refused = loop {
        let answer = wire.ask("POST", "/v2/action_executions", body).await;
        if answer.status != 201 {
            break answer;
        }
        scheduled += 1;
        assert!(scheduled <= 512);
    };
    is_refused(&refused, 429, "512");
    gate.open();
    eventually("the place of one that has ended", async || {
        let answer = wire.ask("POST", "/v2/action_executions", body).await;
        answer.status == 201
    })
    .await;
}
