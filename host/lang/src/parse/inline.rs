//! The short syntax `name key=value …`, by the regular expressions of `mistral/lang/base.py`.
//!
//! A value is text in quotes, an expression, a list as JSON, `true`, `false`, `null`, or digits.
//! Mistral drops all else without a word; here a warning says so.

use std::sync::Arc;

use ostro_core::Value;

use super::context::Context;
use super::template::{Fragment, find_expression, find_yaql, text_template, value_template};
use crate::diagnostics::Code;
use crate::template::Template;
use crate::yaml::Place;

/// The longest text that the short syntax may have: all of it is gone through for each part.
const MAX_BYTES: usize = 16 << 10;

/// A name with parameters.
pub(crate) struct Command<'t> {
    /// The name; it may hold expressions.
    pub(crate) name: Fragment<'t>,
    /// The parameters in the order of the text; of one that stands there twice, the last.
    pub(crate) params: Vec<Param>,
}

/// `key=value`.
pub(crate) struct Param {
    pub(crate) key: Arc<str>,
    pub(crate) key_at: Place,
    pub(crate) value: Template,
}

/// The command that `text` is.
pub(crate) fn command<'t>(cx: &mut Context<'_>, text: Fragment<'t>) -> Command<'t> {
    // Without a space it is a name, whatever it looks like.
    if !text.text.contains(char::is_whitespace) {
        return Command {
            name: text,
            params: Vec::new(),
        };
    }
    let text = text.trimmed();
    if !fits(cx, text) {
        return Command {
            name: text.part(0, 0),
            params: Vec::new(),
        };
    }
    let end = name_end(text.text);
    Command {
        name: text.part(0, end),
        params: params(cx, text.part(end, text.text.len())),
    }
}

fn fits(cx: &mut Context<'_>, text: Fragment<'_>) -> bool {
    let fits = text.text.len() <= MAX_BYTES;
    if !fits {
        cx.report(
            Code::Inline,
            text.place(0),
            1,
            format!("the short syntax takes {MAX_BYTES} bytes at most"),
            Some("write the input as a mapping under `input`".to_owned()),
        );
    }
    fits
}

/// Where the name ends that `text` starts with.
fn name_end(text: &str) -> usize {
    let mut at = 0;
    while at < text.len() {
        let expression = [("<%", "%>"), ("{{", "}}"), ("{%", "%}")]
            .into_iter()
            .find(|(open, _)| text[at..].starts_with(open))
            .and_then(|(open, close)| find_expression(text, at, open, close))
            .filter(|(start, _)| *start == at);
        if let Some((_, end)) = expression {
            at = end;
            continue;
        }
        match text[at..].chars().next() {
            Some(c) if !c.is_whitespace() && !matches!(c, '=' | '(' | '"') => at += c.len_utf8(),
            _ => break,
        }
    }
    at
}

/// The parameters in `text`, as `key=value key=value`.
pub(crate) fn params(cx: &mut Context<'_>, text: Fragment<'_>) -> Vec<Param> {
    let mut params: Vec<Param> = Vec::new();
    if !fits(cx, text) {
        return params;
    }
    let mut rest = text;
    loop {
        let Some(found) = next_param(rest.text) else {
            ignored(cx, rest);
            return params;
        };
        ignored(cx, rest.part(0, found.key.0));
        let value = rest.part(found.value.0, found.value.1).trimmed();
        let param = Param {
            key: rest.text[found.key.0..found.key.1].into(),
            key_at: rest.place(found.key.0),
            value: param_value(cx, value),
        };
        params.retain(|other| other.key != param.key);
        params.push(param);
        rest = rest.part(found.value.1, rest.text.len());
    }
}

struct Found {
    key: (usize, usize),
    value: (usize, usize),
}

/// The first `key=value` of `text`, as byte offsets.
fn next_param(text: &str) -> Option<Found> {
    let mut from = 0;
    loop {
        let equals = from + text[from..].find('=')?;
        let is_key = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        let start = text[from..equals]
            .char_indices()
            .rev()
            .take_while(|(_, c)| is_key(*c))
            .last()
            .map_or(equals, |(at, _)| from + at);
        if start < equals
            && let Some(length) = value_length(&text[equals + 1..])
        {
            return Some(Found {
                key: (start, equals),
                value: (equals + 1, equals + 1 + length),
            });
        }
        from = equals + 1;
    }
}

/// How long the value is that `text` starts with.
fn value_length(text: &str) -> Option<usize> {
    if let Some(quote) = text.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        return text[1..].find(quote).map(|at| at + 2);
    }
    if text.starts_with("<%") {
        return find_yaql(text, 0)
            .filter(|(start, _)| *start == 0)
            .map(|(_, end)| end);
    }
    if text.starts_with("{{") {
        return find_expression(text, 0, "{{", "}}")
            .filter(|(start, _)| *start == 0)
            .map(|(_, end)| end);
    }
    if text.starts_with('[') {
        let line = text.split('\n').next().unwrap_or_default();
        return line.rfind(']').map(|at| at + 1);
    }
    for word in ["true", "false", "null"] {
        if text.starts_with(word) {
            return Some(word.len());
        }
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    (digits > 0).then_some(digits)
}

fn param_value(cx: &mut Context<'_>, value: Fragment<'_>) -> Template {
    let text = value.text;
    if text.starts_with(['"', '\'']) {
        return text_template(cx, value.part(1, text.len() - 1));
    }
    if text.starts_with("<%") || text.starts_with("{{") {
        return text_template(cx, value);
    }
    match serde_json::from_str::<Value>(text) {
        Ok(json) => value_template(cx, &json, value),
        // `010` or `[a, b]`: Mistral leaves the text as it is.
        Err(_) => text_template(cx, value),
    }
}

/// Warns of text between the parameters.
fn ignored(cx: &mut Context<'_>, text: Fragment<'_>) {
    let text = text.trimmed();
    let bare = text
        .text
        .trim_matches(|c: char| matches!(c, '(' | ')' | ',') || c.is_whitespace());
    if bare.is_empty() {
        return;
    }
    let hint = if bare.contains('=') {
        "put the value in quotes, or write the input as a mapping under `input`"
    } else {
        "a parameter is written `key=value`, text in quotes"
    };
    cx.report(
        Code::Ignored,
        text.place(0),
        text.length(),
        format!("`{bare}` is ignored: it is no parameter that the short syntax knows"),
        Some(hint.to_owned()),
    );
}
