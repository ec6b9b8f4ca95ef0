//! Workflows that are shared with projects.

use ostro_server::Policy;
use serde_json::{Value as Json, json};

use crate::cloud::{Asker, Keystone};

const FLOW: &str = "version: '2.0'\nflow:\n  tasks: {one: {action: std.noop}}";

async fn says(asker: &Asker<'_>, workflow: &str, member: &str, status: &str) -> (u16, Json) {
    let path = format!("/v2/workflows/{workflow}/members/{member}");
    let body = json!({ "status": status }).to_string();
    let answer = asker.send("PUT", &path, &body).await;
    (answer.status, answer.json())
}

#[tokio::test]
async fn a_member_runs_the_workflow_once_it_has_accepted() {
    let keystone = Keystone::running().await;
    let world = keystone.server().await;
    let mut users = Vec::new();
    for _ in 0..3 {
        let project = keystone.project().await;
        users.push(keystone.user(&project, "member").await);
    }
    let [owner, member, other] = users.as_slice() else {
        panic!("there are three");
    };
    let (own, mem, oth) = (owner.at(&world), member.at(&world), other.at(&world));
    let made = own.done("POST", "/v2/workflows", FLOW).await;
    let id = made["workflows"][0]["id"].as_str().unwrap();
    let workflow = format!("/v2/workflows/{id}");
    let all = format!("{workflow}/members");
    let one = format!("{all}/{}", member.project);
    let offer = json!({"member_id": member.project}).to_string();

    // What others have is not theirs to share.
    assert_eq!(mem.status("POST", &all, &offer).await, 404);
    assert_eq!(own.status("POST", &all, "{}").await, 400);
    let offered = own.send("POST", &all, &offer).await;
    assert_eq!(offered.status, 201);
    let offered = offered.json();
    let wanted = json!({
        "id": offered["id"],
        "resource_id": id,
        "resource_type": "workflow",
        "project_id": owner.project,
        "member_id": member.project,
        "status": "pending",
        "created_at": offered["created_at"],
    });
    assert_eq!(offered, wanted);
    assert_eq!(own.status("POST", &all, &offer).await, 409);

    assert_eq!(mem.get(&all).await["members"][0]["status"], "pending");
    assert_eq!(mem.status("GET", &workflow, "").await, 404);
    assert_eq!(oth.get(&all).await["members"], json!([]));
    assert_eq!(oth.status("GET", &one, "").await, 404);
    // Only the member answers.
    for asker in [&own, &oth] {
        assert_eq!(says(asker, id, &member.project, "accepted").await.0, 404);
    }
    assert_eq!(says(&mem, id, &member.project, "odd").await.0, 400);
    let (status, answer) = says(&mem, id, &member.project, "accepted").await;
    assert_eq!((status, &answer["status"]), (200, &json!("accepted")));

    // It lasts beyond the server.
    let again = keystone.server_on(world.journal.clone(), Policy::default());
    let again = again.await;
    assert_eq!(member.at(&again).status("GET", &workflow, "").await, 200);
    drop(again);

    assert_eq!(mem.get("/v2/workflows").await["workflows"][0]["id"], id);
    let ran = mem.run("flow", "SUCCESS").await;
    let row = mem.get(&format!("/v2/executions/{ran}")).await;
    assert_eq!(row["project_id"], member.project.as_str());
    assert_eq!(
        own.status("GET", &format!("/v2/executions/{ran}"), "")
            .await,
        404
    );
    assert_eq!(oth.status("GET", &workflow, "").await, 404);
    for (method, path, body) in [
        ("DELETE", &workflow, ""),
        ("PUT", &workflow, FLOW),
        (
            "POST",
            &all,
            &*json!({"member_id": other.project}).to_string(),
        ),
    ] {
        assert_eq!(mem.status(method, path, body).await, 403, "{method} {path}");
    }
    assert_eq!(mem.status("DELETE", &one, "").await, 404);

    // The text is changed, and stays shared.
    own.done("PUT", &workflow, FLOW).await;
    assert_eq!(mem.status("GET", &workflow, "").await, 200);
    assert_eq!(says(&mem, id, &member.project, "rejected").await.0, 200);
    assert_eq!(mem.status("GET", &workflow, "").await, 404);
    says(&mem, id, &member.project, "accepted").await;
    assert_eq!(own.status("DELETE", &one, "").await, 204);
    assert_eq!(mem.status("GET", &workflow, "").await, 404);
    let start = json!({"workflow_name": "flow"}).to_string();
    assert_eq!(mem.status("POST", "/v2/executions", &start).await, 404);
    // With the workflow go its members.
    own.done("POST", &all, &offer).await;
    own.send("DELETE", &workflow, "").await;
    assert_eq!(mem.get(&all).await["members"], json!([]));
}
