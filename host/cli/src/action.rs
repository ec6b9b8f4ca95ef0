//! `ostro action`: single actions.

mod complete;
mod replay;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, anyhow};
use comfy_table::{Cell, ContentArrangement, Table, presets};
use console::style;
use ostro_actions::{ActionDescription, ActionKind};
use ostro_core::{
    ActionCall, ActionContext, ActionError, ActionErrorKind, ActionExecutionId, ActionOutcome,
    ActionRunner as _, ExecutionId, Progress, ProgressSink, Value,
};
use serde_json::json;
use uuid::Uuid;

use crate::args::{Action, Inputs, Output, Sources};
use crate::errors::{Exit, hinted, warn};
use crate::installed::Wanted;
use crate::recordings::Place;
use crate::state::StateDir;
use crate::text::{blame, duration, milliseconds, pretty, trimmed};
use crate::{input, sources, suggest, terminal};

/// Carries out `ostro action …`.
pub(crate) fn action(command: &Action, verbose: bool) -> Result<Exit> {
    match command {
        Action::Run {
            name,
            inputs,
            sources,
            record,
            state,
            output,
        } => {
            let home = || Ok(StateDir::new(state.state_dir.as_deref())?.path().to_owned());
            let place = Place::of(record, home)?;
            let wanted = Wanted::active(state, [])?;
            let exit = run(name, inputs, (sources, &wanted), place.as_ref(), *output)?;
            if let Some(place) = place {
                place.tell();
                if let Err(error) = place.prune() {
                    warn(&format!("old recordings are still there: {error:#}"), None);
                }
            }
            Ok(exit)
        }
        Action::Complete(args) => complete::complete(args, verbose),
        Action::Replay(args) => replay::replay(args),
        Action::List {
            sources,
            state,
            output,
        } => list(
            &sources::load(sources, &Wanted::active(state, [])?)?,
            *output,
        ),
        Action::Show {
            name,
            sources,
            state,
            output,
        } => {
            let actions = sources::load(sources, &Wanted::active(state, [])?)?;
            show(name, &actions, *output)
        }
    }
}

fn run(
    name: &str,
    inputs: &Inputs,
    (sources, wanted): (&Sources, &Wanted),
    place: Option<&Arc<Place>>,
    output: Output,
) -> Result<Exit> {
    let input = input::gather(inputs)?;
    let mut actions = sources::load_recorded(sources, wanted, place)?;
    actions.hold = None;
    known(&actions, name)?;
    let call = ActionCall {
        name: name.into(),
        input: Arc::new(input),
        context: ActionContext {
            project: Arc::default(),
            execution_id: ExecutionId::new(Uuid::new_v4().to_string()),
            workflow_name: "".into(),
            workflow_namespace: Arc::default(),
            task_execution_id: None,
            task_name: None,
            action_execution_id: ActionExecutionId::new(Uuid::new_v4().to_string()),
            attempt: 1,
            timeout: None,
        },
        root: ExecutionId::new(""),
        progress: Arc::new(Lines),
    };
    let began = Instant::now();
    let outcome = crate::block_on(async {
        tokio::select! {
            outcome = actions.registry.run(call) => Some(outcome),
            _ = tokio::signal::ctrl_c() => None,
        }
    })?;
    let seconds = milliseconds(began.elapsed().as_secs_f64());
    match outcome {
        None => Ok(Exit::Interrupted),
        Some(ActionOutcome::Success(result)) => {
            succeeded(name, &result, seconds, output)?;
            Ok(Exit::Success)
        }
        Some(ActionOutcome::Deferred) => {
            if output == Output::Json {
                let answer = json!({ "action": name, "state": "RUNNING", "duration": seconds });
                terminal::print(&serde_json::to_string_pretty(&answer)?)?;
            }
            terminal::complain(&format!(
                "{name} goes on until somebody finishes it from outside; nothing waits for it here"
            ));
            Ok(Exit::Success)
        }
        Some(ActionOutcome::Error(error)) => failed(name, &error, seconds, output),
    }
}

fn succeeded(name: &str, result: &Value, seconds: f64, output: Output) -> Result<()> {
    match output {
        Output::Json => {
            let answer = json!({
                "action": name, "state": "SUCCESS", "output": result, "duration": seconds,
            });
            terminal::print(&serde_json::to_string_pretty(&answer)?)
        }
        Output::Table => terminal::print(&pretty(result)),
    }
}

fn failed(name: &str, error: &ActionError, seconds: f64, output: Output) -> Result<Exit> {
    if output == Output::Json {
        let answer = json!({
            "action": name, "state": "ERROR", "error": error, "duration": seconds,
        });
        terminal::print(&serde_json::to_string_pretty(&answer)?)?;
    } else {
        // Many messages name the action themselves.
        let prefix = format!("{name}: ");
        let message = error
            .message
            .strip_prefix(&prefix)
            .unwrap_or(&error.message);
        terminal::complain(&format!(
            "{} {prefix}{}",
            style("error:").red().bold().for_stderr(),
            terminal::clean(message)
        ));
        terminal::complain(&format!(
            "  {}, after {}",
            blame(error.kind),
            duration(seconds)
        ));
        if error.kind == ActionErrorKind::Call {
            let hint = style("hint:").cyan().for_stderr();
            terminal::complain(&format!(
                "  {hint} `ostro action show {name}` shows what it takes"
            ));
        }
    }
    // A call that could not be made is wrong usage: nothing was run.
    Ok(if error.kind == ActionErrorKind::Call {
        Exit::Usage
    } else {
        Exit::Failure
    })
}

fn list(actions: &sources::Actions, output: Output) -> Result<Exit> {
    let described: Vec<ActionDescription> = actions
        .registry
        .names()
        .iter()
        .filter_map(|name| actions.registry.describe(name))
        .collect();
    if output == Output::Json {
        terminal::print(&serde_json::to_string_pretty(&described)?)?;
        return Ok(Exit::Success);
    }
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    for action in &described {
        let docs = action
            .docs
            .as_deref()
            .and_then(|docs| docs.lines().next())
            .unwrap_or_default();
        table.add_row([
            Cell::new(&action.name),
            Cell::new(provider(&action.kind)),
            Cell::new(terminal::clean_line(docs)),
        ]);
    }
    terminal::print(&trimmed(&table))?;
    Ok(Exit::Success)
}

fn show(name: &str, actions: &sources::Actions, output: Output) -> Result<Exit> {
    let action = known(actions, name)?;
    if output == Output::Json {
        terminal::print(&serde_json::to_string_pretty(&action)?)?;
        return Ok(Exit::Success);
    }
    let mut text = format!(
        "{}\n  from {}",
        style(&*action.name).bold(),
        provider(&action.kind)
    );
    if let Some(docs) = &action.docs {
        text.push('\n');
        for line in terminal::clean(docs).lines() {
            // Writing to a string cannot fail, here and below.
            let _ = write!(text, "\n  {line}");
        }
    }
    text.push_str("\n\nTakes:");
    if action.parameters.is_empty() {
        text.push_str(" nothing");
    } else {
        let mut table = Table::new();
        table
            .load_preset(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled);
        for parameter in &action.parameters {
            let need = match (&parameter.default, parameter.required) {
                (_, true) => "required".to_owned(),
                (Some(default), false) => format!("default {default}"),
                (None, false) => "optional".to_owned(),
            };
            let docs = parameter.docs.as_deref().unwrap_or_default();
            table.add_row([
                Cell::new(format!("  {}", parameter.name)),
                Cell::new(parameter.ty.as_deref().unwrap_or("any")),
                Cell::new(need),
                Cell::new(terminal::clean_line(docs)),
            ]);
        }
        text.push('\n');
        text.push_str(&trimmed(&table));
    }
    if let Some(result) = &action.result {
        let _ = write!(text, "\n\nGives: {result}");
    }
    terminal::print(&text)?;
    Ok(Exit::Success)
}

/// The action called `name`; an error that says what there is instead.
fn known(actions: &sources::Actions, name: &str) -> Result<ActionDescription> {
    if let Some(action) = actions.registry.describe(name) {
        return Ok(action);
    }
    let names = actions.registry.names();
    let hint = suggest::did_you_mean(name, names.iter().map(|name| &**name)).unwrap_or_else(|| {
        "`ostro action list` lists all; a pack has to be active, or named with --pack DIR"
            .to_owned()
    });
    Err(hinted(anyhow!("no action is called {name}"), hint))
}

/// Who provides an action, in a few words.
fn provider(kind: &ActionKind) -> String {
    match kind {
        ActionKind::Standard => "ostro".to_owned(),
        ActionKind::Openstack => "openstack".to_owned(),
        ActionKind::AdHoc { base } => format!("ad-hoc, on {base}"),
        ActionKind::Pack {
            pack,
            validation: false,
            ..
        } => format!("pack {pack}"),
        ActionKind::Pack {
            pack,
            validation: true,
            ..
        } => format!("pack {pack}, validation"),
    }
}

/// Shows what an action says about itself, a line at a time.
struct Lines;

impl ProgressSink for Lines {
    fn progress(&self, _context: &ActionContext, progress: Progress) {
        let percent = progress
            .percent
            .map(|percent| format!("{percent}% "))
            .unwrap_or_default();
        terminal::complain(&format!(
            "{percent}{}",
            terminal::clean_line(&progress.message)
        ));
    }

    fn note(&self, _context: &ActionContext, line: &str) {
        terminal::complain(&format!("note: {}", terminal::clean(line)));
    }
}
