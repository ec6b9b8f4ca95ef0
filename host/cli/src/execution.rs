//! `ostro execution`: what is kept of executions, and what can be done with them.

mod going_on;
pub(crate) mod look;
mod start;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use ostro_core::{ActionExecutionId, ActionOutcome, ExecutionId, Map, State, TaskExecutionId};
use ostro_runtime::{Runtime, Snapshots};

use crate::args::{Change, Execution, GoesOn, Look, Output};
use crate::errors::{Exit, WithHint as _, hinted, warn};
use crate::installed::Wanted;
use crate::recordings::Place;
use crate::run::{Host, Shows, shows};
use crate::state::{Request, RunDir, StateDir};
use crate::{input, sources};

/// How long another process may take to take a request.
const PATIENCE: Duration = Duration::from_secs(10);

/// Carries out `ostro execution …`.
pub(crate) fn execution(command: &Execution, verbose: bool) -> Result<Exit> {
    match command {
        Execution::Start(args) => start::start(args),
        Execution::List {
            only,
            state,
            output,
            ..
        } => look::list(state.state_dir.as_deref(), only.as_deref(), *output),
        Execution::Show(args) => look::show(args),
        Execution::Report(args) => look::report(args),
        Execution::Watch(args) => look::watch(args),
        Execution::Pause(args) => pause(args),
        Execution::Resume(args) => resume(args, verbose),
        Execution::Cancel(args) => cancel(args, verbose),
        Execution::Rerun {
            change,
            task,
            only_failed,
        } => {
            let again = Again::Rerun {
                reset: !only_failed,
            };
            run_again(change, task, again, verbose)
        }
        Execution::Skip { change, task } => run_again(change, task, Again::Skip, verbose),
        Execution::Delete { ids, state, .. } => {
            let state = StateDir::new(state.state_dir.as_deref())?;
            for id in ids {
                state.find(id)?.delete()?;
            }
            Ok(Exit::Success)
        }
    }
}

fn find(id: &str, state: &crate::args::State) -> Result<RunDir> {
    StateDir::new(state.state_dir.as_deref())?.find(id)
}

fn pause(args: &Look) -> Result<Exit> {
    let run = find(&args.id, &args.state)?;
    if run.holder().is_none() {
        return Err(hinted(
            anyhow!("no process runs execution {}", run.id),
            "it does not go on until `ostro execution resume` has it",
        ));
    }
    ask(&run, &Request::Pause)
}

/// Asks the process that runs an execution for something.
pub(crate) fn ask(run: &RunDir, request: &Request) -> Result<Exit> {
    if run.ask(request, PATIENCE)? {
        return Ok(Exit::Success);
    }
    let error = match run.holder() {
        Some(holder) => anyhow!(
            "execution {} is being run by {holder}, which does not answer",
            run.id
        ),
        None => anyhow!("the process that ran execution {} has just ended", run.id),
    };
    Err(hinted(error, "`ostro execution show` tells how it stands"))
}

fn resume(args: &Change, verbose: bool) -> Result<Exit> {
    let run = find(&args.id, &args.goes_on.state)?;
    if run.holder().is_some() {
        if args.goes_on.record.record.is_some() {
            warn(
                "nothing more is recorded: another process runs it",
                Some("--record is for the command that brings an execution back"),
            );
        }
        return ask(&run, &Request::Resume);
    }
    let env = environment(args)?;
    let opened = Opened::new(&args.goes_on, run)?;
    let root = opened.root()?;
    if root.state().is_completed() {
        return Err(hinted(
            anyhow!("execution {} has ended in {}", opened.id, root.state()),
            "`ostro execution rerun` runs a task again that failed",
        ));
    }
    opened.go_on(
        "goes on",
        args.goes_on.output,
        verbose,
        async |runtime, id| {
            runtime.load(id).await?;
            let paused = |execution: &ostro_engine::Execution| execution.state() == State::Paused;
            if runtime
                .snapshot(id)
                .is_some_and(|execution| paused(&execution))
            {
                runtime.resume(id, env).await?;
            }
            Ok(())
        },
    )
}

fn cancel(args: &Change, verbose: bool) -> Result<Exit> {
    let run = find(&args.id, &args.goes_on.state)?;
    if run.holder().is_some() {
        return ask(&run, &Request::Cancel);
    }
    let opened = Opened::new(&args.goes_on, run)?;
    let root = opened.root()?;
    if root.state().is_completed() {
        return Err(anyhow!(
            "execution {} has ended in {}",
            opened.id,
            root.state()
        ));
    }
    opened.go_on(
        "is cancelled",
        args.goes_on.output,
        verbose,
        async |runtime, id| {
            let message = "cancelled by `ostro execution cancel`".to_owned();
            runtime.stop(id, State::Cancelled, Some(message)).await?;
            Ok(())
        },
    )?;
    // That it ended as CANCELLED is what was wanted.
    Ok(Exit::Success)
}

/// What is done with a task that failed.
#[derive(Clone, Copy)]
enum Again {
    Rerun { reset: bool },
    Skip,
}

fn run_again(args: &Change, task: &str, again: Again, verbose: bool) -> Result<Exit> {
    let run = find(&args.id, &args.goes_on.state)?;
    let env = environment(args)?;
    let opened = Opened::new(&args.goes_on, run.clone())?;
    let what = match again {
        Again::Rerun { .. } => format!("runs task {task} again"),
        Again::Skip => format!("takes task {task} as done"),
    };
    let (execution, task) = failed_task(&opened.snapshots, task)?;
    run.mark_open()?;
    opened.go_on(&what, args.goes_on.output, verbose, async |runtime, _| {
        match again {
            Again::Rerun { reset } => runtime.rerun(&execution, &task, reset, env).await?,
            Again::Skip => runtime.skip(&execution, &task, env).await?,
        }
        Ok(())
    })
}

/// Finishes an action of an execution that no process runs, which goes on with that.
pub(crate) fn complete(
    args: &GoesOn,
    run: RunDir,
    action: &ActionExecutionId,
    outcome: ActionOutcome,
    verbose: bool,
) -> Result<Exit> {
    let opened = Opened::new(args, run)?;
    opened.go_on("goes on", args.output, verbose, async |runtime, id| {
        runtime.load(id).await?;
        runtime.finish_action(action, outcome).await?;
        Ok(())
    })
}

fn environment(args: &Change) -> Result<Option<Map>> {
    let text = args.env.as_deref();
    text.map(|text| input::object("--env", text)).transpose()
}

/// The newest failed task with this name or id, in whichever execution.
fn failed_task(snapshots: &Snapshots, name: &str) -> Result<(ExecutionId, TaskExecutionId)> {
    let mut found = Vec::new();
    let mut others = Vec::new();
    for execution in snapshots.iter() {
        for task in execution.tasks() {
            let is_meant = **task.name() == *name || task.id().as_str() == name;
            if task.state() == State::Error && is_meant {
                found.push((task.created_at(), execution.id().clone(), task.id().clone()));
            } else if task.state() == State::Error {
                others.push(task.name().to_string());
            }
        }
    }
    found.sort();
    let mut executions: Vec<&ExecutionId> = found.iter().map(|(_, id, _)| id).collect();
    executions.dedup();
    if executions.len() > 1 {
        let ids: Vec<&str> = found.iter().map(|(_, _, task)| task.as_str()).collect();
        let hint = format!("give one of the ids: {}", ids.join(", "));
        let error = anyhow!("several executions have a task {name} that failed");
        return Err(hinted(error, hint));
    }
    match found.pop() {
        Some((_, execution, task)) => Ok((execution, task)),
        None if others.is_empty() => Err(anyhow!("no task of the execution failed")),
        None => {
            others.sort();
            others.dedup();
            Err(hinted(
                anyhow!("no task {name} failed"),
                format!("there is: {}", others.join(", ")),
            ))
        }
    }
}

/// An execution that is kept, and what goes on with it.
struct Opened {
    id: ExecutionId,
    host: Host,
    snapshots: Snapshots,
    place: Option<Arc<Place>>,
}

impl Opened {
    fn new(args: &GoesOn, run: RunDir) -> Result<Self> {
        let id = run.id.clone();
        let snapshots = Snapshots::read(&run.look()?, &id)
            .hint(|| "its first step may never have been written: start it again".to_owned())?;
        let library = snapshots
            .library()
            .with_context(|| format!("execution {id} has no definitions"))?;
        let library = ostro_runtime::Library::clone(library);
        let place = Place::of(&args.record, || Ok(run.path().to_owned()))?;
        let wanted = Wanted::pinned(&args.state, library.origin());
        let actions = if sources::are_given(&args.sources) {
            sources::load_recorded(&args.sources, &wanted, place.as_ref())?
        } else {
            let sources = sources::from_origin(library.origin());
            sources::load_recorded(&sources, &wanted, place.as_ref())
                .hint(|| "--pack and --cloud say where actions come from now".to_owned())?
        };
        let host = Host::new(&actions.registry, library, Some(run), false)?;
        Ok(Self {
            id,
            host,
            snapshots,
            place,
        })
    }

    fn root(&self) -> Result<Arc<ostro_engine::Execution>> {
        let root = self.snapshots.get(&self.id);
        root.with_context(|| format!("execution {} cannot be read", self.id))
    }

    /// Does `what` with the execution, which brings it back, and watches it to its end.
    fn go_on(
        self,
        what: &str,
        output: Output,
        verbose: bool,
        act: impl AsyncFnOnce(&Runtime, &ExecutionId) -> Result<()>,
    ) -> Result<Exit> {
        let Self {
            id,
            host,
            snapshots,
            place,
        } = self;
        let shows = shows(false, output, verbose);
        going_on::tell(&id, &snapshots, what, shows == Shows::Lines);
        drop(snapshots);
        let exit = crate::block_on(async {
            let runtime = host.runtime();
            let notices = runtime.subscribe();
            act(&runtime, &id).await?;
            host.follow(&runtime, &id, notices, shows, output).await
        })?;
        if let Some(place) = place {
            place.tell();
        }
        exit
    }
}
