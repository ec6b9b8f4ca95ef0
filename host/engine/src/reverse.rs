//! Reverse workflows: a task runs because another one requires it.

use std::collections::BTreeSet;
use std::sync::Arc;

use ostro_core::State;

use crate::context::Context;
use crate::decide::{Step, Turn};
use crate::task::Arrivals;

impl Turn<'_> {
    /// Starts the tasks on the way to the wanted one whose requirements have succeeded.
    pub(crate) fn start_satisfied(&mut self) {
        let Some(target) = self.execution.params.task_name.clone() else {
            return self.end(
                State::Error,
                Some(
                    "a reverse workflow needs to know which task to reach: give it as parameter \
                     'task_name'"
                        .to_owned(),
                ),
            );
        };
        if !self.workflow.tasks.contains_key(&target) {
            return self.end(
                State::Error,
                Some(format!(
                    "Invalid task name [workflow={}, task_name={target}]",
                    self.workflow.name
                )),
            );
        }
        for name in self.way_to(&target) {
            if !self.execution.latest.contains_key(&name) && self.is_satisfied(&name) {
                let contexts: Vec<_> = self
                    .required(&name)
                    .iter()
                    .map(|task| self.execution.outbound(*task))
                    .collect();
                let context = Context::merged(&contexts);
                let task = self.create(&name, State::Idle, context, Arrivals::default());
                self.queue.push_back(Step::Begin(task));
            }
        }
    }

    /// All that `target` requires, however indirectly, and itself: what is required first.
    fn way_to(&self, target: &Arc<str>) -> Vec<Arc<str>> {
        let mut order = Vec::new();
        let mut seen = BTreeSet::new();
        let mut stack = vec![(Arc::clone(target), false)];
        while let Some((name, expanded)) = stack.pop() {
            if expanded {
                order.push(name);
            } else if seen.insert(Arc::clone(&name)) {
                let requires = self.workflow.tasks.get(&name).map(|task| &task.requires);
                stack.push((name, true));
                stack.extend(
                    requires
                        .into_iter()
                        .flatten()
                        .rev()
                        .map(|name| (Arc::clone(name), false)),
                );
            }
        }
        order
    }

    fn is_satisfied(&self, name: &Arc<str>) -> bool {
        let required = self
            .workflow
            .tasks
            .get(name)
            .map_or(0, |task| task.requires.len());
        self.required(name).len() == required
    }

    /// The executions of what the task `name` requires that have succeeded.
    fn required(&self, name: &Arc<str>) -> Vec<usize> {
        let requires = self.workflow.tasks.get(name).map(|task| &task.requires);
        requires
            .into_iter()
            .flatten()
            .filter_map(|name| self.execution.latest.get(name).copied())
            .filter(|task| self.execution.tasks[*task].state == State::Success)
            .collect()
    }
}
