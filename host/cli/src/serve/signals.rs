//! What the process is told by signals.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::notify::Notify;
use crate::errors::Exit;
use crate::terminal;

/// What the process is told by signals.
pub(super) struct Signals {
    pub(super) stop: (Signal, Signal),
    pub(super) reload: Signal,
}

impl Signals {
    pub(super) fn new() -> Result<Self> {
        let heard = |kind| signal(kind).context("signals cannot be heard");
        Ok(Self {
            stop: (
                heard(SignalKind::interrupt())?,
                heard(SignalKind::terminate())?,
            ),
            reload: heard(SignalKind::hangup())?,
        })
    }
}

/// Ready at Ctrl-C, and at SIGTERM; another one after it ends the process.
pub(super) async fn told_to_stop(
    mut signals: (Signal, Signal),
    notify: Arc<Notify>,
    grace: Duration,
) {
    next(&mut signals).await;
    let status = format!(
        "stopping: what is under way has {} s to end",
        grace.as_secs_f64()
    );
    terminal::complain(&format!("{status}; another Ctrl-C ends it at once"));
    notify.stopping(&status);
    tokio::spawn(async move {
        next(&mut signals).await;
        // What is durable stays so, and goes on at the next start.
        std::process::exit(Exit::Interrupted.code().into());
    });
}

async fn next((interrupt, terminate): &mut (Signal, Signal)) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
