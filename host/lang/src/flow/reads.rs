//! What the expressions of a workflow read, and when.

use std::borrow::Cow;

use ostro_yaql::Role;
use rustc_hash::FxHashSet;

use super::functions::is_of_mistral;
use super::graph::{Event, transitions};
use crate::{Location, Part, Task, Template, TemplateExpression, TemplateJinja, Workflow};

/// When an expression is evaluated, which decides what it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Moment {
    /// Before any task: `vars`.
    Vars,
    /// When the task starts, or publishes.
    Start(usize),
    /// When the task has ended: the conditions of its transitions.
    Ended(usize, Event),
    /// When the task has ended in whichever way: policies that look at the result.
    Settled(usize),
    /// When the workflow has succeeded.
    Output,
    /// When the workflow has failed.
    OutputOnError,
}

/// An expression.
#[derive(Clone, Copy)]
pub(super) enum Expr<'w> {
    Yaql(&'w TemplateExpression),
    /// A whole text, which may hold several expressions and statements.
    Jinja(&'w TemplateJinja),
}

impl Expr<'_> {
    /// Where the part between two byte offsets stands, and its length.
    pub(super) fn place(self, start: usize, end: usize) -> (Location, u32) {
        let (text, places) = match self {
            Expr::Yaql(yaql) => (yaql.expression.source(), &yaql.places),
            Expr::Jinja(jinja) => (jinja.template.source(), &jinja.places),
        };
        let length = text.get(start..end).map_or(1, |part| part.chars().count());
        let length = u32::try_from(length).unwrap_or(1).max(1);
        (places.locate(text, start), length)
    }
}

/// A variable that is read.
#[derive(Clone, Debug)]
pub(super) struct Read<'w> {
    pub(super) name: Cow<'w, str>,
    pub(super) moment: Moment,
    pub(super) location: Location,
    pub(super) length: u32,
    /// Whether it may be missing.
    pub(super) optional: bool,
    /// Whether it is read whenever the expression is evaluated.
    pub(super) certain: bool,
}

/// All expressions of `workflow`, and what they read from the context.
pub(super) struct Reads<'w> {
    pub(super) expressions: Vec<Expr<'w>>,
    pub(super) all: Vec<Read<'w>>,
    /// Whether an expression takes the context as a whole.
    pub(super) everything: bool,
}

/// The expressions in `template`.
pub(super) fn expressions<'w>(template: &'w Template, found: &mut impl FnMut(Expr<'w>)) {
    match template {
        Template::Literal(_) => {}
        Template::Expression(expression) => found(Expr::Yaql(expression)),
        Template::Jinja(jinja) => found(Expr::Jinja(jinja)),
        Template::Text(parts) => {
            for part in parts.iter() {
                if let Part::Expression(expression) = part {
                    found(Expr::Yaql(expression));
                }
            }
        }
        Template::List(items) => items.iter().for_each(|item| expressions(item, found)),
        Template::Map(entries) => {
            for (_, value) in entries.iter() {
                expressions(value, found);
            }
        }
    }
}

impl<'w> Reads<'w> {
    pub(super) fn of(workflow: &'w Workflow) -> Self {
        let mut reads = Self {
            expressions: Vec::new(),
            all: Vec::new(),
            everything: false,
        };
        let none = FxHashSet::default();
        reads.add(workflow.vars.as_ref(), Moment::Vars, &none);
        for (number, task) in workflow.tasks.values().enumerate() {
            reads.task(number, task);
        }
        reads.add(workflow.output.as_ref(), Moment::Output, &none);
        let on_error = workflow.output_on_error.as_ref();
        reads.add(on_error, Moment::OutputOnError, &none);
        reads
    }

    fn task(&mut self, number: usize, task: &'w Task) {
        let none = FxHashSet::default();
        let start = Moment::Start(number);
        let settled = Moment::Settled(number);
        let items = task.with_items.iter().flat_map(|items| &items.items);
        let mut own: FxHashSet<&str> = items.clone().map(|(name, _)| &**name).collect();
        for (_, list) in items {
            self.add(Some(list), start, &none);
        }
        let concurrency = task
            .with_items
            .as_ref()
            .and_then(|i| i.concurrency.as_ref());
        self.add(concurrency, start, &none);
        if let crate::Work::Action(name) | crate::Work::Workflow(name) = &task.work {
            self.add(Some(name), start, &own);
        }
        self.add(Some(&task.input), start, &own);
        // The target is looked up in the input, too.
        if let Template::Map(entries) = &task.input {
            own.extend(entries.iter().map(|(name, _)| &**name));
        }
        self.add(task.target.as_ref(), start, &own);
        for template in [&task.keep_result, &task.safe_rerun] {
            self.add(template.as_ref(), settled, &none);
        }
        let policies = &task.policies;
        for template in [
            &policies.wait_before,
            &policies.timeout,
            &policies.pause_before,
        ] {
            self.add(template.as_ref(), start, &none);
        }
        for template in [&policies.wait_after, &policies.fail_on] {
            self.add(template.as_ref(), settled, &none);
        }
        if let Some(retry) = &policies.retry {
            self.add(Some(&retry.count), settled, &none);
            for template in [&retry.delay, &retry.break_on, &retry.continue_on] {
                self.add(template.as_ref(), settled, &none);
            }
        }
        for publish in [
            &task.publish.success,
            &task.publish.error,
            &task.publish.skip,
        ] {
            for template in [&publish.branch, &publish.global, &publish.atomic] {
                self.add(template.as_ref(), start, &none);
            }
        }
        for (event, transition) in transitions(task) {
            let ended = Moment::Ended(number, event);
            self.add(transition.condition.as_ref(), ended, &none);
            if let crate::Target::Command { message, .. } = &transition.target {
                self.add(message.as_ref(), ended, &none);
            }
        }
    }

    /// `own` are names that stand for something else in this place.
    fn add(&mut self, template: Option<&'w Template>, moment: Moment, own: &FxHashSet<&str>) {
        let Some(template) = template else { return };
        let (found, reads) = (&mut self.expressions, &mut self.all);
        let everything = &mut self.everything;
        expressions(template, &mut |expression| {
            found.push(expression);
            *everything |= expression.takes_everything();
            of_expression(expression, moment, reads, own);
        });
    }
}

/// Adds what `expression` reads from the context, but for `own`.
pub(super) fn of_expression<'w>(
    expression: Expr<'w>,
    moment: Moment,
    reads: &mut Vec<Read<'w>>,
    own: &FxHashSet<&str>,
) {
    let variables = expression.variables();
    if variables.is_empty() {
        return;
    }
    let certain = expression.is_straight();
    let unknown = expression.first_unknown_call();
    for (name, optional, span) in &variables {
        // Whether `$` is still the context in the arguments of an unknown function is unknown.
        if own.contains(&**name) || unknown.is_some_and(|call| span.0 > call) {
            continue;
        }
        let (location, length) = expression.place(span.0, span.1);
        // `$.get(a) != null and $.a > 0` asks first.
        let asked = variables
            .iter()
            .any(|(other, optional, _)| *optional && other == name);
        reads.push(Read {
            name: name.clone(),
            moment,
            location,
            length,
            optional: *optional || asked,
            certain,
        });
    }
}

/// A name, whether it may be missing, and where it stands in bytes.
type Variable<'w> = (Cow<'w, str>, bool, (usize, usize));

impl<'w> Expr<'w> {
    /// What is read from the context.
    fn variables(self) -> Vec<Variable<'w>> {
        match self {
            Expr::Yaql(yaql) => {
                let variables = yaql.expression.variables().into_iter();
                variables
                    .filter_map(|variable| {
                        let optional = match variable.role {
                            Role::Key => false,
                            Role::OptionalKey => true,
                            Role::Bound | Role::Free => return None,
                        };
                        let span = (variable.span.start, variable.span.end);
                        Some((variable.name.into(), optional, span))
                    })
                    .collect()
            }
            Expr::Jinja(jinja) => {
                // Tests and filters that mind a missing value say that it may be missing.
                let source = jinja.template.source();
                let optional = ["default", "defined", ".get(", "d("]
                    .into_iter()
                    .any(|word| source.contains(word));
                let variables = jinja.template.variables().into_iter();
                variables
                    .map(|(name, span)| (name.to_string().into(), optional, (span.start, span.end)))
                    .collect()
            }
        }
    }

    /// Where the first call starts that is none of the library's.
    fn first_unknown_call(self) -> Option<usize> {
        match self {
            Expr::Yaql(yaql) => {
                let known =
                    |name: &str| ostro_yaql::is_library_function(name) || is_of_mistral(name);
                let mut calls = yaql.expression.functions();
                calls
                    .find(|(name, _)| !known(name))
                    .map(|(_, span)| span.start)
            }
            Expr::Jinja(_) => None,
        }
    }

    /// Whether every part of the expression is evaluated when it is: nothing in it is
    /// conditional.
    fn is_straight(self) -> bool {
        match self {
            Expr::Yaql(yaql) => is_straight(yaql),
            Expr::Jinja(_) => false,
        }
    }

    /// Whether it takes the context as a whole, or looks names up that only evaluation knows.
    fn takes_everything(self) -> bool {
        match self {
            Expr::Yaql(yaql) => takes_everything(yaql.expression.source()),
            Expr::Jinja(_) => true,
        }
    }
}

/// Whether every part of the expression is evaluated when it is: nothing in it is conditional.
fn is_straight(expression: &TemplateExpression) -> bool {
    let expression = &expression.expression;
    let lazy = expression.functions().any(|(name, _)| {
        matches!(
            name,
            "coalesce"
                | "switch"
                | "switchCase"
                | "selectCase"
                | "selectAllCases"
                | "examine"
                | "let"
                | "with"
                | "def"
                | "lambda"
                | "assert"
        )
    });
    let source = expression.source();
    let words = source.split(|c: char| !c.is_alphanumeric() && c != '_');
    !lazy && !source.contains("?.") && words.into_iter().all(|word| word != "and" && word != "or")
}

/// Whether `$` stands in `source` by itself, as in `json_dump($)`. In a lambda it means something
/// else, but which of them it is does not matter to those who ask.
fn takes_everything(source: &str) -> bool {
    let mut rest = source;
    while let Some(at) = rest.find('$') {
        rest = &rest[at + 1..];
        let next = rest.trim_start().chars().next();
        let names = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '[' | '?');
        if !next.is_some_and(names) {
            return true;
        }
    }
    // These look names up that only evaluation knows.
    source.contains(".keys") || source.contains(".items") || source.contains("execution(")
}
