//! Packs in OCI registries: the layout, pulling and pushing.
//!
//! A pack is one artifact: an image manifest of the artifact type `application/vnd.ostro.pack.v1` with an empty
//! config, as <https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md> has it for
//! artifacts, tagged with the pack's version. Each file of the pack is a layer of its own with its
//! path as its title, so that `oras pull` gives the pack's folder; components have the media type
//! `application/wasm`. Names and bytes of all files make the pack's digest, which stands in an
//! annotation and is checked, and the artifact that `ostro pack build` writes is made of them
//! again, bit for bit: so one minisign signature is good for the file and for the registry. It is
//! the last layer, and `oras pull` puts it beside the others as `NAME-VERSION.ostro.minisig`.
//!
//! That is not the layout that the CNCF has for WebAssembly
//! (<https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/>): there is exactly one
//! layer in that, and `wkg` refuses what has more, while a pack is components, WIT, workflows and
//! a manifest that belong together. So each component has a manifest in that layout beside the
//! pack's, tagged `COMPONENT-VERSION`, with the same blob as its only layer:
//! `wkg oci pull HOST/REPO:COMPONENT-VERSION` gives it. No tag of a component is a version, so
//! nobody takes it for the pack.
//!
//! Nothing in it depends on when it was pushed: the same pack has the same manifests everywhere.

mod layout;
mod transfer;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::time::Duration;

use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::{DigestError, OciDistributionError};
use oci_client::manifest::{OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageManifest};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use ostro_packs::{MAX_FILE, MAX_FILES, MAX_TOTAL, Pack, PackDiff, digest};
use semver::Version;

use crate::credentials;
use crate::error::StoreError;
use layout::{
    ARTIFACT, DIGEST, EMPTY, SIGNATURE, TITLE, component_config, component_manifest, pack_manifest,
    tag,
};
use transfer::{Bounded, is_absent, reason};

/// The most that a signature may have, in bytes.
const MAX_SIGNATURE: usize = 64 << 10;
/// How many tags are asked for at a time.
const PAGE: usize = 1000;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(15);
/// How long a registry may say nothing.
const SILENCE: Duration = Duration::from_mins(1);

/// A repository of an OCI registry, with the tag or the digest of one pack in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    host: String,
    repository: String,
    tag: Option<String>,
    digest: Option<String>,
    plain_http: bool,
}

/// A pack from a registry.
#[derive(Debug)]
pub struct Pulled {
    /// The pack.
    pub pack: Pack,
    /// The text of its signature, if there is one.
    pub signature: Option<String>,
    /// The digest of its manifest.
    pub manifest: String,
}

/// What was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The digest of the pack's manifest.
    pub manifest: String,
    /// The tags that it has now.
    pub tags: Vec<String>,
    /// The tags of its components.
    pub components: Vec<String>,
}

/// Why a pack should not be pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Its version is there with this digest, which is another.
    Exists(String),
    /// It breaks what this version before it has, and its number does not say so.
    Breaks(Box<PackDiff>),
}

/// How a pack stands to what a repository has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether exactly this pack is there, with this signature.
    pub is_there: bool,
    /// Why it should not be pushed.
    pub obstacle: Option<Obstacle>,
}

impl Registry {
    /// The place that `text` names: `HOST/REPO[:TAG][@sha256:…]`. A registry on this machine is
    /// asked without TLS, and others only with `plain_http`.
    pub fn new(text: &str, plain_http: bool) -> Result<Self, StoreError> {
        let wrong = |reason: String| StoreError::Source {
            text: text.to_owned(),
            reason: format!("{reason}: write HOST/REPO:TAG or HOST/REPO@sha256:…"),
        };
        let reference: Reference = text.parse().map_err(|error| wrong(format!("{error}")))?;
        let host = text.split('/').next().unwrap_or_default();
        if reference.registry() != host {
            return Err(wrong("it names no registry".to_owned()));
        }
        let digest = reference.digest().map(str::to_owned);
        if digest
            .as_ref()
            .is_some_and(|digest| !digest.starts_with("sha256:"))
        {
            return Err(wrong("digests are sha256".to_owned()));
        }
        // The parser takes `latest` where there is neither a tag nor a digest.
        let name = text.split('@').next().unwrap_or_default();
        let has_tag = name
            .rsplit('/')
            .next()
            .is_some_and(|last| last.contains(':'));
        let tag = reference.tag().filter(|_| has_tag).map(str::to_owned);
        let is_local = is_loopback(host);
        Ok(Self {
            host: host.to_owned(),
            repository: reference.repository().to_owned(),
            tag,
            digest,
            plain_http: plain_http || is_local,
        })
    }

    /// Its tag, if one was given.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The same with another tag, and no digest.
    #[must_use]
    pub fn with_tag(&self, tag: &str) -> Self {
        Self {
            tag: Some(tag.to_owned()),
            digest: None,
            ..self.clone()
        }
    }

    /// The reference whose digest is locked: with its tag, and without a digest.
    pub(crate) fn tagged(&self) -> Option<String> {
        let tag = self.tag.as_deref()?;
        Some(self.with_tag(tag).to_string())
    }

    /// The same with the newest version as its tag, where neither a tag nor a digest is given.
    pub async fn resolve(&self) -> Result<Self, StoreError> {
        if self.tag.is_some() || self.digest.is_some() {
            return Ok(self.clone());
        }
        let versions = self.versions().await?;
        // What is still to become a version only where there is nothing else.
        let newest = versions
            .iter()
            .max_by_key(|version| (version.pre.is_empty(), *version));
        newest
            .map(|version| self.with_tag(&tag(version)))
            .ok_or_else(|| StoreError::NotThere {
                reference: self.to_string(),
                has: String::new(),
            })
    }

    /// Fetches the pack, and sees that it is what its manifest says.
    pub async fn pull(&self) -> Result<Pulled, StoreError> {
        let place = self.resolve().await?;
        place.pull_exactly().await
    }

    async fn pull_exactly(&self) -> Result<Pulled, StoreError> {
        let (client, auth) = self.client()?;
        let reference = self.reference();
        let accepted = [OCI_IMAGE_MEDIA_TYPE];
        let raw = client.pull_manifest_raw(&reference, &auth, &accepted).await;
        let (bytes, _) = match raw {
            Ok(raw) => raw,
            Err(error) if is_absent(&error) => return Err(self.not_there().await),
            Err(OciDistributionError::DigestError(error)) => {
                return Err(self.wrong(format!("its manifest was changed: {error}")));
            }
            Err(error) => return Err(self.failed(&error)),
        };
        let manifest_digest = digest(&bytes);
        if let Some(wanted) = self
            .digest
            .as_ref()
            .filter(|wanted| **wanted != manifest_digest)
        {
            return Err(self.wrong(format!(
                "what the registry gives has the digest {manifest_digest}, and {wanted} was asked for"
            )));
        }
        let manifest: OciImageManifest = serde_json::from_slice(&bytes)
            .map_err(|error| self.wrong(format!("its manifest cannot be read: {error}")))?;
        if manifest.artifact_type.as_deref() != Some(ARTIFACT) {
            let kind = manifest
                .artifact_type
                .as_deref()
                .unwrap_or(&manifest.config.media_type);
            return Err(self.wrong(format!(
                "it is no pack, but {kind}; `ostro pack publish` makes packs of the type {ARTIFACT}"
            )));
        }
        self.check_size(&manifest)?;
        let mut files = Vec::with_capacity(manifest.layers.len());
        let mut signature = None;
        for layer in &manifest.layers {
            let title = layer.annotations.as_ref().and_then(|all| all.get(TITLE));
            let Some(title) = title else {
                return Err(self.wrong(format!("its layer {} has no title", layer.digest)));
            };
            let bytes = self.pull_layer(&client, &reference, layer, title).await?;
            if layer.media_type == SIGNATURE {
                let text = String::from_utf8(bytes);
                signature = Some(text.map_err(|_| self.wrong(format!("{title} is no text")))?);
            } else {
                files.push((title.clone(), bytes));
            }
        }
        let pack = Pack::from_files(files, &self.to_string())?;
        let said = manifest
            .annotations
            .as_ref()
            .and_then(|all| all.get(DIGEST));
        if let Some(said) = said.filter(|said| **said != pack.digest) {
            return Err(self.wrong(format!(
                "its files make the digest {}, and its manifest says {said}: it was edited",
                pack.digest
            )));
        }
        Ok(Pulled {
            pack,
            signature,
            manifest: manifest_digest,
        })
    }

    /// Sees that nothing larger is fetched than a pack may be.
    fn check_size(&self, manifest: &OciImageManifest) -> Result<(), StoreError> {
        let sizes = manifest
            .layers
            .iter()
            .map(|layer| u64::try_from(layer.size).unwrap_or(u64::MAX));
        let total = sizes.clone().fold(0, u64::saturating_add);
        if manifest.layers.len() > MAX_FILES || total > MAX_TOTAL || sizes.max() > Some(MAX_FILE) {
            return Err(self.wrong(format!(
                "it is larger than a pack may be: {MAX_FILES} files, {MAX_FILE} bytes a file, \
                 {MAX_TOTAL} bytes in all"
            )));
        }
        let signatures = manifest
            .layers
            .iter()
            .filter(|layer| layer.media_type == SIGNATURE);
        let sizes: Vec<usize> = signatures
            .map(|layer| usize::try_from(layer.size).unwrap_or(usize::MAX))
            .collect();
        if sizes.len() > 1 || sizes.iter().any(|size| *size > MAX_SIGNATURE) {
            return Err(
                self.wrong("it has more than one signature, or one that is none".to_owned())
            );
        }
        Ok(())
    }

    async fn pull_layer(
        &self,
        client: &Client,
        reference: &Reference,
        layer: &OciDescriptor,
        title: &str,
    ) -> Result<Vec<u8>, StoreError> {
        let size = usize::try_from(layer.size).unwrap_or_default();
        let mut bounded = Bounded {
            bytes: Vec::with_capacity(size),
            size,
        };
        let pulled = client.pull_blob(reference, layer, &mut bounded).await;
        let changed = |found: &str| {
            self.wrong(format!(
                "{title} has other bytes than its manifest says ({} is expected, {found}): the \
                 layer was changed or cut off in the registry or on the way",
                layer.digest
            ))
        };
        match pulled {
            Ok(()) if bounded.bytes.len() != size || digest(&bounded.bytes) != layer.digest => {
                Err(changed(&digest(&bounded.bytes)))
            }
            Ok(()) => Ok(bounded.bytes),
            Err(OciDistributionError::DigestError(DigestError::VerificationError {
                actual,
                ..
            })) => Err(changed(&actual)),
            Err(OciDistributionError::IoError(error))
                if error.kind() == io::ErrorKind::FileTooLarge =>
            {
                Err(changed("it is longer"))
            }
            Err(error) if is_absent(&error) => Err(self.wrong(format!(
                "{title} ({}) is not in the registry any more",
                layer.digest
            ))),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// The versions that the repository has packs of, in no order.
    pub async fn versions(&self) -> Result<Vec<Version>, StoreError> {
        let (client, auth) = self.client()?;
        let reference = self.with_tag("latest").reference();
        let mut tags = BTreeSet::new();
        let mut last: Option<String> = None;
        loop {
            let page = client
                .list_tags(&reference, &auth, Some(PAGE), last.as_deref())
                .await;
            let page = match page {
                Ok(page) => page.tags,
                Err(error) if is_absent(&error) => break,
                Err(error) => return Err(self.failed(&error)),
            };
            let known = tags.len();
            last = page.last().cloned();
            let is_full = page.len() >= PAGE;
            tags.extend(page);
            if !is_full || tags.len() == known {
                break;
            }
        }
        let versions = tags
            .iter()
            .filter_map(|tag| Version::parse(&tag.replace('_', "+")).ok());
        Ok(versions.collect())
    }

    /// How a pack stands to what the repository has: whether it is there, whether its version is
    /// another pack's, and whether it breaks what the newest version before it with the same major
    /// number has (before 1.0.0, the same minor one: <https://semver.org/#spec-item-4>).
    pub async fn standing(
        &self,
        pack: &Pack,
        signature: Option<&str>,
    ) -> Result<Standing, StoreError> {
        let version = &pack.manifest.version;
        let clear = |is_there| Standing {
            is_there,
            obstacle: None,
        };
        let refused = |obstacle| Standing {
            is_there: false,
            obstacle: Some(obstacle),
        };
        let versions = self.versions().await?;
        if versions.contains(version) {
            let there = self.with_tag(&tag(version)).pull_exactly().await?;
            if there.pack.digest != pack.digest {
                return Ok(refused(Obstacle::Exists(there.pack.digest)));
            }
            // A signature is added later without a new version.
            return Ok(clear(
                signature.is_none_or(|text| there.signature.as_deref() == Some(text)),
            ));
        }
        let series = |version: &Version| match version.major {
            0 => (0, version.minor),
            major => (major, 0),
        };
        let before = versions
            .iter()
            .filter(|old| old.pre.is_empty() && *old < version && series(old) == series(version));
        let Some(before) = before.max() else {
            return Ok(clear(false));
        };
        let old = self.with_tag(&tag(before)).pull_exactly().await?;
        let diff = PackDiff::new(&old.pack, pack);
        if diff.breaks() {
            return Ok(refused(Obstacle::Breaks(Box::new(diff))));
        }
        Ok(clear(false))
    }

    /// Pushes a pack, with its signature if it has one, tagged with its version and with the tag
    /// that was given. The version's tag comes last, when all else is there.
    pub async fn push(&self, pack: &Pack, signature: Option<&str>) -> Result<Pushed, StoreError> {
        let (client, auth) = self.client()?;
        client.store_auth_if_needed(&self.host, &auth).await;
        let version = tag(&pack.manifest.version);
        let mut components = Vec::with_capacity(pack.components.len());
        for component in &pack.components {
            let tag = format!("{}-{version}", component.name);
            let config = component_config(component);
            let manifest = component_manifest(pack, component, &config);
            self.push_blob(&client, &config).await?;
            self.push_blob(&client, &component.bytes).await?;
            self.push_manifest(&client, &tag, &manifest).await?;
            components.push(tag);
        }
        let manifest = pack_manifest(pack, signature);
        self.push_blob(&client, EMPTY.1).await?;
        for (_, bytes) in pack.files() {
            self.push_blob(&client, bytes).await?;
        }
        if let Some(signature) = signature {
            self.push_blob(&client, signature.as_bytes()).await?;
        }
        let mut tags: Vec<String> = self
            .tag
            .iter()
            .filter(|tag| **tag != version)
            .cloned()
            .collect();
        tags.push(version);
        let mut pushed = String::new();
        for tag in &tags {
            pushed = self.push_manifest(&client, tag, &manifest).await?;
        }
        Ok(Pushed {
            manifest: pushed,
            tags,
            components,
        })
    }

    async fn push_blob(&self, client: &Client, bytes: &[u8]) -> Result<(), StoreError> {
        let reference = self.with_tag("latest").reference();
        let name = digest(bytes);
        let known = client.blob_exists(&reference, &name).await;
        if known.map_err(|error| self.failed(&error))? {
            return Ok(());
        }
        let pushed = client.push_blob(&reference, bytes.to_vec(), &name).await;
        pushed.map(drop).map_err(|error| self.failed(&error))
    }

    async fn push_manifest(
        &self,
        client: &Client,
        tag: &str,
        manifest: &OciImageManifest,
    ) -> Result<String, StoreError> {
        let body = serde_json::to_vec(manifest).unwrap_or_default();
        let name = digest(&body);
        let kind = OCI_IMAGE_MEDIA_TYPE.parse();
        let kind = kind.map_err(|_| self.wrong("its media type is none".to_owned()))?;
        let reference = self.with_tag(tag).reference();
        let pushed = client.push_manifest_raw(&reference, body, kind).await;
        pushed.map_err(|error| self.failed(&error))?;
        Ok(name)
    }

    fn client(&self) -> Result<(Client, RegistryAuth), StoreError> {
        let protocol = if self.plain_http {
            ClientProtocol::HttpsExcept(vec![self.host.clone()])
        } else {
            ClientProtocol::Https
        };
        let config = ClientConfig {
            protocol,
            connect_timeout: Some(CONNECT),
            read_timeout: Some(SILENCE),
            user_agent: concat!("ostro/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        let client = Client::try_from(config).map_err(|error| self.failed(&error))?;
        Ok((client, credentials::of(&self.host)))
    }

    fn reference(&self) -> Reference {
        let (host, repository) = (self.host.clone(), self.repository.clone());
        match (&self.digest, &self.tag) {
            (Some(digest), _) => Reference::with_digest(host, repository, digest.clone()),
            (None, Some(tag)) => Reference::with_tag(host, repository, tag.clone()),
            (None, None) => Reference::with_tag(host, repository, "latest".to_owned()),
        }
    }

    fn wrong(&self, reason: String) -> StoreError {
        StoreError::Artifact {
            reference: self.to_string(),
            reason,
        }
    }

    fn failed(&self, error: &OciDistributionError) -> StoreError {
        StoreError::Registry {
            registry: self.host.clone(),
            reason: reason(error),
        }
    }

    /// That there is no such pack, with those that there are.
    async fn not_there(&self) -> StoreError {
        let mut versions = self.versions().await.unwrap_or_default();
        versions.sort();
        let known: Vec<String> = versions
            .iter()
            .rev()
            .take(10)
            .map(Version::to_string)
            .collect();
        StoreError::NotThere {
            reference: self.to_string(),
            has: if known.is_empty() {
                String::new()
            } else {
                format!(", which has {} of {}", known.join(", "), self.repository)
            },
        }
    }
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oci://{}/{}", self.host, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// Whether a host with an optional port is this machine.
fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let address: Result<std::net::IpAddr, _> = name.parse();
    name == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
