//! One run of a workflow with stand-ins, and what contradicts how it ended.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use ostro_core::{
    ActionCall, ActionError, ActionErrorKind, ActionOutcome, ActionRunner, Clock, ExecutionId,
    State, Value,
};
use ostro_engine::Execution;
use ostro_lang::{Definitions, EngineCommand, Target, Task, Transition, Workflow};
use ostro_runtime::{Options, Runtime, StartRequest};
use tokio::time::Instant;

use crate::choices::Choices;
use crate::scenarios::Script;

/// How long a run may take by its own clock, which jumps from timer to timer: longer than all
/// delays of the workbooks together.
const LONGEST: Duration = Duration::from_hours(90 * 24);

/// The tasks that were reached, by workflow.
pub(crate) type Reached = BTreeMap<Arc<str>, BTreeSet<Arc<str>>>;

/// Where the results of actions come from.
pub(crate) trait Source: Send + 'static {
    /// What a call of `action` for a task gives: a result, or an error.
    fn result(&mut self, workflow: &str, task: &str, action: &str) -> Result<Value, Arc<str>>;
}

impl Source for Choices {
    fn result(&mut self, workflow: &str, task: &str, _action: &str) -> Result<Value, Arc<str>> {
        Self::result(self, workflow, task)
    }
}

impl Source for Script {
    fn result(&mut self, workflow: &str, task: &str, action: &str) -> Result<Value, Arc<str>> {
        Self::result(self, workflow, task, action)
    }
}

/// Stands in for all actions.
struct StandIns<S>(Mutex<S>);

#[async_trait]
impl<S: Source> ActionRunner for StandIns<S> {
    async fn run(&self, call: ActionCall) -> ActionOutcome {
        let failed = |message: &str| {
            ActionOutcome::Error(ActionError::new(ActionErrorKind::Action, message))
        };
        let task = call.context.task_name.as_deref().unwrap_or_default();
        let mut source = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match source.result(&call.context.workflow_name, task, &call.name) {
            Ok(_) if &*call.name == "std.fail" => failed("Fail action expected exception."),
            Ok(value) => ActionOutcome::Success(value),
            Err(message) => failed(&message),
        }
    }
}

/// Tokio's clock, which a test can turn.
struct TokioClock(Instant);

impl Clock for TokioClock {
    fn now_millis(&self) -> i64 {
        1_600_000_000_000 + i64::try_from(self.0.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

/// How the runs of all workflows ended.
#[derive(Default)]
pub(crate) struct Tally {
    runs: u64,
    executions: u64,
    success: u64,
    error: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} runs, {} executions, {} SUCCESS, {} ERROR",
            self.runs, self.executions, self.success, self.error
        )
    }
}

/// What came of a run.
pub(crate) struct Ran<S> {
    /// Where its results came from.
    pub(crate) source: S,
    /// How the workflow ended.
    pub(crate) state: State,
    /// Why it ended so, where it says that.
    pub(crate) info: Option<String>,
    /// What was reached in it and in its sub-workflows.
    pub(crate) reached: Reached,
    /// Which of them an expression ended that cannot be evaluated.
    pub(crate) broken: BTreeSet<Arc<str>>,
}

/// Runs what `request` asks for once.
pub(crate) async fn run<S: Source>(
    definitions: &Arc<Definitions>,
    request: StartRequest,
    source: S,
    tally: &mut Tally,
) -> Result<Ran<S>> {
    let stand_ins = Arc::new(StandIns(Mutex::new(source)));
    let runtime = Runtime::new(
        Arc::clone(definitions),
        Arc::clone(&stand_ins) as Arc<dyn ActionRunner>,
        Arc::new(TokioClock(Instant::now())),
        Options::default(),
    );
    let request = StartRequest {
        id: Some(ExecutionId::new("00000000-0000-4000-8000-000000000000")),
        ..request
    };
    let id = runtime.start(request).await?;
    let outcome = match tokio::time::timeout(LONGEST, runtime.wait(&id)).await {
        Ok(outcome) => outcome?,
        Err(_) => bail!("it has not ended after {LONGEST:?}"),
    };
    tally.runs += 1;
    let mut reached = Reached::new();
    let mut broken = BTreeSet::new();
    for member in runtime.family(&id) {
        let execution = runtime.snapshot(&member).context("an execution is lost")?;
        let name = execution.workflow_name();
        let spec = definitions.workflow(name).context("its workflow is lost")?;
        if let Some(problem) = contradiction(spec, &execution) {
            bail!("{name}: {problem}");
        }
        if is_broken(&execution) {
            broken.insert(Arc::clone(name));
        }
        tally.executions += 1;
        match execution.state() {
            State::Success => tally.success += 1,
            _ => tally.error += 1,
        }
        let tasks = reached.entry(Arc::clone(name)).or_default();
        // A task that never began was not reached.
        tasks.extend(
            execution
                .tasks()
                .filter(|task| task.started_at().is_some())
                .map(|task| Arc::clone(task.name())),
        );
    }
    // What is left of the runtime may hold the stand-ins for a moment longer.
    runtime.shutdown(Duration::ZERO).await;
    drop(runtime);
    let stand_ins = Arc::into_inner(stand_ins).context("the runtime outlives its shutdown")?;
    let source = stand_ins.0.into_inner();
    Ok(Ran {
        source: source.unwrap_or_else(PoisonError::into_inner),
        state: outcome.state,
        info: outcome.state_info.clone(),
        reached,
        broken,
    })
}

/// Whether an expression ended it that cannot be evaluated.
fn is_broken(execution: &Execution) -> bool {
    // What the failure of a sub-workflow says is on lines of its own.
    let info = execution.state_info().unwrap_or_default();
    let first = info.lines().next().unwrap_or_default();
    first.contains("cannot evaluate")
}

/// What contradicts how an execution ended, by what can be told from its tasks alone.
fn contradiction(workflow: &Workflow, execution: &Execution) -> Option<String> {
    let is_fail = |transition: &Transition| {
        let command = EngineCommand::Fail;
        matches!(&transition.target, Target::Command { command: c, .. } if *c == command)
    };
    let fails = |task: &Task| {
        let all = &task.transitions;
        let lists = [
            &all.on_success,
            &all.on_error,
            &all.on_complete,
            &all.on_skip,
        ];
        lists.into_iter().flatten().any(is_fail)
    };
    // What a task of this state says about `fail` without a condition.
    let must_fail = |task: &Task, state: State| {
        let all = &task.transitions;
        let own = match state {
            State::Success => all.on_success.as_slice(),
            State::Error => all.on_error.as_slice(),
            _ => &[],
        };
        let mut follow = own.iter().chain(&all.on_complete);
        follow.any(|transition| transition.condition.is_none() && is_fail(transition))
    };
    let tasks: Vec<_> = execution
        .tasks()
        .filter_map(|task| Some((task, workflow.tasks.get(task.name())?)))
        .collect();
    let open = tasks.iter().find(|(task, _)| !task.state().is_completed());
    if let Some((task, _)) = open {
        return Some(format!("task {} is left {}", task.name(), task.state()));
    }
    let unhandled = tasks.iter().find(|(task, spec)| {
        task.state() == State::Error
            && spec.transitions.on_error.is_empty()
            && spec.transitions.on_complete.is_empty()
    });
    let may_fail = is_broken(execution)
        || tasks
            .iter()
            .any(|(task, spec)| task.state() != State::Success || fails(spec));
    let failing = tasks
        .iter()
        .find(|(task, spec)| must_fail(spec, task.state()));
    match (execution.state(), unhandled) {
        (State::Success, _) if failing.is_some() => {
            Some("it is SUCCESS although a task leads to `fail`".to_owned())
        }
        (State::Success, Some((task, _))) => Some(format!(
            "it is SUCCESS although nothing handles the error of {}",
            task.name()
        )),
        (State::Error, None) if !may_fail => Some(format!(
            "it is ERROR although all tasks are SUCCESS and none may `fail`: {}",
            execution.state_info().unwrap_or_default()
        )),
        (State::Error | State::Success, _) => None,
        // Its parent has ended before it.
        (State::Cancelled, _) if execution.root_id() != execution.id() => None,
        (other, _) => Some(format!("it is {other}")),
    }
}
