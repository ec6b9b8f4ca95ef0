//! One simulation: hosts that crash, one after the other, on one disk.

use std::sync::Arc;
use std::time::Duration;

use ostro_core::{ActionOutcome, ExecutionId, Map, State, Value};
use ostro_journal::Journal;
use ostro_journal::simulated::Disk;
use ostro_runtime::{Library, Options, Runtime, RuntimeError, StartRequest};

use crate::check::{Kept, check, text};
use crate::dice::Dice;
use crate::tree::tree;
use crate::world::{Runner, SimulatedClock, Wish, World, root_id};
use crate::{reference, workflow};

/// How many steps a simulation takes before the faults stop.
const MOST_STEPS: usize = 4_000;
/// How often what has no end is looked at before it counts as stuck.
const PATIENCE: usize = 3_000;

/// How many quarters of a second nothing happens where nothing moves: longer than what an action
/// takes, and than every delay.
const QUIET: usize = 24;

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
    pub(crate) actions: u64,
    pub(crate) lost: u64,
    pub(crate) requests: u64,
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
        self.actions += other.actions;
        self.lost += other.lost;
        self.requests += other.requests;
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
        disk: Disk::new(&options).unwrap(),
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
        Ok(()) => Ok((simulation.figures, trace)),
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
        let library = Library::new(vec![("w.yaml".to_owned(), text.clone())], Value::Null);
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
            check(self.disk.journal(), definitions, &self.plan.roots, &world)?
        };
        self.figures.executions = kept.family.len() as u64;
        self.figures.events = kept.events;
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
        self.refused(&refused)?;
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

    fn refused(&self, refused: &[ostro_journal::JournalError]) -> Result<(), String> {
        match refused.first() {
            Some(error) => Err(format!("the journal refused a turn: {error}")),
            None => Ok(()),
        }
    }

    /// One host, from its start to its crash or the end of everything.
    async fn host(&mut self) -> (Runtime, Result<End, String>) {
        let clock = Arc::new(SimulatedClock::new(self.world.lock().base));
        self.world.lock().journal = Some(self.disk.journal().clone());
        let options = Options {
            max_actions: self.plan.max_actions,
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
            if self.steps % 64 == 0 && self.all_ended() || self.steps >= MOST_STEPS {
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
        self.refused(&refused)?;
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

    /// Has one of the root executions start, perhaps not for the first time.
    fn start_one(&mut self, runtime: &Runtime) {
        let Some(id) = self.dice.pick(&self.plan.roots) else {
            return;
        };
        let journal = self.disk.journal();
        if journal.execution(id).unwrap().is_some() && !self.dice.chance(1, 20) {
            return;
        }
        let (request, runtime) = (self.plan.request(id), runtime.clone());
        self.ask(Wish::Start, id.as_str(), async move {
            runtime.start(request).await.map(drop)
        });
    }

    /// Finishes one of the actions that are finished from outside.
    fn finish_one(&mut self, runtime: &Runtime) {
        let world = self.world.lock();
        let deferred: Vec<_> = world.deferred.iter().collect();
        let Some((id, outcome)) = self.dice.pick(&deferred) else {
            return;
        };
        let (id, outcome, runtime) = ((*id).clone(), (*outcome).clone(), runtime.clone());
        drop(world);
        let (world, about) = (self.world.clone(), id.to_string());
        self.ask(Wish::Finish, &about, async move {
            let answer = runtime.finish_action(&id, outcome).await;
            let over = matches!(
                answer,
                Ok(()) | Err(RuntimeError::UnknownAction(_) | RuntimeError::Ended(_))
            );
            if over {
                world.lock().deferred.remove(&id);
            }
            answer
        });
    }

    /// Somebody wants something.
    fn wish(&mut self, runtime: &Runtime) {
        let Some(root) = self.dice.pick(&self.plan.roots).cloned() else {
            return;
        };
        let family = self.disk.journal().family(&root, false).unwrap();
        let Some(id) = self.dice.pick(&family).cloned() else {
            return;
        };
        let runtime = runtime.clone();
        let about = id.as_str().to_owned();
        let failed = || {
            let execution = runtime.snapshot(&id)?;
            let failed = execution
                .tasks()
                .filter(|task| task.state() == State::Error);
            failed.last().map(|task| task.id().clone())
        };
        match self.dice.below(if self.plan.calm { 2 } else { 7 }) {
            0 => self.ask(Wish::Pause, &about, async move { runtime.pause(&id).await }),
            1 => self.ask(Wish::Resume, &about, async move {
                runtime.resume(&id, None).await
            }),
            2 | 3 => {
                let Some(task) = failed() else { return };
                let reset = self.dice.chance(1, 2);
                self.ask(Wish::Rerun, &about, async move {
                    runtime.rerun(&id, &task, reset, None).await
                });
            }
            4 => {
                let Some(task) = failed() else { return };
                self.ask(Wish::Skip, &about, async move {
                    runtime.skip(&id, &task, None).await
                });
            }
            5 if self.dice.chance(1, 2) => {
                let states = [State::Success, State::Error, State::Cancelled];
                let state = states[self.dice.below(3)];
                self.ask(Wish::Stop, &about, async move {
                    runtime
                        .stop(&id, state, Some("somebody stops it".to_owned()))
                        .await
                });
            }
            _ => self.wish_of_action(runtime),
        }
    }

    /// Somebody says how an action stands, whether or not it is finished from outside.
    fn wish_of_action(&mut self, runtime: Runtime) {
        let world = self.world.lock();
        let known: Vec<_> = world.starts.keys().rev().take(10).cloned().collect();
        let deferred: Vec<_> = world.deferred.keys().cloned().collect();
        drop(world);
        let from = if self.dice.chance(2, 3) {
            deferred
        } else {
            known
        };
        let Some(id) = self.dice.pick(&from).cloned() else {
            return;
        };
        let about = id.to_string();
        let states = [State::Paused, State::Running, State::Cancelled];
        match self.dice.below(4) {
            3 => self.ask(Wish::Finish, &about, async move {
                let outcome = ActionOutcome::Success("from outside".into());
                runtime.finish_action(&id, outcome).await
            }),
            state => self.ask(Wish::Change, &about, async move {
                runtime.change_action(&id, states[state]).await
            }),
        }
    }

    fn ask(
        &self,
        wish: Wish,
        about: &str,
        request: impl Future<Output = Result<(), RuntimeError>> + Send + 'static,
    ) {
        let number = self.world.ask(wish, about);
        let world = self.world.clone();
        tokio::spawn(async move {
            let answer = request.await;
            world.answer(number, answer);
        });
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

    /// Without any more faults, everything comes to rest by itself; and to its end, once what
    /// waits for people has them.
    async fn settle(&mut self, runtime: &Runtime) -> Result<(), String> {
        self.world.tell(|| "no more faults".to_owned());
        for root in self.plan.roots.clone() {
            // Asking for one that is there would bring it back, which recovery is to do.
            if self.disk.journal().execution(&root).map_err(text)?.is_some() {
                continue;
            }
            let (request, runtime) = (self.plan.request(&root), runtime.clone());
            self.ask(Wish::Start, root.as_str(), async move {
                runtime.start(request).await.map(drop)
            });
        }
        for _ in 0..PATIENCE {
            self.rest().await?;
            let journal = self.disk.journal().clone();
            if self.unended(&journal)?.is_empty() {
                return Ok(());
            }
            if !self.help(runtime, &journal)? {
                return Err(self.stuck(&journal, "nobody moves it"));
            }
        }
        Err(self.stuck(self.disk.journal(), "it has no end"))
    }

    fn stuck(&self, journal: &Journal, what: &str) -> String {
        let unended = self.unended(journal).unwrap_or_default();
        let told: Vec<_> = unended
            .iter()
            .map(|id| {
                let row = journal.execution(id).unwrap();
                let row = row.map(|row| (row.workflow_name, row.state, row.moving));
                let letters = journal.letters(id).unwrap().len();
                format!("{id}: {row:?}, {letters} letters")
            })
            .collect();
        format!("{what}: {}", told.join("; "))
    }

    /// The executions that have not ended.
    fn unended(&self, journal: &Journal) -> Result<Vec<ExecutionId>, String> {
        let mut unended = Vec::new();
        for root in &self.plan.roots {
            unended.extend(journal.family(root, true).map_err(text)?);
        }
        Ok(unended)
    }

    /// Lets everything go on that goes on by itself, until nothing does.
    async fn rest(&mut self) -> Result<(), String> {
        let mut quiet = 0;
        for _ in 0..PATIENCE {
            self.look()?;
            let waiting = self.disk.waiting();
            if waiting > 0 {
                self.write(waiting)?;
                quiet = 0;
            }
            let untold = self.disk.untold();
            self.disk.tell(untold);
            tokio::time::sleep(Duration::from_millis(1)).await;
            if self.disk.waiting() > 0 {
                quiet = 0;
                continue;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
            quiet += 1;
            if quiet > QUIET && self.disk.waiting() == 0 {
                return self.rested();
            }
        }
        Err(self.stuck(self.disk.journal(), "it moves and comes to nothing"))
    }

    /// What must hold while nothing moves.
    fn rested(&self) -> Result<(), String> {
        let journal = self.disk.journal();
        for root in &self.plan.roots {
            for id in journal.family(root, false).map_err(text)? {
                if !journal.letters(&id).map_err(text)?.is_empty() {
                    return Err(format!("{id} rests, and does not take in its letters"));
                }
            }
        }
        Ok(())
    }

    /// People do what is theirs. Whether there was anything.
    fn help(&mut self, runtime: &Runtime, journal: &Journal) -> Result<bool, String> {
        let mut helped = false;
        for id in self.unended(journal)? {
            let row = journal.execution(&id).map_err(text)?;
            if row.is_some_and(|row| row.state == State::Paused) {
                let (about, runtime) = (id.to_string(), runtime.clone());
                self.ask(Wish::Resume, &about, async move {
                    runtime.resume(&id, None).await
                });
                helped = true;
                break;
            }
        }
        if !self.world.lock().deferred.is_empty() {
            self.finish_one(runtime);
            helped = true;
        }
        Ok(helped)
    }
}
