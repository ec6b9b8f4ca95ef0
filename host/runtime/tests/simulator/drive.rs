//! One simulation: hosts that crash, one after the other, on one disk.

mod people;
mod settle;

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use ostro_core::{ExecutionId, Map, Value};
use ostro_journal::simulated::Disk;
use ostro_journal::{ChangeFilter, JournalError};
use ostro_runtime::{File, Library, Options, Runtime, StartRequest};

use crate::check::{Kept, check, text};
use crate::dice::Dice;
use crate::tree::tree;
use crate::world::{Runner, SimulatedClock, Wish, World, root_id};
use crate::{feed, reference, workflow};

/// How many steps a simulation takes before the faults stop.
const MOST_STEPS: usize = 4_000;
/// What a seed stands for.
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) calm: bool,
    pub(crate) text: String,
    pub(crate) library: Library,
    pub(crate) roots: Vec<ExecutionId>,
    /// How many of a million steps are crashes.
    crashes: usize,
    /// How many of a thousand steps the disk fails in.
    disk_faults: usize,
    /// How many of a thousand steps somebody asks for something.
    wishes: usize,
    /// For how many milliseconds time passes at most between two steps.
    stride: usize,
    max_actions: usize,
    queue: usize,
    /// After how many events snapshots are written.
    snapshot_events: u64,
    /// How far off what executions wait for has to be for them to leave memory.
    rest_millis: i64,
    /// Whether turns write what they change.
    feed: bool,
}

/// What simulations came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) seeds: u64,
    pub(crate) executions: u64,
    pub(crate) compared: u64,
    pub(crate) crashes: u64,
    pub(crate) commits: u64,
    pub(crate) disk_faults: u64,
    pub(crate) events: u64,
    pub(crate) snapshots: u64,
    pub(crate) decided: u64,
    pub(crate) actions: u64,
    pub(crate) lost: u64,
    pub(crate) requests: u64,
    pub(crate) changes: u64,
}

impl Figures {
    pub(crate) fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.executions += other.executions;
        self.compared += other.compared;
        self.crashes += other.crashes;
        self.commits += other.commits;
        self.disk_faults += other.disk_faults;
        self.events += other.events;
        self.snapshots += other.snapshots;
        self.decided += other.decided;
        self.actions += other.actions;
        self.lost += other.lost;
        self.requests += other.requests;
        self.changes += other.changes;
    }
}

/// A simulation that went wrong.
pub(crate) struct Failure {
    pub(crate) reason: String,
    pub(crate) text: String,
    pub(crate) trace: Vec<String>,
}

/// How a host ends.
enum End {
    Crash,
    Done,
}

struct Simulation {
    plan: Plan,
    dice: Dice,
    world: World,
    disk: Disk,
    figures: Figures,
    /// How many steps were taken, by all hosts.
    steps: usize,
    /// After how many steps of the next host it crashes, if that is decided.
    next_crash: Option<usize>,
    settling: bool,
}

thread_local! {
    /// The disk of the last simulation: to make its tables takes longer than to empty them.
    static SPARE: Cell<Option<Disk>> = const { Cell::new(None) };
}

/// An empty disk.
fn disk(options: &ostro_journal::Options) -> Disk {
    match SPARE.take() {
        Some(mut disk) => {
            disk.wipe(options).unwrap();
            disk
        }
        None => Disk::new(options).unwrap(),
    }
}

/// Takes the simulation of `seed` to its end.
pub(crate) fn simulate(seed: u64, traced: bool) -> Result<(Figures, Vec<String>), Failure> {
    let mut dice = Dice::new(seed);
    let plan = Plan::new(seed, &mut dice);
    let world = World::new(seed, dice.fork(), traced);
    let options = ostro_journal::Options {
        queue_turns: plan.queue,
        ..ostro_journal::Options::default()
    };
    let mut simulation = Simulation {
        disk: disk(&options),
        plan,
        dice,
        world: world.clone(),
        figures: Figures {
            seeds: 1,
            ..Figures::default()
        },
        steps: 0,
        next_crash: None,
        settling: false,
    };
    let result = simulation.run();
    let trace = world.lock().trace.take().unwrap_or_default();
    match result {
        Ok(()) => {
            SPARE.set(Some(simulation.disk));
            Ok((simulation.figures, trace))
        }
        Err(reason) => Err(Failure {
            reason,
            text: simulation.plan.text,
            trace,
        }),
    }
}

impl Plan {
    fn new(seed: u64, dice: &mut Dice) -> Self {
        let calm = dice.chance(1, 2);
        let text = workflow::text(&mut dice.fork(), calm);
        let library = Library::new(vec![File::new("w.yaml", text.clone())], Value::Null);
        let definitions = library.definitions();
        assert!(
            !definitions.has_errors(),
            "{text}\n{:?}",
            definitions.diagnostics()
        );
        Self {
            seed,
            calm,
            text,
            library,
            roots: (0..dice.between(1, 3))
                .map(|number| root_id(seed, number))
                .collect(),
            crashes: [0, 1_000, 5_000, 20_000][dice.below(4)],
            disk_faults: [0, 0, 5, 40][dice.below(4)],
            wishes: [0, 5, 30, 80][dice.below(4)],
            stride: [2, 50, 2_000][dice.below(3)],
            max_actions: [1, 2, 64][dice.below(3)],
            queue: [1, 4, 4_096][dice.below(3)],
            snapshot_events: [1, 3, 10, 1_000_000][dice.below(4)],
            rest_millis: [0, 500, 60_000][dice.below(3)],
            feed: !seed.is_multiple_of(4),
        }
    }

    /// The request that starts the root execution `id`.
    pub(crate) fn request(&self, id: &ExecutionId) -> StartRequest {
        let number = self.roots.iter().position(|root| root == id).unwrap();
        let path = Value::from(format!("r{number}"));
        StartRequest {
            id: Some(id.clone()),
            ..StartRequest::new("w0", Map::from_iter([("path".into(), path)]))
        }
    }
}

/// A runtime of tokio that comes back to whoever drives it after each poll of a task.
pub(crate) fn tokio() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .event_interval(1)
        .build()
        .unwrap()
}

impl Simulation {
    fn run(&mut self) -> Result<(), String> {
        loop {
            let tokio = tokio();
            let (runtime, end) = tokio.block_on(self.host());
            self.world.lock().journal = None;
            // All tasks are dropped where they stand.
            drop(tokio);
            drop(runtime);
            match end? {
                End::Crash => self.crash()?,
                End::Done => break,
            }
        }
        let report = self.disk.check().map_err(text)?;
        if !report.is_sound() {
            return Err(report.problems.join("\n"));
        }
        let kept = {
            let world = self.world.lock();
            let definitions = self.plan.library.definitions();
            let journal = self.disk.journal();
            let kept = check(journal, definitions, &self.plan.roots, &world)?;
            if self.plan.feed {
                feed::check(journal, &kept, world.said)?;
                self.figures.changes = journal
                    .changes(0, 1, &ChangeFilter::default())
                    .map_err(text)?
                    .last;
            }
            kept
        };
        self.figures.executions = kept.family.len() as u64;
        self.figures.events = kept.events;
        self.figures.snapshots = kept.snapshots;
        self.figures.decided = kept.decided;
        self.figures.lost = kept.lost.len() as u64;
        {
            let world = self.world.lock();
            self.figures.requests = world.asked.len() as u64;
            self.figures.actions = world.starts.values().map(|starts| u64::from(*starts)).sum();
        }
        if self.plan.calm {
            self.compare(&kept)?;
        }
        Ok(())
    }

    /// Whether all came to the same as without faults.
    fn compare(&mut self, kept: &Kept) -> Result<(), String> {
        let reference = reference::run(&self.plan, &kept.lost)?;
        for root in &self.plan.roots {
            let (is, should) = (tree(&kept.family, root), tree(&reference, root));
            if is != should {
                return Err(format!(
                    "with faults it came to\n{is}\nand without to\n{should}"
                ));
            }
            self.figures.compared += 1;
        }
        Ok(())
    }

    fn crash(&mut self) -> Result<(), String> {
        self.figures.crashes += 1;
        let written = self.dice.below(self.disk.waiting() + 1);
        self.world
            .tell(|| format!("CRASH, {written} of the turns that wait are written"));
        let refused = self.disk.crash(written).map_err(text)?;
        none_refused(&refused)?;
        self.figures.commits += written as u64;
        self.started()?;
        // During the next recovery, or some time.
        self.next_crash = self.dice.chance(1, 6).then(|| self.dice.below(40));
        let down = self.dice.below(5_000) as i64;
        let back = if self.dice.chance(1, 10) { 60_000 } else { 0 };
        self.world.lock().base += down - back;
        Ok(())
    }

    /// Whether all is there that somebody was told has started.
    fn started(&self) -> Result<(), String> {
        let world = self.world.lock();
        for id in &self.plan.roots {
            let told = world.asked.iter().any(|asked| {
                asked.wish == Wish::Start
                    && asked.about == id.as_str()
                    && asked.answer == Some(Ok(()))
            });
            let events = self.disk.journal().events(id, 1, 1);
            if told && events.map_or(0, |events| events.len()) == 0 {
                return Err(format!(
                    "somebody was told that {id} had started, and it had not"
                ));
            }
        }
        Ok(())
    }

    /// One host, from its start to its crash or the end of everything.
    async fn host(&mut self) -> (Runtime, Result<End, String>) {
        let clock = Arc::new(SimulatedClock::new(self.world.lock().base));
        self.world.lock().journal = Some(self.disk.journal().clone());
        let options = Options {
            max_actions: self.plan.max_actions,
            snapshot_events: self.plan.snapshot_events,
            snapshot_distance: 0,
            rest_millis: self.plan.rest_millis,
            feed: self.plan.feed,
            ..Options::default()
        };
        let runtime = Runtime::durable(
            self.disk.journal().clone(),
            self.plan.library.clone(),
            Arc::new(Runner(self.world.clone())),
            Arc::clone(&clock) as _,
            options,
        );
        let recovering = runtime.clone();
        let world = self.world.clone();
        tokio::spawn(async move {
            match recovering.recover().await {
                Ok(count) => world.tell(|| format!("recovered {count}")),
                Err(error) => world.fault(format!("it cannot recover: {error}")),
            }
        });
        let end = self.steps(&runtime).await;
        self.world.lock().base = ostro_core::Clock::now_millis(&*clock);
        (runtime, end)
    }

    async fn steps(&mut self, runtime: &Runtime) -> Result<End, String> {
        while !self.settling {
            self.look()?;
            self.steps += 1;
            let due = match &mut self.next_crash {
                Some(0) => {
                    self.next_crash = None;
                    true
                }
                Some(left) => {
                    *left -= 1;
                    false
                }
                None => false,
            };
            if due || self.dice.chance(self.plan.crashes, 1_000_000) {
                return Ok(End::Crash);
            }
            if self.steps.is_multiple_of(64) && self.all_ended() || self.steps >= MOST_STEPS {
                self.settling = true;
                // Half of them once more on what the disk has.
                if self.dice.chance(1, 2) {
                    return Ok(End::Crash);
                }
                break;
            }
            self.step(runtime).await?;
        }
        self.settle(runtime).await?;
        Ok(End::Done)
    }

    async fn step(&mut self, runtime: &Runtime) -> Result<(), String> {
        if self.dice.chance(self.plan.wishes, 1_000) {
            self.wish(runtime);
        }
        if self.dice.chance(self.plan.disk_faults, 1_000) && self.disk.waiting() > 0 {
            let turns = self.dice.between(1, self.disk.waiting());
            self.world
                .tell(|| format!("the disk fails under {turns} turns"));
            self.disk.fail(turns);
            self.figures.disk_faults += 1;
        }
        let (waiting, untold) = (self.disk.waiting(), self.disk.untold());
        match self.dice.below(100) {
            0..=34 if waiting > 0 => {
                let turns = self.dice.between(1, waiting);
                self.write(turns)?;
            }
            35..=69 if untold > 0 => {
                let turns = self.dice.between(1, untold);
                self.tell(turns);
            }
            0..=69 if waiting == 0 && untold == 0 => self.pass().await,
            70..=73 => self.pass().await,
            74..=75 => self.finish_one(runtime),
            76..=79 => self.start_one(runtime),
            _ => tokio::task::yield_now().await,
        }
        Ok(())
    }

    fn write(&mut self, turns: usize) -> Result<(), String> {
        self.world.tell(|| format!("{turns} turns are written"));
        let refused = self.disk.write(turns).map_err(text)?;
        none_refused(&refused)?;
        self.figures.commits += turns as u64;
        Ok(())
    }

    fn tell(&mut self, turns: usize) {
        self.world.tell(|| format!("{turns} turns are told"));
        self.disk.tell(turns);
    }

    async fn pass(&mut self) {
        let millis = self.dice.between(1, self.plan.stride);
        self.world.tell(|| format!("{millis} ms pass"));
        tokio::time::sleep(Duration::from_millis(millis as u64)).await;
    }

    fn look(&self) -> Result<(), String> {
        match self.world.lock().faults.first() {
            Some(fault) => Err(fault.clone()),
            None => Ok(()),
        }
    }

    fn all_ended(&self) -> bool {
        let journal = self.disk.journal();
        self.plan.roots.iter().all(|root| {
            let row = journal.execution(root).unwrap();
            row.is_some_and(|row| row.state.is_completed())
        })
    }
}

fn none_refused(refused: &[JournalError]) -> Result<(), String> {
    match refused.first() {
        Some(error) => Err(format!("the journal refused a turn: {error}")),
        None => Ok(()),
    }
}
