//! The bounds of a runtime.

/// How much a runtime takes on at a time, and how much it keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many actions run at the same time. Those that wait are served in turns, one of each
    /// root execution, so that a task with thousands of items holds up nobody else.
    pub max_actions: usize,
    /// How many root executions run at the same time; more are refused.
    pub max_executions: usize,
    /// How many executions a root and its sub-workflows may be together.
    pub max_family: usize,
    /// How deep sub-workflows may nest.
    pub max_depth: usize,
    /// How many finished root executions are kept for reports, the newest.
    pub kept_roots: usize,
    /// How many requests (pause, resume, stop, finish an action) may wait at one execution.
    pub max_requests: usize,
    /// How far off a time has to be at least, in milliseconds, for an execution that waits for
    /// nothing that is at work to leave memory until then. What waits for people only leaves it at
    /// once. Where there is no journal, nothing leaves.
    pub rest_millis: i64,
    /// After how many events of an execution a snapshot of its state is written, at the earliest:
    /// those that it covers are not decided again when the execution is brought back.
    pub snapshot_events: u64,
    /// How many times the bytes of the last snapshot an execution's turns write before the next
    /// one comes: what snapshots cost is this share of what turns do.
    pub snapshot_distance: usize,
    /// Whether [`NoticeKind::Decided`](crate::NoticeKind::Decided) tells why each turn went as it
    /// did.
    pub explain: bool,
    /// Whether each turn writes what it changed into the journal, for whoever watches
    /// ([`feed`](crate::feed)). Where there is no journal, nobody can.
    pub feed: bool,
    /// How many notices a subscriber may be behind before it loses the oldest.
    pub backlog: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_actions: 64,
            max_executions: 10_000,
            max_family: 10_000,
            max_depth: 64,
            kept_roots: 1_000,
            max_requests: 64,
            rest_millis: 60_000,
            snapshot_events: 256,
            snapshot_distance: 1,
            explain: false,
            feed: false,
            backlog: 4_096,
        }
    }
}
