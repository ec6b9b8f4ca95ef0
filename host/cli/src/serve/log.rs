//! The server's log: on standard error, and as much of it as is wanted at the moment.

use anyhow::{Context as _, Result};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt};

use super::config::Config;
use crate::args::LogFormat;

/// Changes what is logged.
pub(crate) struct Log {
    handle: Handle<EnvFilter, Registry>,
    /// What `-v` says, which goes over what is configured.
    wanted: Option<&'static str>,
}

impl Log {
    /// Logs from now on. `verbose` counts the `-v` of the command line.
    pub(crate) fn start(config: &Config, verbose: u8) -> Result<Self> {
        let wanted = crate::log_level(verbose);
        let (filter, handle) = reload::Layer::new(filter(wanted.unwrap_or(&config.log))?);
        let lines = fmt::layer().with_writer(std::io::stderr);
        let log = tracing_subscriber::registry().with(filter);
        match config.log_format {
            LogFormat::Text => {
                let colors = console::colors_enabled_stderr();
                log.with(lines.with_ansi(colors)).init();
            }
            LogFormat::Json => log.with(lines.json().flatten_event(true)).init(),
        }
        Ok(Self { handle, wanted })
    }

    /// Logs what a newer configuration says.
    pub(crate) fn reload(&self, config: &Config) -> Result<()> {
        let filter = filter(self.wanted.unwrap_or(&config.log))?;
        self.handle
            .reload(filter)
            .context("the log cannot be changed")
    }
}

fn filter(text: &str) -> Result<EnvFilter> {
    EnvFilter::try_new(text).with_context(|| format!("log: {text:?}"))
}
