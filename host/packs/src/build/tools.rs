//! Tools that build components, installed in the user's cache.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Say, Told};
use crate::error::PackError;

/// How many lines of a tool that failed are shown: the last ones say why.
const LINES: usize = 40;

/// The user's cache folder
/// (<https://specifications.freedesktop.org/basedir-spec/latest/>); none without a home.
pub fn user_cache() -> Option<PathBuf> {
    let folder = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")))
}

/// The folder of `tool`, a name with a version. Where it is not there yet, or only half of it,
/// `install` makes it.
pub(super) fn installed(
    tool: &str,
    say: Say<'_>,
    install: impl FnOnce(&Path) -> Result<(), PackError>,
) -> Result<PathBuf, PackError> {
    let cache = user_cache().ok_or_else(|| {
        PackError::Build(format!(
            "{tool} is kept in the user's cache: set HOME or XDG_CACHE_HOME"
        ))
    })?;
    // Beside the cache of compiled components, which deletes what it does not know.
    let tools = cache.join("ostro-tools");
    fs::create_dir_all(&tools).map_err(PackError::io(&tools))?;
    let lock = tools.join(format!("{tool}.lock"));
    // Two builds at once install it once.
    let held = File::create(&lock).map_err(PackError::io(&lock))?;
    held.lock().map_err(PackError::io(&lock))?;
    let folder = tools.join(tool);
    let complete = folder.join(".complete");
    if complete.is_file() {
        return Ok(folder);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(PackError::io(&folder))?;
    }
    fs::create_dir_all(&folder).map_err(PackError::io(&folder))?;
    say(Told::Once(&format!(
        "installing {tool} in {}",
        folder.display()
    )));
    install(&folder)?;
    File::create(&complete).map_err(PackError::io(&complete))?;
    Ok(folder)
}

/// A Python environment in `folder` with one package, pinned.
pub(super) fn venv(folder: &Path, package: &str) -> Result<(), PackError> {
    run(
        Command::new("python3").args(["-m", "venv"]).arg(folder),
        "python3 -m venv",
        "install Python 3 with its venv module (Debian: `apt-get install python3-venv`)",
    )?;
    run(
        Command::new(folder.join("bin/python"))
            .args(["-m", "pip", "install", "--disable-pip-version-check"])
            .args(["--no-input", "--no-deps", "--only-binary", ":all:"])
            .arg(package),
        &format!("pip install {package}"),
        "it is installed from PyPI, which has to be reached once",
    )
    .map(drop)
}

/// Runs a tool to its end, and gives what it said. An error has that, too, and `advice`.
pub(super) fn run(command: &mut Command, what: &str, advice: &str) -> Result<String, PackError> {
    let output = command
        .stdin(Stdio::null())
        // What it says is for people who write components, not for its own authors.
        .env("RUST_BACKTRACE", "0")
        .output()
        .map_err(|error| PackError::Build(format!("{what} does not start: {error}; {advice}")))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    if output.status.success() {
        return Ok(said.trim().to_owned());
    }
    let lines: Vec<_> = said.trim().lines().collect();
    let last = lines[lines.len().saturating_sub(LINES)..].join("\n  ");
    let advice = if advice.is_empty() {
        String::new()
    } else {
        format!("; {advice}")
    };
    Err(PackError::Build(format!("{what} failed{advice}\n  {last}")))
}

/// A folder for what only lives while a component is built.
pub(super) fn scratch() -> Result<tempfile::TempDir, PackError> {
    tempfile::tempdir().map_err(PackError::io(std::env::temp_dir()))
}
