//! How control and data flow through a workflow: what can go wrong there although every task by
//! itself is right.
//!
//! The tasks are a graph ([`graph`]); which facts hold where is solved over it once for each
//! portion of facts ([`solve`]), so that the time stays near linear in the number of tasks. What
//! is certain is an error; what depends on how an execution goes is a warning.

mod functions;
mod graph;
mod joins;
mod loops;
mod near;
mod outcome;
mod races;
mod reads;
mod retry;
mod solve;
mod unused;
mod variables;

use crate::diagnostics::{Bounded, Code, Diagnostic};
use crate::{AdHocAction, Location, Workflow};
use graph::Graph;
use reads::Reads;

/// What the checks need to know beside the workflow.
pub(crate) struct Knowledge<'a> {
    /// Functions that expressions may call beside YAQL's and Mistral's own.
    pub(crate) functions: &'a [&'a str],
    /// Whether to say what is not used.
    pub(crate) unused: bool,
}

/// Checks how control and data flow through `workflow`.
pub(crate) fn workflow(workflow: &Workflow, knowledge: &Knowledge<'_>) -> Vec<Diagnostic> {
    let mut found = Found::default();
    let reads = Reads::of(workflow);
    functions::check(workflow, &reads, knowledge, &mut found);
    if knowledge.unused {
        unused::check(workflow, &reads, &mut found);
    }
    let graph = Graph::new(workflow);
    if graph.order.is_empty() {
        // Nothing of it starts, which is an error by itself.
        return found.0.finish();
    }
    joins::check(&graph, &mut found);
    loops::check(&graph, &mut found);
    retry::check(&graph, &mut found);
    variables::check(&graph, &reads, &mut found);
    races::check(&graph, &reads, &mut found);
    found.0.finish()
}

/// Checks what the expressions of an ad-hoc action read and call.
pub(crate) fn ad_hoc(action: &AdHocAction, knowledge: &Knowledge<'_>) -> Vec<Diagnostic> {
    let mut found = Found::default();
    functions::check_ad_hoc(action, knowledge, &mut found);
    variables::check_ad_hoc(action, &mut found);
    found.0.finish()
}

/// What was found, up to a bound.
#[derive(Default)]
struct Found(Bounded);

impl Found {
    fn is_full(&self) -> bool {
        self.0.is_full()
    }

    /// The hint for a wrong name, as long as there are not too many of them.
    fn did_you_mean<'n>(
        &mut self,
        name: &str,
        known: impl IntoIterator<Item = &'n str>,
    ) -> Option<String> {
        self.0.did_you_mean(name, known)
    }

    fn add(
        &mut self,
        code: Code,
        location: &Location,
        length: u32,
        message: String,
        hint: Option<String>,
    ) {
        self.0.add(Diagnostic {
            code,
            severity: code.severity(),
            location: location.clone(),
            length,
            message,
            hint,
        });
    }

    /// Points at the name of a task.
    fn at_task(&mut self, code: Code, task: &crate::Task, message: String, hint: Option<String>) {
        let length = u32::try_from(task.name.chars().count()).unwrap_or(1);
        self.add(code, &task.location, length, message, hint);
    }
}

/// `names` in a sentence: "`a`, `b` and `c`", no more than a few of them.
fn listed<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    const MOST: usize = 4;
    let names: Vec<_> = names.into_iter().collect();
    let mut shown: Vec<_> = names.iter().take(MOST).map(|n| format!("`{n}`")).collect();
    if names.len() > MOST {
        shown.push(format!("{} more", names.len() - MOST));
    }
    match shown.pop() {
        None => String::new(),
        Some(last) if shown.is_empty() => last,
        Some(last) => format!("{} and {last}", shown.join(", ")),
    }
}
