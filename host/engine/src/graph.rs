//! Which tasks can follow which, as the definition has it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ostro_lang::{Target, Task, Workflow};

/// The transitions of a direct workflow as a graph.
pub(crate) struct Graph<'a> {
    inbound: BTreeMap<&'a str, Vec<&'a Arc<str>>>,
    outbound: BTreeMap<&'a str, Vec<&'a Arc<str>>>,
}

impl<'a> Graph<'a> {
    pub(crate) fn new(workflow: &'a Workflow) -> Self {
        let mut inbound: BTreeMap<&str, Vec<&Arc<str>>> = BTreeMap::new();
        let mut outbound = BTreeMap::new();
        for (name, task) in &workflow.tasks {
            let targets = targets(task);
            for target in &targets {
                inbound.entry(&**target).or_default().push(name);
            }
            outbound.insert(&**name, targets);
        }
        Self { inbound, outbound }
    }

    /// The tasks that can lead to `task`, in the order of the definition.
    pub(crate) fn inbound(&self, task: &str) -> &[&'a Arc<str>] {
        self.inbound.get(task).map_or(&[], Vec::as_slice)
    }

    /// All tasks that can still run because `sources` run, without those that only `barred`
    /// leads to.
    pub(crate) fn reachable<'b>(
        &self,
        sources: impl Iterator<Item = &'b Arc<str>>,
        barred: &str,
    ) -> BTreeSet<&'a str> {
        let mut reached = BTreeSet::new();
        let mut left: Vec<&'a str> = Vec::new();
        let follow = |name: &str, left: &mut Vec<&'a str>| {
            if name != barred {
                let targets = self.outbound.get(name).map_or(&[][..], Vec::as_slice);
                left.extend(targets.iter().map(|target| &***target));
            }
        };
        for source in sources {
            follow(source, &mut left);
        }
        while let Some(name) = left.pop() {
            if reached.insert(name) {
                follow(name, &mut left);
            }
        }
        reached
    }
}

/// The tasks that `task` can lead to, each once.
fn targets(task: &Task) -> Vec<&Arc<str>> {
    let transitions = &task.transitions;
    let mut targets = Vec::new();
    for transition in transitions
        .on_success
        .iter()
        .chain(&transitions.on_error)
        .chain(&transitions.on_complete)
        .chain(&transitions.on_skip)
    {
        if let Target::Task(name) = &transition.target
            && !targets.contains(&name)
        {
            targets.push(name);
        }
    }
    targets
}
