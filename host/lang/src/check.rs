//! Checks of a set of definitions: what tasks call, and with which input.
//!
//! Mistral finds all of this at run time only. A name or an input that is an expression can't be
//! checked before it runs, and isn't.

use std::cell::RefCell;
use std::sync::Arc;

use ostro_core::Value;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::diagnostics::{Code, Diagnostic};
use crate::parse::Call;
use crate::{AdHocAction, Definitions, Input, Location, Template, Work, Workflow};
use ostro_core::suggest::did_you_mean;

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

    /// What is wrong with `value` as the parameter `parameter` of `action`; None if nothing is,
    /// or if nothing is known about its type.
    fn check_value(&self, _action: &str, _parameter: &str, _value: &Value) -> Option<String> {
        None
    }

    /// The actions as `workflow` gets them, where its tags say which versions of them; None where
    /// they are the same for it as for all.
    fn seen_by(&self, _workflow: &Arc<Workflow>) -> Option<Box<dyn ActionCatalogue + '_>> {
        None
    }

    /// The names of the actions, for "did you mean".
    fn names(&self) -> Vec<Arc<str>> {
        Vec::new()
    }
}

/// Checks everything in `definitions`.
pub fn check(definitions: &Definitions, catalogue: &dyn ActionCatalogue) -> Vec<Diagnostic> {
    check_as(definitions, catalogue, true, true)
}

/// Checks everything in `definitions`. What is called and not known is an error where all
/// workflows, or all actions, are known, and else a warning.
pub(crate) fn check_as(
    definitions: &Definitions,
    catalogue: &dyn ActionCatalogue,
    all_workflows: bool,
    all_actions: bool,
) -> Vec<Diagnostic> {
    let check = Check {
        unknown_workflow: if all_workflows {
            Code::UnknownWorkflow
        } else {
            Code::MissingWorkflow
        },
        unknown_action: if all_actions {
            Code::UnknownAction
        } else {
            Code::MissingAction
        },
        ..Check::new(definitions, catalogue)
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
    let check = Check::new(definitions, catalogue);
    let mut callers: FxHashSet<(Arc<str>, Arc<str>)> = FxHashSet::default();
    let mut open = vec![Arc::clone(workflow)];
    let mut found = Vec::new();
    // As an execution of it looks for workflows, and so all below it.
    let namespace = Arc::clone(&workflow.namespace);
    callers.insert(workflow_id(workflow));
    while let Some(workflow) = open.pop() {
        for task in workflow.tasks.values() {
            match &task.work {
                Work::Workflow(name) => {
                    let called = literal(name)
                        .and_then(|name| definitions.resolve(name, &workflow, &namespace));
                    if let Some(called) = called
                        && callers.insert(workflow_id(&called))
                    {
                        open.push(called);
                    }
                }
                Work::Action(name) => {
                    let called = literal(name).and_then(|name| definitions.action(name, &workflow));
                    let mut next = called;
                    while let Some(action) = next {
                        // A circle of bases ends here, too.
                        if !callers.insert(action_id(&action)) {
                            break;
                        }
                        found.extend(cycle(definitions, &action));
                        next = definitions.base_of(&action).cloned();
                    }
                }
                Work::Noop => {}
            }
        }
    }
    let check = Check {
        namespace: Some(&namespace),
        ..check
    };
    let calls = definitions.calls().iter();
    for call in calls
        .filter(|call| callers.contains(&(Arc::clone(&call.namespace), Arc::clone(&call.caller))))
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

fn workflow_id(workflow: &Workflow) -> (Arc<str>, Arc<str>) {
    (Arc::clone(&workflow.namespace), Arc::clone(&workflow.name))
}

fn action_id(action: &AdHocAction) -> (Arc<str>, Arc<str>) {
    (Arc::clone(&action.namespace), Arc::clone(&action.name))
}

/// How many wrong names get a "did you mean". Each is compared with all that there are.
const MOST_SUGGESTIONS: usize = 200;

struct Check<'a> {
    definitions: &'a Definitions,
    catalogue: &'a dyn ActionCatalogue,
    /// Where executions look for workflows first; none for where their own workflow is.
    namespace: Option<&'a Arc<str>>,
    unknown_workflow: Code,
    unknown_action: Code,
    suggested: RefCell<FxHashMap<String, Option<String>>>,
}

impl<'a> Check<'a> {
    fn new(definitions: &'a Definitions, catalogue: &'a dyn ActionCatalogue) -> Self {
        Self {
            definitions,
            catalogue,
            namespace: None,
            unknown_workflow: Code::UnknownWorkflow,
            unknown_action: Code::UnknownAction,
            suggested: RefCell::default(),
        }
    }

    /// The hint for `name`, which is looked for once.
    fn suggestion(&self, name: &str, find: impl FnOnce() -> Option<String>) -> Option<String> {
        let mut suggested = self.suggested.borrow_mut();
        if let Some(known) = suggested.get(name) {
            return known.clone();
        }
        if suggested.len() >= MOST_SUGGESTIONS {
            return None;
        }
        let hint = find();
        suggested.insert(name.to_owned(), hint.clone());
        hint
    }

    /// The workflow that `call` stands in.
    fn caller(&self, call: &Call) -> Option<&'a Arc<Workflow>> {
        self.definitions.workflow_in(&call.namespace, &call.caller)
    }

    fn call(&self, call: &Call, found: &mut Vec<Diagnostic>) {
        let Some(task) = &call.task else {
            if let Some(action) = self.definitions.action_in(&call.namespace, &call.caller) {
                let base = self.definitions.base_of(action);
                self.action(call, &action.base, base, self.catalogue, found);
            }
            return;
        };
        let Some(workflow) = self.caller(call) else {
            return;
        };
        let Some(task) = workflow.tasks.get(task) else {
            return;
        };
        match &task.work {
            Work::Noop => {}
            Work::Action(name) => {
                // A name that could not be read is reported already.
                if let Some(name) = literal(name).filter(|name| !name.is_empty()) {
                    let action = self.definitions.action(name, workflow);
                    let tagged = self.catalogue.seen_by(workflow);
                    let catalogue = tagged.as_deref().unwrap_or(self.catalogue);
                    self.action(call, name, action.as_ref(), catalogue, found);
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
        let namespace = self.namespace.unwrap_or(&from.namespace);
        let Some(called) = self.definitions.resolve(name, from, namespace) else {
            let prefix = from
                .workbook
                .as_ref()
                .map(|workbook| format!("{workbook}."));
            let hint = self.suggestion(name, || {
                let names = self.definitions.workflows().map(|workflow| {
                    let full = &*workflow.name;
                    prefix
                        .as_ref()
                        .and_then(|prefix| full.strip_prefix(&**prefix))
                        .unwrap_or(full)
                });
                did_you_mean(name, names)
            });
            let hint = hint.unwrap_or_else(|| "give the file that defines it, too".to_owned());
            let message = format!("there is no workflow `{name}`");
            found.push(at(
                self.unknown_workflow,
                &call.location,
                call.length,
                message,
                Some(hint),
            ));
            return;
        };
        let what = format!("the workflow `{}`", called.name);
        let parameters = parameters_of(&called.input);
        let start = found.len();
        inputs(call, &what, &parameters, false, found);
        // Mistral hands what a sub-workflow doesn't take to its execution, as a parameter.
        for diagnostic in &mut found[start..] {
            if diagnostic.code == Code::UnexpectedInput {
                diagnostic.code = Code::SuperfluousInput;
                diagnostic.severity = diagnostic.code.severity();
            }
        }
    }

    fn action(
        &self,
        call: &Call,
        name: &str,
        ad_hoc: Option<&Arc<AdHocAction>>,
        catalogue: &dyn ActionCatalogue,
        found: &mut Vec<Diagnostic>,
    ) {
        if let Some(action) = ad_hoc {
            let what = format!("the ad-hoc action `{}`", action.name);
            inputs(call, &what, &parameters_of(&action.input), false, found);
            return;
        }
        let Some(parameters) = catalogue.parameters(name) else {
            let hint = self.suggestion(name, || {
                let known = catalogue.names();
                let ad_hoc = self.definitions.actions().map(|action| &action.name);
                did_you_mean(name, known.iter().chain(ad_hoc).map(|name| &**name))
            });
            let message = format!("there is no action `{name}`");
            found.push(at(
                self.unknown_action,
                &call.location,
                call.length,
                message,
                hint,
            ));
            return;
        };
        let what = format!("the action `{name}`");
        inputs(call, &what, &parameters, catalogue.takes_more(name), found);
        self.values(call, name, &parameters, catalogue, found);
    }

    /// Checks the values that are known before anything runs.
    fn values(
        &self,
        call: &Call,
        action: &str,
        parameters: &[ActionParameter],
        catalogue: &dyn ActionCatalogue,
        found: &mut Vec<Diagnostic>,
    ) {
        let Some(input) = self.input(call) else {
            return;
        };
        for (name, value) in input {
            let Template::Literal(value) = value else {
                continue;
            };
            if !parameters.iter().any(|parameter| parameter.name == *name) {
                continue;
            }
            let Some(problem) = catalogue.check_value(action, name, value) else {
                continue;
            };
            let given = call.inputs.iter().flatten();
            let location = given
                .filter(|(given, _)| given == name)
                .map(|(_, location)| location)
                .next_back()
                .unwrap_or(&call.location);
            let length = u32::try_from(name.chars().count()).unwrap_or(1);
            let message = format!("the action `{action}` can't take this `{name}`: {problem}");
            found.push(at(Code::IllTypedInput, location, length, message, None));
        }
    }

    /// The input that `call` gives, where it is a mapping.
    fn input(&self, call: &Call) -> Option<&[(Arc<str>, Template)]> {
        let input = match &call.task {
            None => {
                let action = self.definitions.action_in(&call.namespace, &call.caller)?;
                &action.base_input
            }
            Some(task) => &self.caller(call)?.tasks.get(task)?.input,
        };
        match input {
            Template::Map(entries) => Some(entries),
            _ => None,
        }
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
    let mut base = definitions.base_of(action)?;
    while base.name != action.name {
        if !seen.insert(&base.name) {
            return None;
        }
        base = definitions.base_of(base)?;
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
