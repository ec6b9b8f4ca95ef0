//! Where each character of a scalar stands in the file.
//!
//! The scanner gives a scalar's value and where the scalar starts, but folding, indentation and
//! escapes lie between the two. The value is walked along the text it came from: what is not
//! white space appears in both in the same order, so its place is exact; white space takes the
//! place of the text that it came from as nearly as folding allows.

use super::node::Style;
use super::{Node, Place, Source};

/// The places of a scalar's characters.
pub(crate) struct Trace {
    places: Vec<Place>,
    end: Place,
}

impl Trace {
    /// The places of the characters of the text scalar `node`.
    pub(crate) fn of(source: &Source<'_>, node: &Node) -> Self {
        let text = node.as_str().map_or("", |text| &**text);
        let mut walk = Walk {
            rest: source.from(node.at),
            at: node.at,
        };
        match node.style {
            Style::Single | Style::Double => {
                walk.step();
            }
            // The scanner's place of a block scalar is behind its header.
            Style::Plain | Style::Block => {}
            Style::Made => {
                return Self::at(node.at, text.chars().count());
            }
        }
        let mut places = Vec::with_capacity(text.len());
        for wanted in text.chars() {
            places.push(walk.find(wanted, node.style));
        }
        Self {
            places,
            end: walk.at,
        }
    }

    /// The places of the characters of `text`, which is a file as it stands.
    pub(crate) fn plain(text: &str) -> Self {
        let mut walk = Walk {
            rest: text,
            at: Place { line: 1, column: 1 },
        };
        let mut places = Vec::with_capacity(text.len());
        loop {
            let place = walk.at;
            if walk.step().is_none() {
                return Self { places, end: place };
            }
            places.push(place);
        }
    }

    /// Characters that have no places of their own, and share one.
    pub(crate) fn at(place: Place, count: usize) -> Self {
        Self {
            places: vec![place; count],
            end: place,
        }
    }

    /// The place of the character at `index`.
    pub(crate) fn place(&self, index: usize) -> Place {
        self.places.get(index).copied().unwrap_or(self.end)
    }
}

struct Walk<'a> {
    rest: &'a str,
    at: Place,
}

impl Walk<'_> {
    fn step(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        if c == '\n' || (c == '\r' && !self.rest.starts_with('\n')) {
            self.at = Place {
                line: self.at.line + 1,
                column: 1,
            };
        } else {
            self.at.column += 1;
        }
        Some(c)
    }

    /// Goes to where `wanted` comes from, says where that is, and goes past it.
    fn find(&mut self, wanted: char, style: Style) -> Place {
        loop {
            let Some(next) = self.rest.chars().next() else {
                return self.at;
            };
            if next == '\\' && style == Style::Double {
                let place = self.at;
                if self.escape() {
                    return place;
                }
                continue;
            }
            if next == wanted {
                let place = self.at;
                self.step();
                if wanted == '\'' && style == Style::Single {
                    self.step();
                }
                return place;
            }
            if wanted.is_whitespace() {
                // White space that the text spells otherwise: a folded line break.
                let place = self.at;
                if next.is_whitespace() {
                    self.step();
                }
                return place;
            }
            // Indentation, or what folding took away.
            self.step();
        }
    }

    /// Goes past an escape; whether it stands for a character, which a line break doesn't.
    fn escape(&mut self) -> bool {
        self.step();
        let digits = match self.step() {
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            Some('\n' | '\r') | None => return false,
            Some(_) => 0,
        };
        for _ in 0..digits {
            self.step();
        }
        true
    }
}
