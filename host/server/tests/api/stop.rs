//! How a server stops.

use std::time::{Duration, Instant};

use ostro_server::ListenSettings;

use crate::wire::Wire;
use crate::world::World;

fn slow(millis: u64) -> String {
    format!(
        r#"{{"name": "std.echo", "input": {{"output": 1, "delay": {millis}}},
            "params": {{"run_sync": true, "save_result": false}}}}"#
    )
}

#[tokio::test]
async fn what_is_under_way_is_answered_and_nobody_else_is_taken() {
    let world = World::new().await;
    let address = world.address().to_owned();
    let (mut busy, mut idle) = (Wire::to(&address).await, Wire::to(&address).await);
    assert_eq!(idle.ask("GET", "/", "").await.status, 200);
    let request = slow(500);
    let asked =
        tokio::spawn(async move { busy.ask("POST", "/v2/action_executions", &request).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let began = Instant::now();
    world.stop().await;
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(asked.await.unwrap().status, 201);
    assert!(idle.is_closed().await);
    assert!(tokio::net::TcpStream::connect(&address).await.is_err());
}

#[tokio::test]
async fn what_does_not_end_is_cut_after_a_time() {
    let grace = Duration::from_millis(300);
    let settings = ListenSettings {
        grace,
        ..ListenSettings::default()
    };
    let world = World::set_up(|server| server.with_listen(settings)).await;
    let mut busy = Wire::to(world.address()).await;
    let asked = tokio::spawn(async move {
        busy.write(b"POST /v2/workflows HTTP/1.1\r\nhost: a\r\n")
            .await
    });
    let mut endless = Wire::to(world.address()).await;
    let body = slow(60_000);
    let head = format!(
        "POST /v2/action_executions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    endless.write(head.as_bytes()).await.unwrap();
    asked.await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    world.stop().await;
    let took = began.elapsed();
    assert!(took >= grace && took < Duration::from_secs(3), "{took:?}");
}
