//! What executions post.

use std::sync::Arc;

use ostro_core::{Map, Method, RelativePath, ServiceRequest, Value};
use ostro_openstack::{CloudError, operations};
use ostro_server::ZaqarSettings;
use serde_json::{Value as Json, json};

use crate::world::{NoCloud, World};

const WORKFLOW: &str = "
version: '2.0'
tell:
  input: [queue_name]
  tasks:
    running:
      action: zaqar.queue_post
      input:
        queue_name: <% $.queue_name %>
        messages:
          body:
            type: tripleo.baremetal.v1.provide
            payload: {status: RUNNING, execution: <% execution().id %>}
      on-success: done
    done:
      action: zaqar.queue_post
      input:
        queue_name: <% $.queue_name %>
        messages: [{body: {payload: {status: SUCCESS}}, ttl: 120}]
";

#[tokio::test]
async fn what_a_workflow_posts_reaches_who_has_subscribed() {
    let world = World::new(ZaqarSettings::default()).await;
    let mut client = world.client().await;
    client
        .done("subscription_create", json!({"queue_name": "tripleo"}))
        .await;

    let http = reqwest::Client::new();
    let url = |path: &str| format!("http://{}/v2/{path}", world.at);
    let made = http
        .post(url("workflows"))
        .body(WORKFLOW)
        .send()
        .await
        .unwrap();
    assert_eq!(made.status(), 201);
    let body = json!({"workflow_name": "tell", "input": {"queue_name": "tripleo"}});
    let request = http
        .post(url("executions"))
        .header("content-type", "application/json");
    let started = request.body(body.to_string()).send().await.unwrap();
    let started: Json = serde_json::from_str(&started.text().await.unwrap()).unwrap();

    let running = client.pushed().await;
    let payload = json!({"status": "RUNNING", "execution": started["id"]});
    assert_eq!(
        running,
        json!({"type": "tripleo.baremetal.v1.provide", "payload": payload})
    );
    assert_eq!(
        client.pushed().await,
        json!({"payload": {"status": "SUCCESS"}})
    );
    assert!(client.is_quiet().await);

    // Who comes later finds it.
    let mut late = world.client().await;
    let found = late
        .done("message_list", json!({"queue_name": "tripleo"}))
        .await;
    assert_eq!(found["messages"][0]["body"], running);
    assert_eq!(found["messages"][1]["ttl"], 120);
}

fn input(value: Json) -> Map {
    match Value::from(value) {
        Value::Map(map) => map.as_ref().clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_operation_of_zaqar_is_answered() {
    let world = World::new(ZaqarSettings::default()).await;
    let cloud = world.zaqar.cloud("<default-project>", Arc::new(NoCloud));
    let call = async |name: &str, arguments: Json| {
        let called = operations::call(&*cloud, name, &input(arguments)).await;
        called.map(|value| serde_json::to_value(value).unwrap())
    };
    let mut client = world.client().await;
    let posted = json!([{"body": 1}, {"body": 2}, {"body": 3}]);
    let posted = json!({"queue_name": "q", "messages": posted});
    let posted = call("zaqar.queue_post", posted).await.unwrap();
    assert_eq!(posted["resources"].as_array().unwrap().len(), 3);
    let all = json!({"queue_name": "q", "echo": true});
    let all = call("zaqar.queue_messages", all).await.unwrap();
    assert_eq!((&all[0]["body"], &all[2]["body"]), (&json!(1), &json!(3)));
    let popped = call("zaqar.queue_pop", json!({"queue_name": "q"}))
        .await
        .unwrap();
    assert_eq!(popped[0]["id"], all[0]["id"]);
    let claimed = json!({"queue_name": "q", "ttl": 100, "grace": 60, "limit": 1});
    let claimed = call("zaqar.claim_messages", claimed).await.unwrap();
    assert_eq!(claimed[0]["id"], all[1]["id"]);
    let deleted = json!({"queue_name": "q", "messages": [all[1]["id"], all[2]["id"]]});
    call("zaqar.delete_messages", deleted).await.unwrap();
    let left = client
        .done("queue_get_stats", json!({"queue_name": "q"}))
        .await;
    assert_eq!(left["messages"]["total"], 0);
    let wrong = json!({"queue_name": "a b", "messages": {"body": 1}});
    let wrong = call("zaqar.queue_post", wrong)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        wrong.contains("Code: 400. Title: Invalid queue identification."),
        "{wrong}"
    );
}

#[tokio::test]
async fn what_is_asked_of_other_services_passes() {
    let world = World::new(ZaqarSettings::default()).await;
    let cloud = world.zaqar.cloud("p", Arc::new(NoCloud));
    let ask = |service: &str, path: &str| {
        let path = RelativePath::parse(path).unwrap();
        cloud.send(ServiceRequest::new(service, Method::Get, path))
    };
    let passed = ask("baremetal", "/v1/nodes").await;
    assert_eq!(passed, Err(CloudError::NoCloud("baremetal".to_owned())));
    for service in ["messaging", "message"] {
        assert_eq!(ask(service, "/v2/queues").await.unwrap().status, 200);
        // What the server's own queues don't know is said to be so.
        assert_eq!(ask(service, "/v2/pools").await.unwrap().status, 501);
    }
}
