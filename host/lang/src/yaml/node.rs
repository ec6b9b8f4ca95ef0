//! What YAML text says, with places.

use std::sync::Arc;

use ostro_core::{Map, Value};

use super::Place;

/// A value of the text and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: NodeKind,
    /// Where it starts.
    pub(crate) at: Place,
    /// How many characters a caret under it should span, within its first line.
    pub(crate) length: u32,
    /// Whether the scalar was written plain, quoted or as a block.
    pub(crate) style: Style,
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Single,
    Double,
    Block,
    /// Not written by anyone: it came out of something else.
    Made,
}

/// The three kinds of YAML nodes.
#[derive(Clone, Debug)]
pub(crate) enum NodeKind {
    /// Neither list nor mapping.
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key of a mapping and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Arc<str>,
    pub(crate) key_at: Place,
    /// The key's length in characters.
    pub(crate) key_length: u32,
    pub(crate) value: Node,
}

impl Node {
    /// A scalar that stands where `at` stands.
    pub(crate) fn scalar_like(value: Value, at: &Node) -> Self {
        Node {
            kind: NodeKind::Scalar(value),
            at: at.at,
            length: at.length,
            style: Style::Made,
        }
    }

    pub(crate) fn as_str(&self) -> Option<&Arc<str>> {
        match &self.kind {
            NodeKind::Scalar(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_map(&self) -> Option<&[Entry]> {
        match &self.kind {
            NodeKind::Map(entries) => Some(entries),
            _ => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.kind, NodeKind::Scalar(Value::Null))
    }

    /// The entry under `key`, if this is a mapping that has it.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.as_map()?.iter().find(|entry| &*entry.key == key)
    }

    /// The value under `key`, if this is a mapping that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// What it is, for messages: `the text "x"`, `a list`.
    pub(crate) fn describe(&self) -> String {
        match &self.kind {
            NodeKind::Scalar(Value::Null) => "nothing".to_owned(),
            NodeKind::Scalar(Value::String(text)) if text.is_empty() => "empty text".to_owned(),
            NodeKind::Scalar(Value::String(_)) => "text".to_owned(),
            NodeKind::Scalar(value) => format!("the {} {value}", value.kind()),
            NodeKind::List(items) if items.is_empty() => "an empty list".to_owned(),
            NodeKind::List(_) => "a list".to_owned(),
            NodeKind::Map(entries) if entries.is_empty() => "an empty mapping".to_owned(),
            NodeKind::Map(_) => "a mapping".to_owned(),
        }
    }

    /// The value alone.
    pub(crate) fn to_value(&self) -> Value {
        match &self.kind {
            NodeKind::Scalar(value) => value.clone(),
            NodeKind::List(items) => items.iter().map(Node::to_value).collect(),
            NodeKind::Map(entries) => entries
                .iter()
                .map(|entry| (Arc::clone(&entry.key), entry.value.to_value()))
                .collect::<Map>()
                .into(),
        }
    }
}
