//! A text with its name, and places in it.

use std::sync::Arc;

use crate::Location;

/// A place in a text: line and column from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Place {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// Of how many characters one has its byte offset noted.
const STRIDE: usize = 64;

/// A text, its file's name, and what it takes to find a place in it without reading it again.
pub(crate) struct Source<'a> {
    pub(crate) text: &'a str,
    file: Arc<str>,
    /// The index of the first character of each line.
    lines: Vec<usize>,
    /// How many characters it has.
    length: usize,
    /// The byte offset of every [`STRIDE`]th character.
    offsets: Vec<usize>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(text: &'a str, file: &str) -> Self {
        let mut lines = vec![0];
        let mut length = 0;
        let mut offsets = Vec::with_capacity(text.len() / STRIDE + 1);
        let bytes = text.as_bytes();
        for (index, (offset, c)) in text.char_indices().enumerate() {
            length = index + 1;
            if index % STRIDE == 0 {
                offsets.push(offset);
            }
            // A `\r` ends a line, too, and `\r\n` ends one.
            if c == '\n' || (c == '\r' && bytes.get(offset + 1) != Some(&b'\n')) {
                lines.push(index + 1);
            }
        }
        Self {
            text,
            file: file.into(),
            lines,
            length,
            offsets,
        }
    }

    /// The place with the file's name, and within its line: where the YAML scanner stops in a
    /// directive, it may tell a column far behind.
    pub(crate) fn location(&self, place: Place) -> Location {
        let next = usize::try_from(place.line).unwrap_or(usize::MAX);
        let start = next.checked_sub(1).and_then(|line| self.lines.get(line));
        // Behind the last line there is nothing.
        let start = start.copied().unwrap_or(self.length);
        let end = self.lines.get(next).map_or(self.length + 1, |next| *next);
        let behind = u32::try_from(end - start).unwrap_or(u32::MAX);
        Location {
            file: Arc::clone(&self.file),
            line: place.line,
            column: place.column.min(behind),
        }
    }

    /// The text from `place` on.
    pub(crate) fn from(&self, place: Place) -> &'a str {
        let from_one = |number: u32| usize::try_from(number).unwrap_or(usize::MAX).max(1) - 1;
        let Some(line) = self.lines.get(from_one(place.line)) else {
            return "";
        };
        let index = line.saturating_add(from_one(place.column));
        let Some(&offset) = self.offsets.get(index / STRIDE) else {
            return "";
        };
        let rest = &self.text[offset..];
        rest.char_indices()
            .nth(index % STRIDE)
            .map_or("", |(at, _)| &rest[at..])
    }
}
