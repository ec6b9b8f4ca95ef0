//! Action executions: those of workflows, and those that run by themselves.

use serde_json::json;

use crate::world::{World, id, inner};

const ACTIONS: &str = "/v2/action_executions";

#[tokio::test]
async fn one_runs_while_the_caller_waits() {
    let world = World::new().await;
    let body =
        json!({"name": "std.echo", "input": {"output": "hello"}, "params": {"run_sync": true}});
    let ran = world.post(ACTIONS, body).await;
    let expected = json!({
        "id": null, "workflow_name": null, "workflow_namespace": "", "task_execution_id": null,
        "state": "SUCCESS", "state_info": null, "tags": null, "name": "std.echo",
        "description": null, "project_id": null, "accepted": null,
        "input": "{\"output\":\"hello\"}", "output": "{\"result\":\"hello\"}",
        "created_at": null, "updated_at": null,
    });
    assert_eq!(ran, expected);
    let failed = world.post(ACTIONS, json!({"name": "std.fail"})).await;
    assert_eq!(failed["state"], "ERROR");
    assert_eq!(
        inner(&failed["output"]),
        json!({"result": "Fail action expected exception."})
    );
    assert_eq!(world.get(ACTIONS).await["action_executions"], json!([]));
}

#[tokio::test]
async fn a_result_is_kept_where_that_is_wanted() {
    let world = World::new().await;
    let body = |params| {
        json!({
            "name": "std.echo", "input": {"output": "kept"}, "params": params, "description": "Saved",
        })
    };
    let kept = world
        .post(
            ACTIONS,
            body(json!({"run_sync": true, "save_result": true})),
        )
        .await;
    assert_eq!(
        (&kept["state"], &kept["accepted"]),
        (&json!("SUCCESS"), &json!(false))
    );
    assert_eq!(world.get(&format!("{ACTIONS}/{}", id(&kept))).await, kept);
    let later = world
        .post(ACTIONS, body(json!({"save_result": true})))
        .await;
    assert_eq!(
        (&later["state"], &later["output"]),
        (&json!("RUNNING"), &json!(null))
    );
    let ended = world
        .until(&format!("{ACTIONS}/{}", id(&later)), "SUCCESS")
        .await;
    assert_eq!(inner(&ended["output"]), json!({"result": "kept"}));
    assert_eq!(ended["accepted"], json!(true));
    let found = world
        .get(&format!(
            "{ACTIONS}?output={{\"result\":\"kept\"}}&fields=description"
        ))
        .await;
    assert_eq!(found["action_executions"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let world = World::new().await;
    for (body, reason) in [
        (
            json!({}),
            "Please provide at least action name to run action.",
        ),
        (
            json!({"name": "none"}),
            "Failed to find action [action_name=none]",
        ),
        (
            json!({"name": "std.echo"}),
            "Invalid input [name=std.echo, missing=['output']]",
        ),
        (
            json!({"name": "std.noop", "input": {"odd": 1}}),
            "Invalid input [name=std.noop, unexpected=['odd']]",
        ),
        (
            json!({"name": "std.async_noop", "params": {"run_sync": true}}),
            "Action does not support synchronous execution.",
        ),
        (
            json!({"name": "std.noop", "params": {"timeout": "odd"}}),
            "The parameter timeout is a number of seconds, from 0",
        ),
    ] {
        let refused = world.refused("POST", ACTIONS, body.clone()).await;
        assert_eq!(refused, (400, reason.to_owned()), "{body}");
    }
    let (status, _) = world
        .refused("DELETE", &format!("{ACTIONS}/any"), json!(null))
        .await;
    assert_eq!(status, 403);
}

#[tokio::test]
async fn one_takes_no_longer_than_it_may() {
    let world = World::new().await;
    let input = json!({"output": "late", "delay": 60_000});
    let params = json!({"run_sync": true, "timeout": 0.05});
    let body = json!({"name": "std.echo", "input": input, "params": params});
    let late = world.post(ACTIONS, body).await;
    assert_eq!(late["state"], "ERROR");
    // One for which nobody waits is cancelled.
    let body = json!({"name": "std.echo", "input": input, "params": {"save_result": true}});
    let path = format!("{ACTIONS}/{}", id(&world.post(ACTIONS, body).await));
    let cancelled = world.put(&path, json!({"state": "CANCELLED"})).await;
    assert_eq!(
        (&cancelled["state"], inner(&cancelled["output"])),
        (&json!("CANCELLED"), json!({"result": null}))
    );
}

#[tokio::test]
async fn one_is_finished_from_outside() {
    let world = World::new().await;
    let path = format!(
        "{ACTIONS}/{}",
        id(&world.post(ACTIONS, json!({"name": "std.async_noop"})).await)
    );
    let (status, reason) = world.refused("PUT", &path, json!({"state": "IDLE"})).await;
    assert_eq!(status, 400);
    assert!(reason.ends_with("actual: IDLE"), "{reason}");
    assert_eq!(
        world.put(&path, json!({"state": "PAUSED"})).await["state"],
        "PAUSED"
    );
    assert_eq!(
        world.put(&path, json!({"state": "RUNNING"})).await["state"],
        "RUNNING"
    );
    let done = world
        .put(&path, json!({"state": "SUCCESS", "output": {"a": 1}}))
        .await;
    assert_eq!(inner(&done["output"]), json!({"result": {"a": 1}}));
    assert_eq!(done["accepted"], json!(true));
    let (status, reason) = world.refused("PUT", &path, json!({"state": "ERROR"})).await;
    assert!(
        status == 400 && reason.ends_with("is already completed"),
        "{reason}"
    );
}

#[tokio::test]
async fn one_of_a_workflow_is_finished_from_outside() {
    let world = World::new().await;
    for (change, state, output) in [
        (
            json!({"state": "SUCCESS", "output": {"x": 1}}),
            "SUCCESS",
            json!({"x": 1}),
        ),
        (
            json!({"state": "SUCCESS", "output": null}),
            "SUCCESS",
            json!(null),
        ),
        (json!({"state": "SUCCESS"}), "SUCCESS", json!({})),
        (json!({"state": "ERROR"}), "ERROR", json!("Unknown error")),
        (json!({"state": "CANCELLED"}), "CANCELLED", json!(null)),
    ] {
        let execution = world.start("waits").await;
        let task = id(&world.task(&execution, "one").await);
        let list = format!("{ACTIONS}?task_execution_id={task}");
        let path = format!(
            "{ACTIONS}/{}",
            id(&world.first(&list, "action_executions").await)
        );
        world.put(&path, json!({"state": "PAUSED"})).await;
        world.execution(&execution, "PAUSED").await;
        world.put(&path, json!({"state": "RUNNING"})).await;
        world.execution(&execution, "RUNNING").await;
        let done = world.put(&path, change).await;
        assert_eq!(done["state"], state);
        assert_eq!(inner(&done["output"]), json!({"result": output}));
        world.execution(&execution, state).await;
    }
}

#[tokio::test]
async fn one_that_was_lost_with_its_server_has_failed() {
    let world = World::new().await;
    let body = json!({
        "name": "std.echo", "input": {"output": 1, "delay": 60_000}, "params": {"save_result": true},
    });
    let lost = id(&world.post(ACTIONS, body).await);
    let waits = id(&world.post(ACTIONS, json!({"name": "std.async_noop"})).await);
    let again = World::on(world.journal.clone()).await;
    let lost = again.until(&format!("{ACTIONS}/{lost}"), "ERROR").await;
    assert_eq!(
        inner(&lost["output"]),
        json!({"result": "the server stopped while the action ran"})
    );
    assert_eq!(
        again.get(&format!("{ACTIONS}/{waits}")).await["state"],
        "RUNNING"
    );
}
