//! Empty lines.

use super::layout::{Layout, Line};
use crate::yaml::{Shape, Skeleton, skeleton};

/// `text` with one empty line between tasks and between definitions, at most one elsewhere, and
/// no white space at the end of lines.
pub(super) fn settle(text: &str) -> Option<String> {
    let layout = Layout::of(text)?;
    let spaced = spaced_lines(&skeleton(text)?, &layout);
    let mut out: Vec<&str> = Vec::with_capacity(layout.lines.len());
    let mut number = 0;
    while number < layout.lines.len() {
        let line = layout.lines[number];
        match layout.kinds[number] {
            Line::Content => out.push(line),
            Line::Blank => {
                let next =
                    (number..layout.lines.len()).find(|next| layout.kinds[*next] != Line::Blank);
                let next = next.map(|next| layout.kinds[next]);
                let first = out.last().is_some_and(|last| !last.is_empty());
                // What a block scalar ends with is not ours.
                let behind_block = number > 0 && layout.kinds[number - 1] == Line::Content;
                // Inside a text, empty lines are line breaks.
                if next == Some(Line::Rest) || (next.is_some() && (first || behind_block)) {
                    out.push("");
                }
            }
            _ => {
                let starts = spaced[number];
                if starts && out.last().is_some_and(|last| !last.is_empty()) {
                    out.push("");
                }
                out.push(if line.trim_end().ends_with('\\') {
                    line
                } else {
                    line.trim_end()
                });
            }
        }
        number += 1;
    }
    Some(out.join("\n") + "\n")
}

/// Which lines start something that an empty line is to set apart from what is before it: a
/// task, a workflow or an action of more than one line, or one behind such a one.
fn spaced_lines(root: &Skeleton, layout: &Layout<'_>) -> Vec<bool> {
    let mut starts = vec![false; layout.lines.len()];
    set_apart(root, &mut starts);
    definitions(root, 3, &mut starts);
    let mut spaced = vec![false; starts.len()];
    let indentation = |line: usize| layout.lines[line].find(|c| c != ' ');
    for (number, _) in starts.iter().enumerate().filter(|(_, starts)| **starts) {
        // The empty line goes before the comments that stand above it.
        let first = (0..number)
            .rev()
            .take_while(|above| {
                layout.kinds[*above] == Line::Comment && indentation(*above) == indentation(number)
            })
            .last();
        spaced[first.unwrap_or(number)] = true;
    }
    spaced
}

/// Sets apart the entries of a mapping.
fn set_apart(part: &Skeleton, spaced: &mut [bool]) {
    let Shape::Map(entries) = &part.kind else {
        return;
    };
    let mut before_is_long = false;
    for (index, (key, value)) in entries.iter().enumerate() {
        let long = matches!(value.kind, Shape::Map(_));
        let line = key
            .at
            .map(|at| usize::try_from(at.line).unwrap_or(1).max(1) - 1);
        if index > 0
            && (long || before_is_long)
            && let Some(spaced) = line.and_then(|line| spaced.get_mut(line))
        {
            *spaced = true;
        }
        before_is_long = long;
    }
}

/// Goes from a workbook to its workflows and actions, and from a workflow to its tasks.
fn definitions(part: &Skeleton, left: usize, spaced: &mut [bool]) {
    let Shape::Map(entries) = &part.kind else {
        return;
    };
    for (key, value) in entries {
        if matches!(&*key.text, "workflows" | "actions" | "tasks") {
            set_apart(value, spaced);
        }
        if left > 0 && &*key.text != "tasks" {
            definitions(value, left - 1, spaced);
        }
    }
}
