//! Python's regular expressions in the syntax of the engine.

use std::fmt::Write as _;

/// A pattern as the engine reads it, and the groups that have a name, which the engine is not told:
/// it would refuse to refer to others by number.
pub(super) struct Translated {
    pub(super) pattern: String,
    pub(super) names: Vec<(String, usize)>,
}

/// The pattern for the engine; None for what Python refuses. `flags` are those that were given
/// beside the pattern.
///
/// `$` also matches before a line's end at the very end, `\Z` is the end, brackets within a class
/// are ordinary characters, and so is a brace that repeats nothing.
pub(super) fn translate(pattern: &str, flags: &str) -> Option<Translated> {
    let mut translation = Translation {
        rest: pattern,
        out: String::with_capacity(pattern.len() + 16),
        flags: flags.to_owned(),
        groups: Vec::new(),
        names: Vec::new(),
        open: Vec::new(),
        last: Last::Nothing,
        started: false,
        branch_start: 0,
    };
    translation.run()?;
    let Translation {
        flags, out, names, ..
    } = translation;
    let pattern = if flags.is_empty() {
        out
    } else {
        format!("(?{flags}){out}")
    };
    let names = names.into_iter();
    Some(Translated {
        pattern,
        names: names
            .map(|(name, index)| (name.to_owned(), index + 1))
            .collect(),
    })
}

/// What stands before, as far as it decides on what may follow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// Nothing, or a place as `^` and `\b`, which can't be repeated.
    Nothing,
    Item,
    /// A repeat, which `?` makes lazy and `+` possessive.
    Repeat,
    /// A repeat with its `?` or `+`.
    Finished,
}

struct Translation<'p> {
    rest: &'p str,
    out: String,
    flags: String,
    /// Whether each group is closed.
    groups: Vec<bool>,
    names: Vec<(&'p str, usize)>,
    /// Open parentheses: the group that each makes, and where what is in it begins.
    open: Vec<(Option<usize>, usize)>,
    last: Last,
    /// Whether something came before, so that flags for the whole are too late.
    started: bool,
    /// Where the present alternative begins in `out`.
    branch_start: usize,
}

impl<'p> Translation<'p> {
    fn take(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn skip(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// What comes before `end`, which is left out.
    fn until(&mut self, end: char) -> Option<&'p str> {
        let (text, rest) = self.rest.split_once(end)?;
        self.rest = rest;
        Some(text)
    }

    fn run(&mut self) -> Option<()> {
        while let Some(c) = self.take() {
            let started = std::mem::replace(&mut self.started, true);
            match c {
                '\\' => self.escape()?,
                '[' => self.class()?,
                '(' => self.open(started)?,
                ')' => self.close()?,
                '|' => {
                    self.fill_empty();
                    self.out.push('|');
                    self.branch_start = self.out.len();
                    self.last = Last::Nothing;
                }
                '*' | '+' | '?' => self.repeat(c, None)?,
                '{' => match self.bounds() {
                    Some(bounds) => self.repeat('{', Some(&bounds))?,
                    None => self.item("\\{"),
                },
                '}' => self.item("\\}"),
                '$' => {
                    self.out.push_str(if self.flags.contains('m') {
                        "$"
                    } else {
                        "(?=\\n?\\z)"
                    });
                    self.last = Last::Nothing;
                }
                '^' => {
                    self.out.push('^');
                    self.last = Last::Nothing;
                }
                c => {
                    self.out.push(c);
                    self.last = Last::Item;
                }
            }
        }
        self.open.is_empty().then_some(())
    }

    fn item(&mut self, text: &str) {
        self.out.push_str(text);
        self.last = Last::Item;
    }

    /// An alternative without anything is written as something that takes nothing, since the
    /// engine repeats no empty group.
    fn fill_empty(&mut self) {
        if self.out.len() == self.branch_start && !self.open.is_empty() {
            self.out.push_str("x{0}");
        }
    }

    fn repeat(&mut self, sign: char, bounds: Option<&str>) -> Option<()> {
        self.last = match (self.last, sign) {
            (Last::Item, _) => Last::Repeat,
            (Last::Repeat, '?' | '+') => Last::Finished,
            _ => return None,
        };
        match bounds {
            Some(bounds) => self.out.push_str(bounds),
            None => self.out.push(sign),
        }
        Some(())
    }

    /// `m}`, `m,n}`, `m,}` or `,n}` after a brace.
    fn bounds(&mut self) -> Option<String> {
        let (text, rest) = self.rest.split_once('}')?;
        let (low, high) = match text.split_once(',') {
            Some((low, high)) => (low, Some(high)),
            None => (text, None),
        };
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if text.is_empty() || !digits(low) || !high.is_none_or(digits) {
            return None;
        }
        self.rest = rest;
        let low = if low.is_empty() { "0" } else { low };
        Some(match high {
            Some(high) => format!("{{{low},{high}}}"),
            None => format!("{{{low}}}"),
        })
    }

    fn escape(&mut self) -> Option<()> {
        let c = self.take()?;
        self.last = Last::Item;
        match c {
            'Z' => {
                self.out.push_str("\\z");
                self.last = Last::Nothing;
            }
            'A' | 'b' | 'B' => {
                self.out.extend(['\\', c]);
                self.last = Last::Nothing;
            }
            '0' => {
                let length = self
                    .rest
                    .bytes()
                    .take(2)
                    .take_while(|b| (b'0'..=b'7').contains(b));
                let length = length.count();
                let (digits, rest) = self.rest.split_at(length);
                self.rest = rest;
                let code = u32::from_str_radix(&format!("0{digits}"), 8).ok()?;
                self.code(code);
            }
            '1'..='9' => self.reference(c)?,
            'd' | 'D' | 's' | 'S' | 'w' | 'W' | 'n' | 'r' | 't' | 'f' | 'v' | 'a' => {
                self.out.extend(['\\', c]);
            }
            'x' => self.hex(2)?,
            'u' => self.hex(4)?,
            'U' => self.hex(8)?,
            c if c.is_ascii_alphanumeric() => return None,
            c => self.literal(c),
        }
        Some(())
    }

    /// A character that stands for itself.
    fn literal(&mut self, c: char) {
        if "\\.+*?()|[]{}^$#&-~".contains(c) {
            self.out.push('\\');
        }
        self.out.push(c);
    }

    fn code(&mut self, code: u32) {
        // Writing to a string does not fail.
        let _ = write!(self.out, "\\x{{{code:x}}}");
    }

    fn hex(&mut self, digits: usize) -> Option<()> {
        let code = u32::from_str_radix(self.rest.get(..digits)?, 16).ok()?;
        self.rest = &self.rest[digits..];
        self.code(code);
        Some(())
    }

    /// A group that was closed before, or a character in octal.
    fn reference(&mut self, first: char) -> Option<()> {
        let is_octal = |c: u8| (b'0'..=b'7').contains(&c);
        let next = self.rest.as_bytes();
        let mut written = first.to_string();
        if let Some(second) = next.first().filter(|b| b.is_ascii_digit()) {
            if is_octal(first as u8)
                && is_octal(*second)
                && next.get(1).copied().is_some_and(is_octal)
            {
                written.push_str(&self.rest[..2]);
                self.rest = &self.rest[2..];
                let code = u32::from_str_radix(&written, 8).ok()?;
                self.code(code);
                return (code < 256).then_some(());
            }
            written.push(char::from(*second));
            self.rest = &self.rest[1..];
        }
        let group: usize = written.parse().ok()?;
        let closed = *self.groups.get(group - 1)?;
        // A digit that follows must not become part of the number.
        let _ = write!(self.out, "(?:\\{group})");
        closed.then_some(())
    }

    fn class(&mut self) -> Option<()> {
        self.out.push('[');
        self.last = Last::Item;
        if self.skip("^") {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            match self.take()? {
                ']' if !first => break,
                '\\' => match self.take()? {
                    'b' => self.code(8),
                    c @ ('d' | 'D' | 's' | 'S' | 'w' | 'W' | 'n' | 'r' | 't' | 'f' | 'v' | 'a') => {
                        self.out.extend(['\\', c]);
                    }
                    'x' => self.hex(2)?,
                    'u' => self.hex(4)?,
                    'U' => self.hex(8)?,
                    c @ '0'..='7' => {
                        let more = self.rest.bytes().take(2);
                        let more = more.take_while(|b| (b'0'..=b'7').contains(b)).count();
                        let (digits, rest) = self.rest.split_at(more);
                        self.rest = rest;
                        let code = u32::from_str_radix(&format!("{c}{digits}"), 8).ok()?;
                        self.code(code);
                    }
                    c if c.is_ascii_alphanumeric() => return None,
                    c => self.literal(c),
                },
                c @ ('[' | ']' | '&' | '~') => self.out.extend(['\\', c]),
                c => self.out.push(c),
            }
            first = false;
        }
        self.out.push(']');
        Some(())
    }

    fn open(&mut self, started: bool) -> Option<()> {
        let before = self.out.len();
        self.out.push('(');
        let mut group = None;
        if self.skip("?") {
            if self.skip("P<") {
                let name = self.until('>')?;
                let valid = name.starts_with(|c: char| c.is_alphabetic() || c == '_')
                    && name.chars().all(|c| c.is_alphanumeric() || c == '_')
                    && !self.names.iter().any(|(known, _)| *known == name);
                if !valid {
                    return None;
                }
                self.names.push((name, self.groups.len()));
                group = Some(self.groups.len());
            } else if self.skip("P=") {
                let name = self.until(')')?;
                let (_, index) = *self.names.iter().find(|(known, _)| *known == name)?;
                let _ = write!(self.out, "?:\\{})", index + 1);
                self.last = Last::Item;
                return self.groups[index].then_some(());
            } else if self.skip("#") {
                self.until(')')?;
                self.out.truncate(before);
                return Some(());
            } else {
                let known = ["<=", "<!", "=", "!", ":", ">"];
                let Some(kind) = known.into_iter().find(|kind| self.skip(kind)) else {
                    return self.flags(before, started);
                };
                self.out.push('?');
                self.out.push_str(kind);
            }
        } else {
            group = Some(self.groups.len());
        }
        if group.is_some() {
            self.groups.push(false);
        }
        self.open.push((group, self.branch_start));
        self.branch_start = self.out.len();
        self.last = Last::Nothing;
        Some(())
    }

    /// `(?i)` for the whole, which stands at its very start, or `(?i:…)` for a part.
    fn flags(&mut self, before: usize, started: bool) -> Option<()> {
        let end = self.rest.find([')', ':'])?;
        let (flags, rest) = self.rest.split_at(end);
        if flags.is_empty() || !flags.chars().all(|c| "aiLmsux-".contains(c)) {
            return None;
        }
        let known: String = flags.chars().filter(|c| "imsx-".contains(*c)).collect();
        if rest.starts_with(')') {
            if started || flags.contains(['-', 'L']) {
                return None;
            }
            self.flags.push_str(&known);
            self.out.truncate(before);
            self.started = false;
        } else {
            let _ = write!(self.out, "?{known}:");
            self.open.push((None, self.branch_start));
            self.branch_start = self.out.len();
            self.last = Last::Nothing;
        }
        self.rest = &rest[1..];
        Some(())
    }

    fn close(&mut self) -> Option<()> {
        self.fill_empty();
        let (group, branch_start) = self.open.pop()?;
        if let Some(group) = group {
            self.groups[group] = true;
        }
        self.branch_start = branch_start;
        self.out.push(')');
        self.last = Last::Item;
        Some(())
    }
}
