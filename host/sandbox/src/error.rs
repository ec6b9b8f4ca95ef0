//! What can go wrong, with the four parties that can be to blame kept apart.

use std::fmt;

use ostro_core::{ActionError, ActionErrorKind, Value};
use ostro_packs::{InputError, PackError};
use thiserror::Error;

use crate::health::PausedPack;

/// Why a pack is not loaded, or no sandbox starts.
#[derive(Debug, Error)]
pub enum SandboxError {
    /// The pack imports what it is not granted, or what no host offers.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The pack asks for more than the sandbox gives to any.
    #[error("pack {pack:?} asks for {what}: this sandbox gives at most {most}")]
    TooMuch {
        /// The pack.
        pack: String,
        /// What it asks for.
        what: String,
        /// The most that is given.
        most: String,
    },
    /// A component does not compile or link.
    #[error("component {component:?} of pack {pack:?} does not load: {reason}")]
    Component {
        /// The pack.
        pack: String,
        /// The component.
        component: String,
        /// What the engine says.
        reason: String,
    },
    /// A folder that is granted cannot be opened, or is nobody's to have.
    #[error("pack {pack:?} cannot have the folder {path}: {reason}")]
    Folder {
        /// The pack.
        pack: String,
        /// The folder, as it is granted.
        path: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// It is granted secrets that nobody provides.
    #[error("pack {pack:?} is granted secrets that are not provided: {}", missing.join(", "))]
    Secrets {
        /// The pack.
        pack: String,
        /// Their names.
        missing: Vec<String>,
    },
    /// The engine does not start.
    #[error("the wasm engine does not start: {0}")]
    Engine(String),
}

/// Why a call of an action gave no result.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum CallError {
    /// The pack has no such action.
    #[error("pack {pack:?} has no action {action:?}")]
    NoAction {
        /// The pack.
        pack: String,
        /// The name that was asked for.
        action: String,
    },
    /// The input does not fit the action's signature. The component was not started.
    #[error("input of {action}: {error}")]
    Input {
        /// The action.
        action: String,
        /// What is wrong, and where.
        error: InputError,
    },
    /// The action itself says that it failed: the error of its WIT `result`.
    #[error("{}", plain(.0))]
    Action(Value),
    /// The component trapped, or gave what its type or JSON does not allow.
    #[error("{0}")]
    Trap(String),
    /// The call went past a limit of its pack.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The host failed.
    #[error("{0}")]
    Host(String),
    /// The pack trapped again and again, and is not called any more.
    #[error("pack {} is paused: {}; {resume}", .pack.pack, .pack.reason)]
    Paused {
        /// Which, and why.
        pack: PausedPack,
        /// How it is resumed.
        resume: String,
    },
}

/// Why a recording cannot be read or replayed.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum RecordingError {
    /// It is none.
    #[error("it is no recording: {0}")]
    Malformed(String),
    /// Another version of Ostro wrote it.
    #[error("it is of format {0}, and this version of ostro reads format 1")]
    Format(u64),
    /// Not all of it was kept.
    #[error("it was cut and cannot be replayed: {0}")]
    Cut(String),
    /// The pack cannot run it.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// A limit that was gone past.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{kind}: more than {allowed}, as `limits` of the pack, the operator or the task's timeout allow"
)]
pub struct LimitError {
    /// Which.
    pub kind: LimitKind,
    /// What is allowed.
    pub allowed: String,
}

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LimitKind {
    /// Time from start to end: `limits.time`, or the task's timeout where that is shorter.
    Time,
    /// Memory of the instance: `limits.memory`.
    Memory,
    /// The number of host calls: `limits.host-calls`.
    HostCalls,
    /// How much it computed: `limits.fuel`, where the operator has fuel counted.
    Fuel,
    /// The size of the parameters: `limits.input`.
    Input,
    /// The size of the result and of what passes in a host call: `limits.output`.
    Output,
}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            LimitKind::Time => "the action took too long",
            LimitKind::Memory => "the action used too much memory",
            LimitKind::HostCalls => "the action made too many host calls",
            LimitKind::Fuel => "the action computed too much",
            LimitKind::Input => "the action's input is too large",
            LimitKind::Output => "the action gave too much data",
        })
    }
}

impl CallError {
    /// Who is to blame.
    pub fn kind(&self) -> ActionErrorKind {
        match self {
            CallError::NoAction { .. } | CallError::Input { .. } | CallError::Paused { .. } => {
                ActionErrorKind::Call
            }
            CallError::Action(_) => ActionErrorKind::Action,
            CallError::Trap(_) => ActionErrorKind::Trap,
            CallError::Limit(_) => ActionErrorKind::Limit,
            CallError::Host(_) => ActionErrorKind::Host,
        }
    }
}

impl From<CallError> for ActionError {
    fn from(error: CallError) -> Self {
        let kind = error.kind();
        let message = error.to_string();
        match error {
            CallError::Action(value) => ActionError {
                kind,
                message,
                value,
            },
            _ => ActionError::new(kind, message),
        }
    }
}

/// Text as it is, everything else as JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.to_string(),
        Value::Null => "the action failed without saying why".to_owned(),
        other => other.to_string(),
    }
}
