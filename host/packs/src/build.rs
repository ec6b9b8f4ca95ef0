//! `ostro pack build`: from source to a pack in one file.
//!
//! Components in Rust are compiled by cargo with whichever compiler for WebAssembly the machine
//! has or can get (see [`Toolchain`]), and made into components in this process: the WIT is in
//! the core module already, where `wit-bindgen` puts it.
//!
//! Other languages are built by tools that are installed in the user's cache, in the one version
//! that this one was tried with. They get the pack's WIT with Ostro's contract in it.

mod c;
mod cargo;
mod javascript;
mod python;
mod target;
mod toolchain;
mod tools;

use std::fs;
use std::path::{Path, PathBuf};

pub use cargo::component;
pub use toolchain::Toolchain;
pub use tools::user_cache;

use crate::error::PackError;
use crate::files::MANIFEST;
use crate::manifest::{BuildSpec, ComponentSpec, Language, Manifest};
use crate::pack::Pack;
use target::Target;

/// What a build made.
#[derive(Debug)]
pub struct Built {
    /// The pack's file.
    pub artifact: PathBuf,
    /// The pack.
    pub pack: Pack,
}

/// Builds the pack in `dir`: its components where the manifest says how, then
/// `build/NAME-VERSION.ostro` in `dir`. `say` is told what happens, a line at a time.
pub fn build(dir: &Path, say: &mut dyn FnMut(&str)) -> Result<Built, PackError> {
    let file = dir.join(MANIFEST);
    if !file.is_file() {
        return Err(PackError::NoPack(dir.to_owned()));
    }
    let text = fs::read_to_string(&file).map_err(PackError::io(&file))?;
    let manifest = Manifest::parse(&text, &file.display().to_string())?;
    let mut builder = Builder {
        dir,
        manifest: &manifest,
        toolchain: None,
        say: &mut *say,
    };
    for spec in &manifest.components {
        let Some(build) = &spec.build else { continue };
        let bytes = builder.component(spec, build)?;
        let target = dir.join(&spec.path);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(PackError::io(parent))?;
        }
        fs::write(&target, &bytes).map_err(PackError::io(&target))?;
        (builder.say)(&format!("component {}: {} bytes", spec.name, bytes.len()));
    }
    let pack = Pack::open(dir)?;
    pack.check_imports(&pack.manifest.grants)?;
    let folder = dir.join("build");
    fs::create_dir_all(&folder).map_err(PackError::io(&folder))?;
    let artifact = folder.join(pack.file_name());
    pack.write(&artifact)?;
    say(&format!("{} ({})", artifact.display(), pack.digest));
    Ok(Built { artifact, pack })
}

/// What the components of a pack are built with.
struct Builder<'a> {
    dir: &'a Path,
    manifest: &'a Manifest,
    /// That of Rust, once it is known.
    toolchain: Option<Toolchain>,
    say: &'a mut dyn FnMut(&str),
}

impl Builder<'_> {
    fn component(&mut self, spec: &ComponentSpec, build: &BuildSpec) -> Result<Vec<u8>, PackError> {
        let source = self.dir.join(&build.source);
        if !source.is_dir() {
            return Err(PackError::Build(format!(
                "component {}: there is no folder {}; `build` in pack.yaml says where its source is",
                spec.name,
                source.display()
            )));
        }
        let target = || Target::read(self.dir, self.manifest, build.world.as_deref());
        match build.language {
            Language::Rust => {
                let toolchain = match self.toolchain.take() {
                    Some(found) => found,
                    None => Toolchain::find(self.say)?,
                };
                self.begins(spec, build, "cargo build");
                component(&source, self.toolchain.insert(toolchain))
            }
            Language::Python => {
                let target = target()?;
                let tool = python::Tool::find(self.say)?;
                self.begins(spec, build, "componentize-py");
                tool.component(&source, &target)
            }
            Language::Js => {
                let target = target()?;
                let tool = javascript::Tool::find(self.say)?;
                self.begins(spec, build, "componentize-js");
                tool.component(&source, &target)
            }
            Language::C => {
                let target = target()?;
                let tool = c::Tool::find(self.say)?;
                self.begins(spec, build, "zig cc");
                let bindings = self.dir.join("build").join(&spec.name);
                tool.component(&source, &bindings, &target, self.say)
            }
        }
    }

    fn begins(&mut self, spec: &ComponentSpec, build: &BuildSpec, what: &str) {
        let (name, source) = (&spec.name, &build.source);
        (self.say)(&format!("component {name}: {what} of {source}"));
    }
}
