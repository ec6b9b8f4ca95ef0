//! What packs and projects take from each other: nothing beyond their share.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ostro_core::ActionContext;
use ostro_packs::{Limits, Pack};
use ostro_sandbox::{
    CallError, Called, HostCall, LimitKind, LoadedPack, Observer, PausedPack, Quota, Quotas,
    Sandbox, SandboxConfig,
};

use crate::common::{call, call_in, context, hostile, types};

/// Keeps what happens.
#[derive(Default)]
struct Seen {
    fuel: Mutex<Vec<Option<u64>>>,
    host_calls: Mutex<Vec<String>>,
    said: Mutex<Vec<String>>,
}

impl Observer for Seen {
    fn host_called(&self, call: &HostCall<'_>) {
        let line = format!(
            "{} {} {} {} {}",
            call.context.action_execution_id,
            call.pack.name,
            call.call,
            call.service,
            call.end.as_str()
        );
        self.host_calls.lock().unwrap().push(line);
    }

    fn called(&self, call: &Called<'_>) {
        self.fuel.lock().unwrap().push(call.fuel);
    }

    fn paused(&self, pack: &PausedPack) {
        let line = format!("{} paused: {}", pack.pack, pack.reason);
        self.said.lock().unwrap().push(line);
    }

    fn resumed(&self, pack: &PausedPack) {
        let line = format!("{} resumed", pack.pack);
        self.said.lock().unwrap().push(line);
    }
}

fn sandbox(config: SandboxConfig) -> (Sandbox, Arc<Seen>) {
    let sandbox = Sandbox::new(SandboxConfig {
        max_instances: 32,
        ..config
    })
    .unwrap();
    let seen = Arc::new(Seen::default());
    assert!(sandbox.observe(Arc::clone(&seen) as _));
    (sandbox, seen)
}

/// `pack` with other limits.
fn limited(sandbox: &Sandbox, pack: &Pack, change: impl FnOnce(&mut Limits)) -> LoadedPack {
    let mut pack = pack.clone();
    change(&mut pack.manifest.limits);
    sandbox.load(&pack, &pack.manifest.grants).unwrap()
}

fn of_project(project: &str) -> ActionContext {
    ActionContext {
        project: project.into(),
        ..context()
    }
}

fn hurried(millis: u64) -> ActionContext {
    ActionContext {
        timeout: Some(Duration::from_millis(millis)),
        ..context()
    }
}

#[tokio::test]
async fn the_same_call_takes_the_same_fuel_and_no_more_than_it_may() {
    let (sandbox, seen) = sandbox(SandboxConfig {
        fuel: true,
        ..SandboxConfig::default()
    });
    let greet = (
        "test.echo.greet",
        r#"{"name": "node-0", "count": 3}"#,
        r#"{"name": "node-0", "count": 30}"#,
    );
    let pack = limited(&sandbox, types(), |_| {});
    for input in [greet.1, greet.1, greet.2] {
        call(&pack, greet.0, input).await.result.unwrap();
    }
    let fuel: Vec<u64> = seen
        .fuel
        .lock()
        .unwrap()
        .iter()
        .map(|f| f.unwrap())
        .collect();
    assert_eq!(fuel[0], fuel[1]);
    assert!(fuel[2] > fuel[1], "{fuel:?}");
    let enough = limited(&sandbox, types(), |limits| limits.fuel = Some(fuel[0]));
    call(&enough, greet.0, greet.1).await.result.unwrap();
    let short = limited(&sandbox, types(), |limits| limits.fuel = Some(fuel[0] / 2));
    let error = call(&short, greet.0, greet.1).await.result.unwrap_err();
    let CallError::Limit(limit) = &error else {
        panic!("{error:?}");
    };
    assert_eq!(limit.kind, LimitKind::Fuel);
    assert!(
        error
            .to_string()
            .starts_with("the action computed too much: more than")
    );
    let endless = limited(&sandbox, hostile(), |limits| limits.fuel = Some(1_000_000));
    let ended = call(&endless, "evil.attack.loop_forever", "{}")
        .await
        .result;
    let Err(CallError::Limit(limit)) = ended else {
        panic!("{ended:?}");
    };
    assert_eq!(limit.kind, LimitKind::Fuel);
}

#[tokio::test]
async fn a_pack_that_traps_again_and_again_is_paused_until_it_is_resumed() {
    let (sandbox, seen) = sandbox(SandboxConfig {
        how_to_resume: "do this".to_owned(),
        ..SandboxConfig::default()
    });
    let pack = limited(&sandbox, hostile(), |_| {});
    let panics = || async { call(&pack, "evil.attack.panic", "{}").await };
    // One bad input among good ones, for ever.
    for _ in 0..3 {
        for _ in 0..4 {
            panics().await;
        }
        let good = call(&pack, "evil.attack.call_host", r#"{"times": 1}"#).await;
        good.result.unwrap();
    }
    assert_eq!(sandbox.paused(), []);
    for _ in 0..4 {
        assert_eq!(panics().await.notes, "");
    }
    let last = panics().await;
    assert!(matches!(last.result, Err(CallError::Trap(_))));
    assert!(
        last.notes.contains("pack hostile 0.1.0 is paused"),
        "{}",
        last.notes
    );
    let refused = call(&pack, "evil.attack.call_host", r#"{"times": 1}"#).await;
    let error = refused.result.unwrap_err().to_string();
    assert_eq!(
        error,
        "pack hostile 0.1.0 is paused: 5 calls in a row failed; the last: the component trapped: \
         it panicked or aborted (unreachable code); do this"
    );
    // It stays so when it is loaded again, and others are not concerned.
    let id = pack.id().clone();
    drop(pack);
    assert_eq!(sandbox.loaded(), []);
    let pack = limited(&sandbox, hostile(), |_| {});
    let other = limited(&sandbox, types(), |_| {});
    let refused = call(&pack, "evil.attack.panic", "{}").await.result;
    assert!(
        matches!(refused, Err(CallError::Paused { .. })),
        "{refused:?}"
    );
    call(&other, "test.echo.nothing", "{}")
        .await
        .result
        .unwrap();
    assert_eq!(sandbox.paused()[0].pack, id);
    assert!(sandbox.resume(&id.digest));
    assert!(!sandbox.resume(&id.digest));
    let resumed = call(&pack, "evil.attack.panic", "{}").await.result;
    assert!(matches!(resumed, Err(CallError::Trap(_))), "{resumed:?}");
    let said = seen.said.lock().unwrap();
    assert!(
        said[0].starts_with("hostile 0.1.0 paused: 5 calls in a row failed"),
        "{said:?}"
    );
    assert_eq!(said[1..], ["hostile 0.1.0 resumed"]);
}

#[tokio::test]
async fn whoever_observes_is_told_of_each_host_call_and_how_it_ended() {
    let (sandbox, seen) = sandbox(SandboxConfig::default());
    let pack = limited(&sandbox, hostile(), |_| {});
    let send = |service: &str, path: &str| {
        format!(r#"{{"service": "{service}", "method": "GET", "path": "{path}", "headers": []}}"#)
    };
    let operate = |operation: &str| format!(r#"{{"operation": "{operation}", "arguments": {{}}}}"#);
    for (action, input) in [
        ("send", send("baremetal", "/v1/nodes")),
        ("send", send("baremetal", "/v1/nodes/down")),
        ("send", send("baremetal", "/v1/../x")),
        ("send", send("compute", "/servers")),
        ("operate", operate("nova.servers_list")),
        (
            "operate_reading",
            operate("ironic.node_set_provision_state"),
        ),
        // It reaches nothing, and needs no grant.
        ("call_host", r#"{"times": 3}"#.to_owned()),
    ] {
        call(&pack, &format!("evil.attack.{action}"), &input).await;
    }
    let slow = send("baremetal", "/v1/nodes/slow");
    call_in(&pack, "evil.attack.send", &slow, &hurried(50)).await;
    let said = seen.host_calls.lock().unwrap().join("\n");
    let expected = [
        "openstack.send baremetal answered",
        "openstack.send baremetal unavailable",
        "openstack.send baremetal invalid",
        "openstack.send compute denied",
        "openstack.call nova denied",
        "openstack-read.call ironic denied",
        "openstack.send baremetal cancelled",
    ];
    let expected = expected.map(|line| format!("key-1 hostile {line}"));
    assert_eq!(said, expected.join("\n"));
}

#[tokio::test]
async fn a_task_in_a_hurry_says_nothing_against_a_pack_and_a_pack_that_is_too_slow_does() {
    let (sandbox, _) = sandbox(SandboxConfig::default());
    let pack = limited(&sandbox, hostile(), |limits| {
        limits.time = Duration::from_millis(60);
    });
    for _ in 0..8 {
        let called = call_in(&pack, "evil.attack.sleep_for_a_day", "{}", &hurried(15)).await;
        assert!(matches!(called.result, Err(CallError::Limit(_))));
    }
    assert_eq!(sandbox.paused(), []);
    for _ in 0..5 {
        call(&pack, "evil.attack.sleep_for_a_day", "{}").await;
    }
    assert_eq!(sandbox.paused().len(), 1);
}

#[tokio::test]
async fn host_calls_wait_for_their_turn_within_the_time_limit() {
    let (sandbox, _) = sandbox(SandboxConfig {
        quotas: Quotas {
            projects: HashMap::from([(
                "slow".to_owned(),
                Quota {
                    host_calls_per_second: NonZeroU32::new(100),
                    ..Quota::default()
                },
            )]),
            ..Quotas::default()
        },
        ..SandboxConfig::default()
    });
    let pack = limited(&sandbox, hostile(), |limits| {
        limits.time = Duration::from_mins(2);
        limits.host_calls_per_second = NonZeroU32::new(200);
    });
    let call_host = async |project: &str, times: u32| {
        let input = format!(r#"{{"times": {times}}}"#);
        let context = of_project(project);
        let called = call_in(&pack, "evil.attack.call_host", &input, &context).await;
        called.result.unwrap();
    };
    // A second's worth goes at once (`pace.rs` has the test of that), the rest at the rate: so
    // many cannot be through sooner.
    let begin = Instant::now();
    call_host("", 400).await;
    let took = begin.elapsed().as_secs_f64();
    assert!(took > 0.9, "{took}");
    // Two instances share the rate.
    tokio::join!(call_host("", 100), call_host("", 100));
    let took = begin.elapsed().as_secs_f64();
    assert!(took > 1.9, "{took}");
    // A project has its own.
    let begin = Instant::now();
    call_host("slow", 300).await;
    let took = begin.elapsed().as_secs_f64();
    assert!(took > 1.9, "{took}");
    let strict = limited(&sandbox, hostile(), |limits| {
        limits.host_calls_per_second = NonZeroU32::new(50);
    });
    let ended = call(&strict, "evil.attack.call_host", r#"{"times": 900}"#).await;
    let Err(CallError::Limit(limit)) = ended.result else {
        panic!("{:?}", ended.result);
    };
    assert_eq!(limit.kind, LimitKind::Time);
    // What goes to a cloud waits before it goes.
    let strict = limited(&sandbox, hostile(), |limits| {
        limits.time = Duration::from_mins(2);
        limits.host_calls_per_second = NonZeroU32::new(2);
    });
    let begin = Instant::now();
    let send = r#"{"service": "baremetal", "method": "GET", "path": "/v1/nodes", "headers": []}"#;
    for _ in 0..4 {
        call(&strict, "evil.attack.send", send)
            .await
            .result
            .unwrap();
    }
    let took = begin.elapsed().as_secs_f64();
    assert!(took > 0.9, "{took}");
}

#[tokio::test]
async fn a_pack_or_project_with_many_calls_holds_up_nobody_else() {
    let quota = |concurrent| Quota {
        concurrent: NonZeroU32::new(concurrent),
        ..Quota::default()
    };
    let (sandbox, _) = sandbox(SandboxConfig {
        quotas: Quotas {
            projects: HashMap::from([("greedy".to_owned(), quota(1))]),
            ..Quotas::default()
        },
        ..SandboxConfig::default()
    });
    let pack = limited(&sandbox, hostile(), |limits| {
        limits.concurrent = NonZeroU32::new(2);
        limits.time = Duration::from_mins(1);
    });
    let sleep = |project: &'static str| {
        let pack = pack.clone();
        let context = ActionContext {
            timeout: Some(Duration::from_millis(100)),
            ..of_project(project)
        };
        tokio::spawn(async move {
            call_in(&pack, "evil.attack.sleep_for_a_day", "{}", &context).await;
        })
    };
    let begin = Instant::now();
    let greedy: Vec<_> = (0..8).map(|_| sleep("greedy")).collect();
    tokio::task::yield_now().await;
    let modest: Vec<_> = (0..3).map(|_| sleep("modest")).collect();
    for modest in modest {
        modest.await.unwrap();
    }
    let took = begin.elapsed();
    assert!(
        took >= Duration::from_millis(300),
        "two of the pack at a time: {took:?}"
    );
    // Eight take longer than three, one at a time: had the three waited for all, none would be left.
    let left = greedy.iter().filter(|greedy| !greedy.is_finished()).count();
    assert!(left > 0, "they waited for all");
    for greedy in greedy {
        greedy.await.unwrap();
    }
    assert!(
        begin.elapsed() >= Duration::from_millis(800),
        "one at a time"
    );
}

#[tokio::test]
async fn one_pack_in_memory_serves_all_who_hold_it_and_goes_with_the_last() {
    let (sandbox, _) = sandbox(SandboxConfig::default());
    let one = limited(&sandbox, types(), |_| {});
    let two = limited(&sandbox, types(), |_| {});
    assert_eq!(sandbox.loaded(), [one.id().clone()]);
    let other = limited(&sandbox, types(), |limits| limits.host_calls = 1);
    assert_eq!(sandbox.loaded().len(), 2, "it may do something else");
    drop((one, other));
    assert_eq!(sandbox.loaded(), [two.id().clone()]);
    // A call that runs keeps it.
    let endless = limited(&sandbox, hostile(), |limits| {
        limits.time = Duration::from_hours(1);
    });
    let running = tokio::spawn(async move {
        call(&endless, "evil.attack.sleep_for_a_day", "{}").await;
    });
    drop(two);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(sandbox.loaded().len(), 1);
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    assert_eq!(sandbox.loaded(), []);
}
