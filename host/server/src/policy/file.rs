//! Policy files: a mapping in YAML, or in JSON, which is YAML too.

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};

use super::check::Check;
use super::expression::{check, joined, parse};

/// How many rules a file may have.
const MAX_RULES: usize = 1000;

/// A rule of a file.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) check: Check,
    /// Where its name stands, from 1.
    pub(super) line: usize,
    pub(super) column: usize,
}

/// What is wrong with a file, and where, from 1.
pub(super) struct Wrong {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) reason: String,
}

/// Reads the rules of a file. One that has nothing has none.
pub(super) fn read(text: &str) -> Result<Vec<Entry>, Wrong> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
    };
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::Nothing | Event::StreamStart | Event::DocumentStart(_) => {}
            Event::StreamEnd | Event::DocumentEnd => return Ok(Vec::new()),
            Event::MappingStart(..) => return reader.rules(),
            // A file of comments.
            Event::Scalar(text, ScalarStyle::Plain, ..) if is_null(&text) => {}
            _ => {
                return Err(wrong(
                    span,
                    "a policy file is a mapping of rules".to_owned(),
                ));
            }
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Wrong> {
        match self.parser.next() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(Wrong {
                line: error.marker().line(),
                column: error.marker().col() + 1,
                reason: format!("this is no YAML: {}", error.info()),
            }),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    /// What stands in a mapping that has begun.
    fn rules(&mut self) -> Result<Vec<Entry>, Wrong> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            let name = match event {
                Event::MappingEnd => return Ok(entries),
                Event::Scalar(text, ..) => text.into_owned(),
                _ => return Err(wrong(span, "the name of a rule is a text".to_owned())),
            };
            if entries.iter().any(|entry| entry.name == name) {
                return Err(wrong(span, format!("{name}: the rule is there twice")));
            }
            if entries.len() == MAX_RULES {
                let reason = format!("there are more than {MAX_RULES} rules");
                return Err(wrong(span, reason));
            }
            let check = self.rule(&name)?;
            entries.push(Entry {
                name,
                check,
                line: span.start.line(),
                column: span.start.col() + 1,
            });
        }
    }

    fn rule(&mut self, name: &str) -> Result<Check, Wrong> {
        let (event, span) = self.next()?;
        let found = match event {
            Event::Scalar(text, style, ..) if !(style == ScalarStyle::Plain && is_null(&text)) => {
                parse(&text)
            }
            Event::SequenceStart(..) => return self.alternatives(name),
            _ => Err(
                "a rule is a text or a list; one that all may pass is \"@\", one that nobody \
                 may is \"!\""
                    .to_owned(),
            ),
        };
        found.map_err(|reason| wrong(span, format!("{name}: {reason}")))
    }

    /// The old form: a list of which one has to be passed, each a check or a list of which all
    /// have to be.
    fn alternatives(&mut self, name: &str) -> Result<Check, Wrong> {
        let mut any = Vec::new();
        let mut is_empty = true;
        loop {
            let (event, span) = self.next()?;
            let fault = |reason| wrong(span, format!("{name}: {reason}"));
            match event {
                Event::SequenceEnd if is_empty => return Ok(Check::Always),
                Event::SequenceEnd if any.is_empty() => return Ok(Check::Never),
                Event::SequenceEnd => return Ok(joined(any, Check::Any)),
                Event::Scalar(text, ..) => any.push(check(&text).map_err(fault)?),
                Event::SequenceStart(..) => any.extend(self.together(name)?),
                _ => return Err(fault("a rule has texts and lists of texts".to_owned())),
            }
            is_empty = false;
        }
    }

    fn together(&mut self, name: &str) -> Result<Option<Check>, Wrong> {
        let mut all = Vec::new();
        loop {
            let (event, span) = self.next()?;
            let fault = |reason| wrong(span, format!("{name}: {reason}"));
            match event {
                Event::SequenceEnd if all.is_empty() => return Ok(None),
                Event::SequenceEnd => return Ok(Some(joined(all, Check::All))),
                Event::Scalar(text, ..) => all.push(check(&text).map_err(fault)?),
                _ => return Err(fault("a list in a rule has texts".to_owned())),
            }
        }
    }
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn wrong(span: Span, reason: String) -> Wrong {
    Wrong {
        line: span.start.line(),
        column: span.start.col() + 1,
        reason,
    }
}
