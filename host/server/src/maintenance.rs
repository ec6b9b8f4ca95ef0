//! Maintenance: a time in which nothing new begins (`mistral/services/maintenance.py`).
//!
//! Unlike Mistral, what a person had paused before stays paused afterwards.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ostro_core::{ExecutionId, State};
use ostro_journal::{Direction, ExecutionColumn, Journal, Op, Operand, Query, TaskColumn, Turn};
use ostro_runtime::RuntimeError;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::fault::Fault;
use crate::records::all_pages;

const SETTING: &str = "maintenance";
/// How often to look whether the tasks that run have ended.
const LOOK: Duration = Duration::from_millis(500);

/// Whether something may begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Status {
    /// As always.
    #[default]
    Running,
    /// Nothing begins, and what is in flight comes to its end.
    Pausing,
    /// Nothing is in flight.
    Paused,
}

/// What is durable of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Kept {
    status: Status,
    /// The executions that were paused for it.
    #[serde(default)]
    paused: Vec<ExecutionId>,
}

/// The maintenance of a host.
pub(crate) struct Maintenance {
    status: Mutex<Status>,
    /// Held by whoever changes it.
    turn: tokio::sync::Mutex<Kept>,
}

impl Status {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Pausing => "PAUSING",
            Self::Paused => "PAUSED",
        }
    }
}

impl Maintenance {
    /// As it was when the server stopped.
    pub(crate) fn open(journal: &Journal) -> Result<Self, Fault> {
        let kept: Kept = match journal.setting(SETTING)? {
            None => Kept::default(),
            Some(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::error!(%error, "the maintenance status cannot be read: it is RUNNING");
                Kept::default()
            }),
        };
        Ok(Self {
            status: Mutex::new(kept.status),
            turn: tokio::sync::Mutex::new(kept),
        })
    }

    /// Whether something may begin.
    pub(crate) fn status(&self) -> Status {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on with what was under way when the server stopped.
    pub(crate) fn go_on(app: &App) {
        if app.maintenance.status() == Status::Pausing {
            tokio::spawn(come_to_rest(app.clone()));
        }
    }

    /// Pauses, or goes on. How it stands then.
    pub(crate) async fn change(app: &App, wanted: Status) -> Result<Status, Fault> {
        let mut kept = app.maintenance.turn.lock().await;
        if wanted == Status::Running && kept.status != Status::Running {
            let paused = std::mem::take(&mut kept.paused);
            app.set_maintenance(&mut kept, Status::Running).await?;
            // All of them go on before the next pause can begin.
            for id in paused {
                tell(&id, app.runtime.resume(&id, None).await);
            }
        } else if wanted == Status::Paused && kept.status == Status::Running {
            // From now on nothing begins, so that all that runs is known.
            app.set_maintenance(&mut kept, Status::Pausing).await?;
            kept.paused = app.read(running).await?;
            app.set_maintenance(&mut kept, Status::Pausing).await?;
            for id in &kept.paused {
                tell(id, app.runtime.pause(id).await);
            }
            tokio::spawn(come_to_rest(app.clone()));
        }
        Ok(kept.status)
    }
}

impl App {
    async fn set_maintenance(&self, kept: &mut Kept, status: Status) -> Result<(), Fault> {
        let kept_now = Kept {
            status,
            paused: kept.paused.clone(),
        };
        let mut turn = Turn::new();
        turn.setting(
            SETTING,
            Some(serde_json::to_vec(&kept_now).unwrap_or_default()),
        );
        self.write(turn).await?;
        *kept = kept_now;
        let mut known = self
            .maintenance
            .status
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *known = status;
        Ok(())
    }
}

/// The root executions that run, of all projects.
fn running(journal: &Journal) -> Result<Vec<ExecutionId>, Fault> {
    let query = Query::new()
        .filter(
            ExecutionColumn::State,
            Op::Eq(State::Running.as_str().into()),
        )
        .filter(ExecutionColumn::ParentExecutionId, Op::Eq(Operand::Null))
        .sort(ExecutionColumn::CreatedAt, Direction::Ascending)
        .omit(ExecutionColumn::Input)
        .omit(ExecutionColumn::Params);
    let rows = all_pages(
        query,
        |query| journal.list_executions(query),
        |row| row.id.as_str(),
    )?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Once no task runs any more, the pause has come.
async fn come_to_rest(app: App) {
    loop {
        if app.maintenance.status() != Status::Pausing {
            return;
        }
        let busy = app.read(|journal| {
            let query = Query::new()
                .filter(TaskColumn::State, Op::Eq(State::Running.as_str().into()))
                .omit(TaskColumn::Result)
                .limit(1);
            Ok(!journal.list_tasks(&query)?.is_empty())
        });
        if !busy.await.unwrap_or(true) {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    let mut kept = app.maintenance.turn.lock().await;
    if kept.status == Status::Pausing
        && let Err(fault) = app.set_maintenance(&mut kept, Status::Paused).await
    {
        tracing::error!(reason = fault.message(), "the pause cannot be kept");
    }
}

/// What has ended meanwhile needs nothing.
fn tell(id: &ExecutionId, result: Result<(), RuntimeError>) {
    match result {
        Ok(()) | Err(RuntimeError::Ended(_) | RuntimeError::UnknownExecution(_)) => {}
        Err(error) => tracing::error!(%id, %error, "maintenance passes an execution by"),
    }
}
