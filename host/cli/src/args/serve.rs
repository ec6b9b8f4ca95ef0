//! The command line of `ostro serve`.

use std::net::SocketAddr;

use clap::{Args, ValueEnum};

use super::{Sources, State};

/// Serve Mistral's API v2 over HTTP, until Ctrl-C or SIGTERM.
///
/// What is defined and what runs is kept in the state folder. What was under way when the server
/// stopped goes on when it is started again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  Serve to this machine
    ostro serve
  Use Mistral's own client with it
    mistral --os-mistral-url http://127.0.0.1:8989/v2 --auth-type none workflow-list")]
pub(crate) struct Serve {
    /// Where to listen. Nobody is asked who they are, so only this machine may be let in: an
    /// address of 127.0.0.0/8 or ::1.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8989")]
    pub(crate) listen: SocketAddr,
    /// Whose queues `zaqar.*` and components use.
    #[arg(long, value_enum, default_value_t = Queues::Own)]
    pub(crate) zaqar: Queues,
    /// Let callers of /v2/packs name files and folders of this machine, too, as where a pack is.
    #[arg(long)]
    pub(crate) packs_from_paths: bool,
    /// Let callers of /v2/packs have packs installed that no trusted key has signed.
    #[arg(long)]
    pub(crate) unsigned_packs: bool,
    #[command(flatten)]
    pub(crate) sources: Sources,
    #[command(flatten)]
    pub(crate) state: State,
}

/// Where messages are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Queues {
    /// The server's own, which speak Zaqar's websocket protocol at its address.
    Own,
    /// Those of the cloud's Zaqar.
    Cloud,
}
