//! Tasks that repeat over items.

use std::sync::Arc;

use ostro_core::{Map, State, Value};
use ostro_lang::{Task, WithItems};

use crate::decide::Turn;
use crate::event::Change;
use crate::reason::Reason;
use crate::runs::RunError;
use crate::task::{Items, Run};

/// How many items a task may have. All their results are kept.
const MAX_ITEMS: usize = 100_000;

impl Turn<'_> {
    /// Finds the items of `task` and starts as many as may run at a time.
    pub(crate) fn start_items(
        &mut self,
        task: usize,
        spec: &Task,
        with_items: &WithItems,
    ) -> Result<(), RunError> {
        let concurrency = self
            .concurrency(task, with_items.concurrency.as_ref())
            .map_err(RunError::Broken)?;
        let data = self.task_data(task, &Map::new());
        let mut lists: Vec<(Arc<str>, Value)> = Vec::with_capacity(with_items.items.len());
        for (variable, template) in &with_items.items {
            let value = self
                .evaluate(template, &data, Some(task))
                .map_err(|error| RunError::Broken(error.to_string()))?;
            let list = match value {
                Value::List(_) => value,
                // Python iterates over the keys.
                Value::Map(map) => map.keys().map(|key| Value::from(Arc::clone(key))).collect(),
                other => {
                    return Err(RunError::Broken(format!(
                        "with-items needs a list for {variable}, got {}",
                        other.kind()
                    )));
                }
            };
            lists.push((Arc::clone(variable), list));
        }
        let lengths: Vec<_> = lists
            .iter()
            .map(|(_, list)| list.as_list().map_or(0, <[Value]>::len))
            .collect();
        let count = lengths.first().copied().unwrap_or_default();
        if lengths.iter().any(|length| *length != count) {
            return Err(RunError::Broken(format!(
                "with-items needs lists of the same length, got {lengths:?}"
            )));
        }
        if count > MAX_ITEMS {
            return Err(RunError::Broken(format!(
                "with-items runs over {MAX_ITEMS} items at most, got {count}"
            )));
        }
        self.execution.task_mut(task).items = Some(Items {
            lists,
            count,
            concurrency,
            chosen: None,
            next: 0,
            running: 0,
            done: 0,
        });
        self.because(|turn| Reason::Items {
            task: turn.name_of(task),
            count,
            concurrency,
        });
        self.recount_items(task);
        self.fill(task, spec)
    }

    /// Counts anew which items of `task` have ended and stay so, and which ones run: after a
    /// rerun, some have and do.
    pub(crate) fn recount_items(&mut self, task: usize) {
        let task = self.execution.task_mut(task);
        let Some(items) = &mut task.items else {
            return;
        };
        let mut chosen = vec![true; items.count];
        (items.next, items.running, items.done) = (0, 0, 0);
        for run in &task.runs {
            let ended = run.state.is_completed();
            if let Some(free) = chosen.get_mut(run.index)
                && (run.accepted || !ended)
            {
                *free = false;
                items.done += usize::from(ended);
                items.running += usize::from(!ended);
            }
        }
        items.chosen = (items.done + items.running > 0).then(|| {
            let free = chosen.iter().enumerate().filter(|(_, free)| **free);
            free.map(|(index, _)| index).collect()
        });
    }

    /// Starts items of `task` while there are more and they may run.
    fn fill(&mut self, task: usize, spec: &Task) -> Result<(), RunError> {
        loop {
            let Some(items) = &self.execution.tasks[task].items else {
                return Ok(());
            };
            let Some(index) = items.upcoming() else {
                return Ok(());
            };
            let mut variables = Map::with_capacity(items.lists.len());
            for (variable, list) in &items.lists {
                let item = list.index(index).cloned().unwrap_or_default();
                variables.insert(Arc::clone(variable), item);
            }
            if let Some(items) = &mut self.execution.task_mut(task).items {
                items.next += 1;
            }
            self.start_run(task, spec, index, &variables)?;
            let current = self.execution.task_mut(task);
            let over_at_once = current
                .runs
                .last()
                .is_some_and(|run| run.state.is_completed());
            if let Some(items) = &mut current.items {
                items.done += usize::from(over_at_once);
                items.running += usize::from(!over_at_once);
            }
        }
    }

    /// One item of `task` has ended, in `state`.
    pub(crate) fn item_finished(&mut self, task: usize, spec: &Task, state: State) {
        if let Some(items) = &mut self.execution.task_mut(task).items {
            items.done += 1;
            items.running = items.running.saturating_sub(1);
        }
        if state == State::Cancelled {
            let info = "One or more actions was cancelled.".to_owned();
            return self.complete(task, State::Cancelled, Some(info));
        }
        if self.execution.state == State::Running {
            self.fill_up(task, spec);
        }
        if !self.execution.tasks[task].state.is_completed() {
            self.check_items(task);
        }
    }

    /// Starts items for which there is room.
    pub(crate) fn fill_up(&mut self, task: usize, spec: &Task) {
        match self.fill(task, spec) {
            Ok(()) => {}
            Err(RunError::Failed(message)) => self.complete(task, State::Error, Some(message)),
            Err(RunError::Broken(message)) => self.break_task(task, "run", &message),
        }
    }

    /// Tells how far `task` is, and ends it if all its items have ended.
    pub(crate) fn check_items(&mut self, task: usize) {
        let current = &self.execution.tasks[task];
        let Some(items) = &current.items else {
            return;
        };
        let (done, total) = (items.done, items.count);
        self.changes.push(Change::Items {
            id: current.id.clone(),
            name: Arc::clone(&current.name),
            done,
            total,
        });
        if done == total {
            let failed = |run: &Arc<Run>| run.accepted && run.state == State::Error;
            if current.runs.iter().any(failed) {
                let info = "One or more actions had failed.".to_owned();
                self.complete(task, State::Error, Some(info));
            } else {
                self.complete(task, State::Success, None);
            }
        }
    }
}
