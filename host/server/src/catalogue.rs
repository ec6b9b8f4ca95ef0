//! What users keep: workbooks, workflows and with whom they are shared, ad-hoc actions, environments
//! and triggers.
//!
//! All of it is in memory, since every execution that starts needs it; each change is durable in
//! the journal before anybody sees it. Changes come one after the other, so that what one of them
//! has found is still so when it is written.

pub(crate) mod cron_trigger;
pub(crate) mod definition;
pub(crate) mod environment;
pub(crate) mod event_trigger;
mod library;
pub(crate) mod member;
mod table;

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use indexmap::IndexMap;
use ostro_journal::{Document, Journal, Turn};
use ostro_runtime::Library;
use tokio::sync::Mutex;

use self::cron_trigger::CronTrigger;
use self::definition::{Definition, Text};
use self::environment::Environment;
use self::event_trigger::EventTrigger;
use self::library::{Libraries, Seen};
use self::member::Member;
pub(crate) use self::table::{Kept, Owned, Table};
use crate::actions::{Actions, Held};
use crate::fault::Fault;
use crate::identity::Caller;
use crate::packs::Stored;
use crate::records::write;

/// The catalogue of a host.
pub(crate) struct Catalogue {
    journal: Journal,
    kept: RwLock<Tables>,
    libraries: Libraries,
    /// Held by whoever changes something.
    turn: Mutex<()>,
}

/// What is kept, by kind.
#[derive(Default)]
pub(crate) struct Tables {
    pub(crate) definitions: Table<Definition>,
    pub(crate) texts: Table<Text>,
    pub(crate) environments: Table<Environment>,
    pub(crate) cron_triggers: Table<CronTrigger>,
    pub(crate) members: Table<Member>,
    pub(crate) event_triggers: Table<EventTrigger>,
}

/// A part of a change, once it is durable.
type Step = Box<dyn FnOnce(&mut Tables) + Send>;

/// What a change writes, in order.
#[derive(Default)]
pub(crate) struct Edits {
    turn: Turn,
    steps: Vec<Step>,
}

impl Edits {
    /// Keeps `row`, in the place of the one with its id.
    pub(crate) fn put<T: Kept>(&mut self, row: T) {
        // Rows have a JSON form, whatever they hold.
        let body = serde_json::to_vec(&row).unwrap_or_default();
        self.turn.document(document::<T>(row.id()), Some(body));
        self.steps
            .push(Box::new(|tables| T::table_mut(tables).put(row)));
    }

    /// Keeps the row with this id no longer.
    pub(crate) fn drop<T: Kept>(&mut self, id: &str) {
        self.turn.document(document::<T>(id), None);
        let id = id.to_owned();
        self.steps
            .push(Box::new(move |tables| T::table_mut(tables).drop(&id)));
    }
}

fn document<T: Kept>(id: &str) -> Document {
    Document {
        kind: T::KIND,
        id: id.to_owned(),
    }
}

impl Catalogue {
    /// What is kept in `journal`.
    pub(crate) fn open(journal: Journal, actions: Arc<dyn Actions>) -> Result<Self, Fault> {
        let kept = Tables {
            definitions: Table::read(&journal)?,
            texts: Table::read(&journal)?,
            environments: Table::read(&journal)?,
            cron_triggers: Table::read(&journal)?,
            members: Table::read(&journal)?,
            event_triggers: Table::read(&journal)?,
        };
        Ok(Self {
            journal,
            kept: RwLock::new(kept),
            libraries: Libraries::new(actions),
            turn: Mutex::default(),
        })
    }

    /// What is kept now.
    pub(crate) fn kept(&self) -> RwLockReadGuard<'_, Tables> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is kept, as `decide` says: all of it or nothing. What comes back has happened.
    pub(crate) async fn change<T>(
        &self,
        decide: impl FnOnce(&Tables, &mut Edits) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let _turn = self.turn.lock().await;
        let mut edits = Edits::default();
        let decided = {
            let kept = self.kept();
            let decided = decide(&kept, &mut edits)?;
            definition::sweep(&kept, &mut edits);
            decided
        };
        if edits.turn.is_empty() {
            return Ok(decided);
        }
        write(&self.journal, edits.turn).await?;
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        for step in edits.steps {
            step(&mut kept);
        }
        Ok(decided)
    }

    /// What executions of `caller`'s project run by.
    pub(crate) async fn library(self: &Arc<Self>, caller: &Caller) -> Result<Arc<Library>, Fault> {
        if let Some(library) = self.libraries.fresh(caller, &self.kept()) {
            return Ok(library);
        }
        let (catalogue, caller) = (Arc::clone(self), caller.clone());
        let made = move || {
            let seen = Seen::by(&caller, &catalogue.kept());
            catalogue.libraries.make(&caller, seen)
        };
        tokio::task::spawn_blocking(made).await.map_err(|error| {
            tracing::error!(%error, "a library cannot be made");
            Fault::unavailable("what the project has defined cannot be read: the log says why")
        })
    }

    /// As [`Catalogue::library`], for an execution that begins: nothing of what it needs goes
    /// before what comes with it is dropped.
    pub(crate) async fn beginning(
        self: &Arc<Self>,
        caller: &Caller,
    ) -> Result<(Arc<Library>, Held), Fault> {
        loop {
            let library = self.library(caller).await?;
            if let Some(held) = self.actions().hold(library.origin()) {
                return Ok((library, held));
            }
        }
    }

    /// What all projects have defined.
    pub(crate) async fn stored(self: &Arc<Self>) -> Result<Vec<Stored>, Fault> {
        let mut own: IndexMap<String, HashSet<String>> = IndexMap::new();
        for one in self.kept().definitions.all() {
            let names = own.entry(one.project.clone()).or_default();
            names.insert(one.name.clone());
        }
        let mut all = Vec::with_capacity(own.len());
        for (project, own) in own {
            let library = self.library(&Caller::of(&project)).await?;
            all.push(Stored {
                definitions: Arc::clone(library.definitions()),
                project,
                own,
            });
        }
        Ok(all)
    }

    /// Keeps nothing of actions that are not there any more.
    pub(crate) fn renew(&self) {
        self.libraries.renew();
    }

    /// What runs actions, and knows them.
    pub(crate) fn actions(&self) -> &Arc<dyn Actions> {
        self.libraries.actions()
    }
}
