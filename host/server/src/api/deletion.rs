//! How executions are deleted.

use std::time::Duration;

use ostro_core::State;
use ostro_journal::ExecutionRow;
use ostro_runtime::RuntimeError;

use crate::app::App;
use crate::fault::Fault;

/// How long what runs may take to come to rest.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10);

/// Deletes an execution with all below it. What runs of it is cancelled.
pub(super) async fn delete(app: &App, row: &ExecutionRow) -> Result<(), Fault> {
    if let Some(root) = &row.root_execution_id {
        return Err(Fault::forbidden(format!(
            "Execution {} is a sub-workflow of {root}: it is deleted with that one",
            row.id
        )));
    }
    let id = row.id.clone();
    if !row.state.is_completed() {
        let stopped = app.runtime.stop(&id, State::Cancelled, None).await;
        match stopped {
            Ok(()) | Err(RuntimeError::Ended(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let rest = tokio::time::timeout(PATIENCE, at_rest(app, row));
    rest.await.map_err(|_| {
        Fault::unavailable(format!("Execution {} is still at work: try again", row.id))
    })?;
    let told = ostro_runtime::feed::deleted(row, app.now());
    app.read(move |journal| Ok(journal.delete_and_tell(&id, Some(told))?))
        .await?;
    Ok(())
}

/// Ready once nothing of the execution is in memory.
async fn at_rest(app: &App, row: &ExecutionRow) {
    while app.runtime.info(&row.id).is_some() {
        if !app.runtime.forget(&row.id) {
            tokio::time::sleep(PAUSE).await;
        }
    }
}
