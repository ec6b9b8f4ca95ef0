//! What the server is told: by `ostro.yaml`, by the environment, which goes over it, and by flags,
//! which go over both.
//!
//! A section of the file is a file here: a type that reads itself, says what is wrong with it, and
//! can be compared with what a newer file says.

mod events;
mod executions;
mod expiration;
mod identity;
mod limits;
mod packs_api;
mod reader;
mod sources;
mod telemetry;
mod tls;
mod webhooks;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use ostro_server::{
    AuditSettings, EventSettings, ExpirationSettings, LimitSettings, ListenSettings, PacksSettings,
    TelemetrySettings, TlsSettings, WebhookSettings,
};
use tracing_subscriber::EnvFilter;

use identity::IdentityConfig;
use reader::{Mistake, Reader, Section};

use crate::args::{Address, LogFormat, Queues, Serve, Sources, State};
use crate::errors::hinted;

/// Where the server listens, if nobody says.
const LISTEN: &str = "127.0.0.1:8989";
/// What is logged, if nobody says.
const LOG: &str = "warn";

/// All that the server is told.
pub(crate) struct Config {
    /// The file that it is in, if it is in one.
    pub(crate) file: Option<PathBuf>,
    pub(crate) listen: SocketAddr,
    pub(crate) http: ListenSettings,
    pub(crate) tls: Option<TlsSettings>,
    pub(crate) limits: LimitSettings,
    /// What is logged, as `RUST_LOG` says it.
    pub(crate) log: String,
    pub(crate) log_format: LogFormat,
    pub(crate) audit: AuditSettings,
    pub(crate) telemetry: TelemetrySettings,
    pub(crate) state: State,
    pub(crate) sources: Sources,
    pub(crate) executions: ostro_runtime::Options,
    pub(crate) expiration: ExpirationSettings,
    pub(crate) identity: IdentityConfig,
    pub(crate) events: EventSettings,
    pub(crate) packs_api: PacksSettings,
    /// Whose queues executions use.
    pub(crate) queues: Queues,
    pub(crate) webhooks: WebhookSettings,
}

impl Config {
    /// Reads all of it. The error names every mistake.
    pub(crate) fn read(args: &Serve) -> Result<Self> {
        let (config, mistakes) = Self::understood(args, environment());
        match &mistakes[..] {
            [] => Ok(config),
            mistakes => Err(told(args.config.as_deref(), mistakes)),
        }
    }

    /// What can be understood, and all mistakes.
    fn understood(args: &Serve, environment: BTreeMap<String, String>) -> (Self, Vec<Mistake>) {
        let file = args.config.clone();
        Reader::read(args.config.as_deref(), environment, |section| {
            Self::of(section, args, file)
        })
    }

    fn of(section: &mut Section<'_>, args: &Serve, file: Option<PathBuf>) -> Self {
        let identity = identity::read(section, args);
        let listen = listen(section, args.listen, identity.is_asked);
        let mut http = ListenSettings::default();
        section.time("stop_within", &mut http.grace);
        if let Some((forwarded, _)) = section.truth("forwarded") {
            http.forwarded = forwarded;
        }
        let state = section.path("state_dir").map(|(path, _)| path);
        Self {
            file,
            listen,
            http,
            log: log(section),
            log_format: telemetry::log_format(section, args.log_format),
            audit: telemetry::audit(section, args),
            telemetry: telemetry::read(section, args),
            // The flag's own variable is this one, too.
            state: State {
                state_dir: args.state.state_dir.clone().or(state),
            },
            tls: tls::read(section, args),
            limits: limits::read(section),
            executions: executions::read(section),
            expiration: expiration::read(section, &args.expiration),
            identity,
            events: events::read(section),
            packs_api: packs_api::read(section, args),
            queues: queues(section, args.zaqar),
            sources: sources::read(section, &args.sources),
            webhooks: webhooks::read(section),
        }
    }

    /// That all of it is right.
    pub(crate) fn praise(&self) -> String {
        match &self.file {
            Some(file) => format!("{}: all settings are right", file.display()),
            None => "all settings are right".to_owned(),
        }
    }

    /// As it is once what `newer` says otherwise is changed, as far as that can be.
    pub(crate) fn with_live(self, newer: Self) -> Self {
        let tls = if self.tls.is_some() { newer.tls } else { None };
        Self {
            limits: newer.limits,
            log: newer.log,
            tls: tls.or(self.tls),
            identity: self.identity.with_policy_of(newer.identity),
            ..self
        }
    }

    /// What `newer` says otherwise, and only a new start can change.
    pub(crate) fn fixed_differences(&self, newer: &Self) -> Vec<&'static str> {
        let settings = [
            ("listen", self.listen != newer.listen),
            ("stop_within", self.http.grace != newer.http.grace),
            ("forwarded", self.http.forwarded != newer.http.forwarded),
            ("tls", self.tls.is_some() != newer.tls.is_some()),
            ("log_format", self.log_format != newer.log_format),
            ("audit_log", self.audit != newer.audit),
            (
                "telemetry",
                !telemetry::same(&self.telemetry, &newer.telemetry),
            ),
            ("state_dir", self.state != newer.state),
            ("executions", self.executions != newer.executions),
            ("expiration", self.expiration != newer.expiration),
            (
                "auth or token_cache",
                !self.identity.asks_as(&newer.identity),
            ),
            ("zaqar", self.queues != newer.queues),
            ("webhooks", self.webhooks != newer.webhooks),
            (
                "packs, cloud, http_deny or ssh_proxy_commands",
                self.sources != newer.sources,
            ),
        ];
        let differ = settings.into_iter().filter(|(_, differs)| *differs);
        differ.map(|(name, _)| name).collect()
    }
}

/// All variables that are ours or OpenTelemetry's, and are text.
fn environment() -> BTreeMap<String, String> {
    let text = |(name, value): (OsString, OsString)| {
        let name = name.into_string().ok()?;
        let value = value.into_string().ok()?;
        let is_ours = name.starts_with("OSTRO_") || name.starts_with("OTEL_");
        (is_ours && !value.is_empty()).then_some((name, value))
    };
    std::env::vars_os().filter_map(text).collect()
}

/// Whose queues executions use.
fn queues(section: &mut Section<'_>, flag: Option<Queues>) -> Queues {
    let given = section.parsed::<String>("zaqar");
    match (flag, given) {
        (Some(queues), _) => queues,
        (None, None) => Queues::Own,
        (None, Some((text, at))) => match text.as_str() {
            "own" => Queues::Own,
            "cloud" => Queues::Cloud,
            _ => {
                let message = format!("`zaqar`: {text:?} is neither own nor cloud");
                section.mistake(&at, message, None);
                Queues::Own
            }
        },
    }
}

/// Where nobody is asked, whoever is let in may do everything, so that nobody else may be.
fn listen(section: &mut Section<'_>, flag: Option<Address>, callers_are_asked: bool) -> SocketAddr {
    let given = section.parsed::<Address>("listen");
    let given = flag.map(|flag| (flag, "--listen".to_owned())).or(given);
    // The constant is an address.
    let default = || SocketAddr::from(([127, 0, 0, 1], 8989));
    let Some((Address(listen), at)) = given else {
        return LISTEN.parse().unwrap_or_else(|_| default());
    };
    if !listen.ip().is_loopback() && !callers_are_asked {
        section.mistake(
            &at,
            format!("{listen}: nobody is asked who they are, so only this machine may ask"),
            Some("take 127.0.0.1, or `auth: keystone`"),
        );
    }
    listen
}

fn log(section: &mut Section<'_>) -> String {
    let Some((filter, at)) = section.parsed::<String>("log") else {
        return LOG.to_owned();
    };
    if EnvFilter::try_new(&filter).is_err() {
        let hint = "write error, warn, info, debug or trace, or levels by part, as \
                    `warn,ostro_runtime=debug`";
        section.mistake(&at, format!("`log`: {filter:?} says no level"), Some(hint));
    }
    filter
}

/// All mistakes, as one error.
fn told(file: Option<&Path>, mistakes: &[Mistake]) -> anyhow::Error {
    let what = match file {
        Some(file) => file.display().to_string(),
        None => "the configuration".to_owned(),
    };
    let number = match mistakes.len() {
        1 => "1 mistake".to_owned(),
        number => format!("{number} mistakes"),
    };
    let mut lines = vec![format!("{what}: {number}")];
    for Mistake { at, message, hint } in mistakes {
        lines.push(format!("  {at}: {message}"));
        lines.extend(hint.iter().map(|hint| format!("    {hint}")));
    }
    hinted(
        anyhow!(crate::terminal::clean(&lines.join("\n"))),
        "`ostro serve --check` looks at all settings without serving",
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    /// What is understood of a command line.
    fn understood(line: &[&str]) -> (Config, Vec<Mistake>) {
        let line = ["ostro", "serve"].iter().chain(line);
        let Command::Serve(args) = Cli::try_parse_from(line).unwrap().command else {
            panic!("another command");
        };
        Config::understood(&args, BTreeMap::new())
    }

    #[test]
    fn the_file_that_is_shipped_says_what_is_so_anyway() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../packaging/ostro.yaml");
        let (shipped, mistakes) = understood(&["--config", file]);
        assert_eq!(mistakes, []);
        let (plain, mistakes) = understood(&[]);
        assert_eq!(mistakes, []);
        assert_eq!(plain.fixed_differences(&shipped), [""; 0]);
        assert_eq!((plain.limits, plain.log), (shipped.limits, shipped.log));
    }

    #[test]
    fn flags_go_over_all() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ostro.yaml");
        std::fs::write(&file, "listen: 0.0.0.0:1\ncloud: one\nhttp_deny: [none]\n").unwrap();
        let file = file.display().to_string();
        let flags = ["--listen", "127.0.0.1:2", "--cloud", "two"];
        let (config, mistakes) = understood(&[&["--config", &file], &flags[..]].concat());
        assert_eq!(mistakes, []);
        assert_eq!(config.listen.port(), 2);
        assert_eq!(config.sources.cloud.as_deref(), Some("two"));
        assert_eq!(config.sources.http_deny, ["none"]);
    }

    #[test]
    fn webhooks_may_be_in_a_file_of_their_own_and_are_not_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ostro.yaml");
        let config = file.display().to_string();
        let notify = r#"[{"type": "webhook", "url": "https://a/", "headers": {"X-T": "s3cret"}}]"#;
        std::fs::write(folder.path().join("notify.json"), notify).unwrap();
        let text = "webhooks: {notify: {file: notify.json}, allow: [10.0.0.0/8, '*.example.org']}";
        std::fs::write(&file, text).unwrap();
        let (read, mistakes) = understood(&["--config", &config]);
        assert_eq!(mistakes, []);
        assert_eq!(
            (read.webhooks.notify.len(), read.webhooks.allow.len()),
            (1, 2)
        );

        let text = "webhooks:\n  notify:\n    - {type: webhook, url: s3cret}\n    \
                    - {type: noop, event_types: [TASK_ODD]}\n  allow: ['*']\n";
        std::fs::write(&file, text).unwrap();
        let (_, mistakes) = understood(&["--config", &config]);
        let told: Vec<String> = mistakes
            .iter()
            .map(|one| format!("{}: {}", one.at, one.message))
            .collect();
        assert!(
            told[0].contains("ostro.yaml:3") && told[0].contains("`url`"),
            "{told:?}"
        );
        assert!(
            told[1].contains("ostro.yaml:4") && told[1].contains("TASK_ODD"),
            "{told:?}"
        );
        assert!(told[2].contains("is no network and no host"), "{told:?}");
        assert!(!told.concat().contains("s3cret"), "{told:?}");
    }

    #[test]
    fn times_of_what_is_kept_have_units_or_are_minutes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ostro.yaml");
        let config = file.display().to_string();
        let text =
            "expiration: {older_than: 7d, max_finished_executions: 5, ignored_states: [error]}";
        std::fs::write(&file, text).unwrap();
        let (read, mistakes) = understood(&["--config", &config]);
        assert_eq!(mistakes, []);
        let days = |days: u64| Some(std::time::Duration::from_hours(24 * days));
        assert_eq!(read.expiration.older_than, days(7));
        assert_eq!(read.expiration.max_finished_executions.unwrap().get(), 5);
        assert_eq!(read.expiration.ignored_states, [ostro_core::State::Error]);
        let flags = ["--older-than", "2880", "--max-finished-executions", "0"];
        let (read, _) = understood(&[&["--config", &config], &flags[..]].concat());
        assert_eq!(read.expiration.older_than, days(2));
        assert_eq!(read.expiration.max_finished_executions, None);
        std::fs::write(
            &file,
            "expiration: {older_than: 0, evaluation_interval: 1y}",
        )
        .unwrap();
        let (_, mistakes) = understood(&["--config", &config]);
        assert_eq!(mistakes.len(), 2, "{mistakes:?}");
    }
}
