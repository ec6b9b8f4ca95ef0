//! What a journal keeps: executions go on after the host stopped, wherever that was.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ostro_core::{ActionError, ActionErrorKind, ActionOutcome, ExecutionId, Map, State, Value};
use ostro_journal::{Journal, JournalError};
use ostro_runtime::{
    File, Library, Options, Outcome, Runtime, Snapshots, StartRequest, SystemClock,
};
use tempfile::TempDir;

use crate::support::{Scripted, map, start};

/// A host on a state folder: its runtime, and the runner of its actions.
struct Host {
    runtime: Runtime,
    runner: Arc<Scripted>,
}

impl Host {
    /// Starts on `dir`, and has everything go on that goes on by itself.
    async fn start(dir: &Path, options: Options) -> Self {
        let host = Self::idle(dir, options).await;
        host.runtime.recover().await.unwrap();
        host
    }

    /// Starts on `dir`, and has nothing go on.
    async fn idle(dir: &Path, options: Options) -> Self {
        let journal = open(dir).await;
        let runner = Arc::new(Scripted::default());
        let library = Library::new(
            vec![File::new("workflows.yaml", include_str!("workflows.yaml"))],
            Value::Null,
        );
        let clock = Arc::new(SystemClock);
        let runtime = Runtime::durable(journal, library, Arc::clone(&runner) as _, clock, options);
        Self { runtime, runner }
    }

    /// Stops as a kill does: nothing comes to its end.
    async fn kill(self) {
        self.runtime.shutdown(Duration::ZERO).await;
    }
}

/// The journal of `dir`, once the host before has let it go.
pub(crate) async fn open(dir: &Path) -> Journal {
    for _ in 0..24_000 {
        match Journal::open(dir, &ostro_journal::Options::default()) {
            Err(JournalError::Held { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
            other => return other.unwrap(),
        }
    }
    panic!("the host before did not let go of its folder");
}

/// Waits until `so` is true.
async fn eventually(mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < Duration::from_mins(2), "it never came");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn ends(host: &Host, id: &ExecutionId) -> Outcome {
    let wait = host.runtime.wait(id);
    tokio::time::timeout(Duration::from_mins(2), wait)
        .await
        .expect("it ends")
        .unwrap()
}

fn dir() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_is_there_after_a_restart() {
    let dir = dir();
    let host = Host::start(dir.path(), Options::default()).await;
    let id = start(&host.runtime, "parent", [("value", 4.into())]).await;
    let outcome = ends(&host, &id).await;
    host.kill().await;

    let host = Host::start(dir.path(), Options::default()).await;
    assert!(host.runtime.info(&id).is_none(), "it need not be in memory");
    assert_eq!(ends(&host, &id).await, outcome);
    assert_eq!(outcome.output.get("answer"), Some(&5.into()));
    assert_eq!(host.runtime.family(&id).len(), 2);
    let request = StartRequest {
        id: Some(id.clone()),
        ..StartRequest::new("test.parent", map([("value", 9.into())]))
    };
    assert_eq!(host.runtime.start(request).await.unwrap(), id);
    assert_eq!(ends(&host, &id).await, outcome, "an id means one execution");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_in_flight_is_run_again_only_where_that_is_safe() {
    let dir = dir();
    let host = Host::start(dir.path(), Options::default()).await;
    let lost = start(&host.runtime, "loses", []).await;
    let safe = start(&host.runtime, "is_safe", []).await;
    eventually(|| host.runner.running() == 2).await;
    let calls = host.runner.calls();
    let of_safe = calls.iter().find(|call| call.execution_id == safe).unwrap();
    host.kill().await;

    let host = Host::start(dir.path(), Options::default()).await;
    let outcome = ends(&host, &lost).await;
    assert_eq!(outcome.state, State::Success);
    let reason = outcome
        .output
        .get("reason")
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        reason.contains("the host stopped while t.block was at work"),
        "{reason}"
    );
    eventually(|| host.runner.running() == 1).await;
    let again = &host.runner.calls()[0];
    assert_eq!(again.action_execution_id, of_safe.action_execution_id);
    let finished = ActionOutcome::Success(7.into());
    let action = again.action_execution_id.clone();
    host.runtime.finish_action(&action, finished).await.unwrap();
    assert_eq!(
        ends(&host, &safe).await.output.get("answer"),
        Some(&7.into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_was_never_started_is_started_after_a_restart() {
    let dir = dir();
    let one = Options {
        max_actions: 1,
        ..Options::default()
    };
    let host = Host::start(dir.path(), one).await;
    let blocks = start(&host.runtime, "blocks", []).await;
    eventually(|| host.runner.running() == 1).await;
    let waits = start(&host.runtime, "two_steps", [("value", 1.into())]).await;
    host.kill().await;

    let host = Host::start(dir.path(), Options::default()).await;
    assert_eq!(
        ends(&host, &waits).await.output.get("answer"),
        Some(&2.into())
    );
    assert_eq!(ends(&host, &blocks).await.state, State::Error);
}

#[tokio::test(flavor = "multi_thread")]
async fn delays_sub_workflows_and_deferred_actions_go_on() {
    let dir = dir();
    let host = Host::start(dir.path(), Options::default()).await;
    let delayed = start(&host.runtime, "delayed", []).await;
    let defers = start(&host.runtime, "defers_below_and_answers", []).await;
    eventually(|| host.runner.calls().len() == 1).await;
    let action = host.runner.calls()[0].action_execution_id.clone();
    tokio::time::sleep(Duration::from_millis(100)).await;
    host.kill().await;

    let host = Host::start(dir.path(), Options::default()).await;
    let finished = ActionOutcome::Success("found".into());
    host.runtime.finish_action(&action, finished).await.unwrap();
    assert_eq!(
        ends(&host, &defers).await.output.get("answer"),
        Some(&"found".into())
    );
    let outcome = ends(&host, &delayed).await;
    assert_eq!(outcome.state, State::Success);
    let took = host.runtime.snapshot(&delayed).unwrap();
    let task = took.tasks().next().unwrap();
    let delay = task.ended_at().unwrap() - task.created_at();
    assert!(delay >= 900, "it was delayed by {delay} ms");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_execution_is_brought_back_when_somebody_resumes_it() {
    let dir = dir();
    let host = Host::start(dir.path(), Options::default()).await;
    let id = start(&host.runtime, "short_then_more", []).await;
    host.runtime.pause(&id).await.unwrap();
    eventually(|| host.runner.running() == 0).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    host.kill().await;

    let host = Host::start(dir.path(), Options::default()).await;
    assert!(host.runtime.snapshot(&id).is_none(), "nothing moves it");
    host.runtime.resume(&id, None).await.unwrap();
    assert_eq!(ends(&host, &id).await.state, State::Success);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_that_failed_before_a_restart_runs_again_after_it() {
    let dir = dir();
    let host = Host::start(dir.path(), Options::default()).await;
    let id = start(&host.runtime, "fails_once_below", []).await;
    assert_eq!(ends(&host, &id).await.state, State::Error);
    let family = host.runtime.family(&id);
    host.kill().await;

    let host = Host::start(dir.path(), Options::default()).await;
    assert!(host.runtime.load(&id).await.unwrap());
    let below = host.runtime.snapshot(&family[1]).unwrap();
    let task = below.tasks().find(|task| task.state() == State::Error);
    let task = task.unwrap().id().clone();
    let again = async || {
        let runs = host.runtime.rerun(&family[1], &task, true, None).await;
        runs.unwrap();
    };
    // The runner of this host fails once, too.
    again().await;
    let failed_again = || {
        let execution = host.runtime.snapshot(&family[1]).unwrap();
        let task = execution.tasks().next().unwrap();
        task.actions().count() == 2 && task.state() == State::Error
    };
    eventually(failed_again).await;
    let root = || host.runtime.outcome(&id).map(|outcome| outcome.state);
    eventually(|| root() == Some(State::Error)).await;
    again().await;
    eventually(|| root() != Some(State::Error)).await;
    assert_eq!(ends(&host, &id).await.state, State::Success);
}

#[tokio::test(flavor = "multi_thread")]
async fn executions_keep_the_definitions_with_which_they_started() {
    let dir = dir();
    let host = Host::start(dir.path(), Options::default()).await;
    let id = start(&host.runtime, "short_then_more", []).await;
    host.kill().await;

    let journal = open(dir.path()).await;
    let runner = Arc::new(Scripted::default());
    let clock = Arc::new(SystemClock);
    let none = Library::new(Vec::new(), Value::Null);
    let runtime = Runtime::durable(journal, none, runner, clock, Options::default());
    runtime.recover().await.unwrap();
    let outcome = runtime.wait(&id).await.unwrap();
    assert_eq!(outcome.state, State::Error, "its action was lost");
    let unknown = StartRequest::new("test.short_then_more", Map::new());
    assert!(runtime.start(unknown).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_executions_are_all_brought_back() {
    let dir = dir();
    let host = Host::start(dir.path(), Options::default()).await;
    let mut ids = Vec::new();
    for number in 0..300_i64 {
        ids.push(
            start(
                &host.runtime,
                "is_delayed_below",
                [("value", number.into())],
            )
            .await,
        );
    }
    host.kill().await;

    let host = Host::start(dir.path(), Options::default()).await;
    for (number, id) in (0_i64..).zip(&ids) {
        let outcome = ends(&host, id).await;
        assert_eq!(
            outcome.output.get("answer"),
            Some(&(number + 1).into()),
            "{outcome:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_whose_data_cannot_be_kept_ends_and_says_why() {
    let dir = dir();
    let host = Host::start(dir.path(), Options::default()).await;
    let id = start(&host.runtime, "nests", []).await;
    let outcome = ends(&host, &id).await;
    assert_eq!(outcome.state, State::Error);
    let reason = outcome.state_info.clone().unwrap();
    assert!(
        reason.contains("nests more than 127 levels deep"),
        "{reason}"
    );
    host.kill().await;

    let host = Host::start(dir.path(), Options::default()).await;
    assert_eq!(ends(&host, &id).await, outcome);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_never_move_again_is_found_and_put_right() {
    let dir = dir();
    let host = Host::start(dir.path(), Options::default()).await;
    let id = start(&host.runtime, "is_delayed_below", [("value", 1.into())]).await;
    let below = loop {
        if let [_, below] = &host.runtime.family(&id)[..] {
            break below.clone();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    host.runtime.pause(&below).await.unwrap();
    host.kill().await;

    let journal = open(dir.path()).await;
    let problems = || ostro_runtime::diagnose(&journal, &id).unwrap();
    assert!(problems().is_empty(), "{:?}", problems());
    // Somebody tampers with the row: nothing would bring the execution back.
    let row = journal.execution(&below).unwrap().unwrap();
    let mut turn = ostro_journal::Turn::new();
    turn.execution_change(ostro_journal::ExecutionChange {
        id: below.clone(),
        state: State::Running,
        moving: true,
        state_info: None,
        output: None,
        updated_at: row.updated_at,
        finished_at: None,
    });
    journal.write(turn).unwrap();
    let found = problems();
    assert_eq!(found.len(), 1, "{found:?}");
    for finding in found {
        assert!(finding.can_be_repaired());
        finding.repair(&journal).unwrap();
    }
    assert!(problems().is_empty(), "{:?}", problems());
    assert_eq!(journal.execution(&below).unwrap().unwrap().state, row.state);
}

/// The failed task of the only execution of `id`, and who is to blame for its action.
fn blamed(host: &Host, id: &ExecutionId) -> Option<ActionErrorKind> {
    let execution = host.runtime.snapshot(id).unwrap();
    let task = execution.tasks().next().unwrap();
    task.actions().next().unwrap().blame
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_to_blame_is_known_after_a_restart() {
    let dir = dir();
    let host = Host::start(dir.path(), Options::default()).await;
    let id = start(&host.runtime, "blocks", []).await;
    eventually(|| host.runner.running() == 1).await;
    let action = host.runner.calls()[0].action_execution_id.clone();
    let limit = ActionError::new(ActionErrorKind::Limit, "it took too much");
    let limit = ActionOutcome::Error(limit);
    host.runtime.finish_action(&action, limit).await.unwrap();
    assert_eq!(ends(&host, &id).await.state, State::Error);
    assert_eq!(blamed(&host, &id), Some(ActionErrorKind::Limit));
    host.kill().await;

    let host = Host::start(dir.path(), Options::default()).await;
    assert!(host.runtime.load(&id).await.unwrap());
    assert_eq!(blamed(&host, &id), Some(ActionErrorKind::Limit));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_execution_below_cannot_tell_ends_it_and_it_says_why() {
    let dir = dir();
    let host = Host::start(dir.path(), Options::default()).await;
    let id = start(&host.runtime, "nests_below", []).await;
    let outcome = ends(&host, &id).await;
    assert_eq!(outcome.state, State::Error);
    let below = host.runtime.family(&id)[1].clone();
    host.kill().await;

    let host = Host::start(dir.path(), Options::default()).await;
    assert!(
        host.runtime.info(&id).is_none(),
        "nothing of it is to go on"
    );
    assert_eq!(ends(&host, &id).await, outcome);
    let below = ends(&host, &below).await;
    assert_eq!(below.state, State::Error);
    let reason = below.state_info.unwrap();
    assert!(
        reason.contains("nests more than 127 levels deep"),
        "{reason}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cancelled_as_it_is_brought_back_starts_nothing() {
    let dir = dir();
    let one = Options {
        max_actions: 1,
        ..Options::default()
    };
    let host = Host::start(dir.path(), one).await;
    start(&host.runtime, "blocks", []).await;
    eventually(|| host.runner.running() == 1).await;
    let alone = start(&host.runtime, "two_steps", [("value", 1.into())]).await;
    let with_below = start(&host.runtime, "parent", [("value", 1.into())]).await;
    let has_below = || {
        let family = host.runtime.family(&with_below);
        let below = family.get(1).and_then(|id| host.runtime.snapshot(id));
        below.is_some_and(|below| below.tasks().count() == 1)
    };
    eventually(has_below).await;
    host.kill().await;

    let host = Host::idle(dir.path(), Options::default()).await;
    for id in [alone, with_below] {
        let stopped = host.runtime.stop(&id, State::Cancelled, None).await;
        stopped.unwrap();
        assert_eq!(ends(&host, &id).await.state, State::Cancelled);
        for id in host.runtime.family(&id) {
            assert_eq!(ends(&host, &id).await.state, State::Cancelled);
        }
    }
    assert!(host.runner.calls().is_empty(), "{:?}", host.runner.calls());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rests_leaves_memory_and_comes_back_when_somebody_asks_for_it() {
    let dir = dir();
    let host = Host::start(dir.path(), Options::default()).await;
    let mut paused = Vec::new();
    for _ in 0..20 {
        let id = start(&host.runtime, "short_then_more", []).await;
        host.runtime.pause(&id).await.unwrap();
        paused.push(id);
    }
    let deferred = start(&host.runtime, "defers_below_and_answers", []).await;
    let all = || paused.iter().chain([&deferred]);
    eventually(|| all().all(|id| host.runtime.info(id).is_none())).await;

    let calls = host.runner.calls();
    let deferring = calls
        .iter()
        .find(|call| !paused.contains(&call.execution_id) && call.execution_id != deferred);
    let action = deferring.unwrap();
    let found = ActionOutcome::Success("found".into());
    let finished = host
        .runtime
        .finish_action(&action.action_execution_id, found);
    finished.await.unwrap();
    let outcome = ends(&host, &deferred).await;
    assert_eq!(outcome.output.get("answer"), Some(&"found".into()));

    assert!(host.runtime.load(&paused[0]).await.unwrap());
    let looked = host.runtime.snapshot(&paused[0]).unwrap();
    assert_eq!(looked.state(), State::Paused, "it stays for who loaded it");
    for (number, id) in paused.iter().enumerate() {
        if number % 2 == 0 {
            host.runtime.resume(id, None).await.unwrap();
            assert_eq!(ends(&host, id).await.state, State::Success);
        } else {
            let stopped = host.runtime.stop(id, State::Cancelled, None);
            stopped.await.unwrap();
            assert_eq!(ends(&host, id).await.state, State::Cancelled);
        }
    }
    assert!(host.runtime.shutdown(Duration::from_mins(2)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rests_is_seen_by_expressions_of_others() {
    let dir = dir();
    let host = Host::start(dir.path(), Options::default()).await;
    let id = start(&host.runtime, "short_then_more", []).await;
    host.runtime.pause(&id).await.unwrap();
    eventually(|| host.runtime.info(&id).is_none()).await;
    let looks = start(
        &host.runtime,
        "looks_around",
        [("other", id.as_str().into())],
    )
    .await;
    let seen = ends(&host, &looks).await.output;
    let list = |items: &[&str]| -> Value { items.iter().map(|item| Value::from(*item)).collect() };
    assert_eq!(seen.get("paused"), Some(&list(&[id.as_str()])), "{seen}");
    assert_eq!(seen.get("tasks"), Some(&list(&["first"])), "{seen}");
    assert!(
        host.runtime.info(&id).is_none(),
        "nobody brought it back for that"
    );
    assert!(host.runtime.shutdown(Duration::from_mins(2)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_time_leaves_memory_until_then() {
    let dir = dir();
    let options = Options {
        rest_millis: 100,
        ..Options::default()
    };
    let host = Host::start(dir.path(), options).await;
    let id = start(&host.runtime, "delayed", []).await;
    eventually(|| host.runtime.info(&id).is_none()).await;
    eventually(|| host.runtime.outcome(&id).is_some()).await;
    assert_eq!(ends(&host, &id).await.state, State::Success);
}

/// The bytes of all executions of `root`.
fn bytes(snapshots: &Snapshots) -> Vec<(ExecutionId, Vec<u8>)> {
    let mut bytes: Vec<_> = snapshots
        .iter()
        .map(|execution| {
            let saved = ostro_core::stored::save(&**execution).unwrap();
            let values = saved.values.iter().flat_map(|value| value.bytes.to_vec());
            let all = saved.body.iter().copied().chain(values);
            (execution.id().clone(), all.collect())
        })
        .collect();
    bytes.sort();
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_execution_is_brought_back_by_few_events_and_is_the_same() {
    let dir = dir();
    let options = Options {
        snapshot_events: 20,
        snapshot_distance: 1,
        ..Options::default()
    };
    let host = Host::start(dir.path(), options).await;
    let items: Value = (0..400_i64).map(Value::from).collect();
    let id = start(&host.runtime, "items_and_blocks", [("items", items)]).await;
    eventually(|| host.runner.running() == 1 && host.runner.calls().len() == 401).await;
    let before = host.runtime.snapshot(&id).unwrap();
    host.kill().await;

    let journal = open(dir.path()).await;
    let by_snapshot = Snapshots::read(&journal, &id).unwrap();
    let by_events = Snapshots::read_events(&journal, &id).unwrap();
    assert_eq!(by_events.decided(), 401);
    assert!(by_snapshot.decided() < 250, "{}", by_snapshot.decided());
    assert_eq!(bytes(&by_snapshot), bytes(&by_events));
    assert_eq!(by_snapshot.get(&id).unwrap(), before);

    // One that is of an older form, or no state at all, is no hindrance.
    let newest = journal.load(&id).unwrap().unwrap().snapshot.unwrap();
    for (version, body) in [(0, &newest.body[..]), (newest.version, b"no state")] {
        let mut turn = ostro_journal::Turn::new();
        turn.snapshot(ostro_journal::NewSnapshot {
            execution: id.clone(),
            events: newest.events,
            version,
            body: body.into(),
            values: Vec::new(),
        });
        journal.write(turn).unwrap();
        let read = Snapshots::read(&journal, &id).unwrap();
        assert_eq!(read.decided(), 401);
        assert_eq!(bytes(&read), bytes(&by_events));
    }
    drop(journal);

    let host = Host::start(dir.path(), Options::default()).await;
    assert_eq!(ends(&host, &id).await.state, State::Error, "it was lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_that_cannot_be_kept_starts_nothing() {
    let dir = dir();
    let host = Host::start(dir.path(), Options::default()).await;
    let mut deep = Value::Null;
    for _ in 0..200 {
        deep = [deep].into_iter().collect();
    }
    let id = ExecutionId::new("2f1c8a34-6b7d-4c1e-9e0f-5a4b3c2d1e0f");
    let request = |value| StartRequest {
        id: Some(id.clone()),
        ..StartRequest::new("test.two_steps", map([("value", value)]))
    };
    let refused = host.runtime.start(request(deep)).await.unwrap_err();
    assert!(refused.to_string().contains("127 levels"), "{refused}");
    host.runtime.start(request(1.into())).await.unwrap();
    let outcome = ends(&host, &id).await;
    assert_eq!(outcome.output.get("answer"), Some(&2.into()));
}
