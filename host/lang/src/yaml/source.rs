//! A text with its name, and places in it.

use std::sync::Arc;

use crate::Location;

/// A place in a text: line and column from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Place {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// A text, its file's name, and where its lines start.
pub(crate) struct Source<'a> {
    pub(crate) text: &'a str,
    file: Arc<str>,
    lines: Vec<usize>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(text: &'a str, file: &str) -> Self {
        let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Self { text, file: file.into(), lines: std::iter::once(0).chain(breaks).collect() }
    }

    pub(crate) fn location(&self, place: Place) -> Location {
        Location { file: Arc::clone(&self.file), line: place.line, column: place.column }
    }

    /// The line at `place` without its line break, or nothing past the end.
    pub(crate) fn line(&self, line: u32) -> &'a str {
        let index = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1);
        let Some(&start) = self.lines.get(index) else { return "" };
        let end = self.lines.get(index + 1).copied().unwrap_or(self.text.len());
        self.text[start..end].trim_end_matches(['\n', '\r'])
    }

    /// The text from `place` on.
    pub(crate) fn from(&self, place: Place) -> &'a str {
        let index = usize::try_from(place.line).unwrap_or(usize::MAX).saturating_sub(1);
        let Some(&start) = self.lines.get(index) else { return "" };
        let skip = usize::try_from(place.column).unwrap_or(usize::MAX).saturating_sub(1);
        let rest = &self.text[start..];
        rest.char_indices().nth(skip).map_or("", |(at, _)| &rest[at..])
    }
}
