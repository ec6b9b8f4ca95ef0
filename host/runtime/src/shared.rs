//! What all executions of a runtime share, and how they come and go.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use ostro_core::{ActionExecutionId, ActionRunner, Clock, ExecutionId, TaskExecutionId};
use ostro_engine::{EventKind, Execution, Records};
use ostro_lang::{Definitions, Workflow};
use tokio::sync::watch;

use crate::actor::Actor;
use crate::hub::Hub;
use crate::record::{Message, Record, Reply};
use crate::slots::Slots;
use crate::{ExecutionInfo, Options, RuntimeError, lock};

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
    pub(crate) definitions: Arc<Definitions>,
    pub(crate) runner: Arc<dyn ActionRunner>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: Options,
    pub(crate) hub: Hub,
    pub(crate) slots: Slots,
    /// Its sender is the runtime's: executions see the runtime go when it is dropped.
    phase: watch::Receiver<Phase>,
    /// How many actors there are.
    actors: watch::Sender<usize>,
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
    pub(crate) execution: Execution,
    pub(crate) parent: Option<(Arc<Record>, TaskExecutionId)>,
    /// Who waits for the first turn.
    pub(crate) reply: Option<Reply>,
}

impl Shared {
    pub(crate) fn new(
        definitions: Arc<Definitions>,
        runner: Arc<dyn ActionRunner>,
        clock: Arc<dyn Clock>,
        options: Options,
        phase: watch::Receiver<Phase>,
    ) -> Self {
        Self {
            definitions,
            runner,
            hub: Hub::new(Arc::clone(&clock), options.backlog),
            slots: Slots::new(options.max_actions),
            clock,
            options,
            phase,
            actors: watch::Sender::new(0),
            book: Mutex::default(),
        }
    }

    pub(crate) fn record(&self, id: &ExecutionId) -> Option<Arc<Record>> {
        lock(&self.book).records.get(id).cloned()
    }

    pub(crate) fn known(&self, id: &ExecutionId) -> Result<Arc<Record>, RuntimeError> {
        self.record(id)
            .ok_or_else(|| RuntimeError::UnknownExecution(id.clone()))
    }

    /// The workflow with this full name.
    pub(crate) fn workflow(&self, name: &str) -> Result<Arc<Workflow>, RuntimeError> {
        self.definitions.workflow(name).cloned().ok_or_else(|| {
            let mut known: Vec<&str> = self
                .definitions
                .workflows()
                .map(|workflow| &*workflow.name)
                .collect();
            known.truncate(MAX_NAMES);
            RuntimeError::UnknownWorkflow {
                name: name.to_owned(),
                known: known.join(", "),
            }
        })
    }

    pub(crate) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.clone()
    }

    /// Starts an execution. Whether it was new: one with an id that is known already is left
    /// as it is.
    pub(crate) fn launch(self: &Arc<Self>, launch: Launch) -> Result<bool, RuntimeError> {
        let Launch {
            id,
            workflow,
            execution,
            parent,
            reply,
        } = launch;
        let about = match &parent {
            None => ExecutionInfo {
                id: id.clone(),
                workflow: Arc::clone(&workflow.name),
                parent: None,
                root_id: id.clone(),
                depth: 0,
            },
            Some((up, task)) => ExecutionInfo {
                id: id.clone(),
                workflow: Arc::clone(&workflow.name),
                parent: Some((up.about.id.clone(), task.clone())),
                root_id: up.about.root_id.clone(),
                depth: up.about.depth + 1,
            },
        };
        let parent = parent.map(|(up, _)| up);
        let (record, inbox) = Record::new(
            about,
            workflow,
            parent,
            execution,
            self.options.max_requests,
        );
        {
            let mut book = lock(&self.book);
            if book.records.contains_key(&id) {
                return Ok(false);
            }
            self.admit(&book, &record)?;
            if record.parent.is_none() {
                book.running_roots += 1;
            }
            lock(&record.family).push(id.clone());
            book.records.insert(id, Arc::clone(&record));
        }
        self.actors.send_modify(|count| *count += 1);
        let actor = Actor::new(Arc::clone(self), record, inbox);
        tokio::spawn(actor.run(Message {
            event: EventKind::Started,
            reply,
        }));
        Ok(true)
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
        self.actors.send_modify(|count| *count += 1);
        let actor = Actor::new(Arc::clone(self), Arc::clone(record), inbox);
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
            book.finished_roots.push_back(record.about.id.clone());
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
