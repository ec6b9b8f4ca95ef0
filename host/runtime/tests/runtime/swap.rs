//! What new executions run by is replaced while others run.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ostro_core::{ActionCall, ActionErrorKind, ActionOutcome, ActionRunner, State, Value};
use ostro_journal::Journal;
use ostro_runtime::{
    File, Library, NoticeKind, Options, RunnerSource, Runtime, StartRequest, SystemClock,
};
use tokio::sync::Semaphore;

use crate::durable::open;
use crate::support::{map, start, until};

const TEXT: &str = "
version: '2.0'
name: test
workflows:
  twice:
    output: {first: <% $.first %>, second: <% $.second %>, below: <% $.below %>}
    tasks:
      one:
        action: t.gate
        publish: {first: <% task().result %>}
        on-success: two
      two:
        action: t.say
        publish: {second: <% task().result %>}
        on-success: three
      three:
        workflow: below
        publish: {below: <% task().result.said %>}
  below:
    output: {said: <% $.said %>}
    tasks:
      one:
        action: t.say
        publish: {said: <% task().result %>}
  reads:
    output: {said: <% $.said %>}
    tasks:
      one:
        action: t.read
        publish: {said: <% task().result %>}
";

/// Says which version it is; `t.gate` waits before it does.
struct Says {
    version: String,
    gate: Arc<Semaphore>,
    project: Option<&'static str>,
}

#[async_trait]
impl ActionRunner for Says {
    async fn run(&self, call: ActionCall) -> ActionOutcome {
        if let Some(project) = self.project {
            assert_eq!(&*call.context.project, project);
        }
        if &*call.name != "t.say" {
            self.gate.acquire().await.unwrap().forget();
        }
        ActionOutcome::Success(self.version.as_str().into())
    }

    fn only_reads(&self, name: &str) -> bool {
        name == "t.read"
    }
}

/// Makes the runners of libraries from their origin, unless it is out of order.
#[derive(Clone)]
struct Store {
    gate: Arc<Semaphore>,
    broken: Arc<AtomicBool>,
    made: Arc<AtomicUsize>,
}

impl Store {
    fn new() -> Self {
        Self {
            gate: Arc::new(Semaphore::new(0)),
            broken: Arc::default(),
            made: Arc::default(),
        }
    }

    fn library(&self, version: &str) -> Library {
        let files = vec![File::new("w.yaml", TEXT)];
        let library = Library::new(files, version.into());
        let runner = self.runner(&library).unwrap();
        library.with_runner(runner)
    }

    fn runtime(&self, journal: Journal, version: &str) -> Runtime {
        let library = self.library(version);
        self.made.store(0, Ordering::SeqCst);
        let source = Arc::new(self.clone());
        let clock = Arc::new(SystemClock);
        Runtime::sourced(journal, library, source, clock, Options::default())
    }
}

impl RunnerSource for Store {
    fn runner(&self, library: &Library) -> Result<Arc<dyn ActionRunner>, String> {
        if self.broken.load(Ordering::SeqCst) {
            return Err("the pack is gone: install it again".to_owned());
        }
        self.made.fetch_add(1, Ordering::SeqCst);
        Ok(Arc::new(Says {
            version: library.origin().as_str().unwrap().to_owned(),
            gate: Arc::clone(&self.gate),
            project: None,
        }))
    }
}

async fn ends(runtime: &Runtime, id: &ostro_core::ExecutionId) -> ostro_runtime::Outcome {
    tokio::time::timeout(Duration::from_mins(2), runtime.wait(id))
        .await
        .expect("it ends")
        .unwrap()
}

fn all(version: &str) -> Value {
    ["first", "second", "below"]
        .into_iter()
        .map(|key| (key, Value::from(version)))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_ends_by_what_it_started_with() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::new();
    let runtime = store.runtime(open(dir.path()).await, "one");
    let old = start(&runtime, "twice", []).await;
    runtime.activate(store.library("two"));
    let new = start(&runtime, "twice", []).await;
    store.gate.add_permits(2);
    assert_eq!(ends(&runtime, &old).await.output, all("one"));
    assert_eq!(ends(&runtime, &new).await.output, all("two"));
    assert_eq!(runtime.library().origin(), &Value::from("two"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_library_leaves_memory_with_its_last_execution() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::new();
    let library = store.library("one");
    let runner = Arc::downgrade(library.runner());
    let options = Options {
        kept_roots: 0,
        ..Options::default()
    };
    let journal = open(dir.path()).await;
    let clock = Arc::new(SystemClock);
    let runtime = Runtime::sourced(journal, library, Arc::new(store.clone()), clock, options);
    let id = start(&runtime, "twice", []).await;
    runtime.activate(store.library("two"));
    assert!(runner.strong_count() > 0, "an execution runs by it");
    store.gate.add_permits(1);
    ends(&runtime, &id).await;
    for _ in 0..24_000 {
        if runner.strong_count() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("somebody still holds it");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_each_goes_on_by_its_own_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::new();
    let runtime = store.runtime(open(dir.path()).await, "one");
    let reads = start(&runtime, "reads", []).await;
    runtime.activate(store.library("two"));
    let other = start(&runtime, "reads", []).await;
    wait_for_start(&runtime, &[&reads, &other]).await;
    runtime.shutdown(Duration::ZERO).await;
    drop(runtime);

    let runtime = store.runtime(open(dir.path()).await, "three");
    assert_eq!(runtime.recover().await.unwrap(), 2);
    store.gate.add_permits(2);
    let said = |version: &str| Value::from_iter([("said", Value::from(version))]);
    assert_eq!(ends(&runtime, &reads).await.output, said("one"));
    assert_eq!(ends(&runtime, &other).await.output, said("two"));
    assert_eq!(store.made.load(Ordering::SeqCst), 2);
}

/// Waits until the first action of each is handed to its runner.
async fn wait_for_start(runtime: &Runtime, ids: &[&ostro_core::ExecutionId]) {
    for id in ids {
        for _ in 0..24_000 {
            let snapshot = runtime.snapshot(id).unwrap();
            if snapshot.actions_in_flight().next().is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_made_again_fails_with_the_reason_and_can_be_rerun() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::new();
    let runtime = store.runtime(open(dir.path()).await, "one");
    let id = start(&runtime, "twice", []).await;
    wait_for_start(&runtime, &[&id]).await;
    runtime.pause(&id).await.unwrap();
    store.gate.add_permits(1);
    let mut notices = runtime.subscribe();
    until(&mut notices, |notice| {
        matches!(notice.kind, NoticeKind::ActionEnded { .. }).then_some(())
    })
    .await;
    runtime.shutdown(Duration::ZERO).await;
    drop((runtime, notices));

    store.broken.store(true, Ordering::SeqCst);
    let journal = open(dir.path()).await;
    store.broken.store(false, Ordering::SeqCst);
    let runtime = store.runtime(journal, "two");
    store.broken.store(true, Ordering::SeqCst);
    let mut notices = runtime.subscribe();
    runtime.resume(&id, None).await.unwrap();
    let kind = until(&mut notices, |notice| match &notice.kind {
        NoticeKind::ActionEnded {
            end: ostro_runtime::ActionEnd::Error { kind, .. },
            ..
        } => Some(*kind),
        _ => None,
    })
    .await;
    assert_eq!(kind, ActionErrorKind::Call);
    let outcome = ends(&runtime, &id).await;
    assert_eq!(outcome.state, State::Error);
    let info = outcome.state_info.unwrap();
    assert!(
        info.contains("the pack is gone: install it again"),
        "{info}"
    );

    // Once it is there again, the same execution goes on.
    store.broken.store(false, Ordering::SeqCst);
    let snapshot = runtime.snapshot(&id).unwrap();
    let failed = snapshot
        .tasks()
        .find(|task| task.state() == State::Error)
        .map(|task| task.id().clone())
        .unwrap();
    store.gate.add_permits(1);
    runtime.rerun(&id, &failed, true, None).await.unwrap();
    let outcome = ends(&runtime, &id).await;
    assert_eq!(outcome.state, State::Success, "{outcome:?}");
    assert_eq!(outcome.output, all("one"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_comes_to_its_actions_and_its_sub_workflows() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Arc::new(Semaphore::new(1));
    let runner = Arc::new(Says {
        version: "one".to_owned(),
        gate: Arc::clone(&gate),
        project: Some("demo"),
    });
    let journal = open(dir.path()).await;
    let library = Library::new(vec![File::new("w.yaml", TEXT)], Value::Null);
    let clock = Arc::new(SystemClock);
    let options = Options::default();
    let runtime = Runtime::durable(journal.clone(), library, runner, clock, options);
    let id = runtime
        .start(StartRequest {
            project: "demo".to_owned(),
            ..StartRequest::new("test.twice", map([]))
        })
        .await
        .unwrap();
    assert_eq!(ends(&runtime, &id).await.output, all("one"));
    for id in runtime.family(&id) {
        let row = journal.execution(&id).unwrap().unwrap();
        assert_eq!(row.project_id, "demo");
    }
}

/// Of a thousand workflows, one changes: what that adds to the journal.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_one_file_stores_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::new();
    let journal = open(dir.path()).await;
    let runtime = store.runtime(journal.clone(), "one");
    let filling = "#".repeat(4_000);
    let text = |number: usize, action: &str| {
        format!("version: '2.0'\nw{number}:\n  tasks: {{one: {{action: t.{action}}}}}\n{filling}\n")
    };
    let mut files: Vec<File> = (0..1_000)
        .map(|number| File::new(format!("w{number}.yaml"), text(number, "say")))
        .collect();
    // Of a copy, in which nothing is reserved.
    let copies = tempfile::tempdir().unwrap();
    let size = |copy: &str| -> u64 {
        let copy = copies.path().join(copy);
        journal.backup(&copy).unwrap();
        copy.metadata().unwrap().len()
    };
    let mut sizes = HashMap::new();
    let mut change = async |files: Vec<File>, name| {
        let before = size(&format!("before-{name}"));
        let library = Library::new(files, Value::from(name));
        let runner = store.runner(&library).unwrap();
        runtime.activate(library.with_runner(runner));
        let id = runtime
            .start(StartRequest::new("w500", map([])))
            .await
            .unwrap();
        assert_eq!(ends(&runtime, &id).await.state, State::Success);
        sizes.insert(name, size(name) - before);
        id
    };
    let first = change(files.clone(), "all").await;
    files[500].text = text(500, "say  ");
    change(files, "one").await;
    println!("bytes written for 1,000 files: {sizes:?}");
    assert!(sizes["all"] > 4_000_000, "{sizes:?}");
    assert!(sizes["one"] < 400_000, "{sizes:?}");

    // What nothing runs by is collected, and what others have too stays.
    runtime.shutdown(Duration::from_secs(5)).await;
    let values = || journal.check().unwrap().values;
    let before = values();
    journal.delete(&first).unwrap();
    // Its index and its one file that is in no other.
    assert!(
        (2..=8).contains(&(before - values())),
        "{before} {}",
        values()
    );
    assert!(journal.check().unwrap().is_sound());
}
