//! What every crate of Ostro shares: values, ids, states, and the traits that a lower layer
//! needs from a higher one.
//!
//! Architecture Invariant: nothing here does IO, reads a clock or draws a random number.
//!
//! ```
//! use ostro_core::Value;
//!
//! let value: Value = serde_json::from_str(r#"{"nodes": [{"name": "node-0"}]}"#).unwrap();
//! assert_eq!(value.get("nodes").and_then(|n| n.index(0)).and_then(|n| n.get("name")),
//!            Some(&Value::from("node-0")));
//! ```

mod action;
mod id;
mod json;
mod request;
mod state;
pub mod stored;
pub mod suggest;
mod times;
mod value;

pub use action::{
    ActionCall, ActionContext, ActionError, ActionErrorKind, ActionOutcome, ActionRunner, Clock,
    Progress, ProgressSink,
};
pub use id::{ActionExecutionId, ExecutionId, TaskExecutionId};
pub use request::{
    Method, PathError, RelativePath, ServiceRequest, ServiceResponse, percent_encode,
};
pub use state::State;
pub use times::{Times, TimesTaken};
pub use value::{Map, Value};
