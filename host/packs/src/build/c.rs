//! C, with zig's compiler and library, and wit-bindgen's bindings.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use wit_bindgen_core::Files;

use super::target::Target;
use super::{Say, Told, tools};
use crate::error::PackError;

/// The version that this was tried with.
const VERSION: &str = "0.17.1";

/// Zig.
pub(super) struct Tool(PathBuf);

impl Tool {
    /// Installs it where it is not.
    pub(super) fn find(say: Say<'_>) -> Result<Self, PackError> {
        let name = format!("ziglang-{VERSION}");
        tools::installed(&name, say, |folder| {
            tools::venv(folder, &format!("ziglang=={VERSION}"))
        })
        .map(Self)
    }

    /// Builds all `.c` files in `source`. The bindings that they include are left in `bindings`,
    /// for people and editors. `say` is told what the compiler warns of.
    pub(super) fn component(
        &self,
        source: &Path,
        bindings: &Path,
        target: &Target,
        say: Say<'_>,
    ) -> Result<Vec<u8>, PackError> {
        let mut sources = files(source, &["c"])?;
        if sources.is_empty() {
            return Err(PackError::Build(format!(
                "{}: there is no .c file",
                source.display()
            )));
        }
        bind(target, bindings)?;
        // The object file has the type of the world.
        sources.extend(files(bindings, &["c", "o"])?);
        let scratch = tools::scratch()?;
        let made = scratch.path().join("app.wasm");
        let warnings = tools::run(
            Command::new(self.0.join("bin/python"))
                .args(["-m", "ziglang", "cc", "-target", "wasm32-wasi"])
                .args(["-mexec-model=reactor", "-O2", "-s", "-Wall", "-I"])
                .arg(bindings)
                .args(&sources)
                .arg("-o")
                .arg(&made)
                .env("ZIG_GLOBAL_CACHE_DIR", self.0.join("cache")),
            &format!("{}: zig cc", source.display()),
            "",
        )?;
        if !warnings.is_empty() {
            say(Told::Warning(&warnings));
        }
        let module = fs::read(&made).map_err(PackError::io(&made))?;
        target.component(&module)
    }
}

/// Writes the bindings of `target`, a header and its implementation, in `folder`.
fn bind(target: &Target, folder: &Path) -> Result<(), PackError> {
    let mut files = Files::default();
    let mut resolve = target.resolve.clone();
    wit_bindgen_c::Opts::default()
        .build()
        .generate(&mut resolve, target.world, &mut files)
        .map_err(|error| {
            PackError::Build(format!(
                "no bindings for C of the world {}: {error:#}",
                target.name()
            ))
        })?;
    fs::create_dir_all(folder).map_err(PackError::io(folder))?;
    for (name, bytes) in files.iter() {
        let file = folder.join(name);
        fs::write(&file, bytes).map_err(PackError::io(&file))?;
    }
    Ok(())
}

/// The files in `folder` that end in one of `ends`, in order.
fn files(folder: &Path, ends: &[&str]) -> Result<Vec<OsString>, PackError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(PackError::io(folder))? {
        let path = entry.map_err(PackError::io(folder))?.path();
        if path
            .extension()
            .is_some_and(|end| ends.iter().any(|e| end == *e))
        {
            files.push(path.into_os_string());
        }
    }
    files.sort();
    Ok(files)
}
