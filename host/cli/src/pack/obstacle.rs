//! What a pack has to be like to be installed, however that is asked for.

use ostro_packs::{Grants, Pack};
use ostro_store::{Fetched, Record, Signer, StoreError, Verdict};
use thiserror::Error;

/// Why a pack is not installed. What to do about it depends on how it was asked for.
#[derive(Debug, Error)]
pub(crate) enum Obstacle {
    /// It has another digest than the one that is wanted.
    #[error("{0}")]
    Digest(String),
    /// Its reference or its version had another digest before.
    #[error(transparent)]
    Lock(StoreError),
    /// Nobody has signed it.
    #[error("{0} is not signed")]
    Unsigned(String),
    /// Somebody has whose key is not trusted.
    #[error("{0} is signed with the key {1}, which is not trusted")]
    Untrusted(String, String),
}

/// What a pack asks for that was not accepted yet.
#[derive(Debug)]
pub(crate) struct Asks {
    /// The beginning of a sentence about it.
    pub(crate) asks: String,
    /// What it is.
    pub(crate) beyond: Grants,
}

/// Sees that it is the pack that is wanted.
pub(crate) fn check_digest(fetched: &Fetched, wanted: Option<&str>) -> Result<(), Obstacle> {
    let Some(wanted) = wanted else {
        return Ok(());
    };
    let found = [Some(&fetched.pack.digest), fetched.manifest.as_ref()];
    if found.into_iter().flatten().any(|digest| digest == wanted) {
        return Ok(());
    }
    let manifest = fetched.manifest.as_ref();
    let manifest = manifest.map(|digest| format!(", and its manifest {digest}"));
    Err(Obstacle::Digest(format!(
        "{} has the digest {}{}, not {wanted}",
        fetched.source,
        fetched.pack.digest,
        manifest.unwrap_or_default()
    )))
}

/// Sees that it takes nothing's place, unless that is meant.
pub(crate) fn check_lock(record: &Record, fetched: &Fetched, update: bool) -> Result<(), Obstacle> {
    if update {
        return Ok(());
    }
    let manifest = &fetched.pack.manifest;
    let reference = fetched.reference.as_deref();
    record
        .check_lock(
            &manifest.name,
            &manifest.version,
            &fetched.pack.digest,
            reference,
        )
        .map_err(Obstacle::Lock)
}

/// Who signed it, or nobody where that is allowed.
pub(crate) fn signer(
    verdict: Verdict,
    allow_unsigned: bool,
    shown: &str,
) -> Result<Option<Signer>, Obstacle> {
    match verdict {
        Verdict::Signed(signer) => Ok(Some(signer)),
        Verdict::Unsigned | Verdict::Untrusted(_) if allow_unsigned => Ok(None),
        Verdict::Unsigned => Err(Obstacle::Unsigned(shown.to_owned())),
        Verdict::Untrusted(key) => Err(Obstacle::Untrusted(shown.to_owned(), key)),
    }
}

/// What a pack is granted, where all that it asks for was accepted before, for this version or
/// any other.
pub(crate) fn known_grants(record: &Record, pack: &Pack) -> Result<Grants, Box<Asks>> {
    if let Some(installed) = record.by_digest(&pack.digest) {
        return Ok(installed.grants.clone());
    }
    let asked = &pack.manifest.grants;
    let known = record.packs.get(&pack.manifest.name);
    let mut beyond = Grants::default().beyond(asked);
    for version in known.iter().flat_map(|packs| &packs.versions) {
        beyond = beyond.and_then(|beyond| version.grants.beyond(&beyond));
    }
    let Some(beyond) = beyond else {
        return Ok(asked.clone());
    };
    let name = format!("{} {}", pack.manifest.name, pack.manifest.version);
    let asks = if known.is_none() {
        format!("{name} asks to be granted")
    } else {
        format!("{name} asks for more than was accepted before")
    };
    Err(Box::new(Asks { asks, beyond }))
}
