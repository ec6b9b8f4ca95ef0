//! Who did what, where callers say who they are.

use std::path::Path;

use ostro_journal::{Journal, Options};
use ostro_server::{AuditSettings, Auth, Server};
use serde_json::{Value as Json, json};

use crate::cloud::{Asker, Keystone};
use crate::world::World;

const FLOW: &str = "version: '2.0'\nflow:\n  tasks: {one: {action: std.noop}}";

async fn audited(keystone: &Keystone, path: &Path) -> World {
    let journal = Journal::ephemeral(&Options::default()).unwrap();
    let auth = Auth::Keystone(keystone.settings(std::time::Duration::from_mins(5)));
    let settings = AuditSettings {
        path: Some(path.to_owned()),
    };
    let configured = |server: Server| server.with_auth(auth).with_audit(&settings).unwrap();
    World::open(journal, configured).await
}

/// What a line says of who did what, and of how that went.
fn told(line: &Json) -> Json {
    json!([
        line["user"],
        line["project"],
        line["roles"],
        line["method"],
        line["route"],
        line["status"],
        line["denied_by"],
    ])
}

#[tokio::test]
async fn each_line_says_who_asked_for_what_and_what_denied_it() {
    let keystone = Keystone::running().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let world = audited(&keystone, &path).await;
    let project = keystone.project().await;
    let user = keystone.user(&project, "member").await;
    let of_none = keystone.log_in(&user, json!("unscoped")).await;
    let asker = user.at(&world);
    asker.done("POST", "/v2/workflows", FLOW).await;
    asker.get("/v2/workflows").await;
    for (method, path, body) in [
        ("PUT", "/maintenance", r#"{"status": "PAUSED"}"#),
        ("GET", "/v2/executions?all_projects=true", ""),
        ("POST", "/v2/workflows?scope=public", FLOW),
    ] {
        assert_eq!(asker.status(method, path, body).await, 403, "{path}");
    }
    for (token, status) in [("", 401), ("sesame", 401), (of_none.as_str(), 403)] {
        let world = &world;
        let asker = Asker { world, token };
        assert_eq!(asker.status("GET", "/v2/tasks", "").await, status);
    }

    let text = std::fs::read_to_string(&path).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<Json> = lines.map(|line| told(&line)).collect();
    let (user_id, nobody) = (&user.id, json!([]));
    let by = |method, route, status, rule: Option<&str>| {
        json!([user_id, project, ["member"], method, route, status, rule])
    };
    // Keystone gives a member what is implied, too.
    let roles = lines[0][2].clone();
    assert!(
        roles.as_array().unwrap().contains(&json!("member")),
        "{text}"
    );
    let expected = [
        by("POST", "/v2/workflows", 201, None),
        by("PUT", "/maintenance", 403, Some("maintenance:update")),
        by(
            "GET",
            "/v2/executions",
            403,
            Some("executions:list:all_projects"),
        ),
        by("POST", "/v2/workflows", 403, Some("workflows:publicize")),
        json!([null, null, nobody, "GET", "/v2/tasks", 401, null]),
        json!([null, null, nobody, "GET", "/v2/tasks", 401, null]),
        json!([user_id, null, nobody, "GET", "/v2/tasks", 403, null]),
    ];
    let expected = expected.map(|mut line| {
        if line[2] == json!(["member"]) {
            line[2] = roles.clone();
        }
        line
    });
    assert_eq!(lines, expected, "{text}");
    assert!(
        !text.contains(user.token.as_str()) && !text.contains("sesame"),
        "{text}"
    );
}
