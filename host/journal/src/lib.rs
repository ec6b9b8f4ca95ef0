//! Makes turns durable: what happened to executions, and the tables that queries read, in one
//! SQLite database in the state folder.
//!
//! Events are the truth. A snapshot shortens the way back; the read model (Mistral's executions,
//! task executions and action executions) is written in the same transaction, so that the two
//! never differ. One thread writes: it takes all turns that wait as a group, commits them at
//! once, and only then tells their callers. Queries read through connections of their own, which
//! neither wait for the writer nor hold it up.
//!
//! ```
//! use ostro_core::ExecutionId;
//! use ostro_journal::{ExecutionRow, Journal, JournalError, NewEvent, Options, Turn};
//!
//! # fn main() -> Result<(), JournalError> {
//! # let dir = tempfile::tempdir().unwrap();
//! # let dir = dir.path();
//! let journal = Journal::open(dir, &Options::default())?;
//! let id = ExecutionId::new("0f8fad5b-d9cb-469f-a165-70867728950e");
//! let mut turn = Turn::new();
//! turn.execution(ExecutionRow::new(id.clone(), "hello", 1_700_000_000_000))
//!     .event(NewEvent {
//!         execution: id.clone(),
//!         number: 0,
//!         body: (*b"\"started\"").into(),
//!         values: Vec::new(),
//!     });
//! journal.write(turn)?;
//!
//! // After a restart:
//! # drop(journal);
//! let journal = Journal::open(dir, &Options::default())?;
//! let loaded = journal.load(&id)?.expect("it was acknowledged");
//! assert_eq!(loaded.events[0].body, b"\"started\"");
//! assert_eq!(loaded.next, 1);
//! # Ok(())
//! # }
//! ```
//!
//! Architecture Invariant: a turn is acknowledged only after its transaction is committed and
//! synced, and nothing of a turn is ever there without the rest of it.
//!
//! What changed with a turn is numbered in the order of commits ([`Journal::changes`]): it is in the
//! transaction of the turn, so that nothing of it is lost and nothing comes twice.
//!
//! Architecture Invariant: the journal knows neither the engine nor the runtime. What an event or
//! a snapshot says is bytes to it.

mod backup;
mod changes;
mod check;
mod digest;
mod error;
mod expire;
mod id;
mod journal;
mod lock;
mod pool;
mod query;
mod queue;
mod read;
mod rows;
mod schema;
pub mod simulated;
mod tally;
mod turn;
mod writer;

pub use changes::{ChangeFilter, ChangeLimits, Changes, NewChange, StoredChange};
pub use check::Report;
pub use digest::{Blob, Digest, NoDigest};
pub use error::JournalError;
pub use expire::{Expired, Policy};
pub use journal::{Figures, Journal, Options, Refused};
pub use query::{
    ActionColumn, Column, Direction, ExecutionColumn, MAX_LIMIT, Op, Operand, Query, TaskColumn,
};
pub use read::{Loaded, StoredEvent, StoredLetter, StoredSnapshot, Unfinished, UnfinishedRoot};
pub use rows::{
    ActionChange, ActionRecord, ActionRow, ExecutionChange, ExecutionRow, Reached, TaskRecord,
    TaskRow, WorkflowRef,
};
pub use tally::{StateCounts, Tally};
pub use turn::{Document, LetterId, NewEvent, NewLetter, NewSnapshot, Turn};
