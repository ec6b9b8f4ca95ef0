//! What the journal keeps of delegations.

use ostro_journal::{Document, Journal, Turn};
use ostro_openstack::Delegation;
use serde::{Deserialize, Serialize};

use crate::fault::Fault;

/// A delegation, by the id of its execution or trigger.
const DELEGATION: &str = "delegation";

/// A trust that nobody needs any more and that is to be deleted, by its id.
const ENDED: &str = "ended-trust";

/// What a delegation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Of {
    /// A root execution, with all below it.
    Execution,
    /// What a cron trigger or an event trigger starts.
    Trigger,
}

/// What it acts by.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum By {
    /// The trust with this id.
    Trust(String),
    /// A token that is in memory only, since no trust could be made, and why.
    Token(String),
    /// Another cloud, with a token that is in memory only, and where it is.
    Target(String),
}

/// A delegation as it is kept. Nothing of it is a secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) of: Of,
    pub(super) by: By,
}

impl Kept {
    pub(super) fn all(journal: &Journal) -> Result<Vec<(String, Self)>, Fault> {
        let mut all = Vec::new();
        for (id, body) in journal.documents(DELEGATION)? {
            match serde_json::from_slice(&body) {
                Ok(kept) => all.push((id, kept)),
                // One that a newer version wrote is left where it is, for that one.
                Err(error) => {
                    tracing::error!(id, %error, "a delegation cannot be read, and is left aside");
                }
            }
        }
        Ok(all)
    }

    pub(super) fn put(&self, id: &str, turn: &mut Turn) {
        // It has a JSON form, whatever it holds.
        let body = serde_json::to_vec(self).unwrap_or_default();
        turn.document(document(DELEGATION, id), Some(body));
    }

    pub(super) fn drop(id: &str, turn: &mut Turn) {
        turn.document(document(DELEGATION, id), None);
    }

    /// What is left of it when the host has started again.
    pub(super) fn after_restart(self) -> Delegation {
        match self.by {
            By::Trust(trust) => Delegation::Trust(trust.into()),
            By::Token(reason) => Delegation::Lost(
                format!(
                    "the token that this execution acted with was only in the memory of the \
                     host, which has started again since: start it again (no trust could take \
                     its place: {reason})"
                )
                .into(),
            ),
            By::Target(origin) => Delegation::Lost(
                format!(
                    "the token for the target cloud {origin} was only in the memory of the host, \
                     which has started again since: start the execution again with a new \
                     X-Target-Auth-Token"
                )
                .into(),
            ),
        }
    }
}

/// The trusts that are to be deleted.
pub(super) fn ended(journal: &Journal) -> Result<Vec<String>, Fault> {
    let trusts = journal.documents(ENDED)?.into_iter();
    Ok(trusts.map(|(trust, _)| trust).collect())
}

/// Has a trust deleted.
pub(super) fn end(trust: &str, turn: &mut Turn) {
    turn.document(document(ENDED, trust), Some(b"{}".to_vec()));
}

/// A trust has been deleted.
pub(super) fn is_gone(trust: &str, turn: &mut Turn) {
    turn.document(document(ENDED, trust), None);
}

fn document(kind: &'static str, id: &str) -> Document {
    Document {
        kind,
        id: id.to_owned(),
    }
}
