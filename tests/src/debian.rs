//! Programs of Debian's that tests need.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context, Result, ensure};

/// Where `program` is, of the Debian package `package`, which is installed if it is not there.
pub fn debian(program: &str, package: &str) -> Result<PathBuf> {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _one = INSTALLING.lock();
    let find = || {
        let path = std::env::var_os("PATH")?;
        let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        let paths = folders.into_iter().map(|folder| folder.join(program));
        paths.into_iter().find(|path| path.is_file())
    };
    if let Some(path) = find() {
        return Ok(path);
    }
    let missing = || format!("{program} is missing: `apt-get install {package}` as root");
    for arguments in [
        &["update"][..],
        &["install", "--yes", "--no-install-recommends", package],
    ] {
        let output = Command::new("apt-get")
            .args(["-qq", "-o", "DPkg::Lock::Timeout=300"])
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .output()
            .with_context(missing)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}\n{said}", missing());
    }
    find().with_context(missing)
}
