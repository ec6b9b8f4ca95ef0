//! Values that may hold expressions.

use std::sync::Arc;

use ostro_core::{Map, Value};
use ostro_yaql::Expression;

use super::context::Context;
use crate::diagnostics::{Code, Diagnostic};
use crate::jinja::JinjaTemplate;
use crate::template::{Part, Places, Template, TemplateExpression, TemplateJinja};
use crate::yaml::{Entry, Node, NodeKind, Place, Trace};

/// Text of a definition and where its characters stand.
#[derive(Clone, Copy)]
pub(crate) struct Fragment<'t> {
    pub(crate) text: &'t str,
    trace: &'t Trace,
    /// The index of the first character in the trace.
    base: usize,
}

impl<'t> Fragment<'t> {
    pub(crate) fn new(text: &'t str, trace: &'t Trace) -> Self {
        Self {
            text,
            trace,
            base: 0,
        }
    }

    /// The part between two byte offsets.
    pub(crate) fn part(self, start: usize, end: usize) -> Self {
        let base = self.base + self.text[..start].chars().count();
        Self {
            text: &self.text[start..end],
            base,
            ..self
        }
    }

    /// Without white space on both sides.
    pub(crate) fn trimmed(self) -> Self {
        let start = self.text.len() - self.text.trim_start().len();
        self.part(start, start + self.text.trim().len())
    }

    /// The place of the character at a byte offset.
    pub(crate) fn place(self, offset: usize) -> Place {
        let chars = self.text.get(..offset).unwrap_or(self.text).chars().count();
        self.trace.place(self.base + chars)
    }

    pub(crate) fn length(self) -> u32 {
        u32::try_from(self.text.chars().count()).unwrap_or(u32::MAX)
    }

    /// The places of all its characters.
    fn places(self, cx: &Context<'_>) -> Places {
        let characters = self.base..=self.base + self.text.chars().count();
        Places::new(
            &cx.location(self.place(0)).file,
            characters.map(|index| {
                let place = self.trace.place(index);
                (place.line, place.column)
            }),
        )
    }
}

/// The next `open … close` of `text` from `from` on that stands within one line, as byte
/// offsets: what the regular expression `open.*?close` finds.
pub(crate) fn find_expression(
    text: &str,
    from: usize,
    open: &str,
    close: &str,
) -> Option<(usize, usize)> {
    let mut at = from;
    loop {
        let start = at + text.get(at..)?.find(open)?;
        let inner = start + open.len();
        let line = text[inner..].split('\n').next().unwrap_or_default();
        if let Some(length) = line.find(close) {
            return Some((start, inner + length + close.len()));
        }
        // Nothing else that opens in this line is closed in it.
        at = inner + line.len();
    }
}

/// The next YAQL expression, `<%` and `%>` included.
pub(crate) fn find_yaql(text: &str, from: usize) -> Option<(usize, usize)> {
    find_expression(text, from, "<%", "%>")
}

/// Whether `text` is one expression and nothing else but white space after it.
pub(crate) fn is_expression(text: &str) -> bool {
    find_yaql(text, 0) == Some((0, text.trim_end().len()))
}

/// Whether it is worth looking for expressions in `text`.
pub(crate) fn may_hold_expressions(text: &str) -> bool {
    text.contains("<%") || text.contains("{{") || text.contains("{%")
}

/// The template of any node.
pub(crate) fn template(cx: &mut Context<'_>, node: &Node) -> Template {
    match &node.kind {
        NodeKind::Scalar(Value::String(text)) if may_hold_expressions(text) => {
            let trace = Trace::of(&cx.source, node);
            text_template(cx, Fragment::new(text, &trace))
        }
        NodeKind::Scalar(value) => Template::Literal(value.clone()),
        NodeKind::List(items) => {
            let items: Vec<_> = items.iter().map(|item| template(cx, item)).collect();
            list(items)
        }
        NodeKind::Map(entries) => {
            let entries = entry_templates(cx, entries);
            if entries
                .iter()
                .all(|(_, value)| matches!(value, Template::Literal(_)))
            {
                let map: Map = entries
                    .into_iter()
                    .filter_map(|(key, value)| match value {
                        Template::Literal(value) => Some((key, value)),
                        _ => None,
                    })
                    .collect();
                return Template::Literal(map.into());
            }
            Template::Map(entries.into())
        }
    }
}

fn list(items: Vec<Template>) -> Template {
    if items
        .iter()
        .all(|item| matches!(item, Template::Literal(_)))
    {
        return Template::Literal(
            items
                .into_iter()
                .filter_map(|item| match item {
                    Template::Literal(value) => Some(value),
                    _ => None,
                })
                .collect(),
        );
    }
    Template::List(items.into())
}

/// Keys and the templates of their values.
pub(crate) fn entry_templates(
    cx: &mut Context<'_>,
    entries: &[Entry],
) -> Vec<(Arc<str>, Template)> {
    entries
        .iter()
        .map(|entry| (Arc::clone(&entry.key), template(cx, &entry.value)))
        .collect()
}

/// A [`Template::Map`] of the entries, even if none of them holds an expression.
pub(crate) fn map_template(cx: &mut Context<'_>, entries: &[Entry]) -> Template {
    Template::Map(entry_templates(cx, entries).into())
}

/// The template of a value that came from JSON in the text at `place`.
pub(crate) fn value_template(cx: &mut Context<'_>, value: &Value, at: Fragment<'_>) -> Template {
    match value {
        Value::String(text) if may_hold_expressions(text) => {
            // Inside JSON the places are those of the JSON text as a whole, unless it holds
            // the string as it is.
            if let Some(start) = at.text.find(&**text) {
                return text_template(cx, at.part(start, start + text.len()));
            }
            let trace = Trace::at(at.place(0), text.chars().count());
            text_template(cx, Fragment::new(text, &trace))
        }
        Value::List(items) => {
            let items = items
                .iter()
                .map(|item| value_template(cx, item, at))
                .collect();
            list(items)
        }
        Value::Map(entries) => Template::Map(
            entries
                .iter()
                .map(|(key, value)| (Arc::clone(key), value_template(cx, value, at)))
                .collect::<Vec<_>>()
                .into(),
        ),
        other => Template::Literal(other.clone()),
    }
}

/// The template of a value that stands in no file; `origin` is what its expressions are said
/// to stand in.
pub(crate) fn outside_template(value: &Value, origin: &str) -> (Template, Vec<Diagnostic>) {
    let mut cx = Context::new("", origin);
    let trace = Trace::at(Place { line: 1, column: 1 }, 0);
    let template = value_template(&mut cx, value, Fragment::new("", &trace));
    (template, cx.finish().0)
}

/// The template of text: plain, one expression, or text with expressions in it.
pub(crate) fn text_template(cx: &mut Context<'_>, text: Fragment<'_>) -> Template {
    let whole = text.text;
    let literal = || Template::Literal(whole.into());
    let yaql = find_yaql(whole, 0);
    let jinja = find_expression(whole, 0, "{{", "}}")
        .into_iter()
        .chain(find_expression(whole, 0, "{%", "%}"))
        .min();
    if let Some((start, end)) = jinja {
        if yaql.is_some() {
            let length = text.part(start, end).length();
            cx.report(
                Code::MixedExpressions,
                text.place(start),
                length,
                "YAQL and Jinja2 expressions can't stand in the same text",
                Some("write both in the same language".to_owned()),
            );
            return literal();
        }
        return jinja_template(cx, text).unwrap_or_else(literal);
    }
    if yaql == Some((0, whole.len())) {
        return expression(cx, text).map_or_else(literal, |expression| {
            Template::Expression(Box::new(expression))
        });
    }
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((start, end)) = find_yaql(rest.text, 0) {
        if start > 0 {
            open_expression(cx, rest.part(0, start));
            parts.push(Part::Text(rest.text[..start].into()));
        }
        match expression(cx, rest.part(start, end)) {
            Some(expression) => parts.push(Part::Expression(expression)),
            None => parts.push(Part::Text(rest.text[start..end].into())),
        }
        rest = rest.part(end, rest.text.len());
    }
    open_expression(cx, rest);
    if parts.is_empty() {
        return literal();
    }
    if !rest.text.is_empty() {
        parts.push(Part::Text(rest.text.into()));
    }
    Template::Text(parts.into())
}

/// The template of a text that holds Jinja2.
fn jinja_template(cx: &mut Context<'_>, text: Fragment<'_>) -> Option<Template> {
    match JinjaTemplate::parse(text.text) {
        Ok(template) => Some(Template::Jinja(Box::new(TemplateJinja {
            template,
            location: cx.location(text.place(0)),
            places: text.places(cx),
        }))),
        Err(error) => {
            let start = floor(text.text, error.span.start);
            let end = floor(text.text, error.span.end).max(start);
            let line = text.text[start..end].lines().next().unwrap_or_default();
            let length = text.part(start, start + line.len()).length().max(1);
            cx.report(
                Code::Jinja,
                text.place(start),
                length,
                error.message,
                error.hint,
            );
            None
        }
    }
}

/// Warns of `<%` in text that holds no expression.
fn open_expression(cx: &mut Context<'_>, text: Fragment<'_>) {
    let Some(start) = text.text.find("<%") else {
        return;
    };
    let (message, hint) = if text.text[start..].contains("%>") {
        (
            "an expression can't go over several lines; this is plain text",
            "write it in one line, or use `>-` instead of `|`, which joins the lines",
        )
    } else {
        (
            "this `<%` has no `%>`, so it is plain text",
            "end the expression with `%>`",
        )
    };
    cx.report(
        Code::OpenExpression,
        text.place(start),
        2,
        message,
        Some(hint.to_owned()),
    );
}

/// The expression that `text` is, `<%` and `%>` included.
fn expression(cx: &mut Context<'_>, text: Fragment<'_>) -> Option<TemplateExpression> {
    // Mistral strips these characters, however many there are.
    let inner = text.text.trim_matches(['<', '%', '>']);
    let start = inner.as_ptr() as usize - text.text.as_ptr() as usize;
    let source = text.part(start, start + inner.len()).trimmed();
    match Expression::parse(source.text) {
        Ok(expression) => {
            let location = cx.location(source.place(0));
            Some(TemplateExpression {
                expression,
                location,
                places: source.places(cx),
            })
        }
        Err(error) => {
            let start = floor(source.text, error.span.start);
            let end = floor(source.text, error.span.end).max(start);
            let length = source.part(start, end).length().max(1);
            cx.report(
                Code::Yaql,
                source.place(start),
                length,
                error.message,
                error.hint,
            );
            None
        }
    }
}

/// The start of the character that the byte at `offset` belongs to.
fn floor(text: &str, offset: usize) -> usize {
    text.floor_char_boundary(offset)
}
