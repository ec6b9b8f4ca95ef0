//! The tasks of a workflow by number, and how they follow each other.

use rustc_hash::FxHashMap;

use crate::{Join, Target, Task, Transition, Workflow, WorkflowKind};

/// On what a transition is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Event {
    Success,
    Error,
    Complete,
    Skip,
}

impl Event {
    /// As the DSL writes it.
    pub(super) fn key(self) -> &'static str {
        match self {
            Event::Success => "on-success",
            Event::Error => "on-error",
            Event::Complete => "on-complete",
            Event::Skip => "on-skip",
        }
    }
}

/// A way from one task to another.
#[derive(Clone, Debug)]
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) event: Event,
    pub(super) conditional: bool,
}

/// When a task starts that several tasks lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// Each time that one of them leads to it.
    Each,
    /// Once so many of them have led to it.
    Count(usize),
    /// Once all of them have led to it.
    All,
}

/// A workflow as a graph.
pub(super) struct Graph<'w> {
    pub(super) workflow: &'w Workflow,
    pub(super) tasks: Vec<&'w Task>,
    pub(super) numbers: FxHashMap<&'w str, usize>,
    pub(super) edges: Vec<Edge>,
    /// The edges that lead to each task, those of one source beside each other.
    pub(super) into: Vec<Vec<usize>>,
    /// The edges that leave each task.
    pub(super) out: Vec<Vec<usize>>,
    pub(super) starts: Vec<usize>,
    pub(super) reached: Vec<bool>,
    /// The tasks that can be reached, each after the tasks that lead to it where there is no cycle.
    pub(super) order: Vec<usize>,
}

/// The transitions of `task` with their events.
pub(super) fn transitions(task: &Task) -> impl Iterator<Item = (Event, &Transition)> {
    let all = &task.transitions;
    [
        (Event::Success, &all.on_success),
        (Event::Error, &all.on_error),
        (Event::Complete, &all.on_complete),
        (Event::Skip, &all.on_skip),
    ]
    .into_iter()
    .flat_map(|(event, next)| next.iter().map(move |transition| (event, transition)))
}

impl<'w> Graph<'w> {
    pub(super) fn new(workflow: &'w Workflow) -> Self {
        let tasks: Vec<&Task> = workflow.tasks.values().map(|task| &**task).collect();
        let numbers: FxHashMap<&'w str, usize> = tasks
            .iter()
            .enumerate()
            .map(|(number, task)| (&*task.name, number))
            .collect();
        let edges = match workflow.kind {
            WorkflowKind::Direct => direct(&tasks, &numbers),
            WorkflowKind::Reverse => reverse(&tasks, &numbers),
        };
        let mut into = vec![Vec::new(); tasks.len()];
        let mut out = vec![Vec::new(); tasks.len()];
        // Edges are in the order of their sources, so that those of one source meet in `into`.
        for (number, edge) in edges.iter().enumerate() {
            into[edge.to].push(number);
            out[edge.from].push(number);
        }
        let starts: Vec<usize> = (0..tasks.len())
            .filter(|task| into[*task].is_empty())
            .collect();
        let mut graph = Self {
            workflow,
            reached: vec![false; tasks.len()],
            order: Vec::new(),
            tasks,
            numbers,
            edges,
            into,
            out,
            starts,
        };
        graph.put_in_order();
        graph
    }

    /// Depth first from the start tasks; a task's place is behind all that follow it, reversed.
    fn put_in_order(&mut self) {
        let mut order = Vec::with_capacity(self.tasks.len());
        for &start in self.starts.iter().rev() {
            if self.reached[start] {
                continue;
            }
            self.reached[start] = true;
            let mut open = vec![(start, 0)];
            while let Some((task, next)) = open.last_mut() {
                let Some(&edge) = self.out[*task].get(*next) else {
                    order.push(*task);
                    open.pop();
                    continue;
                };
                *next += 1;
                let to = self.edges[edge].to;
                if !self.reached[to] {
                    self.reached[to] = true;
                    open.push((to, 0));
                }
            }
        }
        order.reverse();
        self.order = order;
    }

    /// When `task` starts.
    pub(super) fn gate(&self, task: usize) -> Gate {
        if self.workflow.kind == WorkflowKind::Reverse {
            return Gate::All;
        }
        match self.tasks[task].join {
            None => Gate::Each,
            Some(Join::All) => Gate::All,
            Some(Join::Count(count)) => match usize::try_from(count).unwrap_or(usize::MAX) {
                count if count >= self.sources(task).count() => Gate::All,
                count => Gate::Count(count),
            },
        }
    }

    /// The edges into `task` that can be taken, for each task that they come from.
    pub(super) fn sources(&self, task: usize) -> impl Iterator<Item = &[usize]> {
        self.into[task]
            .chunk_by(|a, b| self.edges[*a].from == self.edges[*b].from)
            .filter(|edges| self.reached[self.edges[edges[0]].from])
    }

    /// The edges that leave `task` and lead somewhere.
    pub(super) fn leaving(&self, task: usize) -> impl Iterator<Item = &Edge> {
        self.out[task].iter().map(|edge| &self.edges[*edge])
    }

    /// The tasks from which `task` can be reached, itself among them.
    pub(super) fn before(&self, task: usize) -> Vec<bool> {
        let mut seen = vec![false; self.tasks.len()];
        seen[task] = true;
        let mut open = vec![task];
        while let Some(task) = open.pop() {
            for edge in &self.into[task] {
                let from = self.edges[*edge].from;
                if !std::mem::replace(&mut seen[from], true) {
                    open.push(from);
                }
            }
        }
        seen
    }

    /// The strongly connected part that each task belongs to, where only the edges count that
    /// `counts` says. Each part has the number of one of its tasks; the second list says whether
    /// a task's part has a cycle.
    pub(super) fn cycles(&self, counts: impl Fn(&Edge) -> bool) -> (Vec<usize>, Vec<bool>) {
        const NONE: usize = usize::MAX;
        let count = self.tasks.len();
        let (mut index, mut low) = (vec![NONE; count], vec![NONE; count]);
        let (mut part, mut is_cycle) = (vec![NONE; count], vec![false; count]);
        let (mut stack, mut next_index) = (Vec::new(), 0);
        for root in 0..count {
            if index[root] != NONE {
                continue;
            }
            let mut open = vec![(root, 0)];
            while let Some(&mut (task, ref mut next)) = open.last_mut() {
                if *next == 0 {
                    (index[task], low[task]) = (next_index, next_index);
                    next_index += 1;
                    stack.push(task);
                }
                if let Some(&edge) = self.out[task].get(*next) {
                    *next += 1;
                    let edge = &self.edges[edge];
                    if counts(edge) && index[edge.to] == NONE {
                        open.push((edge.to, 0));
                    } else if counts(edge) && part[edge.to] == NONE {
                        low[task] = low[task].min(index[edge.to]);
                    }
                    continue;
                }
                open.pop();
                if let Some((above, _)) = open.last() {
                    low[*above] = low[*above].min(low[task]);
                }
                if low[task] == index[task] {
                    let from = stack
                        .iter()
                        .rposition(|member| *member == task)
                        .unwrap_or(0);
                    let members = stack.split_off(from);
                    let cyclic = members.len() > 1
                        || self
                            .leaving(task)
                            .any(|edge| edge.to == task && counts(edge));
                    for member in members {
                        part[member] = task;
                        is_cycle[member] = cyclic;
                    }
                }
            }
        }
        (part, is_cycle)
    }
}

fn direct(tasks: &[&Task], numbers: &FxHashMap<&str, usize>) -> Vec<Edge> {
    let mut edges = Vec::new();
    for (from, task) in tasks.iter().enumerate() {
        for (event, transition) in transitions(task) {
            let Target::Task(name) = &transition.target else {
                continue;
            };
            if let Some(&to) = numbers.get(&**name) {
                edges.push(Edge {
                    from,
                    to,
                    event,
                    conditional: transition.condition.is_some(),
                });
            }
        }
    }
    edges
}

fn reverse(tasks: &[&Task], numbers: &FxHashMap<&str, usize>) -> Vec<Edge> {
    let mut edges = Vec::new();
    for (to, task) in tasks.iter().enumerate() {
        for name in &task.requires {
            if let Some(&from) = numbers.get(&**name) {
                edges.push(Edge {
                    from,
                    to,
                    event: Event::Success,
                    conditional: false,
                });
            }
        }
    }
    edges.sort_by_key(|edge| edge.from);
    edges
}
