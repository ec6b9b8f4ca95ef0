//! What the engine decides, shown by cases in `tests/cases` and by random workflows.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod actions;
mod cases;
mod histories;
mod joins;
mod mistral;
mod property;
mod stored;
mod world;
