//! Where the parts of a text stand, without what they mean.
//!
//! Unlike the nodes this keeps every key, also one that stands there twice or merges others.

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};

use super::Place;
use super::standin::StandIns;

/// A part of a text.
#[derive(Debug)]
pub(crate) struct Skeleton {
    /// Where it starts; None for a value that isn't written.
    pub(crate) at: Option<Place>,
    pub(crate) kind: Shape,
    /// The text of a scalar.
    pub(crate) text: Box<str>,
}

/// What a part is made of.
#[derive(Debug)]
pub(crate) enum Shape {
    Scalar(Style),
    /// A mapping or list in brackets, and the scalars in it.
    Flow(Vec<(Place, Style)>),
    Map(Vec<(Skeleton, Skeleton)>),
    List(Vec<Skeleton>),
}

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Quoted,
    Block,
}

/// The skeleton of `text`, which must be one that can be loaded.
pub(crate) fn skeleton(text: &str) -> Option<Skeleton> {
    let hidden = StandIns::choose(text)?.hide(text);
    let mut builder = Builder {
        parser: Parser::new_from_str(&hidden),
        chars: hidden.chars().collect(),
    };
    loop {
        match builder.next()? {
            (Event::Nothing | Event::StreamStart | Event::DocumentStart(_), _) => {}
            (Event::StreamEnd | Event::DocumentEnd, _) => return None,
            (event, span) => return builder.part(&event, span),
        }
    }
}

struct Builder<'a> {
    parser: Parser<'a, StrInput<'a>>,
    chars: Vec<char>,
}

impl<'a> Builder<'a> {
    fn next(&mut self) -> Option<(Event<'a>, Span)> {
        self.parser.next_event()?.ok()
    }

    fn part(&mut self, event: &Event<'a>, span: Span) -> Option<Skeleton> {
        let at = super::load::place(span.start);
        let bracket =
            matches!(self.chars.get(span.start.index()), Some('{' | '[')) && !span.is_empty();
        let kind = match event {
            Event::Scalar(text, style, _, _) => {
                let written = !span.is_empty();
                return Some(Skeleton {
                    at: written.then_some(at),
                    kind: Shape::Scalar(style_of(*style)),
                    text: text.as_ref().into(),
                });
            }
            Event::SequenceStart(..) | Event::MappingStart(..) if bracket => {
                let mut scalars = Vec::new();
                let mut depth = 1;
                while depth > 0 {
                    match self.next()? {
                        (Event::SequenceStart(..) | Event::MappingStart(..), _) => depth += 1,
                        (Event::SequenceEnd | Event::MappingEnd, _) => depth -= 1,
                        (Event::Scalar(_, style, _, _), span) if !span.is_empty() => {
                            scalars.push((super::load::place(span.start), style_of(style)));
                        }
                        _ => {}
                    }
                }
                Shape::Flow(scalars)
            }
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, span) => items.push(self.part(&event, span)?),
                    }
                }
                Shape::List(items)
            }
            Event::MappingStart(..) => {
                let mut entries = Vec::new();
                loop {
                    match self.next()? {
                        (Event::MappingEnd, _) => break,
                        (event, span) => {
                            let key = self.part(&event, span)?;
                            let (event, span) = self.next()?;
                            entries.push((key, self.part(&event, span)?));
                        }
                    }
                }
                Shape::Map(entries)
            }
            _ => return None,
        };
        Some(Skeleton {
            at: Some(at),
            kind,
            text: Box::default(),
        })
    }
}

fn style_of(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
        ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
    }
}
