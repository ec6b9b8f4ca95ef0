//! `--url`: the same commands, carried out by a server.

mod action;
mod execution;
mod pack;
mod run;
mod watch;

use std::sync::Arc;

use anyhow::{Result, anyhow};
use async_trait::async_trait;
use ostro_client::{Client, ClientError, Tokens};
use ostro_openstack::Session;

use crate::args::{Action, Asking, Command, Execution, Pack, Trust};
use crate::errors::{Exit, WithHint as _, hinted};
use crate::terminal;

/// What stands for the address of the server that the cloud's catalogue has.
const OF_CLOUD: &str = "cloud";
/// Its type there: the first one is what Mistral's clients look for, and `workflow` means the same.
const SERVICE: &str = "workflowv2";

/// Carries out `command` at the server at `url`. None where the command is about what is here.
pub(crate) fn carry_out(url: &str, command: &Command, verbose: bool) -> Option<Result<Exit>> {
    let known = match command {
        Command::Run(_) | Command::Execution(_) => true,
        Command::Action(command) => !matches!(command, Action::Replay(_)),
        Command::Pack(command) => pack::is_known(command),
        _ => false,
    };
    known.then(|| {
        let client = client(url, cloud(command))?;
        match command {
            Command::Run(args) => run::run(&client, args, verbose),
            Command::Execution(command) => execution::execution(&client, command, verbose),
            Command::Action(command) => action::action(&client, command),
            Command::Pack(command) => pack::pack(&client, command),
            _ => Err(refused(url)),
        }
    })
}

/// What is said of a command that no server carries out, where somebody asks one to.
pub(crate) fn refused(url: &str) -> anyhow::Error {
    hinted(
        anyhow!("--url {url}: this command is about what is on this machine"),
        "run, execution, action and what is done with installed packs are carried out by servers; \
         leave --url out",
    )
}

/// What is said where a command names who asks a server, and no server; none if it does not.
pub(crate) fn asks_nobody(command: &Command) -> Option<anyhow::Error> {
    let cloud = asking(command)?.cloud.as_deref()?;
    Some(hinted(
        anyhow!("--cloud {cloud}: this says who asks a server, and no server is named"),
        "--url URL names one, and `--url cloud` the one in that cloud's catalogue",
    ))
}

fn client(url: &str, cloud: Option<&str>) -> Result<Client> {
    let tokens = Arc::new(Login {
        cloud: cloud.map(str::to_owned),
    });
    let (client, token) = if url == OF_CLOUD {
        let (url, token) = crate::block_on(found(cloud))??;
        (Client::new(&url), Some(token))
    } else {
        (Client::new(url), None)
    };
    let client = client.map_err(told)?.with_tokens(tokens, token);
    Ok(client.on_lost(|error| terminal::complain(&format!("{error}: asking again"))))
}

/// Where the cloud's catalogue has a server, and a token for it.
async fn found(cloud: Option<&str>) -> Result<(String, String)> {
    let session =
        Session::open(cloud).hint(|| "--cloud takes a name from clouds.yaml".to_owned())?;
    let url = session.endpoint(SERVICE).await.hint(|| {
        "`openstack service create workflowv2` and `openstack endpoint create` put a server into \
         the catalogue; --url http://HOST:PORT says by itself where it is"
            .to_owned()
    })?;
    let token = session.token(None).await?;
    Ok((url.to_string(), token))
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
        Command::Action(Action::Complete(args)) => &args.change.sources,
        _ => return asking(command)?.cloud.as_deref(),
    };
    sources.cloud.as_deref()
}

/// Who asks, where that is of use to servers alone.
fn asking(command: &Command) -> Option<&Asking> {
    Some(match command {
        Command::Execution(
            Execution::Show(look)
            | Execution::Report(look)
            | Execution::Watch(look)
            | Execution::Pause(look),
        ) => &look.asking,
        Command::Execution(Execution::List { asking, .. } | Execution::Delete { asking, .. }) => {
            asking
        }
        Command::Pack(Pack::Activate(args)) => &args.place.asking,
        Command::Pack(Pack::Deactivate(args)) => &args.switch.place.asking,
        Command::Pack(Pack::Diff(args)) => &args.asking,
        Command::Pack(Pack::Grant(args)) => &args.place.asking,
        Command::Pack(Pack::Install(args)) => &args.place.asking,
        Command::Pack(Pack::List(args)) => &args.place.asking,
        Command::Pack(Pack::Prune(args)) => &args.place.asking,
        Command::Pack(Pack::Remove(args)) => &args.place.asking,
        Command::Pack(Pack::Rollback(args)) => &args.place.asking,
        Command::Pack(Pack::Trust(Trust::List { place })) => &place.asking,
        _ => return None,
    })
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
        ClientError::Lost { .. } => "`ostro execution list` tells whether it was done all the same",
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
