//! The command line of `ostro serve`.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};
use ostro_server::OtlpEndpoint;

use super::{Sources, State};

/// An address of this machine, with a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address(pub(crate) SocketAddr);

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse()
            .map(Self)
            .map_err(|_| "write an IP address and a port, as 127.0.0.1:8989 or [::1]:8989")
    }
}

/// Serve Mistral's API v2 over HTTP, until Ctrl-C or SIGTERM.
///
/// What is defined and what runs is kept in the state folder. What was under way when the server
/// stopped goes on when it is started again.
///
/// At Ctrl-C or SIGTERM what is under way is answered; a second one ends the server at once. SIGHUP
/// has the settings read again: the limits, the log, the policy and the TLS certificate are changed,
/// and the audit log's file is opened anew.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  Serve to this machine
    ostro serve
  Serve as a file says, and look first whether all of it is right
    ostro serve --config /etc/ostro/ostro.yaml --check
  Use Mistral's own client with it
    mistral --os-mistral-url http://127.0.0.1:8989/v2 --auth-type none workflow-list")]
pub(crate) struct Serve {
    /// A file with settings. Variables of the environment go over it, as OSTRO_LIMITS_REQUESTS over
    /// `limits.requests`, and flags over both.
    #[arg(long, value_name = "FILE", env = "OSTRO_CONFIG", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// Only look whether all settings are right.
    #[arg(long)]
    pub(crate) check: bool,
    /// Where to listen; 127.0.0.1:8989 without it. Where nobody is asked who they are, only this
    /// machine may be let in: an address of 127.0.0.0/8 or ::1.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<Address>,
    /// Serve over TLS: the PEM file with the certificate, and those that lead to its authority.
    /// SIGHUP has it read again.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The PEM file with the certificate's private key.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) tls_key: Option<PathBuf>,
    /// How callers say who they are: not at all, or by a token of the cloud's Keystone.
    #[arg(long, value_enum, value_name = "HOW")]
    pub(crate) auth: Option<AuthKind>,
    /// A file with policy rules in oslo.policy's form, which go over Mistral's; they hold with
    /// `--auth keystone`.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) policy_file: Option<PathBuf>,
    /// Whose queues `zaqar.*` and components use; the server's own without it.
    #[arg(long, value_enum)]
    pub(crate) zaqar: Option<Queues>,
    /// Let callers of /v2/packs name files and folders of this machine, too, as where a pack is.
    #[arg(long)]
    pub(crate) packs_from_paths: bool,
    /// Let callers of /v2/packs have packs installed that no trusted key has signed.
    #[arg(long)]
    pub(crate) unsigned_packs: bool,
    /// In which form to log to standard error; as text without it.
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
    /// Add a line of JSON to this file for each request that changes something or is denied: who
    /// asked, what for, and how it went. SIGHUP opens the file anew. Without it, it is logged.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) audit_log: Option<PathBuf>,
    /// Send traces to this collector, by OTLP over HTTP. OTEL_EXPORTER_OTLP_ENDPOINT and its
    /// kind say the same.
    #[arg(long, value_name = "URL")]
    pub(crate) otlp_endpoint: Option<OtlpEndpoint>,
    #[command(flatten)]
    pub(crate) expiration: Expiration,
    #[command(flatten)]
    pub(crate) sources: Sources,
    #[command(flatten)]
    pub(crate) state: State,
}

/// Which executions that have ended are deleted while the server runs: Mistral's
/// `[execution_expiration_policy]`. Without any of it all are kept.
#[derive(Debug, Args)]
#[command(next_help_heading = "What is kept of executions that have ended")]
pub(crate) struct Expiration {
    /// Delete those that ended longer ago than this, as 7d or 12h; a number alone is of minutes.
    #[arg(long, value_name = "TIME")]
    pub(crate) older_than: Option<Age>,
    /// Delete all that have ended but the newest ones, this many; 0 deletes none.
    #[arg(long, value_name = "COUNT")]
    pub(crate) max_finished_executions: Option<usize>,
    /// Neither delete nor count those that ended in these states, as ERROR,CANCELLED.
    #[arg(long, value_name = "STATES", value_delimiter = ',', value_parser = super::end_state)]
    pub(crate) ignored_states: Vec<ostro_core::State>,
    /// How often to look; every 10 minutes without it. A number alone is of minutes.
    #[arg(long, value_name = "TIME")]
    pub(crate) evaluation_interval: Option<Age>,
    /// How many to delete in one transaction; 10 without it.
    #[arg(long, value_name = "COUNT")]
    pub(crate) batch_size: Option<NonZeroUsize>,
}

/// A time of up to ten years; a number alone is of minutes, as Mistral has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Age(pub(crate) Duration);

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const LONGEST: u64 = 3650 * 24 * 3600;
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_digit());
        let (number, unit) = text.split_at(end.unwrap_or(text.len()));
        let seconds = match unit.trim_start() {
            "" | "m" => Some(60),
            "s" => Some(1),
            "h" => Some(3600),
            "d" => Some(24 * 3600),
            _ => None,
        };
        let number: Option<u64> = number.parse().ok();
        let seconds = number.zip(seconds).and_then(|(a, b)| a.checked_mul(b));
        seconds
            .filter(|seconds| (1..=LONGEST).contains(seconds))
            .map(|seconds| Self(Duration::from_secs(seconds)))
            .ok_or_else(|| "write a time up to 3650d, as 30s, 90m, 12h or 7d".to_owned())
    }
}

/// Where messages are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Queues {
    /// The server's own, which speak Zaqar's websocket protocol at its address.
    Own,
    /// Those of the cloud's Zaqar.
    Cloud,
}

/// How callers say who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuthKind {
    /// Nobody is asked: whoever reaches the server may do everything.
    None,
    /// By a token of Keystone, the one of --cloud. Executions act as who started them.
    Keystone,
}

/// In which form a log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people.
    Text,
    /// A JSON object a line, with the ids of what it is about.
    Json,
}
