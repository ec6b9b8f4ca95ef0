//! Many callers at the same time.

use std::num::NonZeroUsize;

use ostro_server::LimitSettings;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value as Json;
use tokio::task::JoinSet;

use crate::wire::{Answer, Wire};
use crate::world::{World, eventually, id};

/// How many there are.
const CALLERS: usize = 500;
/// How many executions each starts, one after the other.
const EACH: usize = 3;

const START: &str = r#"{"workflow_name": "simple", "input": {"name": "Ada"}}"#;

/// Both ends of each connection are of this process.
fn allow_many_files() {
    let limits = getrlimit(Resource::Nofile);
    let limits = Rlimit {
        current: limits.maximum,
        ..limits
    };
    setrlimit(Resource::Nofile, limits).unwrap();
}

/// What all callers are answered, each on its own connection, all of which are there at once.
async fn all_start(world: &World) -> Vec<Answer> {
    allow_many_files();
    let mut callers = Vec::new();
    for _ in 0..CALLERS {
        callers.push(Wire::to(world.address()).await);
    }
    let mut asking = JoinSet::new();
    for mut caller in callers {
        asking.spawn(async move {
            let mut answers = Vec::new();
            for _ in 0..EACH {
                answers.push(caller.ask("POST", "/v2/executions", START).await);
            }
            answers
        });
    }
    asking.join_all().await.into_iter().flatten().collect()
}

/// Waits until each of `ids` has ended well.
async fn all_end(world: &World, ids: &[String]) {
    eventually("the end of all", async || {
        let path = "/v2/executions?state=RUNNING&limit=1&fields=id";
        let left: Json = world.get(path).await;
        left["executions"].as_array().unwrap().is_empty()
    })
    .await;
    for id in ids {
        let row = world.get(&format!("/v2/executions/{id}")).await;
        assert_eq!(row["state"], "SUCCESS", "{row}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_callers_start_executions_and_all_of_them_end() {
    let world = World::new().await;
    let answers = all_start(&world).await;
    let started: Vec<String> = answers
        .iter()
        .map(|answer| {
            assert_eq!(answer.status, 201, "{answer:?}");
            id(&answer.json())
        })
        .collect();
    assert_eq!(started.len(), CALLERS * EACH);
    all_end(&world, &started).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn past_the_limits_callers_are_told_when_to_come_back_and_what_was_taken_is_done() {
    let few = NonZeroUsize::new(20).unwrap();
    let limits = LimitSettings {
        requests: few,
        ..LimitSettings::default()
    };
    let world = World::set_up(|server| server.with_limits(limits)).await;
    let (mut started, mut refused) = (Vec::new(), 0);
    for answer in all_start(&world).await {
        match answer.status {
            201 => started.push(id(&answer.json())),
            429 => {
                assert_eq!(answer.header("retry-after"), Some("1"), "{answer:?}");
                assert!(answer.fault().contains("limits.requests"), "{answer:?}");
                refused += 1;
            }
            _ => panic!("{answer:?}"),
        }
    }
    assert!(refused > 0, "nobody was refused");
    assert!(started.len() >= 20, "{}", started.len());
    all_end(&world, &started).await;
    let all = world.get("/v2/executions?fields=id").await;
    assert_eq!(all["executions"].as_array().unwrap().len(), started.len());
}
