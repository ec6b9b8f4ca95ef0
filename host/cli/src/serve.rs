//! `ostro serve`: Mistral's API v2, until somebody says stop.

mod active;
mod config;
mod follow;
mod log;
mod notify;
mod observed;
mod packs;
mod queues;
mod reload;
mod signals;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use ostro_journal::{Journal, Options};
use ostro_runtime::{Library, Runtime, SystemClock};
use ostro_server::{Actions as _, Packs, PacksSettings, Server, Zaqar, ZaqarSettings};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;

use self::active::{Active, Restored};
use self::config::Config;
use self::log::Log;
use self::notify::Notify;
use self::observed::Observed;
use self::packs::Operated;
use self::reload::Reload;
use self::signals::{Signals, told_to_stop};
use crate::args::{Queues, Serve};
use crate::errors::{Exit, hinted};
use crate::state::StateDir;
use crate::{sources, terminal};

/// How long executions may take to come to a place where they can stop.
const GRACE: Duration = Duration::from_secs(1);

/// Carries out `ostro serve`. `verbose` counts the `-v` of the command line.
pub(crate) fn serve(args: &Serve, verbose: u8) -> Result<Exit> {
    let config = Config::read(args)?;
    if args.check {
        terminal::complain(&config.praise());
        return Ok(Exit::Success);
    }
    let log = Log::start(&config, verbose)?;
    allow_many_files();
    let state = StateDir::new(config.state.state_dir.as_deref())?;
    state.make()?;
    let journal = Journal::open(&state.server(), &Options::default())?;
    let clock = Arc::new(SystemClock);
    let zaqar = match config.queues {
        Queues::Own => {
            let settings = ZaqarSettings::default();
            Some(Zaqar::open(journal.clone(), clock.clone(), settings)?)
        }
        Queues::Cloud => None,
    };
    let store = (!config.sources.no_packs).then(|| state.store());
    let mut delegations = sources::delegations(&config.sources)?;
    if config.identity.is_asked {
        delegations = delegations.required();
    }
    let delegations = Arc::new(delegations);
    let active = Arc::new(Active::open(
        &config.sources,
        store.clone(),
        Arc::clone(&delegations),
        zaqar.clone(),
        Arc::new(Observed(config.telemetry.host_calls.clone())),
    )?);
    crate::block_on(async {
        let signals = Signals::new()?;
        let notify = Arc::new(Notify::from_environment());
        let (origin, runner) = active.runner(Arc::default());
        let library = Library::new(Vec::new(), origin).with_runner(runner);
        let source = Restored {
            active: Arc::clone(&active),
            state: config.state.clone(),
        };
        let runtime = Runtime::sourced(
            journal.clone(),
            library,
            Arc::new(source),
            Arc::clone(&clock) as _,
            ostro_runtime::Options {
                feed: true,
                ..config.executions.clone()
            },
        );
        let following = store.map(|store| follow::follow(Arc::clone(&active), &store));
        let following = following.transpose()?;
        let operated = Operated::new(Arc::clone(&active), state);
        // What goes on acts as somebody, which has to be known by then, and is looked at.
        let server = Server::new(runtime.clone(), journal.clone(), active, clock)?
            .with_delegations(delegations)?
            .with_telemetry(config.telemetry.clone());
        // Before anything goes on that it would stop again.
        let listener = bound(config.listen).await?;
        let going_on = runtime.recover().await?;
        let server = server.with_packs(PacksSettings {
            packs: following
                .is_some()
                .then(|| Arc::new(operated) as Arc<dyn Packs>),
            ..config.packs_api.clone()
        });
        let server = match zaqar {
            None => server,
            Some(zaqar) => server.with_zaqar(zaqar),
        };
        let server = set_up(server, &config)?;
        let scheme = if config.tls.is_some() {
            "https"
        } else {
            "http"
        };
        let at = format!("{scheme}://{}/v2", listener.local_addr()?);
        terminal::complain(&format!("listening at {at}"));
        if going_on > 0 {
            terminal::complain(&format!("{going_on} executions go on"));
        }
        let reload = Reload {
            args,
            live: server.live(),
            log: &log,
            notify: &notify,
            status: format!("listening at {at}"),
        };
        notify.ready(&reload.status);
        let grace = config.http.grace;
        let stop = told_to_stop(signals.stop, Arc::clone(&notify), grace);
        tokio::select! {
            ended = server.serve(listener, stop) => ended?,
            () = reload.at_each(signals.reload, config) => {}
            () = notify.stay_alive() => {}
        }
        runtime.shutdown(GRACE).await;
        journal.close();
        drop(following);
        Ok(Exit::Success)
    })?
}

/// What listens at an address of this machine.
async fn bound(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::AddrInUse => {
                "something listens there already: end it, or name another port with --listen"
            }
            ErrorKind::AddrNotAvailable => {
                "it is no address of this machine: name one that is with --listen"
            }
            ErrorKind::PermissionDenied => {
                "ports below 1024 are for root alone: name another one with --listen"
            }
            _ => "--listen names another address",
        };
        hinted(anyhow!("cannot listen at {address}: {error}"), hint)
    })
}

/// `server`, with all that is configured of it.
fn set_up(server: Server, config: &Config) -> Result<Server> {
    let server = server
        .with_auth(config.identity.auth(&config.sources)?)
        .with_policy(config.identity.policy()?)
        .with_events(config.events.clone())
        .with_expiration(config.expiration.clone())
        .with_limits(config.limits.clone())
        .with_audit(&config.audit)?
        .with_listen(config.http.clone())
        .with_webhooks(config.webhooks.clone())?;
    Ok(match &config.tls {
        None => server,
        Some(tls) => server.with_tls(tls)?,
    })
}

/// Each connection is a file, and more of them may be open than a shell allows at first.
fn allow_many_files() {
    let files = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: files.maximum,
        ..files
    };
    if let Err(error) = setrlimit(Resource::Nofile, wanted) {
        tracing::warn!(%error, "no more files may be open");
    }
}
