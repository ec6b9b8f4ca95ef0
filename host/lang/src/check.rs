//! Checks of a set of definitions: what tasks call, and with which input.
//!
//! Mistral finds all of this at run time only. A name or an input that is an expression can't be
//! checked before it runs, and isn't.

use std::sync::Arc;

use ostro_core::Value;
use rustc_hash::FxHashSet;

use crate::diagnostics::{Code, Diagnostic};
use crate::parse::Call;
use crate::suggest::did_you_mean;
use crate::{AdHocAction, Definitions, Input, Location, Template, Work, Workflow};

/// A parameter of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionParameter {
    /// Its name.
    pub name: Arc<str>,
    /// Whether it must be given.
    pub required: bool,
}

/// The actions that there are: built-in ones, OpenStack operations and those of packs.
pub trait ActionCatalogue {
    /// The parameters of `action`; None if there is no such action.
    fn parameters(&self, action: &str) -> Option<Vec<ActionParameter>>;

    /// Whether `action` takes parameters beyond those that [`parameters`](Self::parameters)
    /// names.
    fn takes_more(&self, _action: &str) -> bool {
        false
    }

    /// The names of the actions, for "did you mean".
    fn names(&self) -> Vec<Arc<str>> {
        Vec::new()
    }
}

/// Checks everything in `definitions`.
pub fn check(definitions: &Definitions, catalogue: &dyn ActionCatalogue) -> Vec<Diagnostic> {
    let check = Check {
        definitions,
        catalogue,
    };
    let mut found = Vec::new();
    for call in definitions.calls() {
        check.call(call, &mut found);
    }
    for action in definitions.actions() {
        found.extend(cycle(definitions, action));
    }
    sorted(found)
}

/// Checks what an execution of `workflow` can reach: itself, its sub-workflows and theirs. What
/// else the files define may need actions that are not there.
pub fn check_reachable(
    definitions: &Definitions,
    workflow: &Arc<Workflow>,
    catalogue: &dyn ActionCatalogue,
) -> Vec<Diagnostic> {
    let check = Check {
        definitions,
        catalogue,
    };
    let mut callers: FxHashSet<Arc<str>> = FxHashSet::default();
    let mut open = vec![Arc::clone(workflow)];
    let mut found = Vec::new();
    callers.insert(Arc::clone(&workflow.name));
    while let Some(workflow) = open.pop() {
        for task in workflow.tasks.values() {
            match &task.work {
                Work::Workflow(name) => {
                    let called =
                        literal(name).and_then(|name| definitions.resolve(name, &workflow));
                    if let Some(called) = called
                        && callers.insert(Arc::clone(&called.name))
                    {
                        open.push(called);
                    }
                }
                Work::Action(name) => {
                    let called = literal(name).and_then(|name| definitions.action(name, &workflow));
                    let mut next = called;
                    while let Some(action) = next {
                        // A circle of bases ends here, too.
                        if !callers.insert(Arc::clone(&action.name)) {
                            break;
                        }
                        found.extend(cycle(definitions, &action));
                        next = definitions.action_named(&action.base).cloned();
                    }
                }
                Work::Noop => {}
            }
        }
    }
    for call in definitions
        .calls()
        .iter()
        .filter(|call| callers.contains(&call.caller))
    {
        check.call(call, &mut found);
    }
    sorted(found)
}

fn sorted(mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    found.sort_by(|a, b| a.location.cmp(&b.location));
    found
}

fn literal(template: &Template) -> Option<&str> {
    match template {
        Template::Literal(Value::String(text)) => Some(text),
        _ => None,
    }
}

struct Check<'a> {
    definitions: &'a Definitions,
    catalogue: &'a dyn ActionCatalogue,
}

impl Check<'_> {
    fn call(&self, call: &Call, found: &mut Vec<Diagnostic>) {
        let Some(task) = &call.task else {
            if let Some(action) = self.definitions.action_named(&call.caller) {
                let base = self.definitions.action_named(&action.base);
                self.action(call, &action.base, base, found);
            }
            return;
        };
        let Some(workflow) = self.definitions.workflow(&call.caller) else {
            return;
        };
        let Some(task) = workflow.tasks.get(task) else {
            return;
        };
        match &task.work {
            Work::Noop => {}
            Work::Action(name) => {
                if let Some(name) = literal(name) {
                    let action = self.definitions.action(name, workflow);
                    self.action(call, name, action.as_ref(), found);
                }
            }
            Work::Workflow(name) => {
                if let Some(name) = literal(name) {
                    self.workflow(call, name, workflow, found);
                }
            }
        }
    }

    fn workflow(&self, call: &Call, name: &str, from: &Workflow, found: &mut Vec<Diagnostic>) {
        let Some(called) = self.definitions.resolve(name, from) else {
            let prefix = from
                .workbook
                .as_ref()
                .map(|workbook| format!("{workbook}."));
            let names = self.definitions.workflows().map(|workflow| {
                let full = &*workflow.name;
                prefix
                    .as_ref()
                    .and_then(|prefix| full.strip_prefix(&**prefix))
                    .unwrap_or(full)
            });
            let hint = did_you_mean(name, names)
                .unwrap_or_else(|| "give the file that defines it, too".to_owned());
            let message = format!("there is no workflow `{name}`");
            found.push(at(
                Code::UnknownWorkflow,
                &call.location,
                call.length,
                message,
                Some(hint),
            ));
            return;
        };
        let what = format!("the workflow `{}`", called.name);
        inputs(call, &what, &parameters_of(&called.input), false, found);
    }

    fn action(
        &self,
        call: &Call,
        name: &str,
        ad_hoc: Option<&Arc<AdHocAction>>,
        found: &mut Vec<Diagnostic>,
    ) {
        if let Some(action) = ad_hoc {
            let what = format!("the ad-hoc action `{}`", action.name);
            inputs(call, &what, &parameters_of(&action.input), false, found);
            return;
        }
        let Some(parameters) = self.catalogue.parameters(name) else {
            let known = self.catalogue.names();
            let ad_hoc = self.definitions.actions().map(|action| &action.name);
            let hint = did_you_mean(name, known.iter().chain(ad_hoc).map(|name| &**name));
            let message = format!("there is no action `{name}`");
            found.push(at(
                Code::UnknownAction,
                &call.location,
                call.length,
                message,
                hint,
            ));
            return;
        };
        let what = format!("the action `{name}`");
        inputs(
            call,
            &what,
            &parameters,
            self.catalogue.takes_more(name),
            found,
        );
    }
}

fn parameters_of(inputs: &[Input]) -> Vec<ActionParameter> {
    inputs
        .iter()
        .map(|input| ActionParameter {
            name: Arc::clone(&input.name),
            required: input.default.is_none(),
        })
        .collect()
}

/// Compares what `call` gives with what the called one takes.
fn inputs(
    call: &Call,
    what: &str,
    parameters: &[ActionParameter],
    takes_more: bool,
    found: &mut Vec<Diagnostic>,
) {
    let Some(given) = &call.inputs else { return };
    let names: FxHashSet<&str> = given.iter().map(|(name, _)| &**name).collect();
    let known: FxHashSet<&str> = parameters
        .iter()
        .map(|parameter| &*parameter.name)
        .collect();
    let missing: Vec<_> = parameters
        .iter()
        .filter(|parameter| parameter.required)
        .filter(|parameter| !names.contains(&*parameter.name))
        .map(|parameter| format!("`{}`", parameter.name))
        .collect();
    if !missing.is_empty() {
        let message = format!("{what} needs the input {}", missing.join(", "));
        found.push(at(
            Code::MissingInput,
            &call.location,
            call.length,
            message,
            None,
        ));
    }
    if takes_more {
        return;
    }
    for (name, location) in given {
        if known.contains(&**name) {
            continue;
        }
        let all = || parameters.iter().map(|parameter| &*parameter.name);
        let hint = did_you_mean(name, all()).or_else(|| {
            let all: Vec<_> = all().map(|name| format!("`{name}`")).collect();
            (!all.is_empty() && all.len() <= 12).then(|| format!("it takes {}", all.join(", ")))
        });
        let length = u32::try_from(name.chars().count()).unwrap_or(1);
        let message = format!("{what} takes no input `{name}`");
        found.push(at(Code::UnexpectedInput, location, length, message, hint));
    }
}

/// Whether `action` is made of itself. Only the circle's own members say so.
fn cycle(definitions: &Definitions, action: &AdHocAction) -> Option<Diagnostic> {
    let mut seen: FxHashSet<&str> = FxHashSet::default();
    let mut base = definitions.action_named(&action.base)?;
    while base.name != action.name {
        if !seen.insert(&base.name) {
            return None;
        }
        base = definitions.action_named(&base.base)?;
    }
    let message = format!("the ad-hoc action `{}` is made of itself", action.name);
    Some(at(Code::ActionCycle, &action.location, 1, message, None))
}

fn at(
    code: Code,
    location: &Location,
    length: u32,
    message: String,
    hint: Option<String>,
) -> Diagnostic {
    let severity = code.severity();
    Diagnostic {
        code,
        severity,
        location: location.clone(),
        length,
        message,
        hint,
    }
}
