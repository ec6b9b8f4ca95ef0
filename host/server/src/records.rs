//! Executions, and their tasks and actions, as far as a caller sees them.

use std::sync::Arc;

use ostro_core::{ActionExecutionId, ExecutionId, TaskExecutionId};
use ostro_engine::Execution;
use ostro_journal::{
    ActionRecord, ExecutionRow, Journal, JournalError, MAX_LIMIT, Query, TaskRecord, Turn,
};
use ostro_runtime::{RuntimeError, Snapshots};
use tokio::sync::oneshot;

use crate::app::App;
use crate::fault::Fault;
use crate::identity::Caller;
use crate::request;

impl App {
    /// What `read` gives of the journal, whose reads hold their thread up.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Journal) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let journal = self.journal.clone();
        let read = tokio::task::spawn_blocking(move || read(&journal)).await;
        read.unwrap_or_else(|error| {
            tracing::error!(%error, "a read of the journal came to no end");
            Err(Fault::unavailable(
                "the journal cannot be read: the log says why",
            ))
        })
    }

    /// Has `turn` written. Once this is ready, it is durable.
    pub(crate) async fn write(&self, turn: Turn) -> Result<(), JournalError> {
        write(&self.journal, turn).await
    }

    /// The execution `id`.
    pub(crate) async fn execution(&self, caller: &Caller, id: &str) -> Result<ExecutionRow, Fault> {
        let id = ExecutionId::new(id);
        let unknown = unknown_execution(id.as_str());
        request::is_about_execution(id.as_str());
        let found = self.read(move |journal| Ok(journal.execution(&id)?));
        let row = found.await?;
        row.filter(|row| caller.owns(&row.project_id))
            .ok_or(unknown)
    }

    /// The task execution `id`.
    pub(crate) async fn task(&self, caller: &Caller, id: &str) -> Result<TaskRecord, Fault> {
        let id = TaskExecutionId::new(id);
        let unknown = unknown_task(id.as_str());
        let found = self.read(move |journal| Ok(journal.task(&id)?));
        let record = found.await?;
        record
            .filter(|record| caller.owns(&record.project_id))
            .ok_or(unknown)
    }

    /// The action execution `id`.
    pub(crate) async fn action(&self, caller: &Caller, id: &str) -> Result<ActionRecord, Fault> {
        let id = ActionExecutionId::new(id);
        let unknown = unknown_action(id.as_str());
        let found = self.read(move |journal| Ok(journal.action(&id)?));
        let record = found.await?;
        let project = |record: &ActionRecord| record.row.project_id.clone().unwrap_or_default();
        record
            .filter(|record| caller.owns(&project(record)))
            .ok_or(unknown)
    }

    /// The engine's state of an execution as of its last turn.
    pub(crate) async fn state_of(&self, row: &ExecutionRow) -> Result<Arc<Execution>, Fault> {
        if let Some(execution) = self.runtime.snapshot(&row.id) {
            return Ok(execution);
        }
        let id = row.id.clone();
        let root = row.root_execution_id.clone().unwrap_or_else(|| id.clone());
        let read = self.read(move |journal| {
            let found = Snapshots::read(journal, &root)?.get(&id);
            found.ok_or_else(|| RuntimeError::UnknownExecution(id).into())
        });
        read.await
    }
}

/// Has `turn` written to `journal`. Once this is ready, it is durable.
pub(crate) async fn write(journal: &Journal, turn: Turn) -> Result<(), JournalError> {
    let (sender, receiver) = oneshot::channel();
    let written = journal.try_submit(turn, move |result| {
        // Whoever waited may have gone.
        let _ = sender.send(result);
    });
    written.map_err(|refused| refused.reason)?;
    receiver.await.unwrap_or(Err(JournalError::Closed))
}

/// All pages of `query`, one after the other.
pub(crate) fn all_pages<C, T>(
    mut query: Query<C>,
    list: impl Fn(&Query<C>) -> Result<Vec<T>, JournalError>,
    id: impl Fn(&T) -> &str,
) -> Result<Vec<T>, Fault> {
    let mut rows = Vec::new();
    loop {
        let next = list(&query)?;
        let is_last = next.len() < MAX_LIMIT;
        rows.extend(next);
        match rows.last() {
            Some(end) if !is_last => query = query.after(id(end)),
            _ => return Ok(rows),
        }
    }
}

impl Caller {
    /// Whether what `project` has run is the caller's to see and change.
    pub(crate) fn owns(&self, project: &str) -> bool {
        self.is_admin || self.project == project
    }
}

pub(crate) fn unknown_execution(id: &str) -> Fault {
    Fault::not_found(format!("WorkflowExecution not found [id={id}]"))
}

pub(crate) fn unknown_task(id: &str) -> Fault {
    Fault::not_found(format!("Task execution not found [id={id}]"))
}

pub(crate) fn unknown_action(id: &str) -> Fault {
    Fault::not_found(format!("ActionExecution not found [id={id}]"))
}
