//! The life of a task execution: it is created, begins, runs, ends.

use std::sync::Arc;

use ostro_core::{Map, State, TaskExecutionId, Value};
use ostro_lang::{Publish, Task, Template};

use crate::context::Context;
use crate::decide::{Step, Turn};
use crate::event::{Change, Command, TimerId};
use crate::execution::{Timer, TimerPurpose};
use crate::policies::Verdict;
use crate::reason::Reason;
use crate::runs::RunError;
use crate::task::{Arrivals, TaskExecution};
use crate::text::cut;

impl Turn<'_> {
    /// Creates an execution of the task `name`.
    pub(crate) fn create(
        &mut self,
        name: &Arc<str>,
        state: State,
        context: Context,
        arrivals: Arrivals,
    ) -> usize {
        self.created += 1;
        let id = TaskExecutionId::new(self.execution.next_id());
        let task = self.execution.tasks.len();
        let mut created = TaskExecution::new(id, Arc::clone(name), state, context, self.now);
        created.arrivals = arrivals;
        self.execution.tasks.push_back(Arc::new(created));
        self.execution.open.insert(task);
        self.execution.latest.insert(Arc::clone(name), task);
        task
    }

    /// Changes the state of `task` without telling anybody yet.
    pub(crate) fn mark(&mut self, task: usize, state: State, info: Option<String>) {
        let now = self.now;
        let changed = self.execution.task_mut(task);
        changed.state = state;
        changed.state_info = info.map(cut);
        changed.updated_at = now;
        let waits = state == State::Waiting;
        let execution = &mut self.execution;
        for (set, belongs) in [
            (&mut execution.open, !state.is_completed()),
            (&mut execution.waiting, waits),
        ] {
            if belongs {
                set.insert(task);
            } else {
                set.remove(&task);
            }
        }
    }

    /// Tells that `task` is in its state.
    pub(crate) fn announce(&mut self, task: usize) {
        let task = &self.execution.tasks[task];
        self.changes.push(Change::Task {
            id: task.id.clone(),
            name: Arc::clone(&task.name),
            state: task.state,
            info: task.state_info.clone(),
        });
    }

    /// Changes the state of `task`.
    pub(crate) fn set_state(&mut self, task: usize, state: State, info: Option<String>) {
        let current = &self.execution.tasks[task];
        if current.state != state || current.state_info != info {
            self.mark(task, state, info);
            self.announce(task);
        }
    }

    /// `task` begins, unless a policy or a pause has it wait.
    pub(crate) fn begin(&mut self, task: usize) {
        if self.execution.tasks[task].state.is_completed() {
            return;
        }
        if self.execution.state == State::Paused {
            self.mark(
                task,
                State::Idle,
                Some("Waits for the execution to be resumed.".to_owned()),
            );
            self.announce(task);
            return;
        }
        let Some(spec) = self.spec(task) else {
            return self.break_task(task, "run", "the workflow does not define it any more");
        };
        // A later try, which the end of the execution had broken off.
        if self.execution.tasks[task].attempt > 1 {
            return self.go_on(task);
        }
        match self.before_start(task, spec) {
            Ok(true) => self.schedule(task),
            Ok(false) => {}
            Err(message) => self.break_task(task, "run", &message),
        }
    }

    /// `task` goes on after a delay: it starts, or tries again.
    pub(crate) fn go_on(&mut self, task: usize) {
        let (attempt, timeout) = {
            let task = &self.execution.tasks[task];
            (task.attempt, task.timeout)
        };
        if attempt > 1
            && let Some(timeout) = timeout
        {
            self.set_timeout(task, timeout);
        }
        self.schedule(task);
    }

    /// Starts what `task` runs.
    fn schedule(&mut self, task: usize) {
        let Some(spec) = self.spec(task) else {
            return self.break_task(task, "run", "the workflow does not define it any more");
        };
        self.set_state(task, State::Running, None);
        let started = match &spec.with_items {
            Some(items) => self.start_items(task, spec, items),
            None => self.start_run(task, spec, 0, &Map::new()),
        };
        match started {
            Ok(()) => self.check_runs(task),
            Err(RunError::Failed(message)) => self.complete(task, State::Error, Some(message)),
            Err(RunError::Broken(message)) => self.break_task(task, "run", &message),
        }
    }

    /// `task` ends like this, unless a policy has it wait or try again. What it still runs is
    /// given up.
    pub(crate) fn complete(&mut self, task: usize, state: State, info: Option<String>) {
        if !self.execution.tasks[task].state.is_completed() {
            self.give_up(task, None);
            self.mark(task, state, info);
            let settled = self.publish(task).and_then(|()| self.settle(task, true));
            if let Err(message) = settled {
                self.break_task(task, "complete", &message);
            }
        }
    }

    /// A join ends because it can never be met: trying again would change nothing.
    pub(crate) fn complete_unmet(&mut self, task: usize, info: String) {
        self.mark(task, State::Error, Some(info));
        let settled = self.publish(task).and_then(|()| self.settle(task, false));
        if let Err(message) = settled {
            self.break_task(task, "complete", &message);
        }
    }

    /// A person skipped `task`.
    pub(crate) fn complete_skipped(&mut self, task: usize) {
        self.mark(task, State::Skipped, Some("Task was skipped.".to_owned()));
        let settled = self.publish(task).and_then(|()| self.settle(task, false));
        if let Err(message) = settled {
            self.break_task(task, "complete", &message);
        }
    }

    /// `task` is over as its `wait-after` is.
    pub(crate) fn complete_after_wait(&mut self, task: usize, state: State, info: Option<String>) {
        self.mark(task, state, info);
        if let Err(message) = self.settle(task, true) {
            self.break_task(task, "complete", &message);
        }
    }

    /// Asks the policies about the end of `task`, and ends it if they have nothing against it.
    fn settle(&mut self, task: usize, policies: bool) -> Result<(), String> {
        let Some(spec) = self.spec(task) else {
            return Err("the workflow does not define it any more".to_owned());
        };
        if policies && self.after_end(task, spec)? == Verdict::Later {
            return Ok(());
        }
        if let Some(keep) = &spec.keep_result {
            let keep = self
                .evaluate_for(keep, task, &Map::new())
                .map_err(|e| e.to_string())?;
            if !keep.is_truthy() {
                let task = self.execution.task_mut(task);
                for run in &mut task.runs {
                    Arc::make_mut(run).output = Value::Null;
                }
            }
        }
        let now = self.now;
        self.execution.task_mut(task).ended_at = Some(now);
        self.because(|turn| Reason::Ended {
            task: turn.name_of(task),
            state: turn.execution.tasks[task].state,
        });
        self.announce(task);
        self.queue.push_back(Step::Follow(task));
        Ok(())
    }

    /// The definition of `task` cannot be carried out: it and the execution end in ERROR. No
    /// `on-error` can handle that, as in Mistral.
    pub(crate) fn break_task(&mut self, task: usize, doing: &str, error: &str) {
        self.give_up(task, None);
        let message = format!(
            "Failed to {doing} task [error={error}, wf={}, task={}]",
            self.execution.workflow, self.execution.tasks[task].name
        );
        let now = self.now;
        let broken = self.execution.task_mut(task);
        broken.processed = true;
        broken.ended_at = Some(now);
        self.set_state(task, State::Error, Some(message.clone()));
        self.end(State::Error, Some(message));
    }

    /// Publishes what `task` publishes in its state.
    fn publish(&mut self, task: usize) -> Result<(), String> {
        let Some(spec) = self.spec(task) else {
            return Ok(());
        };
        let Some(publish) = publish_of(spec, self.execution.tasks[task].state) else {
            return Ok(());
        };
        let data = self.task_data(task, &Map::new());
        let mut evaluate = |template: &Option<Template>| match template {
            None => Ok(Arc::default()),
            Some(template) => match self.evaluate(template, &data, Some(task)) {
                Ok(Value::Map(map)) => Ok(map),
                Ok(other) => Err(format!(
                    "what is published must be an object, got {}",
                    other.kind()
                )),
                Err(error) => Err(error.to_string()),
            },
        };
        let branch = evaluate(&publish.branch)?;
        let global = evaluate(&publish.global)?;
        let atomic = evaluate(&publish.atomic)?;
        if !branch.is_empty() {
            self.because(|turn| Reason::Published {
                task: turn.name_of(task),
                scope: "branch",
                variables: Arc::clone(&branch),
            });
        }
        self.execution.task_mut(task).published = branch;
        self.outbound = None;
        for published in [global, atomic] {
            if !published.is_empty() {
                // The new values over the old ones, maps merged deeply.
                let merged = crate::context::filled_up(&published, &self.execution.globals);
                self.execution.globals = Arc::new(merged);
                self.because(|turn| Reason::Published {
                    task: turn.name_of(task),
                    scope: "global",
                    variables: published,
                });
            }
        }
        Ok(())
    }

    /// Sets a timer for `task`, `delay` milliseconds from now.
    pub(crate) fn set_timer(&mut self, task: usize, delay: i64, purpose: TimerPurpose) {
        let id = TimerId(format!(
            "{}/{}",
            self.execution.tasks[task].id, self.execution.ids
        ));
        self.execution.ids += 1;
        let at = self.now.saturating_add(delay);
        self.because(|turn| Reason::Timer {
            task: turn.name_of(task),
            purpose: purpose.name(),
            after: delay,
        });
        self.execution
            .timers
            .insert(id.clone(), Timer { task, at, purpose });
        self.commands.push(Command::SetTimer { id, at });
    }

    /// Gives up what `task` waits for: actions, sub-workflows (which are told `why`), timers.
    pub(crate) fn give_up(&mut self, task: usize, why: Option<&str>) {
        self.cancel_runs(task, why);
        self.execution.held.remove(&task);
        let timers = self.execution.timers_of(task);
        let timers: Vec<_> = timers.map(|(id, _)| id.clone()).collect();
        for id in timers {
            self.execution.timers.remove(&id);
            self.commands.push(Command::CancelTimer { id });
        }
    }
}

/// What `spec` publishes when the task ends in `state`.
fn publish_of(spec: &Task, state: State) -> Option<&Publish> {
    match state {
        State::Success => Some(&spec.publish.success),
        State::Error => Some(&spec.publish.error),
        State::Skipped => Some(&spec.publish.skip),
        _ => None,
    }
    .filter(|publish| {
        publish.branch.is_some() || publish.global.is_some() || publish.atomic.is_some()
    })
}
