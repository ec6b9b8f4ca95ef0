//! Jinja2 as Mistral uses it.
//!
//! minijinja's parser reads the text. What a template means is decided here, by Python's rules:
//! `%` on text, methods of text, lists and mappings, strict undefined values, and a budget that
//! counts steps, memory and depth. The host's functions are called by reference, and data of the
//! context is shared, so nothing is copied that the result does not hold.

mod ast;
mod change;
mod error;
mod eval;
mod filters;
mod format;
mod functions;
mod lower;
mod methods;
mod names;
mod operators;
mod predicates;
mod statements;
mod text;
mod value;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use ostro_core::Value;
use ostro_yaql::{Budget, Host};
use thiserror::Error;

use error::Fail;
use eval::Eval;
pub(crate) use eval::Traced;

/// A Jinja2 text that was parsed. Cloning is cheap.
///
/// Text that is one `{{ expression }}` and nothing else gives that expression's value; any other
/// gives text.
#[derive(Clone)]
pub struct JinjaTemplate {
    parsed: Arc<Parsed>,
}

struct Parsed {
    source: Box<str>,
    program: Program,
}

enum Program {
    /// One expression, which starts at this byte.
    Native(ast::Expr, usize),
    Text(Vec<ast::Stmt>),
}

/// A Jinja2 text that can't be parsed or evaluated. It never holds values of the context.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct JinjaError {
    /// What is wrong.
    pub message: String,
    /// What to do about it, where there is something to say.
    pub hint: Option<String>,
    /// Where, in bytes of the text.
    pub span: Range<usize>,
}

impl JinjaTemplate {
    /// Parses a whole text, its `{{ … }}` and `{% … %}` included. Filters and tests that don't
    /// exist are errors here already.
    pub fn parse(source: &str) -> Result<Self, JinjaError> {
        let program = match native(source) {
            Some(inner) => {
                let start = inner.as_ptr() as usize - source.as_ptr() as usize;
                lower::expression(inner)
                    .map(|expr| Program::Native(expr, start))
                    .map_err(|fail| problem(fail, start, source))
            }
            None => lower::template(source)
                .map(Program::Text)
                .map_err(|fail| problem(fail, 0, source)),
        }?;
        Ok(Self {
            parsed: Arc::new(Parsed {
                source: source.into(),
                program,
            }),
        })
    }

    /// The text that was parsed.
    pub fn source(&self) -> &str {
        &self.parsed.source
    }

    /// What it gives, where `_` is `data`. Without a result to give, as an undefined value or a
    /// function, it is an error.
    pub fn evaluate(
        &self,
        data: &Value,
        host: &dyn Host,
        budget: &Budget,
    ) -> Result<Value, JinjaError> {
        self.run(&mut Eval::new(data, host, budget))
    }

    /// The same, with what each sub-expression gave, in the order in which they start.
    pub(crate) fn evaluate_traced(
        &self,
        data: &Value,
        host: &dyn Host,
        budget: &Budget,
    ) -> (Result<Value, JinjaError>, Vec<Traced>) {
        let mut eval = Eval::new(data, host, budget);
        eval.trace = Some(Vec::new());
        let result = self.run(&mut eval);
        let mut traced = eval.trace.take().unwrap_or_default();
        let start = self.start();
        for step in &mut traced {
            step.at.start += start;
            step.at.end += start;
        }
        (result, traced)
    }

    fn run(&self, eval: &mut Eval<'_>) -> Result<Value, JinjaError> {
        match &self.parsed.program {
            Program::Native(expr, _) => eval
                .eval(expr)
                .and_then(|value| value.into_value().map_err(|e| e.at(expr.at))),
            Program::Text(body) => eval.render(body).map(Value::from),
        }
        .map_err(|fail| problem(fail, self.start(), self.source()))
    }

    fn start(&self) -> usize {
        match &self.parsed.program {
            Program::Native(_, start) => *start,
            Program::Text(_) => 0,
        }
    }

    /// Every name that is called as a function, with its place in bytes of the text; names that
    /// the text itself sets are left out.
    pub fn functions(&self) -> Vec<(Arc<str>, Range<usize>)> {
        self.shifted(names::collect(&self.parsed.program).functions)
    }

    /// The entries of the context that are read: `name` of `_.name`, `_['name']` and
    /// `_.get('name')`, with their places in bytes of the text.
    pub fn variables(&self) -> Vec<(Arc<str>, Range<usize>)> {
        self.shifted(names::collect(&self.parsed.program).variables)
    }

    fn shifted(&self, found: Vec<(Arc<str>, ast::Span)>) -> Vec<(Arc<str>, Range<usize>)> {
        let start = self.start();
        found
            .into_iter()
            .map(|(name, at)| (name, at.start + start..at.end + start))
            .collect()
    }
}

impl fmt::Debug for JinjaTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JinjaTemplate")
            .field(&self.source())
            .finish()
    }
}

/// What stands in the braces, if `text` is one `{{ … }}` and nothing else.
///
/// As in Mistral this is what the regular expression `{{(.*?)}}` finds, so that `}}` in a text
/// of the expression ends it, and `{{-1}}` is a negative number. A `-` before the last brace
/// would always fail there; here it is what Jinja2 means by it.
fn native(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("{{")?.strip_suffix("}}")?;
    if inner.contains("}}") || inner.contains('\n') || inner.ends_with('}') {
        return None;
    }
    match inner.strip_suffix('-') {
        Some(inner) => Some(inner.strip_prefix('-').unwrap_or(inner)),
        None => Some(inner),
    }
}

fn problem(fail: Fail, start: usize, source: &str) -> JinjaError {
    let (message, hint, at) = fail.into_parts();
    let place = |offset: usize| source.floor_char_boundary((offset + start).min(source.len()));
    let span = at.map_or(0..source.len(), |at| {
        place(at.start)..place(at.end).max(place(at.start))
    });
    JinjaError {
        message,
        hint,
        span,
    }
}
