//! Joins: tasks that wait for branches.
//!
//! A join waits while the branches that it still needs can come: that is, while a task at work
//! can lead to them. It fails once they cannot. Only when nothing else can be done in a turn is
//! a join given up, so that a branch that is on its way within the turn is never missed.
//!
//! Looking at a join takes as long as it has branches, so that it is done only when something
//! has happened that can make a difference: the last branch that it needs has come, or a task
//! has ended that could have led to it and did not.

use std::collections::BTreeSet;
use std::sync::Arc;

use ostro_core::State;
use ostro_lang::Join;

use crate::context::Context;
use crate::decide::{Step, Turn};
use crate::reason::{Reason, first};
use crate::task::{Arrivals, Clause, TaskExecution};
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
            let (reopens, again) = (current.reopens, current.again);
            let late = !current.arrivals.by_name.contains_key(&arrival.0);
            if waits || late || reopens {
                let (from, by) = arrival;
                let arrivals = &mut self.execution.task_mut(join).arrivals.by_name;
                arrivals.insert(from, by);
                let arrived = arrivals.len();
                self.join_because(join, if waits || reopens { "waits" } else { "late" }, None);
                if reopens {
                    self.wait_again(join);
                } else if waits && (again || arrived >= self.needed(name)) {
                    self.doubts.insert(join);
                }
                return;
            }
        }
        let arrivals = Arrivals {
            by_name: [arrival].into_iter().collect(),
        };
        let join = self.create(name, State::Idle, Context::default(), arrivals);
        self.execution.task_mut(join).again = latest.is_some();
        self.set_state(join, State::Waiting, Some("Task is waiting.".to_owned()));
        self.join_because(join, "waits", None);
        self.doubts.insert(join);
    }

    /// Notes how a join stands; without `missing`, what has not come is.
    fn join_because(&mut self, join: usize, standing: &'static str, missing: Option<&[Arc<str>]>) {
        self.because(|turn| {
            let task = &turn.execution.tasks[join];
            let tasks = &turn.workflow.tasks;
            let arrived = &task.arrivals.by_name;
            let place = tasks.get_index_of(&task.name).unwrap_or(usize::MAX);
            let inbound = turn.workflow.graph.inbound(place).iter();
            let absent = inbound
                .filter_map(|branch| Some(tasks.get_index(*branch)?.0))
                .filter(|name| !arrived.contains_key(*name));
            Reason::Join {
                task: Arc::clone(&task.name),
                standing,
                arrived: arrived.len(),
                needed: turn.needed(&task.name),
                missing: match missing {
                    Some(missing) => first(missing),
                    None => first(absent),
                },
            }
        });
    }

    /// How many branches the join `name` needs.
    fn needed(&self, name: &Arc<str>) -> usize {
        let Some((place, _, spec)) = self.workflow.tasks.get_full(name) else {
            return usize::MAX;
        };
        match spec.join {
            Some(Join::Count(count)) => usize::try_from(count).unwrap_or(usize::MAX),
            Some(Join::All) | None => self.workflow.graph.inbound(place).len(),
        }
    }

    /// Starts joins that are met; if there are none, fails one that cannot be. Whether anything
    /// was done.
    pub(crate) fn refresh_joins(&mut self) -> bool {
        if self.execution.ending.is_some() {
            return false;
        }
        let mut unmet = Vec::new();
        let mut started = false;
        for join in std::mem::take(&mut self.doubts) {
            if self.execution.tasks[join].state != State::Waiting {
                continue;
            }
            match self.standing(join) {
                Standing::Met(branches) => {
                    started = true;
                    self.join_because(join, "met", Some(&[]));
                    self.gather(join, branches);
                    self.mark(join, State::Idle, None);
                    self.queue.push_back(Step::Begin(join));
                }
                Standing::Open => {}
                Standing::Unmet(names) => {
                    self.doubts.insert(join);
                    unmet.push((join, names));
                }
            }
        }
        if !started && let Some((join, names)) = self.first_to_give_up(unmet) {
            self.doubts.remove(&join);
            self.join_because(join, "unmet", Some(&names));
            let arrivals = self.execution.tasks[join].arrivals.by_name.values();
            let branches: Vec<_> = arrivals.map(|(task, _)| *task).collect();
            self.gather(join, branches);
            self.complete_unmet(join, format!("Failed by tasks: {}", list(&names)));
            return true;
        }
        started
    }

    /// Which join is given up first: one that no other leads to, because its end may yet lead
    /// there.
    fn first_to_give_up(
        &self,
        mut unmet: Vec<(usize, Vec<Arc<str>>)>,
    ) -> Option<(usize, Vec<Arc<str>>)> {
        let place = |(join, _): &(usize, Vec<Arc<str>>)| {
            let name = &self.execution.tasks[*join].name;
            self.workflow.tasks.get_index_of(name)
        };
        let is_first = |join: &(usize, Vec<Arc<str>>)| {
            let Some(own) = place(join) else { return true };
            let others = unmet.iter().filter_map(place);
            !self.reachable(others, Some(own))[own]
        };
        let first = match unmet.len() {
            0 => return None,
            1 => 0,
            _ => unmet.iter().position(is_first).unwrap_or(0),
        };
        Some(unmet.swap_remove(first))
    }

    /// `task` has ended and leads to `taken`: joins that it could have led to, by whatever way,
    /// and now may not, are to be looked at again. All others stand as they stood.
    pub(crate) fn doubt_joins_after(&mut self, task: usize, taken: &[Arc<str>]) {
        if self.execution.waiting.is_empty() {
            return;
        }
        let tasks = &self.workflow.tasks;
        let Some(from) = tasks.get_index_of(&self.execution.tasks[task].name) else {
            return;
        };
        let graph = &self.workflow.graph;
        let taken: BTreeSet<usize> = taken
            .iter()
            .filter_map(|name| tasks.get_index_of(name))
            .collect();
        // From here on a way may be lost: what was not taken, and what lies behind joins that
        // wait or came late.
        let outbound = graph.outbound(from).iter().copied();
        let mut left: Vec<usize> = outbound.filter(|target| !taken.contains(target)).collect();
        let waiting: Vec<(usize, usize)> = self
            .execution
            .waiting
            .iter()
            .filter_map(|join| {
                let place = tasks.get_index_of(&self.execution.tasks[*join].name)?;
                Some((*join, place))
            })
            .collect();
        // But not behind the join that it comes to, for that join itself.
        for join in taken.iter().filter(|place| tasks[**place].join.is_some()) {
            let behind = graph.outbound(*join);
            if waiting.iter().any(|(_, place)| place != join) {
                left.extend(behind);
            }
            // A join that is a branch of its own counts as one that can come while anything
            // leads to it.
            if behind.contains(join) {
                left.push(*join);
            }
        }
        if left.is_empty() {
            return;
        }
        let mut reached = vec![false; tasks.len()];
        while let Some(place) = left.pop() {
            if !std::mem::replace(&mut reached[place], true) {
                left.extend(graph.outbound(place));
            }
        }
        let lost = waiting.into_iter().filter(|(_, place)| reached[*place]);
        self.doubts.extend(lost.map(|(join, _)| join));
    }

    /// All joins are to be looked at again.
    pub(crate) fn doubt_all_joins(&mut self) {
        self.doubts.extend(&self.execution.waiting);
    }

    /// Whether all joins that wait can still be met: what is to hold between two turns.
    pub(crate) fn joins_can_be_met(&self) -> bool {
        let mut waiting = self.execution.waiting.iter();
        waiting.all(|join| matches!(self.standing(*join), Standing::Open))
    }

    /// The joins that were given up, and that the task `name` can lead to.
    pub(crate) fn unmet_joins(&self, name: &Arc<str>) -> Vec<usize> {
        let Some(from) = self.workflow.tasks.get_index_of(name) else {
            return Vec::new();
        };
        let reached = self.reachable([from].into_iter(), None);
        let given_up = |(index, task): (usize, &Arc<TaskExecution>)| {
            let (place, _, spec) = self.workflow.tasks.get_full(&task.name)?;
            // One that was given up never started.
            (task.state == State::Error
                && task.started_at.is_none()
                && task.runs.is_empty()
                && spec.join.is_some()
                && reached[place])
                .then_some(index)
        };
        let tasks = self.execution.tasks.iter().enumerate();
        tasks.filter_map(given_up).collect()
    }

    /// Which tasks can still run because `sources` run, without those that only `barred` leads
    /// to.
    fn reachable(&self, sources: impl Iterator<Item = usize>, barred: Option<usize>) -> Vec<bool> {
        let graph = &self.workflow.graph;
        let mut reached = vec![false; self.workflow.tasks.len()];
        let mut left: Vec<usize> = Vec::new();
        for source in sources.filter(|source| Some(*source) != barred) {
            left.extend(graph.outbound(source));
        }
        while let Some(place) = left.pop() {
            if !std::mem::replace(&mut reached[place], true) && Some(place) != barred {
                left.extend(graph.outbound(place));
            }
        }
        reached
    }

    fn standing(&self, join: usize) -> Standing {
        let execution = &self.execution;
        let tasks = &self.workflow.tasks;
        let current = &execution.tasks[join];
        let arrived = &current.arrivals.by_name;
        let Some(place) = tasks.get_index_of(&current.name) else {
            return Standing::Unmet(Vec::new());
        };
        let inbound = self.workflow.graph.inbound(place);
        let needed = self.needed(&current.name);
        let mut branches: Vec<usize> = arrived.values().map(|(task, _)| *task).collect();
        if branches.len() >= needed {
            return Standing::Met(branches);
        }
        let open = execution.open.iter().map(|task| &execution.tasks[*task]);
        let movers = open.filter(|task| task.state != State::Waiting);
        let movers: BTreeSet<usize> = movers
            .filter_map(|task| tasks.get_index_of(&task.name))
            .collect();
        let reachable = self.reachable(movers.iter().copied(), Some(place));
        let mut never = Vec::new();
        for branch in inbound {
            let (name, _) = tasks.get_index(*branch).unzip();
            let Some(name) = name.filter(|name| !arrived.contains_key(*name)) else {
                continue;
            };
            if movers.contains(branch) || reachable[*branch] {
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
    fn gather(&mut self, join: usize, mut branches: Vec<usize>) {
        branches.sort_unstable();
        let contexts: Vec<_> = branches
            .iter()
            .map(|task| self.execution.outbound(*task))
            .collect();
        self.execution.task_mut(join).context = Context::merged(&contexts);
        self.outbound = None;
    }
}
