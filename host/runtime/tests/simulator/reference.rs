//! The same workflows on a host without faults, which keeps everything in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ostro_core::{ActionOutcome, State};
use ostro_engine::Execution;
use ostro_runtime::{Options, Runtime};

use crate::dice::Dice;
use crate::drive::{Plan, tokio};
use crate::tree::Family;
use crate::world::{BEGINNING, Place, Runner, SimulatedClock, World};

/// What the executions of `plan` come to, where the actions `lost` end as they did when the host
/// had crashed.
pub(crate) fn run(plan: &Plan, lost: &BTreeMap<Place, ActionOutcome>) -> Result<Family, String> {
    let world = World::new(plan.seed, Dice::new(plan.seed), false);
    let fates = lost.iter().map(|(place, end)| (place.clone(), end.clone()));
    world.lock().fates = fates.collect();
    tokio().block_on(async {
        let runtime = Runtime::new(
            Arc::clone(plan.library.definitions()),
            Arc::new(Runner(world.clone())),
            Arc::new(SimulatedClock::new(BEGINNING)),
            Options::default(),
        );
        for root in &plan.roots {
            let started = runtime.start(plan.request(root)).await;
            started.map_err(|error| format!("without faults it does not start: {error}"))?;
        }
        for _ in 0..2_000 {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let family = family(&runtime, plan);
            if family
                .values()
                .all(|execution| execution.state().is_completed())
            {
                return Ok(family);
            }
            help(&runtime, &world, &family).await;
        }
        Err("without faults it has no end".to_owned())
    })
}

fn family(runtime: &Runtime, plan: &Plan) -> Family {
    let ids = plan.roots.iter().flat_map(|root| runtime.family(root));
    ids.filter_map(|id| {
        let execution = Execution::clone(&*runtime.snapshot(&id)?);
        Some((id, execution))
    })
    .collect()
}

/// People do what is theirs.
async fn help(runtime: &Runtime, world: &World, family: &Family) {
    let deferred = std::mem::take(&mut world.lock().deferred);
    for (id, outcome) in deferred {
        // It may have ended with its execution.
        let _ = runtime.finish_action(&id, outcome).await;
    }
    for (id, execution) in family {
        if execution.state() == State::Paused {
            // It may go on with the one above it.
            let _ = runtime.resume(id, None).await;
        }
    }
}
