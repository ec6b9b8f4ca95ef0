//! Joins: tasks that wait for branches.
//!
//! A join waits while the branches that it still needs can come: that is, while a task at work
//! can lead to them. It fails once they cannot. Only when nothing else can be done in a turn is
//! a join given up, so that a branch that is on its way within the turn is never missed.

use std::sync::Arc;

use ostro_core::State;
use ostro_lang::Join;

use crate::context::Context;
use crate::decide::{Step, Turn};
use crate::task::{Arrivals, Clause};
use crate::text::list;

/// How a join stands.
enum Standing {
    /// It is met, by these task executions.
    Met(Vec<usize>),
    /// It can still be met.
    Open,
    /// It can not: the tasks that will not come.
    Unmet(Vec<Arc<str>>),
}

impl Turn<'_> {
    /// A branch comes to the join `name`.
    ///
    /// It arrives at the execution that waits. Otherwise it is either late, its join having
    /// started without it, or it comes for another round: a branch that this join has had
    /// already starts a new execution of it.
    pub(crate) fn arrive(&mut self, name: &Arc<str>, arrival: (Arc<str>, (usize, Clause))) {
        let latest = self.execution.latest.get(name).copied();
        if let Some(join) = latest {
            let current = &self.execution.tasks[join];
            let waits = current.state == State::Waiting;
            let reopens = current.reopens;
            let late = !current.arrivals.by_name.contains_key(&arrival.0);
            if waits || late || reopens {
                let (from, by) = arrival;
                self.execution
                    .task_mut(join)
                    .arrivals
                    .by_name
                    .insert(from, by);
                if reopens {
                    self.wait_again(join);
                }
                return;
            }
        }
        let arrivals = Arrivals {
            by_name: [arrival].into_iter().collect(),
        };
        let join = self.create(name, State::Idle, Context::default(), arrivals);
        self.set_state(join, State::Waiting, Some("Task is waiting.".to_owned()));
    }

    /// Starts joins that are met; if there are none, fails one that cannot be. Whether anything
    /// was done.
    pub(crate) fn refresh_joins(&mut self) -> bool {
        if self.execution.ending.is_some() {
            return false;
        }
        let open = self.execution.open.iter().copied();
        let waiting: Vec<usize> = open
            .filter(|task| self.execution.tasks[*task].state == State::Waiting)
            .collect();
        let mut unmet = None;
        let mut started = false;
        for join in waiting {
            match self.standing(join) {
                Standing::Met(branches) => {
                    started = true;
                    self.gather(join, &branches);
                    self.mark(join, State::Idle, None);
                    self.queue.push_back(Step::Begin(join));
                }
                Standing::Open => {}
                Standing::Unmet(names) => {
                    unmet.get_or_insert((join, names));
                }
            }
        }
        if let (false, Some((join, names))) = (started, unmet) {
            let arrivals = self.execution.tasks[join].arrivals.by_name.values();
            let branches: Vec<_> = arrivals.map(|(task, _)| *task).collect();
            self.gather(join, &branches);
            self.complete_unmet(join, format!("Failed by tasks: {}", list(&names)));
            return true;
        }
        started
    }

    /// The joins that were given up, and that the task `name` can lead to.
    pub(crate) fn unmet_joins(&self, name: &Arc<str>) -> Vec<usize> {
        let mut unmet = Vec::new();
        for (index, task) in self.execution.tasks.iter().enumerate() {
            // One that was given up never started.
            if task.state == State::Error
                && task.started_at.is_none()
                && task.runs.is_empty()
                && self.spec(index).is_some_and(|spec| spec.join.is_some())
                && self
                    .graph
                    .reachable(std::iter::once(name), "")
                    .contains(&*task.name)
            {
                unmet.push(index);
            }
        }
        unmet
    }

    fn standing(&self, join: usize) -> Standing {
        let execution = &self.execution;
        let current = &execution.tasks[join];
        let inbound = self.graph.inbound(&current.name);
        let needed = match self.spec(join).and_then(|spec| spec.join) {
            Some(Join::Count(count)) => usize::try_from(count).unwrap_or(usize::MAX),
            Some(Join::All) | None => inbound.len(),
        };
        let mut branches = Vec::new();
        let mut absent = Vec::new();
        for name in inbound {
            match current.arrivals.by_name.get(&***name) {
                Some((task, _)) => branches.push(*task),
                None => absent.push(*name),
            }
        }
        if branches.len() >= needed {
            return Standing::Met(branches);
        }
        let movers = execution.open.iter().map(|task| &execution.tasks[*task]);
        let movers: Vec<_> = movers.filter(|task| task.state != State::Waiting).collect();
        let reachable = self
            .graph
            .reachable(movers.iter().map(|task| &task.name), &current.name);
        let mut never = Vec::new();
        for name in absent {
            let at_work = movers.iter().any(|task| task.name == *name);
            if at_work || reachable.contains(&**name) {
                continue;
            }
            // A branch that will not come again but came in an earlier round still counts.
            let earlier = execution.latest.get(name).copied().filter(|task| {
                let next = &execution.tasks[*task].next;
                next.iter().any(|(target, _)| *target == current.name)
            });
            match earlier {
                Some(task) => branches.push(task),
                None => never.push(Arc::clone(name)),
            }
        }
        if branches.len() >= needed {
            Standing::Met(branches)
        } else if never.len() > inbound.len().saturating_sub(needed) || needed > inbound.len() {
            Standing::Unmet(never)
        } else {
            Standing::Open
        }
    }

    /// Gives the join what its branches hand on.
    fn gather(&mut self, join: usize, branches: &[usize]) {
        let mut branches = branches.to_vec();
        branches.sort_unstable();
        let contexts: Vec<_> = branches
            .iter()
            .map(|task| self.execution.outbound(*task))
            .collect();
        self.execution.task_mut(join).context = Context::merged(&contexts);
    }
}
