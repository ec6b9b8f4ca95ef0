//! What the executions of a project run by, made of what it sees.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use indexmap::IndexMap;
use ostro_runtime::{File, Library, WorkflowId};

use super::Tables;
use super::definition::Kind;
use crate::actions::Actions;
use crate::identity::Caller;

/// The libraries of all projects that have asked for theirs.
pub(super) struct Libraries {
    actions: Arc<dyn Actions>,
    /// By project, with the version of the definitions that they are of.
    known: Mutex<HashMap<String, (u64, Arc<Library>)>>,
}

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

    /// The library of `caller`'s project.
    pub(super) fn of(&self, caller: &Caller, version: u64, tables: &Tables) -> Arc<Library> {
        let origin = self.actions.origin();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, library)) = known.get(&caller.project)
            && *of == version
            && *library.origin() == origin
        {
            return Arc::clone(library);
        }
        let library = Library::new(files(caller, tables), origin).with_ids(ids(caller, tables));
        let runner = self.actions.runner(Arc::clone(library.definitions()));
        let library = Arc::new(library.with_runner(runner));
        known.insert(caller.project.clone(), (version, Arc::clone(&library)));
        library
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
    let others = of(false).filter(move |one| {
        tables
            .own(caller, one.kind, &one.name, &one.namespace)
            .is_none()
    });
    of(true)
        .chain(others)
        .filter(|one| one.kind != Kind::Workbook)
}
