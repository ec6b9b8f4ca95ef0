//! The audit log: who did what.

use std::path::Path;

use ostro_server::AuditSettings;
use serde_json::{Value as Json, json};

use super::world::{World, id};

async fn audited(path: &Path) -> World {
    let settings = AuditSettings {
        path: Some(path.to_owned()),
    };
    World::set_up(|server| server.with_audit(&settings).unwrap()).await
}

fn lines(path: &Path) -> Vec<Json> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn what_changes_something_is_written_down_and_what_only_reads_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.log");
    let world = audited(&path).await;
    let before = lines(&path).len();

    let made = world
        .post("/v2/executions", json!({"workflow_name": "bare"}))
        .await;
    let made = id(&made);
    world.execution(&made, "SUCCESS").await;
    world.get("/v2/executions").await;
    let path_of_it = format!("/v2/executions/{made}");
    assert_eq!(world.ask("DELETE", &path_of_it, Json::Null).await.0, 204);
    assert_eq!(world.ask("DELETE", &path_of_it, Json::Null).await.0, 404);

    let lines = &lines(&path)[before..];
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            assert!(line["request_id"].as_str().unwrap().starts_with("req-"));
            assert!(line["time"].as_str().unwrap().ends_with('Z'));
            assert_eq!(line["project"], "<default-project>");
            assert_eq!(line["address"], "127.0.0.1");
            (
                line["method"].as_str().unwrap(),
                line["route"].as_str().unwrap(),
                line["resource"].as_str().unwrap(),
                line["status"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("POST", "/v2/executions", &*made, 201),
            ("DELETE", "/v2/executions/{id}", &made, 204),
            ("DELETE", "/v2/executions/{id}", &made, 404),
        ]
    );
}

#[tokio::test]
async fn denied_reads_are_written_down() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.log");
    let world = audited(&path).await;
    let made = world.start("waits").await;
    let before = lines(&path).len();
    // What only completed executions may have done to them is denied with 403.
    let path_of_it = format!("/v2/executions/{made}");
    assert_eq!(world.ask("DELETE", &path_of_it, Json::Null).await.0, 403);
    let lines = &lines(&path)[before..];
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["status"], 403);
}

#[tokio::test]
async fn no_secret_is_written_down() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.log");
    let world = audited(&path).await;
    let body = json!({
        "workflow_name": "environs",
        "params": {"env": {"password": "sesame-in-body"}},
    });
    let headers = [
        ("x-auth-token", "sesame-token"),
        ("x-openstack-request-id", "req-sesame"),
        ("x-auth-key", "sesame-key"),
    ];
    let answer = world
        .answer("POST", "/v2/executions?note=sesame-query", &headers, body)
        .await;
    assert_eq!(answer.status(), 201);
    let log = std::fs::read_to_string(&path).unwrap();
    assert!(log.contains("\"POST\""), "{log}");
    assert!(!log.contains("sesame"), "{log}");
    let metrics = world.text("/metrics").await;
    assert!(!metrics.contains("sesame"), "{metrics}");
}

#[tokio::test]
async fn a_file_that_was_moved_away_is_followed_by_another() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.log");
    let settings = AuditSettings {
        path: Some(path.clone()),
    };
    let world = World::set_up(|server| server.with_audit(&settings).unwrap()).await;
    let old = dir.path().join("audit.log.1");
    std::fs::rename(&path, &old).unwrap();
    let before = lines(&old).len();
    world.start("bare").await;
    assert_eq!(lines(&old).len(), before + 1);
    world.live.reopen_audit_log().unwrap();
    world.start("bare").await;
    assert_eq!(lines(&old).len(), before + 1);
    assert_eq!(lines(&path).len(), 1);
}
