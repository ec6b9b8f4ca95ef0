//! Which facts hold where: on every way to a task, and on some way.
//!
//! A fact is a number, for instance that a variable has been published. Tasks and edges bring
//! facts; the facts of a task are those of the edges that lead to it, put together as its join
//! says. Facts are looked at in portions, so that memory stays linear in the number of tasks
//! however many facts there are.

use super::graph::{Edge, Event, Gate, Graph};

/// How many facts a portion holds.
pub(super) const PORTION: usize = 1024;
const WORDS: usize = PORTION / 64;

/// A set of the facts of one portion.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Set([u64; WORDS]);

impl Set {
    pub(super) const EMPTY: Set = Set([0; WORDS]);
    pub(super) const ALL: Set = Set([u64::MAX; WORDS]);

    pub(super) fn put(&mut self, fact: usize) {
        self.0[fact / 64] |= 1 << (fact % 64);
    }

    pub(super) fn has(&self, fact: usize) -> bool {
        self.0[fact / 64] & (1 << (fact % 64)) != 0
    }

    pub(super) fn or(mut self, other: &Set) -> Set {
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            *word |= other;
        }
        self
    }

    pub(super) fn and(mut self, other: &Set) -> Set {
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            *word &= other;
        }
        self
    }

    pub(super) fn without(mut self, other: &Set) -> Set {
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            *word &= !other;
        }
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// The facts that are in it.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(index, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(index * 64 + usize::try_from(bit).unwrap_or(0))
            })
        })
    }
}

/// What a task that ended in some way adds for those that follow.
#[derive(Clone)]
pub(super) struct Ended {
    pub(super) success: Set,
    pub(super) error: Set,
    pub(super) skip: Set,
    /// Whether the task can fail.
    pub(super) fails: bool,
}

impl Ended {
    /// What is certain to be added when `event` is what followed. What never happens proves
    /// anything, so that a task that can't fail adds all on the way of its failure.
    pub(super) fn surely(&self, event: Event) -> Set {
        match event {
            Event::Success => self.success,
            Event::Complete if !self.fails => self.success,
            Event::Error if !self.fails => Set::ALL,
            Event::Error => self.error,
            Event::Complete => self.success.and(&self.error),
            Event::Skip => self.skip,
        }
    }

    /// What may be added when `event` is what followed. A task that was skipped and has no
    /// `on-skip` goes on as if it had succeeded.
    pub(super) fn maybe(&self, event: Event) -> Set {
        match event {
            Event::Success => self.success.or(&self.skip),
            Event::Error => self.error,
            Event::Complete => self.success.or(&self.error),
            Event::Skip => self.skip,
        }
    }

    pub(super) fn any(&self) -> Set {
        self.success.or(&self.error).or(&self.skip)
    }
}

/// The facts of each task when it starts: those that hold on every way to it. `along` says
/// what an edge hands on of what its task got.
pub(super) fn on_every_way(graph: &Graph<'_>, along: impl Fn(&Edge, &Set) -> Set) -> Vec<Set> {
    let gates: Vec<Gate> = gates(graph);
    fixpoint(graph, Set::ALL, |task, sets| {
        let of_source = |edges: &[usize]| {
            edges.iter().fold(Set::ALL, |set, edge| {
                let edge = &graph.edges[*edge];
                set.and(&along(edge, &sets[edge.from]))
            })
        };
        let mut sources = graph.sources(task).map(of_source).peekable();
        if sources.peek().is_none() {
            return Set::EMPTY;
        }
        match gates[task] {
            Gate::All => sources.fold(Set::EMPTY, |all, set| all.or(&set)),
            Gate::Each | Gate::Count(0 | 1) => sources.fold(Set::ALL, |all, set| all.and(&set)),
            Gate::Count(count) => in_enough(sources, count),
        }
    })
}

/// The facts of each task when it starts: those that hold on some way to it.
pub(super) fn on_some_way(graph: &Graph<'_>, along: impl Fn(&Edge, &Set) -> Set) -> Vec<Set> {
    fixpoint(graph, Set::EMPTY, |task, sets| {
        graph.sources(task).flatten().fold(Set::EMPTY, |all, edge| {
            let edge = &graph.edges[*edge];
            all.or(&along(edge, &sets[edge.from]))
        })
    })
}

fn gates(graph: &Graph<'_>) -> Vec<Gate> {
    (0..graph.tasks.len())
        .map(|task| graph.gate(task))
        .collect()
}

/// The facts that are missing in fewer than `count` of the sources: whichever of them start the
/// task, one of them has the fact.
fn in_enough(sources: impl Iterator<Item = Set>, count: usize) -> Set {
    let mut missing = vec![0_usize; PORTION];
    for set in sources {
        for fact in Set::ALL.without(&set).iter() {
            missing[fact] += 1;
        }
    }
    let mut enough = Set::EMPTY;
    for (fact, _) in missing.iter().enumerate().filter(|(_, n)| **n < count) {
        enough.put(fact);
    }
    enough
}

/// Goes over the tasks until nothing changes: once where there are no cycles, a few times where
/// there are.
fn fixpoint(graph: &Graph<'_>, first: Set, step: impl Fn(usize, &[Set]) -> Set) -> Vec<Set> {
    let mut sets = vec![first; graph.tasks.len()];
    let mut waiting = vec![true; graph.tasks.len()];
    while graph.order.iter().any(|task| waiting[*task]) {
        for &task in &graph.order {
            if !std::mem::replace(&mut waiting[task], false) {
                continue;
            }
            let set = step(task, &sets);
            if set != sets[task] {
                sets[task] = set;
                for edge in graph.leaving(task) {
                    waiting[edge.to] = true;
                }
            }
        }
    }
    sets
}
