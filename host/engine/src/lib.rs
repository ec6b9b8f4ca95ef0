//! The pure decider: `(spec, state, event)` to `(state, commands)`.
//!
//! Architecture Invariant: no IO, no clock, no randomness, no async. Equal inputs give equal
//! outputs, byte for byte, so that any durable engine can drive and replay it.

mod event;

pub use event::{Change, Command, Event, EventKind, TimerId};
