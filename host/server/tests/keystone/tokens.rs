//! Which tokens count, and for how long.

use std::time::Duration;

use ostro_journal::{Journal, Options};
use ostro_server::Auth;
use serde_json::{Value as Json, json};

use crate::cloud::{Asker, Keystone, without_rights};
use crate::world::World;

fn journal() -> Journal {
    Journal::ephemeral(&Options::default()).unwrap()
}

#[tokio::test]
async fn a_token_says_whose_project_it_is() {
    let keystone = Keystone::running().await;
    let world = keystone.server().await;
    let project = keystone.project().await;
    let user = keystone.user(&project, "member").await;

    let nobody = Asker {
        world: &world,
        token: "",
    };
    for path in ["/", "/v2/", "/v2"] {
        assert_eq!(nobody.status("GET", path, "").await, 200, "{path}");
    }
    let odd = Asker {
        world: &world,
        token: "odd",
    };
    for (asker, reason) in [
        (
            &nobody,
            "Failed to validate access token: Authentication required",
        ),
        (
            &odd,
            "Failed to validate access token: Auth token is invalid",
        ),
    ] {
        for (method, path) in [("GET", "/v2/workflows"), ("PUT", "/maintenance")] {
            let refused = asker.send(method, path, "").await;
            assert_eq!(refused.status, 401, "{path}");
            assert_eq!(refused.headers["server-error-message"], reason);
            let keystone = refused.headers["www-authenticate"].to_str().unwrap();
            assert!(keystone.starts_with("Keystone uri=\"http://"), "{keystone}");
            assert!(refused.text.contains(reason));
        }
    }

    let asker = user.at(&world);
    let text = "version: '2.0'\nflow:\n  tasks: {one: {action: std.noop}}";
    let made = asker.done("POST", "/v2/workflows", text).await;
    assert_eq!(made["workflows"][0]["project_id"], project.as_str());
    assert_eq!(asker.status("HEAD", "/v2/workflows", "").await, 200);
    let id = asker.run("flow", "SUCCESS").await;
    let row = asker.get(&format!("/v2/executions/{id}")).await;
    assert_eq!(row["project_id"], project.as_str());

    let unscoped = keystone.log_in(&user, json!("unscoped")).await;
    let unscoped = Asker {
        world: &world,
        token: &unscoped,
    };
    let refused = unscoped.send("GET", "/v2/workflows", "").await;
    assert_eq!(refused.status, 403);
    assert!(refused.reason().starts_with("The token is for no project"));
}

#[tokio::test]
async fn a_revoked_token_counts_for_as_long_as_it_is_remembered() {
    let keystone = Keystone::running().await;
    let world = |remember| {
        let auth = Auth::Keystone(keystone.settings(remember));
        World::open(journal(), |server| server.with_auth(auth))
    };
    let long = world(Duration::from_hours(1)).await;
    let remember = Duration::from_secs(1);
    let short = world(remember).await;
    let project = keystone.project().await;
    let user = keystone.user(&project, "member").await;
    let (long, short) = (user.at(&long), user.at(&short));
    for asker in [&long, &short] {
        assert_eq!(asker.status("GET", "/v2/workflows", "").await, 200);
    }
    keystone.revoke(&user.token).await;
    tokio::time::sleep(remember).await;
    assert_eq!(long.status("GET", "/v2/workflows", "").await, 200);
    assert_eq!(short.status("GET", "/v2/workflows", "").await, 401);
}

#[tokio::test]
async fn a_server_that_may_not_look_at_tokens_says_that_it_is_not_the_caller() {
    let keystone = Keystone::running().await;
    let auth = Auth::Keystone(without_rights());
    let world = World::open(journal(), |server| server.with_auth(auth)).await;
    let project = keystone.project().await;
    let user = keystone.user(&project, "member").await;
    let refused = user.at(&world).send("GET", "/v2/workflows", "").await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert!(refused.reason().contains("Keystone"));
    let shown: Json = refused.json();
    assert!(!shown.to_string().contains(&user.token));
}
