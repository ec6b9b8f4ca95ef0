//! What a change of definitions means for those who call them: whether the input and the output
//! of workflows and ad-hoc actions stay compatible.
//!
//! Mistral refuses an input that it does not know and one that is missing, so that both sides of
//! a signature count; and a workflow without `output` gives its whole context.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use ostro_core::Value;
use serde::{Deserialize, Serialize};

use crate::{Definitions, Input, Location, Template, WorkflowKind};

/// One difference between two versions of definitions that their callers may notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractChange {
    /// What is different.
    pub of: Called,
    /// Its full name.
    pub name: Arc<str>,
    /// How it is different.
    pub how: How,
    /// What about it; none where it is new or gone as a whole.
    pub detail: Option<String>,
    /// Whether a call that was right may be wrong with it.
    pub breaks: bool,
    /// Where the new version says so; of what is gone, where the old one did.
    pub location: Location,
}

/// What is called by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Called {
    /// A workflow.
    Workflow,
    /// An ad-hoc action.
    Action,
}

impl fmt::Display for Called {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Called::Workflow => "workflow",
            Called::Action => "action",
        })
    }
}

/// How a thing is different.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is another.
    Changed,
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            How::Added => "added",
            How::Removed => "removed",
            How::Changed => "changed",
        })
    }
}

/// What `new` changes for those who call what `old` defines: workflows first, then ad-hoc actions,
/// each by name.
pub fn contract_changes(old: &Definitions, new: &Definitions) -> Vec<ContractChange> {
    let (were, are) = (callables(old), callables(new));
    let mut changes = Vec::new();
    let mut names: Vec<_> = were.keys().chain(are.keys()).collect();
    names.sort_unstable();
    names.dedup();
    for key in names {
        let (of, _, name) = key;
        let mut add = |how, detail, breaks, location: &Location| {
            changes.push(ContractChange {
                of: *of,
                name: Arc::clone(name),
                how,
                detail,
                breaks,
                location: location.clone(),
            });
        };
        match (were.get(key), are.get(key)) {
            (Some(old), Some(new)) => old.compare(new, &mut add),
            (Some(old), None) => add(How::Removed, None, true, old.location),
            (None, Some(new)) => add(How::Added, None, false, new.location),
            (None, None) => {}
        }
    }
    changes
}

/// What callers see of a workflow or an ad-hoc action.
struct Contract<'a> {
    kind: Option<WorkflowKind>,
    /// What a reverse workflow can be asked to reach.
    targets: Vec<&'a Arc<str>>,
    input: &'a [Input],
    output: Option<&'a Template>,
    output_on_error: Option<&'a Template>,
    location: &'a Location,
}

type Key = (Called, Arc<str>, Arc<str>);

/// By kind, namespace and name.
fn callables(definitions: &Definitions) -> BTreeMap<Key, Contract<'_>> {
    let workflows = definitions.workflows().map(|workflow| {
        let is_reverse = workflow.kind == WorkflowKind::Reverse;
        let contract = Contract {
            kind: Some(workflow.kind),
            targets: workflow.tasks.keys().filter(|_| is_reverse).collect(),
            input: &workflow.input,
            output: workflow.output.as_ref(),
            output_on_error: workflow.output_on_error.as_ref(),
            location: &workflow.location,
        };
        let namespace = Arc::clone(&workflow.namespace);
        let key = (Called::Workflow, namespace, Arc::clone(&workflow.name));
        (key, contract)
    });
    let actions = definitions.actions().map(|action| {
        let contract = Contract {
            kind: None,
            targets: Vec::new(),
            input: &action.input,
            output: action.output.as_ref(),
            output_on_error: None,
            location: &action.location,
        };
        let namespace = Arc::clone(&action.namespace);
        let key = (Called::Action, namespace, Arc::clone(&action.name));
        (key, contract)
    });
    workflows.chain(actions).collect()
}

impl Contract<'_> {
    fn compare(&self, new: &Self, add: &mut impl FnMut(How, Option<String>, bool, &Location)) {
        if self.kind != new.kind {
            let detail = match new.kind {
                Some(WorkflowKind::Reverse) => "it is reverse now, and needs a task_name",
                _ => "it is direct now, and takes no task_name",
            };
            add(How::Changed, Some(detail.to_owned()), true, new.location);
        } else if let Some(gone) = missing(&self.targets, &new.targets) {
            let detail = format!("a task_name can no longer be {gone}");
            add(How::Changed, Some(detail), true, new.location);
        }
        self.inputs(new, add);
        let outputs = [
            ("output", self.output, new.output),
            ("output-on-error", self.output_on_error, new.output_on_error),
        ];
        for (what, old, new_output) in outputs {
            // Only a workflow that ends well gives its context instead, and an ad-hoc action what
            // its base gives.
            let whole = match (what, self.kind) {
                ("output", Some(_)) => Some("its whole context"),
                ("output", None) => Some("all that its base gives"),
                _ => None,
            };
            output(what, old, new_output, whole, &mut |how, detail, breaks| {
                add(how, Some(detail), breaks, new.location);
            });
        }
    }

    fn inputs(&self, new: &Self, add: &mut impl FnMut(How, Option<String>, bool, &Location)) {
        for old in self.input {
            let name = &old.name;
            let Some(is) = new.input.iter().find(|input| input.name == *name) else {
                let detail = format!("input {name}: it is not taken any more");
                add(How::Removed, Some(detail), true, new.location);
                continue;
            };
            let (was, now) = (old.default.as_ref(), is.default.as_ref());
            match (was.map(Template::written), now.map(Template::written)) {
                (Some(was), None) => {
                    let detail = format!("input {name}: it must be given, and was {was} without");
                    add(How::Changed, Some(detail), true, &is.location);
                }
                (None, Some(now)) => {
                    let detail = format!("input {name}: it need not be given, and is {now} then");
                    add(How::Changed, Some(detail), false, &is.location);
                }
                (Some(was), Some(now)) if was != now => {
                    let detail =
                        format!("input {name}: where it is not given it is {now}, and was {was}");
                    add(How::Changed, Some(detail), false, &is.location);
                }
                _ => {}
            }
        }
        for input in new.input {
            if self.input.iter().any(|old| old.name == input.name) {
                continue;
            }
            let (detail, breaks) = match input.default.as_ref().map(Template::written) {
                Some(default) => (
                    format!(
                        "input {}, which is {default} where it is not given",
                        input.name
                    ),
                    false,
                ),
                None => (format!("input {}, which must be given", input.name), true),
            };
            add(How::Added, Some(detail), breaks, &input.location);
        }
    }
}

/// Those of `old` that `new` has not, for a sentence.
fn missing(old: &[&Arc<str>], new: &[&Arc<str>]) -> Option<String> {
    let gone: Vec<&str> = old
        .iter()
        .filter(|name| !new.contains(name))
        .map(|name| &***name)
        .collect();
    (!gone.is_empty()).then(|| gone.join(", "))
}

/// What is different in an output. `whole` is what there is without one.
fn output(
    what: &str,
    old: Option<&Template>,
    new: Option<&Template>,
    whole: Option<&str>,
    add: &mut impl FnMut(How, String, bool),
) {
    let otherwise = whole.unwrap_or("nothing");
    match (old, new) {
        (None, None) => {}
        (None, Some(_)) => {
            let detail = format!("{what}: it was {otherwise}");
            add(How::Added, detail, whole.is_some());
        }
        (Some(_), None) => {
            let detail = format!("{what}: it is {otherwise} now");
            add(How::Removed, detail, true);
        }
        (Some(old), Some(new)) => match (members(old), members(new)) {
            (Some(old), Some(new)) => {
                for (key, was) in &old {
                    match new.get(key) {
                        None => add(How::Removed, format!("{what} {key}"), true),
                        Some(is) if is != was => {
                            let detail = format!("{what} {key}: it is made in another way");
                            add(How::Changed, detail, false);
                        }
                        Some(_) => {}
                    }
                }
                for key in new.keys().filter(|key| !old.contains_key(*key)) {
                    add(How::Added, format!("{what} {key}"), false);
                }
            }
            _ if old.written() != new.written() => {
                let detail = format!("{what}: it is made in another way");
                add(How::Changed, detail, false);
            }
            _ => {}
        },
    }
}

/// The members of an output that is a mapping, as they are written.
fn members(output: &Template) -> Option<BTreeMap<Arc<str>, Value>> {
    match output {
        Template::Map(pairs) => Some(
            pairs
                .iter()
                .map(|(key, value)| (Arc::clone(key), value.written()))
                .collect(),
        ),
        Template::Literal(Value::Map(map)) => Some(
            map.iter()
                .map(|(key, value)| (Arc::clone(key), value.clone()))
                .collect(),
        ),
        _ => None,
    }
}
