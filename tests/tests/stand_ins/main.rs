//! Every workflow of tripleo-common 9.6.1, run with stand-ins for its actions.
//!
//! What actions give is drawn from values that the workbooks' own words make likely to be looked
//! at. Runs that reach a task for the first time are kept, and the next ones are made from them by
//! other choices here and there, to reach as many tasks as can be. The same choices
//! are made each time. Every run must end, and as its tasks say.
//!
//! What no choice of a hundred runs reaches is printed. Most of it stands behind answers whose
//! shape several expressions in a row demand.

mod choices;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use async_trait::async_trait;
use ostro_core::{
    ActionCall, ActionError, ActionErrorKind, ActionOutcome, ActionRunner, Clock, ExecutionId, Map,
    State,
};
use ostro_engine::Execution;
use ostro_lang::{Definitions, EngineCommand, Target, Task, Transition, Workflow};
use ostro_runtime::{Options, Runtime, StartRequest};
use ostro_tests::workbooks;
use tokio::time::Instant;

use choices::{Choices, Seeds, Words};
use values::Random;

/// How often a workflow is run at most, until all its tasks were reached;
/// `OSTRO_STAND_IN_RUNS` says otherwise.
const RUNS: u64 = 100;

/// How often it is run at least.
const FEW_RUNS: u64 = 10;

/// How long a run may take by its own clock, which jumps from timer to timer: longer than all
/// delays of the workbooks together.
const LONGEST: Duration = Duration::from_hours(90 * 24);

/// Gives what is chosen for the calling task.
struct StandIns(Mutex<Choices>);

#[async_trait]
impl ActionRunner for StandIns {
    async fn run(&self, call: ActionCall) -> ActionOutcome {
        let task = call.context.task_name.as_deref().unwrap_or_default();
        let mut choices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |message: &str| {
            ActionOutcome::Error(ActionError::new(ActionErrorKind::Action, message))
        };
        match choices.result(&call.context.workflow_name, task) {
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

/// The definitions of all workbooks.
fn definitions() -> Result<Arc<Definitions>> {
    let mut definitions = Definitions::new();
    for entry in std::fs::read_dir(workbooks("9.6.1")?)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            let text = std::fs::read_to_string(&path)?;
            definitions.add(ostro_lang::parse(&text, &path.display().to_string()));
        }
    }
    ensure!(
        !definitions.has_errors(),
        "{:#?}",
        definitions.diagnostics()
    );
    Ok(Arc::new(definitions))
}

/// The tasks that a way leads to from the start.
fn reachable(workflow: &Workflow) -> BTreeSet<Arc<str>> {
    let transitions = |task: &Task| {
        let all = &task.transitions;
        let lists = [
            &all.on_success,
            &all.on_error,
            &all.on_complete,
            &all.on_skip,
        ];
        let targets = lists.into_iter().flatten().filter_map(target);
        targets.collect::<Vec<_>>()
    };
    let led_to: BTreeSet<Arc<str>> = workflow
        .tasks
        .values()
        .flat_map(|t| transitions(t))
        .collect();
    let mut open: Vec<Arc<str>> = workflow
        .tasks
        .keys()
        .filter(|name| !led_to.contains(*name))
        .cloned()
        .collect();
    let mut found = BTreeSet::new();
    while let Some(name) = open.pop() {
        if found.insert(Arc::clone(&name))
            && let Some(task) = workflow.tasks.get(&name)
        {
            open.extend(transitions(task));
        }
    }
    found
}

fn target(transition: &Transition) -> Option<Arc<str>> {
    match &transition.target {
        Target::Task(name) => Some(Arc::clone(name)),
        Target::Command { .. } => None,
    }
}

/// What contradicts how an execution ended, by what can be told from its tasks alone.
fn contradiction(workflow: &Workflow, execution: &Execution) -> Option<String> {
    let fails = |task: &Task| {
        let all = &task.transitions;
        let lists = [
            &all.on_success,
            &all.on_error,
            &all.on_complete,
            &all.on_skip,
        ];
        let is_fail = |transition: &Transition| {
            let command = EngineCommand::Fail;
            matches!(&transition.target, Target::Command { command: c, .. } if *c == command)
        };
        lists.into_iter().flatten().any(is_fail)
    };
    let info = execution.state_info().unwrap_or_default();
    let about_expression = info.contains("cannot evaluate");
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
    let may_fail = about_expression
        || tasks
            .iter()
            .any(|(task, spec)| task.state() != State::Success || fails(spec));
    match (execution.state(), unhandled) {
        (State::Success, Some((task, _))) => Some(format!(
            "it is SUCCESS although nothing handles the error of {}",
            task.name()
        )),
        (State::Error, None) if !may_fail => Some(format!(
            "it is ERROR although all tasks are SUCCESS and none may `fail`: {info}"
        )),
        (State::Error | State::Success, _) => None,
        // Its parent has ended before it.
        (State::Cancelled, _) if execution.root_id() != execution.id() => None,
        (other, _) => Some(format!("it is {other}")),
    }
}

/// How the runs of all workflows ended.
#[derive(Default)]
struct Tally {
    runs: u64,
    executions: u64,
    success: u64,
    error: u64,
}

/// The tasks that were reached, by workflow.
type Reached = BTreeMap<Arc<str>, BTreeSet<Arc<str>>>;

/// Runs `workflow` once, and gives the choices that it came to, and what was reached in it and in
/// its sub-workflows.
async fn run(
    definitions: &Arc<Definitions>,
    workflow: &Arc<Workflow>,
    mut choices: Choices,
    tally: &mut Tally,
) -> Result<(Seeds, Reached)> {
    let mut input = Map::new();
    for parameter in &workflow.input {
        if let Some(value) =
            choices.input(&workflow.name, &parameter.name, parameter.default.is_some())
        {
            input.insert(Arc::clone(&parameter.name), value);
        }
    }
    let stand_ins = Arc::new(StandIns(Mutex::new(choices)));
    let runtime = Runtime::new(
        Arc::clone(definitions),
        Arc::clone(&stand_ins) as Arc<dyn ActionRunner>,
        Arc::new(TokioClock(Instant::now())),
        Options::default(),
    );
    let request = StartRequest {
        id: Some(ExecutionId::new("00000000-0000-4000-8000-000000000000")),
        ..StartRequest::new(&*workflow.name, input)
    };
    let id = runtime.start(request).await?;
    match tokio::time::timeout(LONGEST, runtime.wait(&id)).await {
        Ok(outcome) => drop(outcome?),
        Err(_) => bail!("it has not ended after {LONGEST:?}"),
    }
    tally.runs += 1;
    let mut reached = Reached::new();
    for member in runtime.family(&id) {
        let execution = runtime.snapshot(&member).context("an execution is lost")?;
        let name = execution.workflow_name();
        let spec = definitions.workflow(name).context("its workflow is lost")?;
        if let Some(problem) = contradiction(spec, &execution) {
            bail!("{name}: {problem}");
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
    let choices = Arc::into_inner(stand_ins).context("the runtime outlives its shutdown")?;
    let choices = choices
        .0
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    Ok((choices.into_seeds(), reached))
}

fn most_runs() -> u64 {
    let given = std::env::var("OSTRO_STAND_IN_RUNS").ok();
    given.and_then(|runs| runs.parse().ok()).unwrap_or(RUNS)
}

/// Runs `workflow` until all its tasks were reached, or often enough; what was not reached.
async fn explore(
    definitions: &Arc<Definitions>,
    workflow: &Arc<Workflow>,
    tally: &mut Tally,
) -> Result<BTreeSet<Arc<str>>> {
    let words = Arc::new(Words::new(definitions, workflow));
    let mut left = reachable(workflow);
    let mut seen = Reached::new();
    let mut random = Random::new(0);
    let mut kept = vec![Seeds::default()];
    for number in 0..most_runs() {
        if number >= FEW_RUNS && left.is_empty() {
            break;
        }
        // The newest has got the farthest, most likely.
        let chosen = match random.below(2) {
            0 => kept.len() - 1,
            _ => random.below(kept.len()),
        };
        let seeds = kept[chosen].changed(&mut random);
        let choices = Choices::new(&words, seeds, number);
        let (seeds, reached) = run(definitions, workflow, choices, tally)
            .await
            .with_context(|| format!("{}, run {number}", workflow.name))?;
        let mut is_new = false;
        for (name, tasks) in reached {
            let before = seen.entry(name).or_default();
            is_new |= !tasks.is_subset(before);
            before.extend(tasks);
        }
        if is_new {
            kept.push(seeds);
        }
        if let Some(seen) = seen.get(&workflow.name) {
            left.retain(|task| !seen.contains(task));
        }
    }
    Ok(left)
}

#[tokio::test(start_paused = true)]
async fn runs_of_every_rocky_workflow_end_as_their_tasks_say() -> Result<()> {
    let definitions = definitions()?;
    let mut tally = Tally::default();
    let mut left = Vec::new();
    let (mut workflows, mut tasks) = (0, 0);
    for workflow in definitions.workflows() {
        workflows += 1;
        tasks += workflow.tasks.len();
        let not_reached = explore(&definitions, workflow, &mut tally).await?;
        left.extend(
            not_reached
                .iter()
                .map(|task| format!("{}: {task}", workflow.name)),
        );
    }
    println!(
        "{workflows} workflows with {tasks} tasks: {} runs, {} executions, {} SUCCESS, {} ERROR, \
         {} tasks not reached",
        tally.runs,
        tally.executions,
        tally.success,
        tally.error,
        left.len()
    );
    println!("not reached: {left:#?}");
    ensure!(
        left.len() * 5 <= tasks * 2,
        "fewer than three fifths were reached"
    );
    Ok(())
}
