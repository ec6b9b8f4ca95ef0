//! The definitions that executions run by.

use std::sync::Arc;

use ostro_core::Value;
use ostro_journal::{Blob, Digest};
use ostro_lang::{Definitions, parse};
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
    /// In the order in which they were read.
    files: Vec<File>,
    origin: Value,
}

/// A file with definitions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Its name, for messages.
    pub name: String,
    /// The namespace that its definitions belong to; empty for the default one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// What stands in it.
    pub text: String,
}

impl File {
    /// A file of the default namespace.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            namespace: String::new(),
            text: text.into(),
        }
    }
}

impl Library {
    /// What `files` define. `origin` is what the caller wants to know again after a restart:
    /// where the actions came from, for instance.
    pub fn new(files: Vec<File>, origin: Value) -> Self {
        let mut definitions = Definitions::new();
        for file in &files {
            definitions.add_to(&file.namespace, parse(&file.text, &file.name));
        }
        let stored = Stored { files, origin };
        // Texts and values are JSON whatever they hold.
        let bytes = serde_json::to_vec(&stored).unwrap_or_default();
        Self {
            definitions: Arc::new(definitions),
            origin: stored.origin,
            stored: Blob::new(bytes),
        }
    }

    /// The same as it was stored; the error says why it cannot be read.
    pub fn restore(bytes: &[u8]) -> Result<Self, String> {
        let stored: Stored = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        Ok(Self::new(stored.files, stored.origin))
    }

    /// Where the actions of a stored library came from, without parsing what it defines; the error
    /// says why it cannot be read.
    pub fn origin_of(bytes: &[u8]) -> Result<Value, String> {
        #[derive(Deserialize)]
        struct Origin {
            origin: Value,
        }
        let stored: Origin = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        Ok(stored.origin)
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
