//! What can go wrong, where, and what to do about it.

use std::fmt;

use thiserror::Error;

/// A range of bytes in an expression's source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// From `start` up to, but not with, `end`.
    pub const fn new(start: usize, end: usize) -> Self {
        Span { start, end }
    }

    /// The smallest span that holds both.
    pub(crate) fn to(self, other: Span) -> Span {
        Span::new(self.start.min(other.start), self.end.max(other.end))
    }
}

/// What sort of error it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A character or a number that YAQL has no use for.
    Lexical,
    /// Tokens in an order that the grammar doesn't have.
    Syntax,
    /// Brackets, operators or a source past the parser's bounds.
    TooComplex,
    /// No function of this name.
    UnknownFunction,
    /// No method of this name.
    UnknownMethod,
    /// No attribute of this name on a value that isn't a mapping.
    UnknownAttribute,
    /// The function exists, but not for arguments of these types or names.
    NoMatch,
    /// More than one overload fits the arguments.
    Ambiguous,
    /// The mapping doesn't have the key.
    MissingKey,
    /// The list is shorter than the index.
    Index,
    /// An argument of the right type that can't be used, as `int("x")`.
    Value,
    /// Division by zero, or a number past 64 bits.
    Arithmetic,
    /// An item was asked of a collection that has none, or more than one where one is wanted.
    Cardinality,
    /// `assert` found its condition false.
    Assertion,
    /// A function of the host failed.
    Host,
    /// The result is nothing that JSON can say.
    Result,
    /// More steps than [`Budget::steps`](crate::Budget::steps).
    Steps,
    /// An iterator longer than [`Budget::iterator_length`](crate::Budget::iterator_length).
    IteratorLength,
    /// More bytes than [`Budget::memory`](crate::Budget::memory).
    Memory,
    /// Deeper than [`Budget::depth`](crate::Budget::depth).
    Depth,
}

/// An expression that can't be parsed or evaluated.
///
/// Messages name functions, types and what the expression itself says. They never hold values of
/// the context, which may be secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct YaqlError {
    /// What sort of error it is.
    pub kind: ErrorKind,
    /// What is wrong.
    pub message: String,
    /// Where in the source.
    pub span: Span,
    /// What to do about it, where there is something to say.
    pub hint: Option<String>,
}

impl fmt::Display for YaqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, at offset {}", self.message, self.span.start)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// An error on its way up: it gets its place from the innermost call that it passes. Boxed, so
/// that the successful way stays narrow.
#[derive(Debug)]
pub(crate) struct Fail(Box<Parts>);

#[derive(Debug)]
struct Parts {
    kind: ErrorKind,
    message: String,
    span: Option<Span>,
    hint: Option<String>,
}

pub(crate) type Res<T> = Result<T, Fail>;

/// An error of `kind`, not yet placed.
pub(crate) fn fail(kind: ErrorKind, message: impl Into<String>) -> Fail {
    Fail(Box::new(Parts {
        kind,
        message: message.into(),
        span: None,
        hint: None,
    }))
}

impl Fail {
    /// What sort of error it is.
    pub(crate) fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The same with a place, unless it has one that is nearer.
    pub(crate) fn at(mut self, span: Span) -> Self {
        self.0.span.get_or_insert(span);
        self
    }

    /// The same with something to do.
    pub(crate) fn hint(mut self, hint: Option<String>) -> Self {
        self.0.hint = self.0.hint.or(hint);
        self
    }

    /// For the caller, with `whole` as the place of what has none.
    pub(crate) fn finish(self, whole: Span) -> YaqlError {
        let Parts {
            kind,
            message,
            span,
            hint,
        } = *self.0;
        YaqlError {
            kind,
            message,
            span: span.unwrap_or(whole),
            hint,
        }
    }
}
