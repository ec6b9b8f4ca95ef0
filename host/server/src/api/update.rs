//! How executions are changed over the API.

use ostro_core::State;
use ostro_journal::{ExecutionRow, Turn};
use ostro_runtime::RuntimeError;
use serde_json::{Map, Value};

use super::given::Given;
use crate::app::App;
use crate::fault::Fault;
use crate::row;
use crate::start::{map, merged, object};

/// Changes the state of an execution, or else its description and its environment. The answer.
pub(super) async fn update(
    app: &App,
    row: ExecutionRow,
    given: &Given,
) -> Result<Map<String, Value>, Fault> {
    let state = given.text("state");
    let description = given.text("description");
    let env = given.object("params").and_then(|params| params.get("env"));
    let env = match env {
        None | Some(Value::Null) => None,
        Some(Value::Object(env)) if env.is_empty() => None,
        Some(Value::Object(env)) => Some(env.clone()),
        Some(_) => {
            return Err(Fault::invalid(
                "The property env of an execution is changed by an object",
            ));
        }
    };
    if state.is_none() && description.is_none() && env.is_none() {
        return Err(Fault::invalid(
            "The property state, description, or env is not provided for update.",
        ));
    }
    let Some(state) = state else {
        return texts(app, row, description, env).await;
    };
    if description.is_some() {
        return Err(Fault::invalid(
            "The property description must be updated separately from state.",
        ));
    }
    if env.is_some() && state != State::Running.as_str() {
        return Err(Fault::invalid(
            "The property env can only be updated when workflow execution is not running \
             or on resume from pause.",
        ));
    }
    let message = given.text("state_info").map(str::to_owned);
    let moved = match state {
        "PAUSED" => pause(app, &row).await,
        "RUNNING" => resume(app, &row, env).await,
        "SUCCESS" => stop(app, &row, State::Success, message).await,
        "ERROR" => stop(app, &row, State::Error, message).await,
        "CANCELLED" => stop(app, &row, State::Cancelled, message).await,
        // Mistral takes it, and does nothing.
        "SKIPPED" => Ok(()),
        other => {
            return Err(Fault::invalid(format!(
                "Cannot change state to {other}. \
                 Allowed states are: 'RUNNING, PAUSED, SUCCESS, ERROR, CANCELLED"
            )));
        }
    };
    moved?;
    Ok(row::execution(&again(app, row).await?))
}

/// Changes what is kept of an execution beside its run.
async fn texts(
    app: &App,
    row: ExecutionRow,
    description: Option<&str>,
    env: Option<Map<String, Value>>,
) -> Result<Map<String, Value>, Fault> {
    let may = matches!(row.state, State::Idle | State::Paused | State::Error);
    if env.is_some() && !may {
        return Err(Fault::forbidden(
            "Updating env to workflow execution is only permitted if it is in IDLE, PAUSED, \
             or ERROR state.",
        ));
    }
    let with_params = env.is_some();
    let mut turn = Turn::new();
    if let Some(text) = description {
        turn.description(row.id.clone(), text.to_owned());
    }
    if let Some(env) = env {
        let mut params = object(row.params.as_deref());
        let before = params.get("env").and_then(Value::as_object).cloned();
        let env = merged(before.unwrap_or_default(), env);
        params.insert("env".to_owned(), env.into());
        turn.params(row.id.clone(), Value::Object(params).to_string());
    }
    app.write(turn).await?;
    let mut answer = row::execution(&again(app, row).await?);
    answer.shift_remove("input");
    answer.shift_remove("output");
    if !with_params {
        answer.shift_remove("params");
    }
    Ok(answer)
}

async fn pause(app: &App, row: &ExecutionRow) -> Result<(), Fault> {
    match row.state {
        State::Paused => Ok(()),
        state if state.is_completed() => Err(cannot(row, State::Paused)),
        _ => over(app.runtime.pause(&row.id).await),
    }
}

async fn resume(
    app: &App,
    row: &ExecutionRow,
    env: Option<Map<String, Value>>,
) -> Result<(), Fault> {
    if row.state != State::Paused {
        return Ok(());
    }
    let env = changed_env(app, row, env).await?;
    over(app.runtime.resume(&row.id, env).await)
}

async fn stop(
    app: &App,
    row: &ExecutionRow,
    state: State,
    message: Option<String>,
) -> Result<(), Fault> {
    if !row.state.is_completed() {
        return over(app.runtime.stop(&row.id, state, message).await);
    }
    if state == State::Success && row.state != State::Success {
        return Err(cannot(row, state));
    }
    Ok(())
}

/// What is to be merged into the environment of an execution that goes on: `env`, and what was
/// changed in its row while nothing ran.
pub(super) async fn changed_env(
    app: &App,
    row: &ExecutionRow,
    env: Option<Map<String, Value>>,
) -> Result<Option<ostro_core::Map>, Fault> {
    let kept = object(row.params.as_deref());
    let kept = kept.get("env").and_then(Value::as_object).cloned();
    let kept = map(kept.unwrap_or_default());
    let execution = app.state_of(row).await?;
    if *execution.params().env == kept {
        return Ok(env.map(map));
    }
    let mut changed = kept;
    changed.extend(map(env.unwrap_or_default()));
    Ok(Some(changed))
}

/// One that has ended meanwhile is as one that had ended before.
fn over(result: Result<(), RuntimeError>) -> Result<(), Fault> {
    match result {
        Ok(()) | Err(RuntimeError::Ended(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn cannot(row: &ExecutionRow, state: State) -> Fault {
    Fault::invalid(format!(
        "Can't change workflow execution state from {} to {state}. \
         [workflow={}, execution_id={}]",
        row.state, row.workflow_name, row.id
    ))
}

/// The row as it is now.
async fn again(app: &App, row: ExecutionRow) -> Result<ExecutionRow, Fault> {
    let id = row.id.clone();
    let found = app.read(move |journal| Ok(journal.execution(&id)?)).await?;
    Ok(found.unwrap_or(row))
}
