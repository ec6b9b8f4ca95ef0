//! What one project has, another one neither sees nor changes: each route that is declared, with
//! each of its methods. A route without a case fails the test.

use std::collections::BTreeMap;

use ostro_server::{Route, routes};
use serde_json::{Value as Json, json};

use crate::cloud::{Asker, Keystone};

/// What stands in all that the one project has, and in nothing that the other one says.
const MARK: &str = "mark-of-the-first-project";

fn flow() -> String {
    format!(
        "version: '2.0'
flow:
  description: {MARK}
  tags: [{MARK}]
  input: [given: {MARK}]
  output: {{said: <% task(one).result %>}}
  tasks:
    one: {{action: std.echo output='{MARK}', on-success: two}}
    two: {{action: std.async_noop}}
parent:
  description: {MARK}
  tasks: {{one: {{workflow: flow}}}}
short:
  output: {{said: {MARK}}}
  tasks: {{one: {{action: std.fail}}}}
"
    )
}

fn book() -> String {
    format!("version: '2.0'\nname: book\ndescription: {MARK}\nactions: {{act: {{base: std.noop}}}}")
}

fn act() -> String {
    format!("version: '2.0'\nact:\n  description: {MARK}\n  base: std.echo output='{MARK}'")
}

/// The ids of what a project has, by what stands for them in addresses.
struct Belongings {
    workflow: String,
    action: String,
    executions: Vec<String>,
    tasks: Vec<String>,
    action_executions: Vec<String>,
    trigger: String,
    event_trigger: String,
    project: String,
}

/// One of everything.
async fn put_there(asker: &Asker<'_>, project: &str) -> Belongings {
    let id = |row: &Json| row["id"].as_str().unwrap().to_owned();
    let made = asker.done("POST", "/v2/workflows", &flow()).await;
    let workflow = id(&made["workflows"][0]);
    asker.done("POST", "/v2/workbooks", &book()).await;
    let made = asker.done("POST", "/v2/actions", &act()).await;
    let action = id(&made["actions"][0]);
    let env = json!({"name": "env", "variables": {"v": MARK}, "description": MARK});
    asker
        .done("POST", "/v2/environments", &env.to_string())
        .await;
    let trigger = json!({"name": "trigger", "pattern": "0 0 1 1 *", "workflow_name": "flow",
        "workflow_input": {"given": MARK}});
    let trigger = asker
        .done("POST", "/v2/cron_triggers", &trigger.to_string())
        .await;
    let event_trigger = json!({"name": "trigger", "workflow_id": workflow, "exchange": "nova",
        "topic": "notifications", "event": "e", "workflow_input": {"given": MARK}});
    let event_trigger = asker
        .done("POST", "/v2/event_triggers", &event_trigger.to_string())
        .await;
    let member = json!({"member_id": "a-third-project"}).to_string();
    let members = format!("/v2/workflows/{workflow}/members");
    asker.done("POST", &members, &member).await;
    let alone = json!({"name": "std.async_noop", "description": MARK}).to_string();
    asker.done("POST", "/v2/action_executions", &alone).await;
    asker.run("parent", "RUNNING").await;
    asker.run("short", "ERROR").await;
    let four = |rows: &Json| rows["action_executions"].as_array().map(Vec::len) == Some(4);
    let actions = asker.until("/v2/action_executions", four).await;
    let ids = |rows: &Json| rows.as_array().unwrap().iter().map(id).collect();
    Belongings {
        workflow,
        action,
        executions: ids(&asker.get("/v2/executions").await["executions"]),
        tasks: ids(&asker.get("/v2/tasks").await["tasks"]),
        action_executions: ids(&actions["action_executions"]),
        trigger: id(&trigger),
        event_trigger: id(&event_trigger),
        project: project.to_owned(),
    }
}

impl Belongings {
    fn ids(&self) -> impl Iterator<Item = &String> {
        let one = [
            &self.workflow,
            &self.action,
            &self.trigger,
            &self.event_trigger,
            &self.project,
        ];
        let many = [&self.executions, &self.tasks, &self.action_executions];
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// All that the project sees of its own.
    async fn shown(&self, asker: &Asker<'_>) -> BTreeMap<String, Json> {
        let mut paths: Vec<String> = Vec::new();
        for list in [
            "workbooks",
            "workflows",
            "environments",
            "cron_triggers",
            "event_triggers",
            "executions",
        ] {
            paths.push(format!("/v2/{list}"));
        }
        paths.push("/v2/tasks".to_owned());
        paths.push("/v2/action_executions?include_output=true".to_owned());
        paths.push(format!("/v2/actions/{}", self.action));
        paths.push("/v2/actions/act".to_owned());
        paths.push("/v2/environments/env".to_owned());
        paths.push(format!("/v2/workflows/{}/members", self.workflow));
        paths.push("/maintenance".to_owned());
        paths.extend(
            self.executions
                .iter()
                .map(|id| format!("/v2/executions/{id}")),
        );
        paths.extend(self.tasks.iter().map(|id| format!("/v2/tasks/{id}")));
        let mut shown = BTreeMap::new();
        for path in paths {
            let answer = asker.send("GET", &path, "").await;
            let body = serde_json::from_str(&answer.text).unwrap_or(Json::Null);
            shown.insert(path, json!([answer.status, body]));
        }
        shown
    }

    /// The addresses of a route that lead to what the project has. None where no case says.
    fn addresses(&self, path: &str) -> Option<Vec<String>> {
        let each = |ids: &[String]| -> Vec<String> {
            ids.iter().map(|id| path.replace("{id}", id)).collect()
        };
        let named = |field: &str, names: &[&str]| -> Vec<String> {
            names.iter().map(|name| path.replace(field, name)).collect()
        };
        Some(match path {
            "/"
            | "/v2"
            | "/v2/"
            | "/info"
            | "/healthcheck"
            | "/maintenance"
            | "/metrics"
            | "/v2/code_sources"
            | "/v2/dynamic_actions"
            | "/v2/openapi.json"
            // Packs are nobody's: what is asked is who may. A queue is asked for in frames.
            | "/v2/packs"
            | "/v2/zaqar"
            | "/v2/workbooks"
            | "/v2/actions"
            | "/v2/environments"
            | "/v2/action_executions"
            | "/v2/tasks"
            | "/v2/workbooks/validate"
            | "/v2/workflows/validate"
            | "/v2/actions/validate" => vec![path.to_owned()],
            "/v2/workflows" | "/v2/executions" | "/v2/cron_triggers" | "/v2/event_triggers" => {
                vec![
                    path.to_owned(),
                    format!("{path}?all_projects=true"),
                    format!("{path}?project_id={}", self.project),
                ]
            }
            "/v2/workbooks/{name}" => named("{name}", &["book"]),
            "/v2/environments/{name}" => named("{name}", &["env"]),
            "/v2/workflows/{identifier}" => named("{identifier}", &[&self.workflow, "flow"]),
            "/v2/workflows/{identifier}/members" => named("{identifier}", &[&self.workflow]),
            "/v2/workflows/{identifier}/members/{member}" => {
                let path = path.replace("{identifier}", &self.workflow);
                vec![path.replace("{member}", "a-third-project")]
            }
            "/v2/actions/{identifier}" => named("{identifier}", &[&self.action, "act"]),
            "/v2/actions/{identifier}/{namespace}" => {
                let path = path.replace("{namespace}", "other");
                let action = |name| path.replace("{identifier}", name);
                vec![action(self.action.as_str()), action("act")]
            }
            "/v2/cron_triggers/{identifier}" => named("{identifier}", &[&self.trigger, "trigger"]),
            "/v2/event_triggers/{id}" => named("{id}", &[&self.event_trigger]),
            "/v2/executions/{id}"
            | "/v2/executions/{id}/events"
            | "/v2/executions/{id}/executions"
            | "/v2/executions/{id}/report"
            | "/v2/executions/{id}/tasks"
            | "/v2/executions/{id}/tree" => each(&self.executions),
            "/v2/tasks/{id}"
            | "/v2/tasks/{id}/action_executions"
            | "/v2/tasks/{id}/executions"
            | "/v2/tasks/{id}/workflow_executions" => each(&self.tasks),
            "/v2/tasks/{id}/action_executions/{action}" => {
                let actions = self.action_executions.iter();
                let paths = actions.map(|action| path.replace("{action}", action));
                let of = |path: String| self.tasks.iter().map(move |id| path.replace("{id}", id));
                paths.flat_map(of).collect()
            }
            "/v2/action_executions/{id}" => each(&self.action_executions),
            // All that has changed so far, and what changes while it is read.
            "/v2/events" => {
                let root = format!("root_execution_id={}", self.executions[0]);
                vec![
                    format!("{path}?from=start"),
                    format!("{path}?from=start&{root}"),
                    format!("{path}?all_projects=true"),
                ]
            }
            _ if path.starts_with("/v2/packs/") => {
                let path = path.replace("{name}", "tripleo");
                vec![path.replace("{version}", "1.0.0")]
            }
            "/v2/code_sources/{identifier}" | "/v2/dynamic_actions/{identifier}" => {
                named("{identifier}", &["act"])
            }
            _ => return None,
        })
    }

    /// What is sent there: what would change something.
    fn bodies(&self, method: &str, path: &str) -> Vec<String> {
        let plain = |text: String| vec![text.replace(MARK, "other")];
        let json = |bodies: &[Json]| bodies.iter().map(ToString::to_string).collect();
        if method == "GET" || method == "DELETE" {
            return vec![String::new()];
        }
        if path.contains("/members") {
            return json(&[json!({"member_id": "another", "status": "accepted"})]);
        }
        match path.split('/').nth(2).unwrap_or_default() {
            "workflows" => plain(flow()),
            "workbooks" => plain(book()),
            "actions" => plain(act()),
            "environments" => json(&[json!({"name": "env", "variables": {"v": "other"}})]),
            "cron_triggers" => json(&[json!({"name": "trigger", "pattern": "0 0 1 1 *",
                "workflow_id": self.workflow, "workflow_input": {}})]),
            "event_triggers" if method == "POST" => json(&[json!({"workflow_id": self.workflow,
                "exchange": "nova", "topic": "notifications", "event": "other"})]),
            "event_triggers" => json(&[json!({"name": "other"})]),
            "executions" if method == "POST" => {
                let mut bodies = vec![json!({"workflow_id": self.workflow})];
                bodies.extend(self.executions.iter().map(|id| json!({"id": id})));
                let again = self.executions.iter();
                bodies.extend(again.map(|id| json!({"source_execution_id": id})));
                bodies.push(json!({"workflow_name": "short", "params": {"env": "env"}}));
                json(&bodies)
            }
            "executions" => json(&[
                json!({"state": "PAUSED"}),
                json!({"state": "CANCELLED"}),
                json!({"description": "other"}),
            ]),
            "tasks" => json(&[
                json!({"state": "RUNNING", "reset": true}),
                json!({"state": "SKIPPED"}),
            ]),
            "action_executions" if method == "POST" => json(&[json!({"name": "act"})]),
            "action_executions" => json(&[json!({"state": "SUCCESS", "output": {}})]),
            _ => json(&[json!({"status": "PAUSED"})]),
        }
    }

    /// Sends all that a route takes, and gives the statuses of the answers.
    async fn attack(&self, asker: &Asker<'_>, route: &Route, method: &str) -> Vec<u16> {
        let addresses = self.addresses(&route.path).unwrap_or_else(|| {
            panic!(
                "{method} {} has no case here: say in `addresses` and `bodies` how another \
                 project would try to get at what it leads to",
                route.path
            )
        });
        let mut statuses = Vec::new();
        for path in addresses {
            for body in self.bodies(method, &route.path) {
                let answer = asker.send(method, &path, &body).await;
                let said = format!("{path} {body}");
                let shown = &answer.text;
                assert!(!shown.contains(MARK), "{method} {said}: {shown}");
                for id in self.ids().filter(|id| !said.contains(id.as_str())) {
                    assert!(!shown.contains(id.as_str()), "{method} {said}: {shown}");
                }
                let address = path.split('?').next().unwrap_or_default();
                let leads_to_one = self.ids().any(|id| address.contains(id.as_str()));
                // These are lists: nothing is in them.
                let is_list = ["/members", "/action_executions", "/workflow_executions"]
                    .iter()
                    .any(|list| route.path.ends_with(list));
                if leads_to_one && !(is_list && method == "GET") {
                    assert!(answer.status >= 400, "{method} {said}: {shown}");
                }
                assert!(answer.status != 500, "{method} {said}: {shown}");
                statuses.push(answer.status);
            }
        }
        statuses.sort_unstable();
        statuses.dedup();
        statuses
    }
}

#[tokio::test]
async fn no_project_sees_or_changes_what_another_one_has() {
    let keystone = Keystone::running().await;
    let world = keystone.server().await;
    let (one, other) = (keystone.project().await, keystone.project().await);
    let owner = keystone.user(&one, "member").await;
    let stranger = keystone.user(&other, "member").await;
    let (owner, stranger) = (owner.at(&world), stranger.at(&world));
    let of = put_there(&owner, &one).await;
    let before = of.shown(&owner).await;
    assert!(
        before
            .values()
            .any(|shown| shown.to_string().contains(MARK))
    );

    let mut tried = 0;
    for route in routes() {
        let methods = match &route.method {
            Some(method) => vec![method.to_string()],
            None => ["GET", "POST", "PUT", "DELETE"].map(str::to_owned).to_vec(),
        };
        for method in methods {
            let statuses = of.attack(&stranger, &route, &method).await;
            let rule = route.rule.unwrap_or("-");
            println!("{method:6} {:50} {rule:32} {statuses:?}", route.path);
            tried += 1;
        }
    }
    println!("{tried} methods of routes");
    let after = of.shown(&owner).await;
    for (path, shown) in &before {
        assert_eq!(shown, &after[path], "{path} has changed");
    }
}

#[tokio::test]
async fn expressions_see_executions_of_their_project_alone() {
    let keystone = Keystone::running().await;
    let world = keystone.server().await;
    let (one, other) = (keystone.project().await, keystone.project().await);
    let owner = keystone.user(&one, "member").await;
    let stranger = keystone.user(&other, "member").await;
    let (owner, stranger) = (owner.at(&world), stranger.at(&world));
    owner.done("POST", "/v2/workflows", &flow()).await;
    let running = owner.run("parent", "RUNNING").await;
    let ended = owner.run("short", "ERROR").await;
    let text = format!(
        "version: '2.0'
look:
  output:
    all: <% executions().select($.id) %>
    running: <% executions('{running}') %>
    ended: <% tasks('{ended}') %>
  tasks: {{one: {{action: std.noop}}}}
"
    );
    for (asker, count) in [(&owner, 4), (&stranger, 1)] {
        asker.done("POST", "/v2/workflows", &text).await;
        let id = asker.run("look", "SUCCESS").await;
        let row = asker.get(&format!("/v2/executions/{id}")).await;
        let output: Json = serde_json::from_str(row["output"].as_str().unwrap()).unwrap();
        let all = output["all"].as_array().map(Vec::len);
        assert_eq!(all, Some(count), "{output}");
        let sees = |name: &str| output[name].as_array().is_some_and(|list| !list.is_empty());
        assert_eq!(
            (sees("running"), sees("ended")),
            (count > 1, count > 1),
            "{output}"
        );
    }
}
