//! Sets of parsed files, and how names in one lead to another.

use std::sync::Arc;

use indexmap::IndexMap;
use rustc_hash::FxHashSet;

use crate::diagnostics::{Code, Diagnostic};
use crate::parse::{Call, Parsed};
use crate::{AdHocAction, Location, Workbook, Workflow};

/// Everything that some files define.
#[derive(Clone, Debug, Default)]
pub struct Definitions {
    workbooks: IndexMap<Arc<str>, Arc<Workbook>>,
    workflows: IndexMap<Arc<str>, Arc<Workflow>>,
    actions: IndexMap<Arc<str>, Arc<AdHocAction>>,
    calls: Vec<Call>,
    diagnostics: Vec<Diagnostic>,
}

impl Definitions {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in what a file defines, and its diagnostics. Of two definitions with one name the
    /// first stays, and the second is a diagnostic.
    pub fn add(&mut self, parsed: Parsed) {
        let Parsed {
            workbooks,
            workflows,
            actions,
            diagnostics,
            calls,
        } = parsed;
        self.diagnostics.extend(diagnostics);
        let mut dropped = FxHashSet::default();
        for workbook in workbooks {
            for workflow in &workbook.workflows {
                self.add_workflow(Arc::clone(workflow), &mut dropped);
            }
            for action in &workbook.actions {
                self.add_action(Arc::clone(action), &mut dropped);
            }
            // Two workbooks of one name are reported through what is in them.
            self.workbooks
                .entry(Arc::clone(&workbook.name))
                .or_insert(workbook);
        }
        for workflow in workflows {
            self.add_workflow(workflow, &mut dropped);
        }
        for action in actions {
            self.add_action(action, &mut dropped);
        }
        self.calls.extend(
            calls
                .into_iter()
                .filter(|call| !dropped.contains(&call.caller)),
        );
    }

    fn add_workflow(&mut self, workflow: Arc<Workflow>, dropped: &mut FxHashSet<Arc<str>>) {
        if let Some(first) = self.workflows.get(&workflow.name) {
            let first = first.location.clone();
            self.duplicate("workflow", &workflow.name, &workflow.location, &first);
            dropped.insert(Arc::clone(&workflow.name));
        } else {
            self.workflows.insert(Arc::clone(&workflow.name), workflow);
        }
    }

    fn add_action(&mut self, action: Arc<AdHocAction>, dropped: &mut FxHashSet<Arc<str>>) {
        if let Some(first) = self.actions.get(&action.name) {
            let first = first.location.clone();
            self.duplicate("ad-hoc action", &action.name, &action.location, &first);
            dropped.insert(Arc::clone(&action.name));
        } else {
            self.actions.insert(Arc::clone(&action.name), action);
        }
    }

    fn duplicate(&mut self, what: &str, name: &str, second: &Location, first: &Location) {
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

    /// The workbooks, in the order of adding.
    pub fn workbooks(&self) -> impl Iterator<Item = &Arc<Workbook>> {
        self.workbooks.values()
    }

    /// The workflows, those of workbooks too, in the order of adding.
    pub fn workflows(&self) -> impl Iterator<Item = &Arc<Workflow>> {
        self.workflows.values()
    }

    /// The ad-hoc actions, those of workbooks too, in the order of adding.
    pub fn actions(&self) -> impl Iterator<Item = &Arc<AdHocAction>> {
        self.actions.values()
    }

    /// The workflow with this full name.
    pub fn workflow(&self, name: &str) -> Option<&Arc<Workflow>> {
        self.workflows.get(name)
    }

    /// The workflow that a task of `from` means by `name`: one of the same workbook first.
    pub fn resolve(&self, name: &str, from: &Workflow) -> Option<Arc<Workflow>> {
        from.workbook
            .as_ref()
            .and_then(|workbook| self.workflows.get(&*format!("{workbook}.{name}")))
            .or_else(|| self.workflows.get(name))
            .cloned()
    }

    /// The ad-hoc action that a task of `from` means by `name`: one of the same workbook first.
    pub fn action(&self, name: &str, from: &Workflow) -> Option<Arc<AdHocAction>> {
        from.workbook
            .as_ref()
            .and_then(|workbook| self.actions.get(&*format!("{workbook}.{name}")))
            .or_else(|| self.actions.get(name))
            .cloned()
    }

    /// The ad-hoc action with this full name, as the `base` of another one names it.
    pub fn action_named(&self, name: &str) -> Option<&Arc<AdHocAction>> {
        self.actions.get(name)
    }

    pub(crate) fn calls(&self) -> &[Call] {
        &self.calls
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
