//! The queues: frames over a real websocket beside those of a real Zaqar, what is pushed, what is
//! kept, and what executions post.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail the test that they help"
)]

#[path = "zaqar/recorded.rs"]
mod recorded;
#[path = "zaqar/world.rs"]
mod world;

#[path = "zaqar/connections.rs"]
mod connections;
#[path = "zaqar/executions.rs"]
mod executions;
#[path = "zaqar/frames.rs"]
mod frames;
#[path = "zaqar/kept.rs"]
mod kept;
