//! What is kept, for how long, and how much of it.

use ostro_journal::{Journal, Options};
use ostro_server::ZaqarSettings;
use serde_json::{Value, json};

use crate::world::{Client, World};

async fn post(client: &mut Client, queue: &str, messages: Value) -> Value {
    let body = json!({"queue_name": queue, "messages": messages});
    client.done("message_post", body).await["message_ids"].take()
}

async fn bodies(client: &mut Client, queue: &str) -> Vec<Value> {
    let body = json!({"queue_name": queue, "echo": true, "include_claimed": true, "limit": 20});
    let mut found = client.done("message_list", body).await;
    let messages = found["messages"].as_array_mut().unwrap();
    messages.iter_mut().map(|one| one["body"].take()).collect()
}

#[tokio::test]
async fn a_server_that_starts_again_has_what_there_was() {
    let journal = Journal::ephemeral(&Options::default()).unwrap();
    let mut world = World::on(journal.clone(), ZaqarSettings::default()).await;
    let mut client = world.client().await;
    let metadata = json!({"a": 1, "_default_message_ttl": 100});
    let body = json!({"queue_name": "q", "metadata": metadata});
    client.done("queue_create", body).await;
    client
        .done("queue_create", json!({"queue_name": "gone"}))
        .await;
    post(&mut client, "gone", json!([{"body": "gone"}])).await;
    client
        .done("queue_delete", json!({"queue_name": "gone"}))
        .await;
    let first = post(&mut client, "q", json!([{"body": 1}, {"body": {"ä": [2]}}])).await;
    post(&mut client, "q", json!([{"body": 3, "ttl": 60}])).await;
    let claim = client
        .done("claim_create", json!({"queue_name": "q", "limit": 1}))
        .await;
    client
        .done("subscription_create", json!({"queue_name": "q"}))
        .await;
    world.stop().await;
    drop((world, client));

    let world = World::on(journal, ZaqarSettings::default()).await;
    let mut client = world.client().await;
    let queues = client.done("queue_list", json!({"detailed": true})).await;
    assert_eq!(
        queues,
        json!({"queues": [{"name": "q", "metadata": metadata}]})
    );
    assert_eq!(
        bodies(&mut client, "q").await,
        [json!(1), json!({"ä": [2]}), json!(3)]
    );
    let body = json!({"queue_name": "q", "claim_id": claim["claim_id"]});
    let kept = client.done("claim_get", body).await;
    assert_eq!(kept["messages"][0]["id"], first[0]);
    // Those who had subscribed are gone, and new messages come behind the old ones.
    let left = client
        .done("subscription_list", json!({"queue_name": "q"}))
        .await;
    assert_eq!(left, json!({"subscriptions": []}));
    post(&mut client, "q", json!([{"body": 4}])).await;
    assert_eq!(bodies(&mut client, "q").await[3], json!(4));
}

#[tokio::test]
async fn what_has_expired_is_not_there() {
    let world = World::new(ZaqarSettings::default()).await;
    let mut client = world.client().await;
    let subscribe = || json!({"queue_name": "q", "ttl": 60});
    client.done("subscription_create", subscribe()).await;
    let short = post(&mut client, "q", json!([{"body": "short", "ttl": 60}])).await;
    post(&mut client, "q", json!([{"body": "usual"}])).await;
    let claim = json!({"queue_name": "q", "ttl": 61, "grace": 60, "limit": 1});
    let claim = client.done("claim_create", claim).await["claim_id"].take();
    for _ in 0..2 {
        client.pushed().await;
    }
    world.clock.advance(60);
    // Its subscription has ended, and another may begin.
    post(&mut client, "q", json!([{"body": "late", "ttl": 60}])).await;
    assert!(client.is_quiet().await);
    client.done("subscription_create", subscribe()).await;
    // A claim keeps what it holds until some time after its end.
    assert_eq!(bodies(&mut client, "q").await, ["short", "usual", "late"]);
    world.clock.advance(1);
    let of_claim = json!({"queue_name": "q", "claim_id": claim});
    assert_eq!(client.ask("claim_get", of_claim).await.0, 404);
    let free = client
        .done("message_list", json!({"queue_name": "q", "echo": true}))
        .await;
    assert_eq!(free["messages"].as_array().unwrap().len(), 3);
    world.clock.advance(60);
    assert_eq!(bodies(&mut client, "q").await, ["usual"]);
    let body = json!({"queue_name": "q", "message_id": short[0]});
    assert_eq!(client.ask("message_get", body).await.0, 404);
    let stats = client
        .done("queue_get_stats", json!({"queue_name": "q"}))
        .await;
    assert_eq!(stats["messages"]["total"], 1);
    world.clock.advance(3600);
    assert!(bodies(&mut client, "q").await.is_empty());
}

#[tokio::test]
async fn everything_has_a_bound() {
    let settings = ZaqarSettings {
        subscriptions: 2,
        queues: 3,
        messages: 2,
        bytes: 10_000,
        ..ZaqarSettings::default()
    };
    let world = World::new(settings).await;
    let mut client = world.client().await;
    post(&mut client, "a", json!([{"body": 1}, {"body": 2}])).await;
    let body = json!({"queue_name": "a", "messages": [{"body": 3}]});
    let (status, answer) = client.ask("message_post", body).await;
    assert_eq!(
        (status, &answer["error"]),
        (503, &json!("No messages could be enqueued."))
    );
    assert!(
        answer["exception"]
            .as_str()
            .unwrap()
            .contains("queue a holds 2 messages")
    );
    assert_eq!(bodies(&mut client, "a").await, [1, 2]);

    client
        .done("subscription_create", json!({"queue_name": "b"}))
        .await;
    client
        .done("subscription_create", json!({"queue_name": "c"}))
        .await;
    let (status, answer) = client.ask("queue_create", json!({"queue_name": "d"})).await;
    assert_eq!(
        (status, &answer["error"]),
        (503, &json!("Queue d could not be created."))
    );
    let body = json!({"queue_name": "d", "messages": [{"body": 3}]});
    assert_eq!(client.ask("message_post", body).await.0, 503);
    let (status, answer) = client
        .ask("subscription_create", json!({"queue_name": "a"}))
        .await;
    let expected = json!("Subscription a could not be created.");
    assert_eq!((status, &answer["error"]), (503, &expected));
    // What is given back can be taken again.
    client.done("queue_purge", json!({"queue_name": "c"})).await;
    client
        .done("subscription_create", json!({"queue_name": "a"}))
        .await;

    let large = json!([{"body": "x".repeat(10_000)}]);
    post(&mut client, "b", large.clone()).await;
    let body = json!({"queue_name": "c", "messages": large});
    let (status, answer) = client.ask("message_post", body.clone()).await;
    assert_eq!(status, 503);
    assert!(
        answer["exception"].as_str().unwrap().contains("bytes"),
        "{answer}"
    );
    client
        .done("queue_delete", json!({"queue_name": "b"}))
        .await;
    assert_eq!(client.ask("message_post", body).await.0, 201);
}

/// Two at a time claim, and no message goes to both.
#[tokio::test]
async fn a_message_is_claimed_once() {
    let world = World::new(ZaqarSettings::default()).await;
    let mut client = world.client().await;
    for turn in 0..5 {
        let messages: Vec<_> = (0..20)
            .map(|one| json!({"body": turn * 20 + one}))
            .collect();
        post(&mut client, "q", json!(messages)).await;
    }
    let mut claiming = Vec::new();
    for _ in 0..4 {
        let mut client = world.client().await;
        claiming.push(tokio::spawn(async move {
            let mut got = Vec::new();
            loop {
                let body = json!({"queue_name": "q", "limit": 3});
                let (status, answer) = client.ask("claim_create", body).await;
                if status == 204 {
                    return got;
                }
                let messages = answer["messages"].as_array().unwrap();
                got.extend(messages.iter().map(|one| one["body"].as_u64().unwrap()));
            }
        }));
    }
    let mut all = Vec::new();
    for claimed in claiming {
        all.extend(claimed.await.unwrap());
    }
    all.sort_unstable();
    assert_eq!(all, (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_message_that_is_claimed_too_often_goes_to_another_queue() {
    let world = World::new(ZaqarSettings::default()).await;
    let mut client = world.client().await;
    let metadata = json!({
        "_max_claim_count": 1, "_dead_letter_queue": "dead", "_dead_letter_queue_messages_ttl": 600,
    });
    let body = json!({"queue_name": "q", "metadata": metadata});
    client.done("queue_create", body).await;
    post(&mut client, "q", json!([{"body": 1}, {"body": 2}])).await;
    let body = || json!({"queue_name": "q"});
    let claim = client.done("claim_create", body()).await;
    let claim = json!({"queue_name": "q", "claim_id": claim["claim_id"]});
    client.done("claim_delete", claim).await;
    post(&mut client, "q", json!([{"body": 3}])).await;
    let claim = client.done("claim_create", body()).await;
    assert_eq!(claim["messages"].as_array().unwrap().len(), 1);
    assert_eq!(bodies(&mut client, "q").await, [3]);
    assert_eq!(bodies(&mut client, "dead").await, [1, 2]);
    let listed = json!({"queue_name": "dead", "echo": true});
    let listed = client.done("message_list", listed).await;
    assert_eq!(listed["messages"][0]["ttl"], 600);
}
