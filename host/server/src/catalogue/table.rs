//! Rows of one kind.

use std::sync::Arc;

use indexmap::IndexMap;
use ostro_journal::Journal;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Tables;
use crate::fault::Fault;
use crate::identity::{Caller, Scope};

/// Something that is kept.
pub(crate) trait Kept: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What the journal calls its kind.
    const KIND: &'static str;

    /// Its id.
    fn id(&self) -> &str;

    /// Its project, and who sees it; none where it is nobody's.
    fn owner(&self) -> Option<(&str, Scope)>;

    /// Where it is kept.
    fn table_mut(tables: &mut Tables) -> &mut Table<Self>
    where
        Self: Sized;
}

/// Rows by id, in the order in which they were first kept.
pub(crate) struct Table<T> {
    rows: IndexMap<String, Arc<T>>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            rows: IndexMap::new(),
        }
    }
}

impl<T: Kept> Table<T> {
    pub(super) fn read(journal: &Journal) -> Result<Self, Fault> {
        let mut table = Self::default();
        for (id, body) in journal.documents(T::KIND)? {
            match serde_json::from_slice::<T>(&body) {
                Ok(row) => table.put(row),
                // One that a newer version wrote is left where it is, for that one.
                Err(error) => {
                    tracing::error!(kind = T::KIND, id, %error, "cannot be read, and is left aside");
                }
            }
        }
        Ok(table)
    }

    pub(super) fn put(&mut self, row: T) {
        self.rows.insert(row.id().to_owned(), Arc::new(row));
    }

    pub(super) fn drop(&mut self, id: &str) {
        self.rows.shift_remove(id);
    }

    /// All rows.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<T>> {
        self.rows.values()
    }

    /// The rows that `caller` sees.
    pub(crate) fn seen<'a>(&'a self, caller: &'a Caller) -> impl Iterator<Item = &'a Arc<T>> {
        self.all().filter(|row| {
            row.owner()
                .is_none_or(|(project, scope)| caller.sees(project, scope))
        })
    }

    /// The row with this id.
    pub(crate) fn get(&self, id: &str) -> Option<&Arc<T>> {
        self.rows.get(id)
    }
}
