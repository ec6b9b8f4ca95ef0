//! The definitions that executions run by.

use std::sync::Arc;

use ostro_core::Value;
use ostro_journal::{Blob, Digest};
use ostro_lang::Definitions;
use serde::{Deserialize, Serialize};

/// The definitions of some executions, with their text: an execution goes on after a restart by
/// the definitions with which it started, whatever has become of the files.
#[derive(Clone, Debug)]
pub struct Library {
    definitions: Arc<Definitions>,
    origin: Value,
    stored: Blob,
}

/// As it is kept.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// Name and text of each file, in the order in which they were read.
    files: Vec<(String, String)>,
    origin: Value,
}

impl Library {
    /// What `files` define, each a name and its text. `origin` is what the caller wants to know
    /// again after a restart: where the actions came from, for instance.
    pub fn new(files: Vec<(String, String)>, origin: Value) -> Self {
        let parsed = files
            .iter()
            .map(|(name, text)| ostro_lang::parse(text, name));
        let definitions = Arc::new(parsed.collect());
        let stored = Stored { files, origin };
        // Texts and values are JSON whatever they hold.
        let bytes = serde_json::to_vec(&stored).unwrap_or_default();
        Self {
            definitions,
            origin: stored.origin,
            stored: Blob::new(bytes),
        }
    }

    /// The same as it was stored; the error says why it cannot be read.
    pub fn restore(bytes: &[u8]) -> Result<Self, String> {
        let stored: Stored = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        Ok(Self::new(stored.files, stored.origin))
    }

    /// What the files define.
    pub fn definitions(&self) -> &Arc<Definitions> {
        &self.definitions
    }

    /// What the caller wanted to know again.
    pub fn origin(&self) -> &Value {
        &self.origin
    }

    pub(crate) fn blob(&self) -> &Blob {
        &self.stored
    }

    pub(crate) fn digest(&self) -> Digest {
        self.stored.digest()
    }
}

/// Definitions whose text is not known. Executions of a runtime that keeps them in memory need none.
impl From<Arc<Definitions>> for Library {
    fn from(definitions: Arc<Definitions>) -> Self {
        Self {
            definitions,
            origin: Value::Null,
            stored: Blob::new(Vec::new()),
        }
    }
}
