//! The runtime as its users see it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ostro_core::{
    ActionExecutionId, ActionOutcome, ActionRunner, Clock, ExecutionId, Map, State,
    TaskExecutionId, Value,
};
use ostro_engine::{EventKind, Execution, Params};
use ostro_journal::Journal;
use ostro_lang::Definitions;
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use crate::family::Held;
use crate::hub::Subscription;
use crate::libraries::{Libraries, Source};
use crate::record::{Reply, Standing};
use crate::shared::{Launch, Phase, Shared, workflow};
use crate::store::{Durable, Store};
use crate::{ExecutionInfo, Figures, Library, Options, Outcome, RunnerSource, RuntimeError};

/// How long to wait at most for the executions above one that runs again.
const REOPENING: Duration = Duration::from_secs(10);

/// The driver of all executions in this process.
///
/// Clones are the same runtime. When the last one is dropped, or on [`Runtime::shutdown`],
/// executions stop where they are and actions in flight are cancelled.
///
/// Everything async here needs a tokio runtime with time enabled, and IO where there is a journal.
#[derive(Clone)]
pub struct Runtime {
    shared: Arc<Shared>,
    phase: Arc<watch::Sender<Phase>>,
}

/// What to start.
#[derive(Clone, Debug, Default)]
pub struct StartRequest {
    /// The workflow's full name: `tripleo.baremetal.v1.provide`.
    pub workflow: String,
    /// The workflow's namespace; empty for the default one.
    pub namespace: String,
    /// Its input.
    pub input: Map,
    /// The environment: what `env()` gives, in sub-workflows too.
    pub env: Map,
    /// The task that a reverse workflow is to reach.
    pub task_name: Option<String>,
    /// The project that it belongs to; empty where there are none.
    pub project: String,
    /// What a person says about this execution.
    pub description: Option<String>,
    /// Other parameters, for `execution().params` to show.
    pub params: Map,
    /// What it runs by; none for what [`Runtime::library`] is then.
    pub library: Option<Arc<Library>>,
    /// The execution that this is another run of.
    pub source: Option<ExecutionId>,
    /// The execution's id; a new one if there is none. Starting with an id that is known
    /// already starts nothing and gives that id, so that starting again is harmless.
    pub id: Option<ExecutionId>,
}

impl StartRequest {
    /// A request for `workflow` with `input`, and nothing else.
    pub fn new(workflow: impl Into<String>, input: Map) -> Self {
        Self {
            workflow: workflow.into(),
            input,
            ..Self::default()
        }
    }
}

impl Runtime {
    /// A runtime in memory for the workflows of `definitions`, whose actions `runner` runs.
    pub fn new(
        definitions: Arc<Definitions>,
        runner: Arc<dyn ActionRunner>,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Self {
        let library = Library::from(definitions).with_runner(Arc::clone(&runner));
        let libraries = Libraries::new(library, Source::Same(runner));
        Self::with(Store::Memory, libraries, clock, options)
    }

    /// A runtime whose turns are durable in `journal`. New executions get the definitions of
    /// `library`; those that the journal has keep theirs. [`Runtime::recover`] has them go on.
    ///
    /// `runner` runs the actions of all of them, but of those that start after
    /// [`Runtime::activate`] until the next restart. Where a restart must not change what runs,
    /// take [`Runtime::sourced`].
    pub fn durable(
        journal: Journal,
        library: Library,
        runner: Arc<dyn ActionRunner>,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Self {
        let library = library.with_runner(Arc::clone(&runner));
        let libraries = Libraries::new(library, Source::Same(runner));
        Self::with(
            Store::Durable(Durable::new(journal)),
            libraries,
            clock,
            options,
        )
    }

    /// As [`Runtime::durable`], where each execution's actions are run by the runner of the
    /// library that it started with, after a restart too: `source` makes it again then.
    pub fn sourced(
        journal: Journal,
        library: Library,
        source: Arc<dyn RunnerSource>,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Self {
        let libraries = Libraries::new(library, Source::Made(source));
        Self::with(
            Store::Durable(Durable::new(journal)),
            libraries,
            clock,
            options,
        )
    }

    /// Has executions that start from now on run by `library`: by its definitions, and its runner
    /// for their actions. Those that have started, and their sub-workflows, keep theirs. It takes
    /// effect at once, from any thread, and holds up nobody.
    pub fn activate(&self, library: Library) {
        self.shared.libraries.activate(library);
    }

    /// What executions that start now run by.
    pub fn library(&self) -> Arc<Library> {
        self.shared.libraries.current()
    }

    fn with(store: Store, libraries: Libraries, clock: Arc<dyn Clock>, options: Options) -> Self {
        let (phase, seen) = watch::channel(Phase::Open);
        Self {
            shared: Arc::new(Shared::new(libraries, store, clock, options, seen)),
            phase: Arc::new(phase),
        }
    }

    /// Has all executions of the journal go on that something moves by itself: an action in
    /// flight, a delay, a sub-workflow. How many root executions there were. Those that wait for
    /// a person are brought back when somebody asks for them.
    ///
    /// An action that was in flight is run again where that is safe (`safe-rerun`, or it only
    /// reads), with the same id; otherwise its task fails and says so. One that had not been
    /// started is started.
    pub async fn recover(&self) -> Result<usize, RuntimeError> {
        self.shared.recover().await
    }

    /// Brings an execution back, and all of its root, if the journal has it; they stay in memory
    /// then, until [`Runtime::forget`]. Whether it is known.
    pub async fn load(&self, id: &ExecutionId) -> Result<bool, RuntimeError> {
        let found = self.shared.find(id).await?;
        if let Some(held) = &found {
            held.family.stay(true);
        }
        Ok(found.is_some())
    }

    /// Starts an execution and gives its id once its first turn is committed.
    pub async fn start(&self, request: StartRequest) -> Result<ExecutionId, RuntimeError> {
        // One that begins with the time keeps what is made together together in the journal.
        let new = || ExecutionId::new(Uuid::now_v7().to_string());
        let (mut is_new, id) = (request.id.is_none(), request.id.unwrap_or_else(new));
        let (env, extra) = (Arc::new(request.env), Arc::new(request.params));
        let namespace = match extra.get("namespace") {
            Some(Value::String(name)) => Arc::clone(name),
            _ => Arc::default(),
        };
        let library = match request.library {
            Some(library) => self.shared.libraries.known(library),
            None => self.shared.libraries.current(),
        };
        let project: Arc<str> = request.project.into();
        // Nobody can know an id that was drawn just now.
        while std::mem::take(&mut is_new) || !self.is_started(&id).await? {
            let workflow = workflow(&library, &request.namespace, &request.workflow)?;
            let params = Params {
                env: Arc::clone(&env),
                task_name: request.task_name.as_deref().map(Into::into),
                description: request.description.as_deref().map(Into::into),
                namespace: Arc::clone(&namespace),
                extra: Arc::clone(&extra),
                created_at: self.shared.clock.now_millis(),
                ..Params::default()
            };
            let execution = Execution::new(id.clone(), &workflow, &request.input, params)
                .map_err(|error| RuntimeError::Input(error.to_string()))?;
            let (sender, receiver) = oneshot::channel();
            let reply = Some(Reply {
                sender,
                _place: None,
            });
            let launch = Launch {
                id: id.clone(),
                workflow,
                library: Arc::clone(&library),
                execution,
                project: Arc::clone(&project),
                source: request.source.clone(),
                parent: None,
                reply,
            };
            // Otherwise somebody else starts it just now.
            if let Some(prepared) = self.shared.prepare(launch)? {
                self.shared.start(prepared);
                receiver.await.unwrap_or(Err(RuntimeError::ShutDown))?;
                break;
            }
        }
        Ok(id)
    }

    /// Whether there is an execution `id`: one whose first turn is committed. Waits where that is
    /// open.
    async fn is_started(&self, id: &ExecutionId) -> Result<bool, RuntimeError> {
        let Some(record) = self.shared.find(id).await? else {
            return Ok(false);
        };
        if record.has_started().await {
            return Ok(true);
        }
        // It came to nothing, and is not known any more; or everything has stopped.
        match self.shared.record(id) {
            Some(known) if Arc::ptr_eq(&known, &*record) => Err(RuntimeError::ShutDown),
            _ => Ok(false),
        }
    }

    /// Waits for an execution to end.
    pub async fn wait(&self, id: &ExecutionId) -> Result<Outcome, RuntimeError> {
        self.known(id).await?.wait().await
    }

    /// How an execution ended; none while it runs, and for one that is not in memory.
    pub fn outcome(&self, id: &ExecutionId) -> Option<Arc<Outcome>> {
        match &*self.shared.record(id)?.standing.borrow() {
            Standing::Ended(outcome) => Some(Arc::clone(outcome)),
            Standing::Starting | Standing::Running | Standing::Interrupted => None,
        }
    }

    /// What there is to do now, and how long turns took since the runtime began.
    pub fn figures(&self) -> Figures {
        let shared = &self.shared;
        let (free, actions_waiting) = shared.slots.figures();
        let action_slots = shared.options.max_actions.max(1);
        let counted = &shared.hub.counted;
        Figures {
            action_slots,
            actions_running: action_slots.saturating_sub(free),
            actions_waiting,
            executions_in_memory: shared.count(),
            turns_stalled: counted.stalled.load(Ordering::Relaxed),
            turn_times: counted.turn_times(),
        }
    }

    /// All that happens from now on.
    pub fn subscribe(&self) -> Subscription {
        self.shared.hub.subscribe()
    }

    /// An execution as of its last committed turn; none if it is not in memory:
    /// [`Runtime::load`] brings it there.
    pub fn snapshot(&self, id: &ExecutionId) -> Option<Arc<Execution>> {
        self.shared.record(id).map(|record| record.snapshot())
    }

    /// Which workflow an execution runs, and for whom.
    pub fn info(&self, id: &ExecutionId) -> Option<ExecutionInfo> {
        self.shared.record(id).map(|record| record.about.clone())
    }

    /// The root of an execution and all its sub-workflows, in the order of their start; empty if
    /// it is not in memory.
    pub fn family(&self, id: &ExecutionId) -> Vec<ExecutionId> {
        self.shared
            .record(id)
            .map(|record| record.family.ids())
            .unwrap_or_default()
    }

    /// Pauses an execution and its sub-workflows: what is in flight comes to its end, and
    /// nothing new starts.
    pub async fn pause(&self, id: &ExecutionId) -> Result<(), RuntimeError> {
        self.shared.request(id, EventKind::Paused).await
    }

    /// Resumes an execution, with `env` merged into its environment.
    pub async fn resume(&self, id: &ExecutionId, env: Option<Map>) -> Result<(), RuntimeError> {
        self.shared.request(id, EventKind::Resumed { env }).await
    }

    /// Ends an execution as `Success`, `Error` or `Cancelled`, and cancels its actions in flight.
    pub async fn stop(
        &self,
        id: &ExecutionId,
        state: State,
        message: Option<String>,
    ) -> Result<(), RuntimeError> {
        if !matches!(state, State::Success | State::Error | State::Cancelled) {
            return Err(RuntimeError::Invalid(format!(
                "an execution cannot be stopped as {state}: take SUCCESS, ERROR or CANCELLED"
            )));
        }
        let event = EventKind::Stopped { state, message };
        self.shared.request(id, event).await
    }

    /// Has a task run again that ended in ERROR, with `env` merged into the environment; with
    /// `reset` all items of a with-items task, without only those that failed. An execution
    /// that has ended runs again with it, and so do those above it.
    pub async fn rerun(
        &self,
        id: &ExecutionId,
        task: &TaskExecutionId,
        reset: bool,
        env: Option<Map>,
    ) -> Result<(), RuntimeError> {
        let task = task.clone();
        self.reopen(id, EventKind::Rerun { task, reset, env }).await
    }

    /// Skips a task that ended in ERROR: what follows it comes all the same. Else as
    /// [`Runtime::rerun`].
    pub async fn skip(
        &self,
        id: &ExecutionId,
        task: &TaskExecutionId,
        env: Option<Map>,
    ) -> Result<(), RuntimeError> {
        let task = task.clone();
        self.reopen(id, EventKind::Skipped { task, env }).await
    }

    /// Has `event` happen to an execution, even if that has ended.
    async fn reopen(&self, id: &ExecutionId, event: EventKind) -> Result<(), RuntimeError> {
        let record = self.known(id).await?;
        let mut above = record.parent.as_ref();
        while let Some(parent) = above {
            let may = parent.snapshot().may_reopen();
            may.map_err(|error| RuntimeError::Invalid(error.to_string()))?;
            above = parent.parent.as_ref();
        }
        let mut ended_above = Vec::new();
        let mut above = record.parent.as_ref();
        while let Some(parent) = above {
            let standing = parent.standing.subscribe();
            if matches!(*standing.borrow(), Standing::Ended(_)) {
                ended_above.push(standing);
            }
            above = parent.parent.as_ref();
        }
        let (message, answer) = record.message(event)?;
        self.shared.wake(&record, message)?;
        record.answer(answer).await?;
        drop(record);
        // Those above run again a moment later. Whoever waits for them now must not be told how
        // they ended before.
        for mut standing in ended_above {
            let reopened = standing.changed();
            let _ = tokio::time::timeout(REOPENING, reopened).await;
        }
        Ok(())
    }

    /// Says how an action stands that is finished from outside: `Paused`, which pauses the
    /// execution, or `Running` again; or cancels an action of whatever kind (`Cancelled`).
    pub async fn change_action(
        &self,
        id: &ActionExecutionId,
        state: State,
    ) -> Result<(), RuntimeError> {
        if !matches!(state, State::Paused | State::Running | State::Cancelled) {
            return Err(RuntimeError::Invalid(format!(
                "an action cannot be set to {state}: take PAUSED, RUNNING or CANCELLED, or finish it"
            )));
        }
        let record = self.execution_of(id).await?;
        let id = id.clone();
        record.request(EventKind::ActionChanged { id, state }).await
    }

    /// Finishes an action from outside: one that goes on elsewhere, or one that runs, which is
    /// cancelled then.
    pub async fn finish_action(
        &self,
        id: &ActionExecutionId,
        outcome: ActionOutcome,
    ) -> Result<(), RuntimeError> {
        if outcome == ActionOutcome::Deferred {
            let reason = "an action that is finished from outside needs a result or an error";
            return Err(RuntimeError::Invalid(reason.to_owned()));
        }
        let record = self.execution_of(id).await?;
        record
            .request(EventKind::ActionFinished {
                id: id.clone(),
                outcome,
            })
            .await
    }

    async fn known(&self, id: &ExecutionId) -> Result<Held, RuntimeError> {
        let found = self.shared.find(id).await?;
        found.ok_or_else(|| RuntimeError::UnknownExecution(id.clone()))
    }

    /// The execution that an action in flight belongs to.
    async fn execution_of(&self, id: &ActionExecutionId) -> Result<Held, RuntimeError> {
        let unknown = || RuntimeError::UnknownAction(id.clone());
        if let Some(record) = self.shared.execution_of(id) {
            return Ok(record);
        }
        let journal = self.shared.store.journal().ok_or_else(unknown)?;
        let action = journal.action(id)?.ok_or_else(unknown)?;
        self.known(&action.row.execution_id.ok_or_else(unknown)?)
            .await
    }

    /// Takes back [`Runtime::load`]; and drops a root execution that has ended, and its
    /// sub-workflows, before newer ones take their place. Whether there was one.
    pub fn forget(&self, root: &ExecutionId) -> bool {
        self.shared.forget(root)
    }

    /// Takes no more executions, lets those that run end for up to `grace`, and then stops the
    /// rest where they are: actions in flight are cancelled, and whoever waits is told
    /// [`RuntimeError::ShutDown`]. Whether all executions had ended, or had left memory.
    pub async fn shutdown(&self, grace: Duration) -> bool {
        self.phase.send_if_modified(|phase| {
            let open = *phase == Phase::Open;
            if open {
                *phase = Phase::Draining;
            }
            open
        });
        let ended = tokio::time::timeout(grace, self.shared.idle())
            .await
            .is_ok();
        self.phase.send_replace(Phase::Closed);
        self.shared.idle().await;
        ended
    }
}
