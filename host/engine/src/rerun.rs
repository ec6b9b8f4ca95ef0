//! Tasks that failed run again, or are skipped, and with them the executions that have ended.

use std::sync::Arc;

use ostro_core::{ExecutionId, Map, State, TaskExecutionId, Value};
use ostro_lang::Workflow;

use crate::decide::{Step, Turn};
use crate::error::EngineError;
use crate::event::Command;
use crate::execution::Execution;
use crate::task::{Dropped, RunRef};

impl Execution {
    /// Whether the task execution `task` can run again: it has to be in ERROR, and the
    /// execution neither paused nor in SUCCESS. Only a with-items task can run again without
    /// `reset`, and only what does not run takes changes of the environment.
    ///
    /// The driver asks this before it takes [`EventKind::Rerun`](crate::EventKind::Rerun) and,
    /// with `reset`, [`EventKind::Skipped`](crate::EventKind::Skipped), and asks the executions
    /// above by [`Execution::may_reopen`].
    pub fn may_rerun(
        &self,
        workflow: &Workflow,
        task: &TaskExecutionId,
        reset: bool,
        changes_env: bool,
    ) -> Result<(), EngineError> {
        self.failed_task(workflow, task, reset, changes_env)
            .map(drop)
    }

    /// Whether this execution can run again because one of its sub-workflows does: one that
    /// ended in SUCCESS cannot.
    pub fn may_reopen(&self) -> Result<(), EngineError> {
        match self.state {
            State::Success => Err(EngineError::Succeeded {
                workflow: Arc::clone(&self.workflow),
            }),
            _ => Ok(()),
        }
    }

    fn failed_task(
        &self,
        workflow: &Workflow,
        id: &TaskExecutionId,
        reset: bool,
        changes_env: bool,
    ) -> Result<usize, EngineError> {
        let found = self.tasks.iter().position(|task| task.id == *id);
        let found = found.ok_or_else(|| EngineError::UnknownTask(id.clone()))?;
        let task = &self.tasks[found];
        if task.state != State::Error {
            return Err(EngineError::NotFailed {
                task: Arc::clone(&task.name),
                state: task.state,
            });
        }
        self.may_reopen()?;
        if self.state == State::Paused {
            return Err(EngineError::Paused {
                workflow: Arc::clone(&self.workflow),
            });
        }
        let spec = workflow.tasks.get(&task.name);
        if !reset && spec.is_none_or(|spec| spec.with_items.is_none()) {
            return Err(EngineError::NoItems {
                task: Arc::clone(&task.name),
            });
        }
        if changes_env && self.state == State::Running {
            return Err(EngineError::EnvironmentInUse {
                workflow: Arc::clone(&self.workflow),
            });
        }
        Ok(found)
    }
}

impl Turn<'_> {
    /// A person has a task run again that failed.
    pub(crate) fn rerun(&mut self, id: &TaskExecutionId, reset: bool, env: Option<&Map>) {
        let Some(task) = self.revive(id, reset, env) else {
            return;
        };
        let again = self.execution.task_mut(task);
        again.attempt = 1;
        again.paused_before = false;
        again.waited_after = false;
        again.timeout = None;
        again.started_at = None;
        again.reopens = false;
        for run in &mut again.runs {
            let failed = matches!(run.state, State::Error | State::Cancelled);
            if reset || failed {
                Arc::make_mut(run).accepted = false;
            }
        }
        self.begin_again(task);
    }

    /// A person has what follows a task come although it failed.
    pub(crate) fn skip(&mut self, id: &TaskExecutionId, env: Option<&Map>) {
        let Some(task) = self.revive(id, true, env) else {
            return;
        };
        self.execution.task_mut(task).reopens = false;
        self.complete_skipped(task);
    }

    /// The task that failed, once its execution runs again and its end is undone.
    fn revive(&mut self, id: &TaskExecutionId, reset: bool, env: Option<&Map>) -> Option<usize> {
        let task = self.failed(id, reset, env)?;
        self.reopen(task);
        if self.execution.state.is_completed() {
            return None;
        }
        self.forget_arrivals(task);
        self.undo_end(task);
        Some(task)
    }

    fn failed(&mut self, id: &TaskExecutionId, reset: bool, env: Option<&Map>) -> Option<usize> {
        let changes = env.is_some_and(|env| !env.is_empty());
        let found = self
            .execution
            .failed_task(self.workflow, id, reset, changes);
        let task = found.ok()?;
        if let Some(env) = env {
            self.change_env(env);
        }
        Some(task)
    }

    /// The execution runs again, if it has ended, because of the task execution `cause`. What
    /// its end broke off is taken up again, and what it left undone is done.
    fn reopen(&mut self, cause: usize) {
        self.doubt_all_joins();
        if !self.execution.state.is_completed() {
            return;
        }
        self.execution.ended_at = None;
        self.execution.output = None;
        self.set_execution_state(State::Running, None);
        self.report(State::Running);
        for task in 0..self.execution.tasks.len() {
            if task == cause {
                continue;
            }
            let current = &self.execution.tasks[task];
            if let Some(dropped) = current.dropped.clone() {
                self.take_up(task, dropped);
                if self.execution.state.is_completed() {
                    return;
                }
            } else if current.state.is_completed() && !current.processed {
                self.queue.push_back(Step::Follow(task));
            }
        }
        let backlog = std::mem::take(&mut self.execution.backlog);
        self.dispatch(backlog);
    }

    /// `task`, which the end of the execution broke off, goes on from where it was.
    fn take_up(&mut self, task: usize, dropped: Dropped) {
        self.undo_end(task);
        if dropped.state == State::Waiting {
            self.set_state(task, State::Waiting, Some("Task is waiting.".to_owned()));
            self.doubts.insert(task);
        } else if dropped.state.is_completed() {
            self.complete_after_wait(task, dropped.state, dropped.info);
        } else {
            self.begin_again(task);
        }
    }

    /// Has `task` begin; its items that have ended well stay as they are.
    fn begin_again(&mut self, task: usize) {
        self.execution.task_mut(task).items = None;
        self.mark(task, State::Idle, None);
        self.queue.push_back(Step::Begin(task));
    }

    /// Takes back what was decided at the end of `task`.
    fn undo_end(&mut self, task: usize) {
        let task = self.execution.task_mut(task);
        task.processed = false;
        task.error_handled = false;
        task.ended_at = None;
        task.dropped = None;
        task.next.clear();
    }

    /// What `task` once led to does not count any more: a join that waits does not have it as a
    /// branch, and one that was given up waits again when it comes.
    fn forget_arrivals(&mut self, task: usize) {
        let current = &self.execution.tasks[task];
        let name = Arc::clone(&current.name);
        for (target, _) in current.next.clone() {
            let Some(&join) = self.execution.latest.get(&target) else {
                continue;
            };
            let waits = self.execution.tasks[join].state == State::Waiting;
            let arrivals = &self.execution.tasks[join].arrivals.by_name;
            if waits && arrivals.get(&name).is_some_and(|(from, _)| *from == task) {
                let join = self.execution.task_mut(join);
                join.arrivals.by_name.remove(&name);
            }
        }
        for join in self.unmet_joins(&name) {
            self.execution.task_mut(join).reopens = true;
        }
    }

    /// A join that was given up waits again, as a branch has come to it after all.
    pub(crate) fn wait_again(&mut self, join: usize) {
        self.undo_end(join);
        self.execution.task_mut(join).reopens = false;
        self.set_state(join, State::Waiting, Some("Task is waiting.".to_owned()));
        self.doubts.insert(join);
    }

    /// A sub-workflow runs again that had ended. Its task takes it back; if none can, it is
    /// stopped, for nothing may be at work in nobody's name.
    pub(crate) fn take_back(&mut self, id: &ExecutionId) {
        let Some(at) = self.awaited_again(id) else {
            return self.commands.push(Command::StopChild {
                id: id.clone(),
                state: State::Cancelled,
                message: Some("Its task does not wait for it any more.".to_owned()),
            });
        };
        let ended = self.execution.tasks[at.task].state.is_completed();
        if ended {
            self.forget_arrivals(at.task);
            self.undo_end(at.task);
        }
        let task = self.execution.task_mut(at.task);
        let run = task.run_mut(at.run);
        run.state = State::Running;
        run.accepted = false;
        run.output = Value::Null;
        run.ended_at = None;
        self.execution.take_off(id.as_str(), at);
        self.recount_items(at.task);
        if ended {
            self.set_state(at.task, State::Running, None);
        }
        if self.execution.state.is_completed() {
            self.reopen(at.task);
        } else {
            self.run_resumed(at);
        }
        if self.execution.state == State::Running
            && let Some(spec) = self.spec(at.task)
            && spec.with_items.is_some()
        {
            self.fill_up(at.task, spec);
        }
    }

    /// The run of the sub-workflow `id`, if its task can still make use of it: the task failed
    /// or was broken off, or has other items at work, and nothing runs in its place.
    fn awaited_again(&self, id: &ExecutionId) -> Option<RunRef> {
        if matches!(self.execution.state, State::Success | State::Idle) {
            return None;
        }
        let mut tasks = self.execution.tasks.iter().enumerate().rev();
        let (task, run) = tasks.find_map(|(index, task)| {
            let run = task.runs.iter().rposition(|run| run.id() == id.as_str())?;
            Some((index, run))
        })?;
        let current = &self.execution.tasks[task];
        let run_state = current.runs[run].state;
        let counts = current.runs[run].accepted || current.dropped.is_some();
        let stands = match current.state {
            State::Error | State::Cancelled => true,
            State::Running | State::Paused => current.items.is_some(),
            _ => false,
        };
        let index = current.runs[run].index;
        let mut later = current.runs.iter().skip(run + 1);
        let replaced = later.any(|run| run.index == index);
        let failed = matches!(run_state, State::Error | State::Cancelled);
        (counts && stands && failed && !replaced).then_some(RunRef { task, run })
    }
}
