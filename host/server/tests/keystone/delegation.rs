//! What users start acts as them on a real cloud, also after their token has ended.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ostro_core::{
    ActionCall, ActionError, ActionErrorKind, ActionOutcome, ActionRunner, Method, RelativePath,
    ServiceRequest, Value,
};
use ostro_journal::{Journal, Options};
use ostro_lang::{Definitions, Diagnostic};
use ostro_openstack::Delegations;
use ostro_runtime::{Library, RunnerSource};
use ostro_server::{Actions, Auth, EventSettings, Server, SystemAction};
use serde_json::{Value as Json, json};

use crate::broker::Broker;
use crate::cloud::{Asker, Keystone, User};
use crate::world::{Known, World};

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

/// The actions of the other tests, and one that lists the projects of whom it acts as.
struct Acting(Arc<Delegations>);

impl Actions for Acting {
    fn all(&self) -> Vec<SystemAction> {
        let mut all = Known.all();
        all.push(SystemAction {
            name: "cloud.projects".into(),
            parameters: Vec::new(),
            description: None,
        });
        all
    }

    fn get(&self, name: &str) -> Option<SystemAction> {
        self.all().into_iter().find(|action| &*action.name == name)
    }

    fn runner(&self, _: Arc<Definitions>) -> (Value, Arc<dyn ActionRunner>) {
        (Value::Null, Arc::new(Self(Arc::clone(&self.0))))
    }

    fn check(&self, _: &Definitions) -> Vec<Diagnostic> {
        Vec::new()
    }

    fn origin(&self) -> Value {
        Value::Null
    }
}

impl RunnerSource for Acting {
    fn runner(&self, _: &Library) -> Result<Arc<dyn ActionRunner>, String> {
        Ok(Arc::new(Self(Arc::clone(&self.0))))
    }
}

#[async_trait]
impl ActionRunner for Acting {
    async fn run(&self, call: ActionCall) -> ActionOutcome {
        if &*call.name != "cloud.projects" {
            return Known.run(call).await;
        }
        let failed =
            |error: String| ActionOutcome::Error(ActionError::new(ActionErrorKind::Action, error));
        let Some(cloud) = self.0.cloud(call.root.as_str()) else {
            return failed("it would act as the operator".to_owned());
        };
        let path = RelativePath::parse("/v3/auth/projects").unwrap();
        match cloud
            .send(ServiceRequest::new("identity", Method::Get, path))
            .await
        {
            Ok(answer) => {
                let list: Json = serde_json::from_slice(&answer.body).unwrap();
                let projects = list["projects"].as_array().unwrap().iter();
                let ids: Vec<Json> = projects.map(|project| project["id"].clone()).collect();
                ActionOutcome::Success(Json::from(ids).into())
            }
            Err(error) => failed(error.to_string()),
        }
    }
}

async fn world(keystone: &Keystone, events: EventSettings) -> World {
    let delegations = Delegations::new(keystone.session().clone(), &[]).required();
    let delegations = Arc::new(delegations);
    let acting = Arc::new(Acting(Arc::clone(&delegations)));
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

    keystone.revoke(&user.token).await;
    let token = keystone.token(&user).await;
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

    keystone.revoke(&user.token).await;
    let token = keystone.token(&user).await;
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
