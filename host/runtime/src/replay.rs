//! Executions as the journal has them: what they have come to, and what they wait for.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ostro_core::{ActionExecutionId, ActionOutcome, ActionRunner, ExecutionId};
use ostro_engine::{Command, Event, EventKind, Execution, TimerId, Waiting, decide};
use ostro_journal::{Digest, ExecutionRow, Journal, JournalError, LetterId, Reached};
use ostro_lang::Workflow;

use crate::entry::{Entry, Letter, decode};
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

/// An action that a turn commanded.
struct Commanded {
    call: Call,
    safe_rerun: bool,
}

/// Reads executions from a journal.
pub(crate) struct Replay<'a> {
    pub(crate) journal: &'a Journal,
    pub(crate) runner: &'a dyn ActionRunner,
    pub(crate) libraries: HashMap<Digest, Arc<Library>>,
}

impl Replay<'_> {
    /// A root execution and all below it, each after the one above it.
    pub(crate) fn family(&mut self, root: &ExecutionId) -> Result<Vec<Revived>, RuntimeError> {
        let ids = self.journal.family(root, false)?;
        ids.iter().map(|id| self.execution(id)).collect()
    }

    fn execution(&mut self, id: &ExecutionId) -> Result<Revived, RuntimeError> {
        let loaded = self
            .journal
            .load(id)?
            .ok_or_else(|| RuntimeError::UnknownExecution(id.clone()))?;
        let library = self.library(&loaded.row)?;
        let row = &loaded.row;
        let workflow = workflow(&library, &row.workflow_namespace, &row.workflow_name)?;
        let mut execution = None;
        let mut commanded = HashMap::new();
        for stored in &loaded.events {
            let what = || format!("event {} of execution {id}", stored.number);
            execution = Some(
                match (decode(self.journal, &what(), &stored.body)?, execution) {
                    (Entry::Created(created), None) => *created,
                    (Entry::Happened(event), Some(execution)) => {
                        let again = again(&library, &workflow, execution, event, &mut commanded);
                        again.map_err(|reason| self.corrupt(format!("{}: {reason}", what())))?
                    }
                    _ => return Err(self.corrupt(format!("{} is out of place", what()))),
                },
            );
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
            outstanding: self.outstanding(&execution, commanded)?,
            letters: letters.collect::<Result<_, RuntimeError>>()?,
            row: loaded.row,
            workflow,
            library,
            execution,
            next: loaded.next,
        })
    }

    fn library(&mut self, row: &ExecutionRow) -> Result<Arc<Library>, RuntimeError> {
        let id = &row.id;
        let digest = row
            .definitions
            .ok_or_else(|| self.corrupt(format!("execution {id} has no definitions")))?;
        if let Some(library) = self.libraries.get(&digest) {
            return Ok(Arc::clone(library));
        }
        let bytes = self
            .journal
            .value(&digest)?
            .ok_or_else(|| self.corrupt(format!("the definitions of execution {id} are gone")))?;
        let library = Library::restore(&bytes)
            .map_err(|reason| self.corrupt(format!("the definitions of {id}: {reason}")))?;
        let library = Arc::new(library);
        self.libraries.insert(digest, Arc::clone(&library));
        Ok(library)
    }

    fn outstanding(
        &self,
        execution: &Execution,
        mut commanded: HashMap<ActionExecutionId, Commanded>,
    ) -> Result<Outstanding, RuntimeError> {
        let mut outstanding = Outstanding::default();
        for waiting in execution.waits_for() {
            match waiting {
                Waiting::Action { id, deferred, .. } => {
                    let Some(Commanded { call, safe_rerun }) = commanded.remove(&id) else {
                        return Err(self.corrupt(format!("nothing has action {id} run")));
                    };
                    let known = if deferred {
                        Known::Elsewhere
                    } else {
                        self.known(&id, &call, safe_rerun)?
                    };
                    outstanding.calls.push((call, known));
                }
                Waiting::Timer { id, at, .. } => outstanding.timers.push((id, at)),
                Waiting::Child { id, .. } => outstanding.children.push(id),
                Waiting::Start | Waiting::Person => {}
            }
        }
        Ok(outstanding)
    }

    fn known(
        &self,
        id: &ActionExecutionId,
        call: &Call,
        safe_rerun: bool,
    ) -> Result<Known, RuntimeError> {
        let record = self.journal.action(id)?;
        Ok(match record.map(|record| record.row.reached) {
            Some(Reached::Queued) => Known::NotStarted,
            _ if safe_rerun || self.runner.only_reads(&call.action.name) => Known::MayRunAgain,
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
    commanded: &mut HashMap<ActionExecutionId, Commanded>,
) -> Result<Execution, String> {
    // What has ended is forgotten, or a long history would be kept whole.
    if let EventKind::ActionFinished { id, outcome } = &event.kind
        && *outcome != ActionOutcome::Deferred
    {
        commanded.remove(id);
    }
    let definitions = &**library.definitions();
    let decision = catch_unwind(AssertUnwindSafe(|| {
        decide(definitions, workflow, execution, event)
    }))
    .map_err(|panic| panic_message(panic.as_ref()))?;
    if decision.question.is_some() {
        return Err("it asks what it did not ask before".to_owned());
    }
    for command in decision.commands {
        match command {
            Command::RunAction {
                id,
                task_id,
                task_name,
                name,
                input,
                attempt,
                timeout,
                safe_rerun,
                ..
            } => {
                let action = Arc::new(ActionRef {
                    id: id.clone(),
                    name,
                    task_id,
                    task_name,
                    attempt,
                });
                let call = Call {
                    action,
                    input,
                    timeout,
                    slot: None,
                };
                commanded.insert(id, Commanded { call, safe_rerun });
            }
            Command::CancelAction { id } => {
                commanded.remove(&id);
            }
            _ => {}
        }
    }
    Ok(decision.execution)
}
