//! Executions as the journal has them: what they have come to, and what they wait for.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ostro_core::{ActionExecutionId, ExecutionId};
use ostro_engine::{Event, EventKind, Execution, TimerId, Waiting, decide};
use ostro_journal::{
    Blob, Digest, ExecutionRow, Journal, JournalError, LetterId, Loaded, Reached, StoredEvent,
};
use ostro_lang::Workflow;

use crate::entry::{Entry, Letter, decode};
use crate::keep::{self, Pace};
use crate::libraries::Libraries;
use crate::library::Unrestored;
use crate::notice::ActionRef;
use crate::plan::Call;
use crate::shared::workflow;
use crate::turn::panic_message;
use crate::{Library, RuntimeError};

/// An execution that is brought back.
pub(crate) struct Revived {
    pub(crate) row: ExecutionRow,
    pub(crate) workflow: Arc<Workflow>,
    pub(crate) library: Arc<Library>,
    pub(crate) execution: Execution,
    pub(crate) outstanding: Outstanding,
    /// The number of its next event.
    pub(crate) next: u64,
    pub(crate) pace: Pace,
    /// What it was told and has not taken in.
    pub(crate) letters: Vec<(LetterId, EventKind)>,
}

/// What an execution waits for.
#[derive(Default)]
pub(crate) struct Outstanding {
    pub(crate) calls: Vec<(Call, Known)>,
    pub(crate) timers: Vec<(TimerId, i64)>,
    pub(crate) children: Vec<ExecutionId>,
}

/// What is known of an action that was in flight when the host stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It was never handed to its runner.
    NotStarted,
    /// It was, and may be once more: its task says so, or it only reads.
    MayRunAgain,
    /// It goes on elsewhere, and is finished from outside.
    Elsewhere,
    /// It was, and nobody knows what it did.
    Lost,
}

/// Where the replay of an execution starts.
#[derive(Default)]
struct Start {
    execution: Option<Execution>,
    /// How many events its snapshot covers.
    covered: u64,
    /// How many bytes its snapshot takes.
    size: usize,
    /// The events that follow, if they are others than those after the newest snapshot.
    events: Option<Vec<StoredEvent>>,
}

/// Reads executions from a journal.
pub(crate) struct Replay<'a> {
    journal: &'a Journal,
    /// Those of the runtime that has executions go on; none where they are only looked at.
    libraries: Option<&'a Libraries>,
    /// Those that were read.
    read: HashMap<Digest, Arc<Library>>,
    /// Whether snapshots are left alone.
    pub(crate) only_events: bool,
    /// How many events were decided again.
    pub(crate) decided: usize,
}

impl<'a> Replay<'a> {
    pub(crate) fn new(journal: &'a Journal, libraries: Option<&'a Libraries>) -> Self {
        Self {
            journal,
            libraries,
            read: HashMap::new(),
            only_events: false,
            decided: 0,
        }
    }

    /// A root execution and all below it, each after the one above it.
    pub(crate) fn family(&mut self, root: &ExecutionId) -> Result<Vec<Revived>, RuntimeError> {
        let ids = self.journal.family(root, false)?;
        ids.iter().map(|id| self.execution(id)).collect()
    }

    /// One execution.
    pub(crate) fn execution(&mut self, id: &ExecutionId) -> Result<Revived, RuntimeError> {
        let loaded = self
            .journal
            .load(id)?
            .ok_or_else(|| RuntimeError::UnknownExecution(id.clone()))?;
        let library = self.library(&loaded.row)?;
        let row = &loaded.row;
        let workflow = workflow(&library, &row.workflow_namespace, &row.workflow_name)?;
        let (library, workflow) = (&library, &workflow);
        let start = self.start(id, &loaded)?;
        let mut execution = start.execution;
        let mut next = start.covered;
        let mut since = 0;
        for stored in start.events.as_ref().unwrap_or(&loaded.events) {
            let what = || format!("event {} of execution {id}", stored.number);
            execution = Some(
                match (decode(self.journal, &what(), &stored.body)?, execution) {
                    (Entry::Created(created), None) => *created,
                    (Entry::Happened(event), Some(execution)) => {
                        self.decided += 1;
                        again(library, workflow, execution, event)
                            .map_err(|reason| self.corrupt(format!("{}: {reason}", what())))?
                    }
                    _ => return Err(self.corrupt(format!("{} is out of place", what()))),
                },
            );
            next = stored.number + 1;
            since += stored.body.len();
        }
        let Some(execution) = execution else {
            return Err(self.corrupt(format!("execution {id} has no events")));
        };
        let letters = self.journal.letters(id)?;
        let letters = letters.into_iter().map(|letter| {
            let event: Letter = decode(self.journal, "a letter", &letter.body)?;
            Ok((letter.id, event))
        });
        Ok(Revived {
            outstanding: self.outstanding(&execution, library)?,
            letters: letters.collect::<Result<_, RuntimeError>>()?,
            row: loaded.row,
            workflow: Arc::clone(workflow),
            library: Arc::clone(library),
            execution,
            next,
            pace: Pace::after(start.covered, start.size, since),
        })
    }

    fn library(&mut self, row: &ExecutionRow) -> Result<Arc<Library>, RuntimeError> {
        let id = &row.id;
        let digest = row
            .definitions
            .ok_or_else(|| self.corrupt(format!("execution {id} has no definitions")))?;
        if let Some(library) = self.read.get(&digest) {
            return Ok(Arc::clone(library));
        }
        let library = match self.libraries.and_then(|known| known.get(&digest)) {
            Some(library) => library,
            None => self.restore(id, digest)?,
        };
        self.read.insert(digest, Arc::clone(&library));
        Ok(library)
    }

    fn restore(&self, id: &ExecutionId, digest: Digest) -> Result<Arc<Library>, RuntimeError> {
        let bytes = self
            .journal
            .value(&digest)?
            .ok_or_else(|| self.corrupt(format!("the definitions of execution {id} are gone")))?;
        let blob = Blob::with_digest(digest, bytes);
        let library =
            Library::restore(blob, |part| self.journal.value(part)).map_err(
                |error| match error {
                    Unrestored::Form(reason) => {
                        self.corrupt(format!("the definitions of {id}: {reason}"))
                    }
                    Unrestored::Journal(error) => error.into(),
                },
            )?;
        Ok(match self.libraries {
            Some(libraries) => libraries.restored(library),
            None => Arc::new(library),
        })
    }

    /// Where replay starts: after the newest snapshot, if it can be read, and otherwise at the
    /// first event.
    fn start(&self, id: &ExecutionId, loaded: &Loaded) -> Result<Start, RuntimeError> {
        let Some(snapshot) = &loaded.snapshot else {
            return Ok(Start::default());
        };
        // Where history was pruned, the snapshot is all that there is of it.
        let pruned = self
            .journal
            .events(id, 0, 1)?
            .first()
            .is_none_or(|event| event.number > 0);
        if pruned || !self.only_events {
            match keep::read(self.journal, snapshot) {
                Some(Ok((execution, size))) => {
                    return Ok(Start {
                        execution: Some(execution),
                        covered: snapshot.events,
                        size,
                        events: None,
                    });
                }
                Some(Err(error)) => {
                    tracing::warn!(execution = %id, %error, "its events are read, all of them");
                }
                None => {}
            }
        }
        Ok(Start {
            events: Some(self.journal.events(id, 0, usize::MAX)?),
            ..Start::default()
        })
    }

    fn outstanding(
        &self,
        execution: &Execution,
        library: &Library,
    ) -> Result<Outstanding, RuntimeError> {
        let mut outstanding = Outstanding::default();
        if execution.state().is_completed() {
            return Ok(outstanding);
        }
        for (task, action) in execution.actions_in_flight() {
            let call = Call {
                action: Arc::new(ActionRef {
                    id: action.id.clone(),
                    name: Arc::clone(action.name),
                    task_id: task.id().clone(),
                    task_name: Arc::clone(task.name()),
                    attempt: action.attempt,
                }),
                input: Arc::clone(action.input),
                timeout: task.timeout(),
                slot: None,
            };
            let known = if action.deferred {
                Known::Elsewhere
            } else {
                self.known(action.id, &call, action.safe_rerun, library)?
            };
            outstanding.calls.push((call, known));
        }
        for waiting in execution.waits_for() {
            match waiting {
                Waiting::Timer { id, at, .. } => outstanding.timers.push((id, at)),
                Waiting::Child { id, .. } => outstanding.children.push(id),
                Waiting::Action { .. } | Waiting::Start | Waiting::Person => {}
            }
        }
        Ok(outstanding)
    }

    fn known(
        &self,
        id: &ActionExecutionId,
        call: &Call,
        safe_rerun: bool,
        library: &Library,
    ) -> Result<Known, RuntimeError> {
        let record = self.journal.action(id)?;
        Ok(match record.map(|record| record.row.reached) {
            Some(Reached::Queued) => Known::NotStarted,
            // Where nothing goes on, nobody asks.
            _ if self.libraries.is_none() => Known::Lost,
            _ if safe_rerun || library.runner().only_reads(&call.action.name) => Known::MayRunAgain,
            _ => Known::Lost,
        })
    }

    fn corrupt(&self, detail: String) -> RuntimeError {
        JournalError::Corrupt {
            path: self.journal.path().to_owned(),
            detail,
        }
        .into()
    }
}

/// The turn of `event`, once more: the same as it was. The error says why it cannot be.
fn again(
    library: &Library,
    workflow: &Workflow,
    execution: Execution,
    event: Event,
) -> Result<Execution, String> {
    let definitions = &**library.definitions();
    let decision = catch_unwind(AssertUnwindSafe(|| {
        decide(definitions, workflow, execution, event)
    }))
    .map_err(|panic| panic_message(panic.as_ref()))?;
    if decision.question.is_some() {
        return Err("it asks what it did not ask before".to_owned());
    }
    Ok(decision.execution)
}
