//! What ended a while ago goes while the server runs, and who watches is told.

use std::num::NonZeroUsize;
use std::time::Duration;

use ostro_core::{ExecutionId, State};
use ostro_journal::ChangeFilter;
use ostro_server::ExpirationSettings;
use serde_json::{Value as Json, json};

use crate::world::{self, World};

async fn world(settings: ExpirationSettings) -> World {
    World::set_up(|server| server.with_expiration(settings)).await
}

/// Waits until there is nothing at `path`.
async fn gone(world: &World, path: &str) {
    for _ in 0..1000 {
        if world.ask("GET", path, Json::Null).await.0 == 404 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{path} stays: {}", world.get(path).await);
}

/// What is told of an execution, in short.
fn told(world: &World, id: &str) -> Vec<String> {
    let filter = ChangeFilter {
        root_execution_id: Some(ExecutionId::new(id)),
        ..ChangeFilter::default()
    };
    let changes = world.journal.changes(0, usize::MAX, &filter).unwrap();
    let kinds = changes.changes.iter().map(|one| {
        let body: Json = serde_json::from_slice(&one.change.body).unwrap();
        body["change"]["type"].as_str().unwrap().to_owned()
    });
    kinds.collect()
}

#[tokio::test]
async fn executions_that_ended_a_while_ago_go_with_all_below_them() {
    let world = world(ExpirationSettings {
        evaluation_interval: Duration::from_millis(100),
        older_than: Some(Duration::from_millis(1500)),
        ignored_states: vec![State::Cancelled],
        ..ExpirationSettings::default()
    })
    .await;
    let parent = world.run("failing_parent", "ERROR").await;
    let child = world.task(&parent, "one").await;
    let children = format!("/v2/tasks/{}/workflow_executions", world::id(&child));
    let child = world::id(&world.first(&children, "executions").await);
    let runs = world.start("parent").await;
    let kept = world.start("waits").await;
    let path = format!("/v2/executions/{kept}");
    world.put(&path, json!({"state": "CANCELLED"})).await;
    let single = json!({"name": "std.echo", "input": {"output": 1},
        "params": {"save_result": true, "run_sync": true}});
    let single = world::id(&world.post("/v2/action_executions", single).await);

    let watch = format!(
        "{}/v2/executions/{parent}/events?from=start&until=end",
        world.at
    );
    let watch = world.client.get(watch).send().await.unwrap();
    let parent_path = format!("/v2/executions/{parent}");
    gone(&world, &parent_path).await;
    gone(&world, &format!("/v2/executions/{child}")).await;
    gone(&world, &format!("/v2/action_executions/{single}")).await;
    assert_eq!(told(&world, &parent).last().unwrap(), "execution.deleted");
    let events = watch.text().await.unwrap();
    assert!(events.contains("event: end"), "{events}");
    // What goes on, what is below that, and what is to stay.
    world.execution(&runs, "RUNNING").await;
    let task = world.task(&runs, "one").await;
    let children = format!("/v2/tasks/{}/workflow_executions", world::id(&task));
    world.first(&children, "executions").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    world.execution(&kept, "CANCELLED").await;
}

#[tokio::test]
async fn only_the_newest_are_kept() {
    let world = world(ExpirationSettings {
        evaluation_interval: Duration::from_millis(100),
        max_finished_executions: NonZeroUsize::new(2),
        ..ExpirationSettings::default()
    })
    .await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(world.run("bare", "SUCCESS").await);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for id in &ids[..3] {
        gone(&world, &format!("/v2/executions/{id}")).await;
        assert_eq!(told(&world, id).last().unwrap(), "execution.deleted");
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    for id in &ids[3..] {
        world.execution(id, "SUCCESS").await;
    }
}
