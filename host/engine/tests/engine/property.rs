//! Random workflows with random ends of their actions, in random order.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use ostro_core::{Map, State};
use ostro_engine::{Change, EventKind, Params};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use crate::world::{Scripted, World, failure, parse};

/// With how many task executions a random workflow is left alone.
const MOST_TASKS: usize = 60;

/// A task of a random workflow.
#[derive(Clone, Debug)]
struct RandomTask {
    /// What it runs: nothing, an action, an action over items, a sub-workflow.
    kind: u8,
    success: Vec<usize>,
    error: Vec<usize>,
    complete: Vec<usize>,
    /// No join, all, one, two.
    join: u8,
    policy: u8,
}

fn task(tasks: usize) -> impl Strategy<Value = RandomTask> {
    let targets = || prop::collection::vec(0..tasks + 2, 0..3);
    (0..6u8, targets(), targets(), targets(), 0..4u8, 0..6u8).prop_map(
        |(kind, success, error, complete, join, policy)| RandomTask {
            kind,
            success,
            error,
            complete,
            join,
            policy,
        },
    )
}

fn workflow() -> impl Strategy<Value = Vec<RandomTask>> {
    (2..7usize)
        .prop_flat_map(|tasks| prop::collection::vec(task(tasks), tasks))
        .prop_map(|mut tasks| {
            for (index, task) in tasks.iter_mut().enumerate() {
                if task.kind == 0 {
                    // Tasks that run nothing lead forwards only: a loop of them is ended, but
                    // that takes long.
                    for targets in [&mut task.success, &mut task.error, &mut task.complete] {
                        targets.retain(|target| *target == 0 || *target > index);
                    }
                }
            }
            tasks
        })
}

/// The text of a workflow. Its first task has no way in, so that there is a start; its joins
/// have as many ways in as they need.
fn text(tasks: &[RandomTask]) -> String {
    let mut text = SUB.to_owned();
    let inbound = ways_in(tasks);
    for (index, task) in tasks.iter().enumerate() {
        let _ = writeln!(text, "    t{index}:");
        let _ = match task.kind {
            0 => writeln!(text, "      action: std.noop"),
            1 | 2 | 5 => writeln!(text, "      action: act n={index}"),
            3 => writeln!(text, "      workflow: s"),
            _ => writeln!(
                text,
                "      with-items: i in [1, 2, 3]\n      concurrency: 2\n      action: act n=<% $.i %>"
            ),
        };
        for (clause, targets) in [
            ("on-success", &task.success),
            ("on-error", &task.error),
            ("on-complete", &task.complete),
        ] {
            let mut names: Vec<String> = Vec::new();
            for target in targets {
                let name = match target {
                    0 => "noop".to_owned(),
                    target if *target < tasks.len() => format!("t{target}"),
                    target if *target == tasks.len() => "fail".to_owned(),
                    _ => "pause".to_owned(),
                };
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            if !names.is_empty() {
                let _ = writeln!(text, "      {clause}: [{}]", names.join(", "));
            }
        }
        let _ = match task.join {
            _ if !joins(task, index, &inbound) => Ok(()),
            1 => writeln!(text, "      join: all"),
            2 => writeln!(text, "      join: one"),
            _ => writeln!(text, "      join: 2"),
        };
        let _ = match task.policy {
            1 => writeln!(text, "      retry: {{count: 1, delay: 1}}"),
            2 => writeln!(text, "      timeout: 3"),
            3 => writeln!(text, "      wait-before: 1"),
            4 => writeln!(text, "      wait-after: 1"),
            _ => Ok(()),
        };
    }
    text
}

/// How many tasks lead to each task.
fn ways_in(tasks: &[RandomTask]) -> Vec<usize> {
    let mut inbound = vec![0; tasks.len()];
    for task in tasks {
        let mut targets: Vec<_> = [&task.success, &task.error, &task.complete]
            .into_iter()
            .flatten()
            .collect();
        targets.sort_unstable();
        targets.dedup();
        for target in targets {
            // Instead of to the first task, a transition leads to `noop`.
            if let Some(ways) = inbound.get_mut(*target).filter(|_| *target > 0) {
                *ways += 1;
            }
        }
    }
    inbound
}

/// Whether a task is written with a join.
fn joins(task: &RandomTask, index: usize, inbound: &[usize]) -> bool {
    index > 0
        && match task.join {
            1 | 2 => inbound[index] > 0,
            3 => inbound[index] > 1,
            _ => false,
        }
}

/// The sub-workflow, and how the workflow starts.
const SUB: &str = "
version: '2.0'
s:
  tasks:
    a: {action: act, on-complete: j}
    b: {action: std.noop, on-complete: j}
    j: {join: all}
w:
  tasks:
";

fn outcome(number: u8) -> Scripted {
    let outcome = match number {
        0 => failure("no".into()),
        1 => ostro_core::ActionOutcome::Deferred,
        _ => ostro_core::ActionOutcome::Success(number.into_value()),
    };
    Scripted {
        outcome: Some(outcome),
        after: i64::from(number % 3) * 1000,
    }
}

trait IntoValue {
    fn into_value(self) -> ostro_core::Value;
}

impl IntoValue for u8 {
    fn into_value(self) -> ostro_core::Value {
        i64::from(self).into()
    }
}

/// Something that happens to a random run, beside what is under way.
#[derive(Clone, Copy, Debug)]
enum Outside {
    /// The next thing that is under way.
    Next(prop::sample::Index),
    /// Somebody wants something of one of the executions.
    Person(u8, prop::sample::Index),
}

fn outside() -> impl Strategy<Value = Outside> {
    prop_oneof![
        9 => any::<prop::sample::Index>().prop_map(Outside::Next),
        1 => (0..10u8, any::<prop::sample::Index>())
            .prop_map(|(wish, whose)| Outside::Person(wish, whose)),
    ]
}

type Plan = (Vec<RandomTask>, Vec<u8>, Vec<Outside>);

fn plan() -> impl Strategy<Value = Plan> {
    (
        workflow(),
        prop::collection::vec(0..8u8, 1..12),
        prop::collection::vec(outside(), 60),
    )
}

/// The plan that `seed` stands for, on every machine.
fn planned(seed: u64) -> Plan {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), random);
    plan().new_tree(&mut runner).unwrap().current()
}

/// Runs a plan. The world checks in each turn that an execution that has not ended waits for
/// something, and that a restored state decides as a live one does.
fn run((tasks, outcomes, order): Plan) {
    let script = [(
        "act".to_owned(),
        outcomes.into_iter().map(outcome).collect(),
    )]
    .into();
    let mut world = World::new(parse(&[text(&tasks)]), script);
    world.restores = 4;
    world
        .start("", "w", &Map::new(), Params::default())
        .unwrap();
    let mut disturbed = false;
    for outside in order {
        // Loops that fan out grow without end, and each turn is stored and restored.
        if world.root().tasks().count() > MOST_TASKS {
            return world.check_waits();
        }
        match outside {
            Outside::Person(wish, whose) => disturbed |= wished(&mut world, wish, whose),
            Outside::Next(which) => {
                let agenda = world.agenda();
                if !agenda.is_empty() {
                    world.pick(*which.get(&agenda));
                } else if world.root().state() == State::Paused {
                    let root = world.root.clone();
                    world.plan(0, root, EventKind::Resumed { env: None });
                }
            }
        }
    }
    // What is under way comes to its end, if the tasks do not go round for ever.
    for _ in 0..200 {
        let Some(next) = world.agenda().first().copied() else {
            break;
        };
        world.pick(next);
    }
    world.check_waits();
    check_changes(&world);
    if !disturbed && world.agenda().is_empty() {
        check_followers(&world, &tasks);
    }
}

/// Somebody does something to one of the executions. Whether it changes what follows what.
fn wished(world: &mut World, wish: u8, whose: prop::sample::Index) -> bool {
    let all: Vec<_> = world.executions.keys().cloned().collect();
    let id = whose.get(&all).clone();
    let failed = world.executions[&id]
        .tasks()
        .filter(|task| task.state() == State::Error)
        .last()
        .map(|task| task.id().clone());
    let kind = match (wish, failed) {
        (0 | 1, _) => EventKind::Paused,
        (2 | 3, _) => EventKind::Resumed { env: None },
        (4, _) => {
            let states = [State::Success, State::Error, State::Cancelled];
            EventKind::Stopped {
                state: *whose.get(&states),
                message: None,
            }
        }
        (5, Some(task)) => EventKind::Skipped { task, env: None },
        (6 | 7, Some(task)) => EventKind::Rerun {
            task,
            reset: wish == 6,
            env: None,
        },
        (_, _) => {
            let states = [State::Paused, State::Running, State::Cancelled];
            return world.change_any_deferred(*whose.get(&states));
        }
    };
    let disturbs = !matches!(kind, EventKind::Paused | EventKind::Resumed { .. });
    world.plan(0, id, kind);
    disturbs
}

/// As many runs as `OSTRO_PROPERTY_RUNS` says, from the seed `OSTRO_PROPERTY_SEED` on.
#[test]
fn every_execution_ends_or_waits_for_something_that_exists() {
    let number = |name: &str, otherwise: u64| {
        std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
    };
    let runs = number("OSTRO_PROPERTY_RUNS", 10_000);
    let first = number("OSTRO_PROPERTY_SEED", 1);
    println!("seeds {first} to {}", first + runs - 1);
    let next = AtomicU64::new(first);
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + runs {
                        break;
                    }
                    let plan = planned(seed);
                    let told = text(&plan.0);
                    let done = std::panic::catch_unwind(|| run(plan));
                    assert!(done.is_ok(), "seed {seed} went wrong, with\n{told}");
                }
            });
        }
    });
}

/// Of each task there are as many executions as the ends of the tasks before it led to, in
/// whatever order these came. Joins and starts aside, and only where the end was the tasks' own.
fn check_followers(world: &World, tasks: &[RandomTask]) {
    let root = world.root();
    let info = root.state_info().unwrap_or_default();
    let own =
        root.state() == State::Success || info.starts_with("Failure caused by error in tasks");
    // `fail` ends an execution, and with it what would have followed.
    let fails = tasks.iter().any(|task| {
        let mut targets = [&task.success, &task.error, &task.complete]
            .into_iter()
            .flatten();
        targets.any(|target| *target == tasks.len())
    });
    if !own || fails {
        return;
    }
    let ways = ways_in(tasks);
    for (index, task) in tasks.iter().enumerate() {
        if index == 0 || ways[index] == 0 || joins(task, index, &ways) {
            continue;
        }
        let name = format!("t{index}");
        let led: usize = root
            .tasks()
            .map(|before| {
                let number: usize = before.name()[1..].parse().unwrap();
                let clause = match before.state() {
                    State::Success => &tasks[number].success,
                    State::Error => &tasks[number].error,
                    _ => return 0,
                };
                let leads = |targets: &Vec<usize>| usize::from(targets.contains(&index));
                leads(clause) + leads(&tasks[number].complete)
            })
            .sum();
        let ran = root.tasks().filter(|task| **task.name() == *name).count();
        assert_eq!(ran, led, "runs of {name}");
    }
}

/// What was told of each task and of the execution ends with the state that it has.
fn check_changes(world: &World) {
    for task in world.root().tasks() {
        let told = world
            .changes
            .iter()
            .rev()
            .find_map(|(_, change)| match change {
                Change::Task { id, state, .. } if id == task.id() => Some(*state),
                _ => None,
            });
        assert_eq!(told.unwrap_or(State::Idle), task.state());
    }
}
