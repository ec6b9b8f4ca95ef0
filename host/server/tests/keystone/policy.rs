//! Who may do what.

use ostro_server::Policy;
use serde_json::json;

use crate::cloud::Keystone;

const FORBIDDEN: &str = "Operation forbidden (insufficient permissions)";
const FLOW: &str = "version: '2.0'\nflow:\n  tasks: {one: {action: std.noop}}";

#[tokio::test]
async fn administrators_see_all_projects_and_share_with_them() {
    let keystone = Keystone::running().await;
    let world = keystone.server().await;
    let (one, other) = (keystone.project().await, keystone.project().await);
    let member = keystone.user(&one, "member").await;
    let admin = keystone.user(&other, "admin").await;
    let (member, admin) = (member.at(&world), admin.at(&world));
    member.done("POST", "/v2/workflows", FLOW).await;
    let id = member.run("flow", "SUCCESS").await;

    for (method, path, body) in [
        ("GET", "/v2/workflows?all_projects=true", ""),
        ("GET", "/v2/executions?all_projects=true", ""),
        ("GET", "/v2/cron_triggers?all_projects=true", ""),
        ("POST", "/v2/workflows?scope=public", FLOW),
        (
            "POST",
            "/v2/environments",
            r#"{"name": "e", "variables": {}, "scope": "public"}"#,
        ),
        ("PUT", "/maintenance", r#"{"status": "RUNNING"}"#),
        ("GET", "/v2/code_sources", ""),
        ("POST", "/v2/packs", "{}"),
        ("POST", "/v2/packs/acme/rollback", ""),
    ] {
        let refused = member.send(method, path, body).await;
        assert_eq!(
            (refused.status, &*refused.reason()),
            (403, FORBIDDEN),
            "{path}"
        );
    }
    let path = format!("/v2/executions?project_id={one}");
    assert_eq!(member.send("GET", &path, "").await.reason(), FORBIDDEN);

    let listed = admin.get(&path).await;
    assert_eq!(listed["executions"][0]["id"], id.as_str());
    let tasks = admin.get(&format!("/v2/executions/{id}/tasks")).await;
    assert_eq!(tasks["tasks"][0]["name"], "one");
    let all = admin.get("/v2/workflows?all_projects=true").await;
    assert_eq!(all["workflows"][0]["project_id"], one.as_str());
    admin
        .done("PUT", "/maintenance", r#"{"status": "RUNNING"}"#)
        .await;
    assert_eq!(admin.status("GET", "/v2/code_sources", "").await, 501);

    let open = FLOW.replace("flow", "open");
    admin
        .done("POST", "/v2/workflows?scope=public", &open)
        .await;
    member.run("open", "SUCCESS").await;
    let gone = member.send("DELETE", "/v2/workflows/open", "").await;
    assert_eq!(gone.status, 403, "{}", gone.text);
}

#[tokio::test]
async fn a_policy_file_says_otherwise() {
    let keystone = Keystone::running().await;
    let text = "
chief: role:ostro_chief
admin_only: rule:chief
executions:create: rule:chief or role:manager
workflows:delete: '!'
";
    let world = keystone.server_with(Policy::read(text, "policy.yaml").unwrap());
    let world = world.await;
    let project = keystone.project().await;
    let member = keystone.user(&project, "member").await;
    let chief = keystone.user(&project, "ostro_chief").await;
    let admin = keystone.user(&project, "admin").await;
    let (member, chief, admin) = (member.at(&world), chief.at(&world), admin.at(&world));
    let start = json!({"workflow_name": "flow"}).to_string();
    member.done("POST", "/v2/workflows", FLOW).await;
    let refused = member.send("POST", "/v2/executions", &start).await;
    assert_eq!((refused.status, &*refused.reason()), (403, FORBIDDEN));
    chief.run("flow", "SUCCESS").await;
    assert_eq!(chief.status("DELETE", "/v2/workflows/flow", "").await, 403);
    let all = "/v2/executions?all_projects=true";
    assert_eq!(chief.status("GET", all, "").await, 200);
    // The role alone makes no administrator where the file says what does.
    assert_eq!(admin.status("GET", all, "").await, 403);

    // While it runs, the rules become others.
    let text = "admin_only: role:admin\nexecutions:create: role:member\n";
    world
        .live
        .set_policy(Policy::read(text, "policy.yaml").unwrap());
    assert_eq!(chief.status("GET", all, "").await, 403);
    assert_eq!(admin.status("GET", all, "").await, 200);
    assert_eq!(chief.status("POST", "/v2/executions", &start).await, 403);
    member.run("flow", "SUCCESS").await;
    assert_eq!(member.status("DELETE", "/v2/workflows/flow", "").await, 204);
}
