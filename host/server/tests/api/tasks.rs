//! Tasks: what is shown, and what runs again.

use serde_json::json;

use crate::world::{World, id, inner};

#[tokio::test]
async fn a_task_is_shown_with_its_result() {
    let world = World::new().await;
    let started = json!({"workflow_name": "simple", "input": {"name": "you"}});
    let execution = id(&world.post("/v2/executions", started).await);
    world.execution(&execution, "SUCCESS").await;
    let listed = world.task(&execution, "one").await;
    assert_eq!(listed.get("result"), None);
    let path = format!("/v2/tasks/{}", id(&listed));
    let shown = world.get(&path).await;
    assert_eq!(inner(&shown["result"]), json!("Hello you!"));
    assert_eq!(
        (&shown["type"], &shown["processed"]),
        (&json!("ACTION"), &json!(true))
    );
    assert_eq!(shown["workflow_execution_id"], json!(execution));
    for name in ["started_at", "finished_at", "created_at", "updated_at"] {
        assert!(shown[name].is_string(), "{name}");
    }
    assert_eq!(
        world
            .get(&format!("{path}?fields=name"))
            .await
            .as_object()
            .unwrap()
            .len(),
        2
    );

    let actions = format!("{path}/action_executions");
    let action = world.first(&actions, "action_executions").await;
    assert_eq!(
        (&action["name"], action.get("output")),
        (&json!("std.echo"), None)
    );
    let action = world
        .first(
            &format!("{actions}?include_output=true"),
            "action_executions",
        )
        .await;
    assert_eq!(inner(&action["output"]), json!({"result": "Hello you!"}));

    let (status, reason) = world
        .refused("PUT", &path, json!({"state": "SKIPPED"}))
        .await;
    assert_eq!(status, 400);
    assert!(
        reason.starts_with("The current task execution must be in ERROR"),
        "{reason}"
    );
    for path in [
        "/v2/tasks/text/action_executions",
        "/v2/executions/text/tasks",
    ] {
        assert_eq!(
            world.refused("GET", path, json!(null)).await.0,
            400,
            "{path}"
        );
    }
}

#[tokio::test]
async fn what_a_task_has_started_is_listed() {
    let world = World::new().await;
    let parent = world.start("parent").await;
    let child = world
        .first("/v2/executions?workflow_name=waits", "executions")
        .await;
    let path = format!("/v2/tasks/{}", id(&world.task(&parent, "one").await));
    let rows = world.get(&format!("{path}/workflow_executions")).await;
    assert_eq!(rows["executions"][0]["id"], child["id"]);
    assert_eq!(rows["executions"][0].get("params"), None);
    let rows = world.get(&format!("{path}/executions")).await;
    assert_eq!(rows["executions"][0]["root_execution_id"], json!(parent));
    let unknown = "/v2/tasks/00000000-0000-0000-0000-000000000000";
    let rows = world.get(&format!("{unknown}/workflow_executions")).await;
    assert_eq!(rows["executions"], json!([]));
    let refused = world
        .refused("GET", &format!("{unknown}/executions"), json!(null))
        .await;
    assert_eq!(refused.0, 404);
}

#[tokio::test]
async fn one_that_failed_runs_again_and_is_skipped() {
    let world = World::new().await;
    let execution = world.run("failing", "ERROR").await;
    let task = id(&world.task(&execution, "two").await);
    let path = format!("/v2/tasks/{task}");
    for (body, reason) in [
        (
            json!({"state": "RUNNING"}),
            "Reset field is mandatory to rerun task.",
        ),
        (
            json!({"state": "RUNNING", "reset": false}),
            "Only with-items task has the option to not reset.",
        ),
        (
            json!({"state": "PAUSED", "reset": true}),
            "Invalid task state. Only updating task to RUNNING or SKIPPED is supported.",
        ),
        (
            json!({"state": "RUNNING", "reset": true, "name": "x"}),
            "Task name does not match.",
        ),
        (
            json!({"state": "RUNNING", "reset": true, "workflow_name": "x"}),
            "Workflow name does not match.",
        ),
        (
            json!({"state": "RUNNING", "reset": "odd"}),
            "Invalid input for field/attribute task. Value: '{'state': 'RUNNING', 'reset': 'odd'}'. Value not an unambiguous boolean: odd",
        ),
    ] {
        let refused = world.refused("PUT", &path, body.clone()).await;
        assert_eq!(refused, (400, reason.to_owned()), "{body}");
    }
    let again = json!({"state": "RUNNING", "reset": true, "env": {"more": 2}});
    world.put(&path, again).await;
    let ended = world.execution(&execution, "ERROR").await;
    assert_eq!(inner(&ended["params"])["env"], json!({"more": 2}));
    let actions = world.get(&format!("{path}/action_executions")).await;
    assert_eq!(actions["action_executions"].as_array().unwrap().len(), 2);

    let skipped = world.put(&path, json!({"state": "SKIPPED"})).await;
    assert_eq!(skipped["state"], "SKIPPED");
    world.execution(&execution, "SUCCESS").await;
    world.task(&execution, "three").await;
}

#[tokio::test]
async fn items_that_failed_run_again() {
    let world = World::new().await;
    let execution = world.run("items", "ERROR").await;
    let task = world.task(&execution, "one").await;
    let items = json!({"with_items": {"count": 2, "capacity": null}});
    assert_eq!(inner(&task["runtime_context"]), items);
    let path = format!("/v2/tasks/{}", id(&task));
    world
        .put(&path, json!({"state": "RUNNING", "reset": false}))
        .await;
    world.execution(&execution, "ERROR").await;
    let actions = world
        .get(&format!("{path}/action_executions?fields=state"))
        .await;
    assert_eq!(actions["action_executions"].as_array().unwrap().len(), 4);
}
