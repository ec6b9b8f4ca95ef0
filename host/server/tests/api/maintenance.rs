//! Maintenance, and what there is not.

use serde_json::json;

use crate::world::{World, eventually, id};

async fn status(world: &World, wanted: &str) {
    let so = async || world.get("/maintenance").await["status"] == wanted;
    eventually(wanted, so).await;
}

#[tokio::test]
async fn nothing_begins_during_maintenance() {
    let world = World::new().await;
    status(&world, "RUNNING").await;
    let by_hand = world.start("waits").await;
    world
        .put(
            &format!("/v2/executions/{by_hand}"),
            json!({"state": "PAUSED"}),
        )
        .await;
    let execution = world.start("waits").await;
    let task = id(&world.task(&execution, "one").await);
    let list = format!("/v2/action_executions?task_execution_id={task}");
    let action = id(&world.first(&list, "action_executions").await);
    let action = format!("/v2/action_executions/{action}");

    let paused = json!({"status": "PAUSED"});
    assert_eq!(world.put("/maintenance", paused).await["status"], "PAUSING");
    world.execution(&execution, "PAUSED").await;
    let start = json!({"workflow_name": "bare"});
    let (code, answer) = world.ask("POST", "/v2/executions", start.clone()).await;
    let reason = "Current Mistral state is PAUSING. Method is not allowed";
    let expected = json!({"code": 423, "description": reason, "title": "Locked"});
    assert_eq!((code, answer), (423, expected));
    let resume = json!({"state": "RUNNING"});
    let path = format!("/v2/executions/{execution}");
    assert_eq!(world.ask("PUT", &path, resume).await.0, 423);

    // It lasts beyond the server.
    let again = World::on(world.journal.clone()).await;
    assert_eq!(again.get("/maintenance").await["status"], "PAUSING");
    drop(again);

    world
        .put(
            &format!("/v2/executions/{by_hand}"),
            json!({"state": "CANCELLED"}),
        )
        .await;
    world.put(&action, json!({"state": "SUCCESS"})).await;
    status(&world, "PAUSED").await;
    assert_eq!(
        world
            .ask("PUT", &action, json!({"state": "SUCCESS"}))
            .await
            .0,
        423
    );

    let running = json!({"status": "RUNNING"});
    assert_eq!(
        world.put("/maintenance", running).await["status"],
        "RUNNING"
    );
    world.execution(&execution, "SUCCESS").await;
    world.post("/v2/executions", start).await;
}

#[tokio::test]
async fn only_what_maintenance_has_paused_goes_on_by_itself() {
    let world = World::new().await;
    let by_hand = world.start("waits").await;
    world
        .put(
            &format!("/v2/executions/{by_hand}"),
            json!({"state": "PAUSED"}),
        )
        .await;
    let execution = world.start("waits").await;
    world.put("/maintenance", json!({"status": "PAUSED"})).await;
    world.execution(&execution, "PAUSED").await;
    world
        .put("/maintenance", json!({"status": "RUNNING"}))
        .await;
    world.execution(&execution, "RUNNING").await;
    world.execution(&by_hand, "PAUSED").await;
}

#[tokio::test]
async fn what_is_no_status_is_refused() {
    let world = World::new().await;
    for (body, reason) in [
        (
            json!({"status": "odd"}),
            "Not found odd maintenance state. List of states: ['PAUSING', 'PAUSED', 'RUNNING']",
        ),
        (
            json!({}),
            "Not found Unset maintenance state. List of states: ['PAUSING', 'PAUSED', 'RUNNING']",
        ),
        (
            json!({"status": "PAUSING"}),
            "PAUSING is intermediate state. Consider PAUSED, RUNNING as new state",
        ),
        (
            json!({"odd": 1}),
            "Unknown attribute for argument new_maintenance_status: odd",
        ),
    ] {
        let refused = world.refused("PUT", "/maintenance", body.clone()).await;
        assert_eq!(refused, (400, reason.to_owned()), "{body}");
    }
}

#[tokio::test]
async fn what_ostro_has_not_is_told() {
    let world = World::new().await;
    assert_eq!(world.ask("GET", "/v2/services", json!(null)).await.0, 404);
    for path in ["/v2/code_sources", "/v2/dynamic_actions/x"] {
        let (status, reason) = world.refused("GET", path, json!(null)).await;
        assert!(status == 501 && reason.contains("pack"), "{reason}");
    }
    let refused = world.refused("GET", "/info", json!(null)).await;
    assert_eq!(refused, (400, "Info endpoint disabled.".to_owned()));
}
