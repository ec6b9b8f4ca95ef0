//! `ostro pack dev`: a pack that is built and tested again each time that its source is saved.

mod watch;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use clap::Parser as _;
use clap::error::ErrorKind;
use console::style;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Zoned;
use ostro_packs::build::{Builder, Built, Told};
use ostro_packs::{Manifest, PackError};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::test::{self, Count};
use crate::args::{Action, Cli, Command, Dev, Validation};
use crate::errors::{self, Exit, hinted};
use crate::run::live::INTERVAL;
use crate::terminal;
use crate::text::duration;
use watch::{Changed, Watch};

/// How long a build or a test that Ctrl-C came upon may take to end: a terminal tells it to
/// compilers, too.
const GRACE: Duration = Duration::from_secs(2);
/// The manifest of a pack.
const MANIFEST: &str = "pack.yaml";

/// Carries out `ostro pack dev`.
pub(crate) fn dev(args: &Dev) -> Result<Exit> {
    if !args.dir.is_dir() {
        return Err(anyhow!("{}: there is no such folder", args.dir.display()));
    }
    if !args.dir.join(MANIFEST).is_file() {
        return Err(hinted(
            anyhow!("{}: there is no pack.yaml in it", args.dir.display()),
            "it takes the folder of a pack; `ostro pack new NAME --lang rust` makes one",
        ));
    }
    let command = match &args.command[..] {
        [] => None,
        words => Some(Arc::new(parsed(words, &args.dir)?)),
    };
    // Absolute, as that is how changes are told: `.` is a folder even when it is gone.
    let home = fs::canonicalize(&args.dir).with_context(|| args.dir.display().to_string())?;
    crate::block_on(async {
        let session = Session {
            interrupt: signal(SignalKind::interrupt()).context("cannot listen to Ctrl-C")?,
            watch: Watch::new(home.clone())?,
            dir: args.dir.clone(),
            home,
            command,
            builder: Arc::new(Mutex::new(Builder::quiet(console::colors_enabled_stderr()))),
            in_artifact: None,
        };
        session.run().await
    })?
}

/// The command that `words` are, to be run with the pack in `dir`.
fn parsed(words: &[String], dir: &Path) -> Result<Command> {
    let all = ["ostro".to_owned()]
        .into_iter()
        .chain(words.iter().cloned());
    let mut command = match Cli::try_parse_from(all) {
        Ok(cli) => cli.command,
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            ) =>
        {
            return Err(only(words));
        }
        Err(error) => {
            let text = error.to_string();
            let text = text.trim().trim_start_matches("error: ").to_owned();
            return Err(anyhow!("-- {}: {text}", words.join(" ")));
        }
    };
    let sources = match &mut command {
        Command::Run(args) => &mut args.sources,
        Command::Action(Action::Run { sources, .. }) => sources,
        Command::Validation(Validation::Run(args)) => &mut args.sources,
        _ => return Err(only(words)),
    };
    let here = fs::canonicalize(dir).ok();
    let is_named = |path: &PathBuf| fs::canonicalize(path).ok() == here;
    if !sources.pack.iter().any(is_named) {
        sources.pack.push(dir.to_owned());
    }
    Ok(command)
}

fn only(words: &[String]) -> anyhow::Error {
    hinted(
        anyhow!(
            "-- {}: that cannot be run after each build",
            words.join(" ")
        ),
        "it takes `run FILE`, `action run NAME` and `validation run`, with their options",
    )
}

/// A pack that is worked on.
struct Session {
    /// Its folder, as the person named it.
    dir: PathBuf,
    /// The same, absolute and without links.
    home: PathBuf,
    watch: Watch,
    interrupt: Signal,
    command: Option<Arc<Command>>,
    builder: Arc<Mutex<Builder>>,
    /// The files of the pack, if the newest source is built.
    in_artifact: Option<BTreeSet<String>>,
}

/// How a piece of work ended.
enum Ended<T> {
    /// By itself.
    Done(T),
    /// By Ctrl-C.
    Interrupted,
}

/// What came of a round.
struct Round {
    began: Instant,
    parts: Vec<String>,
    failed: bool,
}

impl Session {
    async fn run(mut self) -> Result<Exit> {
        terminal::complain(&format!("watching {}; Ctrl-C ends it", self.dir.display()));
        let mut changed = Changed {
            and_more: true,
            ..Changed::default()
        };
        loop {
            if let Ended::Interrupted = self.round(&changed).await? {
                break;
            }
            changed = tokio::select! {
                biased;
                _ = self.interrupt.recv() => break,
                changed = self.watch.changed() => changed,
            };
            if !self.home.is_dir() {
                errors::show(&anyhow!("{}: the folder is gone", self.dir.display()));
                return Ok(Exit::Failure);
            }
            terminal::complain(&told(&changed));
            self.watch.look()?;
        }
        Ok(Exit::Success)
    }

    /// Builds, tests, and runs the command.
    async fn round(&mut self, changed: &Changed) -> Result<Ended<()>> {
        let mut round = Round {
            began: Instant::now(),
            parts: Vec::new(),
            failed: false,
        };
        let is_built = match &self.in_artifact {
            Some(files) => are_tests(changed, files),
            None => false,
        };
        if !is_built {
            let Ended::Done(()) = self.build(&mut round).await? else {
                return Ok(Ended::Interrupted);
            };
        }
        if self.in_artifact.is_some() {
            let Ended::Done(()) = self.test(&mut round).await? else {
                return Ok(Ended::Interrupted);
            };
            let Ended::Done(()) = self.rerun(&mut round).await? else {
                return Ok(Ended::Interrupted);
            };
        }
        terminal::print(&round.summary())?;
        Ok(Ended::Done(()))
    }

    async fn build(&mut self, round: &mut Round) -> Result<Ended<()>> {
        self.in_artifact = None;
        self.watch.makes(made(&self.dir));
        let (builder, dir) = (Arc::clone(&self.builder), self.dir.clone());
        let turning = turning();
        let said = turning.clone();
        let built = self
            .work(GRACE, move || {
                let mut builder = builder.lock().unwrap_or_else(PoisonError::into_inner);
                builder.build(&dir, &mut |told| match told {
                    Told::Step(line) => said.set_message(terminal::clean_line(line)),
                    Told::Once(line) | Told::Warning(line) => {
                        said.suspend(|| terminal::complain(line));
                    }
                })
            })
            .await?;
        turning.finish_and_clear();
        let Ended::Done(built) = built else {
            return Ok(Ended::Interrupted);
        };
        self.watch.built();
        match built {
            Ok(Built { pack, sources, .. }) => {
                self.watch.made_of(&sources)?;
                self.in_artifact = Some(pack.files().map(|(file, _)| file.to_owned()).collect());
                round.parts.push("built".to_owned());
            }
            Err(error) => {
                errors::show(&super::advised(error));
                round.fails("not built".to_owned());
            }
        }
        Ok(Ended::Done(()))
    }

    async fn test(&mut self, round: &mut Round) -> Result<Ended<()>> {
        let dir = self.dir.clone();
        let tested = self
            .work(GRACE, move || {
                test::run(&dir, |test, problem| match problem {
                    Some(_) => terminal::print(&test::shown(test, problem)),
                    None => Ok(()),
                })
            })
            .await?;
        match tested {
            Ended::Interrupted => return Ok(Ended::Interrupted),
            Ended::Done(Ok(Count { passed, failed })) => match (passed, failed) {
                (0, 0) => round.parts.push("no tests".to_owned()),
                (1, 0) => round.parts.push("1 test passed".to_owned()),
                (_, 0) => round.parts.push(format!("{passed} tests passed")),
                _ => round.fails(format!("{failed} of {} tests failed", passed + failed)),
            },
            Ended::Done(Err(error)) => {
                errors::show(&error);
                round.fails("the tests cannot be run".to_owned());
            }
        }
        Ok(Ended::Done(()))
    }

    async fn rerun(&mut self, round: &mut Round) -> Result<Ended<()>> {
        let Some(command) = &self.command else {
            return Ok(Ended::Done(()));
        };
        let (name, command) = (name(command), Arc::clone(command));
        // Ctrl-C is for what runs now: a workflow is cancelled, and ends in its own time.
        let ran = self
            .work(Duration::MAX, move || crate::carry_out(&command, 0))
            .await?;
        match ran {
            Ended::Interrupted | Ended::Done(Ok(Exit::Interrupted)) => {
                return Ok(Ended::Interrupted);
            }
            Ended::Done(Ok(Exit::Success)) => round.parts.push(format!("{name} succeeded")),
            Ended::Done(Ok(_)) => round.fails(format!("{name} failed")),
            Ended::Done(Err(error)) => {
                errors::show(&error);
                round.fails(format!("{name} cannot be run"));
            }
        }
        Ok(Ended::Done(()))
    }

    /// Does `work` on a thread of its own. What Ctrl-C comes upon is waited for, `grace` at most or
    /// until Ctrl-C comes again.
    async fn work<T: Send + 'static>(
        &mut self,
        grace: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Ended<T>> {
        let mut at_work = tokio::task::spawn_blocking(work);
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => {}
            done = &mut at_work => return Ok(Ended::Done(done.context("a round broke off")?)),
        }
        tokio::select! {
            _ = self.interrupt.recv() => {}
            // How it ended does not matter any more.
            _ = tokio::time::timeout(grace, at_work) => {}
        }
        Ok(Ended::Interrupted)
    }
}

impl Round {
    fn fails(&mut self, part: String) {
        self.parts.push(part);
        self.failed = true;
    }

    /// The line at the end of it.
    fn summary(&self) -> String {
        let verdict = if self.failed {
            style("FAILED").red().bold()
        } else {
            style("ok").green()
        };
        format!(
            "{}  {verdict}  {} ({})",
            Zoned::now().strftime("%H:%M:%S"),
            self.parts.join(", "),
            duration(self.began.elapsed().as_secs_f64())
        )
    }
}

/// Shows on a terminal that something is at work: a first build takes its time.
fn turning() -> ProgressBar {
    if !terminal::is_live() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    // A template that is not valid would leave the bar's own style.
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(INTERVAL);
    bar
}

/// Which files were saved, in a line.
fn told(changed: &Changed) -> String {
    let first = changed.files.first().map(|file| file.display().to_string());
    let first = first.filter(|file| !file.is_empty());
    let first = terminal::clean_line(&first.unwrap_or_else(|| "the folder".to_owned()));
    match changed.files.len() {
        0 | 1 => format!("{first} changed"),
        many => format!("{first} and {} more changed", many - 1),
    }
}

/// Whether nothing but tests was saved, so that a pack of these files needs no build.
fn are_tests(changed: &Changed, in_artifact: &BTreeSet<String>) -> bool {
    let is_test = |file: &PathBuf| {
        let has_ending = file
            .extension()
            .is_some_and(|end| end == "yaml" || end == "yml" || end == "json");
        file.starts_with("tests") && has_ending && !in_artifact.contains(&*file.to_string_lossy())
    };
    !changed.and_more && changed.files.iter().all(is_test)
}

/// The files that a build makes, as the manifest says.
fn made(dir: &Path) -> Vec<PathBuf> {
    let file = dir.join(MANIFEST);
    let manifest = fs::read_to_string(&file)
        .map_err(|_| PackError::NoPack(dir.to_owned()))
        .and_then(|text| Manifest::parse(&text, &file.display().to_string()));
    // What is wrong with it the build says.
    let components = manifest.map(|manifest| manifest.components);
    let built = components.unwrap_or_default().into_iter();
    built
        .filter(|component| component.build.is_some())
        .map(|component| PathBuf::from(component.path))
        .collect()
}

/// What a command is called in the line at the end of a round.
fn name(command: &Command) -> String {
    match command {
        Command::Run(args) => args
            .workflow
            .clone()
            .unwrap_or_else(|| args.file.display().to_string()),
        Command::Action(Action::Run { name, .. }) => name.clone(),
        _ => "the validation".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(files: &[&str]) -> Changed {
        Changed {
            files: files.iter().map(PathBuf::from).collect(),
            ..Changed::default()
        }
    }

    #[test]
    fn only_tests_need_no_build() {
        let pack = BTreeSet::from(["pack.yaml".to_owned(), "tests/flow.yaml".to_owned()]);
        for (files, expected) in [
            (&["tests/actions.yaml", "tests/recordings/a.json"][..], true),
            (&["tests/actions.yaml", "actions/src/lib.rs"], false),
            (&["tests/flow.yaml"], false),
            (&["tests/actions.py"], false),
            (&["pack.yaml"], false),
        ] {
            assert_eq!(are_tests(&changed(files), &pack), expected, "{files:?}");
        }
    }

    #[test]
    fn a_command_gets_the_pack_once() {
        let words = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
        let packs = |text: &str| match parsed(&words(text), Path::new(".")).unwrap() {
            Command::Action(Action::Run { sources, .. }) => sources.pack,
            other => panic!("{other:?}"),
        };
        assert_eq!(packs("action run a.b.c"), [PathBuf::from(".")]);
        assert_eq!(
            packs("action run a.b.c --pack ../cli/"),
            [PathBuf::from("../cli/")]
        );
        for text in ["pack build .", "pack dev .", "--help", "action list"] {
            let error = parsed(&words(text), Path::new("."))
                .unwrap_err()
                .to_string();
            assert!(error.contains("cannot be run after each build"), "{error}");
        }
        let error = parsed(&words("action run"), Path::new("."))
            .unwrap_err()
            .to_string();
        assert!(error.contains("<NAME>"), "{error}");
    }
}
