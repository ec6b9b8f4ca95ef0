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

pub use tools::user_cache;

use crate::error::PackError;
use crate::files::MANIFEST;
use crate::manifest::{BuildSpec, ComponentSpec, Language, Manifest};
use crate::pack::Pack;
use cargo::Output;
use target::Target;
use toolchain::Toolchain;

/// What a build made.
#[derive(Debug)]
pub struct Built {
    /// The pack's file.
    pub artifact: PathBuf,
    /// The pack.
    pub pack: Pack,
    /// The files that components in Rust were made of, as far as cargo says so: also those outside
    /// of the pack's folder, of crates that lie beside it.
    pub sources: Vec<PathBuf>,
}

/// What a build tells while it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told<'a> {
    /// What begins, or what was made.
    Step(&'a str),
    /// What takes its time, and is done only once on a machine: a tool is installed.
    Once(&'a str),
    /// What a compiler warns of.
    Warning(&'a str),
}

impl<'a> Told<'a> {
    /// Its text.
    pub fn text(self) -> &'a str {
        let (Self::Step(text) | Self::Once(text) | Self::Warning(text)) = self;
        text
    }
}

/// Who is told.
type Say<'a> = &'a mut dyn FnMut(Told<'_>);

/// Builds the pack in `dir`: its components where the manifest says how, then
/// `build/NAME-VERSION.ostro` in `dir`. `say` is told what happens, a line at a time; cargo's own
/// messages go to standard error.
pub fn build(dir: &Path, say: &mut dyn FnMut(&str)) -> Result<Built, PackError> {
    let mut builder = Builder {
        toolchain: None,
        cargo: Output::Inherited,
    };
    builder.build(dir, &mut |told| say(told.text()))
}

/// Builds packs again and again: what it builds with is looked for once.
#[derive(Debug)]
pub struct Builder {
    /// That of Rust, once it is known.
    toolchain: Option<Toolchain>,
    cargo: Output,
}

impl Builder {
    /// A builder that leaves standard error alone. What is wrong is in the errors, all of it, and
    /// what compilers warn of is told; with `color`, as a terminal shows it.
    pub fn quiet(color: bool) -> Self {
        Self {
            toolchain: None,
            cargo: Output::Told { color },
        }
    }

    /// As [`build`].
    pub fn build(&mut self, dir: &Path, say: &mut dyn FnMut(Told<'_>)) -> Result<Built, PackError> {
        let file = dir.join(MANIFEST);
        if !file.is_file() {
            return Err(PackError::NoPack(dir.to_owned()));
        }
        let text = fs::read_to_string(&file).map_err(PackError::io(&file))?;
        let manifest = Manifest::parse(&text, &file.display().to_string())?;
        let mut job = Job {
            sources: Vec::new(),
            dir,
            manifest: &manifest,
            builder: self,
            say,
        };
        for spec in &manifest.components {
            let Some(build) = &spec.build else { continue };
            let bytes = job.component(spec, build)?;
            let target = dir.join(&spec.path);
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent).map_err(PackError::io(parent))?;
            }
            fs::write(&target, &bytes).map_err(PackError::io(&target))?;
            job.step(&format!("component {}: {} bytes", spec.name, bytes.len()));
        }
        let pack = Pack::open(dir)?;
        pack.check_imports(&pack.manifest.grants)?;
        let folder = dir.join("build");
        fs::create_dir_all(&folder).map_err(PackError::io(&folder))?;
        let artifact = folder.join(pack.file_name());
        pack.write(&artifact)?;
        job.step(&format!("{} ({})", artifact.display(), pack.digest));
        Ok(Built {
            artifact,
            pack,
            sources: job.sources,
        })
    }
}

/// One build of a pack.
struct Job<'a> {
    sources: Vec<PathBuf>,
    dir: &'a Path,
    manifest: &'a Manifest,
    builder: &'a mut Builder,
    say: Say<'a>,
}

impl Job<'_> {
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
                let toolchain = match self.builder.toolchain.take() {
                    Some(found) => found,
                    None => Toolchain::find(self.say)?,
                };
                self.begins(spec, build, "cargo build");
                let Builder {
                    toolchain: known,
                    cargo,
                } = &mut *self.builder;
                let made = cargo::component(&source, known.insert(toolchain), *cargo, self.say)?;
                self.sources.extend(made.sources);
                Ok(made.bytes)
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
        self.step(&format!("component {name}: {what} of {source}"));
    }

    fn step(&mut self, line: &str) {
        (self.say)(Told::Step(line));
    }
}
