//! What is bounded is bounded.

use std::time::Duration;

use ostro_core::{State, Value};
use ostro_runtime::{Delivery, Options, RuntimeError, StartRequest};

use crate::support::{action_started, map, runtime, start};

#[tokio::test(start_paused = true)]
async fn items_run_as_many_at_a_time_as_their_task_says() {
    let (runtime, runner) = runtime(Options::default());
    let id = start(
        &runtime,
        "items",
        [("count", 20.into()), ("concurrency", 3.into())],
    )
    .await;
    assert_eq!(runtime.wait(&id).await.unwrap().state, State::Success);
    assert_eq!((runner.calls().len(), runner.most()), (20, 3));
}

#[tokio::test(start_paused = true)]
async fn actions_run_as_many_at_a_time_as_the_runtime_says() {
    let (runtime, runner) = runtime(Options {
        max_actions: 2,
        ..Options::default()
    });
    let id = start(&runtime, "items", [("count", 20.into())]).await;
    assert_eq!(runtime.wait(&id).await.unwrap().state, State::Success);
    assert_eq!((runner.calls().len(), runner.most()), (20, 2));
}

#[tokio::test(start_paused = true)]
async fn an_execution_with_many_items_does_not_hold_up_a_small_one() {
    let (runtime, runner) = runtime(Options {
        max_actions: 1,
        ..Options::default()
    });
    let mut notices = runtime.subscribe();
    let large = start(&runtime, "items", [("count", 100.into())]).await;
    action_started(&mut notices).await;
    let small = start(&runtime, "two_steps", [("value", 1.into())]).await;
    runtime.wait(&small).await.unwrap();
    assert!(
        runner.calls().len() < 10,
        "{} actions came before",
        runner.calls().len()
    );
    assert_eq!(runtime.wait(&large).await.unwrap().state, State::Success);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_executions_run_side_by_side() {
    let (runtime, runner) = runtime(Options {
        kept_roots: 1000,
        ..Options::default()
    });
    let mut ids = Vec::new();
    for value in 0..1000 {
        ids.push((
            value,
            start(&runtime, "parent", [("value", value.into())]).await,
        ));
    }
    for (value, id) in ids {
        let outcome = runtime.wait(&id).await.unwrap();
        assert_eq!(outcome.output.get("answer"), Some(&Value::Int(value + 1)));
    }
    assert_eq!(runner.calls().len(), 2000);
    assert!(runner.most() <= Options::default().max_actions);
}

#[tokio::test(start_paused = true)]
async fn no_more_executions_start_than_may_run() {
    let (runtime, _) = runtime(Options {
        max_executions: 2,
        ..Options::default()
    });
    let first = start(&runtime, "blocks", []).await;
    start(&runtime, "blocks", []).await;
    let request = || StartRequest::new("test.blocks", map([]));
    assert_eq!(runtime.start(request()).await, Err(RuntimeError::Full(2)));
    runtime.stop(&first, State::Cancelled, None).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    runtime.start(request()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_workflow_that_calls_itself_ends_at_the_bound() {
    for options in [
        Options {
            max_depth: 5,
            ..Options::default()
        },
        Options {
            max_family: 6,
            ..Options::default()
        },
    ] {
        let (runtime, _) = runtime(options);
        let id = start(&runtime, "recursive", []).await;
        let outcome = runtime.wait(&id).await.unwrap();
        assert_eq!(outcome.state, State::Error);
        assert_eq!(runtime.family(&id).len(), 6);
        let deepest = runtime.family(&id)[5].clone();
        let info = runtime.wait(&deepest).await.unwrap().state_info.unwrap();
        assert!(info.contains("at most"), "{info}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_subscriber_is_told_what_it_missed_and_slows_nobody() {
    let (runtime, _) = runtime(Options {
        backlog: 4,
        ..Options::default()
    });
    let mut notices = runtime.subscribe();
    let id = start(&runtime, "two_steps", [("value", 1.into())]).await;
    assert_eq!(runtime.wait(&id).await.unwrap().state, State::Success);
    assert_eq!(notices.next().await, Some(Delivery::Lagged(6)));
    let mut seen = Vec::new();
    while let Some(Delivery::Notice(notice)) = notices.try_next() {
        seen.push(notice.sequence);
    }
    assert_eq!(seen, [7, 8, 9, 10]);
    assert_eq!(runtime.snapshot(&id).unwrap().state(), State::Success);
}

#[tokio::test(start_paused = true)]
async fn finished_executions_are_kept_until_newer_ones_take_their_place() {
    let (runtime, _) = runtime(Options {
        kept_roots: 2,
        ..Options::default()
    });
    let mut ids = Vec::new();
    for value in 0..3 {
        let id = start(&runtime, "parent", [("value", value.into())]).await;
        runtime.wait(&id).await.unwrap();
        ids.push((id.clone(), runtime.family(&id)[1].clone()));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let kept: Vec<(bool, bool)> = ids
        .iter()
        .map(|(root, child)| {
            (
                runtime.snapshot(root).is_some(),
                runtime.info(child).is_some(),
            )
        })
        .collect();
    assert_eq!(kept, [(false, false), (true, true), (true, true)]);
    assert!(runtime.forget(&ids[2].0) && !runtime.forget(&ids[2].0));
    assert!(runtime.outcome(&ids[2].0).is_none() && runtime.info(&ids[2].1).is_none());
    assert!(runtime.outcome(&ids[1].0).is_some());
}
