//! What packs cost: a call against the same call with bare wasmtime, a thousand calls that wait,
//! recording, the start of a pack from the cache, and a call in Python.
//!
//! Each is printed with what is allowed, and it fails if one of them is more.
//!
//! Both sides of the first run in one process on one engine (pooling allocator, epochs) and make a fresh
//! instance for each call of the same function, `greet(string, option<u32>) -> result<string,
//! string>`. The bare side is a typed call. The action starts from JSON text and ends with JSON
//! text, and has everything that an action has: signature, limits, grants, time, reflection.
//!
//! `cargo bench --workspace --bench call`; names of parts (`bare`, `waiting`, `recording`, `start`,
//! `python`) as arguments run only these. Python's tools are installed by the build, once.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark says no better what is wrong"
)]

mod python;
mod recording;
mod start;
mod waiting;

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use criterion::Criterion;
use ostro_core::{
    ActionContext, ActionExecutionId, ExecutionId, Map, Progress, ProgressSink, ServiceRequest,
    ServiceResponse, Value,
};
use ostro_openstack::{Cloud, CloudError};
use ostro_packs::Pack;
use ostro_sandbox::{Ended, Sandbox, SandboxConfig};
use wasmtime::Store;
use wasmtime::component::{Component, Linker};

/// How many times the bare call an action may cost.
const ALLOWED: f64 = 1.5;

/// How many calls of each side a round makes, and how many rounds there are.
const CALLS: u32 = 100;
const ROUNDS: usize = 400;

/// What both sides do.
const INPUT: &str = r#"{"name": "node-0", "count": 3}"#;
const OUTPUT: &str = r#""hello node-0, hello node-0, hello node-0""#;

struct NoCloud;

#[async_trait]
impl Cloud for NoCloud {
    async fn send(&self, _: ServiceRequest) -> Result<ServiceResponse, CloudError> {
        Err(CloudError::NoCloud("a benchmark has none".to_owned()))
    }
}

struct Nobody;

impl ProgressSink for Nobody {
    fn progress(&self, _: &ActionContext, _: Progress) {}
    fn note(&self, _: &ActionContext, _: &str) {}
}

/// One of the guests of `tests/guests`.
fn guest(name: &str) -> Pack {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests");
    ostro_packs::build::build(&guests.join(name), &mut |line| println!("{line}"))
        .unwrap()
        .pack
}

/// Where calls come from.
fn context() -> ActionContext {
    ActionContext {
        project: Arc::default(),
        execution_id: ExecutionId::new("execution"),
        workflow_name: "bench.call".into(),
        workflow_namespace: Arc::default(),
        task_execution_id: None,
        task_name: Some("call".into()),
        action_execution_id: ActionExecutionId::new("action"),
        attempt: 1,
        timeout: None,
    }
}

/// An input, from JSON text.
fn input(text: &str) -> Map {
    let Value::Map(input) = serde_json::from_str(text).unwrap() else {
        panic!("the input is an object")
    };
    Map::clone(&input)
}

/// Prints a figure, and whether it is as small as it has to be.
fn figure(what: &str, is: f64, allowed: f64, unit: &str) -> bool {
    let fits = is <= allowed;
    let verdict = if fits { "" } else { "  TOO MUCH" };
    println!("{what}: {is:.2} {unit} ({allowed} {unit} are allowed){verdict}");
    fits
}

/// What both sides take in the quietest tenth of their rounds: whatever else the machine does
/// finds its way into the others.
fn quiet(rounds: &[(f64, f64)]) -> (f64, f64) {
    let tenth = |of: fn(&(f64, f64)) -> f64| {
        let mut times: Vec<f64> = rounds.iter().map(of).collect();
        times.sort_by(f64::total_cmp);
        times[times.len() / 10]
    };
    (tenth(|round| round.0), tenth(|round| round.1))
}

/// A part of the benchmark: whether it came to what is promised.
type Measure = fn() -> bool;

fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let parts: [(&str, Measure); 5] = [
        ("waiting", waiting::measure),
        ("bare", bare),
        ("recording", recording::measure),
        ("start", start::measure),
        ("python", python::measure),
    ];
    let mut all_fit = true;
    for (name, measure) in parts {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            all_fit &= measure();
        }
    }
    if !all_fit {
        std::process::exit(1);
    }
}

fn bare() -> bool {
    let pack = guest("types");
    let sandbox = Sandbox::new(SandboxConfig::default()).unwrap();
    let loaded = sandbox.load(&pack, &pack.manifest.grants).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();

    let engine = sandbox.engine();
    let component = Component::from_binary(engine, &pack.components[0].bytes).unwrap();
    let instance = Linker::<()>::new(engine)
        .instantiate_pre(&component)
        .unwrap();
    let interface = component
        .get_export_index(None, "test:types/echo@0.1.0")
        .unwrap();
    let greet = component
        .get_export_index(Some(&interface), "greet")
        .unwrap();
    let bare = async || -> String {
        let mut store = Store::new(engine, ());
        store.set_epoch_deadline(1 << 40);
        let instance = instance.instantiate_async(&mut store).await.unwrap();
        let greet = instance
            .get_typed_func::<(&str, Option<u32>), (Result<String, String>,)>(&mut store, greet)
            .unwrap();
        let (answer,) = greet
            .call_async(&mut store, ("node-0", Some(3)))
            .await
            .unwrap();
        answer.unwrap()
    };

    let cloud: Arc<dyn Cloud> = Arc::new(NoCloud);
    let nobody: Arc<dyn ProgressSink> = Arc::new(Nobody);
    let context = context();
    let action = async || -> String {
        let input = input(INPUT);
        let (cloud, nobody) = (cloud.clone(), nobody.clone());
        let result = loaded
            .call("test.echo.greet", &input, cloud, &context, nobody)
            .await;
        let Ended::Gave(value) = result.unwrap() else {
            panic!("it goes on elsewhere")
        };
        value.to_string()
    };
    assert_eq!(format!("{:?}", runtime.block_on(bare())), OUTPUT);
    assert_eq!(runtime.block_on(action()), OUTPUT);

    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(2))
        .measurement_time(Duration::from_secs(5))
        .without_plots();
    let mut group = criterion.benchmark_group("call");
    group.bench_function("bare", |b| b.iter(|| black_box(runtime.block_on(bare()))));
    group.bench_function("action", |b| {
        b.iter(|| black_box(runtime.block_on(action())));
    });
    group.finish();

    // The ratio is measured in turns: what else the machine does falls on both sides alike.
    let time = |call: &dyn Fn()| -> f64 {
        let start = Instant::now();
        (0..CALLS).for_each(|_| call());
        start.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS)
    };
    let rounds: Vec<(f64, f64)> = (0..ROUNDS)
        .map(|_| {
            let bare = time(&|| drop(black_box(runtime.block_on(bare()))));
            (bare, time(&|| drop(black_box(runtime.block_on(action())))))
        })
        .collect();
    let (bare, action) = quiet(&rounds);
    println!("in a quiet round: bare {bare:.1} µs, action {action:.1} µs a call");
    let what = "an action against the bare call";
    figure(what, action / bare, ALLOWED, "times")
}
