//! Python, with componentize-py.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::target::Target;
use super::{Say, tools};
use crate::error::PackError;

/// The version that this was tried with.
const VERSION: &str = "0.25.1";

/// componentize-py.
pub(super) struct Tool(PathBuf);

impl Tool {
    /// Installs it where it is not.
    pub(super) fn find(say: Say<'_>) -> Result<Self, PackError> {
        let name = format!("componentize-py-{VERSION}");
        tools::installed(&name, say, |folder| {
            tools::venv(folder, &format!("componentize-py=={VERSION}"))
        })
        .map(Self)
    }

    /// Builds the module `app` in `source`.
    pub(super) fn component(&self, source: &Path, target: &Target) -> Result<Vec<u8>, PackError> {
        let app = source.join("app.py");
        if !app.is_file() {
            return Err(PackError::Build(format!(
                "{} is missing: a component in Python is the module `app`",
                app.display()
            )));
        }
        let scratch = tools::scratch()?;
        let wit = target.write(scratch.path())?;
        let made = scratch.path().join("app.wasm");
        tools::run(
            Command::new(self.0.join("bin/componentize-py"))
                .arg("--wit-path")
                .arg(&wit)
                .args(["--world", &target.name(), "componentize", "app"])
                .arg("--python-path")
                .arg(source)
                .arg("--output")
                .arg(&made)
                // What it finds beside the source is then its own, not what the machine has.
                .env("VIRTUAL_ENV", &self.0)
                .env("PYTHONDONTWRITEBYTECODE", "1"),
            &format!("{}: componentize-py", app.display()),
            "",
        )?;
        fs::read(&made).map_err(PackError::io(&made))
    }
}
