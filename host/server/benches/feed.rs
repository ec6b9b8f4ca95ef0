//! How long it takes from a commit until a subscriber has the change, where a thousand watch over
//! TCP while a thousand actions a second end.
//!
//! `cargo bench -p ostro-server --bench feed` prints a table, and fails where a figure is worse than
//! what is promised, or where a subscriber missed anything.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark that can't go on is a failed one"
)]

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use ostro_core::{ActionCall, ActionOutcome, ActionRunner, ExecutionId, Map, Value};
use ostro_journal::{ChangeFilter, Journal};
use ostro_lang::{Definitions, Diagnostic};
use ostro_runtime::{File, Library, Options, Runtime, StartRequest, SystemClock};
use ostro_server::{Actions, Server, SystemAction};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How many executions there are, each with an action that takes a second, one after the other.
const EXECUTIONS: usize = 1_200;
const SECONDS: usize = 10;
/// How many watch one execution each, and how many watch all of them.
const OF_ONE: usize = 990;
const OF_ALL: usize = 10;

/// What is promised: milliseconds from the commit to the subscriber, at most, for 99 of 100.
const MOST_MILLIS: f64 = 50.0;

/// Actions that wait: the first of an execution for all subscribers, the others for a second.
struct Waits(watch::Receiver<bool>);

#[async_trait]
impl ActionRunner for Waits {
    async fn run(&self, call: ActionCall) -> ActionOutcome {
        if &*call.name == "a.gate" {
            self.0.clone().wait_for(|open| *open).await.unwrap();
            // They do not all go on at once.
            let millis = call.input["value"].as_int().unwrap();
            tokio::time::sleep(Duration::from_millis(millis.unsigned_abs())).await;
        } else {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        ActionOutcome::Success(Value::Null)
    }
}

/// No actions that a caller could name.
struct Nothing;

impl Actions for Nothing {
    fn all(&self) -> Vec<SystemAction> {
        Vec::new()
    }

    fn get(&self, _: &str) -> Option<SystemAction> {
        None
    }

    fn runner(&self, _: Arc<Definitions>) -> (Value, Arc<dyn ActionRunner>) {
        panic!("nothing is defined here")
    }

    fn check(&self, _: &Definitions) -> Vec<Diagnostic> {
        Vec::new()
    }

    fn origin(&self) -> Value {
        Value::Null
    }
}

fn workflow() -> String {
    let mut text = "
version: '2.0'
w:
  input: [millis]
  tasks:
    t0:
      action: a.gate value=<% $.millis %>
      on-success: t1
"
    .to_owned();
    for task in 1..=SECONDS {
        writeln!(text, "    t{task}:\n      action: a.second").unwrap();
        if task < SECONDS {
            writeln!(text, "      on-success: t{}", task + 1).unwrap();
        }
    }
    text
}

/// When each change was committed, by its number from 1.
type Commits = Arc<Mutex<Vec<Instant>>>;

/// What a subscriber has got: the numbers, and the microseconds that each took.
#[derive(Default)]
struct Got {
    count: usize,
    micros: Vec<u64>,
}

/// Watches `path` until the numbers reach `last`, or the stream ends.
async fn watch(
    at: SocketAddr,
    path: String,
    commits: Commits,
    connected: Arc<tokio::sync::Semaphore>,
) -> Got {
    let mut connection = TcpStream::connect(at).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: ostro\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut buffer = vec![0; 64 << 10];
    let mut unread: Vec<u8> = Vec::new();
    let mut got = Got::default();
    let mut seen = 0;
    let mut has_head = false;
    loop {
        let count = connection.read(&mut buffer).await.unwrap();
        let now = Instant::now();
        if count == 0 {
            return got;
        }
        unread.extend_from_slice(&buffer[..count]);
        let whole = unread
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        let lines: Vec<u8> = unread.drain(..whole).collect();
        for line in lines.split(|byte| *byte == b'\n') {
            if !has_head && line.starts_with(b"HTTP/1.1 ") {
                assert!(
                    line.starts_with(b"HTTP/1.1 200"),
                    "{}",
                    String::from_utf8_lossy(line)
                );
                has_head = true;
                connected.add_permits(1);
            }
            let Some(id) = line.strip_prefix(b"id: ") else {
                continue;
            };
            let id: usize = std::str::from_utf8(id).unwrap().parse().unwrap();
            // A sign of life has the last number again.
            if id > seen {
                seen = id;
                got.count += 1;
                let committed = commits.lock().unwrap()[id - 1];
                let took = now.saturating_duration_since(committed).as_micros();
                got.micros.push(u64::try_from(took).unwrap());
            }
        }
    }
}

/// Starts all executions.
async fn start(runtime: &Runtime) -> Vec<ExecutionId> {
    let mut ids: Vec<ExecutionId> = Vec::new();
    for number in 0..EXECUTIONS {
        let millis = i64::try_from(number * 1_000 / EXECUTIONS).unwrap();
        let input = Map::from_iter([("millis".into(), Value::Int(millis))]);
        let request = StartRequest {
            project: "<default-project>".to_owned(),
            ..StartRequest::new("w", input)
        };
        ids.push(runtime.start(request).await.unwrap());
    }
    ids
}

/// The microseconds that it took those who watch one execution, and those who watch all, from the
/// least to the most; each has got all that it was to get.
fn sorted(
    watched: Vec<(Option<ExecutionId>, Got)>,
    journal: &Journal,
    before: u64,
    last: u64,
) -> (Vec<u64>, Vec<u64>) {
    let mut one = Vec::new();
    let mut every = Vec::new();
    for (root, got) in watched {
        let times = if root.is_some() { &mut one } else { &mut every };
        times.extend(&got.micros);
        let filter = ChangeFilter {
            root_execution_id: root.clone(),
            ..ChangeFilter::default()
        };
        let should = match root {
            Some(_) => journal
                .changes(before, usize::MAX, &filter)
                .unwrap()
                .changes
                .len(),
            None => usize::try_from(last - before).unwrap(),
        };
        assert_eq!(got.count, should, "a subscriber missed something");
    }
    one.sort_unstable();
    every.sort_unstable();
    (one, every)
}

/// Prints the figures, and gives the worst one.
fn table(one: &[u64], every: &[u64]) -> f64 {
    println!("from the commit to the subscriber, ms:       p50      p99      max   events");
    let mut worst = 0.0_f64;
    for (name, times) in [("one execution each", one), ("everything", every)] {
        let at = |share: usize| millis(times[(times.len() - 1) * share / 100]);
        println!(
            "{:>4} who watch {name:<20} {:>9.1} {:>8.1} {:>8.1} {:>8}",
            if name == "everything" { OF_ALL } else { OF_ONE },
            at(50),
            at(99),
            at(100),
            times.len()
        );
        worst = worst.max(at(99));
    }
    worst
}

#[tokio::main(flavor = "multi_thread")]
async fn main() {
    let own = std::env::current_exe().unwrap();
    let dir = tempfile::tempdir_in(own.parent().unwrap()).unwrap();
    let journal = Journal::open(dir.path(), &ostro_journal::Options::default()).unwrap();
    let commits: Commits = Arc::default();
    let told = Arc::clone(&commits);
    journal.on_changes(move |changes| {
        let now = Instant::now();
        let mut commits = told.lock().unwrap();
        assert_eq!(changes[0].sequence, commits.len() as u64 + 1);
        let count = commits.len() + changes.len();
        commits.resize(count, now);
        true
    });
    let (gate, is_open) = watch::channel(false);
    let library = Library::new(vec![File::new("w.yaml", workflow())], Value::Null);
    let options = Options {
        max_actions: EXECUTIONS,
        feed: true,
        ..Options::default()
    };
    let clock = Arc::new(SystemClock);
    let runner = Arc::new(Waits(is_open));
    let runtime = Runtime::durable(journal.clone(), library, runner, clock.clone(), options);
    let server = Server::new(runtime.clone(), journal.clone(), Arc::new(Nothing), clock).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        let stopped = async { stopped.await.unwrap() };
        server.serve(listener, stopped).await.unwrap();
    });

    let ids = start(&runtime).await;
    let (_, before) = journal.change_bounds().unwrap().unwrap();
    let connected = Arc::new(tokio::sync::Semaphore::new(0));
    let mut watching = JoinSet::new();
    let paths = ids[..OF_ONE]
        .iter()
        .map(|id| {
            (
                Some(id.clone()),
                format!("/v2/executions/{id}/events?after={before}"),
            )
        })
        .chain((0..OF_ALL).map(|_| (None, format!("/v2/events?after={before}"))));
    for (root, path) in paths {
        let got = watch(at, path, Arc::clone(&commits), Arc::clone(&connected));
        watching.spawn(async move { (root, got.await) });
    }
    let all = u32::try_from(OF_ONE + OF_ALL).unwrap();
    connected.acquire_many(all).await.unwrap().forget();
    println!("{all} are connected");

    let began = Instant::now();
    gate.send_replace(true);
    for id in &ids {
        runtime.wait(id).await.unwrap();
    }
    let took = began.elapsed().as_secs_f64();
    // What is committed is sent before the streams end.
    tokio::time::sleep(Duration::from_millis(500)).await;
    stop.send(()).unwrap();
    let watched = watching.join_all().await;
    serving.await.unwrap();
    let (_, last) = journal.change_bounds().unwrap().unwrap();
    let figures = journal.figures();
    let (one, every) = sorted(watched, &journal, before, last);
    println!(
        "{:.0} actions and {:.0} changes a second, {:.0} commits a second, for {took:.1} s",
        per_second(EXECUTIONS * SECONDS, took),
        per_second(usize::try_from(last - before).unwrap(), took),
        per_second(usize::try_from(figures.commits).unwrap(), took),
    );
    let worst = table(&one, &every);
    runtime.shutdown(Duration::ZERO).await;
    assert!(
        worst <= MOST_MILLIS,
        "worse than what is promised: {worst:.1} ms for 99 of 100, and not {MOST_MILLIS}"
    );
}

fn millis(micros: u64) -> f64 {
    f64::from(u32::try_from(micros).unwrap_or(u32::MAX)) / 1e3
}

fn per_second(count: usize, seconds: f64) -> f64 {
    f64::from(u32::try_from(count).unwrap()) / seconds
}
