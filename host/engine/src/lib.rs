//! The pure decider: `(spec, state, event)` to `(state, commands)`.
//!
//! [`Execution::new`] makes the state of an execution, [`decide`] takes it one event further and
//! says what is wanted: run this action, start that sub-workflow, set a timer, finish. The
//! driver makes state and commands durable, carries the commands out, and comes back with what
//! happened.
//!
//! ```
//! use ostro_core::{ActionOutcome, ExecutionId, Map, State};
//! use ostro_engine::{Command, Event, EventKind, Execution, Params, decide};
//! use ostro_lang::{Definitions, parse};
//!
//! let text = "
//! version: '2.0'
//! greet:
//!   output: {said: <% task(say).result %>}
//!   tasks:
//!     say: {action: voice.say text='hello'}
//! ";
//! let definitions: Definitions = [parse(text, "greet.yaml")].into_iter().collect();
//! let workflow = definitions.workflow("greet").ok_or("no such workflow")?;
//! let id = ExecutionId::new("c7f9…");
//! let execution = Execution::new(id, workflow, &Map::new(), Params::default())?;
//!
//! let started = Event::new(0, EventKind::Started);
//! let turn = decide(&definitions, workflow, execution, started);
//! let [Command::RunAction { id, name, .. }] = &turn.commands[..] else {
//!     return Err("an action is wanted".into());
//! };
//! assert_eq!(&**name, "voice.say");
//!
//! let outcome = ActionOutcome::Success("hello".into());
//! let finished = EventKind::ActionFinished { id: id.clone(), outcome };
//! let turn = decide(&definitions, workflow, turn.execution, Event::new(9, finished));
//! assert_eq!(turn.execution.state(), State::Success);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The semantics are those of Mistral 23's direct and reverse workflows; `COMPATIBILITY.md`
//! beside this crate's manifest lists where and why they differ.
//!
//! Architecture Invariant: no IO, no clock, no randomness, no async. Equal inputs give equal
//! outputs, byte for byte, so that any durable engine can drive and replay it.

mod changed;
mod context;
mod control;
mod decide;
mod error;
mod event;
mod execution;
mod functions;
mod joins;
mod output;
mod pause;
mod policies;
mod query;
mod reason;
mod rerun;
mod reverse;
mod runs;
mod task;
mod tasks;
mod text;
mod transitions;
mod view;
mod waiting;
mod with_items;

pub use decide::{Decision, Resolver, decide, explain};
pub use error::EngineError;
pub use event::{Change, Command, Event, EventKind, TimerId};
pub use execution::{Execution, Params};
pub use query::{Answer, Query, Records};
pub use reason::Reason;
pub use view::{ActionView, ChildView, ItemsView, TaskView};
pub use waiting::Waiting;
