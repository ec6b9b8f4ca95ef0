//! The journal on real files.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod backup;
mod changes;
mod common;
mod crash;
mod expire;
mod faults;
mod letters;
mod queries;
mod schemas;
mod tally;
mod turns;
