//! How a server stops.

use std::time::{Duration, Instant};

use ostro_server::ListenSettings;

use crate::wire::Wire;
use crate::world::{Gate, World, eventually};

const ASKED: &str = r#"{"name": "std.echo", "input": {"output": 1},
    "params": {"run_sync": true, "save_result": false}}"#;

/// A server that waits so long for what is under way, and its actions.
async fn world(grace: Duration) -> (World, Gate) {
    let settings = ListenSettings {
        grace,
        ..ListenSettings::default()
    };
    let gate = Gate::shut();
    let world = gate.world(|server| server.with_listen(settings)).await;
    (world, gate)
}

#[tokio::test]
async fn what_is_under_way_is_answered_and_nobody_else_is_taken() {
    // It is not waited for: this is longer than anything here is.
    let (world, gate) = world(Duration::from_hours(1)).await;
    let address = world.address().to_owned();
    let (mut busy, mut idle) = (Wire::to(&address).await, Wire::to(&address).await);
    assert_eq!(idle.ask("GET", "/", "").await.status, 200);
    let asked = tokio::spawn(async move { busy.ask("POST", "/v2/action_executions", ASKED).await });
    gate.begun(1).await;
    let stopped = tokio::spawn(world.stop());
    assert!(idle.is_closed().await);
    eventually("the end of listening", async || {
        tokio::net::TcpStream::connect(&address).await.is_err()
    })
    .await;
    assert!(!asked.is_finished() && !stopped.is_finished());
    gate.open();
    assert_eq!(asked.await.unwrap().status, 201);
    stopped.await.unwrap();
}

#[tokio::test]
async fn what_does_not_end_is_cut_after_a_time() {
    let grace = Duration::from_millis(300);
    let (world, gate) = world(grace).await;
    let mut slow = Wire::to(world.address()).await;
    slow.write(b"POST /v2/workflows HTTP/1.1\r\nhost: a\r\n")
        .await
        .unwrap();
    let mut endless = Wire::to(world.address()).await;
    let head = format!(
        "POST /v2/action_executions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{ASKED}",
        ASKED.len()
    );
    endless.write(head.as_bytes()).await.unwrap();
    gate.begun(1).await;
    let began = Instant::now();
    world.stop().await;
    assert!(began.elapsed() >= grace);
    for mut wire in [slow, endless] {
        assert!(wire.answer().await.is_err());
    }
}
