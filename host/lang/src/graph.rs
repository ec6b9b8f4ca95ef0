//! Which tasks can follow which, as the definition has it.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::{Target, Task};

/// The transitions of a direct workflow as a graph: its tasks are named by their places among
/// [`Workflow::tasks`](crate::Workflow::tasks). It is made once, when the definition is parsed.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    inbound: Vec<Vec<usize>>,
    outbound: Vec<Vec<usize>>,
}

impl Graph {
    pub(crate) fn new(tasks: &IndexMap<Arc<str>, Arc<Task>>) -> Self {
        let mut inbound = vec![Vec::new(); tasks.len()];
        let mut outbound = Vec::with_capacity(tasks.len());
        // The last task that led to each, so that each pair of tasks counts once.
        let mut last = vec![usize::MAX; tasks.len()];
        for (index, task) in tasks.values().enumerate() {
            let mut targets = Vec::new();
            let all = &task.transitions;
            for transition in [
                &all.on_success,
                &all.on_error,
                &all.on_complete,
                &all.on_skip,
            ]
            .into_iter()
            .flatten()
            {
                if let Target::Task(name) = &transition.target
                    && let Some(target) = tasks.get_index_of(name)
                    && last[target] != index
                {
                    last[target] = index;
                    inbound[target].push(index);
                    targets.push(target);
                }
            }
            outbound.push(targets);
        }
        Self { inbound, outbound }
    }

    /// The tasks that can lead to `task`, in the order of the definition.
    pub fn inbound(&self, task: usize) -> &[usize] {
        self.inbound.get(task).map_or(&[], Vec::as_slice)
    }

    /// The tasks that `task` can lead to, in the order of its transitions.
    pub fn outbound(&self, task: usize) -> &[usize] {
        self.outbound.get(task).map_or(&[], Vec::as_slice)
    }
}
