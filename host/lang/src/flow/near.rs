//! Variables that are set a few tasks before they are read.
//!
//! Most are, and to see that takes a few steps back; only for the rest is the whole workflow
//! solved, which takes a pass over all tasks for each portion of names.

use super::graph::{Event, Gate, Graph};
use super::reads::Moment;

/// How many tasks are looked at for one read.
const STEPS: usize = 32;

/// What tasks publish, as far as a look back needs it.
pub(super) trait Publishes {
    /// Whether it is certain that `task` has set the name when `event` follows its end.
    fn surely(&self, task: usize, event: Event, name: usize) -> bool;
}

/// Whether a few steps back show that `name` is set for sure when `moment` comes. If not, nothing
/// is said.
pub(super) fn is_set(
    graph: &Graph<'_>,
    publishes: &impl Publishes,
    moment: Moment,
    name: usize,
) -> bool {
    let mut look = Look {
        graph,
        publishes,
        name,
        steps: STEPS,
    };
    match moment {
        Moment::Start(task) => look.at_start(task),
        Moment::Ended(task, event) => publishes.surely(task, event, name) || look.at_start(task),
        Moment::Settled(_) | Moment::Vars | Moment::Output | Moment::OutputOnError => false,
    }
}

struct Look<'l, 'w, P> {
    graph: &'l Graph<'w>,
    publishes: &'l P,
    name: usize,
    steps: usize,
}

impl<P: Publishes> Look<'_, '_, P> {
    /// Whether the name is set on every way to the start of `task`. It goes no deeper than there
    /// are steps left, so a cycle ends it, too.
    fn at_start(&mut self, task: usize) -> bool {
        let Some(left) = self.steps.checked_sub(1) else {
            return false;
        };
        self.steps = left;
        let graph = self.graph;
        let mut sources = graph.sources(task).peekable();
        if sources.peek().is_none() {
            return false;
        }
        let mut has = |edges: &[usize]| {
            edges.iter().map(|edge| &graph.edges[*edge]).all(|edge| {
                self.publishes.surely(edge.from, edge.event, self.name) || self.at_start(edge.from)
            })
        };
        match graph.gate(task) {
            Gate::All => sources.any(&mut has),
            Gate::Each | Gate::Count(_) => sources.all(&mut has),
        }
    }
}
