//! `ostro pack build`: from source to a pack in one file.
//!
//! Components in Rust are compiled by cargo with whichever compiler for WebAssembly the machine
//! has or can get (see [`Toolchain`]), and made into components in this process: the WIT is in
//! the core module already, where `wit-bindgen` puts it.

mod cargo;
mod toolchain;

use std::fs;
use std::path::{Path, PathBuf};

pub use cargo::component;
pub use toolchain::Toolchain;

use crate::error::PackError;
use crate::files::MANIFEST;
use crate::manifest::{Language, Manifest};
use crate::pack::Pack;

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
    let mut toolchain = None;
    for spec in &manifest.components {
        let Some(build) = &spec.build else { continue };
        match build.language {
            Language::Rust => {
                let toolchain = match &toolchain {
                    Some(found) => found,
                    None => toolchain.insert(Toolchain::find(say)?),
                };
                say(&format!(
                    "component {}: cargo build of {}",
                    spec.name, build.crate_dir
                ));
                let bytes = component(&dir.join(&build.crate_dir), toolchain)?;
                let target = dir.join(&spec.path);
                if let Some(parent) = target.parent() {
                    fs::create_dir_all(parent).map_err(PackError::io(parent))?;
                }
                fs::write(&target, &bytes).map_err(PackError::io(&target))?;
                say(&format!("component {}: {} bytes", spec.name, bytes.len()));
            }
        }
    }
    let pack = Pack::open(dir)?;
    pack.check_imports(&pack.manifest.grants)?;
    let folder = dir.join("build");
    fs::create_dir_all(&folder).map_err(PackError::io(&folder))?;
    let artifact = folder.join(format!("{}-{}.ostro", manifest.name, manifest.version));
    pack.write(&artifact)?;
    say(&format!("{} ({})", artifact.display(), pack.digest));
    Ok(Built { artifact, pack })
}
