//! What the journal keeps of an execution, as bytes.

use std::sync::Arc;

use ostro_core::stored::{self, LoadError, SaveError, Saved};
use ostro_engine::{Event, EventKind, Execution};
use ostro_journal::{Blob, Digest, Journal, JournalError, Turn};
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
    body: Arc<[u8]>,
    values: Vec<Blob>,
}

impl Encoded {
    /// Has `turn` store the large values: the body, and what it refers to.
    pub(crate) fn store(self, turn: &mut Turn) -> (Arc<[u8]>, Vec<Digest>) {
        let digests = self.values.iter().map(Blob::digest).collect();
        for value in self.values {
            turn.value(value);
        }
        (self.body, digests)
    }
}

/// Writes `data` as bytes. The error is that it nests deeper than what is read again.
pub(crate) fn encode<T: Serialize>(data: &T) -> Result<Encoded, SaveError> {
    let Saved { body, values } = stored::save(data)?;
    let values = values
        .into_iter()
        .map(|value| Blob::with_digest(Digest::from_bytes(value.digest), value.bytes))
        .collect();
    let body = body.into();
    Ok(Encoded { body, values })
}

/// Reads what [`encode`] wrote.
pub(crate) fn decode<T: DeserializeOwned>(
    journal: &Journal,
    what: &str,
    body: &[u8],
) -> Result<T, RuntimeError> {
    decode_sized(journal, what, body).map(|(data, _)| data)
}

/// As [`decode`], with how many bytes were read.
pub(crate) fn decode_sized<T: DeserializeOwned>(
    journal: &Journal,
    what: &str,
    body: &[u8],
) -> Result<(T, usize), RuntimeError> {
    let mut size = body.len();
    let mut fetch = |digest: &stored::Digest| -> Result<Option<Arc<[u8]>>, JournalError> {
        let value = journal.value(&Digest::from_bytes(*digest))?;
        size += value.as_ref().map_or(0, Vec::len);
        Ok(value.map(Into::into))
    };
    let loaded = stored::load(body, &mut fetch).map_err(|error| match error {
        LoadError::Fetch(error) => error.into(),
        other => RuntimeError::from(JournalError::Corrupt {
            path: journal.path().to_owned(),
            detail: format!("{what} cannot be read: {other}"),
        }),
    });
    Ok((loaded?, size))
}
