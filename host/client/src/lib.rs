//! The other end of the server: asks for what Mistral's API v2 has, and follows what happens there.
//!
//! [`Client`] sends requests, with a token of Keystone where the server wants one. [`Events`] is
//! what happens to an execution, in order: a connection that is lost is made again, and what
//! happened meanwhile comes, once. What a tree of an execution is made of are the same types that
//! the runtime has ([`ostro_runtime::tree`], [`ostro_runtime::feed`]).
//!
//! Where the server is a real Mistral, all but trees and events is there too.

mod again;
mod client;
mod error;
mod events;
mod packs;
mod resources;
mod stream;

pub use client::{Client, Tokens};
pub use error::ClientError;
pub use events::{Beginning, Event, Events, Next};
pub use packs::{Installation, InstalledPacks, PackFrom};
pub use resources::{Definitions, Execution, Start};
