//! Values of a definition that may hold expressions.

use std::sync::Arc;

use ostro_core::{Map, Value};
use ostro_yaql::{Budget, Expression, Host};
use thiserror::Error;

use crate::Location;

/// A value of a definition, its expressions compiled.
///
/// A string that is one expression gives that expression's value; a string that holds
/// expressions among other text gives text.
#[derive(Clone, Debug)]
pub enum Template {
    /// A value without expressions.
    Literal(Value),
    /// One expression.
    Expression(Box<TemplateExpression>),
    /// Text with expressions in it.
    Text(Arc<[Part]>),
    /// A list.
    List(Arc<[Template]>),
    /// A mapping; its keys are plain.
    Map(Arc<[(Arc<str>, Template)]>),
}

/// An expression and where it stands.
#[derive(Clone, Debug)]
pub struct TemplateExpression {
    /// The compiled expression.
    pub expression: Expression,
    /// Where its text starts.
    pub location: Location,
}

/// A piece of text with expressions in it.
#[derive(Clone, Debug)]
pub enum Part {
    /// Plain text.
    Text(Arc<str>),
    /// An expression, whose value is put in as text.
    Expression(TemplateExpression),
}

/// What expressions see.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// `$`: the context.
    pub data: &'a Value,
    /// The functions beside YAQL's own.
    pub host: &'a dyn Host,
    /// What an expression may cost.
    pub budget: &'a Budget,
}

/// An expression that could not be evaluated. It never shows the data of the context.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("{location}: cannot evaluate <% {source_text} %>: {message}")]
pub struct ExpressionError {
    /// The expression.
    pub source_text: String,
    /// Where it stands.
    pub location: Location,
    /// What is wrong with it, and the hint where there is one.
    pub message: String,
}

impl Template {
    /// The value that this gives in `scope`.
    pub fn evaluate(&self, scope: Scope<'_>) -> Result<Value, ExpressionError> {
        match self {
            Template::Literal(value) => Ok(value.clone()),
            Template::Expression(expression) => expression.evaluate(scope),
            Template::Text(parts) => {
                let mut text = String::new();
                for part in parts.iter() {
                    match part {
                        Part::Text(plain) => text.push_str(plain),
                        Part::Expression(expression) => {
                            text.push_str(&crate::text::python_str(&expression.evaluate(scope)?));
                        }
                    }
                }
                Ok(text.into())
            }
            Template::List(items) => items.iter().map(|item| item.evaluate(scope)).collect(),
            Template::Map(entries) => {
                let mut map = Map::with_capacity(entries.len());
                for (key, value) in entries.iter() {
                    map.insert(Arc::clone(key), value.evaluate(scope)?);
                }
                Ok(map.into())
            }
        }
    }
}

impl TemplateExpression {
    fn evaluate(&self, scope: Scope<'_>) -> Result<Value, ExpressionError> {
        self.expression
            .evaluate(scope.data, scope.host, scope.budget)
            .map_err(|error| ExpressionError {
                source_text: self.expression.source().trim().to_owned(),
                location: self.location.clone(),
                message: error.to_string(),
            })
    }
}
