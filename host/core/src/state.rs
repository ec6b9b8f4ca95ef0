//! The states of executions, task executions and action executions.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A state as Mistral's API names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// Created, not started.
    Idle,
    /// A join that waits for its branches.
    Waiting,
    /// At work.
    Running,
    /// Waits for a timer of a policy (`wait-before`, `wait-after`, a retry's delay).
    Delayed,
    /// Paused by a person or a policy.
    Paused,
    /// Ended well.
    Success,
    /// Ended by a person before its end.
    Cancelled,
    /// Ended badly.
    Error,
    /// A failed task that a person skipped.
    Skipped,
}

impl State {
    /// All of them, in their order.
    pub const ALL: [Self; 9] = [
        Self::Idle,
        Self::Waiting,
        Self::Running,
        Self::Delayed,
        Self::Paused,
        Self::Success,
        Self::Cancelled,
        Self::Error,
        Self::Skipped,
    ];

    /// Whether nothing follows this state by itself.
    pub fn is_completed(self) -> bool {
        matches!(
            self,
            State::Success | State::Error | State::Cancelled | State::Skipped
        )
    }

    /// The word of Mistral's API: `SUCCESS`, `ERROR`, …
    pub fn as_str(self) -> &'static str {
        match self {
            State::Idle => "IDLE",
            State::Waiting => "WAITING",
            State::Running => "RUNNING",
            State::Delayed => "DELAYED",
            State::Paused => "PAUSED",
            State::Success => "SUCCESS",
            State::Cancelled => "CANCELLED",
            State::Error => "ERROR",
            State::Skipped => "SKIPPED",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
