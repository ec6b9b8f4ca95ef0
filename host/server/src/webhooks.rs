//! Who is told of what becomes of executions by HTTP: those whom `params.notify` of an execution
//! names, and those whom the operator does, for all of them.
//!
//! Names and payloads are Mistral's (`mistral/notifiers`). What is delivered is read from the
//! journal's changes, and how far each receiver has come is a document there: nothing is lost by a
//! crash, and what a crash cuts off is delivered again. Each of an execution's receivers gets its
//! events one after the other; one that does not answer is asked again, ever more rarely, and holds
//! up nobody else.
//!
//! Where to look: [`publisher`] reads what is asked for, [`reach`] says where it may lead, `event`
//! is what is told of a change, `kept` what is durable, `line` asks one receiver, `caller` and
//! `everything` are the two kinds of streams.
//!
//! Architecture Invariant: an execution never waits for a receiver.

mod caller;
mod event;
mod everything;
mod kept;
mod line;
mod publisher;
mod reach;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use ostro_core::ExecutionId;
use ostro_egress::Lookup;
use ostro_journal::{ExecutionRow, Journal, StoredChange, Turn};
use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use self::caller::Hook;
pub(crate) use self::everything::{Follower, followers};
use self::kept::Kept;
use self::line::Places;
pub use self::publisher::Publisher;
pub use self::reach::Reach;
use crate::app::App;
use crate::fault::Fault;
use crate::records::write;
use crate::start::{Object, object};

/// How many receivers an execution may name.
const MAX_PUBLISHERS: usize = 8;
/// How many there may be of all executions, and of those of one project.
const MAX_HOOKS: usize = 100_000;
const MAX_HOOKS_OF_PROJECT: usize = 20_000;
/// How often those are looked for whose execution has ended.
const SWEEP: Duration = Duration::from_secs(5);
/// How long deliveries that are under way may take when the server stops.
const GRACE: Duration = Duration::from_secs(2);

/// Who is told, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct WebhookSettings {
    /// Those who are told of all executions. They are the operator's, and may be anywhere.
    pub notify: Vec<Publisher>,
    /// Where callers' receivers may be beside public addresses.
    pub allow: Vec<Reach>,
    /// Whether callers' receivers may be at any public address.
    pub public: bool,
    /// How long a receiver may take to be connected to, and to answer, together.
    pub timeout: Duration,
    /// How long to wait before a receiver that failed is asked again; twice as long each time.
    pub first_pause: Duration,
    /// The longest of these pauses.
    pub longest_pause: Duration,
    /// How old an event may be whose delivery fails before it is given up.
    pub give_up: Duration,
    /// For how long an execution that has ended is listened to: parts of it may end later.
    pub linger: Duration,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self {
            notify: Vec::new(),
            allow: Vec::new(),
            public: true,
            timeout: Duration::from_secs(10),
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_mins(1),
            give_up: Duration::from_hours(24),
            linger: Duration::from_secs(30),
        }
    }
}

/// All who are told.
pub(crate) struct Webhooks {
    settings: WebhookSettings,
    journal: Journal,
    lookup: Lookup,
    places: Places,
    held: Mutex<Held>,
    /// Told where a root execution with receivers has changed.
    woken: Notify,
}

#[derive(Default)]
struct Held {
    /// By root execution.
    hooks: HashMap<ExecutionId, Vec<Arc<Hook>>>,
    of_project: HashMap<Arc<str>, usize>,
    /// Roots that have changed.
    changed: HashSet<ExecutionId>,
}

impl Held {
    fn count(&self) -> usize {
        self.of_project.values().sum()
    }

    fn add(&mut self, hook: Arc<Hook>) {
        *self
            .of_project
            .entry(Arc::clone(&hook.project))
            .or_default() += 1;
        self.hooks.entry(hook.root.clone()).or_default().push(hook);
    }

    fn remove(&mut self, hook: &Hook) {
        let Some(hooks) = self.hooks.get_mut(&hook.root) else {
            return;
        };
        let before = hooks.len();
        hooks.retain(|one| one.id != hook.id);
        let gone = before - hooks.len();
        if hooks.is_empty() {
            self.hooks.remove(&hook.root);
        }
        if let Some(count) = self.of_project.get_mut(&hook.project) {
            *count -= gone;
            if *count == 0 {
                self.of_project.remove(&hook.project);
            }
        }
    }
}

impl Webhooks {
    /// Those that `journal` has, from now on.
    pub(crate) fn open(journal: Journal, settings: WebhookSettings) -> Result<Arc<Self>, Fault> {
        let mut held = Held::default();
        for (id, kept) in Kept::all(&journal)? {
            if let Some(hook) = Hook::again(id, kept) {
                held.changed.insert(hook.root.clone());
                held.add(Arc::new(hook));
            }
        }
        let webhooks = Arc::new(Self {
            settings,
            journal,
            lookup: Lookup::default(),
            places: Places::default(),
            held: Mutex::new(held),
            woken: Notify::new(),
        });
        let listening: Weak<Self> = Arc::downgrade(&webhooks);
        webhooks.journal.on_changes(move |changes| {
            let webhooks = listening.upgrade();
            webhooks.is_some_and(|webhooks| {
                webhooks.hear(changes);
                true
            })
        });
        Ok(webhooks)
    }

    /// Notes which roots have changed, for the thread that writes.
    fn hear(&self, changes: &[StoredChange]) {
        let mut held = self.lock();
        if held.hooks.is_empty() {
            return;
        }
        let roots = changes
            .iter()
            .filter_map(|stored| stored.change.root_execution_id.as_ref());
        let mut is_any = false;
        for root in roots {
            if held.hooks.contains_key(root) {
                held.changed.insert(root.clone());
                is_any = true;
            }
        }
        drop(held);
        if is_any {
            self.woken.notify_one();
        }
    }

    /// Those whom the params of an execution name. As in Mistral, what is none of them is left out.
    pub(crate) fn named(params: &Object) -> Vec<Publisher> {
        let named = match params.get("notify") {
            None | Some(Value::Null) => return Vec::new(),
            Some(Value::Array(named)) => named,
            Some(_) => {
                tracing::warn!("`notify` of an execution's params is no list: nobody is told");
                return Vec::new();
            }
        };
        if named.len() > MAX_PUBLISHERS {
            tracing::warn!(
                count = named.len(),
                "an execution names more receivers than {MAX_PUBLISHERS}: the others are not told"
            );
        }
        let named = named.iter().take(MAX_PUBLISHERS);
        let read = named.filter_map(|one| {
            let read = Publisher::read(one);
            read.inspect_err(|reason| {
                tracing::warn!(
                    reason,
                    "one of `notify` of an execution's params is not told"
                );
            })
            .ok()
        });
        read.collect()
    }

    /// Has `publishers` told of the root execution `root`, which is about to start or to go on.
    /// `position` is the number of a change before that. Whether that is new.
    pub(crate) async fn begin(
        &self,
        root: &ExecutionId,
        project: &str,
        publishers: Vec<Publisher>,
        position: u64,
    ) -> Result<bool, Fault> {
        if publishers.is_empty() {
            return Ok(false);
        }
        let project: Arc<str> = project.into();
        let mut turn = Turn::new();
        {
            let mut held = self.lock();
            // There is one execution of an id, whoever else begins with it.
            if held.hooks.contains_key(root) {
                return Ok(false);
            }
            let of_project = held.of_project.get(&project).copied().unwrap_or_default();
            let more = publishers.len();
            if of_project + more > MAX_HOOKS_OF_PROJECT || held.count() + more > MAX_HOOKS {
                return Err(Fault::come_back(
                    "Too many executions have somebody to notify: wait until some have ended \
                     and all of them is delivered",
                    60,
                ));
            }
            for publisher in publishers {
                let id = Uuid::now_v7().to_string();
                let hook = Hook::new(id, root.clone(), Arc::clone(&project), publisher, position);
                hook.put(position, &mut turn);
                held.add(Arc::new(hook));
            }
        }
        if let Err(error) = write(&self.journal, turn).await {
            self.forget(root);
            return Err(error.into());
        }
        Ok(true)
    }

    /// Has nobody told of the root execution `root`, which did not start.
    pub(crate) async fn cancel(&self, root: &ExecutionId) {
        let mut turn = Turn::new();
        for hook in self.forget(root) {
            Kept::drop(&hook.id, &mut turn);
        }
        if let Err(error) = write(&self.journal, turn).await {
            // The next start finds that there is no such execution.
            tracing::warn!(%root, %error, "that nobody is to be told cannot be written");
        }
    }

    /// Has those told again whom a root execution names that has ended and is about to run again.
    pub(crate) async fn again(&self, row: &ExecutionRow, position: u64) -> Result<(), Fault> {
        {
            let held = self.lock();
            if let Some(hooks) = held.hooks.get(&row.id) {
                for hook in hooks {
                    hook.linger();
                }
                return Ok(());
            }
        }
        let publishers = Self::named(&object(row.params.as_deref()));
        self.begin(&row.id, &row.project_id, publishers, position)
            .await?;
        for hook in self.lock().hooks.get(&row.id).into_iter().flatten() {
            hook.linger();
        }
        Ok(())
    }

    fn forget(&self, root: &ExecutionId) -> Vec<Arc<Hook>> {
        let mut held = self.lock();
        let hooks = held.hooks.get(root).cloned().unwrap_or_default();
        for hook in &hooks {
            held.remove(hook);
        }
        hooks
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Delivers until told to stop; of all executions to the `followers`.
pub(crate) async fn deliver(app: App, followers: Vec<Follower>, mut stop: watch::Receiver<bool>) {
    let webhooks = Arc::clone(&app.webhooks);
    let mut at_work = JoinSet::new();
    for follower in followers {
        at_work.spawn(follower.follow(stop.clone()));
    }
    let linger = webhooks.settings.linger.max(Duration::from_millis(1));
    let mut sweep = tokio::time::interval(SWEEP.min(linger));
    loop {
        let changed = std::mem::take(&mut webhooks.lock().changed);
        for root in changed {
            let hooks = webhooks.lock().hooks.get(&root).cloned();
            for hook in hooks.into_iter().flatten() {
                if hook.wakes() {
                    at_work.spawn(caller::run(app.clone(), hook, stop.clone()));
                }
            }
        }
        let sweeps = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            () = webhooks.woken.notified() => false,
            Some(_) = at_work.join_next() => false,
            _ = sweep.tick() => true,
        };
        if sweeps {
            webhooks.sweep().await;
        }
    }
    let all = async { while at_work.join_next().await.is_some() {} };
    // What is cut off is delivered again.
    let _ = timeout(GRACE, all).await;
}

impl Webhooks {
    /// Listens no more to executions that ended a while ago, and of which all is delivered.
    async fn sweep(&self) {
        let now = Instant::now();
        let mut turn = Turn::new();
        let mut is_any = false;
        {
            let mut held = self.lock();
            let over: Vec<Arc<Hook>> = held
                .hooks
                .values()
                .flatten()
                .filter(|hook| hook.is_over(now, self.settings.linger))
                .map(Arc::clone)
                .collect();
            for hook in over {
                // What has just changed is told first.
                if held.changed.contains(&hook.root) {
                    continue;
                }
                held.remove(&hook);
                Kept::drop(&hook.id, &mut turn);
                is_any = true;
            }
        }
        if is_any && let Err(error) = write(&self.journal, turn).await {
            tracing::warn!(%error, "that all is delivered cannot be written");
        }
    }
}
