//! The manifests of packs and of their components, as `registry` says what they are.

use std::collections::{BTreeMap, BTreeSet};

use oci_client::manifest::{OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageManifest};
use ostro_packs::{Component, Pack, digest};
use semver::Version;
use serde_json::json;

/// The artifact type of a pack.
pub(super) const ARTIFACT: &str = "application/vnd.ostro.pack.v1";
/// The media type of `pack.yaml`.
const MANIFEST: &str = "application/vnd.ostro.pack.manifest.v1+yaml";
/// The media type of a pack's other files.
const FILE: &str = "application/vnd.ostro.pack.file.v1";
/// The media type of a signature.
pub(super) const SIGNATURE: &str = "application/vnd.ostro.pack.signature.v1+minisign";
/// The media type of a component: the CNCF's.
const WASM: &str = "application/wasm";
/// The media type of a component's config: the CNCF's.
const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// The media type of a config without anything, and that config.
pub(super) const EMPTY: (&str, &[u8]) = ("application/vnd.oci.empty.v1+json", b"{}");
/// The annotation with the path of a file.
pub(super) const TITLE: &str = "org.opencontainers.image.title";
/// The annotation with the pack's digest.
pub(super) const DIGEST: &str = "ostro.pack.digest";

/// The manifest of a pack.
pub(super) fn pack_manifest(pack: &Pack, signature: Option<&str>) -> OciImageManifest {
    let components: BTreeSet<&str> = pack
        .manifest
        .components
        .iter()
        .map(|component| component.path.as_str())
        .collect();
    let layer = |kind: &str, title: &str, bytes: &[u8]| OciDescriptor {
        annotations: Some(BTreeMap::from([(TITLE.to_owned(), title.to_owned())])),
        ..descriptor(kind, bytes)
    };
    let mut layers: Vec<OciDescriptor> = pack
        .files()
        .map(|(path, bytes)| {
            let kind = match path {
                "pack.yaml" => MANIFEST,
                path if components.contains(path) => WASM,
                _ => FILE,
            };
            layer(kind, path, bytes)
        })
        .collect();
    if let Some(signature) = signature {
        let title = format!("{}.minisig", pack.file_name());
        layers.push(layer(SIGNATURE, &title, signature.as_bytes()));
    }
    let mut annotations = described(pack, &pack.manifest.name);
    annotations.insert(DIGEST.to_owned(), pack.digest.clone());
    OciImageManifest {
        media_type: Some(OCI_IMAGE_MEDIA_TYPE.to_owned()),
        artifact_type: Some(ARTIFACT.to_owned()),
        config: descriptor(EMPTY.0, EMPTY.1),
        layers,
        annotations: Some(annotations),
        ..OciImageManifest::default()
    }
}

/// The manifest of one component, as the CNCF has it.
pub(super) fn component_manifest(
    pack: &Pack,
    component: &Component,
    config: &[u8],
) -> OciImageManifest {
    let title = format!("{}/{}", pack.manifest.name, component.name);
    OciImageManifest {
        media_type: Some(OCI_IMAGE_MEDIA_TYPE.to_owned()),
        config: descriptor(WASM_CONFIG, config),
        layers: vec![descriptor(WASM, &component.bytes)],
        annotations: Some(described(pack, &title)),
        ..OciImageManifest::default()
    }
}

/// The config of one component, as the CNCF has it.
pub(super) fn component_config(component: &Component) -> Vec<u8> {
    let exports = component
        .signatures
        .iter()
        .map(|one| one.export.interface.to_string());
    let exports: BTreeSet<String> = exports.collect();
    let imports: Vec<&str> = component
        .imports
        .iter()
        .map(|import| import.interface.as_str())
        .collect();
    let config = json!({
        // It has to be there; when it was made is nobody's business, and would make another
        // manifest each time.
        "created": "1970-01-01T00:00:00Z",
        "architecture": "wasm",
        "os": "wasip2",
        "layerDigests": [component.digest],
        "component": { "exports": exports, "imports": imports },
    });
    config.to_string().into_bytes()
}

fn described(pack: &Pack, title: &str) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::from([
        (TITLE.to_owned(), title.to_owned()),
        (
            "org.opencontainers.image.version".to_owned(),
            pack.manifest.version.to_string(),
        ),
    ]);
    if !pack.manifest.description.is_empty() {
        let key = "org.opencontainers.image.description".to_owned();
        annotations.insert(key, pack.manifest.description.clone());
    }
    annotations
}

fn descriptor(kind: &str, bytes: &[u8]) -> OciDescriptor {
    OciDescriptor {
        media_type: kind.to_owned(),
        digest: digest(bytes),
        size: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
        urls: None,
        annotations: None,
        artifact_type: None,
    }
}

/// The tag of a version: tags have no `+`.
pub(super) fn tag(version: &Version) -> String {
    version.to_string().replace('+', "_")
}
