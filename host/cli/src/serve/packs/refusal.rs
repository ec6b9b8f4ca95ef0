//! Why something was not done, for callers.

use ostro_packs::PackError;
use ostro_server::{PackRefusal, PackRefusalKind};
use ostro_store::StoreError;
use serde_json::Value;

use crate::errors;
use crate::pack::obstacle::Obstacle;

/// It cannot be done as things stand.
pub(super) fn conflict(message: String, review: Option<Value>) -> PackRefusal {
    PackRefusal {
        kind: PackRefusalKind::Conflict,
        message,
        review,
    }
}

/// What was sent is wrong.
pub(super) fn invalid(message: String) -> PackRefusal {
    PackRefusal {
        kind: PackRefusalKind::Invalid,
        message,
        review: None,
    }
}

/// Why what a command does cannot be done either when it is asked for over HTTP.
pub(super) fn refused(error: impl Into<anyhow::Error>) -> PackRefusal {
    let error = error.into();
    PackRefusal {
        kind: kind(&error),
        message: errors::told(&error),
        review: None,
    }
}

fn kind(error: &anyhow::Error) -> PackRefusalKind {
    use PackRefusalKind::{Conflict, Invalid, Unavailable, Unknown};
    for cause in error.chain() {
        if let Some(error) = cause.downcast_ref::<StoreError>() {
            return match error {
                StoreError::Unknown(_) => Unknown,
                StoreError::Refused(_) => Conflict,
                StoreError::Io { .. }
                | StoreError::Record { .. }
                | StoreError::Object { .. }
                | StoreError::Registry { .. } => Unavailable,
                StoreError::Pack(_)
                | StoreError::Source { .. }
                | StoreError::Minisign { .. }
                | StoreError::BadSignature { .. }
                | StoreError::NotThere { .. }
                | StoreError::Artifact { .. } => Invalid,
            };
        }
        if cause.downcast_ref::<PackError>().is_some() {
            return Invalid;
        }
        let is_io = cause.downcast_ref::<std::io::Error>().is_some()
            || cause
                .downcast_ref::<ostro_journal::JournalError>()
                .is_some();
        if is_io {
            return Unavailable;
        }
    }
    // The commands say so themselves.
    Conflict
}

impl From<Obstacle> for PackRefusal {
    fn from(obstacle: Obstacle) -> Self {
        let what = match &obstacle {
            Obstacle::Digest(_) => "nothing was installed: it is not the pack that digest names",
            Obstacle::Lock(_) => {
                "if that is meant to be so, update=true installs what is there now"
            }
            Obstacle::Unsigned(_) => {
                "`minisign -S -m FILE` signs what `ostro pack build` made, and the header \
                 ostro-signature has the signature in base64"
            }
            Obstacle::Untrusted(..) => {
                "`ostro pack trust add KEY.pub` beside the server trusts a key, once you know \
                 whose it is"
            }
        };
        conflict(format!("{obstacle}; {what}"), None)
    }
}
