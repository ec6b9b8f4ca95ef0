//! Where a pack comes from, and how it is fetched.

use std::fmt;
use std::path::{Path, PathBuf};

use ostro_packs::Pack;

use crate::error::StoreError;
use crate::keys;
use crate::registry::Registry;

/// Where a pack comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file that `ostro pack build` made.
    File(PathBuf),
    /// A pack's folder, with its components built.
    Dir(PathBuf),
    /// A repository of an OCI registry.
    Oci(Registry),
}

/// A pack that was fetched: whole, and not yet trusted.
#[derive(Debug)]
pub struct Fetched {
    /// The pack.
    pub pack: Pack,
    /// Its artifact, which signatures are for.
    pub artifact: Vec<u8>,
    /// The text of its signature, if there is one.
    pub signature: Option<String>,
    /// Where it came from, as `ostro pack install` takes it from any folder.
    pub source: String,
    /// The reference that is locked to its digest, if it came from a registry.
    pub reference: Option<String>,
    /// The digest of its manifest in the registry, if it came from one.
    pub manifest: Option<String>,
}

impl Source {
    /// What `text` names: a file or a folder if there is one, or else `HOST/REPO[:TAG][@DIGEST]`
    /// in a registry, with `oci://` before it where that is not clear. `plain_http` lets a
    /// registry that is not on this machine be asked without TLS.
    pub fn parse(text: &str, plain_http: bool) -> Result<Self, StoreError> {
        if let Some(reference) = text.strip_prefix("oci://") {
            return Ok(Self::Oci(Registry::new(reference, plain_http)?));
        }
        let path = Path::new(text);
        if path.is_dir() {
            return Ok(Self::Dir(path.to_owned()));
        }
        if path.exists() {
            return Ok(Self::File(path.to_owned()));
        }
        let host = text
            .split_once('/')
            .map(|(host, _)| host)
            .unwrap_or_default();
        let is_host = host == "localhost"
            || host.contains(':')
            || (host.contains('.') && !host.starts_with('.'));
        if is_host {
            return Ok(Self::Oci(Registry::new(text, plain_http)?));
        }
        Err(StoreError::Source {
            text: text.to_owned(),
            reason: "there is no such file or folder, and it is no HOST/REPO:TAG of a registry"
                .to_owned(),
        })
    }

    /// Fetches the pack. The bytes are what the artifact says that they are; nothing is said
    /// about who made them.
    pub async fn fetch(&self) -> Result<Fetched, StoreError> {
        match self {
            Self::Dir(dir) => {
                let pack = Pack::open(dir)?;
                let artifact = pack.artifact()?;
                let built = dir.join("build").join(pack.file_name());
                let signature = signature(&built)?;
                Ok(local(pack, artifact, signature, dir))
            }
            Self::File(path) => {
                let pack = Pack::open(path)?;
                let artifact = pack.artifact()?;
                let is_manifest = path.file_name().is_some_and(|name| name == "pack.yaml");
                if is_manifest {
                    let dir = path.parent().unwrap_or(Path::new("."));
                    let built = dir.join("build").join(pack.file_name());
                    return Ok(local(pack, artifact, signature(&built)?, dir));
                }
                let bytes = std::fs::read(path).map_err(StoreError::io(path))?;
                if bytes != artifact {
                    return Err(StoreError::Artifact {
                        reference: path.display().to_string(),
                        reason: "it is not as `ostro pack build` wrote it: it was cut off, edited \
                                 or made by something else"
                            .to_owned(),
                    });
                }
                Ok(local(pack, artifact, signature(path)?, path))
            }
            Self::Oci(registry) => {
                let registry = registry.resolve().await?;
                let pulled = registry.pull().await?;
                Ok(Fetched {
                    artifact: pulled.pack.artifact()?,
                    pack: pulled.pack,
                    signature: pulled.signature,
                    source: registry.to_string(),
                    reference: registry.tagged(),
                    manifest: Some(pulled.manifest),
                })
            }
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) | Self::Dir(path) => path.display().fmt(f),
            Self::Oci(registry) => registry.fmt(f),
        }
    }
}

fn local(pack: Pack, artifact: Vec<u8>, signature: Option<String>, path: &Path) -> Fetched {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    Fetched {
        pack,
        artifact,
        signature,
        source: path.display().to_string(),
        reference: None,
        manifest: None,
    }
}

/// The signature beside an artifact: `FILE.minisig`, where `minisign -S` puts it.
fn signature(artifact: &Path) -> Result<Option<String>, StoreError> {
    let mut name = artifact.as_os_str().to_owned();
    name.push(".minisig");
    let path = Path::new(&name);
    if path.exists() {
        keys::read(path).map(Some)
    } else {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_a_file_a_folder_or_a_place_in_a_registry() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.ostro");
        std::fs::write(&file, "").unwrap();
        let what = |text: &str| match Source::parse(text, false) {
            Ok(Source::File(_)) => "file".to_owned(),
            Ok(Source::Dir(_)) => "folder".to_owned(),
            Ok(Source::Oci(registry)) => registry.to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(what(&file.display().to_string()), "file");
        assert_eq!(what(&folder.path().display().to_string()), "folder");
        assert_eq!(
            what("localhost:5000/acme:1.0.0"),
            "oci://localhost:5000/acme:1.0.0"
        );
        assert_eq!(
            what("oci://r.example/ops/acme:1"),
            "oci://r.example/ops/acme:1"
        );
        let digest = format!("r.example/acme:1@sha256:{}", "a".repeat(64));
        assert_eq!(what(&digest), format!("oci://{digest}"));
        for text in ["./nowhere/acme.ostro", "../acme", "acme", "acme/acme"] {
            assert!(
                what(text).contains("no such file"),
                "{text}: {}",
                what(text)
            );
        }
        for text in [
            "r.example/ACME:1",
            "oci://",
            "oci://r.example/acme@sha256:12",
        ] {
            assert!(
                what(text).contains("HOST/REPO:TAG"),
                "{text}: {}",
                what(text)
            );
        }
    }
}
