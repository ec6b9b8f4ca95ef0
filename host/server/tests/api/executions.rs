//! Executions: start, change, end.

use serde_json::{Value, json};

use crate::world::{World, eventually, id, inner};

const UNKNOWN: &str = "/v2/executions/00000000-0000-0000-0000-000000000000";

/// What is durable is known to the host, too, whether or not somebody hears the answer.
#[tokio::test]
async fn a_request_comes_to_its_end_though_the_caller_hangs_up() {
    let world = World::new().await;
    for turn in 0..50 {
        let name = format!("env{turn}");
        world.hang_up("/v2/environments", &json!({"name": name}));
        let path = format!("/v2/environments/{name}");
        let so = async || world.ask("GET", &path, Value::Null).await.0 == 200;
        eventually(&name, so).await;
    }
}

#[tokio::test]
async fn one_is_started_and_shown() {
    let world = World::new().await;
    let body = json!({
        "workflow_name": "simple", "input": {"name": "you"}, "description": "A first one",
    });
    let started = world.post("/v2/executions", body).await;
    let path = format!("/v2/executions/{}", id(&started));
    let ended = world.until(&path, "SUCCESS").await;
    assert_eq!(inner(&ended["input"]), json!({"name": "you", "mark": "!"}));
    assert_eq!(inner(&ended["output"]), json!({"said": "Hello you!"}));
    assert_eq!(inner(&ended["params"]), json!({"env": {}, "namespace": ""}));
    assert_eq!(inner(&ended["published_global"]), json!({}));
    let mut rest = ended.as_object().unwrap().clone();
    for name in [
        "input",
        "output",
        "params",
        "published_global",
        "id",
        "workflow_id",
    ] {
        assert!(rest.remove(name).unwrap().is_string(), "{name}");
    }
    for name in ["created_at", "updated_at"] {
        assert_eq!(rest.remove(name).unwrap().as_str().unwrap().len(), 19);
    }
    let expected = json!({
        "workflow_name": "simple", "workflow_namespace": "", "description": "A first one",
        "tags": ["plain"], "task_execution_id": null, "root_execution_id": null,
        "state": "SUCCESS", "state_info": null, "project_id": "<default-project>",
    });
    assert_eq!(Value::Object(rest), expected);

    let some = world.get(&format!("{path}?fields=state,output,spec")).await;
    let names: Vec<_> = some.as_object().unwrap().keys().collect();
    assert_eq!(names, ["id", "state", "output"]);
    let (status, reason) = world
        .refused("GET", &format!("{path}?fields=none"), json!(null))
        .await;
    assert_eq!((status, &*reason), (400, "Field 'none' does not exist."));
    let (status, _) = world.refused("GET", UNKNOWN, json!(null)).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn what_is_published_for_all_is_shown() {
    let world = World::new().await;
    let id = world.run("globals", "SUCCESS").await;
    let shown = world.get(&format!("/v2/executions/{id}")).await;
    assert_eq!(inner(&shown["published_global"]), json!({"g": 1}));
}

#[tokio::test]
async fn what_cannot_be_started_is_told_as_mistral_does() {
    let world = World::new().await;
    let cases = [
        (
            json!({}),
            400,
            "Workflow ID or workflow name must be provided. Workflow ID is recommended.",
        ),
        (
            json!({"workflow_name": "none"}),
            404,
            "Workflow not found [workflow_identifier=none, namespace=]",
        ),
        (
            json!({"workflow_name": "simple"}),
            400,
            "Invalid input [name=simple, class=DirectWorkflowSpec, missing=['name']]",
        ),
        (
            json!({"workflow_name": "bare", "input": {"x": 1}}),
            400,
            "Invalid input [name=bare, class=DirectWorkflowSpec, unexpected=['x']]",
        ),
        (
            json!({"workflow_name": "bare", "odd": 1}),
            400,
            "Unknown attribute for argument wf_ex: odd",
        ),
        (
            json!({"workflow_name": 7}),
            400,
            "Invalid input for field/attribute workflow_name. Value: '7'. Wrong type. Expected '<class 'str'>', got '<class 'int'>'",
        ),
        (
            json!({"workflow_name": "bare", "project_id": "other"}),
            400,
            "Invalid input for field/attribute project_id. Value: 'other'. Cannot set read only field.",
        ),
        (
            json!({"workflow_name": "bare", "input": "text"}),
            400,
            "Invalid input for field/attribute wf_ex. Value: '{'workflow_name': 'bare', 'input': 'text'}'. Expecting value: line 1 column 1 (char 0)",
        ),
        (
            json!({"workflow_name": "bare", "input": "[1]"}),
            400,
            "JsonType field value must be a dictionary [actual=[1]]",
        ),
        (
            json!({"workflow_name": "bare", "params": {"env": "none"}}),
            400,
            "Environment is not found: none",
        ),
        (
            json!({"workflow_name": "bare", "params": {"env": ["a"]}}),
            400,
            "Unexpected value type for environment [env=['a'], type=<class 'list'>]",
        ),
        (
            json!({"workflow_name": "back"}),
            400,
            "Invalid task name [workflow=back, task_name=None]",
        ),
        (json!(null), 400, "Missing argument: \"wf_ex\""),
    ];
    for (body, status, reason) in cases {
        let refused = world.refused("POST", "/v2/executions", body.clone()).await;
        assert_eq!(refused, (status, reason.to_owned()), "{body}");
    }
}

#[tokio::test]
async fn an_id_of_ones_own_starts_one_once() {
    let world = World::new().await;
    let own = "7d0f1c3e-5d7c-4b0e-9a53-0a7cbd7d3c11";
    let body = json!({"id": own, "workflow_name": "bare"});
    assert_eq!(id(&world.post("/v2/executions", body).await), own);
    world.execution(own, "SUCCESS").await;
    let again = world
        .post(
            "/v2/executions",
            json!({"id": own, "workflow_name": "none"}),
        )
        .await;
    assert_eq!((&*id(&again), &again["state"]), (own, &json!("SUCCESS")));
    assert_eq!(
        world.get("/v2/executions").await["executions"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn one_is_started_as_an_earlier_one() {
    let world = World::new().await;
    let body = json!({"workflow_name": "simple", "input": {"name": "you", "mark": "?"}});
    let first = id(&world.post("/v2/executions", body).await);
    let body = json!({
        "source_execution_id": first, "description": "Once more", "input": {"name": "me"},
    });
    let second = world.post("/v2/executions", body).await;
    assert_eq!(inner(&second["input"]), json!({"name": "me", "mark": "?"}));
    let note = format!("Once more Based on the execution '{first}'");
    assert_eq!(second["description"], json!(note));
    let path = format!("/v2/executions/{}?fields=source_execution_id", id(&second));
    assert_eq!(world.get(&path).await["source_execution_id"], json!(first));
}

#[tokio::test]
async fn an_environment_is_given_by_name_and_changed_while_nothing_runs() {
    let world = World::new().await;
    let dev = json!({"name": "dev", "variables": {"who": "dev", "sum": "<% 1 + 1 %>"}});
    world.post("/v2/environments", dev).await;
    let body = json!({"workflow_name": "environs", "params": {"env": "dev"}});
    let started = world.post("/v2/executions", body).await;
    let env = |row: &Value| inner(&row["params"])["env"].clone();
    assert_eq!(env(&started), json!({"who": "dev", "sum": 2}));
    let path = format!("/v2/executions/{}", id(&started));

    let change = json!({"params": {"env": {"b": 2}}});
    let (status, reason) = world.refused("PUT", &path, change.clone()).await;
    assert_eq!(status, 403, "{reason}");
    world.put(&path, json!({"state": "PAUSED"})).await;
    let changed = world.put(&path, change).await;
    assert_eq!(env(&changed), json!({"who": "dev", "sum": 2, "b": 2}));
    let resume = json!({"state": "RUNNING", "params": {"env": {"c": 3}}});
    let resumed = world.put(&path, resume).await;
    let expected = json!({"who": "dev", "sum": 2, "b": 2, "c": 3});
    assert_eq!(env(&resumed), expected);
    let action = world
        .first("/v2/action_executions", "action_executions")
        .await;
    let finished = json!({"state": "SUCCESS"});
    world
        .put(&format!("/v2/action_executions/{}", id(&action)), finished)
        .await;
    let ended = world.until(&path, "SUCCESS").await;
    assert_eq!(inner(&ended["output"])["env"], expected);
}

#[tokio::test]
async fn one_is_paused_resumed_and_cancelled() {
    let world = World::new().await;
    let path = format!("/v2/executions/{}", world.start("parent").await);
    let put = |body| world.put(&path, body);
    assert_eq!(put(json!({"state": "PAUSED"})).await["state"], "PAUSED");
    assert_eq!(put(json!({"state": "PAUSED"})).await["state"], "PAUSED");
    let described = put(json!({"description": "Changed"})).await;
    assert_eq!(
        (&described["description"], described.get("input")),
        (&json!("Changed"), None)
    );
    assert_eq!(put(json!({"state": "RUNNING"})).await["state"], "RUNNING");
    let child = world
        .first("/v2/executions?workflow_name=waits", "executions")
        .await;
    assert_eq!(child["description"], "sub-workflow execution");
    world.execution(&id(&child), "RUNNING").await;
    let cancelled = put(json!({"state": "CANCELLED", "state_info": "Enough"})).await;
    assert_eq!(
        (&cancelled["state"], &cancelled["state_info"]),
        (&json!("CANCELLED"), &json!("Enough"))
    );
    assert_eq!(inner(&cancelled["output"]), json!({"result": "Enough"}));
    world.execution(&id(&child), "CANCELLED").await;

    // What has ended stays as it is.
    assert_eq!(put(json!({"state": "RUNNING"})).await["state"], "CANCELLED");
    assert_eq!(put(json!({"state": "ERROR"})).await["state"], "CANCELLED");
    for state in ["PAUSED", "SUCCESS"] {
        let (status, reason) = world.refused("PUT", &path, json!({"state": state})).await;
        let said = format!("Can't change workflow execution state from CANCELLED to {state}.");
        assert!(status == 400 && reason.starts_with(&said), "{reason}");
    }
}

#[tokio::test]
async fn changes_that_make_no_sense_are_refused() {
    let world = World::new().await;
    let path = format!("/v2/executions/{}", world.start("waits").await);
    let nothing = "The property state, description, or env is not provided for update.";
    for (body, reason) in [
        (json!({}), nothing),
        (json!({"state": ""}), nothing),
        (json!({"params": {"odd": 1}}), nothing),
        (
            json!({"state": "IDLE"}),
            "Cannot change state to IDLE. Allowed states are: 'RUNNING, PAUSED, SUCCESS, ERROR, CANCELLED",
        ),
        (
            json!({"state": "PAUSED", "description": "x"}),
            "The property description must be updated separately from state.",
        ),
        (
            json!({"state": "PAUSED", "params": {"env": {"b": 2}}}),
            "The property env can only be updated when workflow execution is not running or on resume from pause.",
        ),
    ] {
        let refused = world.refused("PUT", &path, body.clone()).await;
        assert_eq!(refused, (400, reason.to_owned()), "{body}");
    }
    let (status, _) = world
        .refused("PUT", UNKNOWN, json!({"state": "PAUSED"}))
        .await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn one_is_deleted_with_what_is_below_it() {
    let world = World::new().await;
    let parent = world.start("parent").await;
    let child = id(&world
        .first("/v2/executions?workflow_name=waits", "executions")
        .await);
    let path = format!("/v2/executions/{parent}");
    let (status, reason) = world.refused("DELETE", &path, json!(null)).await;
    assert_eq!(status, 403);
    assert!(
        reason.ends_with(&format!("Execution {parent} is in RUNNING state")),
        "{reason}"
    );
    let (status, _) = world
        .refused(
            "DELETE",
            &format!("/v2/executions/{child}?force=true"),
            json!(null),
        )
        .await;
    assert_eq!(status, 403);

    let (status, _) = world
        .ask("DELETE", &format!("{path}?force=true"), json!(null))
        .await;
    assert_eq!(status, 204);
    for id in [&parent, &child] {
        let (status, _) = world
            .refused("GET", &format!("/v2/executions/{id}"), json!(null))
            .await;
        assert_eq!(status, 404);
    }
    assert_eq!(world.get("/v2/tasks").await["tasks"], json!([]));

    let ended = world.run("bare", "SUCCESS").await;
    let (status, _) = world
        .ask("DELETE", &format!("/v2/executions/{ended}"), json!(null))
        .await;
    assert_eq!(status, 204);
    assert_eq!(world.get("/v2/executions").await["executions"], json!([]));
    // Its id is free again.
    let body = json!({"id": ended, "workflow_name": "bare"});
    world.post("/v2/executions", body).await;
    world.execution(&ended, "SUCCESS").await;
}
