//! The actions that a running server gives to new executions, and how they become others.
//!
//! One set of packs counts at a time. Another one takes its place once it is loaded as a whole, or
//! not at all; whatever runs by the old one keeps it. Its versions are not deleted before every
//! execution is written that began with them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use anyhow::Result;
use ostro_actions::{ActionDescription, Registry};
use ostro_core::{ActionRunner, Value};
use ostro_lang::{Definitions, Diagnostic, check};
use ostro_openstack::Delegations;
use ostro_packs::Grants;
use ostro_runtime::Library;
use ostro_sandbox::Observer;
use ostro_server::{Actions, Held, PackProblem, Parameter, SystemAction, Zaqar};
use ostro_store::{Lease, Record, Store};
use tokio::sync::watch;

use super::queues::with_queues;
use crate::args::{Sources, State};
use crate::errors;
use crate::installed::{Opened, Wanted, all_active};
use crate::pack::kept;
use crate::sources::{self, Base};

/// What new executions of a server get.
pub(super) struct Active {
    base: Base,
    /// None where installed packs are left out.
    store: Option<Store>,
    /// As whom executions act on a cloud.
    delegations: Arc<Delegations>,
    /// The queues that they use, if these are the server's own.
    zaqar: Option<Arc<Zaqar>>,
    now: RwLock<Arc<Set>>,
    /// Held from reading what is active until that counts.
    turn: Mutex<()>,
    problem: Mutex<Option<PackProblem>>,
    swaps: watch::Sender<u64>,
}

/// Actions that belong together.
pub(super) struct Set {
    pub(super) registry: Registry,
    origin: Value,
    /// The installed versions among them, by digest, with what they are granted.
    versions: BTreeMap<String, Grants>,
    leases: Arc<Vec<Lease>>,
}

/// The right to say what counts.
pub(super) struct Turn<'a> {
    active: &'a Active,
    _turn: MutexGuard<'a, ()>,
}

impl Active {
    /// What is active now in `store`, and what `sources` name.
    pub(super) fn open(
        sources: &Sources,
        store: Option<Store>,
        delegations: Arc<Delegations>,
        zaqar: Option<Arc<Zaqar>>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self> {
        let base = Base::open(sources)?.observed(observer);
        let set = match &store {
            None => Set::new(&base, &Opened::default(), Vec::new())?,
            Some(store) => {
                // Nothing is deleted between reading the record and the leases.
                let _hold = store.hold()?;
                Set::load(&base, store, &store.read()?)?
            }
        };
        Ok(Self {
            base,
            store,
            delegations,
            zaqar,
            now: RwLock::new(Arc::new(set)),
            turn: Mutex::default(),
            problem: Mutex::default(),
            swaps: watch::Sender::new(0),
        })
    }

    /// What new executions get now.
    pub(super) fn now(&self) -> Arc<Set> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Loads what is active in `record`, of which nothing may be deleted meanwhile.
    pub(super) fn load(&self, store: &Store, record: &Record) -> Result<Set> {
        Set::load(&self.base, store, record)
    }

    /// Waits until nobody else says what counts.
    pub(super) fn turn(&self) -> Turn<'_> {
        Turn {
            active: self,
            _turn: lock(&self.turn),
        }
    }

    /// Has new executions get what is recorded as active, if that is something else. Where it
    /// cannot be loaded, they get what they got before, and the log says why.
    pub(super) fn refresh(&self) {
        let Some(store) = &self.store else {
            return;
        };
        let turn = self.turn();
        match self.recorded(store) {
            Ok(None) => *lock(&self.problem) = None,
            Ok(Some(set)) => turn.swap(set),
            Err(error) => self.stay(&error),
        }
    }

    /// What is recorded as active; none if that counts already.
    fn recorded(&self, store: &Store) -> Result<Option<Set>> {
        let _hold = store.hold()?;
        let record = store.read()?;
        let wanted = all_active(&record, &self.base.taken());
        let wanted = wanted.iter().map(|one| (&one.digest, &one.grants));
        if wanted.collect::<BTreeMap<_, _>>() == self.now().versions.iter().collect() {
            return Ok(None);
        }
        self.load(store, &record).map(Some)
    }

    fn stay(&self, error: &anyhow::Error) {
        let message = errors::told(error);
        let mut problem = lock(&self.problem);
        if problem
            .as_ref()
            .is_some_and(|known| known.message == message)
        {
            return;
        }
        if tracing::enabled!(tracing::Level::ERROR) {
            tracing::error!(
                reason = message,
                "new executions do not get the packs that are active"
            );
        } else {
            let said = format!("new executions do not get the packs that are active: {message}");
            errors::warn(&said, None);
        }
        *problem = Some(PackProblem {
            message,
            since: kept::now(),
        });
    }

    /// Why new executions do not get what is recorded as active, if they do not.
    pub(super) fn problem(&self) -> Option<PackProblem> {
        lock(&self.problem).clone()
    }

    pub(super) fn swaps(&self) -> watch::Receiver<u64> {
        self.swaps.subscribe()
    }
}

impl Turn<'_> {
    /// Has new executions get `set`.
    pub(super) fn swap(&self, set: Set) {
        let active = self.active;
        tracing::info!(packs = %set.names(), "new executions get other packs");
        let mut now = active.now.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *now, Arc::new(set));
        drop(now);
        // Whatever goes with it goes after the lock is free.
        drop(before);
        *lock(&active.problem) = None;
        active.swaps.send_modify(|swaps| *swaps += 1);
    }
}

impl Set {
    fn load(base: &Base, store: &Store, record: &Record) -> Result<Self> {
        let chosen = all_active(record, &base.taken());
        let opened = Opened::of(store, &chosen, None)?;
        let leases = chosen.iter().map(|one| store.lease(one));
        Self::new(base, &opened, leases.collect::<Result<_, _>>()?)
    }

    fn new(base: &Base, opened: &Opened, leases: Vec<Lease>) -> Result<Self> {
        let versions = opened.packs.iter();
        let versions = versions.map(|(one, _)| (one.digest.clone(), one.grants.clone()));
        Ok(Self {
            registry: base.registry(opened, None)?,
            origin: base.origin(opened),
            versions: versions.collect(),
            leases: Arc::new(leases),
        })
    }

    /// Whether the version with this digest is among them.
    pub(super) fn has(&self, digest: &str) -> bool {
        self.versions.contains_key(digest)
    }

    /// The installed versions, for the log.
    fn names(&self) -> String {
        let packs = self.origin.get("packs").and_then(Value::as_list);
        let text = |pack: &Value, key| pack.get(key)?.as_str().map(str::to_owned);
        let names = packs.unwrap_or_default().iter().filter_map(|pack| {
            Some(format!(
                "{} {}",
                text(pack, "name")?,
                text(pack, "version")?
            ))
        });
        names.collect::<Vec<_>>().join(", ")
    }
}

impl Actions for Active {
    fn all(&self) -> Vec<SystemAction> {
        let registry = &self.now().registry;
        let names = registry.names();
        names
            .iter()
            .filter_map(|name| registry.describe(name).map(described))
            .collect()
    }

    fn get(&self, name: &str) -> Option<SystemAction> {
        self.now().registry.describe(name).map(described)
    }

    fn runner(&self, definitions: Arc<Definitions>) -> (Value, Arc<dyn ActionRunner>) {
        let set = self.now();
        let registry = set.registry.with_definitions(definitions);
        let runner = registry.with_delegations(Arc::clone(&self.delegations));
        (set.origin.clone(), with_queues(runner, self.zaqar.as_ref()))
    }

    fn check(&self, definitions: &Definitions) -> Vec<Diagnostic> {
        check(definitions, &self.now().registry)
    }

    fn origin(&self) -> Value {
        self.now().origin.clone()
    }

    fn hold(&self, origin: &Value) -> Option<Held> {
        let set = self.now();
        (set.origin == *origin).then(|| Arc::clone(&set.leases) as Held)
    }
}

fn described(action: ActionDescription) -> SystemAction {
    let parameters = action.parameters.into_iter().map(|one| Parameter {
        default: (!one.required).then(|| one.default.unwrap_or(Value::Null)),
        name: one.name,
    });
    SystemAction {
        parameters: parameters.collect(),
        description: action.docs.map(|docs| docs.to_string()),
        name: action.name,
    }
}

/// Makes the runner of a library again that was stored, of the packs that its executions began
/// with.
pub(super) struct Restored {
    pub(super) active: Arc<Active>,
    pub(super) state: State,
}

impl ostro_runtime::RunnerSource for Restored {
    fn runner(&self, library: &Library) -> Result<Arc<dyn ActionRunner>, String> {
        let registry = self
            .registry(library.origin())
            .map_err(|error| format!("{error:#}"))?;
        let definitions = Arc::clone(library.definitions());
        let registry = registry
            .with_definitions(definitions)
            .with_delegations(Arc::clone(&self.active.delegations));
        Ok(with_queues(registry, self.active.zaqar.as_ref()))
    }
}

impl Restored {
    fn registry(&self, origin: &Value) -> Result<Registry> {
        let wanted = Wanted::pinned(&self.state, origin);
        let base = &self.active.base;
        if base.began(origin) {
            // In the same sandbox: what it counts and limits, it counts and limits for all.
            return base.registry(&wanted.open(&base.taken())?, None);
        }
        let sources = sources::from_origin(origin);
        let observer = base.observer().cloned();
        Ok(sources::load_observed(&sources, &wanted, observer)?.registry)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
