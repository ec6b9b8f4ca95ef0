//! Spaces inside `<% … %>` and `{{ … }}`.

use super::layout::byte;
use crate::parse::template::find_expression;
use crate::yaml::{Shape, Skeleton, Writing, skeleton};

/// `text` with one space inside the expressions of one-line scalars. Descriptions and the inputs
/// that a definition declares hold no expressions, only text that looks like some.
pub(super) fn space(text: &str) -> Option<String> {
    let root = skeleton(text)?;
    let mut places = Vec::new();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    collect(&root, &lines, &mut places);
    places.sort_unstable();
    for places in places.chunk_by(|a, b| a.0 == b.0) {
        if let Some(line) = lines.get_mut(places[0].0) {
            *line = space_line(line, places);
        }
    }
    Some(lines.join("\n") + "\n")
}

/// `line` with the usual spaces in the scalars at `places`, in one way through it: a line may be
/// all of a text.
fn space_line(line: &str, places: &[(usize, usize, bool)]) -> String {
    let mut bytes = line.char_indices().map(|(at, _)| at).enumerate();
    let starts: Vec<(usize, bool)> = places
        .iter()
        .filter_map(|(_, column, plain)| {
            let (_, at) = bytes.find(|(number, _)| number == column)?;
            Some((at, *plain))
        })
        .collect();
    let mut written = String::with_capacity(line.len());
    let mut done = 0;
    for (index, (at, plain)) in starts.iter().enumerate() {
        let next = starts.get(index + 1).map_or(line.len(), |(next, _)| *next);
        let end = at + scalar_end(&line[*at..next], *plain);
        written.push_str(&line[done..*at]);
        written.push_str(&spaced(&line[*at..end]));
        done = end;
    }
    written.push_str(&line[done..]);
    written
}

/// The line and column of each plain or quoted scalar that may hold expressions.
fn collect(part: &Skeleton, lines: &[String], places: &mut Vec<(usize, usize, bool)>) {
    let mut add = |at: crate::yaml::Place, style: Writing| {
        if style != Writing::Block {
            let number = |number: u32| usize::try_from(number).unwrap_or(1).max(1) - 1;
            places.push((number(at.line), number(at.column), style == Writing::Plain));
        }
    };
    match &part.kind {
        Shape::Scalar(style) => {
            if let Some(at) = part.at {
                add(at, *style);
            }
        }
        Shape::Flow(scalars) => {
            for (at, style) in scalars {
                add(*at, *style);
            }
        }
        Shape::Map(entries) => {
            for (key, value) in entries {
                if !is_plain_text(key, value, lines) {
                    collect(value, lines, places);
                }
            }
        }
        Shape::List(items) => {
            for item in items {
                collect(item, lines, places);
            }
        }
    }
}

/// Whether `key` is a description, or declares inputs.
fn is_plain_text(key: &Skeleton, value: &Skeleton, lines: &[String]) -> bool {
    let number = |number: u32| usize::try_from(number).unwrap_or(1).max(1) - 1;
    let is_list = || match (&value.kind, value.at) {
        (Shape::List(_), _) => true,
        (Shape::Flow(_), Some(at)) => lines
            .get(number(at.line))
            .is_some_and(|line| line[byte(line, number(at.column))..].starts_with('[')),
        _ => false,
    };
    match &*key.text {
        "description" => true,
        "input" => is_list(),
        _ => false,
    }
}

/// Where the scalar ends that `line` starts with, at the end of the line at the latest.
fn scalar_end(line: &str, plain: bool) -> usize {
    if plain {
        return line.find(" #").unwrap_or(line.len());
    }
    let mut chars = line.char_indices();
    let Some((_, quote)) = chars.next() else {
        return 0;
    };
    let mut escaped = false;
    for (at, c) in chars {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    line.len()
}

/// `text` with one space inside each expression.
pub(super) fn spaced(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 4);
    let mut rest = text;
    loop {
        let yaql = find_expression(rest, 0, "<%", "%>");
        let jinja = find_expression(rest, 0, "{{", "}}");
        let Some((start, end)) = yaql.into_iter().chain(jinja).min() else {
            out.push_str(rest);
            return out;
        };
        out.push_str(&rest[..start]);
        let expression = &rest[start..end];
        rest = &rest[end..];
        let inner = &expression[2..expression.len() - 2];
        let bare = inner.trim_matches(' ');
        // `{{-` and `-}}` take white space away, `{{{` is a mapping, and `<%%` is part of it.
        let control = |c: char| matches!(c, '-' | '+' | '{' | '}' | '%' | '#' | '<' | '>');
        if bare.is_empty() || bare.starts_with(control) || bare.ends_with(control) {
            out.push_str(expression);
            continue;
        }
        let (open, close) = (&expression[..2], &expression[expression.len() - 2..]);
        out.push_str(open);
        out.push(' ');
        out.push_str(bare);
        out.push(' ');
        out.push_str(close);
    }
}
