//! SIGHUP: the configuration is read again. What can be changed while the server runs is changed;
//! of the rest is said that it takes a new start. Where anything is wrong, all stays as it is.

use anyhow::Result;
use ostro_server::Live;
use tokio::signal::unix::Signal;

use super::config::Config;
use super::log::Log;
use super::notify::Notify;
use crate::args::Serve;
use crate::{errors, terminal};

/// What is changed.
pub(crate) struct Reload<'a> {
    pub(crate) args: &'a Serve,
    pub(crate) live: Live,
    pub(crate) log: &'a Log,
    pub(crate) notify: &'a Notify,
    /// What a service manager shows while all is well.
    pub(crate) status: String,
}

impl Reload<'_> {
    /// Reads the configuration again at each of these signals.
    pub(crate) async fn at_each(&self, mut signals: Signal, mut current: Config) {
        while signals.recv().await.is_some() {
            self.notify.reloading();
            match self.once(&current) {
                Ok(newer) => {
                    terminal::complain("the configuration was read again");
                    let fixed = current.fixed_differences(&newer);
                    if !fixed.is_empty() {
                        let message =
                            format!("only a new start changes this: {}", fixed.join(", "));
                        errors::warn(&message, None);
                    }
                    current = current.with_live(newer);
                }
                Err(error) => {
                    errors::show(&error.context("nothing is changed"));
                }
            }
            self.notify.ready(&self.status);
        }
        // Nobody can send one any more.
        std::future::pending::<()>().await;
    }

    fn once(&self, current: &Config) -> Result<Config> {
        let newer = Config::read(self.args)?;
        // What can go wrong comes first.
        let policy = newer.identity.policy()?;
        if let Some(tls) = &newer.tls
            && current.tls.is_some()
        {
            self.live.reload_tls(tls)?;
        }
        self.live.reopen_audit_log()?;
        self.log.reload(&newer)?;
        self.live.set_limits(newer.limits.clone());
        self.live.set_policy(policy);
        Ok(newer)
    }
}
