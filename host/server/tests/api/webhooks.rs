//! Those who are told of executions by HTTP: in order, each at least once, whoever is away, slow or
//! killed.

#[path = "webhooks/receiver.rs"]
mod receiver;

use std::path::Path;
use std::time::{Duration, Instant};

use ostro_journal::{Journal, Options};
use ostro_server::{Publisher, WebhookSettings};
use serde_json::{Value as Json, json};
use tempfile::tempdir;
use tokio::runtime::Runtime;

use self::receiver::{Answer, Nobody, Receiver, Request};
use crate::events::reopened;
use crate::world::{self, WORKFLOWS, World, eventually};

/// Callers' receivers may be on this machine, and do not wait long.
fn settings() -> WebhookSettings {
    WebhookSettings {
        allow: vec!["127.0.0.0/8".parse().unwrap()],
        first_pause: Duration::from_millis(20),
        longest_pause: Duration::from_millis(200),
        ..WebhookSettings::default()
    }
}

async fn world(settings: WebhookSettings) -> World {
    World::set_up(|server| server.with_webhooks(settings).unwrap()).await
}

async fn start(world: &World, workflow: &str, notify: Json) -> String {
    let body = json!({
        "workflow_name": workflow,
        "input": if workflow == "simple" { json!({"name": "Ada"}) } else { json!({}) },
        "params": {"notify": notify},
    });
    world::id(&world.post("/v2/executions", body).await)
}

const SIMPLE: [&str; 4] = [
    "WORKFLOW_LAUNCHED simple",
    "TASK_LAUNCHED one",
    "TASK_SUCCEEDED one",
    "WORKFLOW_SUCCEEDED simple",
];

#[tokio::test]
async fn a_receiver_gets_mistrals_events_with_their_data_in_order() {
    let (world, receiver) = (world(settings()).await, Receiver::new());
    let mut named = receiver.named();
    named["headers"] = json!({"X-Auth-Token": "s3cret"});
    let id = start(&world, "simple", json!([named])).await;
    let requests = receiver.gets(&SIMPLE).await;
    for request in &requests {
        assert_eq!(request.headers["x-auth-token"], "s3cret");
        assert_eq!(request.headers["content-type"], "application/json");
    }
    assert!(
        requests
            .windows(2)
            .all(|two| two[0].sequence() < two[1].sequence())
    );
    let row = world.execution(&id, "SUCCESS").await;
    let task = world.task(&id, "one").await;
    assert_eq!(
        requests[3].data,
        json!({
            "event": "WORKFLOW_SUCCEEDED",
            "id": id,
            "name": "simple",
            "workflow_name": "simple",
            "workflow_namespace": "",
            "workflow_id": row["workflow_id"],
            "state": "SUCCESS",
            "state_info": null,
            "project_id": "<default-project>",
            "task_execution_id": null,
            "root_execution_id": null,
            "created_at": row["created_at"],
            "updated_at": row["updated_at"],
        })
    );
    assert!(row["workflow_id"].is_string());
    assert_eq!(
        requests[2].data,
        json!({
            "event": "TASK_SUCCEEDED",
            "id": task["id"],
            "name": "one",
            "workflow_execution_id": id,
            "workflow_name": "simple",
            "workflow_namespace": "",
            "workflow_id": row["workflow_id"],
            "state": "SUCCESS",
            "state_info": null,
            "type": "ACTION",
            "project_id": "<default-project>",
            "created_at": task["created_at"],
            "updated_at": task["updated_at"],
            "started_at": task["started_at"],
            "finished_at": task["finished_at"],
        })
    );
    assert_eq!(requests[1].data["finished_at"], Json::Null);
    // The API shows what was given, as Mistral's does.
    assert_eq!(world::inner(&row["params"])["notify"], json!([named]));
}

#[tokio::test]
async fn sub_workflows_pauses_and_later_runs_are_told_of() {
    let (world, receiver) = (world(settings()).await, Receiver::new());
    let id = start(&world, "parent", json!([receiver.named()])).await;
    let launched = receiver
        .gets(&[
            "WORKFLOW_LAUNCHED parent",
            "TASK_LAUNCHED one",
            "WORKFLOW_LAUNCHED waits",
            "TASK_LAUNCHED one",
        ])
        .await;
    let data = &launched[2].data;
    assert_eq!(data["root_execution_id"], id);
    assert_eq!(data["task_execution_id"], launched[1].data["id"]);
    assert_eq!(launched[1].data["type"], "WORKFLOW");
    let child = data["id"].as_str().unwrap().to_owned();
    let events = |from: usize| {
        let (receiver, id) = (&receiver, id.clone());
        async move {
            receiver.until(from + 1).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            let taken = receiver.taken.lock().unwrap();
            let of_root = taken.requests[from..]
                .iter()
                .filter(|one| one.data["id"] == id);
            let events = of_root.map(|one| one.data["event"].clone());
            (events.collect::<Vec<_>>(), taken.requests.len())
        }
    };
    let path = format!("/v2/executions/{id}");
    world.put(&path, json!({"state": "PAUSED"})).await;
    let (paused, count) = events(4).await;
    assert_eq!(paused, ["WORKFLOW_PAUSED"]);
    world.put(&path, json!({"state": "RUNNING"})).await;
    let (resumed, count) = events(count).await;
    assert_eq!(resumed, ["WORKFLOW_RESUMED"]);
    let path = format!("/v2/executions/{child}");
    world
        .put(&path, json!({"state": "ERROR", "state_info": "no"}))
        .await;
    world.execution(&id, "ERROR").await;
    let (failed, _) = events(count).await;
    assert_eq!(failed, ["WORKFLOW_FAILED"]);
}

#[tokio::test]
async fn one_that_runs_again_after_it_was_forgotten_is_told_of_again() {
    let receiver = Receiver::new();
    let world = world(WebhookSettings {
        linger: Duration::from_millis(50),
        ..settings()
    })
    .await;
    let id = start(&world, "failing", json!([receiver.named()])).await;
    receiver.until(6).await;
    nothing_is_kept(&world.journal).await;
    let task = world.task(&id, "two").await;
    let path = format!("/v2/tasks/{}", world::id(&task));
    world
        .put(
            &path,
            json!({"id": task["id"], "state": "RUNNING", "reset": true}),
        )
        .await;
    receiver
        .gets(&[
            "WORKFLOW_LAUNCHED failing",
            "TASK_LAUNCHED one",
            "TASK_SUCCEEDED one",
            "TASK_LAUNCHED two",
            "TASK_FAILED two",
            "WORKFLOW_FAILED failing",
            "WORKFLOW_RERUN failing",
            "TASK_RERUN two",
            "TASK_FAILED two",
            "WORKFLOW_FAILED failing",
        ])
        .await;
    nothing_is_kept(&world.journal).await;
}

/// Waits until nothing is left to be delivered.
async fn nothing_is_kept(journal: &Journal) {
    eventually("the end of a webhook", async || {
        journal.documents("webhook").unwrap().is_empty()
    })
    .await;
}

/// Waits until the only receiver is done with all changes that there are.
async fn all_is_done_with(journal: &Journal) {
    eventually("the last change", async || {
        let (_, kept) = journal.documents("webhook").unwrap().remove(0);
        let kept: Json = serde_json::from_slice(&kept).unwrap();
        let (_, last) = journal.change_bounds().unwrap().unwrap();
        kept["position"] == last
    })
    .await;
}

#[tokio::test]
async fn a_receiver_gets_only_the_events_that_it_wants() {
    let (world, all, some) = (world(settings()).await, Receiver::new(), Receiver::new());
    let mut wanting = some.named();
    wanting["event_types"] = json!(["WORKFLOW_SUCCEEDED", "TASK_LAUNCHED", "TASK_ODD"]);
    // As in Mistral, what is no receiver is left out.
    let notify = json!(["odd", {"type": "queue"}, {"type": "noop"}, wanting, all.named()]);
    start(&world, "simple", notify).await;
    all.gets(&SIMPLE).await;
    some.gets(&["TASK_LAUNCHED one", "WORKFLOW_SUCCEEDED simple"])
        .await;
    start(&world, "simple", json!("odd")).await;
}

#[tokio::test]
async fn one_that_was_away_gets_all_in_order_even_of_what_was_deleted() {
    let (world, nobody) = (world(settings()).await, Nobody::new());
    let id = start(&world, "simple", json!([nobody.named()])).await;
    world.execution(&id, "SUCCESS").await;
    let (status, _) = world
        .ask("DELETE", &format!("/v2/executions/{id}"), Json::Null)
        .await;
    assert_eq!(status, 204);
    tokio::time::sleep(Duration::from_millis(200)).await;
    // At first it does not answer as it should.
    let odd = [
        Answer::Status(500),
        Answer::Status(404),
        Answer::Status(302),
    ];
    let receiver = Receiver::instead_of(&nobody).first(&odd);
    let requests = receiver.gets(&SIMPLE).await;
    assert!(requests[3].data["workflow_id"].is_string());
    nothing_is_kept(&world.journal).await;
}

#[tokio::test]
async fn what_fails_for_too_long_is_given_up_and_what_comes_later_is_told() {
    let receiver = Receiver::new().always(Answer::Status(503));
    let world = world(WebhookSettings {
        give_up: Duration::from_millis(300),
        linger: Duration::from_millis(50),
        ..settings()
    })
    .await;
    let id = start(&world, "waits", json!([receiver.named()])).await;
    let task = world.task(&id, "one").await;
    assert_eq!(task["state"], "RUNNING");
    all_is_done_with(&world.journal).await;
    receiver.taken.lock().unwrap().always = None;
    let path = format!("/v2/executions/{id}");
    world.put(&path, json!({"state": "CANCELLED"})).await;
    // What came before was given up.
    receiver
        .gets(&["TASK_CANCELLED one", "WORKFLOW_CANCELLED waits"])
        .await;
    nothing_is_kept(&world.journal).await;
}

#[tokio::test]
async fn a_receiver_that_hangs_holds_up_nobody_else() {
    let slow = Receiver::new().always(Answer::Never);
    let (world, quick) = (world(settings()).await, Receiver::new());
    let begin = Instant::now();
    for _ in 0..20 {
        let id = start(&world, "simple", json!([slow.named(), quick.named()])).await;
        world.execution(&id, "SUCCESS").await;
    }
    quick.until(80).await;
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}");
    let begin = Instant::now();
    world.stop().await;
    assert!(
        begin.elapsed() < Duration::from_secs(8),
        "{:?}",
        begin.elapsed()
    );
}

/// A server on what `dir` has, in a process of its own as far as a thread can be one.
fn host(dir: &Path, settings: &WebhookSettings) -> (Runtime, World) {
    let settings = settings.clone();
    let host = Runtime::new().unwrap();
    let world = host.block_on(async {
        let journal = reopened(dir).await;
        World::open(journal, |server| server.with_webhooks(settings).unwrap()).await
    });
    (host, world)
}

/// The server is gone, and whatever it was at.
fn kill((host, world): (Runtime, World)) {
    host.shutdown_timeout(Duration::from_secs(10));
    drop(world);
}

#[test]
fn what_a_kill_cuts_off_is_delivered_again_and_nothing_is_lost() {
    let (dir, here) = (tempdir().unwrap(), Runtime::new().unwrap());
    let (mine, operators) = here.block_on(async { (Nobody::new(), Nobody::new()) });
    let settings = WebhookSettings {
        notify: vec![Publisher::read(&operators.named()).unwrap()],
        linger: Duration::from_millis(50),
        ..settings()
    };
    let server = host(dir.path(), &settings);
    let id = here.block_on(async {
        server.1.define(WORKFLOWS).await;
        let id = start(&server.1, "simple", json!([mine.named()])).await;
        server.1.execution(&id, "SUCCESS").await;
        id
    });
    kill(server);

    // Two come, and what comes next is cut off.
    let answers = [Answer::Status(200), Answer::Status(201), Answer::Never];
    let some = here.block_on(async { Receiver::instead_of(&mine).first(&answers) });
    let server = host(dir.path(), &settings);
    let other = here.block_on(async {
        some.until(2).await;
        let other = start(&server.1, "simple", json!([mine.named()])).await;
        server.1.execution(&other, "SUCCESS").await;
        other
    });
    kill(server);
    let first = some.taken.lock().unwrap().requests.clone();

    let (others, everything) = here.block_on(async {
        some.leave().await;
        let everything = Receiver::instead_of(&operators);
        (Receiver::instead_of(&mine), everything)
    });
    let server = host(dir.path(), &settings);
    here.block_on(async {
        everything.until(8).await;
        nothing_is_kept(&server.1.journal).await;
    });
    kill(server);
    let second = others.taken.lock().unwrap().requests.clone();
    let all = everything.taken.lock().unwrap().requests.clone();
    for id in [id, other] {
        let of = |requests: &[Request]| -> Vec<(u64, String)> {
            let about =
                |one: &&Request| one.data["id"] == id || one.data["workflow_execution_id"] == id;
            let found = requests.iter().filter(about);
            let found: Vec<_> = found.map(|one| (one.sequence(), one.line())).collect();
            assert!(found.is_sorted(), "{found:?}");
            found
        };
        // What comes twice has the same number twice.
        let mut told = [of(&first), of(&second)].concat();
        told.sort();
        told.dedup();
        for told in [of(&all), told] {
            let lines: Vec<&str> = told.iter().map(|one| one.1.as_str()).collect();
            assert_eq!(lines, SIMPLE);
        }
    }
}

#[tokio::test]
async fn callers_reach_public_addresses_alone_and_operators_what_they_like() {
    let (operators, mine) = (Receiver::new(), Receiver::new());
    let elsewhere = Receiver::new();
    let to = Answer::Redirect(elsewhere.at);
    let redirects = Receiver::new().always(to);
    let named = |receiver: &Receiver| Publisher::read(&receiver.named()).unwrap();
    let world = world(WebhookSettings {
        notify: vec![named(&operators), named(&redirects)],
        allow: Vec::new(),
        linger: Duration::from_millis(50),
        ..settings()
    })
    .await;
    let port = mine.at.port();
    let mut notify = Vec::new();
    for host in [
        "127.0.0.1",
        "localhost",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "0.0.0.0",
    ] {
        notify.push(json!({"type": "webhook", "url": format!("http://{host}:{port}/")}));
    }
    let id = start(&world, "simple", notify.into()).await;
    operators.gets(&SIMPLE).await;
    // All of it was looked at, and is not tried again.
    nothing_is_kept(&world.journal).await;
    assert_eq!(mine.lines(), [""; 0]);
    assert_eq!(elsewhere.lines(), [""; 0]);
    // The operator's are nobody else's to see.
    let row = world.get(&format!("/v2/executions/{id}")).await;
    let named = world::inner(&row["params"])["notify"].to_string();
    assert!(!named.contains(&operators.at.to_string()), "{named}");
}

#[tokio::test]
async fn what_did_not_start_leaves_nothing() {
    let world = world(settings()).await;
    let notify = json!([{"type": "webhook", "url": "http://127.0.0.1:9/"}]);
    let body = json!({"workflow_name": "bare", "params": {"notify": notify}, "id": "one"});
    let another = world.of_another_project("bare").await;
    world
        .refused(
            "POST",
            "/v2/executions",
            json!({"workflow_name": "bare", "id": another,
        "params": {"notify": notify}}),
        )
        .await;
    assert!(world.journal.documents("webhook").unwrap().is_empty());
    world.post("/v2/executions", body).await;
    assert_eq!(world.journal.documents("webhook").unwrap().len(), 1);
}

#[tokio::test]
async fn a_journal_without_receivers_has_none() {
    let journal = Journal::ephemeral(&Options::default()).unwrap();
    let world = World::on(journal).await;
    world.define(WORKFLOWS).await;
    world.run("bare", "SUCCESS").await;
    assert!(world.journal.documents("webhook").unwrap().is_empty());
    assert!(
        world
            .journal
            .documents("webhook-of-all")
            .unwrap()
            .is_empty()
    );
}
