//! How a shared part goes from hand to hand between its serde implementation and our serializer
//! or deserializer: serde's own ways are open only to data, not to an `Arc`.
//!
//! What is given is given right before the call in which it is taken, and what is left is taken
//! right after the call at whose end it was left. So it is never taken for another, even where
//! other serializers and deserializers are at work in between.

use std::any::Any;
use std::cell::Cell;
use std::sync::Arc;

/// A shared part of any type; a text is an `Arc<str>` in it.
pub(super) type Part = Arc<dyn Any + Send + Sync>;

/// What parts are handed over for.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Work {
    Save,
    Load,
}

thread_local! {
    static OPEN: Cell<Option<Work>> = const { Cell::new(None) };
    static GIVEN: Cell<Option<Part>> = const { Cell::new(None) };
    static LEFT: Cell<Option<Part>> = const { Cell::new(None) };
}

/// While this lives, parts are handed over on this thread. Each has its own hand: the end of
/// one, by a panic too, leaves the one around it as it was.
pub(super) struct Open {
    before: Option<Work>,
    given: Option<Part>,
    left: Option<Part>,
}

impl Open {
    pub(super) fn new(work: Work) -> Self {
        Self {
            before: OPEN.replace(Some(work)),
            given: GIVEN.take(),
            left: LEFT.take(),
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        OPEN.set(self.before);
        GIVEN.set(self.given.take());
        LEFT.set(self.left.take());
    }
}

/// Gives a part, or none, to what is called next, if `work` is what is done.
pub(super) fn give(work: Work, part: impl FnOnce() -> Option<Part>) {
    if OPEN.get() == Some(work) {
        GIVEN.set(part());
    }
}

/// Takes the part that the caller gave for `work`.
pub(super) fn given(work: Work) -> Option<Part> {
    if OPEN.get() == Some(work) {
        GIVEN.take()
    } else {
        None
    }
}

/// Leaves a part that was loaded, or none, to the caller.
pub(super) fn leave(part: impl FnOnce() -> Option<Part>) {
    if OPEN.get() == Some(Work::Load) {
        LEFT.set(part());
    }
}

/// Takes the part that what was called has left. Only what is open asks for it.
pub(super) fn left() -> Option<Part> {
    LEFT.take()
}

/// Where `part` is in memory: as long as it is kept, nothing else is there.
pub(super) fn address(part: &Part) -> usize {
    match part.downcast_ref::<Arc<str>>() {
        Some(text) => text.as_ptr().addr(),
        None => Arc::as_ptr(part).addr(),
    }
}
