//! The sandbox against real components, with a cloud that the tests play.
//!
//! The guests are in `tests/guests` of the repository; the tests build them.
#![deny(dead_code)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says no better what is wrong"
)]

mod common;
mod conversions;
mod escape;
mod folders;
mod hostile;
mod isolation;
mod keeper;
mod load;
mod recordings;
mod requests;
mod wasi;
mod web;
