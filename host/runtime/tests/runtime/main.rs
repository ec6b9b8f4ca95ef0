//! The runtime with scripted actions, on tokio's paused clock.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the numbers of these tests are small"
)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail the test that they help"
)]

mod bounds;
mod control;
mod durable;
mod feed;
mod flow;
mod rerun;
mod support;
mod swap;
