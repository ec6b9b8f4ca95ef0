//! The syntax tree: nodes in one list, that refer to each other by position.
//!
//! A tree of boxes would be dropped recursively; a list isn't, however deep the expression is.

use std::sync::Arc;

use ostro_core::Value;

use crate::error::Span;
use crate::lexer::Op;
use crate::parser::interned;

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
                Err(_) => Name::Text(interned(text)),
            },
            Some(_) => Name::Text(interned(text)),
        }
    }
}

/// What a node is.
#[derive(Debug)]
pub(crate) enum Kind {
    Constant(Value),
    /// A bare word, which is its own text as a value.
    Keyword(Arc<str>),
    Variable(Name),
    /// Something in parentheses. Kept, as `a.(f())` is no method call.
    Group(NodeId),
    Call {
        name: Arc<str>,
        /// Where the name stands, without its parenthesis.
        name_span: Span,
        args: Box<[NodeId]>,
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
        args: Box<[NodeId]>,
    },
    List(Box<[NodeId]>),
    Map(Box<[NodeId]>),
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
    pub(crate) nodes: Vec<Node>,
    pub(crate) root: NodeId,
}

impl Tree {
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
