//! The std actions against real parts: a web server, OpenSSH, a mail server, and the very
//! action classes of Mistral 23 beside them.
//!
//! What is missing is installed: OpenSSH and netcat by `apt-get`, Mistral and aiosmtpd from PyPI
//! into the user's cache. Where that cannot be, the tests fail and say so.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of tests fail their test"
)]

mod common;
mod email;
mod http;
mod javascript;
mod mistral;
mod ssh;
mod web;
