//! The driver on one machine: it gives events to the engine, makes turns durable, carries out
//! commands, fires timers and tells whoever watches.
//!
//! An execution is one actor: one turn at a time, while thousands of executions run side by
//! side. A turn is `engine::decide` on one event; its commands are carried out only after the
//! turn is committed: to a journal ([`Runtime::durable`]), or to memory ([`Runtime::new`]).
//! After a crash, [`Runtime::recover`] brings every execution to what its committed turns say.
//! What waits for a person, or for long, is in the journal alone until somebody asks for it.
//!
//! ```
//! use std::sync::Arc;
//!
//! use ostro_core::{ActionCall, ActionOutcome, ActionRunner, Map, State, Value};
//! use ostro_runtime::{Options, Runtime, RuntimeError, StartRequest, SystemClock};
//!
//! /// Runs every action as if it were `std.echo`.
//! struct Echo;
//!
//! #[async_trait::async_trait]
//! impl ActionRunner for Echo {
//!     async fn run(&self, call: ActionCall) -> ActionOutcome {
//!         ActionOutcome::Success(call.input["output"].clone())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), RuntimeError> {
//! let text = "
//! version: '2.0'
//! hello:
//!   input: [name]
//!   tasks:
//!     say:
//!       action: std.echo output=<% 'hello ' + $.name %>
//!       publish: {said: <% task().result %>}
//! ";
//! let definitions = [ostro_lang::parse(text, "hello.yaml")].into_iter().collect();
//! let clock = Arc::new(SystemClock);
//! let runtime = Runtime::new(Arc::new(definitions), Arc::new(Echo), clock, Options::default());
//!
//! let input = Map::from_iter([("name".into(), Value::from("Ada"))]);
//! let id = runtime.start(StartRequest::new("hello", input)).await?;
//! let outcome = runtime.wait(&id).await?;
//! assert_eq!(outcome.state, State::Success);
//! assert_eq!(outcome.output.get("said"), Some(&Value::from("hello Ada")));
//! # Ok(())
//! # }
//! ```
//!
//! Architecture Invariant: the runtime knows actions only through [`ostro_core::ActionRunner`].
//! It depends on no crate that runs them, so it builds without wasm and is tested without it.
//!
//! Architecture Invariant: an execution that is not finished always waits for an action in
//! flight, a timer, a child or a person. Whatever breaks (a runner that panics, a child that
//! cannot start) comes back to the engine as an event.

mod actor;
mod clock;
mod doctor;
mod entry;
mod error;
mod family;
pub mod feed;
mod figures;
mod hub;
mod keep;
mod libraries;
mod library;
mod notice;
mod options;
mod persist;
mod plan;
mod record;
mod records;
mod recover;
mod relay;
mod replay;
mod runtime;
mod shared;
mod slots;
mod snapshots;
mod store;
mod timers;
pub mod tree;
mod turn;

pub use clock::SystemClock;
pub use doctor::{Finding, diagnose};
pub use error::RuntimeError;
pub use figures::Figures;
pub use hub::{Delivery, Subscription};
pub use libraries::RunnerSource;
pub use library::{File, Library, WorkflowId};
pub use notice::{ActionEnd, ActionRef, Notice, NoticeKind};
pub use options::Options;
pub use record::{ExecutionInfo, Outcome};
pub use runtime::{Runtime, StartRequest};
pub use snapshots::Snapshots;

/// Locks `mutex`, whether or not a thread panicked while it held it: what is behind the locks
/// of this crate is whole between any two statements.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
