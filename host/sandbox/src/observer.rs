//! Whoever wants to know what packs do.

use std::time::Duration;

use crate::error::CallError;
use crate::health::{PackId, PausedPack};

/// Is told what happens in a sandbox, on the thread where it happens: it must not block.
pub trait Observer: Send + Sync {
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
