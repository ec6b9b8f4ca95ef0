//! Deletes what ended a while ago: Mistral's `[execution_expiration_policy]`
//! (`mistral/services/expiration_policy.py`).
//!
//! Sub-executions go with their root, never by themselves. Who watches is told as of any deletion.
//! Beside Mistral, actions that ran by themselves go by the same bounds.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ostro_core::{ExecutionId, State};
use ostro_journal::{Expired, Policy};
use ostro_runtime::feed::deleted;

use crate::app::App;
use crate::fault::Fault;

/// Which executions that have ended are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpirationSettings {
    /// How often those are looked for that are not; at first when the server starts.
    pub evaluation_interval: Duration,
    /// Those are not that ended longer ago than this.
    pub older_than: Option<Duration>,
    /// Only the newest are, this many.
    pub max_finished_executions: Option<NonZeroUsize>,
    /// How many are deleted in one transaction.
    pub batch_size: NonZeroUsize,
    /// Those that ended in these states are, whatever their age, and are not counted.
    pub ignored_states: Vec<State>,
}

impl Default for ExpirationSettings {
    /// All are kept.
    fn default() -> Self {
        Self {
            evaluation_interval: Duration::from_mins(10),
            older_than: None,
            max_finished_executions: None,
            batch_size: NonZeroUsize::MIN.saturating_add(9),
            ignored_states: Vec::new(),
        }
    }
}

impl ExpirationSettings {
    /// None where all are kept.
    fn policy(&self) -> Option<Policy> {
        let millis = |age: Duration| i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let policy = Policy {
            older_than: self.older_than.map(millis),
            max_finished: self.max_finished_executions.map(NonZeroUsize::get),
            ignored_states: self.ignored_states.clone(),
            batch_size: self.batch_size.get(),
        };
        (policy.older_than.is_some() || policy.max_finished.is_some()).then_some(policy)
    }
}

/// Looks from time to time, for ever.
pub(crate) async fn watch(app: App, settings: ExpirationSettings) {
    let Some(policy) = settings.policy() else {
        return;
    };
    let mut times = tokio::time::interval(settings.evaluation_interval);
    loop {
        times.tick().await;
        match expire(&app, &policy).await {
            Ok(Expired {
                executions: 0,
                actions: 0,
                ..
            }) => {}
            Ok(expired) => {
                let Expired {
                    executions,
                    actions,
                    ..
                } = expired;
                tracing::info!(executions, actions, "deleted, as they ended long ago");
            }
            Err(fault) => {
                let reason = fault.message();
                tracing::error!(reason, "what ended long ago cannot be deleted");
            }
        }
    }
}

async fn expire(app: &App, policy: &Policy) -> Result<Expired, Fault> {
    let gone: Arc<Mutex<Vec<ExecutionId>>> = Arc::default();
    let (now, policy, noted) = (app.now(), policy.clone(), Arc::clone(&gone));
    let expired = app.read(move |journal| {
        let tell = move |row: &ostro_journal::ExecutionRow| {
            let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
            noted.push(row.id.clone());
            Some(deleted(row, now))
        };
        Ok(journal.expire_and_tell(&policy, now, tell)?)
    });
    let expired = expired.await;
    // Nothing of them stays in memory, either.
    let gone = std::mem::take(&mut *gone.lock().unwrap_or_else(PoisonError::into_inner));
    for root in gone {
        app.runtime.forget(&root);
    }
    expired
}
