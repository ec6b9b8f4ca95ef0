//! The OpenStack on loopback: `tests/cloud/cloud`, a Python program that this only calls.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};

use crate::project::{self, Project};

const PYTHON_REMEDY: &str =
    "the OpenStack services need Python 3.11 or newer: apt-get install python3";

/// The cloud of `$CLOUD_DIR`.
pub(crate) struct Cloud<'p> {
    project: &'p Project,
}

impl<'p> Cloud<'p> {
    /// Finds Python, and tells what to install where there is none that will do.
    pub(crate) fn new(project: &'p Project) -> Result<Self> {
        let version = "import sys; print(*sys.version_info[:2])";
        let text = project::output(
            project.command("python3").args(["-c", version]),
            PYTHON_REMEDY,
        )?;
        let text = String::from_utf8_lossy(&text);
        let numbers: Vec<u32> = text
            .split_whitespace()
            .filter_map(|number| number.parse().ok())
            .collect();
        if numbers.as_slice() < [3, 11].as_slice() {
            bail!(
                "python3 is {}; {PYTHON_REMEDY}",
                text.trim().replace(' ', ".")
            );
        }
        Ok(Self { project })
    }

    fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = self.project.command("python3");
        command.arg("tests/cloud/cloud").args(arguments);
        command
    }

    /// Run the program with a caller's own arguments; its status is the answer.
    pub(crate) fn pass_through<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Result<ExitCode> {
        let mut command = self.command(arguments);
        let status = command.status().with_context(|| project::shown(&command))?;
        let code = status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(1);
        Ok(ExitCode::from(code))
    }

    /// Install and start `services` and what they need; those that run already stay as they are.
    pub(crate) fn up(&self, services: &[&str]) -> Result<()> {
        project::complete(
            &mut self.command(["up"].iter().chain(services)),
            PYTHON_REMEDY,
        )
    }

    /// How clients reach the cloud.
    pub(crate) fn client(&self) -> Result<Client<'p>> {
        let text = project::output(&mut self.command(["env", "--json"]), PYTHON_REMEDY)?;
        let variables = serde_json::from_slice(&text).context("what `cloud env --json` wrote")?;
        Ok(Client {
            project: self.project,
            variables,
        })
    }
}

/// The environment of a client of the cloud.
pub(crate) struct Client<'p> {
    project: &'p Project,
    variables: BTreeMap<String, String>,
}

impl Client<'_> {
    /// `command` as a client of this cloud, and of no other that the caller's environment names.
    pub(crate) fn of(&self, mut command: Command) -> Command {
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("OS_") {
                command.env_remove(name);
            }
        }
        command.envs(&self.variables);
        command
    }

    /// The `openstack` command of the installed clients.
    pub(crate) fn openstack(&self, arguments: &[&str]) -> Result<Command> {
        let folder = self
            .variables
            .get("CLOUD_BIN")
            .context("`cloud env` names no CLOUD_BIN")?;
        let mut command = self
            .project
            .command(PathBuf::from(folder).join("openstack"));
        command.args(arguments);
        Ok(self.of(command))
    }

    /// Play the ramdisks of every node that waits for introspection, as long as the answer lives.
    pub(crate) fn ramdisks(&self) -> Result<Ramdisks> {
        let mut command = self.project.command("python3");
        command
            .arg("tests/cloud/ramdisk.py")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let mut command = self.of(command);
        let name = project::shown(&command);
        let child = command
            .spawn()
            .map_err(|error| project::not_started(&name, error, PYTHON_REMEDY))?;
        Ok(Ramdisks(child))
    }
}

/// The process that plays the ramdisks; it ends with this.
pub(crate) struct Ramdisks(Child);

impl Drop for Ramdisks {
    fn drop(&mut self) {
        // Either may fail where the process has ended by itself, which is as good.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
