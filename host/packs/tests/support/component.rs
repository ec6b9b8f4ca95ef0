//! Components of worlds, whose functions do nothing.

use std::path::{Path, PathBuf};

use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{ManglingAndAbi, Resolve};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A component of the world in `wit`, whose functions do nothing.
pub(crate) fn component(wit: &Path) -> Vec<u8> {
    let mut resolve = Resolve::default();
    for package in ["ostro-host", "ostro-validation"] {
        resolve
            .push_dir(repository().join("wit").join(package))
            .unwrap();
    }
    let package = resolve.push_file(wit).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let mut module = dummy_module(&resolve, world, ManglingAndAbi::Standard32);
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default()
        .module(&module)
        .unwrap()
        .encode()
        .unwrap()
}
