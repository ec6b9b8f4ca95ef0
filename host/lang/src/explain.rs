//! What each part of a template gives, for people who wonder about the whole.

use ostro_core::Value;

use crate::template::{Part, Places, Scope, Template, TemplateExpression, TemplateJinja};
use crate::{ExpressionError, Location};

/// What one part of a template gave.
#[derive(Clone, Debug)]
pub struct Step {
    /// How many shown parts it stands in.
    pub depth: usize,
    /// Its text.
    pub source: String,
    /// Where it starts.
    pub location: Location,
    /// How often it was evaluated; `result` is that of the first time. More than once where YAQL
    /// runs it for each item; each turn of a Jinja2 loop is a step of its own.
    pub times: u64,
    /// Its value, or what is wrong, without data of the context.
    pub result: Result<Value, String>,
}

/// Evaluates `template`, and says what each of its parts gives: every sub-expression that is
/// evaluated, the whole before its parts, in the order of the text.
///
/// Plain values have no parts. Of YAQL, parts are evaluated once more than they would be.
pub fn explain(template: &Template, scope: Scope<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    add(template, scope, 0, &mut steps);
    steps
}

fn add(template: &Template, scope: Scope<'_>, depth: usize, steps: &mut Vec<Step>) {
    match template {
        Template::Literal(_) => {}
        Template::Expression(expression) => yaql(expression, scope, depth, steps),
        Template::Jinja(jinja) => self::jinja(jinja, scope, depth, steps),
        Template::Text(parts) => {
            let expressions = parts.iter().filter_map(|part| match part {
                Part::Expression(expression) => Some(expression),
                Part::Text(_) => None,
            });
            let source: String = parts
                .iter()
                .map(|part| match part {
                    Part::Text(text) => text.to_string(),
                    Part::Expression(expression) => {
                        format!("<% {} %>", expression.expression.source())
                    }
                })
                .collect();
            if let Some(first) = expressions.clone().next() {
                steps.push(Step {
                    depth,
                    source,
                    location: first.location.clone(),
                    times: 1,
                    result: outcome(template.evaluate(scope)),
                });
            }
            for expression in expressions {
                yaql(expression, scope, depth + 1, steps);
            }
        }
        Template::List(items) => {
            for item in items.iter() {
                add(item, scope, depth, steps);
            }
        }
        Template::Map(entries) => {
            for (_, value) in entries.iter() {
                add(value, scope, depth, steps);
            }
        }
    }
}

fn outcome(result: Result<Value, ExpressionError>) -> Result<Value, String> {
    result.map_err(|error| error.message)
}

/// A step for the bytes `span` of `text`.
fn step(
    text: &str,
    places: &Places,
    (start, end): (usize, usize),
    depth: usize,
    times: u64,
    result: Result<Value, String>,
) -> Step {
    Step {
        depth,
        source: text.get(start..end).unwrap_or(text).trim().to_owned(),
        location: places.locate(text, start),
        times,
        result,
    }
}

fn yaql(expression: &TemplateExpression, scope: Scope<'_>, depth: usize, steps: &mut Vec<Step>) {
    let text = expression.expression.source();
    let places = &expression.places;
    let (whole, parts) =
        expression
            .expression
            .evaluate_traced(scope.data, scope.host, scope.budget);
    // A part that is the whole, as it is, is said once.
    let said = parts
        .first()
        .is_some_and(|part| text.get(part.span.start..part.span.end) == Some(text.trim()));
    if !said {
        let result = whole.map_err(|error| error.to_string());
        steps.push(step(text, places, (0, text.len()), depth, 1, result));
    }
    for part in parts {
        let result = part.result.map_err(|error| error.to_string());
        let span = (part.span.start, part.span.end);
        let depth = depth + part.depth + usize::from(!said);
        steps.push(step(text, places, span, depth, part.times, result));
    }
}

fn jinja(jinja: &TemplateJinja, scope: Scope<'_>, depth: usize, steps: &mut Vec<Step>) {
    let text = jinja.template.source();
    let (whole, parts) = jinja
        .template
        .evaluate_traced(scope.data, scope.host, scope.budget);
    let result = whole.map_err(|error| match error.hint {
        Some(hint) => format!("{}; {hint}", error.message),
        None => error.message,
    });
    steps.push(step(text, &jinja.places, (0, text.len()), depth, 1, result));
    for part in parts {
        let span = (part.at.start, part.at.end);
        let depth = depth + 1 + part.depth;
        steps.push(step(text, &jinja.places, span, depth, 1, part.result));
    }
}
