//! What turns and actions tell those who watch.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ostro_core::{ActionCall, ActionOutcome, ActionRunner, Map, Progress, State, Value};
use ostro_journal::simulated::Disk;
use ostro_journal::{ChangeFilter, Journal};
use ostro_runtime::feed::{Body, Change};
use ostro_runtime::{File, Library, Options, Runtime, StartRequest, SystemClock};

/// How much the action says at once.
const SAID: u64 = 100;

/// An action that says much, and gives a large output.
struct Talks;

#[async_trait]
impl ActionRunner for Talks {
    async fn run(&self, call: ActionCall) -> ActionOutcome {
        for number in 0..SAID {
            let progress = Progress {
                percent: None,
                message: number.to_string(),
            };
            call.progress.progress(&call.context, progress);
        }
        tokio::task::yield_now().await;
        call.progress.note(&call.context, "done");
        ActionOutcome::Success("x".repeat(5000).into())
    }
}

fn runtime(journal: Journal, feed: bool) -> Runtime {
    let text = "
version: '2.0'
talks:
  output: {large: <% task(one).result %>}
  tasks: {one: {action: t.talk}}
";
    let library = Library::new(vec![File::new("w.yaml", text)], Value::Null);
    let options = Options {
        feed,
        ..Options::default()
    };
    Runtime::durable(
        journal,
        library,
        Arc::new(Talks),
        Arc::new(SystemClock),
        options,
    )
}

fn changes(journal: &Journal) -> Vec<Change> {
    let page = journal.changes(0, usize::MAX, &ChangeFilter::default());
    let bodies = page.unwrap().changes;
    let bodies = bodies.iter().map(|one| Body::decode(&one.change.body));
    bodies.map(|body| body.unwrap().change).collect()
}

#[tokio::test(start_paused = true)]
async fn what_actions_say_too_much_is_counted_and_holds_up_nobody() {
    let mut disk = Disk::new(&ostro_journal::Options::default()).unwrap();
    let runtime = runtime(disk.journal().clone(), true);
    let started = runtime.clone();
    let started = tokio::spawn(async move {
        let request = StartRequest::new("talks", Map::new());
        started.start(request).await.unwrap()
    });
    // All that is said is said before any of it is written.
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(1)).await;
        disk.write(usize::MAX).unwrap();
        disk.tell(usize::MAX);
    }
    let id = started.await.unwrap();
    assert_eq!(runtime.wait(&id).await.unwrap().state, State::Success);
    let changes = changes(disk.journal());
    let kinds: Vec<&str> = changes.iter().map(Change::kind).collect();
    assert_eq!(
        kinds[..4],
        [
            "execution.created",
            "execution.changed",
            "task.created",
            "action.started"
        ]
    );
    let said = kinds
        .iter()
        .filter(|kind| **kind == "action.progress")
        .count() as u64;
    let dropped = changes.iter().map(|change| match change {
        Change::Dropped(dropped) => dropped.count,
        _ => 0,
    });
    let notes = kinds.iter().filter(|kind| **kind == "action.note").count() as u64;
    assert!(said > 0 && said < SAID, "{said} of {SAID} were written");
    assert_eq!(said + notes + dropped.sum::<u64>(), SAID + 1);
    let end = kinds
        .iter()
        .position(|kind| *kind == "action.ended")
        .unwrap();
    assert!(
        kinds[end..]
            .iter()
            .all(|kind| !kind.starts_with("action.p"))
    );
    let Some(Change::ExecutionChanged(last)) = changes.last() else {
        panic!("{:?}", changes.last());
    };
    assert_eq!((last.state, &last.output), (State::Success, &None));
    let kept = disk.journal().execution(&id).unwrap().unwrap().output;
    assert_eq!(last.output_bytes, kept.map(|output| output.len()));
}

#[tokio::test]
async fn nothing_is_told_where_nobody_asks_for_it() {
    let journal = Journal::ephemeral(&ostro_journal::Options::default()).unwrap();
    let runtime = runtime(journal.clone(), false);
    let id = runtime
        .start(StartRequest::new("talks", Map::new()))
        .await
        .unwrap();
    runtime.wait(&id).await.unwrap();
    assert_eq!(changes(&journal), []);
}
