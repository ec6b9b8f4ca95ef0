//! What all executions of a runtime share, and how they come and go.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ostro_core::{ActionExecutionId, Clock, ExecutionId, TaskExecutionId};
use ostro_engine::{EventKind, Execution, TimerId, Waiting};
use ostro_journal::Journal;
use ostro_lang::Workflow;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use crate::actor::Actor;
use crate::clock::SteadyClock;
use crate::family::Held;
use crate::feed::Notes;
use crate::hub::Hub;
use crate::libraries::Libraries;
use crate::record::{Message, Record, Reply};
use crate::slots::Slots;
use crate::store::Store;
use crate::timers::Timers;
use crate::{ExecutionInfo, Library, Options, RuntimeError, lock};

/// How many workflows an error names at most.
const MAX_NAMES: usize = 30;

/// How long to wait before an execution that could not be read is read again.
const AGAIN: Duration = Duration::from_secs(10);

/// Whether a runtime takes executions, waits for the last ones, or is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    Draining,
    Closed,
}

pub(crate) struct Shared {
    pub(crate) libraries: Libraries,
    pub(crate) store: Store,
    pub(crate) clock: Arc<SteadyClock>,
    pub(crate) options: Options,
    pub(crate) hub: Hub,
    pub(crate) slots: Slots,
    /// What actions said that is not written.
    pub(crate) notes: Arc<Notes>,
    /// Its sender is the runtime's: executions see the runtime go when it is dropped.
    phase: watch::Receiver<Phase>,
    /// How many actors there are.
    actors: watch::Sender<usize>,
    /// Held while executions are brought back, so that each is once.
    pub(crate) reviving: tokio::sync::Mutex<()>,
    book: Mutex<Book>,
}

/// Who is known.
#[derive(Default)]
struct Book {
    records: HashMap<ExecutionId, Arc<Record>>,
    /// The execution that each action in flight, or finished from outside, belongs to.
    actions: HashMap<ActionExecutionId, Arc<Record>>,
    running_roots: usize,
    finished_roots: VecDeque<ExecutionId>,
    /// What brings back root executions that have left memory, when their time has come.
    alarms: HashMap<ExecutionId, AbortHandle>,
}

/// An execution that is to start.
pub(crate) struct Launch {
    pub(crate) id: ExecutionId,
    pub(crate) workflow: Arc<Workflow>,
    pub(crate) library: Arc<Library>,
    pub(crate) execution: Execution,
    /// Of a root; sub-workflows are of their parent's.
    pub(crate) project: Arc<str>,
    /// Of a root: the execution that it is another run of.
    pub(crate) source: Option<ExecutionId>,
    pub(crate) parent: Option<(Arc<Record>, TaskExecutionId)>,
    /// Who waits for the first turn.
    pub(crate) reply: Option<Reply>,
}

/// An execution that has its place and has not started.
pub(crate) struct Prepared {
    record: Arc<Record>,
    inbox: mpsc::UnboundedReceiver<Message>,
    reply: Option<Reply>,
}

impl Prepared {
    pub(crate) fn record(&self) -> &Arc<Record> {
        &self.record
    }
}

/// The workflow of `library` with this full name in `namespace`.
pub(crate) fn workflow(
    library: &Library,
    namespace: &str,
    name: &str,
) -> Result<Arc<Workflow>, RuntimeError> {
    let definitions = library.definitions();
    let found = definitions.workflow_in(namespace, name).cloned();
    found.ok_or_else(|| {
        let mut known: Vec<&str> = definitions
            .workflows()
            .filter(|workflow| *workflow.namespace == *namespace)
            .map(|workflow| &*workflow.name)
            .collect();
        known.truncate(MAX_NAMES);
        RuntimeError::UnknownWorkflow {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            known: known.join(", "),
        }
    })
}

impl Shared {
    pub(crate) fn new(
        libraries: Libraries,
        store: Store,
        clock: Arc<dyn Clock>,
        options: Options,
        phase: watch::Receiver<Phase>,
    ) -> Self {
        let clock = Arc::new(SteadyClock::new(clock));
        Self {
            libraries,
            store,
            hub: Hub::new(Arc::clone(&clock) as Arc<dyn Clock>, options.backlog),
            slots: Slots::new(options.max_actions),
            notes: Arc::default(),
            clock,
            options,
            phase,
            actors: watch::Sender::new(0),
            reviving: tokio::sync::Mutex::default(),
            book: Mutex::default(),
        }
    }

    pub(crate) fn record(&self, id: &ExecutionId) -> Option<Arc<Record>> {
        lock(&self.book).records.get(id).cloned()
    }

    /// Takes an execution in hand, if it is in memory.
    pub(crate) fn hold(self: &Arc<Self>, id: &ExecutionId) -> Option<Held> {
        let book = lock(&self.book);
        let record = book.records.get(id)?;
        Some(Held::new(Arc::clone(self), Arc::clone(record)))
    }

    /// The journal that changes are written into, where somebody wants that.
    pub(crate) fn feeds(&self) -> Option<&Journal> {
        self.store.journal().filter(|_| self.options.feed)
    }

    pub(crate) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.clone()
    }

    /// Gives an execution its place; none if one with its id is known already.
    pub(crate) fn prepare(&self, launch: Launch) -> Result<Option<Prepared>, RuntimeError> {
        let Launch {
            id,
            workflow,
            library,
            execution,
            project,
            source,
            parent,
            reply,
        } = launch;
        let about = match &parent {
            None => ExecutionInfo {
                id: id.clone(),
                workflow: Arc::clone(&workflow.name),
                namespace: Arc::clone(&workflow.namespace),
                project,
                parent: None,
                root_id: id.clone(),
                source_id: source,
                depth: 0,
            },
            Some((up, task)) => ExecutionInfo {
                id: id.clone(),
                workflow: Arc::clone(&workflow.name),
                namespace: Arc::clone(&workflow.namespace),
                project: Arc::clone(&up.about.project),
                parent: Some((up.about.id.clone(), task.clone())),
                root_id: up.about.root_id.clone(),
                source_id: None,
                depth: up.about.depth + 1,
            },
        };
        let parent = parent.map(|(up, _)| up);
        let (record, inbox) = Record::new(
            about,
            (workflow, library),
            parent,
            execution,
            self.options.max_requests,
        );
        let mut book = lock(&self.book);
        if book.records.contains_key(&id) {
            return Ok(None);
        }
        self.admit(&book, &record)?;
        if record.parent.is_none() {
            book.running_roots += 1;
        }
        record.family.add(id.clone());
        book.records.insert(id, Arc::clone(&record));
        Ok(Some(Prepared {
            record,
            inbox,
            reply,
        }))
    }

    /// Starts an execution that has its place.
    pub(crate) fn start(self: &Arc<Self>, prepared: Prepared) {
        let Prepared {
            record,
            inbox,
            reply,
        } = prepared;
        let actor = self.actor(record, inbox);
        tokio::spawn(actor.run(Message {
            event: EventKind::Started,
            letter: None,
            reply,
        }));
    }

    /// Gives an execution that is brought back its place. One with an actor is to start.
    pub(crate) fn readmit(&self, record: &Arc<Record>, with_actor: bool) {
        let mut book = lock(&self.book);
        let id = record.about.id.clone();
        if record.parent.is_none() {
            if let Some(alarm) = book.alarms.remove(&id) {
                alarm.abort();
            }
            if with_actor {
                book.running_roots += 1;
            } else {
                book.finished_roots.push_back(id.clone());
            }
        }
        record.family.add(id.clone());
        book.records.insert(id, Arc::clone(record));
    }

    /// A new actor for an execution that has its place.
    pub(crate) fn actor(
        self: &Arc<Self>,
        record: Arc<Record>,
        inbox: mpsc::UnboundedReceiver<Message>,
    ) -> Actor {
        self.actors.send_modify(|count| *count += 1);
        Actor::new(Arc::clone(self), record, inbox)
    }

    /// Takes the place away again from an execution that does not start after all.
    pub(crate) fn give_up(&self, record: &Record) {
        let mut book = lock(&self.book);
        record.family.remove(&record.about.id);
        record.dismiss();
        book.records.remove(&record.about.id);
    }

    /// Hands `message` to the actor of `record`, or to a new one, if the execution has ended.
    pub(crate) fn wake(
        self: &Arc<Self>,
        record: &Arc<Record>,
        message: Message,
    ) -> Result<(), RuntimeError> {
        if *self.phase.borrow() == Phase::Closed {
            return Err(RuntimeError::ShutDown);
        }
        let Some((message, inbox)) = record.send_or_reopen(message) else {
            return Ok(());
        };
        if record.parent.is_none() {
            let mut book = lock(&self.book);
            book.running_roots += 1;
            book.finished_roots.retain(|id| *id != record.about.id);
        }
        let actor = self.actor(Arc::clone(record), inbox);
        tokio::spawn(actor.run(message));
        Ok(())
    }

    /// Whether there is room for an execution.
    fn admit(&self, book: &Book, record: &Record) -> Result<(), RuntimeError> {
        let Options {
            max_executions,
            max_family,
            max_depth,
            ..
        } = self.options;
        if record.parent.is_none() {
            if *self.phase.borrow() != Phase::Open {
                return Err(RuntimeError::ShutDown);
            }
            if book.running_roots >= max_executions {
                return Err(RuntimeError::Full(max_executions));
            }
            return Ok(());
        }
        let refuse = |reason: String| {
            Err(RuntimeError::Nesting {
                workflow: record.workflow.name.to_string(),
                reason,
            })
        };
        if record.about.depth > max_depth {
            return refuse(format!("sub-workflows nest {max_depth} deep at most"));
        }
        if record.family.len() >= max_family {
            return refuse(format!(
                "an execution and its sub-workflows are {max_family} executions at most"
            ));
        }
        Ok(())
    }

    /// An actor has ended. A root whose actor has ended is kept for reports until newer ones
    /// take its place.
    pub(crate) fn retire(self: &Arc<Self>, record: &Record) {
        if record.parent.is_none() {
            let mut book = lock(&self.book);
            book.running_roots -= 1;
            if book.has(record) {
                book.finished_roots.push_back(record.about.id.clone());
            }
            while book.finished_roots.len() > self.options.kept_roots && book.drop_oldest() {}
        }
        self.unload(record);
        self.actors.send_modify(|count| *count -= 1);
    }

    /// Has an execution leave memory with its family, if nothing of that is at work and nobody
    /// looks at it: the journal has all of it, and whoever asks for it brings it back. Called
    /// whenever one of these becomes true.
    pub(crate) fn unload(self: &Arc<Self>, record: &Record) {
        if !record.family.may_leave() {
            return;
        }
        // Without tokio everything ends.
        let (Some(_), Ok(tokio)) = (self.store.journal(), Handle::try_current()) else {
            return;
        };
        let mut book = lock(&self.book);
        // It may be taken in hand only under this lock.
        if !book.has(record) || !record.family.may_leave() {
            return;
        }
        let root = &record.about.root_id;
        // One that has ended is kept for reports, if it is not too old for that.
        if !book.records.get(root).is_some_and(|root| root.has_actor()) {
            while book.finished_roots.len() > self.options.kept_roots && book.drop_oldest() {}
            return;
        }
        if let Some(at) = book.next_timer(record) {
            let alarm = alarm(Arc::clone(self), root.clone(), at);
            let alarm = tokio.spawn(alarm).abort_handle();
            book.alarms.insert(root.clone(), alarm);
        }
        book.drop_family(root);
    }

    /// Drops a finished root execution and its sub-workflows. Whether there was one.
    pub(crate) fn forget(self: &Arc<Self>, root: &ExecutionId) -> bool {
        let record = {
            let mut book = lock(&self.book);
            let Some(record) = book.records.get(root).cloned() else {
                return false;
            };
            record.family.stay(false);
            let index = book.finished_roots.iter().position(|id| id == root);
            if let Some(index) = index
                && record.family.may_leave()
            {
                book.finished_roots.remove(index);
                book.drop_family(root);
                return true;
            }
            record
        };
        self.unload(&record);
        false
    }

    pub(crate) fn add_action(&self, id: &ActionExecutionId, record: &Arc<Record>) {
        lock(&self.book)
            .actions
            .insert(id.clone(), Arc::clone(record));
    }

    pub(crate) fn remove_action(&self, id: &ActionExecutionId, record: &Record) {
        let mut book = lock(&self.book);
        // One that was brought back meanwhile has it now.
        let is_its = |of: &Arc<Record>| std::ptr::eq(&raw const **of, record);
        if book.actions.get(id).is_some_and(is_its) {
            book.actions.remove(id);
        }
    }

    /// The execution that an action in flight belongs to.
    pub(crate) fn execution_of(self: &Arc<Self>, id: &ActionExecutionId) -> Option<Held> {
        let book = lock(&self.book);
        let record = book.actions.get(id)?;
        book.has(record)
            .then(|| Held::new(Arc::clone(self), Arc::clone(record)))
    }

    /// Waits until no actor is left.
    pub(crate) async fn idle(&self) {
        // The sender is `self`'s, so that waiting cannot fail.
        let _ = self.actors.subscribe().wait_for(|count| *count == 0).await;
    }
}

/// Brings a root execution back at `at`.
async fn alarm(shared: Arc<Shared>, root: ExecutionId, at: i64) {
    let mut timers = Timers::default();
    timers.set(TimerId(root.to_string()), at);
    let mut phase = shared.phase();
    tokio::select! {
        _ = phase.wait_for(|phase| *phase == Phase::Closed) => return,
        _ = timers.next(&*shared.clock) => {}
    }
    // Now it is not to be stopped by what it brings back.
    tokio::spawn(async move {
        while let Err(error) = shared.find(&root).await {
            if matches!(error, RuntimeError::ShutDown) || *shared.phase.borrow() == Phase::Closed {
                return;
            }
            tracing::error!(execution = %root, %error, "its time has come, and it cannot be read");
            tokio::time::sleep(AGAIN).await;
        }
    });
}

impl Shared {
    /// How many executions are in memory.
    pub(crate) fn count(&self) -> usize {
        lock(&self.book).records.len()
    }

    /// The executions that are in memory.
    pub(crate) fn records(&self) -> Vec<Arc<Record>> {
        lock(&self.book).records.values().cloned().collect()
    }
}

impl Book {
    /// Whether `record` is the one that is known of its execution.
    fn has(&self, record: &Record) -> bool {
        let known = self.records.get(&record.about.id);
        known.is_some_and(|known| std::ptr::eq(&raw const **known, record))
    }

    /// When the first timer of a family is due.
    fn next_timer(&self, record: &Record) -> Option<i64> {
        let ids = record.family.ids();
        let members = ids.iter().filter_map(|id| self.records.get(id));
        let waiting = members.flat_map(|member| member.snapshot().waits_for());
        let due = waiting.filter_map(|waiting| match waiting {
            Waiting::Timer { at, .. } => Some(at),
            _ => None,
        });
        due.min()
    }

    /// Drops the finished root that is kept longest, of those that nobody looks at. Whether
    /// there was one.
    fn drop_oldest(&mut self) -> bool {
        let index = self.finished_roots.iter().position(|id| {
            let root = self.records.get(id);
            root.is_none_or(|root| root.family.may_leave())
        });
        let Some(oldest) = index.and_then(|index| self.finished_roots.remove(index)) else {
            return false;
        };
        self.drop_family(&oldest);
        true
    }

    fn drop_family(&mut self, root: &ExecutionId) {
        let Some(record) = self.records.get(root) else {
            return;
        };
        for id in record.family.ids() {
            if let Some(record) = self.records.remove(&id) {
                record.dismiss();
            }
        }
    }
}
