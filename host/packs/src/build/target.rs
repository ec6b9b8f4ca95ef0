//! The world that a component is built for.

use std::fs;
use std::path::{Path, PathBuf};

use wasi_preview1_component_adapter_provider as adapter;
use wit_component::ComponentEncoder;
use wit_parser::{PackageId, Resolve, WorldId};

use crate::error::PackError;
use crate::files::{self, Files};
use crate::manifest::Manifest;
use crate::wit;

/// A world, with the packages that it needs.
pub(super) struct Target {
    pub(super) resolve: Resolve,
    pub(super) world: WorldId,
    main: PackageId,
}

impl Target {
    /// The world called `world` of the pack in `dir`; its only one, if that is not given.
    pub(super) fn read(
        dir: &Path,
        manifest: &Manifest,
        world: Option<&str>,
    ) -> Result<Self, PackError> {
        let folder = manifest.wit.as_deref().unwrap_or(".");
        let wrong = |reason: String| PackError::Wit {
            pack: dir.display().to_string(),
            dir: folder.to_owned(),
            reason,
        };
        let mut files = Files::new();
        files::read_wit(dir, folder, &mut files)?;
        let (resolve, main) = wit::resolve(&files, folder).map_err(wrong)?;
        let world = resolve
            .select_world(&[main], world)
            .map_err(|error| wrong(format!("{error:#}; `build.world` in pack.yaml names one")))?;
        Ok(Self {
            resolve,
            world,
            main,
        })
    }

    /// Its full name.
    pub(super) fn name(&self) -> String {
        let world = &self.resolve.worlds[self.world];
        world.package.map_or_else(
            || world.name.clone(),
            |package| {
                self.resolve.packages[package]
                    .name
                    .interface_id(&world.name)
            },
        )
    }

    /// Writes its WIT as one file in `folder`, and gives its path.
    pub(super) fn write(&self, folder: &Path) -> Result<PathBuf, PackError> {
        let text = wit::print(&self.resolve, self.main).map_err(PackError::Build)?;
        let file = folder.join("world.wit");
        fs::write(&file, text).map_err(PackError::io(&file))?;
        Ok(file)
    }

    /// The component of a core module that implements it, in a language that knows the first
    /// version of WASI.
    pub(super) fn component(&self, module: &[u8]) -> Result<Vec<u8>, PackError> {
        let encoded = ComponentEncoder::default()
            .validate(true)
            .module(module)
            .and_then(|encoder| {
                encoder.adapter(
                    adapter::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME,
                    adapter::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
                )
            })
            .and_then(|mut encoder| encoder.encode());
        encoded.map_err(|error| {
            PackError::Build(format!(
                "no component of the world {} can be made: {error:#}",
                self.name()
            ))
        })
    }
}
