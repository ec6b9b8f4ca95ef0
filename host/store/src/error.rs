//! What can be wrong with installed packs, and with fetching them.

use std::path::PathBuf;

use ostro_packs::PackError;
use thiserror::Error;

/// What is wrong with a store, a source or a signature, where, and what to do.
#[derive(Debug, Error)]
pub enum StoreError {
    /// A file or folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The pack itself is wrong.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The record of what is installed cannot be read.
    #[error("{}: {reason}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// An installed pack is not there any more, or is another.
    #[error("{}: {name} {version} is damaged: {reason}; `ostro pack install {from}` brings it back", path.display())]
    Object {
        /// The file.
        path: PathBuf,
        /// The pack.
        name: String,
        /// Its version.
        version: String,
        /// What is wrong.
        reason: String,
        /// Where it came from.
        from: String,
    },
    /// No version that is installed is meant.
    #[error("{0}")]
    Unknown(String),
    /// Something cannot be done as things stand.
    #[error("{0}")]
    Refused(String),
    /// A text that names neither a file nor a place in a registry.
    #[error("{text}: {reason}")]
    Source {
        /// The text.
        text: String,
        /// What is wrong.
        reason: String,
    },
    /// A file that should be a minisign key or signature is something else.
    #[error("{what}: {reason}")]
    Minisign {
        /// Which.
        what: String,
        /// What is wrong.
        reason: String,
    },
    /// A signature of a trusted key is for other bytes.
    #[error(
        "{what}: its signature is of the trusted key {key}, and does not fit: the pack was changed after it was signed, or the signature is another pack's"
    )]
    BadSignature {
        /// The pack.
        what: String,
        /// The key.
        key: String,
    },
    /// A registry cannot be reached, or does not do what it was asked for.
    #[error("registry {registry}: {reason}")]
    Registry {
        /// Its host and port.
        registry: String,
        /// Why.
        reason: String,
    },
    /// A registry does not have something.
    #[error("{reference}: there is no such pack in the registry{has}")]
    NotThere {
        /// What was asked for.
        reference: String,
        /// What there is instead.
        has: String,
    },
    /// What a registry has is no pack, or not the one that it says.
    #[error("{reference}: {reason}")]
    Artifact {
        /// What was asked for.
        reference: String,
        /// What is wrong.
        reason: String,
    },
}

impl StoreError {
    /// An error of the file system at `path`.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
