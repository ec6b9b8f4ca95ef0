//! Where lines belong: the indentation of each, from the structure of the text.

use rustc_hash::FxHashMap;

use crate::yaml::{Shape, Skeleton, Writing, skeleton};

/// What a line of the text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Blank,
    Comment,
    /// A key, an item or a value starts it.
    Start,
    /// It goes on with what an earlier line started.
    Rest,
    /// It stands in a block scalar.
    Content,
}

/// The lines of a text, what they are, and how far they are to be indented.
pub(super) struct Layout<'t> {
    pub(super) lines: Vec<&'t str>,
    pub(super) kinds: Vec<Line>,
    starts: Starts,
}

/// Line and column of what starts a line, from 0, and the indentation that it is to have.
type Positions = FxHashMap<(usize, usize), usize>;

#[derive(Default)]
struct Starts {
    /// Keys, and values that start a line.
    parts: Positions,
    /// Dashes of lists.
    dashes: Positions,
    /// The line of a block scalar's header, the column of what it belongs to, and the
    /// indentation that this is to have.
    blocks: FxHashMap<usize, (usize, usize)>,
}

/// How many spaces `line` starts with.
fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

impl<'t> Layout<'t> {
    /// None if the text has no structure that could be followed.
    pub(super) fn of(text: &'t str) -> Option<Self> {
        let lines: Vec<&str> = text.lines().collect();
        let root = skeleton(text)?;
        let mut starts = Starts::default();
        if !starts.part(&root, 0, None, &lines) {
            return None;
        }
        let mut layout = Self {
            kinds: vec![Line::Rest; lines.len()],
            lines,
            starts,
        };
        layout.classify();
        Some(layout)
    }

    fn classify(&mut self) {
        let mut number = 0;
        while number < self.lines.len() {
            let line = self.lines[number];
            let trimmed = line.trim_start_matches(' ');
            let column = indentation(line);
            let start = self.starts.parts.contains_key(&(number, column))
                || self.starts.dashes.contains_key(&(number, column));
            self.kinds[number] = if line.trim().is_empty() {
                Line::Blank
            } else if trimmed.starts_with('#') && !start {
                Line::Comment
            } else if start || is_marker(line) {
                Line::Start
            } else {
                Line::Rest
            };
            if let Some((owner, _)) = self.starts.blocks.get(&number) {
                let owner = *owner;
                let mut last = number;
                for next in number + 1..self.lines.len() {
                    let line = self.lines[next];
                    if line.trim_matches(' ').is_empty() {
                        continue;
                    }
                    if indentation(line) <= owner {
                        break;
                    }
                    last = next;
                }
                for kind in &mut self.kinds[number + 1..=last] {
                    *kind = Line::Content;
                }
                // Empty lines after the content belong to it where all line breaks are kept.
                let keeps = header(self.lines[number]).is_some_and(|(_, keeps)| keeps);
                while keeps
                    && self
                        .lines
                        .get(last + 1)
                        .is_some_and(|l| l.trim().is_empty())
                {
                    last += 1;
                    self.kinds[last] = Line::Content;
                }
                number = last;
            }
            number += 1;
        }
    }
}

/// Whether `line` starts or ends a document, or is a directive.
fn is_marker(line: &str) -> bool {
    line.starts_with("---") || line.starts_with("...") || line.starts_with('%')
}

/// What the header of a block scalar at the end of `line` says: the indentation, where it is
/// given, and whether all line breaks are kept.
fn header(line: &str) -> Option<(Option<usize>, bool)> {
    let line = match line.find(" #") {
        Some(comment) => &line[..comment],
        None => line,
    };
    let line = line.trim_end();
    let flags = line.rfind(['|', '>'])?;
    let flags = &line[flags + 1..];
    if !flags.chars().all(|c| matches!(c, '+' | '-' | '1'..='9')) {
        return None;
    }
    let digit = flags.chars().find_map(|c| c.to_digit(10));
    let digit = digit.and_then(|digit| usize::try_from(digit).ok());
    Some((digit, flags.contains('+')))
}

impl Starts {
    /// Notes where the parts of `part` start. `owner` is the column of what it is the value of.
    /// False if something is there that can't be followed.
    fn part(
        &mut self,
        part: &Skeleton,
        indent: usize,
        owner: Option<(usize, usize)>,
        lines: &[&str],
    ) -> bool {
        let Some(at) = part.at else { return true };
        let (line, column) = place(at);
        match &part.kind {
            Shape::Scalar(Writing::Block) => {
                let Some((owner, wanted)) = owner else {
                    return false;
                };
                // The scanner's place of it is behind the header.
                let found = (0..=line.min(lines.len().saturating_sub(1)))
                    .rev()
                    .take(2)
                    .find(|number| header(lines[*number]).is_some());
                match found {
                    Some(line) => _ = self.blocks.insert(line, (owner, wanted)),
                    None => return false,
                }
                true
            }
            Shape::Scalar(_) | Shape::Flow(_) => {
                self.parts.insert((line, column), indent);
                true
            }
            Shape::Map(entries) => entries.iter().all(|(key, value)| {
                let Some(at) = key.at else { return false };
                if !matches!(key.kind, Shape::Scalar(Writing::Plain | Writing::Quoted)) {
                    return false;
                }
                let (line, column) = place(at);
                // `? key` has its key somewhere else.
                let before = lines
                    .get(line)
                    .and_then(|line| line.get(..byte(line, column)));
                if before.is_none_or(|before| before.contains('?')) {
                    return false;
                }
                self.parts.insert((line, column), indent);
                self.part(value, indent + 2, Some((column, indent)), lines)
            }),
            Shape::List(items) => {
                // Of a list that stands right below its key, the scanner's place is elsewhere.
                let first = items.iter().find_map(|item| item.at).map(place);
                let column = [Some(column), owner.map(|(column, _)| column)]
                    .into_iter()
                    .flatten()
                    .find(|column| {
                        first.is_none_or(|(line, _)| dash_above(line, *column, lines).is_some())
                    });
                let Some(column) = column else { return false };
                items.iter().all(|item| {
                    if let Some((line, _)) = item.at.map(place) {
                        match dash_above(line, column, lines) {
                            Some(line) => _ = self.dashes.insert((line, column), indent),
                            None => return false,
                        }
                    }
                    self.part(item, indent + 2, Some((column, indent)), lines)
                })
            }
        }
    }
}

/// The line of the dash at `column` before what stands in `line`: that one, or one above it.
fn dash_above(line: usize, column: usize, lines: &[&str]) -> Option<usize> {
    (0..=line.min(lines.len().saturating_sub(1)))
        .rev()
        // A dash stands at most some comments above its item.
        .take(100)
        .find(|number| {
            let at = byte(lines[*number], column);
            let rest = lines[*number].get(at..).unwrap_or_default();
            rest == "-" || rest.starts_with("- ")
        })
}

fn place(at: crate::yaml::Place) -> (usize, usize) {
    let number = |number: u32| usize::try_from(number).unwrap_or(usize::MAX).max(1) - 1;
    (number(at.line), number(at.column))
}

/// The byte of `line` at which the character at `column` starts.
pub(super) fn byte(line: &str, column: usize) -> usize {
    line.char_indices()
        .nth(column)
        .map_or(line.len(), |(at, _)| at)
}

/// `text` with every line where it belongs.
pub(super) fn indent(text: &str) -> Option<String> {
    let layout = Layout::of(text)?;
    let mut out: Vec<String> = Vec::with_capacity(layout.lines.len());
    // How far the line moved that the one at hand goes on with.
    let mut moved = 0_isize;
    let mut number = 0;
    while number < layout.lines.len() {
        let line = layout.lines[number];
        match layout.kinds[number] {
            Line::Blank => out.push(String::new()),
            Line::Comment => {
                let indent = layout.comment(number);
                out.push(format!("{}{}", " ".repeat(indent), line.trim()));
            }
            Line::Start if is_marker(line) => out.push(line.trim_end().to_owned()),
            Line::Start => {
                let (written, by) = layout.start(number);
                moved = by;
                out.push(written);
            }
            Line::Rest => {
                let indent = indentation(line).saturating_add_signed(moved);
                // A backslash before a break keeps the white space behind it.
                let body = if line.trim_end().ends_with('\\') {
                    line.trim_start_matches(' ')
                } else {
                    line.trim_start_matches(' ').trim_end()
                };
                out.push(format!("{}{body}", " ".repeat(indent)));
            }
            Line::Content => {}
        }
        if let Some((owner, wanted)) = layout.starts.blocks.get(&number) {
            let mut end = number + 1;
            while layout.kinds.get(end) == Some(&Line::Content) {
                end += 1;
            }
            let content = &layout.lines[number + 1..end];
            let explicit = header(line).and_then(|(indent, _)| indent);
            out.extend(block(content, explicit, *owner, *wanted));
            number = end;
            continue;
        }
        number += 1;
    }
    Some(out.join("\n") + "\n")
}

/// The content of a block scalar, moved as a whole.
fn block(content: &[&str], explicit: Option<usize>, owner: usize, wanted: usize) -> Vec<String> {
    let first = content
        .iter()
        .find(|line| !line.trim_matches(' ').is_empty());
    let (before, after) = match (explicit, first) {
        (Some(indent), _) => (owner + indent, wanted + indent),
        (None, Some(first)) => (indentation(first), wanted + 2),
        (None, None) => return content.iter().map(|_| String::new()).collect(),
    };
    content
        .iter()
        .map(|line| match line.get(before..) {
            Some(rest) if !rest.is_empty() => format!("{}{rest}", " ".repeat(after)),
            _ => {
                let less = indentation(line);
                let rest = line.trim_start_matches(' ');
                if rest.is_empty() {
                    String::new()
                } else {
                    // A comment that stands further left than the content.
                    format!("{}{rest}", " ".repeat(less.min(after)))
                }
            }
        })
        .collect()
}

impl Layout<'_> {
    /// The line `number` in its place, and how far it moved.
    fn start(&self, number: usize) -> (String, isize) {
        let line = self.lines[number];
        let mut column = indentation(line);
        let at = column;
        let mut rest = &line[column..];
        let mut dashes = 0;
        let mut indent = None;
        while let Some(wanted) = self.starts.dashes.get(&(number, column)) {
            indent = indent.or(Some(*wanted));
            dashes += 1;
            let after = &rest[1..];
            let body = after.trim_start_matches(' ');
            column += rest.chars().count() - body.chars().count();
            rest = body;
        }
        let indent = indent
            .or_else(|| self.starts.parts.get(&(number, at)).copied())
            .unwrap_or(at);
        let rest = if rest.trim_end().ends_with('\\') {
            rest
        } else {
            rest.trim_end()
        };
        let written = format!("{}{}{rest}", " ".repeat(indent), "- ".repeat(dashes));
        let moved = indent.cast_signed() + 2 * dashes.cast_signed() - column.cast_signed();
        let moved = if dashes == 0 {
            indent.cast_signed() - at.cast_signed()
        } else {
            moved
        };
        (
            written.trim_end_matches(' ').to_owned() + if rest.ends_with(' ') { " " } else { "" },
            moved,
        )
    }

    /// The indentation of a comment: that of what it stands above, or else of what it stands
    /// below at the same column.
    fn comment(&self, number: usize) -> usize {
        let column = indentation(self.lines[number]);
        let start_of = |number: usize| {
            let at = indentation(self.lines[number]);
            let place = (number, at);
            let wanted = self
                .starts
                .dashes
                .get(&place)
                .or_else(|| self.starts.parts.get(&place))?;
            Some((at, *wanted))
        };
        let after = (number + 1..self.lines.len())
            .find(|number| self.kinds[*number] == Line::Start)
            .and_then(start_of);
        let mut before = (0..number)
            .rev()
            .filter(|number| self.kinds[*number] == Line::Start)
            .filter_map(start_of);
        let last = before.clone().next();
        // Behind a block scalar, a comment that is indented would become a part of it.
        let behind_block = (0..number)
            .rev()
            .find(|number| !matches!(self.kinds[*number], Line::Blank | Line::Comment))
            .is_some_and(|number| self.kinds[number] == Line::Content);
        match (after, last) {
            (Some((at, wanted)), _) if at == column => wanted,
            _ if behind_block => after.map_or(0, |(_, wanted)| wanted),
            _ => match before.find(|(at, _)| *at <= column) {
                Some((at, wanted)) if at == column => wanted,
                // Deeper than what is above it: a part that was commented out.
                Some((at, wanted)) => {
                    wanted + (column - at).min(2).max(usize::from(column > at) * 2)
                }
                None => after.map_or(0, |(_, wanted)| wanted),
            },
        }
    }
}
