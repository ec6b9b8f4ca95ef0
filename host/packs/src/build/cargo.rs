//! Cargo, and from a core module to a component.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use wit_component::ComponentEncoder;

use super::toolchain::{TARGET, Toolchain};
use super::{Say, Told};
use crate::error::PackError;

/// What becomes of cargo's own messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// They go to standard error as they come.
    Inherited,
    /// They are told once cargo has ended, without those that only say how far it is.
    Told {
        /// Whether they are to be coloured.
        color: bool,
    },
}

/// A component that cargo made.
pub(super) struct Made {
    pub(super) bytes: Vec<u8>,
    /// The files that it is made of, without those of registries.
    pub(super) sources: Vec<PathBuf>,
}

/// Builds the crate in `dir` as a component.
pub(super) fn component(
    dir: &Path,
    toolchain: &Toolchain,
    output: Output,
    say: Say<'_>,
) -> Result<Made, PackError> {
    let module = core_module(dir, toolchain, output, say)?;
    let bytes = fs::read(&module).map_err(PackError::io(&module))?;
    let encoded = ComponentEncoder::default()
        .validate(true)
        .module(&bytes)
        .and_then(|mut encoder| encoder.encode());
    let bytes = encoded.map_err(|error| {
        PackError::Build(format!(
            "{}: no component can be made of it: {error:#}; does the crate call \
             wit_bindgen::generate! and export!?",
            module.display()
        ))
    })?;
    // Cargo writes beside each file that it makes what it is made of, as a rule for make.
    let rule = fs::read_to_string(module.with_extension("d")).unwrap_or_default();
    let sources = prerequisites(&rule);
    Ok(Made { bytes, sources })
}

/// The files after the colon of a rule; blanks in their names have a backslash before them.
fn prerequisites(rule: &str) -> Vec<PathBuf> {
    let line = rule.lines().next().unwrap_or_default();
    let files = line.split_once(": ").map_or("", |(_, files)| files);
    let mut found = Vec::new();
    let mut file = String::new();
    for part in files.split(' ') {
        file.push_str(part);
        if file.ends_with('\\') {
            file.pop();
            file.push(' ');
        } else if !file.is_empty() {
            found.push(PathBuf::from(std::mem::take(&mut file)));
        }
    }
    found
}

/// What cargo says about a file that it made.
#[derive(Deserialize)]
struct Message {
    reason: String,
    manifest_path: Option<PathBuf>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

fn core_module(
    dir: &Path,
    toolchain: &Toolchain,
    output: Output,
    say: Say<'_>,
) -> Result<PathBuf, PackError> {
    let manifest = dir.join("Cargo.toml");
    let manifest = fs::canonicalize(&manifest).map_err(PackError::io(&manifest))?;
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What a surrounding cargo set for its own build is not meant for this one; the guests'
    // target folder is that of their workspace.
    for name in [
        "CARGO_TARGET_DIR",
        "CARGO_BUILD_TARGET",
        "CARGO_BUILD_TARGET_DIR",
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTFLAGS",
        "RUSTC",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "CLIPPY_ARGS",
        "CARGO_MANIFEST_DIR",
    ] {
        command.env_remove(name);
    }
    command
        .args(["build", "--release", "--target", TARGET])
        .arg("--message-format=json-render-diagnostics")
        .arg("--manifest-path")
        .arg(&manifest)
        // Cargo takes its configuration from where it runs: the guest's is beside the guest.
        .current_dir(dir)
        .stdin(Stdio::null());
    match output {
        Output::Inherited => command.stderr(Stdio::inherit()),
        Output::Told { color } => command
            .arg("--quiet")
            .env("CARGO_TERM_COLOR", if color { "always" } else { "never" })
            .stderr(Stdio::piped()),
    };
    toolchain.apply(&mut command);
    let ended = command.output().map_err(|error| {
        PackError::Build(format!("cargo does not start: {error}; install Rust"))
    })?;
    let said = String::from_utf8_lossy(&ended.stderr);
    let said = said.trim();
    if !ended.status.success() {
        let messages = match output {
            Output::Inherited => "; its messages are above".to_owned(),
            Output::Told { .. } => format!("\n{said}"),
        };
        return Err(PackError::Build(format!(
            "{}: cargo build failed{messages}",
            manifest.display()
        )));
    }
    if !said.is_empty() {
        say(Told::Warning(said));
    }
    let made = ended
        .stdout
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let message: Message = serde_json::from_slice(line).ok()?;
            let ours = message.reason == "compiler-artifact"
                && message.manifest_path.as_deref() == Some(manifest.as_path());
            ours.then_some(message.filenames)
        });
    made.flatten()
        .find(|file| file.extension().is_some_and(|end| end == "wasm"))
        .ok_or_else(|| {
            PackError::Build(format!(
                "{}: cargo made no .wasm file; add\n[lib]\ncrate-type = [\"cdylib\"]",
                manifest.display()
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_rule_are_found_also_with_blanks() {
        let rule = "/t/a.wasm: /p/src/lib.rs /my\\ packs/wit/a.wit\n";
        let expected = ["/p/src/lib.rs", "/my packs/wit/a.wit"].map(PathBuf::from);
        assert_eq!(prerequisites(rule), expected);
        for rule in ["", "/t/a.wasm:", "/t/a.wasm:\n"] {
            assert!(prerequisites(rule).is_empty(), "{rule:?}");
        }
    }
}
