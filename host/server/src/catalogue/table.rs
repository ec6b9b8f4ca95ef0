//! Rows of one kind.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use indexmap::IndexMap;
use ostro_journal::Journal;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Tables;
use crate::fault::Fault;
use crate::identity::{Caller, Scope};

/// Something that is kept.
pub(crate) trait Kept: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What the journal calls its kind.
    const KIND: &'static str;

    /// What one is found by.
    type Name: Eq + Hash + Send + Sync;

    /// Its id.
    fn id(&self) -> &str;

    /// Its name.
    fn name(&self) -> Self::Name;

    /// Where it is kept.
    fn table_mut(tables: &mut Tables) -> &mut Table<Self>
    where
        Self: Sized;
}

/// Something that a project keeps: one of each name.
pub(crate) trait Owned: Kept {
    /// Its project.
    fn project(&self) -> &str;

    /// Who sees it.
    fn scope(&self) -> Scope;

    /// Whether its project shares it with this one.
    fn is_shared_with(&self, _project: &str) -> bool {
        false
    }

    /// Whether `caller`'s project sees it.
    fn is_seen_by(&self, caller: &Caller) -> bool {
        caller.sees(self.project(), self.scope()) || self.is_shared_with(&caller.project)
    }

    /// Its row in answers.
    fn row(&self) -> Map<String, Value>;
}

/// Rows by id, in the order in which they were first kept, and by name.
pub(crate) struct Table<T: Kept> {
    rows: IndexMap<String, Arc<T>>,
    /// The ids of those of each name.
    named: HashMap<T::Name, Vec<String>>,
    changes: u64,
}

impl<T: Kept> Default for Table<T> {
    fn default() -> Self {
        Self {
            rows: IndexMap::new(),
            named: HashMap::new(),
            changes: 0,
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
        let row = Arc::new(row);
        let before = self.rows.insert(row.id().to_owned(), Arc::clone(&row));
        if let Some(before) = before {
            self.unname(&before);
        }
        let named = self.named.entry(row.name()).or_default();
        named.push(row.id().to_owned());
        self.changes += 1;
    }

    pub(super) fn drop(&mut self, id: &str) {
        if let Some(row) = self.rows.shift_remove(id) {
            self.unname(&row);
            self.changes += 1;
        }
    }

    fn unname(&mut self, row: &T) {
        if let Some(named) = self.named.get_mut(&row.name()) {
            named.retain(|id| id != row.id());
            if named.is_empty() {
                self.named.remove(&row.name());
            }
        }
    }

    /// How often it has changed.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// All rows.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<T>> {
        self.rows.values()
    }

    /// The row with this id.
    pub(crate) fn get(&self, id: &str) -> Option<&T> {
        self.rows.get(id).map(|row| &**row)
    }

    /// The rows of this name.
    pub(crate) fn named(&self, name: &T::Name) -> impl Iterator<Item = &T> + use<'_, T> {
        let ids = self.named.get(name).into_iter().flatten();
        ids.filter_map(|id| self.get(id))
    }
}

impl<T: Owned> Table<T> {
    /// The rows that `caller` sees.
    pub(crate) fn seen<'a>(&'a self, caller: &'a Caller) -> impl Iterator<Item = &'a Arc<T>> {
        self.all().filter(|row| row.is_seen_by(caller))
    }

    /// The row with this id, if `caller` sees it; an administrator sees it whosever it is.
    pub(crate) fn with_id(&self, caller: &Caller, id: &str) -> Option<&T> {
        self.get(id)
            .filter(|row| caller.is_admin || row.is_seen_by(caller))
    }

    /// The row of this name that `caller` sees: their own before others'.
    pub(crate) fn find(&self, caller: &Caller, name: &T::Name) -> Option<&T> {
        let seen = self.named(name).filter(|row| row.is_seen_by(caller));
        seen.max_by_key(|row| row.project() == caller.project)
    }

    /// The row of this name that is `caller`'s own.
    pub(crate) fn own(&self, caller: &Caller, name: &T::Name) -> Option<&T> {
        self.named(name).find(|row| row.project() == caller.project)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::member::{Member, Status};

    fn member(id: &str, name: &str) -> Member {
        Member {
            id: id.to_owned(),
            workflow: "w".to_owned(),
            owner: "one".to_owned(),
            member: name.to_owned(),
            status: Status::Pending,
            created_at: 0,
            updated_at: None,
        }
    }

    #[test]
    fn names_that_nothing_has_any_more_are_forgotten() {
        let mut table = Table::default();
        for number in 0..10 {
            table.put(member("a", &number.to_string()));
            table.put(member("b", "9"));
        }
        let named = |table: &Table<Member>, name: &str| {
            table.named(&("w".to_owned(), name.to_owned())).count()
        };
        assert_eq!((named(&table, "9"), named(&table, "8")), (2, 0));
        assert_eq!(table.named.len(), 1);
        table.drop("a");
        table.drop("b");
        assert_eq!((table.named.len(), table.rows.len()), (0, 0));
    }
}
