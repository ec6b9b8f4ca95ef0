//! `ostro action complete`: the result of an action that goes on elsewhere.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use ostro_core::{ActionError, ActionErrorKind, ActionExecutionId, ActionOutcome, State};

use crate::args::Complete;
use crate::errors::{Exit, hinted};
use crate::execution;
use crate::input;
use crate::state::{Completion, Request, RunDir, StateDir};

/// How long the process that runs an execution may take to write a result down.
const PATIENCE: Duration = Duration::from_secs(10);

/// Carries out `ostro action complete`.
pub(crate) fn complete(args: &Complete, verbose: bool) -> Result<Exit> {
    let id = ActionExecutionId::new(args.id.as_str());
    let outcome = match (&args.success, &args.error) {
        (Some(value), _) => ActionOutcome::Success(input::single(value)?),
        (None, Some(text)) => {
            ActionOutcome::Error(ActionError::new(ActionErrorKind::Action, text.as_str()))
        }
        (None, None) => return Err(anyhow!("give --success VALUE or --error TEXT")),
    };
    let (run, name, state) = find(&id, &args.change.state)?;
    if state.is_completed() {
        return Err(hinted(
            anyhow!("{name} has ended already, in {state} (action execution {id})"),
            "the first result counts",
        ));
    }
    if run.holder().is_none() {
        return execution::complete(&args.change, run, &id, outcome, verbose);
    }
    let completion = Completion {
        action: id.as_str().to_owned(),
        outcome,
    };
    execution::ask(&run, &Request::Complete(completion))?;
    // That it was taken is not yet that it is written down.
    let end = Instant::now() + PATIENCE;
    while !state_of(&run, &id)?.is_some_and(|(_, state)| state.is_completed()) {
        if Instant::now() > end {
            return Err(hinted(
                anyhow!(
                    "the process that runs execution {} has not taken the result",
                    run.id
                ),
                "`ostro execution show` tells how it stands; the same command can be given again",
            ));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(Exit::Success)
}

/// The run that an action execution belongs to, the action's name, and its state.
fn find(id: &ActionExecutionId, state: &crate::args::State) -> Result<(RunDir, String, State)> {
    let state = StateDir::new(state.state_dir.as_deref())?;
    for run in state.runs()? {
        // What cannot be read is another run's trouble.
        if let Ok(Some((name, action))) = state_of(&run, id) {
            return Ok((run, name, action));
        }
    }
    Err(hinted(
        anyhow!(
            "no action execution {id} is kept in {}",
            state.runs_path().display()
        ),
        "`ostro execution show ID` shows which ones wait for somebody; the id is whole here",
    ))
}

fn state_of(run: &RunDir, id: &ActionExecutionId) -> Result<Option<(String, State)>> {
    let Some(journal) = run.look_if_begun()? else {
        return Ok(None);
    };
    let action = journal.action(id)?;
    Ok(action.map(|action| (action.row.name, action.row.state)))
}
