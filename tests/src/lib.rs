//! What tests that cross crates share: the real `ostro`, the loopback cloud, real clients.
//!
//! Nothing here is skipped when something is missing: it is an error that says what to run.
//! `cargo xtask test` prepares all of it.

mod cloud;
mod debian;
mod disk;
mod kept;
mod ostro;
mod python;
mod tripleo;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};

pub use cloud::{Cloud, OwnCloud, Ramdisks};
pub use debian::debian;
pub use disk::{disk, on_a_disk};
pub use kept::{Counter, Kept, eventually};
pub use ostro::{Ostro, Run};
pub use python::python;
pub use tripleo::workbooks;

/// The repository's root.
pub fn repository() -> &'static Path {
    // This crate is one folder below the root.
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("/"))
}

/// Where tests keep what they download.
pub fn cache() -> Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    let folder = base
        .context("neither XDG_CACHE_HOME nor HOME is set")?
        .join("ostro-tests");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// Runs a command to its end and gives its output; an error if it failed.
fn output(command: &mut Command) -> Result<Output> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!(
            "{} {:?} ended with {}\n{}{}",
            command.get_program().display(),
            command.get_args().collect::<Vec<_>>(),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
    }
    Ok(output)
}
