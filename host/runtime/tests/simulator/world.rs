//! What is outside of the host and survives its crashes: what actions did, what people asked for
//! and were told; and the runner and the clock that each host gets.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use ostro_core::{
    ActionCall, ActionError, ActionErrorKind, ActionExecutionId, ActionOutcome, ActionRunner,
    Clock, ExecutionId, Progress, Value,
};
use ostro_journal::{Journal, Reached};
use ostro_runtime::RuntimeError;
use tokio::time::Instant;

use crate::dice::{Dice, dice_of};

/// When the world begins.
pub(crate) const BEGINNING: i64 = 1_600_000_000_000;

/// An action by what it is about, and its try.
pub(crate) type Place = (String, u32);

/// What somebody asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wish {
    Start,
    Pause,
    Resume,
    Stop,
    Rerun,
    Skip,
    Change,
    Finish,
}

/// A request, and the answer if one came before the host crashed.
pub(crate) struct Asked {
    pub(crate) wish: Wish,
    /// The execution, or the action execution.
    pub(crate) about: String,
    pub(crate) answer: Option<Result<(), RuntimeError>>,
}

#[derive(Clone)]
pub(crate) struct World(Arc<Mutex<Inner>>);

pub(crate) struct Inner {
    pub(crate) seed: u64,
    dice: Dice,
    /// How long actions take at most, in milliseconds.
    patience: usize,
    /// The journal of the host that runs; none where there is none.
    pub(crate) journal: Option<Journal>,
    /// How often each action did its work.
    pub(crate) starts: BTreeMap<ActionExecutionId, u32>,
    /// Actions that somebody outside is to finish, and how.
    pub(crate) deferred: BTreeMap<ActionExecutionId, ActionOutcome>,
    /// How actions end whose fate is another one than their own.
    pub(crate) fates: HashMap<Place, ActionOutcome>,
    pub(crate) asked: Vec<Asked>,
    /// How much actions said on their way.
    pub(crate) said: u64,
    pub(crate) faults: Vec<String>,
    /// What the clock tells when the host starts.
    pub(crate) base: i64,
    pub(crate) trace: Option<Vec<String>>,
}

impl World {
    pub(crate) fn new(seed: u64, mut dice: Dice, traced: bool) -> Self {
        let patience = [0, 20, 500, 5_000][dice.below(4)];
        Self(Arc::new(Mutex::new(Inner {
            seed,
            dice,
            patience,
            journal: None,
            starts: BTreeMap::new(),
            deferred: BTreeMap::new(),
            fates: HashMap::new(),
            asked: Vec::new(),
            said: 0,
            faults: Vec::new(),
            base: BEGINNING,
            trace: traced.then(Vec::new),
        })))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// Notes what happens, if that is wanted.
    pub(crate) fn tell(&self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.lock().trace {
            trace.push(line());
        }
    }

    pub(crate) fn fault(&self, fault: impl Display) {
        self.lock().faults.push(fault.to_string());
    }

    /// Notes a request: its number.
    pub(crate) fn ask(&self, wish: Wish, about: &str) -> usize {
        self.tell(|| format!("somebody asks: {wish:?} {about}"));
        let mut world = self.lock();
        world.asked.push(Asked {
            wish,
            about: about.to_owned(),
            answer: None,
        });
        world.asked.len() - 1
    }

    /// Notes what a request came to.
    pub(crate) fn answer(&self, number: usize, answer: Result<(), RuntimeError>) {
        let mut world = self.lock();
        let Inner {
            asked,
            faults,
            trace,
            ..
        } = &mut *world;
        if let Some(trace) = trace {
            let Asked { wish, about, .. } = &asked[number];
            trace.push(format!("answered: {wish:?} {about}: {answer:?}"));
        }
        if let Err(RuntimeError::Journal(reason)) = &answer
            && !reason.contains("the simulated disk fails")
        {
            faults.push(format!("a request was answered with: {reason}"));
        }
        asked[number].answer = Some(answer);
    }
}

/// How an action ends.
fn fate(seed: u64, (path, attempt): &Place) -> (bool, ActionOutcome) {
    let mut dice = dice_of(seed, path, *attempt);
    let outcome = match dice.below(12) {
        0..=2 => {
            let message = format!("{path} fails at try {attempt}");
            ActionOutcome::Error(ActionError::new(ActionErrorKind::Action, message))
        }
        3 if dice.chance(1, 4) => ActionOutcome::Success("x".repeat(6_000).into()),
        _ => ActionOutcome::Success(Value::Int(dice.below(1_000) as i64)),
    };
    (dice.chance(1, 8), outcome)
}

/// Runs actions as their fate is.
pub(crate) struct Runner(pub(crate) World);

#[async_trait]
impl ActionRunner for Runner {
    async fn run(&self, call: ActionCall) -> ActionOutcome {
        if &*call.name == "std.noop" {
            return ActionOutcome::Success(Value::Null);
        }
        let id = &call.context.action_execution_id;
        let path = call.input["path"].as_str().unwrap().to_owned();
        let place = (path, call.context.attempt);
        self.0
            .tell(|| format!("{} {id} of {place:?} starts", call.name));
        let Some((outcome, millis)) = begin(&mut self.0.lock(), &call, &place) else {
            return std::future::pending().await;
        };
        for percent in [10, 90] {
            self.0.lock().said += 1;
            let message = call.name.to_string();
            let percent = Some(percent);
            let progress = Progress { percent, message };
            call.progress.progress(&call.context, progress);
        }
        if millis > 0 {
            tokio::time::sleep(Duration::from_millis(millis as u64)).await;
        }
        self.0
            .tell(|| format!("{} {id} of {place:?} ends", call.name));
        outcome
    }

    fn only_reads(&self, name: &str) -> bool {
        matches!(name, "read" | "std.noop")
    }
}

/// An action does its work: how it ends and after how many milliseconds, if it ever does.
fn begin(world: &mut Inner, call: &ActionCall, place: &Place) -> Option<(ActionOutcome, usize)> {
    let id = &call.context.action_execution_id;
    count(world, call);
    let (deferred, outcome) = fate(world.seed, place);
    let (deferred, outcome) = match world.fates.get(place) {
        Some(other) => (false, other.clone()),
        None if call.name.starts_with("never") => return None,
        None => (deferred, outcome),
    };
    let patience = world.patience;
    let millis = if world.dice.chance(1, 4) {
        0
    } else {
        world.dice.below(patience + 1)
    };
    if deferred {
        world.deferred.insert(id.clone(), outcome);
        return Some((ActionOutcome::Deferred, millis));
    }
    Some((outcome, millis))
}

/// Counts the start of an action: is it time for that, and may it start again?
fn count(world: &mut Inner, call: &ActionCall) {
    let id = &call.context.action_execution_id;
    let starts = world.starts.entry(id.clone()).or_default();
    *starts += 1;
    if *starts > 1 && !matches!(&*call.name, "safe" | "read" | "never_safe") {
        let fault = format!("{} {id} did its work twice", call.name);
        world.faults.push(fault);
    }
    let Some(journal) = &world.journal else {
        return;
    };
    let reached = journal.action(id).unwrap().map(|action| action.row.reached);
    // While it begins, its end may be on the way, too: what it does is in vain then.
    if reached.is_none_or(|reached| reached < Reached::Started) {
        let fault = format!("{} {id} starts, and is noted as {reached:?}", call.name);
        world.faults.push(fault);
    }
}

/// The clock of one host: it goes with tokio's, from where the world is.
pub(crate) struct SimulatedClock {
    base: i64,
    start: Instant,
}

impl SimulatedClock {
    pub(crate) fn new(base: i64) -> Self {
        let start = Instant::now();
        Self { base, start }
    }
}

impl Clock for SimulatedClock {
    fn now_millis(&self) -> i64 {
        self.base + self.start.elapsed().as_millis() as i64
    }
}

/// The id of the root execution `number` of a seed.
pub(crate) fn root_id(seed: u64, number: usize) -> ExecutionId {
    ExecutionId::new(format!("{:08x}-0000-4000-8000-{number:012x}", seed as u32))
}
