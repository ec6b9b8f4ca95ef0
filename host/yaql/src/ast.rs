//! The syntax tree: nodes in one list, that refer to each other by position.
//!
//! A tree of boxes would be dropped recursively; a list isn't, however deep the expression is.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use ostro_core::Value;

use crate::error::Span;
use crate::lexer::Op;

/// A node's position in [`Tree::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NodeId(pub(crate) u32);

/// What `$…` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// `$` and `$1`, `$2`, …: from 1.
    Position(usize),
    /// `$name`.
    Text(Arc<str>),
}

impl Name {
    /// From the text after the dollar.
    pub(crate) fn new(text: &str) -> Name {
        match text.as_bytes().first() {
            None => Name::Position(1),
            Some(b'1'..=b'9') => match text.parse() {
                Ok(position) => Name::Position(position),
                Err(_) => Name::Text(text.into()),
            },
            Some(_) => Name::Text(text.into()),
        }
    }
}

/// A word of the source. Its text is made when it is first asked for: many are read only by the
/// parser.
#[derive(Debug)]
pub(crate) struct Word {
    start: u32,
    end: u32,
    text: OnceLock<Arc<str>>,
}

impl Word {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the parser bounds the source"
    )]
    pub(crate) fn new(span: Span) -> Word {
        Word {
            start: span.start as u32,
            end: span.end as u32,
            text: OnceLock::new(),
        }
    }

    pub(crate) fn span(&self) -> Span {
        Span::new(self.start as usize, self.end as usize)
    }
}

/// The arguments or items of a node. A few, which is what most have, need no memory of their own.
#[derive(Debug)]
pub(crate) enum Args {
    Few(u8, [NodeId; 3]),
    Many(Vec<NodeId>),
}

impl Args {
    pub(crate) const fn new() -> Args {
        Args::Few(0, [NodeId(0); 3])
    }

    pub(crate) fn push(&mut self, id: NodeId) {
        match self {
            Args::Few(count, ids) => match ids.get_mut(usize::from(*count)) {
                Some(place) => {
                    *place = id;
                    *count += 1;
                }
                None => *self = Args::Many(ids.iter().copied().chain([id]).collect()),
            },
            Args::Many(ids) => ids.push(id),
        }
    }
}

impl Deref for Args {
    type Target = [NodeId];

    fn deref(&self) -> &[NodeId] {
        match self {
            Args::Few(count, ids) => &ids[..usize::from(*count)],
            Args::Many(ids) => ids,
        }
    }
}

impl<'a> IntoIterator for &'a Args {
    type Item = &'a NodeId;
    type IntoIter = std::slice::Iter<'a, NodeId>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// What a node is.
#[derive(Debug)]
pub(crate) enum Kind {
    Constant(Value),
    /// A bare word, which is its own text as a value.
    Keyword(Word),
    Variable(Name),
    /// Something in parentheses. Kept, as `a.(f())` is no method call.
    Group(NodeId),
    Call {
        /// Without its parenthesis.
        name: Word,
        args: Args,
    },
    Binary {
        op: Op,
        left: NodeId,
        right: NodeId,
    },
    Unary {
        op: Op,
        operand: NodeId,
    },
    Index {
        target: NodeId,
        args: Args,
    },
    List(Args),
    Map(Args),
    /// `key => value`
    Pair {
        key: NodeId,
        value: NodeId,
    },
    /// An argument that was left out, as the second of `f(a, , b)`.
    Gap,
}

/// A node and its place.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// In bytes, narrow, as nodes are many.
    start: u32,
    end: u32,
}

impl Node {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the parser bounds the source"
    )]
    pub(crate) fn new(kind: Kind, span: Span) -> Node {
        Node {
            kind,
            start: span.start as u32,
            end: span.end as u32,
        }
    }

    pub(crate) fn span(&self) -> Span {
        Span::new(self.start as usize, self.end as usize)
    }
}

/// A parsed expression.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) source: Box<str>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) root: NodeId,
}

impl Tree {
    /// The text of a word of this tree.
    pub(crate) fn word<'t>(&'t self, word: &'t Word) -> &'t Arc<str> {
        word.text.get_or_init(|| {
            let Span { start, end } = word.span();
            self.source.get(start..end).unwrap_or_default().into()
        })
    }

    /// The node at `id`.
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// What the node at `id` is.
    pub(crate) fn kind(&self, id: NodeId) -> &Kind {
        &self.node(id).kind
    }

    /// Where the node at `id` stands.
    pub(crate) fn span(&self, id: NodeId) -> Span {
        self.node(id).span()
    }
}
