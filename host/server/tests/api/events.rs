//! The feed over HTTP: in order, each once, whoever is slow, cut off or restarted.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use ostro_journal::{ChangeFilter, ChangeLimits, Journal, JournalError, Options};
use ostro_server::FeedSettings;
use serde_json::{Value as Json, json};
use tempfile::tempdir;

use crate::world::{PATIENCE, WORKFLOWS, World, eventually};

/// An event of a stream.
#[derive(Debug)]
struct Event {
    id: Option<u64>,
    name: String,
    data: Json,
}

/// One who watches.
struct Stream {
    response: reqwest::Response,
    unread: String,
}

impl Stream {
    async fn open(world: &World, path: &str, seen: Option<u64>) -> Self {
        let mut request = reqwest::Client::new().get(format!("{}{path}", world.at));
        if let Some(seen) = seen {
            request = request.header("last-event-id", seen.to_string());
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let unread = String::new();
        Self { response, unread }
    }

    /// The next event with data; none at the end.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.unread.find("\n\n") {
                let rest = self.unread.split_off(end + 2);
                let text = std::mem::replace(&mut self.unread, rest);
                if let Some(event) = parse(&text) {
                    return Some(event);
                }
                continue;
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk());
            let chunk = chunk.await.expect("something comes").unwrap()?;
            self.unread += std::str::from_utf8(&chunk).unwrap();
        }
    }

    async fn all(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }

    /// The next `count` events.
    async fn take(&mut self, count: usize) -> Vec<Event> {
        let mut events = Vec::new();
        while events.len() < count {
            events.push(self.next().await.expect("it does not end"));
        }
        events
    }
}

fn parse(text: &str) -> Option<Event> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    Some(Event {
        id: field("id: ").map(|id| id.parse().unwrap()),
        name: field("event: ")?.to_owned(),
        data: serde_json::from_str(field("data: ")?).unwrap(),
    })
}

impl Event {
    /// What it says, in short.
    fn line(&self) -> String {
        let change = &self.data["change"];
        let words = [
            &self.data["workflow_name"],
            &change["name"],
            &change["state"],
        ];
        let words = words.into_iter().filter_map(Json::as_str);
        let words = words.filter(|word| !word.is_empty());
        [self.name.as_str()]
            .into_iter()
            .chain(words)
            .collect::<Vec<_>>()
            .join(" ")
    }
}

fn lines(events: &[Event]) -> Vec<String> {
    events.iter().map(Event::line).collect()
}

fn ids(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.id.unwrap()).collect()
}

#[tokio::test]
async fn an_execution_is_told_in_order_from_its_creation_to_its_end() {
    let world = World::new().await;
    let input = json!({"name": "Ada"});
    let body = json!({"workflow_name": "simple", "input": input});
    let id = crate::world::id(&world.post("/v2/executions", body).await);
    let path = format!("/v2/executions/{id}/events?from=start&until=end");
    let mut events = Stream::open(&world, &path, None).await.all().await;
    let end = events.pop().unwrap();
    assert_eq!(
        (end.name.as_str(), end.data),
        ("end", json!({"execution_id": id, "state": "SUCCESS"}))
    );
    assert_eq!(
        lines(&events),
        [
            "execution.created simple IDLE",
            "execution.changed simple RUNNING",
            "task.created simple one RUNNING",
            "action.started simple std.echo RUNNING",
            "action.ended simple std.echo SUCCESS",
            "task.changed simple one SUCCESS",
            "execution.changed simple SUCCESS",
        ]
    );
    assert_eq!(
        events[6].data["change"]["output"],
        json!({"said": "Hello Ada!"})
    );
    for event in &events {
        assert_eq!(event.data["sequence"], event.id.unwrap());
        assert_eq!(event.data["root_execution_id"], id);
        assert_eq!(event.data["execution_id"], id);
        assert_eq!(event.data["project_id"], "<default-project>");
        assert!(event.data["at"].is_i64());
    }
    // One that has ended is told all the same, and one who saw all has the end at once.
    let again = Stream::open(&world, &path, None).await.all().await;
    assert_eq!(ids(&again[..7]), ids(&events));
    let seen = Stream::open(&world, &path, events[6].id).await.all().await;
    assert_eq!(lines(&seen), ["end"]);
}

#[tokio::test]
async fn an_action_that_fails_says_why() {
    let world = World::new().await;
    let id = world.run("failing", "ERROR").await;
    let path =
        format!("/v2/executions/{id}/events?from=start&until=end&type=action.ended&state=ERROR");
    let events = Stream::open(&world, &path, None).await.all().await;
    assert_eq!(
        lines(&events),
        ["action.ended failing std.fail ERROR", "end"]
    );
    let error = json!({"kind": "action", "message": "Fail action expected exception."});
    assert_eq!(events[0].data["change"]["error"], error);
}

#[tokio::test]
async fn an_action_that_runs_by_itself_is_told() {
    let world = World::new().await;
    let kept = json!({"save_result": true});
    let waits = json!({"name": "std.async_noop", "params": kept});
    let id = crate::world::id(&world.post("/v2/action_executions", waits).await);
    let mut stream = Stream::open(&world, "/v2/events?from=start", None).await;
    let mut events = stream.take(2).await;
    let path = format!("/v2/action_executions/{id}");
    for state in ["PAUSED", "RUNNING", "SUCCESS"] {
        world.put(&path, json!({"state": state})).await;
    }
    let waited = json!({"run_sync": true, "save_result": true});
    let fails = json!({"name": "std.fail", "params": waited});
    let failed = crate::world::id(&world.post("/v2/action_executions", fails).await);
    // Of what nobody could ask for later nothing is told.
    let forgotten = json!({"name": "std.noop", "params": {"run_sync": true}});
    world.post("/v2/action_executions", forgotten).await;
    let own = world.run("bare", "SUCCESS").await;
    events.extend(stream.take(6).await);
    assert_eq!(
        lines(&events),
        [
            "action.started std.async_noop RUNNING",
            "action.progress std.async_noop",
            "action.changed std.async_noop PAUSED",
            "action.changed std.async_noop RUNNING",
            "action.ended std.async_noop SUCCESS",
            "action.started std.fail RUNNING",
            "action.ended std.fail ERROR",
            "execution.created bare IDLE",
        ]
    );
    for event in &events[..7] {
        assert_eq!(event.data["execution_id"], Json::Null);
        assert_eq!(event.data["project_id"], "<default-project>");
    }
    assert_eq!(events[1].data["change"]["id"], id);
    assert_eq!(events[1].data["change"]["percent"], 50);
    assert_eq!(events[6].data["change"]["id"], failed);
    let why = &events[6].data["change"]["error"]["message"];
    assert_eq!(why, "Fail action expected exception.");
    assert_eq!(events[7].data["execution_id"], own);
    // Whoever watches an execution hears nothing of it.
    let path = format!("/v2/executions/{own}/events?from=start&until=end");
    for event in Stream::open(&world, &path, None).await.all().await {
        assert_ne!(event.data["execution_id"], Json::Null);
    }
}

#[tokio::test]
async fn a_sub_workflow_is_told_with_its_root_and_by_itself() {
    let world = World::new().await;
    let root = world.start("parent").await;
    let task = world.task(&root, "one").await;
    let path = format!("/v2/tasks/{}/executions", crate::world::id(&task));
    let child = crate::world::id(&world.first(&path, "executions").await);
    let watch = |id: &str| {
        format!(
            "/v2/executions/{id}/events?from=start&until=end&type=execution.created,execution.changed"
        )
    };
    let mut of_root = Stream::open(&world, &watch(&root), None).await;
    let mut of_child = Stream::open(&world, &watch(&child), None).await;
    let created = of_child.take(2).await;
    assert_eq!(lines(&created)[0], "execution.created waits IDLE");
    assert_eq!(created[0].data["parent"]["execution_id"], root);
    assert_eq!(created[0].data["parent"]["task_execution_id"], task["id"]);
    assert_eq!(
        of_root.take(4).await[2].line(),
        "execution.created waits IDLE"
    );
    let action = world.first(
        "/v2/action_executions?workflow_name=waits",
        "action_executions",
    );
    let action = crate::world::id(&action.await);
    world
        .put(
            &format!("/v2/action_executions/{action}"),
            json!({"state": "SUCCESS", "output": "{}"}),
        )
        .await;
    assert_eq!(
        lines(&of_child.all().await),
        ["execution.changed waits SUCCESS", "end"]
    );
    let rest = [
        "execution.changed waits SUCCESS",
        "execution.changed parent SUCCESS",
        "end",
    ];
    assert_eq!(lines(&of_root.all().await), rest);
}

#[tokio::test]
async fn only_what_is_asked_for_comes() {
    let world = World::new().await;
    for workflow in ["bare", "failing", "bare"] {
        let state = if workflow == "bare" {
            "SUCCESS"
        } else {
            "ERROR"
        };
        world.run(workflow, state).await;
    }
    let choose = async |choice: &str, count| {
        let path = format!("/v2/events?from=start&{choice}");
        lines(&Stream::open(&world, &path, None).await.take(count).await)
    };
    let ends = choose("type=execution.changed&state=SUCCESS,ERROR", 3).await;
    assert_eq!(
        ends,
        [
            "execution.changed bare SUCCESS",
            "execution.changed failing ERROR",
            "execution.changed bare SUCCESS"
        ]
    );
    let of_one = choose("workflow_name=failing&type=task.created", 2).await;
    assert_eq!(
        of_one,
        [
            "task.created failing one RUNNING",
            "task.created failing two RUNNING"
        ]
    );
    for (path, why) in [
        ("/v2/events?type=execution", "there is no type"),
        ("/v2/events?state=GONE", "there is no state"),
        ("/v2/events?after=x", "is no number"),
        ("/v2/events?from=here", "from is"),
        ("/v2/events?until=end", "Unknown argument"),
    ] {
        let (status, reason) = world.refused("GET", path, Json::Null).await;
        assert!(
            status == 400 && reason.contains(why),
            "{path}: {status} {reason}"
        );
    }
}

#[tokio::test]
async fn a_project_sees_its_own_only() {
    let world = World::new().await;
    let mut stream = Stream::open(&world, "/v2/events?from=start", None).await;
    let other = world.of_another_project("theirs").await;
    let own = world.run("bare", "SUCCESS").await;
    for event in stream.take(7).await {
        assert_eq!(event.data["execution_id"], own);
    }
    let path = format!("/v2/executions/{other}/events?from=start");
    assert_eq!(world.refused("GET", &path, Json::Null).await.0, 404);
    let path = format!("/v2/events?from=start&root_execution_id={other}");
    let mut theirs = Stream::open(&world, &path, None).await;
    let nothing = tokio::time::timeout(Duration::from_millis(300), theirs.next()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    let (status, _) = world
        .refused("GET", "/v2/events?all_projects=true", Json::Null)
        .await;
    assert_eq!(status, 403);
}

/// The journal of `dir`, once the server before has let it go.
pub(crate) async fn reopened(dir: &Path) -> Journal {
    let mut journal = None;
    eventually("its folder", async || {
        match Journal::open(dir, &Options::default()) {
            Ok(opened) => journal = Some(opened),
            Err(JournalError::Held { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        journal.is_some()
    })
    .await;
    journal.unwrap()
}

#[tokio::test]
async fn nothing_is_lost_and_nothing_comes_twice_over_lost_connections_and_restarts() {
    let dir = tempdir().unwrap();
    let small = FeedSettings {
        ring_changes: 20,
        ..FeedSettings::default()
    };
    let mut events = Vec::new();
    let mut started = Vec::new();
    for round in 0..3 {
        let journal = reopened(dir.path()).await;
        let world = World::with_feed(journal, small.clone()).await;
        if round == 0 {
            world.define(WORKFLOWS).await;
        }
        for connection in 0..4 {
            let seen = events.last().and_then(|event: &Event| event.id);
            let mut stream = Stream::open(&world, "/v2/events?from=start", seen).await;
            started.push(world.start("failing").await);
            events.extend(stream.take(5 + connection * 2).await);
        }
        for id in &started {
            world.execution(id, "ERROR").await;
        }
        // Some of it is seen only after the restart.
        world.stop().await;
    }
    let journal = reopened(dir.path()).await;
    let all = journal
        .changes(0, usize::MAX, &ChangeFilter::default())
        .unwrap();
    let world = World::with_feed(journal, small).await;
    let seen = events.last().and_then(|event| event.id);
    let mut stream = Stream::open(&world, "/v2/events?from=start", seen).await;
    let left = all.changes.len() - events.len();
    assert!(left > 0);
    events.extend(stream.take(left).await);
    let should: Vec<u64> = (1..=all.last).collect();
    assert_eq!(ids(&events), should);
    let told: BTreeSet<&str> = events
        .iter()
        .filter_map(|event| event.data["execution_id"].as_str())
        .collect();
    assert_eq!(told, started.iter().map(String::as_str).collect());
    for (event, stored) in events.iter().zip(&all.changes) {
        let body: Json = serde_json::from_slice(&stored.change.body).unwrap();
        assert_eq!(event.data["change"], body["change"]);
    }
}

#[tokio::test]
async fn whoever_missed_what_is_not_kept_any_more_is_told() {
    let options = Options {
        changes: ChangeLimits {
            count: 10,
            ..ChangeLimits::default()
        },
        ..Options::default()
    };
    let settings = FeedSettings {
        ring_changes: 4,
        ..FeedSettings::default()
    };
    let world = World::with_feed(Journal::ephemeral(&options).unwrap(), settings).await;
    world.define(WORKFLOWS).await;
    for _ in 0..4 {
        world.run("bare", "SUCCESS").await;
    }
    eventually("that old ones go", async || {
        world.journal.change_bounds().unwrap() == Some((19, 28))
    })
    .await;
    let mut stream = Stream::open(&world, "/v2/events?after=3", None).await;
    let events = stream.take(11).await;
    assert_eq!(events[0].name, "gap");
    assert_eq!(events[0].data, json!({"after": 3, "oldest": 19}));
    assert_eq!(ids(&events), (18..=28).collect::<Vec<_>>());
    // A number that this server never gave.
    let mut stream = Stream::open(&world, "/v2/events", Some(99)).await;
    let gap = stream.take(1).await;
    assert_eq!((gap[0].name.as_str(), gap[0].id), ("gap", Some(28)));
    world.run("bare", "SUCCESS").await;
    assert_eq!(ids(&stream.take(7).await), (29..=35).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_slow_subscriber_holds_up_nobody_and_misses_nothing() {
    let settings = FeedSettings {
        ring_changes: 16,
        ring_bytes: 1 << 20,
        ..FeedSettings::default()
    };
    let world = World::with_feed(Journal::ephemeral(&Options::default()).unwrap(), settings).await;
    world.define(WORKFLOWS).await;
    let mut slow = Stream::open(&world, "/v2/events?from=start", None).await;
    let mut fast = Stream::open(&world, "/v2/events?from=start", None).await;
    let mut should = 0;
    for _ in 0..20 {
        world.run("bare", "SUCCESS").await;
        should += 7;
        // Whoever reads has all of it by now.
        assert_eq!(fast.take(7).await.last().unwrap().id, Some(should));
    }
    let events = slow.take(usize::try_from(should).unwrap()).await;
    assert_eq!(ids(&events), (1..=should).collect::<Vec<_>>());
}

#[tokio::test]
async fn no_more_may_watch_than_there_is_room_for() {
    let settings = FeedSettings {
        max_subscribers: 2,
        ..FeedSettings::default()
    };
    let world = World::with_feed(Journal::ephemeral(&Options::default()).unwrap(), settings).await;
    let one = Stream::open(&world, "/v2/events", None).await;
    let _two = Stream::open(&world, "/v2/events", None).await;
    let url = format!("{}/v2/events", world.at);
    let refused = reqwest::get(&url).await.unwrap();
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "5");
    drop(one);
    eventually("the place of who has left", async || {
        reqwest::get(&url).await.unwrap().status() == 200
    })
    .await;
}

#[tokio::test]
async fn a_silent_stream_shows_that_it_is_there_and_ends_when_the_server_stops() {
    let settings = FeedSettings {
        keep_alive: Duration::from_millis(50),
        ..FeedSettings::default()
    };
    let world = World::with_feed(Journal::ephemeral(&Options::default()).unwrap(), settings).await;
    world.define(WORKFLOWS).await;
    world.run("bare", "SUCCESS").await;
    let mut stream = Stream::open(&world, "/v2/events?after=7", None).await;
    let sign = stream.response.chunk().await.unwrap().unwrap();
    assert_eq!(sign, ": alive\nid: 7\n\n");
    let stopped = tokio::spawn(world.stop());
    assert!(stream.next().await.is_none());
    stopped.await.unwrap();
}

#[tokio::test]
async fn a_deletion_is_told() {
    let world = World::new().await;
    let id = world.run("bare", "SUCCESS").await;
    let mut stream = Stream::open(&world, "/v2/events?type=execution.deleted", None).await;
    let (status, _) = world
        .ask("DELETE", &format!("/v2/executions/{id}"), Json::Null)
        .await;
    assert_eq!(status, 204);
    let events = stream.take(1).await;
    assert_eq!(events[0].data["execution_id"], id);
    assert_eq!(events[0].line(), "execution.deleted bare");
}
