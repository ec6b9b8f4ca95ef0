//! Event triggers with a real RabbitMQ, and notifications that the real oslo.messaging sends.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail the test that they help"
)]

#[path = "events/broker.rs"]
mod broker;
#[expect(dead_code, reason = "what the tests of routes need beside")]
#[path = "api/world.rs"]
mod world;

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ostro_journal::{Journal, Options};
use ostro_server::{EventDefinitions, EventSettings};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use self::broker::Broker;
use self::world::{World, id, inner};

const WORKFLOWS: &str = "
version: '2.0'
heard:
  input: [who]
  output:
    who: <% $.who %>
    event: <% execution().params.event_params %>
  tasks: {one: {action: std.noop}}
";

const DEFINITIONS: &str = "
- event_types: compute.*
  properties:
    state: <% $.payload.state %>
    project: <% $.context.project_id %>
";

fn journal() -> Journal {
    Journal::ephemeral(&Options::default()).unwrap()
}

fn settings(broker: &Broker) -> EventSettings {
    EventSettings {
        url: Some(broker.url().parse().unwrap()),
        definitions: EventDefinitions::parse(DEFINITIONS).unwrap(),
        ..EventSettings::default()
    }
}

/// A server that listens to `broker`, and is connected.
async fn world(broker: &Broker, journal: Journal) -> World {
    let world = World::open(journal, |server| server.with_events(settings(broker))).await;
    world.define(WORKFLOWS).await;
    world
}

/// Has `event` of an exchange start the workflow; the trigger's path.
async fn trigger(world: &World, exchange: &str, event: &str) -> String {
    let workflow = id(&world.get("/v2/workflows/heard").await);
    let trigger = json!({
        "name": "told",
        "workflow_id": workflow,
        "workflow_input": {"who": event},
        "exchange": exchange,
        "topic": "notifications",
        "event": event,
    });
    let created = world.post("/v2/event_triggers", trigger).await;
    format!("/v2/event_triggers/{}", id(&created))
}

/// What ended for `event`, once there are `count`, and no more.
async fn started(world: &World, event: &str, count: usize) -> Vec<Value> {
    let began = Instant::now();
    loop {
        let path = "/v2/executions?include_output=true&state=SUCCESS&limit=1000";
        let list = world.get(path).await;
        let all = list["executions"].as_array().unwrap();
        let found: Vec<Value> = all
            .iter()
            .filter(|one| inner(&one["input"])["who"] == event)
            .cloned()
            .collect();
        assert!(found.len() <= count, "{} for {event}", found.len());
        if found.len() == count {
            return found;
        }
        let waited = began.elapsed();
        assert!(
            waited < Duration::from_mins(2),
            "{} for {event}",
            found.len()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A notification as oslo.messaging has it on the wire, without an envelope.
fn plain(event: &str, id: &str) -> Value {
    json!({"event_type": event, "message_id": id, "priority": "INFO", "payload": {}})
}

#[tokio::test]
async fn what_services_notify_starts_what_triggers_are_for() {
    let broker = Broker::shared();
    let _turn = Broker::turn().await;
    let world = world(&broker, journal()).await;
    // The first one waits for the broker; where it is connected, a queue is there with the answer.
    let end = trigger(&world, "first", "compute.end").await;
    broker.is_listened_to("first").await;
    let last = trigger(&world, "first", "last").await;
    let other = trigger(&world, "second", "compute.end").await;

    let told =
        json!({"event": "compute.end", "payload": {"state": "up"}, "context": {"project_id": "p"}});
    let odd = json!({"event": "compute.end.odd", "payload": {}, "context": {}});
    // In the envelope and without it.
    broker.notify("messagingv2", "first", &[odd.clone(), told.clone()]);
    broker.notify("messaging", "first", std::slice::from_ref(&told));
    let ended = started(&world, "compute.end", 2).await;
    for one in &ended {
        let output = json!({"who": "compute.end", "event": {"state": "up", "project": "p"}});
        assert_eq!(inner(&one["output"]), output);
        let trigger = end.rsplit_once('/').unwrap().1;
        let description = json!({
            "description": format!("Workflow execution created by event trigger '({trigger})'."),
            "triggered_by": {"type": "event_trigger", "id": trigger, "name": "told"},
        });
        assert_eq!(inner(&one["description"]), description);
    }

    // The same one again, which is what a broker does that does not know what became of it.
    let twice = plain("compute.end", "the same");
    broker
        .publish("first", &[twice.clone(), twice.clone()])
        .await;
    broker
        .publish("first", &[json!("odd"), plain("last", "1")])
        .await;
    started(&world, "last", 1).await;
    started(&world, "compute.end", 3).await;

    // What comes during maintenance starts once that is over.
    world.put("/maintenance", json!({"status": "PAUSED"})).await;
    broker.is_left("first").await;
    broker.publish("first", &[plain("last", "2")]).await;
    started(&world, "last", 1).await;
    world
        .put("/maintenance", json!({"status": "RUNNING"}))
        .await;
    started(&world, "last", 2).await;

    // A trigger that was deleted gets nothing, and neither does the queue of the last one.
    world.ask("DELETE", &end, json!(null)).await;
    let messages = [plain("compute.end", "3"), plain("last", "3")];
    broker.publish("first", &messages).await;
    started(&world, "last", 3).await;
    started(&world, "compute.end", 3).await;
    for path in [last, other] {
        assert_eq!(world.ask("DELETE", &path, json!(null)).await.0, 204);
    }
    for exchange in ["first", "second"] {
        assert_eq!(broker.listeners(exchange).await, None);
    }
}

#[tokio::test]
async fn a_broker_that_goes_and_comes_again_is_listened_to_again() {
    let broker = Broker::shared();
    let _turn = Broker::turn().await;
    let world = world(&broker, journal()).await;
    let told = |event: &str| json!({"event": event, "payload": {"state": "up"}, "context": {}});
    trigger(&world, "third", "before").await;
    broker.is_listened_to("third").await;
    broker.notify("messagingv2", "third", &[told("before")]);
    started(&world, "before", 1).await;

    broker.stop();
    // It is answered before there is a broker again.
    trigger(&world, "fourth", "after").await;
    broker.start();
    for exchange in ["third", "fourth"] {
        broker.is_listened_to(exchange).await;
    }
    broker.notify("messagingv2", "third", &[told("before")]);
    broker.notify("messagingv2", "fourth", &[told("after")]);
    started(&world, "before", 2).await;
    started(&world, "after", 1).await;
}

#[test]
fn what_a_host_had_taken_when_it_died_starts_once() {
    const MESSAGES: usize = 300;
    let broker = Broker::shared();
    let _turn = Broker::blocking_turn();
    let (host, client) = (Runtime::new().unwrap(), Runtime::new().unwrap());
    let journal = journal();
    let kept = journal.clone();
    let count = |journal: &Journal| {
        let query = ostro_journal::Query::new().limit(1000);
        journal.list_executions(&query).unwrap().len()
    };
    let first = host.block_on(async {
        let world = world(&broker, kept).await;
        trigger(&world, "fifth", "many").await;
        broker.is_listened_to("fifth").await;
        world
    });
    let messages: Vec<Value> = (0..MESSAGES)
        .map(|number| plain("many", &number.to_string()))
        .collect();
    let publisher = Arc::clone(&broker);
    let publishing = client.spawn(async move { publisher.publish("fifth", &messages).await });
    while count(&journal) < 20 {
        std::thread::sleep(Duration::from_millis(1));
    }
    // It ends in the middle of whatever it does.
    host.shutdown_background();
    drop(first);
    let then = count(&journal);
    assert!(then < MESSAGES, "it has done all before it died");

    client.block_on(async {
        publishing.await.unwrap();
        let world = World::open(journal, |server| server.with_events(settings(&broker))).await;
        started(&world, "many", MESSAGES).await;
        let path = world.get("/v2/event_triggers").await;
        let path = format!("/v2/event_triggers/{}", id(&path["event_triggers"][0]));
        world.ask("DELETE", &path, json!(null)).await;
    });
}

/// What is logged.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_password_is_in_no_log() {
    let said = Said::default();
    let log = said.clone();
    tracing_subscriber::fmt()
        .with_env_filter("lapin=trace,amq_protocol=trace,ostro_server=trace")
        .with_writer(move || log.clone())
        .init();
    let broker = Broker::shared();
    let _turn = Broker::turn().await;
    let url = broker.url().replace("guest:guest", "guest:a-secret%21");
    let url: ostro_server::AmqpUrl = url.parse().unwrap();
    assert!(!format!("{url} {url:?}").contains("a-secret"));
    let settings = EventSettings {
        url: Some(url),
        ..EventSettings::default()
    };
    let _world = World::open(journal(), |server| server.with_events(settings)).await;
    let began = Instant::now();
    loop {
        let text = said
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let text = String::from_utf8(text).unwrap();
        assert!(!text.contains("a-secret"), "{text}");
        if text.contains("hear nothing") {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{text}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
