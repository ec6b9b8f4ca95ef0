//! Errors on their way up.

use super::ast::Span;

/// What went wrong. It gets its place from the innermost expression that it passes.
///
/// Messages name functions, types and what the template itself says, never values of the context.
#[derive(Clone, Debug)]
pub(crate) struct Fail(Box<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    message: String,
    hint: Option<String>,
    at: Option<Span>,
}

pub(crate) type Res<T> = Result<T, Fail>;

/// An error that has no place yet.
pub(crate) fn fail<T>(message: impl Into<String>) -> Res<T> {
    Err(error(message))
}

/// An error that has no place yet.
pub(crate) fn error(message: impl Into<String>) -> Fail {
    Fail(Box::new(Parts {
        message: message.into(),
        hint: None,
        at: None,
    }))
}

impl Fail {
    /// The same with a place, unless it has one that is nearer.
    pub(crate) fn at(mut self, at: Span) -> Self {
        self.0.at.get_or_insert(at);
        self
    }

    /// The same with something to do.
    pub(crate) fn hint(mut self, hint: Option<String>) -> Self {
        self.0.hint = self.0.hint.or(hint);
        self
    }

    /// Message, hint and place.
    pub(crate) fn into_parts(self) -> (String, Option<String>, Option<Span>) {
        (self.0.message, self.0.hint, self.0.at)
    }
}
