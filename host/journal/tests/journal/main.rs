//! The journal on real files.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
mod letters;
mod turns;
