//! Queues, messages and claims as the journal keeps them: a document each.

use std::collections::HashMap;

use ostro_journal::{Document, Journal};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::project::State;
use crate::fault::Fault;

/// Something that is kept.
pub(super) trait Kept: Serialize + DeserializeOwned {
    /// What the journal calls its kind.
    const KIND: &'static str;

    fn id(&self) -> &str;
}

/// A queue, without what is in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Queue {
    pub(super) id: String,
    pub(super) project: String,
    pub(super) name: String,
    pub(super) metadata: Map<String, Value>,
}

/// A message. All times are in seconds since 1970 UTC.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Message {
    pub(super) id: String,
    /// The id of its queue.
    pub(super) queue: String,
    /// Its place there.
    pub(super) rank: u64,
    pub(super) ttl: i64,
    pub(super) created: i64,
    pub(super) expires: i64,
    /// Until when it is not to be seen.
    pub(super) delayed: i64,
    /// Who posted it.
    pub(super) client: String,
    /// The id of its claim, and when that ends.
    pub(super) claim: Option<(String, i64)>,
    pub(super) claim_count: i64,
    pub(super) body: Value,
    /// How large it is, in bytes.
    #[serde(skip)]
    pub(super) size: usize,
}

/// A claim. Times as those of messages.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Claim {
    pub(super) id: String,
    /// The id of its queue.
    pub(super) queue: String,
    pub(super) ttl: i64,
    pub(super) expires: i64,
}

impl Kept for Queue {
    const KIND: &'static str = "zaqar_queue";

    fn id(&self) -> &str {
        &self.id
    }
}

impl Kept for Message {
    const KIND: &'static str = "zaqar_message";

    fn id(&self) -> &str {
        &self.id
    }
}

impl Kept for Claim {
    const KIND: &'static str = "zaqar_claim";

    fn id(&self) -> &str {
        &self.id
    }
}

/// What the journal calls a row.
pub(super) fn document<T: Kept>(id: &str) -> Document {
    Document {
        kind: T::KIND,
        id: id.to_owned(),
    }
}

/// A row as the journal keeps it.
pub(super) fn body<T: Kept>(row: &T) -> Vec<u8> {
    // Rows have a JSON form, whatever they hold.
    serde_json::to_vec(row).unwrap_or_default()
}

/// What the journal has of each project.
pub(super) fn read(journal: &Journal) -> Result<HashMap<String, State>, Fault> {
    let mut projects: HashMap<String, State> = HashMap::new();
    let mut owners: HashMap<String, (String, String)> = HashMap::new();
    for (queue, _) in rows::<Queue>(journal)? {
        owners.insert(
            queue.id.clone(),
            (queue.project.clone(), queue.name.clone()),
        );
        let state = projects.entry(queue.project.clone()).or_default();
        state.put_queue(queue);
    }
    for (claim, _) in rows::<Claim>(journal)? {
        if let Some((project, name)) = owners.get(&claim.queue) {
            let state = projects.entry(project.clone()).or_default();
            state.put_claim(name, claim);
        }
    }
    for (mut message, size) in rows::<Message>(journal)? {
        message.size = size;
        if let Some((project, name)) = owners.get(&message.queue) {
            let state = projects.entry(project.clone()).or_default();
            state.put_message(name, message);
        }
    }
    Ok(projects)
}

/// All rows of a kind, with their sizes.
fn rows<T: Kept>(journal: &Journal) -> Result<Vec<(T, usize)>, Fault> {
    let mut rows = Vec::new();
    for (id, body) in journal.documents(T::KIND)? {
        match serde_json::from_slice(&body) {
            Ok(row) => rows.push((row, body.len())),
            // One that a newer version wrote is left where it is, for that one.
            Err(error) => {
                tracing::error!(kind = T::KIND, id, %error, "cannot be read, and is left aside");
            }
        }
    }
    Ok(rows)
}
