//! Event triggers over HTTP, without a broker: what there is of them, and what is refused.

use serde_json::{Value, json};

use crate::world::{World, id, inner};

async fn workflow(world: &World, name: &str) -> String {
    id(&world.get(&format!("/v2/workflows/{name}")).await)
}

/// A trigger for `event`, as a caller sends it.
fn wanted(workflow: &str, event: &str) -> Value {
    json!({
        "name": "told",
        "workflow_id": workflow,
        "exchange": "nova",
        "topic": "notifications",
        "event": event,
    })
}

#[tokio::test]
async fn a_trigger_is_kept_changed_and_deleted() {
    let world = World::new().await;
    let bare = workflow(&world, "bare").await;
    let created = world
        .post("/v2/event_triggers", wanted(&bare, "a.start"))
        .await;
    assert_eq!(created["scope"], "private");
    assert_eq!(inner(&created["workflow_input"]), json!({}));
    assert!(created["updated_at"].is_null());
    let path = format!("/v2/event_triggers/{}", id(&created));
    assert_eq!(world.get(&path).await, created);

    let simple = workflow(&world, "simple").await;
    let change = json!({
        "name": "",
        "workflow_id": simple,
        "workflow_input": {"name": "Ada"},
        "workflow_params": {"env": {"a": 1}},
    });
    let changed = world.put(&path, change).await;
    assert_eq!(changed["name"], "");
    assert_eq!(changed["workflow_id"], json!(simple));
    assert_eq!(inner(&changed["workflow_input"]), json!({"name": "Ada"}));
    assert_eq!(inner(&changed["workflow_params"]), json!({"env": {"a": 1}}));
    assert!(changed["updated_at"].is_string());
    // It lasts beyond the server.
    let again = World::on(world.journal.clone()).await;
    assert_eq!(again.get(&path).await, changed);
    drop(again);

    assert_eq!(world.ask("DELETE", &path, json!(null)).await.0, 204);
    let gone = format!("Event trigger not found [id={}].", id(&created));
    for method in ["GET", "DELETE"] {
        let refused = world.refused(method, &path, json!(null)).await;
        assert_eq!(refused, (404, gone.clone()));
    }
    let refused = world.refused("PUT", &path, json!({"name": "x"})).await;
    assert_eq!(refused, (404, gone));
}

#[tokio::test]
async fn lists_are_filtered_sorted_and_paged() {
    let world = World::new().await;
    let bare = workflow(&world, "bare").await;
    for event in ["b", "a", "c"] {
        world.post("/v2/event_triggers", wanted(&bare, event)).await;
    }
    let events = |list: &Value| -> Vec<String> {
        let rows = list["event_triggers"].as_array().unwrap();
        let events = rows.iter().map(|row| row["event"].as_str().unwrap());
        events.map(str::to_owned).collect()
    };
    let list = world.get("/v2/event_triggers?sort_keys=event").await;
    assert_eq!(events(&list), ["a", "b", "c"]);
    let list = world
        .get("/v2/event_triggers?sort_keys=event&limit=2&fields=event")
        .await;
    assert_eq!(events(&list), ["a", "b"]);
    let next = list["next"].as_str().unwrap();
    let next = next.split_once("/v2/").unwrap().1;
    assert_eq!(events(&world.get(&format!("/v2/{next}")).await), ["c"]);
    let list = world
        .get("/v2/event_triggers?event=in:a,c&sort_keys=event")
        .await;
    assert_eq!(events(&list), ["a", "c"]);
}

#[tokio::test]
async fn what_makes_no_trigger_is_refused() {
    let world = World::new().await;
    let bare = workflow(&world, "bare").await;
    let simple = workflow(&world, "simple").await;
    let nobody = "00000000-0000-4000-8000-000000000000";
    let with = |name: &str, value: Value| {
        let mut body = wanted(&bare, "a.start");
        body[name] = value;
        body
    };
    let kept = id(&world
        .post("/v2/event_triggers", wanted(&bare, "a.start"))
        .await);
    let twice = format!(
        "Duplicate entry for EventTrigger ['exchange', 'topic', 'event', 'workflow_id', \
         'project_id']: nova, notifications, a.start, {bare}, None"
    );
    for (body, status, reason) in [
        (wanted(&bare, "a.start"), 409, twice.as_str()),
        (with("exchange", json!("")), 400, "exchange is not there"),
        (with("topic", json!(null)), 400, "topic is not there"),
        (with("event", json!("x".repeat(201))), 400, "201 bytes"),
        (with("event", json!(1)), 400, "Wrong type"),
        (
            with("workflow_id", json!("bare")),
            400,
            "Expected a uuid but received bare.",
        ),
        (
            with("workflow_id", json!(nobody)),
            404,
            "Workflow not found",
        ),
        (with("workflow_id", json!(simple)), 400, "missing=['name']"),
        (with("scope", json!("public")), 403, "forbidden"),
        (with("scope", json!("odd")), 400, "should be one of"),
        (
            with("id", json!(nobody)),
            400,
            "Cannot set read only field.",
        ),
        (with("pattern", json!("x")), 400, "Unknown attribute"),
    ] {
        let (code, said) = world.refused("POST", "/v2/event_triggers", body).await;
        assert_eq!(code, status, "{said}");
        assert!(said.contains(reason), "{said}: {reason}");
    }

    let path = format!("/v2/event_triggers/{kept}");
    for name in ["exchange", "topic", "event"] {
        let refused = world.refused("PUT", &path, json!({name: "other"})).await;
        let reason = "Can not update fields ['exchange', 'topic', 'event'] of event trigger.";
        assert_eq!(refused, (400, reason.to_owned()));
    }
    let refused = world.refused("PUT", &path, json!({"workflow_id": nobody}));
    assert_eq!(refused.await.0, 404);
    let (code, said) = world
        .refused("GET", "/v2/event_triggers/odd", json!(null))
        .await;
    assert!(code == 400 && said.contains("Expected a uuid"), "{said}");
    let refused = world.refused("GET", "/v2/event_triggers?all_projects=1", json!(null));
    assert_eq!(refused.await.0, 403);
}

#[tokio::test]
async fn a_workflow_with_triggers_stays() {
    let world = World::new().await;
    let bare = workflow(&world, "bare").await;
    let kept = id(&world
        .post("/v2/event_triggers", wanted(&bare, "a.start"))
        .await);
    let refused = world
        .refused("DELETE", "/v2/workflows/bare", json!(null))
        .await;
    let reason = format!(
        "Can't delete workflow that has event triggers associated. \
         [workflow_identifier=bare], [event_trigger_id(s)={kept}]"
    );
    assert_eq!(refused, (400, reason));
    let path = format!("/v2/event_triggers/{kept}");
    world.ask("DELETE", &path, json!(null)).await;
    let gone = world.ask("DELETE", "/v2/workflows/bare", json!(null)).await;
    assert_eq!(gone.0, 204);
}
