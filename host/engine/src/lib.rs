//! The pure decider: `(spec, state, event)` to `(state, commands)`.
//!
//! [`Execution::new`] makes the state of an execution, [`decide`] takes it one event further and
//! says what is wanted: run this action, start that sub-workflow, set a timer, finish. The
//! driver makes state and commands durable, carries the commands out, and comes back with what
//! happened.
//!
//! The semantics are those of Mistral 23's direct and reverse workflows; `COMPATIBILITY.md`
//! beside this crate's manifest lists where and why they differ.
//!
//! Architecture Invariant: no IO, no clock, no randomness, no async. Equal inputs give equal
//! outputs, byte for byte, so that any durable engine can drive and replay it.

mod context;
mod control;
mod decide;
mod error;
mod event;
mod execution;
mod functions;
mod graph;
mod joins;
mod output;
mod policies;
mod reverse;
mod runs;
mod task;
mod tasks;
mod text;
mod transitions;
mod view;
mod waiting;
mod with_items;

pub use decide::{Decision, Resolver, decide};
pub use error::InputError;
pub use event::{Change, Command, Event, EventKind, TimerId};
pub use execution::{Execution, Params};
pub use view::{ActionView, ChildView, ItemsView, TaskView};
pub use waiting::Waiting;
