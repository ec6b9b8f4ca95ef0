//! What all executions of a runtime share, and how they come and go.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use ostro_core::{ActionExecutionId, ActionRunner, Clock, ExecutionId, TaskExecutionId};
use ostro_engine::{EventKind, Execution, Records};
use ostro_lang::Workflow;
use tokio::sync::{mpsc, watch};

use crate::actor::Actor;
use crate::clock::SteadyClock;
use crate::hub::Hub;
use crate::record::{Message, Record, Reply};
use crate::slots::Slots;
use crate::store::Store;
use crate::{ExecutionInfo, Library, Options, RuntimeError, lock};

/// How many workflows an error names at most.
const MAX_NAMES: usize = 30;

/// Whether a runtime takes executions, waits for the last ones, or is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    Draining,
    Closed,
}

pub(crate) struct Shared {
    /// The definitions that new executions get.
    pub(crate) library: Arc<Library>,
    pub(crate) store: Store,
    pub(crate) runner: Arc<dyn ActionRunner>,
    pub(crate) clock: Arc<SteadyClock>,
    pub(crate) options: Options,
    pub(crate) hub: Hub,
    pub(crate) slots: Slots,
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
    actions: HashMap<ActionExecutionId, ExecutionId>,
    running_roots: usize,
    finished_roots: VecDeque<ExecutionId>,
}

/// An execution that is to start.
pub(crate) struct Launch {
    pub(crate) id: ExecutionId,
    pub(crate) workflow: Arc<Workflow>,
    pub(crate) library: Arc<Library>,
    pub(crate) execution: Execution,
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
        library: Arc<Library>,
        store: Store,
        runner: Arc<dyn ActionRunner>,
        clock: Arc<dyn Clock>,
        options: Options,
        phase: watch::Receiver<Phase>,
    ) -> Self {
        let clock = Arc::new(SteadyClock::new(clock));
        Self {
            library,
            store,
            runner,
            hub: Hub::new(Arc::clone(&clock) as Arc<dyn Clock>, options.backlog),
            slots: Slots::new(options.max_actions),
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
            parent,
            reply,
        } = launch;
        let about = match &parent {
            None => ExecutionInfo {
                id: id.clone(),
                workflow: Arc::clone(&workflow.name),
                namespace: Arc::clone(&workflow.namespace),
                parent: None,
                root_id: id.clone(),
                depth: 0,
            },
            Some((up, task)) => ExecutionInfo {
                id: id.clone(),
                workflow: Arc::clone(&workflow.name),
                namespace: Arc::clone(&workflow.namespace),
                parent: Some((up.about.id.clone(), task.clone())),
                root_id: up.about.root_id.clone(),
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
        lock(&record.family).push(id.clone());
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
            if with_actor {
                book.running_roots += 1;
            } else {
                book.finished_roots.push_back(id.clone());
            }
        }
        lock(&record.family).push(id.clone());
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
        lock(&record.family).retain(|id| *id != record.about.id);
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
        if lock(&record.family).len() >= max_family {
            return refuse(format!(
                "an execution and its sub-workflows are {max_family} executions at most"
            ));
        }
        Ok(())
    }

    /// An actor has ended. A root whose actor has ended is kept for reports until newer ones
    /// take its place.
    pub(crate) fn retire(&self, record: &Record) {
        if record.parent.is_none() {
            let mut book = lock(&self.book);
            book.running_roots -= 1;
            if book.records.contains_key(&record.about.id) {
                book.finished_roots.push_back(record.about.id.clone());
            }
            while book.finished_roots.len() > self.options.kept_roots {
                if let Some(oldest) = book.finished_roots.pop_front() {
                    book.drop_family(&oldest);
                }
            }
        }
        self.actors.send_modify(|count| *count -= 1);
    }

    /// Drops a finished root execution and its sub-workflows. Whether there was one.
    pub(crate) fn forget(&self, root: &ExecutionId) -> bool {
        let mut book = lock(&self.book);
        let Some(index) = book.finished_roots.iter().position(|id| id == root) else {
            return false;
        };
        book.finished_roots.remove(index);
        book.drop_family(root);
        true
    }

    pub(crate) fn add_action(&self, id: &ActionExecutionId, execution: &ExecutionId) {
        lock(&self.book)
            .actions
            .insert(id.clone(), execution.clone());
    }

    pub(crate) fn remove_action(&self, id: &ActionExecutionId) {
        lock(&self.book).actions.remove(id);
    }

    /// The execution that an action in flight belongs to.
    pub(crate) fn execution_of(&self, id: &ActionExecutionId) -> Option<Arc<Record>> {
        let book = lock(&self.book);
        book.records.get(book.actions.get(id)?).cloned()
    }

    /// Waits until no actor is left.
    pub(crate) async fn idle(&self) {
        // The sender is `self`'s, so that waiting cannot fail.
        let _ = self.actors.subscribe().wait_for(|count| *count == 0).await;
    }
}

impl Records for Shared {
    fn execution(&self, id: &ExecutionId) -> Option<(Arc<Execution>, Arc<Workflow>)> {
        let record = self.record(id)?;
        Some((record.snapshot(), Arc::clone(&record.workflow)))
    }

    fn executions(&self) -> Vec<Arc<Execution>> {
        let records: Vec<_> = lock(&self.book).records.values().cloned().collect();
        records.iter().map(|record| record.snapshot()).collect()
    }
}

impl Book {
    fn drop_family(&mut self, root: &ExecutionId) {
        let Some(record) = self.records.get(root) else {
            return;
        };
        let family = std::mem::take(&mut *lock(&record.family));
        for id in family {
            self.records.remove(&id);
        }
    }
}
