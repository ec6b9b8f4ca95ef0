//! Joins that can never be met.

use super::graph::{Edge, Event, Graph};
use super::solve::{PORTION, Set, on_every_way};
use super::{Found, listed};
use crate::diagnostics::Code;
use crate::{Join, WorkflowKind};

/// Checks the joins of a direct workflow.
pub(super) fn check(graph: &Graph<'_>, found: &mut Found) {
    if graph.workflow.kind == WorkflowKind::Reverse {
        return;
    }
    unreached_sources(graph, found);
    exclusive_sources(graph, found);
}

/// Joins that wait for tasks that never run.
fn unreached_sources(graph: &Graph<'_>, found: &mut Found) {
    for &task in &graph.order {
        let Some(join) = graph.tasks[task].join else {
            continue;
        };
        let mut never: Vec<&str> = graph.into[task]
            .iter()
            .map(|edge| graph.edges[*edge].from)
            .filter(|from| !graph.reached[*from])
            .map(|from| &*graph.tasks[from].name)
            .collect();
        never.dedup();
        let left = graph.sources(task).count();
        let is_met = match join {
            Join::All => never.is_empty(),
            Join::Count(count) => left >= usize::try_from(count).unwrap_or(usize::MAX),
        };
        if !is_met && !never.is_empty() {
            let message = format!(
                "the join of `{}` can never be met: {} can't be reached",
                graph.tasks[task].name,
                listed(never)
            );
            found.at_task(Code::ImpossibleJoin, graph.tasks[task], message, None);
        }
    }
}

/// Joins that wait for what follows the success of a task and for what follows its failure.
fn exclusive_sources(graph: &Graph<'_>, found: &mut Found) {
    if !graph.order.iter().any(|task| waits_for_all(graph, *task)) {
        return;
    }
    // In a cycle a task may succeed one time and fail another time.
    let (_, in_cycle) = graph.cycles(|_| true);
    let forks: Vec<usize> = graph
        .order
        .iter()
        .copied()
        .filter(|task| !in_cycle[*task])
        .filter(|task| {
            let leads = |event| graph.leaving(*task).any(|edge| edge.event == event);
            leads(Event::Success) && leads(Event::Error)
        })
        .collect();
    for portion in forks.chunks(PORTION / 2) {
        let mut facts = vec![None; graph.tasks.len()];
        for (place, task) in portion.iter().enumerate() {
            facts[*task] = Some(place * 2);
        }
        // That a task succeeded is one fact, that it failed the next one.
        let along = |edge: &Edge, set: &Set| {
            let mut set = *set;
            if let Some(fact) = facts[edge.from] {
                match edge.event {
                    Event::Success => set.put(fact),
                    Event::Error => set.put(fact + 1),
                    Event::Complete | Event::Skip => {}
                }
            }
            set
        };
        let sets = on_every_way(graph, along);
        for &task in graph
            .order
            .iter()
            .filter(|task| waits_for_all(graph, **task))
        {
            let both = |set: &Set, fact: usize| set.has(fact) && set.has(fact + 1);
            let clash = (0..portion.len()).map(|place| place * 2).find(|fact| {
                both(&sets[task], *fact)
                    && !graph.sources(task).flatten().any(|edge| {
                        let edge = &graph.edges[*edge];
                        both(&along(edge, &sets[edge.from]), *fact)
                    })
            });
            if let Some(fact) = clash {
                let name = &graph.tasks[portion[fact / 2]].name;
                let after = |fact| {
                    listed(graph.sources(task).filter_map(|edges| {
                        let edge = &graph.edges[edges[0]];
                        let set = along(edge, &sets[edge.from]);
                        set.has(fact).then(|| &*graph.tasks[edge.from].name)
                    }))
                };
                let message = format!(
                    "the join of `{}` can never be met: it waits for {}, which follows the \
                     success of `{name}`, and for {}, which follows its failure",
                    graph.tasks[task].name,
                    after(fact),
                    after(fact + 1),
                );
                let hint = "`join: one` starts the task when one of them has led to it".to_owned();
                found.at_task(Code::ImpossibleJoin, graph.tasks[task], message, Some(hint));
            }
        }
    }
}

fn waits_for_all(graph: &Graph<'_>, task: usize) -> bool {
    let sources = graph.sources(task).count();
    sources > 1
        && match graph.tasks[task].join {
            None => false,
            Some(Join::All) => true,
            Some(Join::Count(count)) => usize::try_from(count).unwrap_or(usize::MAX) >= sources,
        }
}
