//! The loopback cloud of `tests/cloud`, and the real clients that look at it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use crate::{output, repository};

/// A cloud that runs.
pub struct Cloud {
    environment: BTreeMap<String, String>,
}

impl Cloud {
    /// The cloud that `cargo xtask cloud up` started. An error if it does not run.
    pub fn running() -> Result<Self> {
        let exports = output(script().arg("env"))
            .context("the loopback cloud does not run: `cargo xtask cloud up` starts it")?;
        Self::of(exports.stdout)
    }

    /// The cloud that `tests/cloud/cloud env` tells of.
    fn of(exports: Vec<u8>) -> Result<Self> {
        let mut environment = BTreeMap::new();
        for line in String::from_utf8(exports)?.lines() {
            let Some((name, value)) = line
                .strip_prefix("export ")
                .and_then(|rest| rest.split_once('='))
            else {
                continue;
            };
            environment.insert(name.to_owned(), value.trim_matches(['\'', '"']).to_owned());
        }
        for needed in ["OS_CLIENT_CONFIG_FILE", "CLOUD_AUTH_URL", "CLOUD_BIN"] {
            if !environment.contains_key(needed) {
                bail!("`tests/cloud/cloud env` does not tell {needed}: {environment:?}");
            }
        }
        Ok(Self { environment })
    }

    /// The variables that point clients at this cloud.
    pub fn environment(&self) -> impl Iterator<Item = (&str, &str)> {
        self.environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The file with this cloud's credentials.
    pub fn clouds_yaml(&self) -> PathBuf {
        self.environment["OS_CLIENT_CONFIG_FILE"].clone().into()
    }

    /// Where Keystone is.
    pub fn auth_url(&self) -> &str {
        &self.environment["CLOUD_AUTH_URL"]
    }

    /// What the real `openstack` client answers, as JSON.
    pub fn openstack(&self, arguments: &[&str]) -> Result<Value> {
        let answer = self.openstack_text(&[arguments, &["-f", "json"]].concat())?;
        serde_json::from_str(&answer).with_context(|| format!("no JSON from openstack: {answer}"))
    }

    /// What the real `openstack` client prints.
    pub fn openstack_text(&self, arguments: &[&str]) -> Result<String> {
        let answer = output(self.client("openstack").args(arguments))?;
        Ok(String::from_utf8(answer.stdout)?)
    }

    /// Takes all messages from a Zaqar queue with the real `python-zaqarclient`.
    pub fn messages(&self, queue: &str) -> Result<Vec<Value>> {
        let script = repository().join("tests/support/read_queue.py");
        let answer = output(self.client("python").arg(script).arg(queue))?;
        Ok(serde_json::from_slice(&answer.stdout)?)
    }

    /// Deletes the node and its ports, whatever state it is in. Nothing if there is none.
    pub fn delete_node(&self, name: &str) -> Result<()> {
        let nodes = self.openstack(&["baremetal", "node", "list"])?;
        if nodes
            .as_array()
            .into_iter()
            .flatten()
            .any(|node| node["Name"] == name)
        {
            self.openstack_text(&["baremetal", "node", "maintenance", "set", name])?;
            self.openstack_text(&["baremetal", "node", "delete", name])?;
        }
        Ok(())
    }

    /// Plays the ramdisks of all nodes that are introspected, until dropped.
    pub fn ramdisks(&self) -> Result<Ramdisks> {
        let child = Command::new("python3")
            .arg(repository().join("tests/cloud/ramdisk.py"))
            .envs(self.environment())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("cannot start tests/cloud/ramdisk.py")?;
        Ok(Ramdisks(child))
    }

    /// A program of the cloud's own Python environment, pointed at this cloud.
    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(Path::new(&self.environment["CLOUD_BIN"]).join(program));
        command.envs(self.environment());
        command
    }
}

/// `tests/cloud/cloud`.
fn script() -> Command {
    let mut command = Command::new("python3");
    command.arg(repository().join("tests/cloud/cloud"));
    command
}

/// A cloud of a test's own, beside that of all tests: one that can be stopped.
pub struct OwnCloud {
    /// Its services' configuration and data.
    dir: TempDir,
    cloud: Option<Cloud>,
}

impl OwnCloud {
    /// Starts these services, with all that they need.
    pub fn start(services: &[&str]) -> Result<Self> {
        let mut own = Self {
            dir: tempfile::tempdir()?,
            cloud: None,
        };
        output(own.script().arg("up").args(services)).context("the test's cloud does not start")?;
        let exports = output(own.script().arg("env"))?;
        own.cloud = Some(Cloud::of(exports.stdout)?);
        Ok(own)
    }

    /// The cloud.
    pub fn cloud(&self) -> Result<&Cloud> {
        self.cloud.as_ref().context("the test's cloud has no name")
    }

    /// Stops all of its services.
    pub fn stop(&self) -> Result<()> {
        output(self.script().arg("down")).map(drop)
    }

    fn script(&self) -> Command {
        let mut command = script();
        command.env("CLOUD_DIR", self.dir.path());
        command
    }
}

impl Drop for OwnCloud {
    fn drop(&mut self) {
        // Where it is stopped already, there is nothing to do; there is nobody to tell.
        let _ = self.stop();
    }
}

/// A process that plays introspection ramdisks.
pub struct Ramdisks(Child);

impl Drop for Ramdisks {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody to tell.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
