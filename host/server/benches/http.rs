//! What the API costs over HTTP, beside a real Mistral in the same run.
//!
//! `cargo bench -p ostro-server --bench http`. `OSTRO_BENCH_MISTRAL=no` leaves Mistral out, and
//! with it the ratios; `OSTRO_BENCH_EXECUTIONS` is how many executions the list is of (a million
//! without it), `OSTRO_BENCH_SECONDS` how long each measurement takes.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark that goes wrong is to stop"
)]

#[expect(dead_code, reason = "tests use more of it")]
#[path = "../tests/api/wire.rs"]
mod wire;
#[expect(dead_code, reason = "tests use more of it")]
#[path = "../tests/api/world.rs"]
mod world;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use ostro_core::{ExecutionId, State};
use ostro_journal::{ExecutionRow, Journal, Options, Turn};
use serde_json::Value as Json;
use tokio::task::JoinSet;

use wire::Wire;
use world::World;

/// What is promised beside Mistral: its p50 at one connection, and its throughput at fifty.
const LATENCY: f64 = 20.0;
const THROUGHPUT: f64 = 100.0;
/// What is promised of a page of executions, at p99.
const PAGE: Duration = Duration::from_millis(20);
/// What is promised of a start.
const START: Duration = Duration::from_millis(300);

const ECHO: &str = r#"{"name": "std.echo", "input": {"output": "hello"}, "params": {"run_sync": true, "save_result": false}}"#;
const PAGE_PATH: &str = "/v2/executions?limit=100&state=ERROR&workflow_name=deploy_7&\
                         sort_keys=created_at&sort_dirs=desc";

/// How long requests took.
struct Times {
    sorted: Vec<Duration>,
    a_second: f64,
}

impl Times {
    fn at(&self, share: f64) -> Duration {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index of a list in memory"
        )]
        let index = ((self.sorted.len() - 1) as f64 * share).round() as usize;
        self.sorted[index]
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn number(name: &str, default: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.map_or(default, |value| value.parse().unwrap())
}

fn seconds() -> Duration {
    Duration::from_secs(number("OSTRO_BENCH_SECONDS", 5))
}

/// Asks the same on so many connections, again and again.
async fn measure(
    address: &str,
    connections: usize,
    (method, path, body): (&'static str, &str, &'static str),
    wanted: u16,
) -> Times {
    let end = Instant::now() + seconds();
    let mut all = JoinSet::new();
    let began = Instant::now();
    for _ in 0..connections {
        let (address, path) = (address.to_owned(), path.to_owned());
        all.spawn(async move {
            let mut wire = Wire::to(&address).await;
            // The first one makes what those after it find.
            let first = wire.ask(method, &path, body).await;
            assert_eq!(first.status, wanted, "{first:?}");
            let mut times = Vec::new();
            while times.is_empty() || Instant::now() < end {
                let began = Instant::now();
                let answer = wire.ask(method, &path, body).await;
                times.push(began.elapsed());
                assert_eq!(answer.status, wanted, "{answer:?}");
            }
            times
        });
    }
    let mut sorted: Vec<Duration> = all.join_all().await.into_iter().flatten().collect();
    sorted.sort_unstable();
    #[expect(clippy::cast_precision_loss, reason = "so many requests are not made")]
    let a_second = sorted.len() as f64 / began.elapsed().as_secs_f64();
    Times { sorted, a_second }
}

/// A real Mistral, which goes when it is dropped.
struct Mistral {
    address: String,
}

impl Mistral {
    fn command(arguments: &[&str]) -> Command {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/mistral/record.py");
        let mut command = Command::new("python3");
        command
            .arg(program)
            .args(arguments)
            .env("OSTRO_MISTRAL_DIR", folder().join("mistral"));
        command
    }

    /// Starts one. Why there is none, where that goes wrong.
    fn start() -> Result<Self, String> {
        if std::env::var("OSTRO_BENCH_MISTRAL").is_ok_and(|wanted| wanted == "no") {
            return Err("it is not wanted".to_owned());
        }
        let run = |arguments: &[&str]| {
            let output = Self::command(arguments).output();
            let output = output.map_err(|error| format!("python3: {error}"))?;
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.trim().to_owned();
            output.status.success().then_some(output.stdout).ok_or(said)
        };
        run(&["up"])?;
        // From here on it is stopped, whatever comes.
        let mut mistral = Self {
            address: String::new(),
        };
        let known = run(&["env", "--json"])?;
        let known: Json = serde_json::from_slice(&known).map_err(|error| error.to_string())?;
        let url = known["MISTRAL_URL"].as_str().unwrap_or_default();
        let address = url.trim_start_matches("http://").trim_end_matches("/v2");
        address.clone_into(&mut mistral.address);
        Ok(mistral)
    }
}

impl Drop for Mistral {
    fn drop(&mut self) {
        let stopped = Self::command(&["down"]).status();
        if !stopped.is_ok_and(|status| status.success()) {
            eprintln!("Mistral was not stopped");
        }
    }
}

/// A folder of this build, on the disk that the project is on.
fn folder() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.parent().unwrap().to_owned()
}

/// Synchronous std.echo at 1 and at 50 connections. What is less than promised.
async fn echo(mistral: Option<&Mistral>) -> Vec<String> {
    let dir = tempfile::tempdir_in(folder()).unwrap();
    let journal = Journal::open(dir.path(), &Options::default()).unwrap();
    let world = World::on(journal).await;
    println!(
        "\n{:36} {:>10} {:>10} {:>12}",
        "std.echo, its result waited for", "p50 ms", "p99 ms", "a second"
    );
    let mut low = Vec::new();
    for connections in [1, 50] {
        let asked = ("POST", "/v2/action_executions", ECHO);
        let here = measure(world.address(), connections, asked, 201).await;
        show(&format!("Ostro, {connections} connections"), &here);
        let Some(mistral) = mistral else {
            continue;
        };
        let there = measure(&mistral.address, connections, asked, 201).await;
        show(&format!("Mistral, {connections} connections"), &there);
        let latency = millis(there.at(0.5)) / millis(here.at(0.5));
        let throughput = here.a_second / there.a_second;
        println!(
            "{:36} {latency:>9.0}x {:>9.0}x {throughput:>11.0}x",
            "  times better",
            millis(there.at(0.99)) / millis(here.at(0.99))
        );
        if latency < LATENCY {
            low.push(format!(
                "p50 at {connections} connections: {latency:.0} times, not {LATENCY}"
            ));
        }
        if connections > 1 && throughput < THROUGHPUT {
            low.push(format!(
                "throughput: {throughput:.0} times, not {THROUGHPUT}"
            ));
        }
    }
    low
}

fn show(name: &str, times: &Times) {
    println!(
        "{name:36} {:>10.2} {:>10.2} {:>12.0}",
        millis(times.at(0.5)),
        millis(times.at(0.99)),
        times.a_second
    );
}

/// Fills a journal with executions that have ended.
fn fill(dir: &Path, count: u64) {
    let journal = Journal::open(dir, &Options::default()).unwrap();
    let mut dice = 7_u64;
    for number in 0..count {
        dice = dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let id = ExecutionId::new(format!(
            "{:08x}-0000-4000-8000-{number:012x}",
            number % 0xffff
        ));
        let created = 1_700_000_000_000 + i64::try_from(number * 50 + (dice >> 40 & 1023)).unwrap();
        let mut row = ExecutionRow::new(id, format!("deploy_{}", dice >> 33 & 31), created);
        "<default-project>".clone_into(&mut row.project_id);
        row.moving = false;
        row.state = match dice >> 20 & 127 {
            0 => State::Cancelled,
            1..12 => State::Error,
            _ => State::Success,
        };
        row.updated_at = created + i64::try_from(dice >> 30 & 0xffff).unwrap();
        row.input = Some(format!(r#"{{"number": {number}}}"#));
        row.output = Some("{}".to_owned());
        let mut turn = Turn::new();
        turn.execution(row);
        journal.submit(turn, |result| result.unwrap()).unwrap();
    }
    journal.close();
}

/// Pages of a long list, and a start on it. What is less than promised.
async fn list() -> Vec<String> {
    let count = number("OSTRO_BENCH_EXECUTIONS", 1_000_000);
    let dir = tempfile::tempdir_in(folder()).unwrap();
    fill(dir.path(), count);
    let mut low = Vec::new();

    let began = Instant::now();
    let journal = Journal::open(dir.path(), &Options::default()).unwrap();
    let world = World::on(journal).await;
    let answer = Wire::to(world.address())
        .await
        .ask("GET", "/v2/executions?limit=1", "")
        .await;
    let start = began.elapsed();
    assert_eq!(answer.status, 200, "{answer:?}");
    println!(
        "\nfrom the journal of {count} executions to the first answer: {:.0} ms",
        millis(start)
    );
    if start > START {
        low.push(format!("the start took {:.0} ms", millis(start)));
    }

    println!(
        "\n{:36} {:>10} {:>10} {:>12}",
        format!("100 of {count} executions"),
        "p50 ms",
        "p99 ms",
        "a second"
    );
    for (name, path) in [
        ("by state and workflow, newest first", PAGE_PATH),
        (
            "the newest",
            "/v2/executions?limit=100&sort_keys=created_at&sort_dirs=desc",
        ),
        (
            "not SUCCESS, by updated_at",
            "/v2/executions?limit=100&state=neq:SUCCESS&sort_keys=updated_at&sort_dirs=desc",
        ),
        (
            "by state, with few fields",
            "/v2/executions?limit=100&state=ERROR&sort_keys=created_at&fields=id,state",
        ),
    ] {
        let times = measure(world.address(), 1, ("GET", path, ""), 200).await;
        show(name, &times);
        if times.at(0.99) > PAGE {
            low.push(format!("{name}: {:.0} ms at p99", millis(times.at(0.99))));
        }
    }
    low
}

fn main() {
    let mistral = Mistral::start();
    if let Err(reason) = &mistral {
        println!("without Mistral, so that there are no ratios: {reason}");
    }
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let low = tokio.block_on(async {
        let mut low = echo(mistral.as_ref().ok()).await;
        low.extend(list().await);
        low
    });
    drop(mistral);
    assert!(low.is_empty(), "less than promised: {}", low.join("; "));
}
