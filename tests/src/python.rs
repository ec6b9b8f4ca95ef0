//! Python's packages that tests need.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

use crate::{cache, output};

/// The `bin` folder of a virtual environment, kept in the cache as `name`, that has
/// `requirements` of PyPI, of which `import` must work.
pub fn python(name: &str, requirements: &[&str], import: &str) -> Result<PathBuf> {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _one = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = cache()?.join(name);
    let programs = folder.join("bin");
    let python = programs.join("python");
    let works = || output(Command::new(&python).args(["-c", import]));
    if works().is_err() {
        let missing = || {
            let all = requirements.join(" ");
            format!(
                "{all} of PyPI cannot be installed into {}",
                folder.display()
            )
        };
        output(
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&folder),
        )
        .with_context(missing)?;
        let install = ["-m", "pip", "install", "--quiet"];
        output(Command::new(&python).args(install).args(requirements)).with_context(missing)?;
        works().with_context(missing)?;
    }
    Ok(programs)
}
