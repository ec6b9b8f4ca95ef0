//! Cycles that nothing ends.

use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

use super::Found;
use super::graph::{Edge, Event, Graph, transitions};
use crate::diagnostics::Code;
use crate::{EngineCommand, Target, WorkflowKind};

/// How many tasks of a cycle are named.
const SHOWN: usize = 6;

/// Says of cycles of transitions without conditions that they never end as long as all goes
/// well. What ends one is a condition, an engine command, or a join, which runs only once.
pub(super) fn check(graph: &Graph<'_>, found: &mut Found) {
    if graph.workflow.kind == WorkflowKind::Reverse {
        return;
    }
    let goes_on = |edge: &Edge| {
        !edge.conditional
            && matches!(edge.event, Event::Success | Event::Complete)
            && graph.reached[edge.from]
            && !ends(graph, edge.from)
            && !ends(graph, edge.to)
    };
    let (part, is_cycle) = graph.cycles(goes_on);
    let mut first: FxHashMap<usize, usize> = FxHashMap::default();
    for task in (0..graph.tasks.len()).filter(|task| is_cycle[*task]) {
        first.entry(part[task]).or_insert(task);
    }
    let mut firsts: Vec<_> = first.into_values().collect();
    firsts.sort_unstable();
    for start in firsts {
        let way = way_back(graph, start, |edge| {
            goes_on(edge) && part[edge.to] == part[start]
        });
        let mut names: Vec<_> = way
            .iter()
            .take(SHOWN)
            .map(|task| format!("`{}`", graph.tasks[*task].name))
            .collect();
        if way.len() > SHOWN {
            names.push("…".to_owned());
        }
        names.push(format!("`{}`", graph.tasks[start].name));
        let message = format!("nothing ends this cycle: {}", names.join(" → "));
        let hint = "give one of its transitions a condition: `- task: <% … %>`".to_owned();
        found.at_task(Code::EndlessCycle, graph.tasks[start], message, Some(hint));
    }
}

/// Whether the workflow may end or stop after `task`, or `task` runs only once.
fn ends(graph: &Graph<'_>, task: usize) -> bool {
    let spec = graph.tasks[task];
    spec.join.is_some()
        || transitions(spec).any(|(event, transition)| {
            matches!(event, Event::Success | Event::Complete)
                && matches!(
                    transition.target,
                    Target::Command {
                        command: EngineCommand::Fail
                            | EngineCommand::Succeed
                            | EngineCommand::Pause,
                        ..
                    }
                )
        })
}

/// The shortest way from `start` back to it along the edges that count.
fn way_back(graph: &Graph<'_>, start: usize, counts: impl Fn(&Edge) -> bool) -> Vec<usize> {
    let mut came_from: FxHashMap<usize, usize> = FxHashMap::default();
    let mut open = std::collections::VecDeque::from([start]);
    while let Some(task) = open.pop_front() {
        for edge in graph.leaving(task).filter(|edge| counts(edge)) {
            if edge.to == start {
                let mut way = vec![task];
                while let Some(before) = came_from.get(&way[way.len() - 1]) {
                    way.push(*before);
                }
                way.reverse();
                return way;
            }
            if let Entry::Vacant(place) = came_from.entry(edge.to) {
                place.insert(task);
                open.push_back(edge.to);
            }
        }
    }
    vec![start]
}
