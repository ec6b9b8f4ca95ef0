//! What people ask of a host.

use ostro_core::{ActionOutcome, State};
use ostro_runtime::{Runtime, RuntimeError};

use super::Simulation;
use crate::world::Wish;

impl Simulation {
    /// Has one of the root executions start, perhaps not for the first time.
    pub(super) fn start_one(&mut self, runtime: &Runtime) {
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
    pub(super) fn finish_one(&mut self, runtime: &Runtime) {
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
    pub(super) fn wish(&mut self, runtime: &Runtime) {
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

    pub(super) fn ask(
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
}
