//! Rerun, skip, and pauses that go up and down the tree of executions.

use std::time::Duration;

use ostro_core::{ExecutionId, State, TaskExecutionId, Value};
use ostro_runtime::{Options, Runtime, RuntimeError};

use crate::support::{action_started, map, runtime, start};

/// The newest execution of the task `name`.
fn task(runtime: &Runtime, id: &ExecutionId, name: &str) -> TaskExecutionId {
    let execution = runtime.snapshot(id).unwrap();
    let task = execution.tasks().filter(|task| **task.name() == *name);
    task.last().expect("it ran").id().clone()
}

#[tokio::test(start_paused = true)]
async fn an_execution_that_failed_runs_again_from_its_task() {
    let (runtime, runner) = runtime(Options::default());
    let id = start(&runtime, "fails_once", []).await;
    assert_eq!(runtime.wait(&id).await.unwrap().state, State::Error);
    let failed = task(&runtime, &id, "try");
    runtime.rerun(&id, &failed, true, None).await.unwrap();
    let outcome = runtime.wait(&id).await.unwrap();
    assert_eq!(outcome.state, State::Success);
    assert_eq!(outcome.output.get("answer"), Some(&"at last".into()));
    assert_eq!(runner.calls().len(), 2);
    let again = runtime.rerun(&id, &failed, true, None).await;
    assert!(matches!(again, Err(RuntimeError::Invalid(_))), "{again:?}");
    assert_eq!(runtime.wait(&id).await.unwrap().state, State::Success);
}

#[tokio::test(start_paused = true)]
async fn only_the_items_that_failed_run_again_without_a_reset() {
    let (runtime, runner) = runtime(Options::default());
    let id = start(&runtime, "item_fails_once", []).await;
    assert_eq!(runtime.wait(&id).await.unwrap().state, State::Error);
    let failed = task(&runtime, &id, "each");
    runtime.rerun(&id, &failed, false, None).await.unwrap();
    let outcome = runtime.wait(&id).await.unwrap();
    let all: Value = [0, 1, 2].map(Value::from).into_iter().collect();
    assert_eq!(outcome.output.get("all"), Some(&all));
    assert_eq!(runner.calls().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_skipped_task_has_what_follows_it_come() {
    let (runtime, _) = runtime(Options::default());
    let id = start(&runtime, "fails_and_is_skipped", []).await;
    assert_eq!(runtime.wait(&id).await.unwrap().state, State::Error);
    let failed = task(&runtime, &id, "paint");
    runtime.skip(&id, &failed, None).await.unwrap();
    let outcome = runtime.wait(&id).await.unwrap();
    assert_eq!(outcome.state, State::Success);
    assert_eq!(outcome.output.get("reason"), Some(&"skipped".into()));
}

#[tokio::test(start_paused = true)]
async fn a_sub_workflow_runs_again_and_its_parent_with_it() {
    let (runtime, _) = runtime(Options::default());
    let id = start(&runtime, "fails_once_below", []).await;
    assert_eq!(runtime.wait(&id).await.unwrap().state, State::Error);
    let child = runtime.family(&id)[1].clone();
    let failed = task(&runtime, &child, "try");
    runtime.rerun(&child, &failed, true, None).await.unwrap();
    let below = runtime.wait(&child).await.unwrap();
    assert_eq!(below.state, State::Success);
    tokio::time::sleep(Duration::from_millis(1)).await;
    let outcome = runtime.wait(&id).await.unwrap();
    assert_eq!(outcome.output.get("answer"), Some(&"at last".into()));
    assert_eq!(runtime.family(&id).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_sub_workflow_of_a_parent_that_succeeded_does_not_run_again() {
    let (runtime, runner) = runtime(Options::default());
    let id = start(&runtime, "fails_below_and_goes_on", []).await;
    assert_eq!(runtime.wait(&id).await.unwrap().state, State::Success);
    let child = runtime.family(&id)[1].clone();
    let failed = task(&runtime, &child, "try");
    let refused = runtime.rerun(&child, &failed, true, None).await;
    assert!(
        matches!(refused, Err(RuntimeError::Invalid(_))),
        "{refused:?}"
    );
    assert_eq!(runtime.wait(&child).await.unwrap().state, State::Error);
    assert_eq!(runner.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn executions_that_run_again_are_kept_and_counted_as_before() {
    let (runtime, _) = runtime(Options {
        kept_roots: 1,
        max_executions: 1,
        ..Options::default()
    });
    for _ in 0..3 {
        let id = start(&runtime, "panics", []).await;
        assert_eq!(runtime.wait(&id).await.unwrap().state, State::Error);
        tokio::time::sleep(Duration::from_millis(1)).await;
        let failed = task(&runtime, &id, "boom");
        runtime.rerun(&id, &failed, true, None).await.unwrap();
        assert_eq!(runtime.wait(&id).await.unwrap().state, State::Error);
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(runtime.snapshot(&id).is_some());
    }
    let id = start(&runtime, "two_steps", [("value", 1.into())]).await;
    assert_eq!(runtime.wait(&id).await.unwrap().state, State::Success);
    assert!(runtime.shutdown(Duration::from_secs(1)).await);
    let first = task(&runtime, &id, "first");
    let late = runtime.rerun(&id, &first, true, None).await;
    assert_eq!(late, Err(RuntimeError::ShutDown));
}

#[tokio::test(start_paused = true)]
async fn a_sub_workflow_that_pauses_pauses_its_parent_until_it_is_resumed() {
    let (runtime, _) = runtime(Options::default());
    let id = start(&runtime, "pauses_below", []).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(runtime.snapshot(&id).unwrap().state(), State::Paused);
    let child = runtime.family(&id)[1].clone();
    runtime.resume(&child, None).await.unwrap();
    assert_eq!(runtime.wait(&id).await.unwrap().state, State::Success);
    let other = start(&runtime, "pauses_below", []).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let env = Some(map([("v", 1.into())]));
    runtime.resume(&other, env).await.unwrap();
    assert_eq!(runtime.wait(&other).await.unwrap().state, State::Success);
    let child = runtime.family(&other)[1].clone();
    let child = runtime.snapshot(&child).unwrap();
    assert_eq!(child.params().env["v"], 1.into());
}

#[tokio::test(start_paused = true)]
async fn an_action_that_goes_on_elsewhere_pauses_the_executions_above_it() {
    let (runtime, _) = runtime(Options::default());
    let mut notices = runtime.subscribe();
    let id = start(&runtime, "defers_below", []).await;
    let action = action_started(&mut notices).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    let change = |state| runtime.change_action(&action, state);
    change(State::Paused).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(runtime.snapshot(&id).unwrap().state(), State::Paused);
    change(State::Running).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(runtime.snapshot(&id).unwrap().state(), State::Running);
    change(State::Cancelled).await.unwrap();
    assert_eq!(runtime.wait(&id).await.unwrap().state, State::Cancelled);
    assert_eq!(
        change(State::Cancelled).await,
        Err(RuntimeError::UnknownAction(action.clone()))
    );
}

#[tokio::test(start_paused = true)]
async fn an_action_that_runs_here_is_cancelled_but_never_paused() {
    let (runtime, runner) = runtime(Options::default());
    let mut notices = runtime.subscribe();
    let id = start(&runtime, "blocks", []).await;
    let action = action_started(&mut notices).await;
    let paused = runtime.change_action(&action, State::Paused).await;
    assert!(matches!(paused, Err(RuntimeError::Invalid(_))));
    let ended = runtime.change_action(&action, State::Success).await;
    assert!(matches!(ended, Err(RuntimeError::Invalid(_))));
    runtime
        .change_action(&action, State::Cancelled)
        .await
        .unwrap();
    assert_eq!(runtime.wait(&id).await.unwrap().state, State::Cancelled);
    assert_eq!(runner.cancelled(), 1);
}
