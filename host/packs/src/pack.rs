//! A pack, read and understood.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::docs::Docs;
use crate::error::PackError;
use crate::files::{self, Files, MANIFEST};
use crate::grants::Grants;
use crate::imports::{self, Import};
use crate::manifest::Manifest;
use crate::reflect::reflect;
use crate::signature::Signature;

/// A pack: its manifest, its components with the signatures of their actions, its workflows.
#[derive(Clone, Debug)]
pub struct Pack {
    /// What `pack.yaml` says.
    pub manifest: Manifest,
    /// Its components, in the manifest's order.
    pub components: Vec<Component>,
    /// Its workflows, in the manifest's order.
    pub workflows: Vec<WorkflowFile>,
    /// SHA-256 over its files, as `sha256:…`; the same for a folder and for the artifact of it.
    pub digest: String,
    files: Files,
}

/// A component of a pack.
#[derive(Clone)]
pub struct Component {
    /// Its name in the pack.
    pub name: String,
    /// The component itself.
    pub bytes: Arc<[u8]>,
    /// SHA-256 of its bytes, as `sha256:…`.
    pub digest: String,
    /// Its actions.
    pub signatures: Vec<Arc<Signature>>,
    /// The interfaces that it imports.
    pub imports: Vec<Import>,
}

impl std::fmt::Debug for Component {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Component")
            .field("name", &self.name)
            .field("digest", &self.digest)
            .field("signatures", &self.signatures)
            .field("imports", &self.imports)
            .finish_non_exhaustive()
    }
}

/// A file of workflows in a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkflowFile {
    /// Its path in the pack.
    pub path: String,
    /// What it says.
    pub text: String,
}

impl Pack {
    /// Opens a folder with a `pack.yaml`, that file itself, or an artifact.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, PackError> {
        let path = path.as_ref();
        let named = path.file_name().is_some_and(|name| name == MANIFEST);
        if named && path.is_file() {
            let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
            return Self::open_dir(dir.unwrap_or(Path::new(".")));
        }
        if path.is_dir() {
            return Self::open_dir(path);
        }
        if !path.exists() {
            return Err(PackError::NoPack(path.to_owned()));
        }
        let files = files::unpack(path)?;
        if !files.contains_key(MANIFEST) {
            return Err(PackError::Artifact {
                path: path.to_owned(),
                reason: format!("it holds no {MANIFEST}"),
            });
        }
        Self::assemble(files, &path.display().to_string(), "")
    }

    /// The pack of these files, by their paths in it; `source` names it in messages.
    pub fn from_files(
        files: impl IntoIterator<Item = (String, Vec<u8>)>,
        source: &str,
    ) -> Result<Self, PackError> {
        let files = files::collect(files, source)?;
        if !files.contains_key(MANIFEST) {
            return Err(PackError::Artifact {
                path: source.into(),
                reason: format!("it holds no {MANIFEST}"),
            });
        }
        Self::assemble(files, source, "")
    }

    /// Its files with their paths in it, sorted by these.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files
            .iter()
            .map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }

    /// The artifact, as `ostro pack build` writes it: the same files give the same bytes.
    pub fn artifact(&self) -> Result<Vec<u8>, PackError> {
        files::archive(&self.files, Vec::new()).map_err(PackError::io(self.file_name()))
    }

    /// What `ostro pack build` calls its artifact: `NAME-VERSION.ostro`.
    pub fn file_name(&self) -> String {
        format!("{}-{}.ostro", self.manifest.name, self.manifest.version)
    }

    /// The action called `name`.
    pub fn signature(&self, name: &str) -> Option<&Arc<Signature>> {
        self.signatures().find(|signature| *signature.name == *name)
    }

    /// All actions.
    pub fn signatures(&self) -> impl Iterator<Item = &Arc<Signature>> {
        self.components
            .iter()
            .flat_map(|component| &component.signatures)
    }

    /// Whether each component may have what it imports: the check at install, at load and in
    /// `inspect`. `grants` are the manifest's, or the operator's in their place.
    pub fn check_imports(&self, grants: &Grants) -> Result<(), PackError> {
        let denied: Vec<_> = self
            .components
            .iter()
            .flat_map(|component| imports::check(component, grants))
            .collect();
        if denied.is_empty() {
            Ok(())
        } else {
            Err(PackError::Imports(denied))
        }
    }

    /// Writes the pack as one file.
    pub(crate) fn write(&self, path: &Path) -> Result<(), PackError> {
        files::pack(&self.files, path)
    }

    fn open_dir(dir: &Path) -> Result<Self, PackError> {
        let manifest_file = dir.join(MANIFEST).display().to_string();
        let Some(bytes) = files::read(dir, MANIFEST)? else {
            return Err(PackError::NoPack(dir.to_owned()));
        };
        let manifest = Manifest::parse(&text(&bytes, &manifest_file)?, &manifest_file)?;
        let mut files = Files::from([(MANIFEST.to_owned(), bytes)]);
        let components = manifest.components.iter().map(|component| &component.path);
        for path in components.chain(&manifest.workflows) {
            if let Some(bytes) = files::read(dir, path)? {
                files.insert(path.clone(), bytes);
            }
        }
        if let Some(wit) = &manifest.wit {
            files::read_wit(dir, wit, &mut files)?;
        }
        let hint = format!("; run `ostro pack build {}`", dir.display());
        Self::assemble(files, &dir.display().to_string(), &hint)
    }

    /// `source` names the pack in messages; `hint` says how missing components are made.
    fn assemble(files: Files, source: &str, hint: &str) -> Result<Self, PackError> {
        let missing = |path: &str, hint: &str| PackError::Missing {
            pack: source.to_owned(),
            path: path.to_owned(),
            hint: hint.to_owned(),
        };
        let name = format!("{source}/{MANIFEST}");
        let bytes = files.get(MANIFEST).ok_or_else(|| missing(MANIFEST, ""))?;
        let manifest = Manifest::parse(&text(bytes, &name)?, &name)?;
        let docs = match &manifest.wit {
            Some(dir) => Docs::read(&files, dir).map_err(|reason| PackError::Wit {
                pack: source.to_owned(),
                dir: dir.clone(),
                reason,
            })?,
            None => Docs::default(),
        };
        let mut components = Vec::with_capacity(manifest.components.len());
        for spec in &manifest.components {
            let hint = if spec.build.is_some() { hint } else { "" };
            let bytes = files
                .get(&spec.path)
                .ok_or_else(|| missing(&spec.path, hint))?;
            let reflected = reflect(&spec.name, &spec.path, bytes, &docs)?;
            components.push(Component {
                name: spec.name.clone(),
                bytes: bytes.as_slice().into(),
                digest: digest(bytes),
                signatures: reflected.signatures,
                imports: reflected.imports,
            });
        }
        check_unique(&components)?;
        let mut workflows = Vec::with_capacity(manifest.workflows.len());
        for path in &manifest.workflows {
            let bytes = files.get(path).ok_or_else(|| missing(path, ""))?;
            let text = text(bytes, &format!("{source}/{path}"))?;
            workflows.push(WorkflowFile {
                path: path.clone(),
                text,
            });
        }
        // Lengths go in too, so that no two packs have the same bytes in a row.
        let lengths: Vec<_> = files
            .iter()
            .map(|(path, bytes)| format!("{}:{path}:{}:", path.len(), bytes.len()))
            .collect();
        let parts = lengths.iter().zip(files.values());
        let digest = digest_of(parts.flat_map(|(head, body)| [head.as_bytes(), body.as_slice()]));
        Ok(Self {
            manifest,
            components,
            workflows,
            digest,
            files,
        })
    }
}

fn check_unique(components: &[Component]) -> Result<(), PackError> {
    let mut seen: HashMap<&str, String> = HashMap::new();
    for component in components {
        for signature in &component.signatures {
            let place = format!(
                "{} ({}#{})",
                component.name, signature.export.interface, signature.export.function
            );
            if let Some(first) = seen.insert(&signature.name, place.clone()) {
                return Err(PackError::Duplicate {
                    name: signature.name.to_string(),
                    first,
                    second: place,
                });
            }
        }
    }
    Ok(())
}

fn text(bytes: &[u8], file: &str) -> Result<String, PackError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| PackError::Yaml {
        file: file.to_owned(),
        at: None,
        problem: "the file is no UTF-8".to_owned(),
    })
}

/// SHA-256 of `bytes`, as `sha256:…`.
pub fn digest(bytes: &[u8]) -> String {
    digest_of([bytes])
}

fn digest_of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    parts.into_iter().for_each(|part| hash.update(part));
    let mut text = "sha256:".to_owned();
    for byte in hash.finalize() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
