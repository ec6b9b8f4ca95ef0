//! `ostro serve`: Mistral's API v2, until somebody says stop.

mod active;
mod follow;
mod packs;
mod queues;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use ostro_journal::{Journal, Options};
use ostro_runtime::{Library, Runtime, SystemClock};
use ostro_server::{Actions as _, Packs, PacksSettings, Server, Zaqar, ZaqarSettings};
use tokio::net::TcpListener;

use self::active::{Active, Restored};
use self::packs::Operated;
use crate::args::{Queues, Serve};
use crate::errors::{Exit, hinted};
use crate::state::StateDir;
use crate::{sources, terminal};

/// How long executions may take to come to a place where they can stop.
const GRACE: Duration = Duration::from_secs(1);

/// Carries out `ostro serve`.
pub(crate) fn serve(args: &Serve) -> Result<Exit> {
    check_listen(args.listen)?;
    let state = StateDir::new(args.state.state_dir.as_deref())?;
    state.make()?;
    let journal = Journal::open(&state.server(), &Options::default())?;
    let clock = Arc::new(SystemClock);
    let zaqar = match args.zaqar {
        Queues::Own => Some(Zaqar::open(
            journal.clone(),
            Arc::clone(&clock) as _,
            ZaqarSettings::default(),
        )?),
        Queues::Cloud => None,
    };
    let store = (!args.sources.no_packs).then(|| state.store());
    let delegations = Arc::new(sources::delegations(&args.sources)?);
    let active = Active::open(
        &args.sources,
        store.clone(),
        Arc::clone(&delegations),
        zaqar.clone(),
    )?;
    let active = Arc::new(active);
    crate::block_on(async {
        let (origin, runner) = active.runner(Arc::default());
        let library = Library::new(Vec::new(), origin).with_runner(runner);
        let source = Restored {
            active: Arc::clone(&active),
            state: args.state.clone(),
        };
        let runtime = Runtime::sourced(
            journal.clone(),
            library,
            Arc::new(source),
            Arc::clone(&clock) as _,
            ostro_runtime::Options {
                feed: true,
                ..ostro_runtime::Options::default()
            },
        );
        let following = store.map(|store| follow::follow(Arc::clone(&active), &store));
        let following = following.transpose()?;
        let operated = Operated::new(Arc::clone(&active), state);
        // What goes on acts as somebody, which has to be known by then.
        let server = Server::new(runtime.clone(), journal.clone(), active, clock)?
            .with_delegations(delegations)?;
        let going_on = runtime.recover().await?;
        let mut server = server.with_packs(PacksSettings {
            packs: following
                .is_some()
                .then(|| Arc::new(operated) as Arc<dyn Packs>),
            from_paths: args.packs_from_paths,
            unsigned: args.unsigned_packs,
            ..PacksSettings::default()
        });
        if let Some(zaqar) = zaqar {
            server = server.with_zaqar(zaqar);
        }
        let listener = TcpListener::bind(args.listen)
            .await
            .with_context(|| format!("cannot listen at {}", args.listen))?;
        let at = listener.local_addr()?;
        terminal::complain(&format!("listening at http://{at}/v2"));
        if going_on > 0 {
            terminal::complain(&format!("{going_on} executions go on"));
        }
        server.serve(listener, told_to_stop()).await?;
        runtime.shutdown(GRACE).await;
        journal.close();
        drop(following);
        Ok(Exit::Success)
    })?
}

/// Whoever is let in may do everything, so that nobody else may be.
fn check_listen(listen: SocketAddr) -> Result<()> {
    if listen.ip().is_loopback() {
        return Ok(());
    }
    Err(hinted(
        anyhow!("--listen {listen}: nobody is asked who they are, so only this machine may ask"),
        "take 127.0.0.1, and a proxy that asks people who they are in front of it",
    ))
}

/// Ready at Ctrl-C, and at SIGTERM.
async fn told_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    // Where signals cannot be heard, the process ends as the system ends it.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
