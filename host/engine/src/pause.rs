//! Pause and resume, up and down the tree of executions.
//!
//! A sub-workflow that pauses pauses its parent, and a parent its sub-workflows. So that these
//! two never chase each other, an execution tells its parent only of what the parent did not
//! say itself.

use std::sync::Arc;

use ostro_core::{ActionExecutionId, ExecutionId, Map, State, Value};

use crate::context::filled_up;
use crate::decide::{Step, Turn};
use crate::event::Command;
use crate::task::{RunKind, RunRef};

/// Who has an execution pause or go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The execution itself, one of its sub-workflows, or a person.
    Own,
    /// The parent, which knows.
    Parent,
}

impl Turn<'_> {
    /// Pauses the execution and its sub-workflows. What is in flight goes on; nothing new starts.
    pub(crate) fn pause(&mut self, message: Option<String>, by: Origin) {
        if self.execution.state != State::Running {
            return;
        }
        self.set_execution_state(State::Paused, message);
        for (at, id) in self.children() {
            let run = self.execution.task_mut(at.task).run_mut(at.run);
            if run.state == State::Running {
                run.state = State::Paused;
                self.commands.push(Command::PauseChild { id });
            }
            self.pause_task(at.task);
        }
        if by == Origin::Own {
            self.report(State::Paused);
        }
    }

    /// Has the execution and its sub-workflows go on, with `env` over its environment.
    pub(crate) fn resume(&mut self, env: Option<&Arc<Map>>, by: Origin) {
        let paused = self.execution.state == State::Paused;
        // A sub-workflow that runs already still sees the changes of the environment.
        let runs = by == Origin::Parent && self.execution.state == State::Running;
        if !(paused || runs && env.is_some()) {
            return;
        }
        if let Some(env) = env {
            self.change_env(env);
        }
        if paused {
            self.set_execution_state(State::Running, None);
        }
        for (at, id) in self.children() {
            let run = self.execution.task_mut(at.task).run_mut(at.run);
            let waited = std::mem::replace(&mut run.state, State::Running) == State::Paused;
            if waited || env.is_some() {
                let env = env.cloned();
                self.commands.push(Command::ResumeChild { id, env });
            }
            self.resume_task(at.task);
        }
        if !paused {
            return;
        }
        if by == Origin::Own {
            self.report(State::Running);
        }
        self.start_what_waited();
    }

    /// Starts what the pause held up.
    fn start_what_waited(&mut self) {
        self.doubt_all_joins();
        let open: Vec<usize> = self.execution.open.iter().copied().collect();
        let ended: Vec<usize> = (0..self.execution.tasks.len())
            .filter(|task| {
                let task = &self.execution.tasks[*task];
                task.state.is_completed() && !task.processed
            })
            .collect();
        let backlog = std::mem::take(&mut self.execution.backlog);
        let held = std::mem::take(&mut self.execution.held);
        for task in &open {
            if self.execution.tasks[*task].state == State::Idle {
                self.queue.push_back(Step::Begin(*task));
            }
        }
        self.dispatch(backlog);
        for task in ended {
            if self.execution.state.is_completed() {
                return;
            }
            self.follow_after_pause(task);
        }
        for task in held {
            if !self.execution.state.is_completed() {
                self.go_on(task);
            }
        }
        for task in open {
            let current = &self.execution.tasks[task];
            if matches!(current.state, State::Running | State::Paused)
                && current.items.is_some()
                && !self.execution.state.is_completed()
                && let Some(spec) = self.spec(task)
            {
                self.fill_up(task, spec);
                if !self.execution.tasks[task].state.is_completed() {
                    self.check_items(task);
                }
            }
        }
    }

    /// Puts `env` over the environment, maps merged deeply.
    pub(crate) fn change_env(&mut self, env: &Map) {
        if !env.is_empty() {
            self.execution.params.env = Arc::new(filled_up(env, &self.execution.params.env));
        }
    }

    /// Tells the parent, if there is one, that this execution is in `state`.
    pub(crate) fn report(&mut self, state: State) {
        if self.execution.params.task_execution_id.is_some() {
            self.commands.push(Command::Report { state });
        }
    }

    /// Something that `task` runs has paused.
    fn pause_task(&mut self, task: usize) {
        if self.execution.tasks[task].state == State::Running {
            self.set_state(task, State::Paused, None);
        }
    }

    /// Something that `task` runs goes on.
    fn resume_task(&mut self, task: usize) {
        let current = &self.execution.tasks[task];
        let pauses = current.runs.iter().any(|run| run.state == State::Paused);
        if current.state == State::Paused && !pauses {
            self.set_state(task, State::Running, None);
        }
    }

    /// The run `at` has paused, and with it the execution.
    fn run_paused(&mut self, at: RunRef) {
        let run = self.execution.task_mut(at.task).run_mut(at.run);
        run.state = State::Paused;
        self.pause_task(at.task);
        self.pause(None, Origin::Own);
    }

    /// What `task` runs goes on, and with it the execution, unless something else pauses it.
    pub(crate) fn run_resumed(&mut self, at: RunRef) {
        let run = self.execution.task_mut(at.task).run_mut(at.run);
        run.state = State::Running;
        self.resume_task(at.task);
        let mut open = self.execution.open.iter();
        if !open.any(|task| self.execution.tasks[*task].state == State::Paused) {
            self.resume(None, Origin::Own);
        }
    }

    /// A sub-workflow says how it stands.
    pub(crate) fn child_changed(&mut self, id: &ExecutionId, state: State) {
        match (self.execution.run_in_flight(id.as_str()), state) {
            (Some(at), State::Paused) => self.run_paused(at),
            (Some(at), State::Running) => self.run_resumed(at),
            (None, State::Running) => self.take_back(id),
            _ => {}
        }
    }

    /// Somebody says how an action stands. As in Mistral, only one that is finished from
    /// outside pauses.
    pub(crate) fn action_changed(&mut self, id: &ActionExecutionId, state: State) {
        let Some(at) = self.execution.run_in_flight(id.as_str()) else {
            return;
        };
        let run = &self.execution.tasks[at.task].runs[at.run];
        match state {
            State::Paused if run.deferred => self.run_paused(at),
            State::Running if run.deferred && run.state == State::Paused => self.run_resumed(at),
            State::Cancelled => {
                self.execution.land(id.as_str());
                self.finish_run(at, State::Cancelled, Value::Null);
                self.run_finished(at, State::Cancelled, None);
            }
            _ => {}
        }
    }

    /// The sub-workflows in flight.
    fn children(&self) -> Vec<(RunRef, ExecutionId)> {
        let runs = self.execution.in_flight.values();
        runs.filter_map(
            |at| match &self.execution.tasks[at.task].runs[at.run].kind {
                RunKind::Child { id, .. } => Some((*at, id.clone())),
                RunKind::Action { .. } => None,
            },
        )
        .collect()
    }
}
