//! Recordings: all that passed between one action execution and the host, as versioned JSON.
//!
//! ```json
//! {
//!   "format": 1,
//!   "pack": { "name": "acme", "version": "0.1.0", "digest": "sha256:…" },
//!   "action": "acme.power.nodes_on",
//!   "input": { "rack": "r1" },
//!   "context": { "execution-id": "…", "workflow-name": "…", "action-execution-id": "…", "attempt": 1 },
//!   "calls": [
//!     { "call": "openstack.send",
//!       "arguments": { "service": "baremetal", "method": "GET", "path": "/v1/nodes" },
//!       "answer": { "ok": { "status": 200, "body": { "json": { "nodes": [] } } } } }
//!   ],
//!   "outcome": { "success": [] }
//! }
//! ```
//!
//! `call` is the interface and the function of `ostro:host`; `arguments` and `answer` have the
//! names of the contract, without what is empty. A `result` of the contract is `ok` or `error`.
//! Bytes and JSON text are `{"json": …}` where that gives the same bytes again (with
//! `"spaced": true` as Python writes JSON), else `{"text": …}` or `{"base64": …}`. A call without
//! `answer` is one that the action never got an answer to: a limit ended it.
//!
//! `http.send` is a request through `wasi:http`, with its `url`, and its `query` apart. What an
//! action reads and writes in folders is not recorded: `not_recorded` says so, as for WASI's clocks.
//!
//! What belongs to a key such as `password` or `token` is replaced by `[secret 1]` and so on
//! before a recording leaves this crate, the same value by the same text wherever it stands; see
//! `redact`. What is larger than its [`Recorder`] takes is `cut`, and cannot be replayed.

mod compare;
mod redact;
mod tape;
mod wire;

use ostro_packs::FolderGrant;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use compare::Difference;
pub(crate) use tape::{Later, Tape};
pub(crate) use wire::{
    HttpAnswer, Plain, Success, bytes, from_bytes, http_request, json_text, operation, read,
    request,
};

use crate::error::RecordingError;

/// The version of the format that this host writes.
const FORMAT: u32 = 1;

/// One action execution, with all that it was told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// The version of the format.
    pub format: u32,
    /// The pack that was run.
    pub pack: RecordedPack,
    /// The action's full name.
    pub action: String,
    /// Its input: an object.
    pub input: Value,
    /// Who called.
    pub context: RecordedContext,
    /// Its host calls, in order.
    pub calls: Vec<RecordedCall>,
    /// How it ended, as `ostro_core::ActionOutcome`; nothing where any end is right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Value>,
    /// Why calls are missing, where some are: it cannot be replayed then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<String>,
    /// What the component imports that is not recorded, so that a replay may differ: WASI's
    /// clocks and random numbers, and its files, where folders are granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_recorded: Vec<String>,
    /// The folders that were used, with the mode that this took. A replay has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub folders: Vec<FolderGrant>,
    /// Whether interfaces that reach nothing (log, progress, clock, execution) are free where no
    /// call of them is expected: so it is in a test case that a person wrote.
    #[serde(skip)]
    pub is_case: bool,
}

/// The pack of a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedPack {
    /// Its name.
    pub name: String,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The digest over its files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Where it was, if whoever recorded said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// Who called the action of a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RecordedContext {
    /// The execution.
    pub execution_id: String,
    /// The workflow's full name.
    pub workflow_name: String,
    /// The task's name, where a task called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_name: Option<String>,
    /// The action execution.
    pub action_execution_id: String,
    /// Which try it was, from 1.
    pub attempt: u32,
}

/// One host call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedCall {
    /// The interface and the function, as `openstack.send`.
    pub call: String,
    /// What the component gave.
    #[serde(default)]
    pub arguments: Value,
    /// What the host answered; nothing if it never did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Value>,
}

impl Recording {
    /// Reads a recording.
    pub fn parse(text: &str) -> Result<Self, RecordingError> {
        // The version comes first: a newer format may have keys that this one does not know.
        let value: Value = serde_json::from_str(text)
            .map_err(|error| RecordingError::Malformed(error.to_string()))?;
        match value.get("format").and_then(Value::as_u64) {
            Some(format) if format == u64::from(FORMAT) => {}
            Some(format) => return Err(RecordingError::Format(format)),
            None => return Err(RecordingError::Malformed("it has no `format`".to_owned())),
        }
        serde_json::from_value(value).map_err(|error| RecordingError::Malformed(error.to_string()))
    }

    /// A recording of nothing yet.
    pub fn new(pack: RecordedPack, action: &str, input: Value, context: RecordedContext) -> Self {
        Self {
            format: FORMAT,
            pack,
            action: action.to_owned(),
            input,
            context,
            calls: Vec::new(),
            outcome: None,
            cut: None,
            not_recorded: Vec::new(),
            folders: Vec::new(),
            is_case: false,
        }
    }
}

/// Takes recordings, from any thread.
pub trait Recorder: Send + Sync {
    /// The most that the calls of one recording may hold, in bytes.
    fn limit(&self) -> usize {
        32 << 20
    }

    /// An action execution has ended. There are no secrets in its recording.
    fn recorded(&self, recording: Recording);
}

/// What came of a replay.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// How the action ended now, as in [`Recording::outcome`]; nothing if it was stopped at a
    /// difference, or where the recording ends.
    pub outcome: Option<Value>,
    /// The first difference; none if all was the same.
    pub difference: Option<Difference>,
}
