//! `--url`: the same commands, carried out by a server.

mod action;
mod execution;
mod run;
mod watch;

use std::sync::Arc;

use anyhow::{Result, anyhow};
use async_trait::async_trait;
use ostro_client::{Client, ClientError, Tokens};
use ostro_openstack::Session;

use crate::args::{Action, Command, Execution};
use crate::errors::{Exit, hinted};

/// Carries out `command` at the server at `url`. None where the command is about what is here.
pub(crate) fn carry_out(url: &str, command: &Command, verbose: bool) -> Option<Result<Exit>> {
    let client = match client(url, cloud(command)) {
        Ok(client) => client,
        Err(error) => return Some(Err(error)),
    };
    match command {
        Command::Run(args) => Some(run::run(&client, args, verbose)),
        Command::Execution(command) => Some(execution::execution(&client, command, verbose)),
        Command::Action(command) if !matches!(command, Action::Replay(_)) => {
            Some(action::action(&client, command))
        }
        Command::Action(_)
        | Command::Lint(_)
        | Command::Explain { .. }
        | Command::Eval(_)
        | Command::Fmt(_)
        | Command::Workflow(_)
        | Command::Pack(_)
        | Command::Serve(_)
        | Command::Doctor(_)
        | Command::Backup(_)
        | Command::Validation(_) => None,
    }
}

/// What is said of a command that no server carries out, where somebody asks one to.
pub(crate) fn refused(url: &str) -> anyhow::Error {
    hinted(
        anyhow!("--url {url}: this command is about what is on this machine"),
        "run, execution and action are carried out by servers; leave --url out",
    )
}

fn client(url: &str, cloud: Option<&str>) -> Result<Client> {
    let client = Client::new(url).map_err(told)?;
    Ok(client.with_tokens(Arc::new(Login {
        cloud: cloud.map(str::to_owned),
    })))
}

/// The cloud that a command names, whose Keystone gives the token.
fn cloud(command: &Command) -> Option<&str> {
    let sources = match command {
        Command::Run(args) | Command::Execution(Execution::Start(args)) => &args.sources,
        Command::Execution(
            Execution::Resume(change)
            | Execution::Cancel(change)
            | Execution::Rerun { change, .. }
            | Execution::Skip { change, .. },
        ) => &change.goes_on.sources,
        Command::Action(
            Action::Run { sources, .. }
            | Action::List { sources, .. }
            | Action::Show { sources, .. },
        ) => sources,
        _ => return None,
    };
    sources.cloud.as_deref()
}

/// Logs in to Keystone where the server wants a token, and not before.
struct Login {
    cloud: Option<String>,
}

#[async_trait]
impl Tokens for Login {
    async fn token(&self, refused: Option<&str>) -> Result<String, String> {
        let session = Session::open(self.cloud.as_deref()).map_err(|error| error.to_string())?;
        let token = session.token(refused).await;
        token.map_err(|error| error.to_string())
    }
}

/// An error of the client, with what to do about it.
fn told(error: ClientError) -> anyhow::Error {
    let hint = match &error {
        ClientError::Unreachable { .. } => "`ostro serve` starts a server",
        ClientError::Token(_) => "--cloud NAME, OS_CLOUD or the OS_* variables say who you are",
        ClientError::Address { .. } | ClientError::Refused { .. } | ClientError::Answer { .. } => {
            return error.into();
        }
    };
    hinted(error, hint)
}

/// A map of a workflow's values as JSON has it.
fn json(map: &ostro_core::Map) -> serde_json::Map<String, serde_json::Value> {
    let entries = map.iter();
    entries
        .map(|(name, value)| (name.to_string(), value.into()))
        .collect()
}
