//! Whoever wants to know what packs do.

use std::time::Duration;

use ostro_core::ActionContext;

use crate::error::CallError;
use crate::health::{PackId, PausedPack};

/// Is told what happens in a sandbox, on the thread where it happens: it must not block.
pub trait Observer: Send + Sync {
    /// A host call has ended.
    fn host_called(&self, call: &HostCall<'_>) {
        let _ = call;
    }

    /// A call has ended.
    fn called(&self, call: &Called<'_>) {
        let _ = call;
    }

    /// A pack is paused from now on.
    fn paused(&self, pack: &PausedPack) {
        let _ = pack;
    }

    /// A pack was paused, and is called again from now on.
    fn resumed(&self, pack: &PausedPack) {
        let _ = pack;
    }
}

/// A host call that has ended, of those that reach something or need a grant.
#[derive(Clone, Copy, Debug)]
pub struct HostCall<'a> {
    /// The interface and the function, as `openstack.send`.
    pub call: &'static str,
    /// What it was for: the type of a service in Keystone's catalogue or the name of its client,
    /// or `files`, `http`, `messaging`, `secrets`. A guest may have made it up, if it was denied.
    pub service: &'a str,
    /// Of which pack.
    pub pack: &'a PackId,
    /// Of which action execution.
    pub context: &'a ActionContext,
    /// How long it took.
    pub time: Duration,
    /// How it ended.
    pub end: HostCallEnd,
}

/// How a host call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostCallEnd {
    /// With an answer.
    Answered,
    /// It is not granted.
    Denied,
    /// The service said no.
    Refused,
    /// It made no sense.
    Invalid,
    /// The service could not be reached.
    Unavailable,
    /// It went past a limit.
    Exhausted,
    /// Not by itself: its action ended before.
    Cancelled,
}

impl HostCallEnd {
    /// In one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Denied => "denied",
            Self::Refused => "refused",
            Self::Invalid => "invalid",
            Self::Unavailable => "unavailable",
            Self::Exhausted => "exhausted",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A call that has ended, and what it took.
#[derive(Clone, Copy, Debug)]
pub struct Called<'a> {
    /// Of which pack.
    pub pack: &'a PackId,
    /// Of which action.
    pub action: &'a str,
    /// For which project; empty where there are none.
    pub project: &'a str,
    /// From when it had its instance to its end.
    pub time: Duration,
    /// How much memory the instance had, in bytes.
    pub memory: u64,
    /// How many host calls it made.
    pub host_calls: u64,
    /// How much fuel it took, where fuel is counted.
    pub fuel: Option<u64>,
    /// Why it gave no result.
    pub error: Option<&'a CallError>,
}
