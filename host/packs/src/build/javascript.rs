//! JavaScript, with componentize-js.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::target::Target;
use super::tools;
use crate::error::PackError;

/// The version that this was tried with.
const VERSION: &str = "0.23.0";
/// Its module.
const PACKAGE: &str = "@bytecodealliance/componentize-js";
/// What calls it.
const SCRIPT: &str = include_str!("componentize.mjs");
/// What to do where there is no node.
const ADVICE: &str = "install Node.js 20 or newer with npm (Debian: `apt-get install nodejs npm`)";

/// componentize-js.
pub(super) struct Tool(PathBuf);

impl Tool {
    /// Installs it where it is not.
    pub(super) fn find(say: &mut dyn FnMut(&str)) -> Result<Self, PackError> {
        tools::run(Command::new("node").arg("--version"), "node", ADVICE)?;
        let name = format!("componentize-js-{VERSION}");
        tools::installed(&name, say, |folder| {
            let package = format!("{PACKAGE}@{VERSION}");
            // Without a file of its own here, npm would install in a folder above.
            let file = folder.join("package.json");
            fs::write(&file, "{\"private\": true}\n").map_err(PackError::io(&file))?;
            tools::run(
                Command::new("npm")
                    .args(["install", "--save-exact", "--ignore-scripts"])
                    .args(["--no-audit", "--no-fund", &package])
                    .current_dir(folder),
                &format!("npm install {package}"),
                ADVICE,
            )
            .map(drop)
        })
        .map(Self)
    }

    /// Builds the module `app.js` in `source`.
    pub(super) fn component(&self, source: &Path, target: &Target) -> Result<Vec<u8>, PackError> {
        let shown = source.join("app.js");
        // Node runs in its own folder, where it finds componentize-js.
        let app = fs::canonicalize(&shown).map_err(|_| {
            PackError::Build(format!(
                "{} is missing: a component in JavaScript is the module `app.js`",
                shown.display()
            ))
        })?;
        let scratch = tools::scratch()?;
        let wit = target.write(scratch.path())?;
        let made = scratch.path().join("app.wasm");
        tools::run(
            Command::new("node")
                .args(["--input-type=module", "--eval", SCRIPT, "--"])
                .arg(&app)
                .arg(&wit)
                .arg(target.name())
                .arg(&made)
                .current_dir(&self.0),
            &format!("{}: componentize-js", shown.display()),
            "",
        )?;
        fs::read(&made).map_err(PackError::io(&made))
    }
}
