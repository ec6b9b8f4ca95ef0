//! How far deliveries are, as the journal keeps it.

use ostro_core::ExecutionId;
use ostro_journal::{Document, Journal, Turn};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::publisher::Publisher;
use crate::fault::Fault;

/// A receiver that an execution names.
const HOOK: &str = "webhook";
/// A receiver of the operator's, by what it is asked for.
const EVERYTHING: &str = "webhook-of-all";

/// A receiver that an execution names. It is kept beside the execution's params, since it is told
/// of the end also of one that was deleted right after it.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) root: ExecutionId,
    pub(super) project: String,
    pub(super) publisher: Value,
    /// The number of the last change that needs no delivery any more.
    pub(super) position: u64,
}

impl Kept {
    pub(super) fn all(journal: &Journal) -> Result<Vec<(String, Self)>, Fault> {
        let mut all = Vec::new();
        for (id, body) in journal.documents(HOOK)? {
            match serde_json::from_slice(&body) {
                Ok(kept) => all.push((id, kept)),
                // One that a newer version wrote is left where it is, for that one.
                Err(error) => {
                    tracing::error!(id, %error, "a webhook cannot be read, and is left aside");
                }
            }
        }
        Ok(all)
    }

    pub(super) fn put(&self, id: &str, turn: &mut Turn) {
        // It has a JSON form, whatever it holds.
        let body = serde_json::to_vec(self).unwrap_or_default();
        turn.document(document(HOOK, id), Some(body));
    }

    pub(super) fn drop(id: &str, turn: &mut Turn) {
        turn.document(document(HOOK, id), None);
    }
}

/// What a receiver of the operator's is known by: where it is and what it wants. Whoever gets
/// other headers is the same.
pub(super) fn key(publisher: &Publisher) -> String {
    let name = publisher.identity();
    Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()).to_string()
}

/// The positions of the operator's receivers, by their keys.
pub(super) fn positions(journal: &Journal) -> Result<Vec<(String, u64)>, Fault> {
    let documents = journal.documents(EVERYTHING)?.into_iter();
    let read = documents.filter_map(|(key, body)| {
        let position = serde_json::from_slice(&body).ok()?;
        Some((key, position))
    });
    Ok(read.collect())
}

/// Notes how far one of the operator's receivers is; none where it is one no more.
pub(super) fn put_position(key: &str, position: Option<u64>, turn: &mut Turn) {
    let body = position.map(|position| position.to_string().into_bytes());
    turn.document(document(EVERYTHING, key), body);
}

fn document(kind: &'static str, id: &str) -> Document {
    Document {
        kind,
        id: id.to_owned(),
    }
}
