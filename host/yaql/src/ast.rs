//! The syntax tree: nodes in one list, that refer to each other by position.
//!
//! A tree of boxes would be dropped recursively; a list isn't, however deep the expression is.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use smallvec::SmallVec;

use crate::error::Span;
use crate::lexer::{self, Op};

/// A node's position in [`Tree::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NodeId(pub(crate) u32);

/// What `$…` names, once it is known.
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
        position(text).map_or_else(|| Name::Text(text.into()), Name::Position)
    }
}

/// The position that is meant by the text after a dollar, unless it is a name.
pub(crate) fn position(text: &str) -> Option<usize> {
    match text.as_bytes().first() {
        None => Some(1),
        Some(b'1'..=b'9') => text.parse().ok(),
        Some(_) => None,
    }
}

/// A literal that is no text.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Constant {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
}

/// A word or a string of the source, one of those that [`Tree::word`] knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word {
    start: u32,
    end: u32,
    /// How many words belong to nodes before this one's.
    index: u32,
}

impl Word {
    pub(crate) fn span(self) -> Span {
        Span::new(self.start as usize, self.end as usize)
    }
}

/// The arguments or items of a node: a range of [`Tree::args`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Args {
    start: u32,
    end: u32,
}

/// What a node is. It owns no memory, so that a tree is dropped at once.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Constant(Constant),
    /// A quoted string, with its quotes.
    Text(Word),
    /// A bare word, which is its own text as a value.
    Keyword(Word),
    /// `$`, which is `$1`, `$2`, …
    Position(usize),
    /// `$name`, without its dollar.
    Variable(Word),
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

impl Kind {
    /// Whether it is a value or a variable by itself.
    pub(crate) fn is_leaf(&self) -> bool {
        use Kind::{Constant, Keyword, Position, Text, Variable};
        matches!(
            self,
            Constant(_) | Text(_) | Keyword(_) | Position(_) | Variable(_)
        )
    }
}

/// A node and its place.
#[derive(Clone, Copy, Debug)]
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
    args: SmallVec<[NodeId; 8]>,
    pub(crate) root: NodeId,
    /// The words of the nodes, in their order. They are made when the first is asked for: many
    /// trees are only checked.
    words: OnceLock<Box<[Arc<str>]>>,
}

impl Tree {
    /// The text of a word of this tree, or what a string says, as a value that can be shared.
    pub(crate) fn word(&self, word: Word) -> &Arc<str> {
        let words = self.words.get_or_init(|| {
            let texts = self.nodes.iter().filter_map(|node| match node.kind {
                Kind::Keyword(word) | Kind::Variable(word) | Kind::Call { name: word, .. } => {
                    Some(Cow::Borrowed(self.text(word)))
                }
                // The parser has tried it.
                Kind::Text(word) => lexer::string_value(self.text(word)).or(Some(Cow::default())),
                _ => None,
            });
            texts.map(Arc::from).collect()
        });
        &words[word.index as usize]
    }

    /// The text of a word of this tree; of a string as it is written.
    pub(crate) fn text(&self, word: Word) -> &str {
        let Span { start, end } = word.span();
        &self.source[start..end]
    }

    /// The arguments or items of a node of this tree.
    pub(crate) fn args(&self, args: Args) -> &[NodeId] {
        &self.args[args.start as usize..args.end as usize]
    }

    /// What the node at `id` says by itself, if it is a text or a bare word.
    pub(crate) fn literal(&self, id: NodeId) -> Option<&Arc<str>> {
        match self.kind(id) {
            Kind::Keyword(word) | Kind::Text(word) => Some(self.word(*word)),
            _ => None,
        }
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

/// A tree that grows.
pub(crate) struct Builder {
    nodes: Vec<Node>,
    args: SmallVec<[NodeId; 8]>,
    words: u32,
}

// The parser bounds the source, and there is at most one node, word or argument a byte.
#[expect(
    clippy::cast_possible_truncation,
    reason = "all of it is far below 2^32"
)]
impl Builder {
    /// For a source of so many bytes.
    pub(crate) fn new(length: usize) -> Builder {
        Builder {
            nodes: Vec::with_capacity(8 + length / 6),
            args: SmallVec::new(),
            words: 0,
        }
    }

    pub(crate) fn add(&mut self, kind: Kind, span: Span) -> NodeId {
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(Node::new(kind, span));
        id
    }

    /// The word at `span`, for the node that is added next.
    pub(crate) fn word(&mut self, span: Span) -> Word {
        self.words += 1;
        Word {
            start: span.start as u32,
            end: span.end as u32,
            index: self.words - 1,
        }
    }

    pub(crate) fn args(&mut self, ids: &[NodeId]) -> Args {
        let start = self.args.len() as u32;
        self.args.extend_from_slice(ids);
        Args {
            start,
            end: self.args.len() as u32,
        }
    }

    pub(crate) fn span(&self, id: NodeId) -> Span {
        self.nodes[id.0 as usize].span()
    }

    pub(crate) fn finish(self, source: &str, root: NodeId) -> Tree {
        Tree {
            source: source.into(),
            nodes: self.nodes,
            args: self.args,
            root,
            words: OnceLock::new(),
        }
    }
}
