//! Events to nodes.

use std::borrow::Cow;
use std::sync::Arc;

use ostro_core::Value;
use rustc_hash::FxHashMap;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput, Tag};

use super::node::Style;
use super::standin::StandIns;
use super::{Entry, Node, NodeKind, Place, resolve};
use crate::diagnostics::Code;

/// The most bytes that one text may have.
pub(crate) const MAX_BYTES: usize = 4 << 20;
/// The most nodes that one text may have.
const MAX_NODES: usize = 200_000;
/// How deep lists and mappings may stand in each other.
const MAX_DEPTH: usize = 100;

/// Something wrong with the YAML, before anyone knows which file it is.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) code: Code,
    pub(crate) at: Place,
    pub(crate) length: u32,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// Why loading stopped: the last of the problems says it.
struct Stopped;

/// The one document of `text`, if it can be read, and all that is wrong with it.
pub(crate) fn load(text: &str) -> (Option<Node>, Vec<Problem>) {
    let mut problems = Vec::new();
    let start = Place { line: 1, column: 1 };
    if text.len() > MAX_BYTES {
        problems.push(Problem {
            code: Code::YamlLimit,
            at: start,
            length: 1,
            message: format!("the text has {} bytes, more than {MAX_BYTES}", text.len()),
            hint: None,
        });
        return (None, problems);
    }
    let Some(standins) = StandIns::choose(text) else {
        problems.push(Problem {
            code: Code::YamlLimit,
            at: start,
            length: 1,
            message: "the text uses nearly all characters for private use".to_owned(),
            hint: None,
        });
        return (None, problems);
    };
    let hidden = standins.hide(text);
    let mut loader = Loader {
        parser: Parser::new_from_str(&hidden),
        standins,
        problems,
        nodes: 0,
    };
    let root = loader.document().ok().flatten();
    (root, loader.problems)
}

struct Loader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    standins: StandIns,
    problems: Vec<Problem>,
    nodes: usize,
}

impl<'a> Loader<'a> {
    fn document(&mut self) -> Result<Option<Node>, Stopped> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(root),
                Event::Nothing
                | Event::StreamStart
                | Event::DocumentStart(_)
                | Event::DocumentEnd => {}
                event if root.is_none() => root = Some(self.node(event, span, 0)?),
                _ => {
                    return self.stop(
                        Code::YamlSyntax,
                        place(span.start),
                        1,
                        "a second YAML document starts here; a definition is one document"
                            .to_owned(),
                        Some("put each document into a file of its own".to_owned()),
                    );
                }
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Stopped> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => {
                // The scanner looks ahead, and stops in what nests deeper than it can.
                if error.info() == "recursion limit exceeded" {
                    return self.too_deep(place(*error.marker()));
                }
                let message = self.standins.show(Cow::Borrowed(error.info())).into_owned();
                self.stop(Code::YamlSyntax, place(*error.marker()), 1, message, None)
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Stopped> {
        let at = place(span.start);
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            let message = format!("more than {MAX_NODES} values in one text");
            return self.stop(Code::YamlLimit, at, 1, message, None);
        }
        if depth > MAX_DEPTH {
            return self.too_deep(at);
        }
        match event {
            Event::Scalar(text, style, _, tag) => {
                Ok(self.scalar(text, style, tag.as_deref(), span))
            }
            Event::SequenceStart(_, tag) => {
                self.collection_tag(tag.as_deref(), "seq", at);
                let mut items = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if matches!(event, Event::SequenceEnd) {
                        break;
                    }
                    items.push(self.node(event, span, depth + 1)?);
                }
                Ok(Node {
                    kind: NodeKind::List(items),
                    at,
                    length: 1,
                    style: Style::Plain,
                })
            }
            Event::MappingStart(_, tag) => {
                self.collection_tag(tag.as_deref(), "map", at);
                let entries = self.mapping(depth)?;
                Ok(Node {
                    kind: NodeKind::Map(entries),
                    at,
                    length: 1,
                    style: Style::Plain,
                })
            }
            // Anchors and aliases never reach the scanner as such.
            _ => self.stop(
                Code::YamlSyntax,
                at,
                1,
                "this part of YAML has no meaning in a definition".to_owned(),
                None,
            ),
        }
    }

    fn scalar(
        &mut self,
        text: Cow<'a, str>,
        style: ScalarStyle,
        tag: Option<&Tag>,
        span: Span,
    ) -> Node {
        let at = place(span.start);
        let plain = style == ScalarStyle::Plain;
        let text = self.standins.show(text);
        let length = if span.start.line() == span.end.line() {
            to_u32(span.len()).max(1)
        } else {
            1
        };
        let value = match tag.filter(|tag| tag.is_yaml_core_schema()) {
            Some(tag) => resolve::tagged(&tag.suffix, &text),
            None if plain => resolve::plain(&text),
            None => Ok(Value::from(&*text)),
        };
        let value = value.unwrap_or_else(|message| {
            self.problem(
                Code::YamlValue,
                at,
                length,
                message,
                Some("put it in quotes if it is meant as text".to_owned()),
            );
            Value::from(&*text)
        });
        if plain && tag.is_none() && text.len() > 1 && text.starts_with('!') {
            self.problem(
                Code::YamlTag,
                at,
                length,
                format!("`{text}` is read as text, not as a tag"),
                Some(
                    "put it in quotes: Mistral's loader refuses tags that it doesn't know"
                        .to_owned(),
                ),
            );
        }
        let style = match style {
            ScalarStyle::Plain if tag.is_some() => Style::Made,
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted => Style::Single,
            ScalarStyle::DoubleQuoted => Style::Double,
            ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
        };
        Node {
            kind: NodeKind::Scalar(value),
            at,
            length,
            style,
        }
    }

    /// The entries of a mapping. Of a key that stands there twice the last value wins, at the
    /// place of the first, as in Python.
    fn mapping(&mut self, depth: usize) -> Result<Vec<Entry>, Stopped> {
        let mut own: Vec<Entry> = Vec::new();
        let mut merged: Vec<Entry> = Vec::new();
        let mut seen: FxHashMap<Arc<str>, usize> = FxHashMap::default();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let merge = matches!(&event,
                Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let (key, key_at, key_length) = self.key(event, span, depth)?;
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            if merge {
                self.merge(&mut merged, value);
                continue;
            }
            let entry = Entry {
                key: Arc::clone(&key),
                key_at,
                key_length,
                value,
            };
            if let Some(&index) = seen.get(&key) {
                let first = own[index].key_at;
                self.problem(
                    Code::YamlDuplicateKey,
                    key_at,
                    key_length,
                    format!("the key `{key}` stands here twice; this value replaces the first"),
                    Some(format!("the first is in line {}", first.line)),
                );
                own[index] = entry;
            } else {
                seen.insert(key, own.len());
                own.push(entry);
            }
        }
        if merged.is_empty() {
            return Ok(own);
        }
        // What is merged comes first, and gives way.
        let mut entries: Vec<Entry> = Vec::new();
        seen.clear();
        for entry in merged.into_iter().chain(own) {
            if let Some(&index) = seen.get(&entry.key) {
                entries[index] = entry;
            } else {
                seen.insert(Arc::clone(&entry.key), entries.len());
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    fn merge(&mut self, merged: &mut Vec<Entry>, value: Node) {
        match value.kind {
            NodeKind::Map(entries) => merged.extend(entries),
            NodeKind::List(items) if items.iter().all(|item| item.as_map().is_some()) => {
                // Of several the first wins, so it comes last.
                for item in items.into_iter().rev() {
                    if let NodeKind::Map(entries) = item.kind {
                        merged.extend(entries);
                    }
                }
            }
            _ => self.problem(
                Code::YamlValue,
                value.at,
                value.length,
                format!(
                    "`<<` merges a mapping or a list of mappings, not {}",
                    value.describe()
                ),
                Some("anchors and aliases are off, as in Mistral: `*x` is text".to_owned()),
            ),
        }
    }

    /// A key as text: what isn't a string becomes one as JSON would write it.
    fn key(
        &mut self,
        event: Event<'a>,
        span: Span,
        depth: usize,
    ) -> Result<(Arc<str>, Place, u32), Stopped> {
        let merge = matches!(&event,
            Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<" || text == "=");
        if merge && let Event::Scalar(text, ..) = &event {
            self.nodes += 1;
            return Ok((text.as_ref().into(), place(span.start), to_u32(span.len())));
        }
        let node = self.node(event, span, depth + 1)?;
        let key: Arc<str> = match &node.kind {
            NodeKind::Scalar(Value::String(text)) => Arc::clone(text),
            NodeKind::Scalar(value) => {
                if matches!(value, Value::Bool(_)) {
                    self.problem(
                        Code::YamlKey,
                        node.at,
                        node.length,
                        format!("YAML 1.1 reads this key as the truth value `{value}`"),
                        Some("put the key in quotes".to_owned()),
                    );
                }
                value.to_string().into()
            }
            _ => {
                return self.stop(
                    Code::YamlComplexKey,
                    node.at,
                    1,
                    format!("a key must be text, not {}", node.describe()),
                    Some("put a value that starts with `{` into quotes, as \"{{ … }}\"".to_owned()),
                );
            }
        };
        Ok((key, node.at, node.length))
    }

    fn collection_tag(&mut self, tag: Option<&Tag>, wanted: &str, at: Place) {
        if let Some(tag) = tag
            && tag.is_yaml_core_schema()
            && tag.suffix != wanted
        {
            self.problem(
                Code::YamlValue,
                at,
                1,
                format!("this is not of the type `!!{}`", tag.suffix),
                Some("leave the tag out".to_owned()),
            );
        }
    }

    fn problem(
        &mut self,
        code: Code,
        at: Place,
        length: u32,
        message: String,
        hint: Option<String>,
    ) {
        self.problems.push(Problem {
            code,
            at,
            length,
            message,
            hint,
        });
    }

    fn too_deep<T>(&mut self, at: Place) -> Result<T, Stopped> {
        let message = format!("lists and mappings stand more than {MAX_DEPTH} deep here");
        self.stop(Code::YamlLimit, at, 1, message, None)
    }

    fn stop<T>(
        &mut self,
        code: Code,
        at: Place,
        length: u32,
        message: String,
        hint: Option<String>,
    ) -> Result<T, Stopped> {
        self.problem(code, at, length, message, hint);
        Err(Stopped)
    }
}

/// The place of a marker of the scanner.
pub(super) fn place(marker: Marker) -> Place {
    Place {
        line: to_u32(marker.line()).max(1),
        column: to_u32(marker.col()) + 1,
    }
}

fn to_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX - 1)
}
