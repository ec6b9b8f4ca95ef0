//! What users start acts as them on a real cloud, also after their token has ended.

use std::sync::Arc;
use std::time::Duration;

use ostro_core::{Method, RelativePath, ServiceRequest};
use ostro_journal::{Journal, Options};
use ostro_openstack::Delegations;
use ostro_server::{Auth, EventSettings, Server, SystemAction};
use serde_json::{Value as Json, json};

use crate::acting::Acting;
use crate::broker::Broker;
use crate::cloud::{Asker, Keystone, User};
use crate::world::World;

const WORKFLOWS: &str = "
version: '2.0'
later:
  output: {projects: <% $.projects %>}
  tasks:
    waits: {action: std.async_noop, on-success: acts}
    acts: {action: cloud.projects, publish: {projects: <% task().result %>}}
now:
  output: {projects: <% $.projects %>}
  tasks:
    acts: {action: cloud.projects, publish: {projects: <% task().result %>}}
";

/// One that lists the projects of whom it acts as.
fn lists(delegations: Arc<Delegations>) -> Acting {
    Acting {
        delegations,
        action: SystemAction {
            name: "cloud.projects".into(),
            parameters: Vec::new(),
            description: None,
        },
        request: |_| {
            let path = RelativePath::parse("/v3/auth/projects").unwrap();
            ServiceRequest::new("identity", Method::Get, path)
        },
        result: |answer| {
            let list: Json = serde_json::from_slice(&answer.body).unwrap();
            let projects = list["projects"].as_array().unwrap().iter();
            let ids: Vec<Json> = projects.map(|project| project["id"].clone()).collect();
            Json::from(ids).into()
        },
    }
}

/// Another token of a user whose first one was revoked.
async fn another(keystone: &Keystone, user: &User) -> String {
    keystone.revoke(&user.token).await;
    keystone.token(user).await
}

async fn world(keystone: &Keystone, events: EventSettings) -> World {
    let delegations = Delegations::new(keystone.session().clone(), &[]).required();
    let delegations = Arc::new(delegations);
    let acting = Arc::new(lists(Arc::clone(&delegations)));
    let auth = Auth::Keystone(keystone.settings(Duration::from_mins(5)));
    let journal = Journal::ephemeral(&Options::default()).unwrap();
    let set_up = |server: Server| {
        let server = server.with_auth(auth).with_events(events);
        server.with_delegations(delegations).unwrap()
    };
    World::with(journal, acting, set_up).await
}

/// The execution that `asker` has, once it has ended with the caller's project as its output.
async fn acted_as(asker: &Asker<'_>, user: &User) {
    let executions = "/v2/executions?include_output=true&state=SUCCESS";
    let ended = asker
        .until(executions, |list| {
            list["executions"].as_array().unwrap().len() == 1
        })
        .await;
    let output = ended["executions"][0]["output"].as_str().unwrap();
    let output: Json = serde_json::from_str(output).unwrap();
    assert_eq!(output, json!({"projects": [user.project]}));
}

#[tokio::test]
async fn an_execution_acts_as_its_caller_whose_token_was_revoked() {
    let keystone = Keystone::running().await;
    let world = world(&keystone, EventSettings::default()).await;
    let project = keystone.project().await;
    let user = keystone.user(&project, "member").await;
    let asker = user.at(&world);
    asker.done("POST", "/v2/workflows", WORKFLOWS).await;
    let body = json!({"workflow_name": "later"}).to_string();
    asker.done("POST", "/v2/executions", &body).await;
    assert_eq!(keystone.trusts(&user).await, 1);

    let token = another(&keystone, &user).await;
    let asker = Asker {
        world: &world,
        token: &token,
    };
    let waiting = "/v2/action_executions?name=std.async_noop&state=RUNNING";
    let found = |list: &Json| list["action_executions"].as_array().unwrap().len() == 1;
    let waiting = asker.until(waiting, found).await;
    let id = waiting["action_executions"][0]["id"].as_str().unwrap();
    let path = format!("/v2/action_executions/{id}");
    asker.done("PUT", &path, r#"{"state": "SUCCESS"}"#).await;
    acted_as(&asker, &user).await;
    keystone.has_no_trusts(&user).await;
}

#[tokio::test]
async fn what_an_event_starts_acts_as_whoever_made_its_trigger() {
    let broker = Broker::shared();
    let keystone = Keystone::running().await;
    let events = EventSettings {
        url: Some(broker.url().parse().unwrap()),
        ..EventSettings::default()
    };
    let world = world(&keystone, events).await;
    let project = keystone.project().await;
    let user = keystone.user(&project, "member").await;
    let asker = user.at(&world);
    let made = asker.done("POST", "/v2/workflows", WORKFLOWS).await;
    let mut workflows = made["workflows"].as_array().unwrap().iter();
    let now = workflows
        .find(|workflow| workflow["name"] == "now")
        .unwrap();
    let trigger = json!({"name": "told", "workflow_id": now["id"], "exchange": "delegated",
        "topic": "notifications", "event": "told"});
    let trigger = asker
        .done("POST", "/v2/event_triggers", &trigger.to_string())
        .await;
    assert_eq!(keystone.trusts(&user).await, 1);

    let token = another(&keystone, &user).await;
    let asker = Asker {
        world: &world,
        token: &token,
    };
    broker.is_listened_to("delegated").await;
    let told =
        |project: &str| json!({"event": "told", "payload": {}, "context": {"project_id": project}});
    // A project hears of itself alone.
    let events = [told("another"), told(&user.project)];
    broker.notify("messagingv2", "delegated", &events);
    acted_as(&asker, &user).await;
    assert_eq!(
        keystone.trusts(&user).await,
        1,
        "the trigger's is still needed"
    );
    let path = format!("/v2/event_triggers/{}", trigger["id"].as_str().unwrap());
    asker.done("DELETE", &path, "").await;
    keystone.has_no_trusts(&user).await;
}

#[tokio::test]
async fn an_application_credential_starts_executions_but_makes_no_triggers() {
    let keystone = Keystone::running().await;
    let world = world(&keystone, EventSettings::default()).await;
    let project = keystone.project().await;
    let user = keystone.user(&project, "member").await;
    user.at(&world)
        .done("POST", "/v2/workflows", WORKFLOWS)
        .await;
    let token = keystone.token_of_an_application(&user).await;
    let asker = Asker {
        world: &world,
        token: &token,
    };
    asker.run("now", "SUCCESS").await;
    acted_as(&asker, &user).await;

    let trigger = json!({"name": "often", "workflow_name": "now", "pattern": "* * * * *"});
    let refused = asker
        .send("POST", "/v2/cron_triggers", &trigger.to_string())
        .await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    let reason = refused.reason();
    assert!(reason.contains("needs a trust for that"), "{reason}");
    assert!(reason.contains("application credential"), "{reason}");
    assert_eq!(keystone.trusts(&user).await, 0);
}
