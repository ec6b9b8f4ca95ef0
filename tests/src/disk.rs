//! Small disks for tests, to be filled: file systems in memory, in a mount namespace of the test's
//! own.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Tells a test's copy in another process where its disk is.
const DISK: &str = "OSTRO_TEST_DISK";

/// The disk of a test that runs on one; none where it has still to be run there with
/// [`on_a_disk`].
pub fn disk() -> Option<PathBuf> {
    std::env::var_os(DISK).map(PathBuf::from)
}

/// Runs the test `name` once more, with a disk of `size` for its files.
pub fn on_a_disk(name: &str, size: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let disk = folder.path().join("disk");
    fs::create_dir(&disk)?;
    let script = format!("mount -t tmpfs -o size={size} tmpfs \"$TMPDIR\"\nexec \"$0\" \"$@\"");
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-ec", &script])
        .arg(std::env::current_exe()?)
        .args([name, "--exact", "--nocapture"])
        .env("TMPDIR", &disk)
        .env(DISK, &disk)
        .output()
        .context("unshare, of util-linux, makes the disk")?;
    let told = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&told);
    ensure!(output.status.success(), "{text}");
    ensure!(text.contains("1 passed"), "{text}");
    Ok(())
}
