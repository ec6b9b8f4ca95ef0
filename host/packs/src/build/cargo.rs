//! Cargo, and from a core module to a component.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use wit_component::ComponentEncoder;

use super::toolchain::{TARGET, Toolchain};
use crate::error::PackError;

/// Builds the crate in `dir` as a component. Cargo's own messages go to standard error.
pub fn component(dir: &Path, toolchain: &Toolchain) -> Result<Vec<u8>, PackError> {
    let module = core_module(dir, toolchain)?;
    let bytes = fs::read(&module).map_err(PackError::io(&module))?;
    let encoded = ComponentEncoder::default()
        .validate(true)
        .module(&bytes)
        .and_then(|mut encoder| encoder.encode());
    encoded.map_err(|error| {
        PackError::Build(format!(
            "{}: no component can be made of it: {error:#}; does the crate call \
             wit_bindgen::generate! and export!?",
            module.display()
        ))
    })
}

/// What cargo says about a file that it made.
#[derive(Deserialize)]
struct Message {
    reason: String,
    manifest_path: Option<PathBuf>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

fn core_module(dir: &Path, toolchain: &Toolchain) -> Result<PathBuf, PackError> {
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
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    toolchain.apply(&mut command);
    let output = command.output().map_err(|error| {
        PackError::Build(format!("cargo does not start: {error}; install Rust"))
    })?;
    if !output.status.success() {
        return Err(PackError::Build(format!(
            "{}: cargo build failed; its messages are above",
            manifest.display()
        )));
    }
    let made = output
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
