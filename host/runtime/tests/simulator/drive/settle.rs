//! The end of a simulation: no more faults, and everything comes to rest.

use std::time::Duration;

use ostro_core::{ExecutionId, State};
use ostro_journal::Journal;
use ostro_runtime::{Runtime, Snapshots};

use super::Simulation;
use crate::check::text;
use crate::world::Wish;

/// How often what has no end is looked at before it counts as stuck.
const PATIENCE: usize = 3_000;

/// How many quarters of a second nothing happens where nothing moves: longer than what an action
/// takes, and than every delay.
const QUIET: usize = 24;

impl Simulation {
    /// Without any more faults, everything comes to rest by itself; and to its end, once what
    /// waits for people has them.
    pub(super) async fn settle(&mut self, runtime: &Runtime) -> Result<(), String> {
        self.world.tell(|| "no more faults".to_owned());
        for root in self.plan.roots.clone() {
            // Asking for one that is there would bring it back, which recovery is to do.
            if self
                .disk
                .journal()
                .execution(&root)
                .map_err(text)?
                .is_some()
            {
                continue;
            }
            let (request, runtime) = (self.plan.request(&root), runtime.clone());
            self.ask(Wish::Start, root.as_str(), async move {
                runtime.start(request).await.map(drop)
            });
        }
        for _ in 0..PATIENCE {
            self.rest().await?;
            self.rested(runtime)?;
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
                let read = Snapshots::read(journal, id)
                    .ok()
                    .and_then(|all| all.get(id));
                let waits = read.map(|execution| format!("{:?}", execution.waits_for()));
                format!("{id}: {row:?}, {letters} letters, waits for {waits:?}")
            })
            .collect();
        format!("{what}: {}", told.join("; "))
    }

    /// The executions that have not ended.
    pub(super) fn unended(&self, journal: &Journal) -> Result<Vec<ExecutionId>, String> {
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
                return Ok(());
            }
        }
        Err(self.stuck(self.disk.journal(), "it moves and comes to nothing"))
    }

    /// What must hold while nothing moves.
    fn rested(&self, runtime: &Runtime) -> Result<(), String> {
        let journal = self.disk.journal();
        for root in &self.plan.roots {
            for id in journal.family(root, false).map_err(text)? {
                if !journal.letters(&id).map_err(text)?.is_empty() {
                    return Err(format!("{id} rests, and does not take in its letters"));
                }
                let row = journal.execution(root).map_err(text)?;
                let ended = row.is_none_or(|row| row.state.is_completed());
                if !ended && runtime.snapshot(&id).is_some() {
                    return Err(self.stuck(journal, "it rests, and is in memory"));
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
