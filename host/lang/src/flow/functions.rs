//! What expressions call and name: functions, tasks, and variables without `$`.

use ostro_yaql::{ErrorKind, Expression, HostFunction, Role, Span};
use rustc_hash::FxHashSet;

use super::outcome::{keys, names};
use super::reads::{Expr, Reads, expressions};
use super::{Found, Knowledge};
use crate::diagnostics::Code;
use crate::{AdHocAction, TemplateExpression, TemplateJinja, Workflow};

const fn host(
    name: &'static str,
    parameters: &'static [&'static str],
    required: usize,
) -> HostFunction<'static> {
    HostFunction {
        name,
        parameters,
        required,
    }
}

/// Mistral's functions, as `mistral/expressions/std_functions.py` has them, and `json_pp`, which
/// older releases had.
const MISTRAL: &[HostFunction<'static>] = &[
    host("env", &[], 0),
    host("execution", &[], 0),
    host(
        "executions",
        &["id", "root_execution_id", "state", "from_time", "to_time"],
        0,
    ),
    host("global", &["var_name"], 1),
    host("json_dump", &["data"], 1),
    host("json_parse", &["data"], 1),
    host("json_pp", &["data"], 1),
    host("task", &["task_name"], 0),
    host(
        "tasks",
        &["workflow_execution_id", "recursive", "state", "flat"],
        0,
    ),
    host("uuid", &[], 0),
    host("yaml_dump", &["data"], 1),
    host("yaml_parse", &["data"], 1),
];

/// Whether Mistral has a function of this name.
pub(super) fn is_of_mistral(name: &str) -> bool {
    MISTRAL.iter().any(|function| function.name == name)
}

/// Jinja2's own functions, and what calls itself in a template.
const JINJA: &[&str] = &[
    "range",
    "dict",
    "lipsum",
    "cycler",
    "joiner",
    "namespace",
    "caller",
    "super",
    "loop",
];

/// Checks the expressions of a workflow.
pub(super) fn check(
    workflow: &Workflow,
    reads: &Reads<'_>,
    knowledge: &Knowledge<'_>,
    found: &mut Found,
) {
    let inputs = workflow.input.iter().map(|input| &input.name);
    let vars = workflow.vars.iter().flat_map(keys);
    let published = workflow.tasks.values().flat_map(|task| {
        let publish = &task.publish;
        [&publish.success, &publish.error, &publish.skip]
            .into_iter()
            .flat_map(names)
    });
    let variables: FxHashSet<&str> = inputs.chain(vars).chain(published).map(|n| &**n).collect();
    for expression in &reads.expressions {
        functions(*expression, knowledge, found);
        if let Expr::Yaql(yaql) = expression {
            loose_names(yaql, &variables, found);
            tasks(yaql, workflow, found);
        }
    }
}

/// Checks the expressions of an ad-hoc action.
pub(super) fn check_ad_hoc(action: &AdHocAction, knowledge: &Knowledge<'_>, found: &mut Found) {
    let inputs: FxHashSet<&str> = action.input.iter().map(|input| &*input.name).collect();
    let templates = [Some(&action.base_input), action.output.as_ref()];
    for template in templates.into_iter().flatten() {
        expressions(template, &mut |expression| {
            functions(expression, knowledge, found);
            if let Expr::Yaql(yaql) = expression {
                loose_names(yaql, &inputs, found);
            }
        });
    }
}

/// Functions that there are not, or not with these arguments.
fn functions(expression: Expr<'_>, knowledge: &Knowledge<'_>, found: &mut Found) {
    match expression {
        Expr::Yaql(yaql) => yaql_functions(yaql, knowledge, found),
        Expr::Jinja(jinja) => jinja_functions(jinja, knowledge, found),
    }
}

fn yaql_functions(yaql: &TemplateExpression, knowledge: &Knowledge<'_>, found: &mut Found) {
    let source = yaql.expression.source();
    for problem in ostro_yaql::check(&yaql.expression, MISTRAL) {
        let code = match problem.kind {
            ErrorKind::UnknownFunction | ErrorKind::UnknownMethod => Code::UnknownFunction,
            _ => Code::FunctionArguments,
        };
        let span = problem.span;
        let name = source.get(span.start..span.end).unwrap_or_default();
        if code == Code::UnknownFunction && knowledge.functions.contains(&name) {
            continue;
        }
        let (location, length) = Expr::Yaql(yaql).place(span.start, span.end);
        found.add(code, &location, length, problem.message, problem.hint);
    }
}

fn jinja_functions(jinja: &TemplateJinja, knowledge: &Knowledge<'_>, found: &mut Found) {
    for (name, span) in jinja.template.functions() {
        let known = || {
            let mistral = MISTRAL.iter().map(|function| function.name);
            let more = knowledge.functions.iter().copied();
            JINJA.iter().copied().chain(mistral).chain(more)
        };
        if known().any(|known| known == &*name) {
            continue;
        }
        let (location, length) = Expr::Jinja(jinja).place(span.start, span.end);
        let message = format!("there is no function `{name}`");
        let hint = found.did_you_mean(&name, known());
        found.add(Code::UnknownFunction, &location, length, message, hint);
    }
}

/// `$name`, and a bare word that has the name of a variable.
fn loose_names(expression: &TemplateExpression, variables: &FxHashSet<&str>, found: &mut Found) {
    let parsed = &expression.expression;
    for variable in parsed.variables() {
        let name = variable.name;
        let is_context = name.starts_with("__") || name.starts_with(|c: char| c.is_ascii_digit());
        if variable.role != Role::Free || is_context {
            continue;
        }
        let (location, length) =
            Expr::Yaql(expression).place(variable.span.start, variable.span.end);
        let message = format!("nothing in this expression defines `${name}`, so it is null");
        let hint = if variables.contains(name) {
            format!("the variable is `$.{name}`")
        } else {
            "a variable of the workflow is written `$.name`, with a dot".to_owned()
        };
        found.add(Code::FreeVariable, &location, length, message, Some(hint));
    }
    let source = parsed.source();
    if variables.contains(source) {
        let (location, length) = Expr::Yaql(expression).place(0, source.len());
        let message = format!("this is the text \"{source}\", not the variable of that name");
        let hint = format!("the variable is `$.{source}`");
        found.add(Code::BareWord, &location, length, message, Some(hint));
    }
}

/// `task(name)` with a name that no task has.
fn tasks(expression: &TemplateExpression, workflow: &Workflow, found: &mut Found) {
    let parsed = &expression.expression;
    for (name, span) in parsed.functions() {
        if name != "task" {
            continue;
        }
        let Some((task, span)) = only_argument(parsed, span) else {
            continue;
        };
        if workflow.tasks.contains_key(task) {
            continue;
        }
        let (location, length) = Expr::Yaql(expression).place(span.start, span.end);
        let hint = found.did_you_mean(task, workflow.tasks.keys().map(|name| &**name));
        let message = format!("this workflow has no task `{task}`, so that there is no result");
        found.add(Code::UnknownTaskResult, &location, length, message, hint);
    }
}

/// The text that a call has as its only argument: a bare word, or text in quotes.
fn only_argument(expression: &Expression, function: Span) -> Option<(&str, Span)> {
    let source = expression.source();
    let skip = |at: usize| {
        let rest = source.get(at..)?;
        Some(at + rest.len() - rest.trim_start().len())
    };
    let mut start = skip(function.end)?;
    if !source[start..].starts_with('(') {
        return None;
    }
    start = skip(start + 1)?;
    let quote = source[start..]
        .chars()
        .next()
        .filter(|c| matches!(c, '"' | '\''));
    let mut end = if let Some(quote) = quote {
        start += 1;
        start + source[start..].find(quote)?
    } else {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        start + source[start..].find(|c| !is_word(c))?
    };
    let span = Span::new(start, end);
    let text = &source[start..end];
    end += usize::from(quote.is_some());
    // An escape, a longer expression, or a keyword of the language is no plain name.
    let is_plain = !text.is_empty()
        && !text.contains('\\')
        && !matches!(text, "null" | "true" | "false")
        && !text.starts_with(|c: char| c.is_ascii_digit());
    (is_plain && source[skip(end)?..].starts_with(')')).then_some((text, span))
}
