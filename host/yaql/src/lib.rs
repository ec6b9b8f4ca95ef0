//! The YAQL language: lexer, parser, evaluator, standard library.
//!
//! It behaves as Python's `yaql` 3.2 with the options that Mistral gives it; where it doesn't,
//! `COMPATIBILITY.md` of this crate says so and why.
//!
//! An [`Expression`] is parsed once and evaluated often. Evaluation reads no clock and draws no
//! random number of its own, so that the same inputs give the same result; what an expression may
//! ask of the world goes through a [`Host`]. It is bounded by a [`Budget`].
//!
//! ```
//! use ostro_yaql::{Budget, Expression, NoHost, Value};
//!
//! let expression = Expression::parse("$.nodes.where($.state = available).name")?;
//! let data: Value = serde_json::from_str(
//!     r#"{"nodes": [{"name": "a", "state": "available"}, {"name": "b", "state": "active"}]}"#,
//! )?;
//! let names = expression.evaluate(&data, &NoHost, &Budget::default())?;
//! assert_eq!(names.to_string(), r#"["a"]"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod ast;
mod budget;
mod check;
mod error;
mod eval;
mod lexer;
mod library;
mod lint;
mod parser;
mod signatures;
mod value;

use std::fmt;
use std::sync::Arc;

pub use budget::Budget;
pub use check::{CallSite, HostFunction, Problem, check, is_library_function};
pub use error::{ErrorKind, Span, YaqlError};
pub use eval::Step;
pub use lint::{Role, Variable};
pub use ostro_core::Value;
pub use signatures::{CallStyle, Parameter, Signature, signatures};

/// A parsed expression. Cloning is cheap.
#[derive(Clone)]
pub struct Expression {
    parsed: Arc<Parsed>,
}

struct Parsed {
    tree: ast::Tree,
}

impl Expression {
    /// Parses an expression: what stands between `<%` and `%>`, without them.
    pub fn parse(source: &str) -> Result<Expression, YaqlError> {
        let whole = Span::new(0, source.len());
        let tree = parser::parse(source).map_err(|error| error.finish(whole))?;
        Ok(Expression {
            parsed: Arc::new(Parsed { tree }),
        })
    }

    /// The text that was parsed.
    pub fn source(&self) -> &str {
        &self.parsed.tree.source
    }

    /// The value of the expression, where `$` is `data`.
    ///
    /// Iterators, sets and views of mappings become lists, times become strings, as what Mistral
    /// stores. Errors say where, and hold nothing of `data`.
    pub fn evaluate(
        &self,
        data: &Value,
        host: &dyn Host,
        budget: &Budget,
    ) -> Result<Value, YaqlError> {
        eval::Eval::new(&self.parsed.tree, host, budget)
            .run(data)
            .map_err(|error| error.finish(Span::new(0, self.source().len())))
    }

    /// The same as [`Expression::evaluate`], and beside it what each part of the expression gave,
    /// in the order in which the parts start. For people: it evaluates all parts once more.
    pub fn evaluate_traced(
        &self,
        data: &Value,
        host: &dyn Host,
        budget: &Budget,
    ) -> (Result<Value, YaqlError>, Vec<Step>) {
        let whole = Span::new(0, self.source().len());
        eval::traced(&self.parsed.tree, data, host, budget, whole)
    }

    /// Every function and method that is called, with the place of its name, in the order in
    /// which they are parsed.
    pub fn functions(&self) -> impl Iterator<Item = (&str, Span)> {
        self.parsed
            .tree
            .nodes
            .iter()
            .filter_map(|node| match &node.kind {
                ast::Kind::Call { name, .. } => Some((self.parsed.tree.text(*name), name.span())),
                _ => None,
            })
    }

    /// Every call, in the order of the source.
    pub fn calls(&self) -> Vec<CallSite<'_>> {
        let sites = check::sites(&self.parsed.tree);
        sites.into_iter().map(|(_, site)| site).collect()
    }

    /// What is read from the context: `$name`, and `name` of `$.name` and `$.get(name)` where `$`
    /// is the data that the expression is evaluated over.
    pub fn variables(&self) -> Vec<Variable<'_>> {
        lint::variables(&self.parsed.tree)
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.source()).finish()
    }
}

/// What an expression may ask of whoever evaluates it: functions that the library doesn't have,
/// as Mistral's `task` and `env`, and the current time.
pub trait Host {
    /// Calls the function `name`; None if there is none. An error's text reaches the user, so it
    /// must not hold what is secret.
    fn call(
        &self,
        name: &str,
        args: &[Value],
        kwargs: &[(&str, Value)],
    ) -> Option<Result<Value, String>>;

    /// The names of the functions. They come before those of the library.
    fn functions(&self) -> &[&str];

    /// Milliseconds since 1970 in UTC, for `now()`. The same on each evaluation that is to give
    /// the same result.
    fn now_millis(&self) -> i64;

    /// A number from 0 up to, but not with, 1, for `random()`; None, as by default, makes
    /// `random()` an error.
    fn random(&self) -> Option<f64> {
        None
    }
}

/// A [`Host`] without functions, whose time is 1970.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHost;

impl Host for NoHost {
    fn call(
        &self,
        _name: &str,
        _args: &[Value],
        _kwargs: &[(&str, Value)],
    ) -> Option<Result<Value, String>> {
        None
    }

    fn functions(&self) -> &[&str] {
        &[]
    }

    fn now_millis(&self) -> i64 {
        0
    }
}
