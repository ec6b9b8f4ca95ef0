//! A pack is swapped again and again while executions run: the real sandbox, the durable runtime
//! on a journal, and two versions of a guest that answer differently.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use ostro_actions::Registry;
use ostro_core::{ActionRunner, Map, State, Value};
use ostro_journal::Journal;
use ostro_packs::Pack;
use ostro_runtime::{
    File, Library, Options, Outcome, RunnerSource, Runtime, StartRequest, SystemClock,
};
use ostro_sandbox::{Sandbox, SandboxConfig};
use ostro_tests::repository;
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// How many executions start a second, how often the version changes, and how long between.
const RATE: u64 = 200;
const CHANGES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(160);

const WORKFLOWS: &str = "
version: '2.0'
greet:
  input: [name]
  output:
    said: <% [$.one, $.two, $.three, $.below] %>
  tasks:
    one:
      action: test.echo.greet name=<% $.name %>
      publish: {one: <% task().result %>}
      on-success: [two, three]
    two:
      action: test.echo.greet name=<% $.name %>
      publish: {two: <% task().result %>}
      on-success: last
    three:
      action: test.echo.greet name=<% $.name %>
      publish: {three: <% task().result %>}
      on-success: last
    last:
      join: all
      workflow: below name=<% $.name %>
      publish: {below: <% task().result.said %>}
below:
  input: [name]
  output: {said: <% $.said %>}
  tasks:
    one:
      action: test.echo.greet name=<% $.name %>
      publish: {said: <% task().result %>}
";

/// The guest as it is, and a version that greets with another word.
fn versions(folder: &Path) -> Result<HashMap<&'static str, Pack>> {
    let guest = repository().join("tests/guests/types");
    let mut lines = Vec::new();
    let built = ostro_packs::build::build(&guest, &mut |line| lines.push(line.to_owned()));
    let pack = built.with_context(|| lines.join("\n"))?.pack;
    let component = pack.components[0].bytes.to_vec();
    let word = b"hello ";
    let places: Vec<usize> = component
        .windows(word.len())
        .enumerate()
        .filter(|(_, window)| window == word)
        .map(|(place, _)| place)
        .collect();
    ensure!(!places.is_empty(), "the guest greets otherwise now");
    let mut other = component;
    for place in places {
        other[place..place + word.len()].copy_from_slice(b"howdy ");
    }
    fs::create_dir_all(folder.join("build"))?;
    fs::write(folder.join("build/echo.wasm"), other)?;
    let manifest = fs::read_to_string(guest.join("pack.yaml"))?;
    let manifest = manifest
        .replace("version: 0.1.0", "version: 0.2.0")
        .replace("wit: wit\n", "");
    fs::write(folder.join("pack.yaml"), manifest)?;
    Ok(HashMap::from([
        ("hello", pack),
        ("howdy", Pack::open(folder)?),
    ]))
}

/// What a host has: it makes the runner of a library from the pack that its origin names.
struct Host {
    sandbox: Sandbox,
    packs: HashMap<&'static str, Pack>,
    files: Library,
}

impl Host {
    /// What an activation does.
    fn library(&self, word: &str) -> Result<Library, String> {
        let library = self.files.with_origin(word.into());
        let runner = self.runner(&library)?;
        Ok(library.with_runner(runner))
    }
}

impl RunnerSource for Host {
    fn runner(&self, library: &Library) -> Result<Arc<dyn ActionRunner>, String> {
        let word = library.origin().as_str().unwrap_or_default();
        let pack = self.packs.get(word).ok_or("there is no such pack")?;
        let loaded = self
            .sandbox
            .load(pack, &pack.manifest.grants)
            .map_err(|error| error.to_string())?;
        let registry = Registry::builder()
            .pack(loaded)
            .definitions(Arc::clone(library.definitions()))
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Arc::new(registry))
    }
}

/// An execution, with the version that was active when it started, where no activation was under
/// way then.
type Running = JoinHandle<Result<(Option<Value>, Outcome)>>;

/// Starts executions until all is `over`. `changes` is odd while an activation is under way.
fn start_all(
    runtime: &Runtime,
    changes: &Arc<AtomicUsize>,
    over: &Arc<AtomicBool>,
) -> JoinHandle<Vec<Running>> {
    let (runtime, over, changes) = (runtime.clone(), Arc::clone(over), Arc::clone(changes));
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_millis(1_000 / RATE));
        let mut running = Vec::new();
        while !over.load(Ordering::SeqCst) {
            tick.tick().await;
            let (runtime, changes) = (runtime.clone(), Arc::clone(&changes));
            running.push(tokio::spawn(async move {
                let input = Map::from_iter([("name".into(), Value::from("Ada"))]);
                let before = changes.load(Ordering::SeqCst);
                let expected = runtime.library().origin().clone();
                let id = runtime.start(StartRequest::new("greet", input)).await?;
                let is_clear = before.is_multiple_of(2) && changes.load(Ordering::SeqCst) == before;
                let outcome = runtime.wait(&id).await?;
                anyhow::Ok((is_clear.then_some(expected), outcome))
            }));
        }
        running
    })
}

/// What executions came to.
#[derive(Default)]
struct Seen {
    /// How many ran by each version.
    by: HashMap<String, usize>,
    /// Of how many it is known by which they had to run.
    clear: usize,
}

/// Whether each execution ran by one version, and by the right one.
async fn look(running: Vec<Running>) -> Result<Seen> {
    let mut seen = Seen::default();
    for execution in running {
        let (expected, outcome) = execution.await??;
        ensure!(outcome.state == State::Success, "{outcome:?}");
        let said = outcome.output.get("said").and_then(Value::as_list);
        let said = said.context("its output")?;
        ensure!(said.len() == 4, "{said:?}");
        ensure!(
            said.iter().all(|one| *one == said[0]),
            "it was mixed: {said:?}"
        );
        let first = said[0].as_str().context("a text")?;
        let word = first.strip_suffix(" Ada").context("a greeting")?.to_owned();
        if let Some(expected) = expected {
            ensure!(
                expected.as_str() == Some(&word),
                "it is by the other version"
            );
            seen.clear += 1;
        }
        *seen.by.entry(word).or_default() += 1;
    }
    Ok(seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_execution_runs_by_the_version_that_was_active_when_it_started() -> Result<()> {
    let folder = TempDir::new()?;
    let host = Arc::new(Host {
        sandbox: Sandbox::new(SandboxConfig {
            cache_dir: Some(folder.path().join("cache")),
            ..SandboxConfig::default()
        })?,
        packs: versions(&folder.path().join("pack"))?,
        files: Library::new(vec![File::new("w.yaml", WORKFLOWS)], Value::Null),
    });
    let journal = Journal::open(
        &folder.path().join("state"),
        &ostro_journal::Options::default(),
    )?;
    let options = Options {
        max_actions: 256,
        // What has ended is in the journal, and is to hold nothing in memory.
        kept_roots: 0,
        ..Options::default()
    };
    let clock = Arc::new(SystemClock);
    // Compiled once, as an installation does.
    drop(host.library("howdy").map_err(|error| anyhow!(error))?);
    let library = host.library("hello").map_err(|error| anyhow!(error))?;
    let source = Arc::clone(&host) as Arc<dyn RunnerSource>;
    let runtime = Runtime::sourced(journal, library, source, clock, options);

    let changes = Arc::new(AtomicUsize::new(0));
    let over = Arc::new(AtomicBool::new(false));
    let starter = start_all(&runtime, &changes, &over);

    let begin = Instant::now();
    let mut took = Vec::new();
    for change in 0..CHANGES {
        tokio::time::sleep(PAUSE).await;
        let word = if change % 2 == 0 { "howdy" } else { "hello" };
        let (host, runtime) = (Arc::clone(&host), runtime.clone());
        changes.fetch_add(1, Ordering::SeqCst);
        let activation = tokio::task::spawn_blocking(move || {
            let begin = Instant::now();
            let library = host.library(word)?;
            runtime.activate(library);
            Ok::<_, String>(begin.elapsed())
        });
        took.push(activation.await?.map_err(|error| anyhow!(error))?);
        changes.fetch_add(1, Ordering::SeqCst);
    }
    over.store(true, Ordering::SeqCst);
    let seconds = begin.elapsed().as_secs_f64();
    let running = starter.await?;
    let all = running.len();
    let seen = look(running).await?;
    took.sort();
    println!(
        "{all} executions in {seconds:.1} s, {CHANGES} activations: {:?}, {} of them started \
         clearly between two; an activation took {:?}, at most {:?}",
        seen.by,
        seen.clear,
        took[took.len() / 2],
        took[took.len() - 1]
    );
    let enough = |count: &usize| *count > all / 10;
    ensure!(
        seen.by.len() == 2 && seen.by.values().all(enough),
        "{:?}",
        seen.by
    );
    ensure!(seen.clear > all / 10, "{} of {all} are clear", seen.clear);

    // The version that is not active leaves memory with the last execution that ran by it.
    let only = || host.sandbox.loaded().len() == 1;
    for _ in 0..12_000 {
        if only() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    ensure!(only(), "{:?}", host.sandbox.loaded());
    runtime.shutdown(Duration::from_secs(5)).await;
    Ok(())
}
