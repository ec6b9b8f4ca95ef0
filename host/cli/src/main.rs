//! The ostro command: runs Mistral workflows, builds packs and looks into them.
//!
//! Results go to standard output, everything else to standard error. Each command is a module;
//! `errors` has the exit statuses.

mod action;
mod args;
mod backup;
mod change;
mod definitions;
mod doctor;
mod errors;
mod eval;
mod execution;
mod format;
mod input;
mod installed;
mod lint;
mod pack;
mod recordings;
mod remote;
mod run;
mod secrets;
mod serve;
mod sources;
mod state;
mod suggest;
mod terminal;
mod text;
mod validation;
mod workflow;

use std::future::Future;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::parser::ValueSource;
use clap::{CommandFactory as _, FromArgMatches as _};
use tracing_subscriber::EnvFilter;

use args::{Cli, Command};
use errors::Exit;

fn main() -> ExitCode {
    let matches = Cli::command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    terminal::set_colors(cli.global.color);
    // A server sets up its own, as it is configured.
    if !matches!(cli.command, Command::Serve(_)) {
        set_up_log(cli.global.verbose);
    }
    let asked = matches.value_source("url") == Some(ValueSource::CommandLine);
    let result = elsewhere(&cli, asked);
    let result = result.unwrap_or_else(|| carry_out(&cli.command, cli.global.verbose));
    let exit = result.unwrap_or_else(|error| {
        errors::show(&error);
        Exit::Usage
    });
    ExitCode::from(exit.code())
}

/// Has a server carry out the command, where one is named that can. `asked` says that it was named
/// on the command line, so that it is meant for this command.
fn elsewhere(cli: &Cli, asked: bool) -> Option<Result<Exit>> {
    if let Some(url) = cli.global.url.as_deref().filter(|url| !url.is_empty()) {
        let done = remote::carry_out(url, &cli.command, cli.global.verbose > 0);
        if done.is_some() {
            return done;
        }
        if asked {
            return Some(Err(remote::refused(url)));
        }
    }
    remote::asks_nobody(&cli.command).map(Err)
}

/// Carries out a command.
fn carry_out(command: &Command, verbosity: u8) -> Result<Exit> {
    let verbose = verbosity > 0;
    match command {
        Command::Run(args) => run::run(args, verbose),
        Command::Lint(args) => lint::lint(args),
        Command::Explain { code } => lint::explain(code.as_deref()),
        Command::Eval(args) => eval::eval(args),
        Command::Fmt(args) => format::format(args),
        Command::Workflow(command) => workflow::workflow(command),
        Command::Pack(command) => pack::pack(command),
        Command::Action(command) => action::action(command, verbose),
        Command::Validation(command) => validation::validation(command),
        Command::Backup(command) => backup::backup(command),
        Command::Serve(args) => serve::serve(args, verbosity),
        Command::Doctor(args) => doctor::doctor(args),
        Command::Execution(command) => execution::execution(command, verbose),
    }
}

/// Tells what happens inside on standard error, if that was asked for. RUST_LOG says what
/// exactly.
fn set_up_log(verbose: u8) {
    let Some(default) = log_level(verbose) else {
        return;
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(console::colors_enabled_stderr())
        .init();
}

/// What so many `-v` ask for.
fn log_level(verbose: u8) -> Option<&'static str> {
    match verbose {
        0 => None,
        1 => Some("ostro=info"),
        2 => Some("ostro=debug"),
        _ => Some("ostro=trace,info"),
    }
}

/// Runs `future` to its end. What it leaves behind is not waited for.
fn block_on<T>(future: impl Future<Output = T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start threads")?;
    let result = runtime.block_on(future);
    runtime.shutdown_background();
    Ok(result)
}
