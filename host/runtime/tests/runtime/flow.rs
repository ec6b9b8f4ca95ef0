//! Executions from start to end.

use std::time::Duration;

use ostro_core::{ActionError, ActionErrorKind, ActionOutcome, State, Value};
use ostro_runtime::{ActionEnd, NoticeKind, Options, RuntimeError, StartRequest};
use tokio::time::Instant;

use crate::support::{action_started, map, runtime, start, transcript, until};

#[tokio::test(start_paused = true)]
async fn a_workflow_runs_to_its_end_and_its_notices_tell_how() {
    let (runtime, runner) = runtime(Options::default());
    let mut notices = runtime.subscribe();
    let id = start(&runtime, "two_steps", [("value", 41.into())]).await;
    let outcome = runtime.wait(&id).await.unwrap();
    assert_eq!(outcome.state, State::Success);
    assert_eq!(outcome.output.get("answer"), Some(&Value::Int(42)));
    assert_eq!(
        transcript(&mut notices),
        [
            "1 test.two_steps RUNNING",
            "1 first RUNNING",
            "1 t.do starts",
            "1 t.do ends: Success",
            "1 first SUCCESS",
            "1 second RUNNING",
            "1 t.do starts",
            "1 t.do ends: Success",
            "1 second SUCCESS",
            "1 test.two_steps SUCCESS",
        ]
    );
    let call = &runner.calls()[1];
    assert_eq!(call.execution_id, id);
    assert_eq!(&*call.workflow_name, "test.two_steps");
    assert_eq!(call.task_name.as_deref(), Some("second"));
    assert_eq!(call.attempt, 1);
    assert_eq!(runtime.snapshot(&id).unwrap().state(), State::Success);
}

#[tokio::test(start_paused = true)]
async fn notices_are_numbered_without_gaps() {
    let (runtime, _) = runtime(Options::default());
    let mut notices = runtime.subscribe();
    for value in 0..20 {
        start(&runtime, "two_steps", [("value", value.into())]).await;
    }
    for expected in 1..=200 {
        assert_eq!(
            until(&mut notices, |notice| Some(notice.sequence)).await,
            expected
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_sub_workflow_is_an_execution_of_its_own() {
    let (runtime, _) = runtime(Options::default());
    let mut notices = runtime.subscribe();
    let id = start(&runtime, "parent", [("value", 1.into())]).await;
    let outcome = runtime.wait(&id).await.unwrap();
    assert_eq!(outcome.output.get("answer"), Some(&Value::Int(2)));

    let family = runtime.family(&id);
    assert_eq!(family.len(), 2);
    let child = runtime.info(&family[1]).unwrap();
    assert_eq!(&*child.workflow, "test.two_steps");
    assert_eq!((&child.root_id, child.depth), (&id, 1));
    let task = runtime
        .snapshot(&id)
        .unwrap()
        .tasks()
        .next()
        .unwrap()
        .id()
        .clone();
    assert_eq!(child.parent, Some((id.clone(), task)));
    let seen = until(&mut notices, |notice| {
        notice.parent.is_some().then(|| notice.clone())
    })
    .await;
    assert_eq!((seen.parent, seen.root_id), (child.parent, id));
}

#[tokio::test(start_paused = true)]
async fn a_sub_workflow_that_cannot_start_is_an_error_of_its_task() {
    let (runtime, _) = runtime(Options::default());
    let id = start(&runtime, "calls_badly", []).await;
    let outcome = runtime.wait(&id).await.unwrap();
    assert_eq!(outcome.state, State::Error);
    let info = outcome.state_info.unwrap();
    assert!(
        info.contains("call") && info.contains("missing=['value']"),
        "{info}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_action_says_why_up_to_the_outcome() {
    let (runtime, _) = runtime(Options::default());
    let mut notices = runtime.subscribe();
    let id = start(&runtime, "fails", []).await;
    let outcome = runtime.wait(&id).await.unwrap();
    assert_eq!(outcome.state, State::Error);
    assert!(outcome.state_info.unwrap().contains("out of paint"));
    let end = until(&mut notices, |notice| match &notice.kind {
        NoticeKind::ActionEnded { end, .. } => Some(end.clone()),
        _ => None,
    });
    let message = "out of paint".to_owned();
    assert_eq!(
        end.await,
        ActionEnd::Error {
            kind: ActionErrorKind::Action,
            message
        }
    );
}

#[tokio::test(start_paused = true)]
async fn a_runner_that_panics_is_an_error_of_the_host_and_harms_nobody() {
    let (runtime, _) = runtime(Options::default());
    let mut notices = runtime.subscribe();
    let other = start(&runtime, "two_steps", [("value", 1.into())]).await;
    let id = start(&runtime, "panics", []).await;
    let outcome = runtime.wait(&id).await.unwrap();
    assert_eq!(outcome.state, State::Error);
    assert!(outcome.state_info.unwrap().contains("the runner has a bug"));
    let kind = until(&mut notices, |notice| match &notice.kind {
        NoticeKind::ActionEnded {
            end: ActionEnd::Error { kind, .. },
            ..
        } => Some(*kind),
        _ => None,
    });
    assert_eq!(kind.await, ActionErrorKind::Host);
    assert_eq!(runtime.wait(&other).await.unwrap().state, State::Success);

    let id = start(&runtime, "survives_panic", []).await;
    let outcome = runtime.wait(&id).await.unwrap();
    assert_eq!(outcome.state, State::Success);
    assert!(
        outcome
            .output
            .get("reason")
            .unwrap()
            .as_str()
            .unwrap()
            .contains("a bug")
    );
}

#[tokio::test(start_paused = true)]
async fn progress_and_notes_of_actions_reach_subscribers() {
    let (runtime, _) = runtime(Options::default());
    let mut notices = runtime.subscribe();
    let id = start(&runtime, "tells", []).await;
    runtime.wait(&id).await.unwrap();
    let lines = transcript(&mut notices);
    let progress = "1 Progress { percent: Some(40), message: \"halfway\" }".to_owned();
    assert!(lines.contains(&progress), "{lines:?}");
    assert!(
        lines.contains(&"1 note: denied: nova".to_owned()),
        "{lines:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_deferred_action_is_finished_from_outside_once() {
    let (runtime, _) = runtime(Options::default());
    let mut notices = runtime.subscribe();
    let id = start(&runtime, "defers", []).await;
    let action = action_started(&mut notices).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(runtime.snapshot(&id).unwrap().state(), State::Running);

    let deferred = runtime
        .finish_action(&action, ActionOutcome::Deferred)
        .await;
    assert!(matches!(deferred, Err(RuntimeError::Invalid(_))));
    runtime
        .finish_action(&action, ActionOutcome::Success(7.into()))
        .await
        .unwrap();
    let outcome = runtime.wait(&id).await.unwrap();
    assert_eq!(outcome.output.get("answer"), Some(&Value::Int(7)));
    assert_eq!(
        runtime
            .finish_action(&action, ActionOutcome::Success(8.into()))
            .await,
        Err(RuntimeError::UnknownAction(action))
    );
}

#[tokio::test(start_paused = true)]
async fn a_running_action_that_is_finished_from_outside_is_cancelled() {
    let (runtime, runner) = runtime(Options::default());
    let mut notices = runtime.subscribe();
    let id = start(&runtime, "blocks", []).await;
    let action = action_started(&mut notices).await;
    let error = ActionError::new(ActionErrorKind::Action, "somebody said so");
    runtime
        .finish_action(&action, ActionOutcome::Error(error))
        .await
        .unwrap();
    let outcome = runtime.wait(&id).await.unwrap();
    assert!(outcome.state_info.unwrap().contains("somebody said so"));
    tokio::task::yield_now().await;
    assert_eq!((runner.running(), runner.cancelled()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_times_out_cancels_its_action() {
    let (runtime, runner) = runtime(Options::default());
    let begin = Instant::now();
    let id = start(&runtime, "times_out", []).await;
    assert_eq!(runtime.wait(&id).await.unwrap().state, State::Error);
    assert_eq!(begin.elapsed().as_secs(), 5);
    assert_eq!(runner.calls()[0].timeout, Some(Duration::from_secs(5)));
    tokio::task::yield_now().await;
    assert_eq!((runner.running(), runner.cancelled()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_retry_waits_for_its_delay_and_counts_attempts() {
    let (runtime, runner) = runtime(Options::default());
    let begin = Instant::now();
    let id = start(&runtime, "retries", []).await;
    assert_eq!(runtime.wait(&id).await.unwrap().state, State::Success);
    assert_eq!(begin.elapsed().as_secs(), 14);
    let attempts: Vec<u32> = runner.calls().iter().map(|call| call.attempt).collect();
    assert_eq!(attempts, [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_start_says_why() {
    let (runtime, _) = runtime(Options::default());
    let refusal = |workflow: &str, input| {
        let request = StartRequest::new(workflow, input);
        let runtime = runtime.clone();
        async move { runtime.start(request).await.unwrap_err().to_string() }
    };
    let unknown = refusal("test.two_stepz", map([])).await;
    assert!(
        unknown.contains("test.two_stepz") && unknown.contains("test.two_steps"),
        "{unknown}"
    );
    let missing = refusal("test.two_steps", map([])).await;
    assert!(missing.contains("missing input `value`"), "{missing}");
    let extra = refusal("test.blocks", map([("x", 1.into())])).await;
    assert!(extra.contains("no input `x`"), "{extra}");
}

#[tokio::test(start_paused = true)]
async fn expressions_can_ask_about_other_executions() {
    let (runtime, _) = runtime(Options::default());
    let id = start(&runtime, "asks", []).await;
    let outcome = runtime.wait(&id).await.unwrap();
    assert_eq!(outcome.state, State::Success, "{:?}", outcome.state_info);
    let list = |names: &[&str]| names.iter().map(|name| Value::from(*name)).collect();
    assert_eq!(
        outcome.output,
        Value::Map(std::sync::Arc::new(map([
            ("below", list(&["test.fails_once"])),
            ("tasks", list(&["call", "look", "try"])),
        ])))
    );
}
