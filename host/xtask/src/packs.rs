//! Builds the `ostro` binary, and with it the packs of `plugins/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::project::{self, Project, heading};

/// Build every pack with `ostro`.
pub(crate) fn build(project: &Project, ostro: &Path) -> Result<()> {
    for folder in folders(&project.path("plugins"))? {
        pack(project, ostro, &folder)?;
    }
    Ok(())
}

/// Build the pack in `folder` with `ostro`.
pub(crate) fn pack(project: &Project, ostro: &Path, folder: &Path) -> Result<()> {
    heading(&format!("building the pack {}", project.display(folder)));
    project::complete(
        project.command(ostro).args(["pack", "build"]).arg(folder),
        "",
    )
}

/// Build `ostro`; returns its path.
pub(crate) fn binary(project: &Project) -> Result<PathBuf> {
    heading("building ostro");
    built(&mut project.cargo(["build", "-p", "ostro-cli"]))
}

/// Run a `build` of cargo's; returns the path of the `ostro` that it made.
pub(crate) fn built(build: &mut Command) -> Result<PathBuf> {
    // Cargo tells where it puts the binary: that depends on its configuration.
    build.arg("--message-format=json-render-diagnostics");
    let messages = project::output(build, "")?;
    executable(&String::from_utf8_lossy(&messages), "ostro")
        .context("cargo built ostro-cli, but reported no binary `ostro`")
}

/// The path of the binary `name` in what cargo reported, one JSON message a line.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        // The tests of a binary are one of the same name.
        .filter(|message| message["profile"]["test"] != true)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

/// The folders in `plugins` that are packs, sorted.
fn folders(plugins: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(plugins).with_context(|| plugins.display().to_string())?;
    let mut found = Vec::new();
    for entry in entries {
        let folder = entry.with_context(|| plugins.display().to_string())?.path();
        if folder.join("pack.yaml").is_file() {
            found.push(folder);
        }
    }
    if found.is_empty() {
        bail!("{}: no folder in it has a pack.yaml", plugins.display());
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_is_found_among_the_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"ostro_core"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"ostro"},"profile":{"test":true},"executable":"/t/debug/deps/ostro-1"}
{"reason":"compiler-artifact","target":{"name":"ostro"},"profile":{"test":false},"executable":"/t/debug/ostro"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(
            executable(messages, "ostro"),
            Some(PathBuf::from("/t/debug/ostro"))
        );
        assert_eq!(executable(messages, "other"), None);
    }

    #[test]
    fn only_folders_with_a_manifest_are_packs() {
        let plugins = tempfile::tempdir().unwrap();
        let error = folders(plugins.path()).expect_err("there is none");
        assert!(
            error
                .to_string()
                .ends_with("no folder in it has a pack.yaml"),
            "{error}"
        );

        for (folder, file) in [("b", "pack.yaml"), ("a", "pack.yaml"), ("c", "other.yaml")] {
            fs::create_dir(plugins.path().join(folder)).unwrap();
            fs::write(plugins.path().join(folder).join(file), "").unwrap();
        }
        let found = folders(plugins.path()).unwrap();
        assert_eq!(found, [plugins.path().join("a"), plugins.path().join("b")]);
    }
}
