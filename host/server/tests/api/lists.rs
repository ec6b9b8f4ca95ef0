//! Lists, trees and reports.

use serde_json::{Value, json};

use crate::wire::Wire;
use crate::world::{World, id};

#[tokio::test]
async fn executions_are_filtered_sorted_and_paged() {
    let world = World::new().await;
    for (name, workflow) in [("alpha", "bare"), ("beta", "failing"), ("gamma", "bare")] {
        let body = json!({"workflow_name": workflow, "description": name});
        let id = id(&world.post("/v2/executions", body).await);
        let state = if workflow == "bare" {
            "SUCCESS"
        } else {
            "ERROR"
        };
        world.execution(&id, state).await;
    }
    let waits = json!({"workflow_name": "waits", "params": {"env": {"a": 1}}});
    world.post("/v2/executions", waits).await;
    let simple = json!({"workflow_name": "simple", "input": {"name": "you"}});
    let simple = id(&world.post("/v2/executions", simple).await);
    world.execution(&simple, "SUCCESS").await;
    let names = |query: &str| {
        let path = format!("/v2/executions?sort_keys=description,workflow_name&{query}");
        let answer = world.get(&path);
        async move {
            let answer = answer.await;
            let rows = answer["executions"].as_array().unwrap();
            let name = |row: &Value| {
                let description = row["description"].as_str().unwrap();
                let workflow = row["workflow_name"].as_str().unwrap();
                if description.is_empty() {
                    workflow
                } else {
                    description
                }
                .to_owned()
            };
            rows.iter().map(name).collect::<Vec<_>>()
        }
    };
    let all = ["simple", "waits", "alpha", "beta", "gamma"];
    assert_eq!(names("").await, all);
    for (query, expected) in [
        ("state=ERROR", &["beta"][..]),
        ("state=in:ERROR,RUNNING", &["waits", "beta"]),
        ("state=odd", &[]),
        ("description=has:amm", &["gamma"]),
        ("description=gt:alpha", &["beta", "gamma"]),
        ("workflow_name=neq:bare", &["simple", "waits", "beta"]),
        ("tags=plain", &["simple"]),
        ("tags=plain,none", &[]),
        ("input={\"name\":\"you\",\"mark\":\"!\"}", &["simple"]),
        ("params={\"env\":{\"a\":1},\"namespace\":\"\"}", &["waits"]),
        (
            "nulls=state_info,root_execution_id",
            &["simple", "waits", "alpha", "gamma"],
        ),
        (
            "created_at=gt:2000-01-01&description=has:a",
            &["alpha", "beta", "gamma"],
        ),
        ("created_at=lt:2000-01-01 00:00:00", &[]),
    ] {
        assert_eq!(names(query).await, expected, "{query}");
    }

    // Pages follow each other, and say where the next one is.
    let mut seen = Vec::new();
    let mut path =
        "/v2/executions?sort_keys=description&sort_dirs=desc&limit=2&fields=description".to_owned();
    loop {
        let answer = world.get(&path).await;
        for row in answer["executions"].as_array().unwrap() {
            assert_eq!(row.as_object().unwrap().len(), 2, "{row}");
            seen.push(row["description"].as_str().unwrap().to_owned());
        }
        let Some(next) = answer["next"].as_str() else {
            break;
        };
        path = next[next.find("/v2/").unwrap()..].to_owned();
    }
    assert_eq!(seen, ["gamma", "beta", "alpha", "", ""]);

    // The output is large, and shown to those who want it.
    let with = |query: &str| world.get(&format!("/v2/executions?tags=plain&{query}"));
    assert_eq!(with("").await["executions"][0].get("output"), None);
    for query in ["include_output=true", "fields=output"] {
        let shown = &with(query).await["executions"][0]["output"];
        assert_eq!(shown, "{\"said\":\"Hello you!\"}");
    }
}

#[tokio::test]
async fn what_no_list_has_is_refused() {
    let world = World::new().await;
    for (query, status) in [
        ("limit=0", 400),
        ("marker=text", 400),
        ("marker=00000000-0000-0000-0000-000000000000", 404),
        ("sort_keys=none", 400),
        ("unknown=1", 400),
        ("workflow_id=text", 400),
        ("input=text", 400),
        ("created_at=text", 400),
        ("nulls=none", 400),
        ("nulls=id", 400),
        ("all_projects=true", 403),
    ] {
        let path = format!("/v2/executions?{query}");
        let refused = world.refused("GET", &path, json!(null)).await;
        assert_eq!(refused.0, status, "{query}: {}", refused.1);
    }
    for path in [
        "/v2/tasks?result=x",
        "/v2/tasks?env={}",
        "/v2/action_executions?params={}",
    ] {
        let refused = world.refused("GET", path, json!(null)).await;
        assert_eq!(refused.0, 400, "{path}");
    }
}

#[tokio::test]
async fn projects_do_not_see_each_other() {
    let world = World::new().await;
    let own = world.run("bare", "SUCCESS").await;
    let other = world.of_another_project("theirs").await;
    let list = world.get("/v2/executions?fields=id").await;
    assert_eq!(list["executions"], json!([{"id": own}]));
    assert_eq!(
        world.get("/v2/tasks").await["tasks"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let actions = world.get("/v2/action_executions").await;
    assert_eq!(actions["action_executions"].as_array().unwrap().len(), 1);

    let path = format!("/v2/executions/{other}");
    for (method, path, body) in [
        ("GET", path.clone(), json!(null)),
        ("GET", format!("{path}/tasks"), json!(null)),
        ("GET", format!("{path}/report"), json!(null)),
        ("GET", format!("{path}/executions"), json!(null)),
        ("GET", format!("/v2/executions?marker={other}"), json!(null)),
        ("PUT", path.clone(), json!({"description": "mine"})),
        ("DELETE", path.clone(), json!(null)),
        (
            "POST",
            "/v2/executions".to_owned(),
            json!({"source_execution_id": other}),
        ),
    ] {
        let (status, reason) = world.refused(method, &path, body).await;
        assert_eq!(status, 404, "{method} {path}: {reason}");
    }
    let task = world
        .journal
        .list_tasks(&ostro_journal::Query::new())
        .unwrap();
    let task = task
        .iter()
        .find(|task| task.project_id == "another")
        .unwrap();
    let (status, _) = world
        .refused("GET", &format!("/v2/tasks/{}", task.row.id), json!(null))
        .await;
    assert_eq!(status, 404);
    let action = world
        .journal
        .list_actions(&ostro_journal::Query::new())
        .unwrap();
    let action = action
        .iter()
        .find(|action| action.row.project_id.as_deref() == Some("another"));
    let path = format!("/v2/action_executions/{}", action.unwrap().row.id);
    for (method, body) in [("GET", json!(null)), ("PUT", json!({"state": "ERROR"}))] {
        let (status, _) = world.refused(method, &path, body).await;
        assert_eq!(status, 404);
    }
    // Nor is its id given out for one of the caller's own.
    let body = json!({"id": other, "workflow_name": "bare"});
    assert_eq!(world.refused("POST", "/v2/executions", body).await.0, 409);
}

#[tokio::test]
async fn a_report_is_a_tree_with_statistics() {
    let world = World::new().await;
    let id = world.run("failing_parent", "ERROR").await;
    let report = |query: &str| world.get(&format!("/v2/executions/{id}/report?{query}"));
    let counts = |report: &Value| {
        let of = |name: &str| report["statistics"][name].as_i64().unwrap();
        (
            of("total_tasks_count"),
            of("success_tasks_count"),
            of("error_tasks_count"),
        )
    };
    let whole = report("").await;
    assert_eq!(counts(&whole), (3, 1, 2));
    assert_eq!(whole["statistics"]["estimated_time"], 0);
    let root = &whole["root_workflow_execution"];
    assert_eq!(
        (&root["name"], &root["state"]),
        (&json!("failing_parent"), &json!("ERROR"))
    );
    let child = &root["task_executions"][0]["workflow_executions"][0];
    let tasks = child["task_executions"].as_array().unwrap();
    let names: Vec<_> = tasks
        .iter()
        .map(|task| task["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["one", "two"]);
    let action = &tasks[1]["action_executions"][0];
    assert_eq!(
        (&action["name"], &action["accepted"]),
        (&json!("std.fail"), &json!(true))
    );

    let failed = report("errors_only=true").await;
    assert_eq!(counts(&failed), (2, 0, 2));
    let shallow = report("max_depth=0").await;
    assert_eq!(counts(&shallow), (1, 0, 1));
    let child = &shallow["root_workflow_execution"]["task_executions"][0]["workflow_executions"][0];
    assert_eq!(
        (&child["name"], child.get("task_executions")),
        (&json!("failing"), None)
    );
    let only = report("statistics_only=true").await;
    assert_eq!(
        (counts(&only), only.as_object().unwrap().len()),
        ((3, 1, 2), 1)
    );
    let retried = world.run("retries", "ERROR").await;
    let retried = world.get(&format!("/v2/executions/{retried}/report")).await;
    let task = &retried["root_workflow_execution"]["task_executions"][0];
    assert_eq!(task["retry_count"], 2);
    assert_eq!(task["action_executions"].as_array().unwrap().len(), 3);
    let wrong = format!("/v2/executions/{id}/report?max_depth=text");
    assert_eq!(world.refused("GET", &wrong, json!(null)).await.0, 400);

    let below = |query: &str| world.get(&format!("/v2/executions/{id}/executions?{query}"));
    let names = |answer: Value| {
        let rows = answer["executions"].as_array().unwrap().clone();
        rows.iter()
            .map(|row| row["workflow_name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(below("").await), ["failing_parent", "failing"]);
    assert_eq!(names(below("max_depth=0").await), ["failing_parent"]);
    assert_eq!(
        names(below("errors_only=true").await),
        ["failing_parent", "failing"]
    );
}

#[tokio::test]
async fn what_is_no_text_is_refused_as_all_else_is() {
    let world = World::new().await;
    let mut wire = Wire::to(world.address()).await;
    for request in [
        &b"GET /v2/workflows/%ff HTTP/1.1\r\nhost: here\r\n\r\n"[..],
        b"POST /v2/workflows HTTP/1.1\r\nhost: here\r\ncontent-length: 2\r\n\r\n\xff\xfe",
    ] {
        wire.write(request).await.unwrap();
        let answer = wire.answer().await.unwrap();
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.fault().contains("UTF-8"), "{answer:?}");
    }
}
