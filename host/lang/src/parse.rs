//! DSL v2 to specs.
//!
//! The rules are those of Mistral 23's validator and spec classes (`mistral/lang/v2`), with
//! more said about what is wrong. Where Mistral drops something without a word, a warning says
//! so; where it loses data by mistake (published variables when both forms of `publish` are
//! used), nothing is lost here.

mod action;
mod context;
mod document;
mod graph;
mod inline;
mod placed;
mod policies;
mod publish;
mod task;
pub(crate) mod template;
mod transitions;
mod with_items;
mod workflow;

use std::sync::Arc;

use ostro_core::Value;

pub use placed::{Placed, PlacedEntry, PlacedKind, read_placed};
pub(crate) use template::outside_template;

use crate::yaml::{MAX_BYTES, Place, Trace};
use crate::{AdHocAction, Code, Diagnostic, Location, Template, Workbook, Workflow};

/// What a text defines, and all that is wrong with it.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// Its workbooks; a text holds one at most.
    pub workbooks: Vec<Arc<Workbook>>,
    /// The workflows that stand in no workbook.
    pub workflows: Vec<Arc<Workflow>>,
    /// The ad-hoc actions that stand in no workbook.
    pub actions: Vec<Arc<AdHocAction>>,
    /// Errors and warnings, in the order of the text. If there are errors, what was understood
    /// is there all the same, but must not run.
    pub diagnostics: Vec<Diagnostic>,
    pub(crate) calls: Vec<Call>,
}

/// Where a definition calls an action or a sub-workflow. Checks over several files point there.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The full name of the workflow or ad-hoc action that calls.
    pub(crate) caller: Arc<str>,
    /// The caller's namespace.
    pub(crate) namespace: Arc<str>,
    /// The calling task, where a task calls.
    pub(crate) task: Option<Arc<str>>,
    /// Where the name of what is called stands.
    pub(crate) location: Location,
    /// The length of that name.
    pub(crate) length: u32,
    /// The inputs that are given by name, and where. None if an expression gives the input.
    pub(crate) inputs: Option<Vec<(Arc<str>, Location)>>,
}

impl Parsed {
    /// Whether nothing of it may run.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// Leaves out the workflows and ad-hoc actions whose full names `wanted` does not want.
    pub fn retain(&mut self, wanted: impl Fn(&str) -> bool) {
        for workbook in &mut self.workbooks {
            let workbook = Arc::make_mut(workbook);
            workbook.workflows.retain(|workflow| wanted(&workflow.name));
            workbook.actions.retain(|action| wanted(&action.name));
        }
        self.workflows.retain(|workflow| wanted(&workflow.name));
        self.actions.retain(|action| wanted(&action.name));
        self.calls.retain(|call| wanted(&call.caller));
    }

    /// Says that all of it belongs to `namespace`.
    pub(crate) fn set_namespace(&mut self, namespace: &Arc<str>) {
        let workflow = |workflow: &mut Arc<Workflow>| {
            Arc::make_mut(workflow).namespace = Arc::clone(namespace);
        };
        let action = |action: &mut Arc<AdHocAction>| {
            Arc::make_mut(action).namespace = Arc::clone(namespace);
        };
        for workbook in &mut self.workbooks {
            let workbook = Arc::make_mut(workbook);
            workbook.workflows.iter_mut().for_each(workflow);
            workbook.actions.iter_mut().for_each(action);
        }
        self.workflows.iter_mut().for_each(workflow);
        self.actions.iter_mut().for_each(action);
        for call in &mut self.calls {
            call.namespace = Arc::clone(namespace);
        }
    }
}

/// Parses the text of a file: a workbook, or workflows and ad-hoc actions by name.
///
/// `file` is only for locations. Which of them a text is follows from its keys.
pub fn parse(text: &str, file: &str) -> Parsed {
    let mut cx = context::Context::new(text, file);
    let mut parsed = document::document(&mut cx);
    let (diagnostics, calls) = cx.finish();
    parsed.diagnostics = diagnostics;
    parsed.calls = calls;
    parsed
}

/// Parses `text` as a value of a definition may hold it: plain, one expression, or text with
/// expressions in it. The diagnostics are errors and warnings, in the order of the text; with an
/// error among them, the template must not be evaluated.
///
/// `file` is only for locations. The text is taken as it is: YAML's quotes and escapes are not
/// part of it.
pub fn parse_template(text: &str, file: &str) -> (Template, Vec<Diagnostic>) {
    if text.len() > MAX_BYTES {
        let mut cx = context::Context::new("", file);
        let message = format!("the text has {} bytes, more than {MAX_BYTES}", text.len());
        let start = Place { line: 1, column: 1 };
        cx.report(Code::YamlLimit, start, 1, message, None);
        return (Template::Literal(Value::Null), cx.finish().0);
    }
    let mut cx = context::Context::new(text, file);
    let trace = Trace::plain(text);
    let template = template::text_template(&mut cx, template::Fragment::new(text, &trace));
    (template, cx.finish().0)
}
