//! What the executions of a project run by, made of what it sees.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use indexmap::IndexMap;
use ostro_core::Value;
use ostro_journal::{Blob, Digest};
use ostro_lang::{Parsed, parse};
use ostro_runtime::{File, Library, WorkflowId};

use super::definition::Kind;
use super::{Kept as _, Tables};
use crate::actions::Actions;
use crate::identity::Caller;

/// The libraries of all projects that have asked for theirs.
pub(super) struct Libraries {
    actions: Arc<dyn Actions>,
    /// By project.
    known: Mutex<HashMap<String, Known>>,
}

/// The library of a project.
#[derive(Clone)]
struct Known {
    /// How often definitions had changed when it was made.
    changes: u64,
    /// None once there are other actions than when it was made.
    library: Option<Arc<Library>>,
    /// Its texts, so that the next one need parse what is new alone.
    texts: Arc<Texts>,
}

/// What texts define, by their names and digests.
type Texts = HashMap<(String, Digest), Parsed>;

impl Libraries {
    pub(super) fn new(actions: Arc<dyn Actions>) -> Self {
        Self {
            actions,
            known: Mutex::default(),
        }
    }

    pub(super) fn actions(&self) -> &Arc<dyn Actions> {
        &self.actions
    }

    /// The library of `caller`'s project, if nothing has changed since it was made.
    pub(super) fn fresh(&self, caller: &Caller, tables: &Tables) -> Option<Arc<Library>> {
        let known = self.known(caller)?;
        let library = known.library?;
        let is_fresh = known.changes == tables.definitions.changes()
            && *library.origin() == self.actions.origin();
        is_fresh.then_some(library)
    }

    /// Keeps no library any more that has other actions than there are now.
    pub(super) fn renew(&self) {
        let origin = self.actions.origin();
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let stale = all
            .values_mut()
            .filter_map(|known| known.library.take_if(|library| *library.origin() != origin));
        // Whatever goes with them goes after the lock is free.
        let stale: Vec<Arc<Library>> = stale.collect();
        drop(all);
        drop(stale);
    }

    /// The library of `caller`'s project, made anew of what it sees. Takes as long as the texts take
    /// that are new.
    pub(super) fn make(&self, caller: &Caller, seen: Seen) -> Arc<Library> {
        let before = self.known(caller);
        let mut texts = Texts::new();
        let files = seen.files.into_iter().map(|file| {
            let digest = Blob::new(file.text.as_bytes()).digest();
            let key = (file.name.clone(), digest);
            let known = before.as_ref().and_then(|before| before.texts.get(&key));
            let parsed = known
                .cloned()
                .unwrap_or_else(|| parse(&file.text, &file.name));
            texts.insert(key, parsed.clone());
            (file, parsed)
        });
        let library = Library::parsed(files.collect(), Value::Null);
        let (origin, runner) = self.actions.runner(Arc::clone(library.definitions()));
        let library = library
            .with_origin(origin)
            .with_ids(seen.ids)
            .with_runner(runner);
        let library = Arc::new(library);
        let known = Known {
            changes: seen.changes,
            library: Some(Arc::clone(&library)),
            texts: Arc::new(texts),
        };
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = all.insert(caller.project.clone(), known);
        drop(all);
        drop(before);
        library
    }

    fn known(&self, caller: &Caller) -> Option<Known> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&caller.project).cloned()
    }
}

/// What a project sees: all that its library is made of, so that nobody waits for the tables while
/// it is.
pub(super) struct Seen {
    files: Vec<File>,
    ids: Vec<WorkflowId>,
    /// How often definitions had changed.
    changes: u64,
}

impl Seen {
    pub(super) fn by(caller: &Caller, tables: &Tables) -> Self {
        Self {
            files: files(caller, tables),
            ids: ids(caller, tables),
            changes: tables.definitions.changes(),
        }
    }
}

/// Each text once, with the names of what is meant of it.
fn files(caller: &Caller, tables: &Tables) -> Vec<File> {
    let mut files: IndexMap<(&str, &str), File> = IndexMap::new();
    for one in visible(caller, tables) {
        let text = one.runs_by(tables);
        let file = files
            .entry((one.namespace.as_str(), text))
            .or_insert_with(|| File {
                namespace: one.namespace.clone(),
                ..File::new(&one.name, text)
            });
        file.only.push(one.name.clone());
    }
    files.into_values().collect()
}

fn ids(caller: &Caller, tables: &Tables) -> Vec<WorkflowId> {
    visible(caller, tables)
        .filter(|one| one.kind == Kind::Workflow)
        .map(|one| WorkflowId {
            namespace: one.namespace.clone(),
            name: one.name.clone(),
            id: one.id.clone(),
        })
        .collect()
}

/// What can run, the project's own before what others share.
fn visible<'a>(
    caller: &'a Caller,
    tables: &'a Tables,
) -> impl Iterator<Item = &'a Arc<super::Definition>> {
    let of = move |own: bool| {
        let seen = tables.definitions.seen(caller);
        seen.filter(move |one| (one.project == caller.project) == own)
    };
    let others = of(false).filter(move |one| tables.definitions.own(caller, &one.name()).is_none());
    of(true)
        .chain(others)
        .filter(|one| one.kind != Kind::Workbook)
}
