//! Connections: who may open one, what is pushed to it, and when it ends.

use std::time::{Duration, Instant};

use ostro_server::ZaqarSettings;
use serde_json::json;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::world::{PATIENCE, World, with_tokens};

/// The status with which a connection is refused; none where it is not.
async fn refused(world: &World, path: &str, origin: Option<&str>) -> Option<u16> {
    let mut request = format!("ws://{}{path}", world.at)
        .into_client_request()
        .unwrap();
    if let Some(origin) = origin {
        request
            .headers_mut()
            .insert("origin", origin.parse().unwrap());
    }
    match connect_async(request).await {
        Ok(_) => None,
        Err(tungstenite::Error::Http(answer)) => Some(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn without_a_keystone_everybody_is_the_default_project() {
    let world = World::new(ZaqarSettings::default()).await;
    for path in ["/", "/v2/zaqar", "/v2/zaqar/"] {
        let mut client = world.at(path).await;
        client.project = format!("whatever {path}");
        let headers = json!({"X-Auth-Token": "any", "X-Project-ID": "any"});
        let frame = json!({"action": "authenticate", "headers": headers});
        client.put(Message::text(frame.to_string())).await;
        let answer = client.next(false).await.into_text().unwrap();
        let expected = "{\"request\": {\"action\": \"authenticate\", \"body\": {}, \"headers\": {}, \
                        \"api\": \"v2\"}, \"body\": {\"message\": \"Authentified.\"}, \"headers\": \
                        {\"status\": 200}}";
        assert_eq!(answer.as_str(), expected);
        client
            .done("queue_create", json!({"queue_name": "q"}))
            .await;
        let found = client.done("queue_list", json!({})).await;
        assert_eq!(found, json!({"queues": [{"name": "q"}]}));
    }
    // Whoever asks for no websocket learns which versions there are.
    let answer = reqwest::get(format!("http://{}/", world.at)).await.unwrap();
    assert!(answer.text().await.unwrap().contains("versions"));
}

#[tokio::test]
async fn pages_from_elsewhere_connect_only_where_somebody_is_asked_who_they_are() {
    let open = World::new(ZaqarSettings::default()).await;
    let asked = World::new(with_tokens()).await;
    for path in ["/", "/v2/zaqar"] {
        for origin in [
            None,
            Some("http://127.0.0.1:3000"),
            Some("http://localhost"),
            Some("http://[::1]:1"),
        ] {
            assert_eq!(refused(&open, path, origin).await, None, "{origin:?}");
        }
        for origin in [
            "https://evil.example",
            "http://127.0.0.1.evil.example",
            "null",
            "file://",
        ] {
            assert_eq!(
                refused(&open, path, Some(origin)).await,
                Some(403),
                "{origin}"
            );
            assert_eq!(refused(&asked, path, Some(origin)).await, None, "{origin}");
        }
    }
}

#[tokio::test]
async fn where_the_queues_are_the_cloud_s_nobody_connects() {
    let world = World::without_queues().await;
    for path in ["/", "/v2/zaqar"] {
        assert_eq!(refused(&world, path, None).await, Some(404));
    }
}

#[tokio::test]
async fn there_are_as_many_connections_as_may_be() {
    let settings = ZaqarSettings {
        connections: 2,
        ..ZaqarSettings::default()
    };
    let world = World::new(settings).await;
    let first = world.client().await;
    let _second = world.client().await;
    assert_eq!(refused(&world, "/", None).await, Some(503));
    drop(first);
    let began = Instant::now();
    while refused(&world, "/", None).await.is_some() {
        assert!(began.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_project_never_sees_or_touches_another_s() {
    let world = World::new(with_tokens()).await;
    let mut one = world.client_of(crate::world::TOKEN).await;
    let mut other = world.client_of("another").await;
    let queue = || json!({"queue_name": "q"});
    let posted = one
        .done(
            "message_post",
            json!({"queue_name": "q", "messages": [{"body": "secret"}]}),
        )
        .await;
    let message = posted["message_ids"][0].clone();
    let subscribed = one.done("subscription_create", queue()).await;
    let claimed = one.done("claim_create", queue()).await;

    assert_eq!(
        other.done("queue_list", json!({})).await,
        json!({"queues": []})
    );
    assert_eq!(other.ask("message_list", queue()).await.0, 404);
    assert_eq!(other.ask("queue_get_stats", queue()).await.0, 404);
    let body = json!({"queue_name": "q", "message_id": message});
    assert_eq!(other.ask("message_get", body.clone()).await.0, 404);
    let body = json!({"queue_name": "q", "claim_id": claimed["claim_id"]});
    assert_eq!(other.ask("claim_get", body).await.0, 404);
    // What is the other's own has the same names, and nothing to do with it.
    other.done("queue_create", queue()).await;
    let body = json!({"queue_name": "q", "message_id": message});
    assert_eq!(other.ask("message_get", body.clone()).await.0, 404);
    let body = json!({"queue_name": "q", "message_ids": [message]});
    let found = other.done("message_get_many", body.clone()).await;
    assert_eq!(found, json!({"messages": []}));
    other.done("message_delete_many", body).await;
    let body = json!({"queue_name": "q", "claim_id": claimed["claim_id"]});
    assert_eq!(other.ask("claim_get", body.clone()).await.0, 404);
    other.done("claim_delete", body.clone()).await;
    let id = json!({"queue_name": "q", "subscription_id": subscribed["subscription_id"]});
    assert_eq!(other.ask("subscription_get", id.clone()).await.0, 404);
    other.done("subscription_delete", id.clone()).await;
    let body_of_post = json!({"queue_name": "q", "messages": [{"body": "theirs"}]});
    other.done("message_post", body_of_post).await;
    other.done("queue_purge", queue()).await;
    other.done("queue_delete", queue()).await;

    assert!(one.is_quiet().await);
    assert_eq!(one.ask("subscription_get", id).await.0, 200);
    let found = one.done("claim_get", body).await;
    assert_eq!(found["messages"][0]["body"], "secret");
    // A header says nothing that the token does not.
    one.project = "another".to_owned();
    assert_eq!(one.ask("queue_list", json!({})).await.0, 403);
}

#[tokio::test]
async fn a_message_is_pushed_to_all_and_in_order() {
    let world = World::new(ZaqarSettings::default()).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = world.client().await;
        client
            .done("subscription_create", json!({"queue_name": "q"}))
            .await;
        clients.push(client);
    }
    for turn in 0..50 {
        let from = &mut clients[turn % 20];
        let messages = json!([{"body": 2 * turn}, {"body": 2 * turn + 1}]);
        from.done(
            "message_post",
            json!({"queue_name": "q", "messages": messages}),
        )
        .await;
    }
    for client in &mut clients {
        for turn in 0..100 {
            assert_eq!(client.pushed().await, json!(turn));
        }
        assert!(client.is_quiet().await);
    }
}

/// It takes nothing: its frames wait up to a bound, and then it is given up. The others don't
/// notice.
#[tokio::test]
async fn a_slow_connection_is_closed_and_slows_nobody() {
    let settings = ZaqarSettings {
        waiting_frames: 8,
        waiting_bytes: 1 << 20,
        ..ZaqarSettings::default()
    };
    let world = World::new(settings).await;
    let mut slow = world.client().await;
    slow.done("subscription_create", json!({"queue_name": "q"}))
        .await;
    let mut fast = world.client().await;
    fast.done("subscription_create", json!({"queue_name": "q"}))
        .await;
    let large = "x".repeat(200_000);
    let mut turns = 0;
    // Until the buffers of the system are full, and then its own.
    loop {
        turns += 1;
        let body = json!({"queue_name": "q", "messages": [{"body": [turns, large]}]});
        fast.done("message_post", body).await;
        assert_eq!(fast.pushed().await[0], turns);
        let left = fast
            .done("subscription_list", json!({"queue_name": "q"}))
            .await;
        if left["subscriptions"].as_array().unwrap().len() == 1 {
            break;
        }
        assert!(turns < 300, "it is never given up");
    }
    // What it had taken before is there, and then an end.
    assert!(slow.closed().await.is_none());
}

#[tokio::test]
async fn a_connection_that_is_silent_and_dead_is_closed() {
    let settings = ZaqarSettings {
        patience: Duration::from_millis(200),
        ..ZaqarSettings::default()
    };
    let world = World::new(settings).await;
    let began = Instant::now();
    let mut dead = world.client().await;
    dead.done("subscription_create", json!({"queue_name": "q"}))
        .await;
    let mut alive = world.client().await;
    // Who reads answers pings, and stays; who doesn't, is dead.
    loop {
        let queue = json!({"queue_name": "q"});
        let left = alive.done("subscription_list", queue).await;
        if left == json!({"subscriptions": []}) {
            break;
        }
        assert!(began.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(began.elapsed() > Duration::from_millis(200));
    assert_eq!(alive.ask("queue_list", json!({})).await.0, 200);
}

#[tokio::test]
async fn a_connection_ends_with_its_token() {
    let world = World::new(with_tokens()).await;
    let mut client = world.client_of("short").await;
    let close = client.closed().await.unwrap();
    assert_eq!(u16::from(close.code), 4003);
    assert_eq!(close.reason.as_str(), "Authentication expired.");
    // A longer one in time has it go on.
    let mut client = world.client_of("hour").await;
    let headers = json!({"X-Auth-Token": crate::world::TOKEN, "X-Project-ID": ""});
    let frame = json!({"action": "authenticate", "headers": headers});
    client.put(Message::text(frame.to_string())).await;
    client.next(false).await;
    world.clock.advance(2 * 3600);
    for _ in 0..2 {
        assert_eq!(client.ask("queue_list", json!({})).await.0, 200);
    }
}

#[tokio::test]
async fn whoever_becomes_another_is_told_no_more() {
    let world = World::new(with_tokens()).await;
    let mut client = world.client_of(crate::world::TOKEN).await;
    client
        .done("subscription_create", json!({"queue_name": "q"}))
        .await;
    let headers = json!({"X-Auth-Token": "another", "X-Project-ID": ""});
    let frame = json!({"action": "authenticate", "headers": headers});
    client.put(Message::text(frame.to_string())).await;
    client.next(false).await;
    let mut first = world.client_of(crate::world::TOKEN).await;
    let body = json!({"queue_name": "q", "messages": [{"body": "theirs"}]});
    first.done("message_post", body).await;
    assert!(client.is_quiet().await);
    let left = first
        .done("subscription_list", json!({"queue_name": "q"}))
        .await;
    assert_eq!(left, json!({"subscriptions": []}));
}

#[tokio::test]
async fn whoever_does_not_say_who_they_are_is_not_kept() {
    let settings = ZaqarSettings {
        patience: Duration::from_millis(100),
        ..with_tokens()
    };
    let world = World::new(settings).await;
    let mut client = world.client().await;
    assert_eq!(client.ask("queue_list", json!({})).await.0, 403);
    let close = client.closed().await.unwrap();
    assert_eq!(
        (u16::from(close.code), close.reason.as_str()),
        (1008, "Not authentified.")
    );
    // Where Keystone cannot be asked, that is what is said.
    let mut client = world.client().await;
    let headers = json!({"X-Auth-Token": "down", "X-Project-ID": ""});
    let frame = json!({"action": "authenticate", "headers": headers});
    client.put(Message::text(frame.to_string())).await;
    let answer = client.next(false).await.into_text().unwrap();
    assert!(answer.contains("\"status\": 503"), "{answer}");
}

#[tokio::test]
async fn frames_that_cannot_be_read_are_answered_and_too_large_ones_are_not() {
    let world = World::new(ZaqarSettings::default()).await;
    let mut client = world.client().await;
    for broken in ["", "{", "{\"a\": NaN}", "[[[", "\u{1}"] {
        client.put(Message::text(broken)).await;
        let answer = client.next(false).await.into_text().unwrap();
        assert!(
            answer.contains("\"error\": \"Can't decode text (JSON) request. JSONDecodeError: ")
        );
        assert!(answer.contains("\"status\": 400"), "{answer}");
    }
    client.put(Message::text("[".repeat(1_000_000))).await;
    assert!(
        client
            .next(false)
            .await
            .into_text()
            .unwrap()
            .contains("\"status\": 400")
    );
    client.put(Message::binary(vec![0xc1])).await;
    assert!(client.next(false).await.is_binary());
    let sent = client.put(Message::text("x".repeat(3 << 20)));
    // The server may be gone before all of it is sent.
    let _ = tokio::time::timeout(Duration::from_secs(5), sent).await;
    client.closed().await;
    assert_eq!(
        world.client().await.ask("queue_list", json!({})).await.0,
        200
    );
}

#[tokio::test]
async fn a_server_that_stops_says_so() {
    let mut world = World::new(ZaqarSettings::default()).await;
    let mut client = world.client().await;
    client
        .done("queue_create", json!({"queue_name": "q"}))
        .await;
    world.stop().await;
    assert_eq!(u16::from(client.closed().await.unwrap().code), 1001);
}
