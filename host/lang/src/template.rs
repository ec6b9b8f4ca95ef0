//! Values of a definition that may hold expressions.

use std::sync::Arc;

use ostro_core::{Map, Value};
use ostro_yaql::{Budget, Expression, Host};
use thiserror::Error;

use crate::jinja::JinjaTemplate;
use crate::{Diagnostic, Location, diagnostics};

/// A value of a definition, its expressions compiled.
///
/// A string that is one expression gives that expression's value; a string that holds
/// expressions among other text gives text.
#[derive(Clone, Debug)]
pub enum Template {
    /// A value without expressions.
    Literal(Value),
    /// One YAQL expression.
    Expression(Box<TemplateExpression>),
    /// Text with YAQL expressions in it.
    Text(Arc<[Part]>),
    /// Text with Jinja2 in it, which is one template as a whole.
    Jinja(Box<TemplateJinja>),
    /// A list.
    List(Arc<[Template]>),
    /// A mapping; its keys are plain.
    Map(Arc<[(Arc<str>, Template)]>),
}

/// A YAQL expression and where it stands.
#[derive(Clone, Debug)]
pub struct TemplateExpression {
    /// The compiled expression.
    pub expression: Expression,
    /// Where its text starts.
    pub location: Location,
    pub(crate) places: Places,
}

/// A text with Jinja2 in it and where it stands.
#[derive(Clone, Debug)]
pub struct TemplateJinja {
    /// The compiled text.
    pub template: JinjaTemplate,
    /// Where the text starts.
    pub location: Location,
    pub(crate) places: Places,
}

/// Where the characters of an expression stand in the file.
///
/// A text may be folded, indented and escaped in YAML, so that its places can't be counted from
/// its start.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    file: Arc<str>,
    /// The index of a character, its line and its column, for each that does not stand right
    /// behind the one before it.
    runs: Arc<[(u32, u32, u32)]>,
}

impl Places {
    /// The places `at`, of each character in order.
    pub(crate) fn new(file: &Arc<str>, at: impl Iterator<Item = (u32, u32)>) -> Self {
        let mut runs: Vec<(u32, u32, u32)> = Vec::new();
        for (index, (line, column)) in (0..).zip(at) {
            let follows = runs.last().is_some_and(|(first, last_line, last_column)| {
                *last_line == line && last_column + (index - first) == column
            });
            if !follows {
                runs.push((index, line, column));
            }
        }
        Self {
            file: Arc::clone(file),
            runs: runs.into(),
        }
    }

    /// The place of the character of `text` at a byte offset.
    pub(crate) fn locate(&self, text: &str, offset: usize) -> Location {
        let before = text.get(..offset).unwrap_or(text).chars().count();
        let index = u32::try_from(before).unwrap_or(u32::MAX);
        let run = self.runs.partition_point(|(first, ..)| *first <= index);
        let (first, line, column) = match run.checked_sub(1).and_then(|run| self.runs.get(run)) {
            Some(run) => *run,
            None => (0, 1, 1),
        };
        Location {
            file: Arc::clone(&self.file),
            line,
            column: column.saturating_add(index - first),
        }
    }
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
#[error("{location}: cannot evaluate {source_text}: {message}")]
pub struct ExpressionError {
    /// The expression, with its `<%` and `%>`; of Jinja2 the whole text.
    pub source_text: String,
    /// Where it stands.
    pub location: Location,
    /// What is wrong with it, and the hint where there is one.
    pub message: String,
    /// Where in it something is wrong.
    pub at: Location,
    /// How many characters from there on belong to what is wrong.
    pub length: u32,
}

impl ExpressionError {
    /// The error as text for people, with the line of `source` (the text of its file) that it
    /// points at, as [`Diagnostic::render`](crate::Diagnostic::render) gives it.
    pub fn render(&self, source: &str) -> String {
        let title = format!(
            "error: cannot evaluate {}: {}",
            self.source_text, self.message
        );
        diagnostics::pointed(&title, &self.at, self.length, source)
    }

    /// The error in `text`, of which the bytes of `span` are wrong.
    fn new(
        (source_text, text): (String, &str),
        span: (usize, usize),
        message: String,
        location: &Location,
        places: &Places,
    ) -> Self {
        let wrong = text.get(span.0..span.1).unwrap_or_default();
        let wrong = wrong.lines().next().unwrap_or_default();
        Self {
            source_text,
            location: location.clone(),
            message,
            at: places.locate(text, span.0),
            length: u32::try_from(wrong.chars().count())
                .unwrap_or(u32::MAX)
                .max(1),
        }
    }
}

impl Template {
    /// The template of a value that stands in no definition: an environment, say. `origin` is
    /// what its expressions are said to stand in. The error is what is wrong with them.
    pub fn from_value(value: &Value, origin: &str) -> Result<Self, Vec<Diagnostic>> {
        let (template, mut problems) = crate::parse::outside_template(value, origin);
        problems.retain(Diagnostic::is_error);
        if problems.is_empty() {
            Ok(template)
        } else {
            Err(problems)
        }
    }

    /// The value as it was written, expressions as text.
    pub fn written(&self) -> Value {
        match self {
            Template::Literal(value) => value.clone(),
            Template::Expression(expression) => {
                format!("<% {} %>", expression.expression.source()).into()
            }
            Template::Text(parts) => parts
                .iter()
                .map(|part| match part {
                    Part::Text(text) => text.to_string(),
                    Part::Expression(expression) => {
                        format!("<% {} %>", expression.expression.source())
                    }
                })
                .collect::<String>()
                .into(),
            Template::Jinja(jinja) => jinja.template.source().into(),
            Template::List(items) => items.iter().map(Template::written).collect(),
            Template::Map(entries) => entries
                .iter()
                .map(|(key, value)| (Arc::clone(key), value.written()))
                .collect(),
        }
    }

    /// Whether it holds no expression, so that it gives the same in every scope.
    pub fn is_constant(&self) -> bool {
        match self {
            Template::Literal(_) => true,
            Template::List(items) => items.iter().all(Template::is_constant),
            Template::Map(entries) => entries.iter().all(|(_, value)| value.is_constant()),
            Template::Expression(_) | Template::Text(_) | Template::Jinja(_) => false,
        }
    }

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
            Template::Jinja(jinja) => jinja.evaluate(scope),
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
            .map_err(|error| {
                let text = self.expression.source();
                let message = error.to_string();
                ExpressionError::new(
                    (format!("<% {} %>", text.trim()), text),
                    (error.span.start, error.span.end),
                    message,
                    &self.location,
                    &self.places,
                )
            })
    }
}

impl TemplateJinja {
    fn evaluate(&self, scope: Scope<'_>) -> Result<Value, ExpressionError> {
        self.template
            .evaluate(scope.data, scope.host, scope.budget)
            .map_err(|error| {
                let text = self.template.source();
                let message = match &error.hint {
                    Some(hint) => format!("{}; {hint}", error.message),
                    None => error.message.clone(),
                };
                ExpressionError::new(
                    (shortened(text), text),
                    (error.span.start, error.span.end),
                    message,
                    &self.location,
                    &self.places,
                )
            })
    }
}

/// A text for a message: its first line, and not too much of it.
fn shortened(text: &str) -> String {
    const MOST: usize = 120;
    let line = text.trim().lines().next().unwrap_or_default();
    if line.len() == text.trim().len() && line.chars().count() <= MOST {
        return line.to_owned();
    }
    line.chars().take(MOST).collect::<String>() + "…"
}
