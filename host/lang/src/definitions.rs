//! Sets of parsed files, and how names in one lead to another.

use std::sync::Arc;

use indexmap::IndexMap;
use rustc_hash::FxHashSet;

use crate::diagnostics::{Code, Diagnostic};
use crate::parse::{Call, Parsed};
use crate::{AdHocAction, Location, Workbook, Workflow};

/// Everything that some files define, each in its namespace.
///
/// What a task calls is found in a namespace first and then in the default one, as in Mistral
/// (`mistral/db/v2/api.py`, `load_workflow_definition` and `load_action_definition`).
#[derive(Clone, Debug, Default)]
pub struct Definitions {
    /// By name; the default one is called by the empty text.
    namespaces: IndexMap<Arc<str>, Namespace>,
    calls: Vec<Call>,
    diagnostics: Vec<Diagnostic>,
}

/// What one namespace has, by full names.
#[derive(Clone, Debug, Default)]
struct Namespace {
    workbooks: IndexMap<Arc<str>, Arc<Workbook>>,
    workflows: IndexMap<Arc<str>, Arc<Workflow>>,
    actions: IndexMap<Arc<str>, Arc<AdHocAction>>,
}

impl Definitions {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what a file defines into the default namespace, and its diagnostics. Of two
    /// definitions with one name the first stays, and the second is a diagnostic.
    pub fn add(&mut self, parsed: Parsed) {
        self.add_to("", parsed);
    }

    /// As [`add`](Self::add), into `namespace`.
    pub fn add_to(&mut self, namespace: &str, mut parsed: Parsed) {
        if !namespace.is_empty() {
            parsed.set_namespace(&namespace.into());
        }
        let Parsed {
            workbooks,
            workflows,
            actions,
            diagnostics,
            calls,
        } = parsed;
        self.diagnostics.extend(diagnostics);
        let space = self.namespaces.entry(namespace.into()).or_default();
        let mut duplicates = Duplicates {
            names: FxHashSet::default(),
            diagnostics: &mut self.diagnostics,
        };
        for workbook in workbooks {
            for workflow in &workbook.workflows {
                space.add_workflow(Arc::clone(workflow), &mut duplicates);
            }
            for action in &workbook.actions {
                space.add_action(Arc::clone(action), &mut duplicates);
            }
            // Two workbooks of one name are reported through what is in them.
            space
                .workbooks
                .entry(Arc::clone(&workbook.name))
                .or_insert(workbook);
        }
        for workflow in workflows {
            space.add_workflow(workflow, &mut duplicates);
        }
        for action in actions {
            space.add_action(action, &mut duplicates);
        }
        let dropped = duplicates.names;
        let kept = calls.into_iter();
        self.calls
            .extend(kept.filter(|call| !dropped.contains(&call.caller)));
    }

    /// What was wrong with the files, each by itself and as a set, in the order of adding.
    /// What [`check`](crate::check) finds is not in it.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Whether any of the files has an error.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// The workbooks of all namespaces, each one's in the order of adding.
    pub fn workbooks(&self) -> impl Iterator<Item = &Arc<Workbook>> {
        let spaces = self.namespaces.values();
        spaces.flat_map(|space| space.workbooks.values())
    }

    /// The workflows of all namespaces, those of workbooks too, each one's in the order of adding.
    pub fn workflows(&self) -> impl Iterator<Item = &Arc<Workflow>> {
        let spaces = self.namespaces.values();
        spaces.flat_map(|space| space.workflows.values())
    }

    /// The ad-hoc actions of all namespaces, those of workbooks too, each one's in the order of
    /// adding.
    pub fn actions(&self) -> impl Iterator<Item = &Arc<AdHocAction>> {
        let spaces = self.namespaces.values();
        spaces.flat_map(|space| space.actions.values())
    }

    /// The workflow of the default namespace with this full name.
    pub fn workflow(&self, name: &str) -> Option<&Arc<Workflow>> {
        self.workflow_in("", name)
    }

    /// The workflow of `namespace` with this full name.
    pub fn workflow_in(&self, namespace: &str, name: &str) -> Option<&Arc<Workflow>> {
        self.namespaces.get(namespace)?.workflows.get(name)
    }

    /// The workflow that a task of `from` means by `name`, in an execution that looks for
    /// workflows in `namespace` (its parameter of that name): one of the same workbook first, and
    /// one of `namespace` before one of the default namespace.
    pub fn resolve(&self, name: &str, from: &Workflow, namespace: &str) -> Option<Arc<Workflow>> {
        let find = |name: &str| {
            self.workflow_in(namespace, name)
                .or_else(|| self.workflow(name))
        };
        from.workbook
            .as_ref()
            .and_then(|workbook| find(&format!("{workbook}.{name}")))
            .or_else(|| find(name))
            .cloned()
    }

    /// The ad-hoc action that a task of `from` means by `name`: one of the same workbook first,
    /// and one of the namespace of `from` before one of the default namespace.
    pub fn action(&self, name: &str, from: &Workflow) -> Option<Arc<AdHocAction>> {
        let find = |name: &str| self.action_in(&from.namespace, name);
        from.workbook
            .as_ref()
            .and_then(|workbook| find(&format!("{workbook}.{name}")))
            .or_else(|| find(name))
            .cloned()
    }

    /// The ad-hoc action with this full name: one of `namespace`, or else of the default one.
    pub fn action_in(&self, namespace: &str, name: &str) -> Option<&Arc<AdHocAction>> {
        let spaces = [namespace, ""].into_iter();
        let mut spaces = spaces.filter_map(|namespace| self.namespaces.get(namespace));
        spaces.find_map(|space| space.actions.get(name))
    }

    /// The ad-hoc action behind `action`, if there is one.
    pub fn base_of(&self, action: &AdHocAction) -> Option<&Arc<AdHocAction>> {
        self.action_in(&action.namespace, &action.base)
    }

    pub(crate) fn calls(&self) -> &[Call] {
        &self.calls
    }
}

impl Namespace {
    fn add_workflow(&mut self, workflow: Arc<Workflow>, duplicates: &mut Duplicates<'_>) {
        if let Some(first) = self.workflows.get(&workflow.name) {
            duplicates.add(
                "workflow",
                &workflow.name,
                &workflow.location,
                &first.location,
            );
        } else {
            self.workflows.insert(Arc::clone(&workflow.name), workflow);
        }
    }

    fn add_action(&mut self, action: Arc<AdHocAction>, duplicates: &mut Duplicates<'_>) {
        if let Some(first) = self.actions.get(&action.name) {
            duplicates.add(
                "ad-hoc action",
                &action.name,
                &action.location,
                &first.location,
            );
        } else {
            self.actions.insert(Arc::clone(&action.name), action);
        }
    }
}

/// What a file defines that was defined before.
struct Duplicates<'a> {
    names: FxHashSet<Arc<str>>,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Duplicates<'_> {
    fn add(&mut self, what: &str, name: &Arc<str>, second: &Location, first: &Location) {
        let code = Code::DuplicateDefinition;
        // In the text stands the last part of the name.
        let short = name.rsplit('.').next().unwrap_or(name).chars().count();
        self.diagnostics.push(Diagnostic {
            code,
            severity: code.severity(),
            location: second.clone(),
            length: u32::try_from(short).unwrap_or(1),
            message: format!("there is a second {what} `{name}`"),
            hint: Some(format!("the first is at {first}")),
        });
        self.names.insert(Arc::clone(name));
    }
}

impl Extend<Parsed> for Definitions {
    fn extend<I: IntoIterator<Item = Parsed>>(&mut self, files: I) {
        files.into_iter().for_each(|parsed| self.add(parsed));
    }
}

impl FromIterator<Parsed> for Definitions {
    fn from_iter<I: IntoIterator<Item = Parsed>>(files: I) -> Self {
        let mut definitions = Self::new();
        definitions.extend(files);
        definitions
    }
}
