//! The workbooks of tripleo-common, unmodified, from PyPI.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

use crate::{cache, output};

/// Tests of one process download one after the other.
static DOWNLOAD: Mutex<()> = Mutex::new(());

/// The folder with the workbooks of a release of tripleo-common, downloaded once.
pub fn workbooks(version: &str) -> Result<PathBuf> {
    let _turn = DOWNLOAD.lock().unwrap_or_else(PoisonError::into_inner);
    let name = format!("tripleo-common-{version}");
    let folder = cache()?.join(&name);
    if !folder.join("workbooks").exists() {
        // In a folder of its own until whole: tests of several processes may want it at once.
        let fresh = cache()?.join(format!("{name}.{}", std::process::id()));
        std::fs::create_dir_all(&fresh)?;
        output(
            Command::new("python3")
                .args(["-m", "pip", "download", "--quiet", "--no-deps"])
                .args(["--no-binary", ":all:", "--dest"])
                .arg(&fresh)
                .arg(format!("tripleo-common=={version}")),
        )
        .with_context(|| format!("cannot download {name} from PyPI"))?;
        output(
            Command::new("tar")
                .arg("-xzf")
                .arg(fresh.join(format!("{name}.tar.gz")))
                .arg("-C")
                .arg(&fresh),
        )?;
        if std::fs::rename(fresh.join(&name), &folder).is_err() && !folder.exists() {
            anyhow::bail!("cannot move {name} to {}", folder.display());
        }
        std::fs::remove_dir_all(&fresh)?;
    }
    Ok(folder.join("workbooks"))
}
