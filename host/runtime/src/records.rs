//! What expressions of one execution see of others of its project: those in memory, and those in
//! the journal.

use std::collections::HashMap;
use std::sync::Arc;

use ostro_core::ExecutionId;
use ostro_engine::{Execution, Query, Records};
use ostro_journal::{Direction, ExecutionColumn, Journal, JournalError, Op, Query as Page};
use ostro_lang::Workflow;

use crate::RuntimeError;
use crate::replay::{Replay, Revived};
use crate::shared::Shared;

/// How many executions that are not in memory a question may have read, the newest.
const MOST: usize = 1_000;

/// All executions of a project.
pub(crate) struct OfProject<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) project: &'a str,
}

impl Records for OfProject<'_> {
    fn execution(&self, id: &ExecutionId) -> Option<(Arc<Execution>, Arc<Workflow>)> {
        if let Some(record) = self.shared.record(id) {
            let found = (record.snapshot(), Arc::clone(&record.workflow));
            return (*record.about.project == *self.project).then_some(found);
        }
        let journal = self.shared.store.journal()?;
        let row = journal.execution(id).unwrap_or_else(|error| {
            tracing::error!(execution = %id, %error, "expressions do not see it");
            None
        });
        row.filter(|row| row.project_id == self.project)?;
        let revived = told(id, Replay::new(journal, None).execution(id))?;
        Some((Arc::new(revived.execution), revived.workflow))
    }

    fn executions(&self, query: &Query) -> Vec<Arc<Execution>> {
        let records = self.shared.records();
        let mut found: HashMap<ExecutionId, Arc<Execution>> = records
            .iter()
            .filter(|record| *record.about.project == *self.project)
            .map(|record| (record.about.id.clone(), record.snapshot()))
            .collect();
        let Some(journal) = self.shared.store.journal() else {
            return found.into_values().collect();
        };
        let mut replay = Replay::new(journal, None);
        let resting = resting(journal, self.project, query).unwrap_or_else(|error| {
            tracing::error!(%error, "expressions see only the executions that are in memory");
            Vec::new()
        });
        for id in resting {
            if !found.contains_key(&id)
                && let Some(revived) = told(&id, replay.execution(&id))
            {
                found.insert(id, Arc::new(revived.execution));
            }
        }
        found.into_values().collect()
    }
}

/// The executions of a project in the journal that may fit, the newest.
fn resting(
    journal: &Journal,
    project: &str,
    query: &Query,
) -> Result<Vec<ExecutionId>, JournalError> {
    let Query::Executions {
        id,
        root_execution_id,
        state,
        ..
    } = query
    else {
        return Ok(Vec::new());
    };
    let filters = [
        (ExecutionColumn::Id, id),
        (ExecutionColumn::RootExecutionId, root_execution_id),
        (ExecutionColumn::State, state),
    ];
    let page = filters
        .into_iter()
        .fold(Page::new(), |page, (column, is)| match is {
            Some(is) => page.filter(column, Op::Eq((&**is).into())),
            None => page,
        });
    let page = page
        .filter(ExecutionColumn::ProjectId, Op::Eq(project.into()))
        .sort(ExecutionColumn::CreatedAt, Direction::Descending)
        .omit(ExecutionColumn::Params)
        .limit(MOST);
    let rows = journal.list_executions(&page)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// An execution that cannot be read is not there for expressions, and the operator is told.
fn told(id: &ExecutionId, read: Result<Revived, RuntimeError>) -> Option<Revived> {
    match read {
        Ok(revived) => Some(revived),
        Err(RuntimeError::UnknownExecution(_)) => None,
        Err(error) => {
            tracing::error!(execution = %id, %error, "expressions do not see it");
            None
        }
    }
}
