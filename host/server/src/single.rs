//! Actions that run by themselves, without a workflow.

mod told;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ostro_core::{
    ActionCall, ActionContext, ActionError, ActionErrorKind, ActionExecutionId, ActionOutcome,
    ActionRunner, ExecutionId, Map, ProgressSink, State, Value,
};
use ostro_journal::{
    ActionChange, ActionColumn, ActionRow, Direction, Op, Operand, Query, Reached, Turn,
};
use ostro_runtime::feed::{ActionFault, Notes};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tracing::{Instrument as _, Span};

use self::told::{Log, Sink};
use crate::app::App;
use crate::delegation::As;
use crate::fault::Fault;
use crate::records::{all_pages, unknown_action};
use crate::request::Current;
use crate::telemetry;

/// How many run at the same time at most; more wait.
const MOST: usize = 64;

/// How many there are at most, with those that wait, for which nobody waits.
const MOST_SCHEDULED: usize = 512;

/// What the row of an action says that is finished from outside.
const DEFERRED: &str = r#"{"deferred":true}"#;

/// What is known of the actions that run by themselves.
pub(crate) struct Single {
    /// What is kept of those that nobody waits for.
    running: Mutex<HashMap<ActionExecutionId, AbortHandle>>,
    slots: Semaphore,
    /// What they say that waits to be written.
    notes: Arc<Notes>,
    /// One for each that somebody has scheduled.
    places: Arc<Semaphore>,
    /// How many wait for one of them.
    waiting: AtomicUsize,
    /// Held by whoever says how one stands: it ends once.
    turn: tokio::sync::Mutex<()>,
}

impl Default for Single {
    fn default() -> Self {
        Self {
            running: Mutex::default(),
            slots: Semaphore::new(MOST),
            notes: Arc::default(),
            places: Arc::new(Semaphore::new(MOST_SCHEDULED)),
            waiting: AtomicUsize::new(0),
            turn: tokio::sync::Mutex::default(),
        }
    }
}

/// How many there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SingleFigures {
    /// That run.
    pub(crate) running: usize,
    /// That wait for a slot.
    pub(crate) waiting: usize,
}

impl Single {
    pub(crate) fn figures(&self) -> SingleFigures {
        SingleFigures {
            running: MOST - self.slots.available_permits().min(MOST),
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }
}

/// One that waits for a slot, as long as this is there.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An action that is to run.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) id: ActionExecutionId,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) input: Map,
    pub(crate) project: String,
    pub(crate) description: Option<String>,
    /// How long it may take.
    pub(crate) timeout: Option<Duration>,
    pub(crate) runner: Arc<dyn ActionRunner>,
    /// As whom it acts.
    pub(crate) acts: As,
    /// The request that it is for.
    pub(crate) request: Option<Arc<Current>>,
}

/// How an action stands after somebody has said so.
pub(crate) struct Standing {
    state: State,
    /// Its result or error, as JSON.
    output: Option<String>,
    /// Why it failed, where it did.
    error: Option<ActionFault>,
}

impl Standing {
    /// As `state`, while it has not ended.
    pub(crate) fn open(state: State) -> Self {
        Self {
            state,
            output: None,
            error: None,
        }
    }

    /// It was cancelled.
    pub(crate) fn cancelled() -> Self {
        Self::ended(State::Cancelled, &Value::Null)
    }

    /// It has ended like this; none where it goes on elsewhere.
    pub(crate) fn of(outcome: &ActionOutcome) -> Option<Self> {
        match outcome {
            ActionOutcome::Success(value) => Some(Self::ended(State::Success, value)),
            ActionOutcome::Error(error) => Some(Self {
                error: Some(ActionFault::of(error)),
                ..Self::ended(State::Error, &error.value)
            }),
            ActionOutcome::Deferred => None,
        }
    }

    fn ended(state: State, output: &Value) -> Self {
        Self {
            state,
            output: Some(serde_json::to_string(output).unwrap_or_default()),
            error: None,
        }
    }
}

impl App {
    /// Runs an action to its end for somebody who waits.
    pub(crate) async fn run_action(&self, call: &Call) -> ActionOutcome {
        self.run_and_tell(call, Arc::new(Log)).await
    }

    async fn run_and_tell(&self, call: &Call, told: Arc<dyn ProgressSink>) -> ActionOutcome {
        let waits = Waiting::new(&self.single.waiting);
        // The semaphore is never closed.
        let _slot = self.single.slots.acquire().await;
        drop(waits);
        let _acting = self.delegating.action(call.id.as_str(), &call.acts);
        let span = call.span(self);
        let began = Instant::now();
        let outcome = self.run_in_time(call, told);
        let outcome = outcome.instrument(call.log_span()).await;
        let (word, ended) = match &outcome {
            ActionOutcome::Success(_) => ("success", Some(Ok(()))),
            ActionOutcome::Error(error) => {
                let kind = format!("{:?}", error.kind).to_lowercase();
                ("error", Some(Err(kind)))
            }
            ActionOutcome::Deferred => ("deferred", None),
        };
        let metrics = &self.telemetry.metrics;
        metrics.ran(&call.name, word, began.elapsed());
        if let Some(span) = span {
            span.ended(ended);
        }
        outcome
    }

    async fn run_in_time(&self, call: &Call, told: Arc<dyn ProgressSink>) -> ActionOutcome {
        let run = call.runner.run(call.action(told));
        let Some(timeout) = call.timeout else {
            return run.await;
        };
        let ended = tokio::time::timeout(timeout, run).await;
        ended.unwrap_or_else(|_| {
            let message = format!("The action took longer than {timeout:?}");
            ActionOutcome::Error(ActionError::new(ActionErrorKind::Limit, message))
        })
    }

    /// Runs an action for whom nobody waits. Its row is there once this is ready.
    pub(crate) async fn schedule_action(&self, call: Call) -> Result<(), Fault> {
        let Ok(place) = Arc::clone(&self.single.places).try_acquire_owned() else {
            return Err(Fault::busy(format!(
                "Too many actions: {MOST_SCHEDULED} run or wait that belong to no workflow, and \
                 there is no room for more until some have ended"
            )));
        };
        let now = self.now();
        let row = ActionRow {
            reached: Reached::Started,
            started_at: Some(now),
            ..call.row(now)
        };
        let mut turn = Turn::new();
        turn.action(row);
        turn.change(told::started(&call, now));
        self.write(turn).await?;
        let id = call.id.clone();
        let (app, ran) = (self.clone(), call.clone());
        // It begins once it is known, so that what it leaves behind is found.
        let mut running = lock(&self.single.running);
        let run = tokio::spawn(async move {
            let sink = Sink::new(&app, &ran);
            app.run_and_tell(&ran, Arc::new(sink)).await
        });
        running.insert(id.clone(), run.abort_handle());
        drop(running);
        let app = self.clone();
        tokio::spawn(async move {
            let _place = place;
            let outcome = match run.await {
                Ok(outcome) => Some(outcome),
                // Whoever cancelled it says how it ended.
                Err(error) if error.is_cancelled() => None,
                Err(error) => {
                    tracing::error!(%error, action = call.name, "an action broke down");
                    let message = format!("{}: it broke down, and the log says why", call.name);
                    let error = ActionError::new(ActionErrorKind::Host, message);
                    Some(ActionOutcome::Error(error))
                }
            };
            lock(&app.single.running).remove(&id);
            let told = match outcome.as_ref().map(Standing::of) {
                None => Ok(()),
                Some(Some(standing)) => app.tell_action(&id, standing).await,
                Some(None) => app.write(deferred(&call, now)).await.map_err(Into::into),
            };
            if let Err(fault) = told {
                tracing::warn!(%id, reason = Fault::message(&fault), "how an action ended is lost");
            }
        });
        Ok(())
    }

    /// Keeps an action that was waited for, and that goes on elsewhere.
    pub(crate) async fn defer_action(
        &self,
        call: &Call,
        now: i64,
    ) -> Result<(), ostro_journal::JournalError> {
        let mut turn = deferred(call, now);
        turn.change(told::started(call, now));
        self.write(turn).await
    }

    /// Keeps an action that has ended while somebody waited for it.
    pub(crate) async fn keep_action(&self, call: &Call, standing: &Standing) -> Result<(), Fault> {
        let now = self.now();
        let row = ActionRow {
            state: standing.state,
            reached: Reached::Ended,
            output: standing.output.clone(),
            started_at: Some(now),
            finished_at: Some(now),
            ..call.row(now)
        };
        let mut turn = Turn::new();
        turn.change(told::started(call, now));
        turn.change(told::standing(&row, standing, now));
        turn.action(row);
        Ok(self.write(turn).await?)
    }

    /// Says how an action stands that runs by itself. One that has ended stays as it is.
    pub(crate) async fn tell_action(
        &self,
        id: &ActionExecutionId,
        standing: Standing,
    ) -> Result<(), Fault> {
        let _turn = self.single.turn.lock().await;
        let wanted = id.clone();
        let found = self
            .read(move |journal| Ok(journal.action(&wanted)?))
            .await?;
        let row = found.ok_or_else(|| unknown_action(id.as_str()))?.row;
        if row.state.is_completed() {
            return Err(ended_already(id));
        }
        let has_ended = standing.state.is_completed();
        let now = self.now();
        let mut turn = Turn::new();
        turn.change(told::standing(&row, &standing, now));
        turn.action_change(ActionChange {
            id: id.clone(),
            state: standing.state,
            reached: if has_ended {
                Reached::Ended
            } else {
                row.reached
            },
            accepted: has_ended,
            state_info: None,
            output: standing.output,
            updated_at: now,
            finished_at: has_ended.then_some(now),
        });
        self.write(turn).await?;
        if has_ended && let Some(run) = lock(&self.single.running).remove(id) {
            run.abort();
        }
        Ok(())
    }

    /// Ends the actions that ran by themselves when the server stopped: nobody knows how they
    /// ended.
    pub(crate) async fn settle_actions(&self) {
        let lost = self.read(|journal| {
            let query = Query::new()
                .filter(ActionColumn::State, Op::Eq(State::Running.as_str().into()))
                .filter(ActionColumn::WorkflowExecutionId, Op::Eq(Operand::Null))
                .sort(ActionColumn::CreatedAt, Direction::Ascending)
                .omit(ActionColumn::Input);
            all_pages(
                query,
                |query| journal.list_actions(query),
                |one| one.row.id.as_str(),
            )
        });
        // What cannot be read is told by the log.
        for lost in lost.await.unwrap_or_default() {
            if lost.row.runtime_context.as_deref() == Some(DEFERRED) {
                continue;
            }
            let message = "the server stopped while the action ran";
            let error = ActionError::new(ActionErrorKind::Host, message);
            if let Some(standing) = Standing::of(&ActionOutcome::Error(error)) {
                let _ = self.tell_action(&lost.row.id, standing).await;
            }
        }
    }
}

impl Call {
    fn action(&self, told: Arc<dyn ProgressSink>) -> ActionCall {
        ActionCall {
            name: self.name.as_str().into(),
            input: Arc::new(self.input.clone()),
            context: ActionContext {
                project: self.project.as_str().into(),
                execution_id: ExecutionId::new(""),
                workflow_name: Arc::default(),
                workflow_namespace: self.namespace.as_str().into(),
                task_execution_id: None,
                task_name: None,
                action_execution_id: self.id.clone(),
                attempt: 1,
                timeout: self.timeout,
            },
            root: ExecutionId::new(self.id.as_str()),
            progress: told,
        }
    }

    /// What traces show of it.
    fn span(&self, app: &App) -> Option<telemetry::Single> {
        let tracer = app.telemetry.tracer.as_ref()?;
        let parent = self.request.as_ref().and_then(|request| request.trace);
        Some(tracer.single(&self.id, &self.name, parent))
    }

    /// What logs say beside each line about it.
    fn log_span(&self) -> Span {
        tracing::error_span!(
            parent: self.request.as_ref().and_then(|request| request.span.id()),
            "action",
            action = self.name,
            action_execution_id = %self.id,
            project_id = self.project,
        )
    }

    /// Its row while it runs.
    fn row(&self, now: i64) -> ActionRow {
        ActionRow {
            project_id: Some(self.project.clone()),
            description: self.description.clone(),
            input: Some(serde_json::to_string(&self.input).unwrap_or_default()),
            ..ActionRow::new(self.id.clone(), self.name.as_str(), now)
        }
    }
}

/// What is kept of an action that goes on elsewhere.
fn deferred(call: &Call, now: i64) -> Turn {
    let mut turn = Turn::new();
    turn.action(ActionRow {
        reached: Reached::Started,
        started_at: Some(now),
        runtime_context: Some(DEFERRED.to_owned()),
        ..call.row(now)
    });
    turn
}

/// An action that has ended stays as it is.
pub(crate) fn ended_already(id: &ActionExecutionId) -> Fault {
    Fault::invalid(format!("Action execution {id} is already completed"))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
