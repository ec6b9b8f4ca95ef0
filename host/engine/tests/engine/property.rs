//! Random workflows with random ends of their actions, in random order.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ostro_core::{Map, State};
use ostro_engine::{Change, EventKind, Params};
use proptest::prelude::*;

use crate::world::{Scripted, World, failure, parse};

/// With how many task executions a random workflow is left alone.
const MOST_TASKS: usize = 300;

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
    let mut inbound = vec![0; tasks.len()];
    for task in tasks {
        let mut targets: Vec<_> = [&task.success, &task.error, &task.complete]
            .into_iter()
            .flatten()
            .collect();
        targets.sort_unstable();
        targets.dedup();
        for target in targets {
            if let Some(ways) = inbound.get_mut(*target) {
                *ways += 1;
            }
        }
    }
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
            1 if index > 0 && inbound[index] > 0 => writeln!(text, "      join: all"),
            2 if index > 0 && inbound[index] > 0 => writeln!(text, "      join: one"),
            3 if index > 0 && inbound[index] > 1 => writeln!(text, "      join: 2"),
            _ => Ok(()),
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// The world checks in each turn that an execution that has not ended waits for something,
    /// and that a restored state decides as a live one does.
    #[test]
    fn every_execution_ends_or_waits_for_something(
        tasks in workflow(),
        outcomes in prop::collection::vec(0..8u8, 1..12),
        order in prop::collection::vec((any::<prop::sample::Index>(), 0..20u8), 60),
    ) {
        let text = text(&tasks);
        let script: BTreeMap<_, _> =
            [("act".to_owned(), outcomes.into_iter().map(outcome).collect())].into();
        let mut world = World::new(parse(&[text]), script);
        world.start("w", &Map::new(), Params::default()).unwrap();
        for (index, outside) in order {
            // Loops that fan out grow without end, and each turn is stored and restored.
            if world.root().tasks().count() > MOST_TASKS {
                break;
            }
            let root = world.root.clone();
            match outside {
                0 => world.plan(0, root, EventKind::Paused),
                1 => world.plan(0, root, EventKind::Resumed { env: None }),
                _ => {}
            }
            let agenda = world.agenda();
            if agenda.is_empty() {
                // Nothing is under way: it has ended, or waits for a person or the outside.
                let state = world.root().state();
                if state != State::Paused {
                    break;
                }
                let root = world.root.clone();
                world.plan(0, root, EventKind::Resumed { env: None });
                continue;
            }
            world.pick(*index.get(&agenda));
        }
        check_changes(&world)?;
    }
}

/// What was told of each task and of the execution ends with the state that it has.
fn check_changes(world: &World) -> Result<(), TestCaseError> {
    for task in world.root().tasks() {
        let told = world
            .changes
            .iter()
            .rev()
            .find_map(|(_, change)| match change {
                Change::Task { id, state, .. } if id == task.id() => Some(*state),
                _ => None,
            });
        if let Some(told) = told {
            prop_assert_eq!(told, task.state());
        } else {
            prop_assert_eq!(task.state(), State::Idle);
        }
    }
    Ok(())
}
