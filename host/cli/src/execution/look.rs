//! `ostro execution list`, `show`, `report` and `watch`: nothing changes by them.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use comfy_table::{ContentArrangement, Table, presets};
use ostro_core::{Clock as _, State};
use ostro_journal::ExecutionRow;
use ostro_runtime::{Snapshots, SystemClock};
use serde_json::json;

use super::find;
use crate::args::{Look, Output};
use crate::errors::{Exit, hinted};
use crate::run::live::Live;
use crate::run::report;
use crate::state::{RunDir, StateDir};
use crate::terminal::{self, clean_line};
use crate::text::{duration, seconds_between};
use ostro_runtime::tree::{ExecutionNode, Told, tree};

/// How often a journal is read while it is watched.
const LOOK: Duration = Duration::from_millis(250);

/// Carries out `ostro execution list`.
pub(crate) fn list(dir: Option<&Path>, only: Option<&str>, output: Output) -> Result<Exit> {
    let mut rows: Vec<(ExecutionRow, Option<String>)> = Vec::new();
    for run in StateDir::new(dir)?.runs()? {
        match run.row() {
            Ok(Some(row)) => rows.push((row, run.holder())),
            // It has not come to its first step.
            Ok(None) => {}
            Err(error) => terminal::complain(&format!("warning: execution {}: {error:#}", run.id)),
        }
    }
    if let Some(only) = only {
        rows.retain(|(row, _)| row.state.as_str().eq_ignore_ascii_case(only));
    }
    rows.sort_by_key(|(row, _)| std::cmp::Reverse(row.created_at));
    match output {
        Output::Json => {
            let rows: Vec<_> = rows.iter().map(as_json).collect();
            terminal::print(&serde_json::to_string_pretty(&rows)?)?;
        }
        Output::Table if rows.is_empty() => terminal::complain("no executions are kept"),
        Output::Table => {
            let mut table = table();
            let now = SystemClock.now_millis();
            for (row, holder) in &rows {
                let end = row.finished_at.unwrap_or(row.updated_at);
                table.add_row([
                    row.id.as_str(),
                    &clean_line(&row.workflow_name),
                    row.state.as_str(),
                    &duration(seconds_between(row.created_at, now)),
                    &duration(seconds_between(row.created_at, end)),
                    standing(row, holder.as_deref()),
                ]);
            }
            terminal::print(&table.to_string())?;
        }
    }
    Ok(Exit::Success)
}

/// A table of executions, without rows: the last column says what the state alone does not tell.
pub(crate) fn table() -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(["ID", "WORKFLOW", "STATE", "AGE", "TOOK", ""]);
    table
}

/// What its state alone does not tell.
fn standing(row: &ExecutionRow, holder: Option<&str>) -> &'static str {
    match (row.state.is_completed(), holder) {
        (true, _) => "",
        (false, Some(_)) => "is being run",
        (false, None) if row.state == State::Paused => "waits for `execution resume`",
        (false, None) => "interrupted",
    }
}

fn as_json((row, holder): &(ExecutionRow, Option<String>)) -> serde_json::Value {
    json!({
        "id": row.id,
        "workflow": row.workflow_name,
        "state": row.state,
        "state_info": row.state_info,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "finished_at": row.finished_at,
        "held_by": holder,
    })
}

/// The execution with all below it, as it is now.
fn node(run: &RunDir) -> Result<ExecutionNode> {
    let snapshots = Snapshots::read(&run.look()?, &run.id)?;
    tree(&snapshots, &run.id, &Told::default())
        .with_context(|| format!("execution {} cannot be read", run.id))
}

/// Carries out `ostro execution show`.
pub(crate) fn show(args: &Look) -> Result<Exit> {
    let run = find(&args.id, &args.state)?;
    let root = node(&run)?;
    match args.output {
        Output::Json => terminal::print(&serde_json::to_string_pretty(&root)?)?,
        Output::Table => {
            let lines = crate::run::outline(&root, SystemClock.now_millis());
            terminal::print(&lines.join("\n"))?;
            let row = run.row()?;
            let holder = run.holder();
            let said = row.map_or("", |row| standing(&row, holder.as_deref()));
            if !said.is_empty() {
                terminal::complain(&format!("execution {}: {said}", run.id));
            }
        }
    }
    Ok(Exit::Success)
}

/// Carries out `ostro execution report`.
pub(crate) fn report(args: &Look) -> Result<Exit> {
    let run = find(&args.id, &args.state)?;
    let root = node(&run)?;
    terminal::print(&match args.output {
        Output::Json => serde_json::to_string_pretty(&root)?,
        Output::Table => report::summary(&root),
    })?;
    Ok(Exit::Success)
}

/// Carries out `ostro execution watch`.
pub(crate) fn watch(args: &Look) -> Result<Exit> {
    let run = find(&args.id, &args.state)?;
    let journal = run.look()?;
    let mut live = terminal::is_live().then(Live::new);
    let mut last = None;
    loop {
        let held = run.holder().is_some();
        let snapshots = Snapshots::read(&journal, &run.id)?;
        let root = tree(&snapshots, &run.id, &Told::default())
            .with_context(|| format!("execution {} cannot be read", run.id))?;
        if let Some(live) = &mut live {
            live.draw(&root, SystemClock.now_millis());
        } else if last != Some(root.state) {
            terminal::complain(&format!("{} {}", clean_line(&root.workflow), root.state));
        }
        last = Some(root.state);
        if root.state.is_completed() {
            if let Some(live) = live {
                live.finish(&root, SystemClock.now_millis());
            }
            terminal::print(&match args.output {
                Output::Json => serde_json::to_string_pretty(&root)?,
                Output::Table => report::summary(&root),
            })?;
            return Ok(match root.state {
                State::Success => Exit::Success,
                _ => Exit::Failure,
            });
        }
        if !held {
            return Err(hinted(
                anyhow!("no process runs execution {}: it is {}", run.id, root.state),
                format!("`ostro execution resume {}` goes on with it", run.id),
            ));
        }
        thread::sleep(LOOK);
    }
}
