//! Engine, runtime and journal on a simulated host: its clock, its disk and its actions are the
//! test's, and so are its crashes. A seed decides all of it.
//!
//! `OSTRO_SIMULATOR_RUNS` says how many seeds there are, `OSTRO_SIMULATOR_SEED` the first one. A
//! seed that fails is told with the workflows and with what happened.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "the numbers of these tests are small"
)]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test that they help"
)]

mod check;
mod dice;
mod drive;
mod feed;
mod reference;
mod tree;
mod workflow;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use drive::{Figures, simulate};

/// How many lines of what happened are told of a seed that fails.
const MOST_LINES: usize = 400;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// Fails with what happened in the simulation of `seed`, which went wrong.
fn tell(seed: u64) -> String {
    match simulate(seed, true) {
        Ok(_) => format!("seed {seed} failed, and not again: something is not decided by the seed"),
        Err(failure) => {
            let first = failure.trace.len().saturating_sub(MOST_LINES);
            let trace = failure.trace[first..].join("\n");
            let (text, reason) = (failure.text, failure.reason);
            format!("{text}\n{trace}\nseed {seed} went wrong: {reason}")
        }
    }
}

#[test]
fn whatever_crashes_everything_comes_to_the_end_that_it_has_without_faults() {
    let runs = number("OSTRO_SIMULATOR_RUNS", 10_000);
    let first = number("OSTRO_SIMULATOR_SEED", 1);
    let next = AtomicU64::new(first);
    let figures = Mutex::new(Figures::default());
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + runs {
                        break;
                    }
                    let Ok((one, _)) = simulate(seed, false) else {
                        next.store(first + runs, Ordering::Relaxed);
                        panic!("{}", tell(seed));
                    };
                    figures.lock().unwrap().add(&one);
                }
            });
        }
    });
    println!(
        "seeds {first} to {}: {:?}",
        first + runs - 1,
        figures.lock().unwrap()
    );
}

#[test]
fn a_seed_decides_everything() {
    for seed in 1..=40 {
        let run = || match simulate(seed, true) {
            Ok(run) => run,
            Err(failure) => panic!("seed {seed} went wrong: {}", failure.reason),
        };
        assert_eq!(run(), run(), "seed {seed}");
    }
}
