//! What the journal keeps of an execution, as bytes.

use std::sync::Arc;

use ostro_engine::{Event, EventKind, Execution};
use ostro_journal::{Blob, Journal, JournalError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::RuntimeError;

/// What happened to an execution, in the order of the journal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Entry {
    /// It was created. The first entry, and once.
    Created(Box<Execution>),
    /// An event on which the engine decided.
    Happened(Event),
}

/// What an execution has to say to another one.
pub(crate) type Letter = EventKind;

/// Something as bytes, with its large values apart.
pub(crate) struct Encoded {
    pub(crate) body: Arc<[u8]>,
    pub(crate) values: Vec<Blob>,
}

/// Writes `data` as bytes.
pub(crate) fn encode<T: Serialize>(data: &T) -> Encoded {
    // What is written are values and plain structs, which all have a JSON form.
    let body = serde_json::to_vec(data).unwrap_or_default();
    Encoded {
        body: body.into(),
        values: Vec::new(),
    }
}

/// Reads what [`encode`] wrote.
pub(crate) fn decode<T: DeserializeOwned>(
    journal: &Journal,
    what: &str,
    body: &[u8],
) -> Result<T, RuntimeError> {
    serde_json::from_slice(body).map_err(|error| {
        RuntimeError::from(JournalError::Corrupt {
            path: journal.path().to_owned(),
            detail: format!("{what} cannot be read: {error}"),
        })
    })
}
