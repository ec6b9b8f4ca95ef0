//! The real `ostro` binary.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{Cloud, repository};

/// A call of `ostro` in the making.
#[must_use]
pub struct Ostro(Command);

/// How a call of `ostro` ended.
#[derive(Debug)]
pub struct Run {
    /// The exit status.
    pub status: i32,
    /// What it printed.
    pub stdout: String,
    /// What it told on the side.
    pub stderr: String,
}

impl Ostro {
    /// `ostro` as the workspace built it, with no cloud configured and a state folder beside it.
    pub fn new() -> Result<Self> {
        let mut command = Command::new(Self::path()?);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("OS_")) {
            command.env_remove(name);
        }
        let state = Self::path()?.with_file_name("tmp").join("state");
        command
            .current_dir(repository())
            .env("OSTRO_STATE_DIR", state)
            .stdin(Stdio::null());
        Ok(Self(command))
    }

    /// Where the binary is: beside the tests' own.
    pub fn path() -> Result<PathBuf> {
        let own = std::env::current_exe()?;
        let path = own
            .ancestors()
            .nth(2)
            .context("a test binary is two folders below the profile's")?
            .join("ostro");
        if !path.exists() {
            bail!(
                "{} is not built: `cargo build -p ostro-cli`",
                path.display()
            );
        }
        Ok(path)
    }

    /// Points it at the cloud's administrator.
    pub fn cloud(mut self, cloud: &Cloud) -> Self {
        self.0.envs(cloud.environment());
        self
    }

    /// Runs it in `folder`, not in the repository.
    pub fn dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.0.current_dir(folder);
        self
    }

    /// Adds an environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.0.args(arguments);
        self
    }

    /// The command, to be run in another way.
    pub fn command(&self) -> &Command {
        &self.0
    }

    /// Starts it and leaves it alone.
    pub fn spawn(mut self) -> Result<Child> {
        self.0
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot run ostro")
    }

    /// Starts it; what it prints and says is there once it has ended.
    pub fn start(mut self) -> Result<Child> {
        self.0
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run ostro")
    }

    /// Starts it, and has it say to `file` what it tells on the side.
    pub fn spawn_saying(mut self, file: File) -> Result<Child> {
        self.0
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .context("cannot run ostro")
    }

    /// Starts it, and has it print to one file and say to another.
    pub fn spawn_telling(mut self, printed: File, said: File) -> Result<Child> {
        self.0
            .stdout(printed)
            .stderr(said)
            .spawn()
            .context("cannot run ostro")
    }

    /// Runs it to its end.
    pub fn run(mut self) -> Result<Run> {
        let output = self.0.output().context("cannot run ostro")?;
        Ok(Run {
            status: output
                .status
                .code()
                .context("ostro was killed by a signal")?,
            stdout: String::from_utf8(output.stdout)?,
            stderr: String::from_utf8(output.stderr)?,
        })
    }
}

impl Run {
    /// The JSON that it printed; an error with all that it said if its status is not `status`.
    pub fn json(&self, status: i32) -> Result<Value> {
        self.expect(status)?;
        serde_json::from_str(&self.stdout)
            .with_context(|| format!("no JSON on standard output:\n{}", self.stdout))
    }

    /// An error with all that it said if its status is not `status`.
    pub fn expect(&self, status: i32) -> Result<()> {
        if self.status != status {
            bail!(
                "ostro ended with {} instead of {status}\n{}\n{}",
                self.status,
                self.stdout,
                self.stderr
            );
        }
        Ok(())
    }
}
