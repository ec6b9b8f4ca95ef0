//! Pause, resume, stop, shut down.

use std::sync::Arc;
use std::time::Duration;

use ostro_core::{ExecutionId, State, Value};
use ostro_journal::simulated::Disk;
use ostro_runtime::{File, Library, Options, Runtime, RuntimeError, StartRequest, SystemClock};
use tokio::time::Instant;

use crate::support::{Scripted, action_started, map, runtime, start};

#[tokio::test(start_paused = true)]
async fn stop_cancels_the_actions_in_flight_of_sub_workflows_too() {
    let (runtime, runner) = runtime(Options::default());
    let mut notices = runtime.subscribe();
    let id = start(&runtime, "blocks_below", []).await;
    action_started(&mut notices).await;
    runtime
        .stop(&id, State::Cancelled, Some("enough".to_owned()))
        .await
        .unwrap();
    let outcome = runtime.wait(&id).await.unwrap();
    assert_eq!(outcome.state, State::Cancelled);
    assert_eq!(outcome.state_info.as_deref(), Some("enough"));
    let child = runtime.family(&id)[1].clone();
    assert_eq!(runtime.wait(&child).await.unwrap().state, State::Cancelled);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!((runner.running(), runner.cancelled()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn an_execution_is_stopped_as_an_end_only_and_once() {
    let (runtime, _) = runtime(Options::default());
    let id = start(&runtime, "blocks", []).await;
    let paused = runtime.stop(&id, State::Paused, None).await;
    assert!(matches!(paused, Err(RuntimeError::Invalid(_))));
    runtime.stop(&id, State::Error, None).await.unwrap();
    assert_eq!(runtime.wait(&id).await.unwrap().state, State::Error);
    let again = runtime.stop(&id, State::Error, None).await;
    assert_eq!(again, Err(RuntimeError::Ended(id)));
    let nobody = ExecutionId::new("nobody");
    assert_eq!(
        runtime.pause(&nobody).await,
        Err(RuntimeError::UnknownExecution(nobody.clone()))
    );
    assert_eq!(
        runtime.wait(&nobody).await,
        Err(RuntimeError::UnknownExecution(nobody))
    );
}

#[tokio::test(start_paused = true)]
async fn a_paused_execution_starts_nothing_until_it_is_resumed() {
    let (runtime, runner) = runtime(Options::default());
    let mut notices = runtime.subscribe();
    let id = start(&runtime, "short_then_more", []).await;
    action_started(&mut notices).await;
    runtime.pause(&id).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(runtime.snapshot(&id).unwrap().state(), State::Paused);
    assert_eq!((runner.calls().len(), runner.cancelled()), (1, 0));
    runtime.resume(&id, None).await.unwrap();
    assert_eq!(runtime.wait(&id).await.unwrap().state, State::Success);
    assert_eq!(runner.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn starting_with_a_known_id_starts_nothing() {
    let (runtime, runner) = runtime(Options::default());
    let request = || StartRequest {
        id: Some(ExecutionId::new("mine")),
        ..StartRequest::new("test.two_steps", map([("value", 1.into())]))
    };
    let first = runtime.start(request()).await.unwrap();
    runtime.wait(&first).await.unwrap();
    let again = runtime.start(request()).await.unwrap();
    runtime.wait(&again).await.unwrap();
    assert_eq!(first, again);
    assert_eq!(runner.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn shutdown_lets_executions_end_within_its_grace() {
    let (runtime, _) = runtime(Options::default());
    let id = start(&runtime, "short_then_more", []).await;
    assert!(runtime.shutdown(Duration::from_secs(1)).await);
    assert_eq!(runtime.wait(&id).await.unwrap().state, State::Success);
    let request = StartRequest::new("test.blocks", map([]));
    assert_eq!(runtime.start(request).await, Err(RuntimeError::ShutDown));
}

#[tokio::test(start_paused = true)]
async fn shutdown_cancels_what_does_not_end_and_tells_who_waits() {
    let (runtime, runner) = runtime(Options::default());
    let mut notices = runtime.subscribe();
    let id = start(&runtime, "blocks_below", []).await;
    action_started(&mut notices).await;
    let waiting = tokio::spawn({
        let (runtime, id) = (runtime.clone(), id.clone());
        async move { runtime.wait(&id).await }
    });
    let begin = Instant::now();
    assert!(!runtime.shutdown(Duration::from_secs(3)).await);
    assert_eq!(begin.elapsed().as_secs(), 3);
    assert_eq!(waiting.await.unwrap(), Err(RuntimeError::ShutDown));
    assert_eq!(
        runtime.stop(&id, State::Error, None).await,
        Err(RuntimeError::ShutDown)
    );
    assert_eq!((runner.running(), runner.cancelled()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_runtime_cancels_what_runs() {
    let (runtime, runner) = runtime(Options::default());
    let mut notices = runtime.subscribe();
    start(&runtime, "blocks", []).await;
    action_started(&mut notices).await;
    drop(runtime);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!((runner.running(), runner.cancelled()), (0, 1));
    while notices.next().await.is_some() {}
}

#[tokio::test(start_paused = true)]
async fn who_starts_what_somebody_else_starts_just_now_waits_for_it_too() {
    let mut disk = Disk::new(&ostro_journal::Options::default()).unwrap();
    let text = include_str!("workflows.yaml").to_owned();
    let library = Library::new(vec![File::new("workflows.yaml", text)], Value::Null);
    let runner = Arc::new(Scripted::default());
    let clock = Arc::new(SystemClock);
    let journal = disk.journal().clone();
    let runtime = Runtime::durable(journal, library, runner, clock, Options::default());
    let request = || StartRequest {
        id: Some(ExecutionId::new("mine")),
        ..StartRequest::new("test.two_steps", map([("value", 1.into())]))
    };
    let start = || {
        let (runtime, request) = (runtime.clone(), request());
        tokio::spawn(async move { runtime.start(request).await })
    };
    let (first, second) = (start(), start());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!first.is_finished() && !second.is_finished());
    disk.fail(1);
    disk.tell(1);
    tokio::time::sleep(Duration::from_secs(1)).await;
    // The second one tries again where the first one came to nothing.
    assert!(first.await.unwrap().is_err());
    disk.write(1).unwrap();
    assert!(!second.is_finished());
    disk.tell(1);
    assert_eq!(second.await.unwrap(), Ok(ExecutionId::new("mine")));
}
