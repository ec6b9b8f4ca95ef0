//! JavaScript, with componentize-js.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use super::target::Target;
use super::{Say, tools};
use crate::error::PackError;

/// The version that this was tried with.
const VERSION: &str = "0.23.0";
/// It, and all that it needs, each in one version and with the hash of its files. They are made by
/// `npm install --package-lock-only --omit-lockfile-registry-resolved` where the first one is, so
/// that the user's own registry is asked. preview2-shim is named beside it because it loads that
/// and does not say so.
const LOCKED: [(&str, &str); 2] = [
    ("package.json", include_str!("componentize-js/package.json")),
    (
        "package-lock.json",
        include_str!("componentize-js/package-lock.json"),
    ),
];
/// What calls it.
const SCRIPT: &str = include_str!("componentize-js/componentize.mjs");
/// What to do where there is no node.
const ADVICE: &str = "install Node.js 20 or newer with npm (Debian: `apt-get install nodejs npm`)";

/// What tells the locked versions from others, so that they are installed anew when they change.
fn lock_name() -> String {
    let digest = Sha256::digest(LOCKED[1].1.as_bytes());
    digest[..4].iter().fold(String::new(), |mut name, byte| {
        // Writing to a string cannot fail.
        let _ = write!(name, "{byte:02x}");
        name
    })
}

/// componentize-js.
pub(super) struct Tool(PathBuf);

impl Tool {
    /// Installs it where it is not.
    pub(super) fn find(say: Say<'_>) -> Result<Self, PackError> {
        tools::run(Command::new("node").arg("--version"), "node", ADVICE)?;
        let name = format!("componentize-js-{VERSION}-{}", lock_name());
        tools::installed(&name, say, |folder| {
            for (name, text) in LOCKED {
                let file = folder.join(name);
                fs::write(&file, text).map_err(PackError::io(&file))?;
            }
            tools::run(
                Command::new("npm")
                    .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
                    .current_dir(folder),
                &format!("npm ci for componentize-js {VERSION}"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_file_is_of_this_version_and_names_no_registry() {
        let [(_, package), (_, lock)] = LOCKED;
        let wanted = format!("\"@bytecodealliance/componentize-js\": \"{VERSION}\"");
        assert!(package.contains(&wanted) && lock.contains(&wanted));
        assert!(!lock.contains("\"resolved\""), "it names a registry");
    }
}
