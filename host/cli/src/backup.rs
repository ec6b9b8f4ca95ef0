//! `ostro backup`: copies of executions, made while they run, and taken back.
//!
//! A backup is a state folder: what looks into one looks into the other.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context as _, Result, anyhow};
use ostro_journal::{ExecutionRow, Journal, JournalError};
use tempfile::TempDir;

use crate::args::Backup;
use crate::errors::{Exit, WithHint as _, hinted, warn};
use crate::state::{RunDir, StateDir, moment};
use crate::terminal;
use crate::text::counted;

/// Carries out `ostro backup …`.
pub(crate) fn backup(command: &Backup) -> Result<Exit> {
    match command {
        Backup::Create { ids, to, state } => {
            create(ids, to, &StateDir::new(state.state_dir.as_deref())?)
        }
        Backup::Restore { from, ids, state } => {
            restore(from, ids, &StateDir::new(state.state_dir.as_deref())?)
        }
    }
}

fn create(ids: &[String], to: &Path, state: &StateDir) -> Result<Exit> {
    if fs::symlink_metadata(to).is_ok() {
        return Err(hinted(
            anyhow!("{} is there already and is not overwritten", to.display()),
            "give each backup a folder of its own",
        ));
    }
    let runs = chosen(ids, state)?;
    let (above, name) = place(to)?;
    fs::create_dir_all(above).with_context(|| format!("cannot make {}", above.display()))?;
    let partial = temporary(above, &format!("{name}.partial-"))?;
    let copies = StateDir::at(partial.path().to_owned());
    let mut made = 0;
    let mut is_whole = true;
    for run in &runs {
        match copy(run, &copies.run(run.id.clone())) {
            Ok(true) => made += 1,
            // It has not come to its first step, or was deleted meanwhile.
            Ok(false) => {}
            Err(error) if concerns_it_alone(&error) => {
                is_whole = false;
                warn(
                    &format!("execution {} is left out: {error:#}", run.id),
                    None,
                );
            }
            Err(error) => {
                return Err(error.context(format!("execution {} cannot be copied", run.id)));
            }
        }
    }
    if made == 0 {
        return Err(anyhow!(
            "there is nothing to copy in {}",
            state.runs_path().display()
        ));
    }
    sync(copies.runs_path())?;
    sync(partial.path())?;
    let partial = partial.keep();
    let named = || to.display().to_string();
    fs::rename(&partial, to)
        .inspect_err(|_| drop(fs::remove_dir_all(&partial)))
        .with_context(named)?;
    sync(above)?;
    terminal::print(&format!("{}: {}", to.display(), counted(made, "execution")))?;
    Ok(if is_whole {
        Exit::Success
    } else {
        Exit::Failure
    })
}

/// Copies a run and checks the copy. Whether there was something to copy.
fn copy(run: &RunDir, to: &RunDir) -> Result<bool> {
    if !run.exists() {
        return Ok(false);
    }
    let Some(journal) = run.look_if_begun()? else {
        return Ok(false);
    };
    to.make()?;
    journal.backup(&to.database())?;
    let copy = to.look()?;
    if let Some(problem) = copy.check()?.problems.first() {
        fs::remove_dir_all(to.path()).with_context(|| to.path().display().to_string())?;
        return Err(JournalError::Corrupt {
            path: run.database(),
            detail: problem.clone(),
        }
        .into());
    }
    if let Some(row) = copy.execution(&run.id)? {
        mark(to, &row, moment(row.finished_at.unwrap_or(row.updated_at)))?;
    }
    Ok(true)
}

/// Whether the others can be copied all the same. Not so if the disk failed, for example.
fn concerns_it_alone(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        matches!(
            cause.downcast_ref(),
            Some(
                JournalError::Corrupt { .. }
                    // It is just being made, or another version of ostro has it.
                    | JournalError::Held { .. }
                    | JournalError::NotAJournal { .. }
                    | JournalError::NewerSchema { .. }
                    | JournalError::Database { .. }
            )
        )
    })
}

fn restore(from: &Path, ids: &[String], state: &StateDir) -> Result<Exit> {
    let copies = StateDir::at(from.to_owned());
    if !copies.runs_path().is_dir() {
        return Err(hinted(
            anyhow!("{} is no backup: there are no runs in it", from.display()),
            "name the folder that `ostro backup create` made",
        ));
    }
    let runs = chosen(ids, &copies)?;
    if runs.is_empty() {
        return Err(anyhow!("{} is empty", copies.runs_path().display()));
    }
    for run in &runs {
        if state.run(run.id.clone()).exists() {
            return Err(hinted(
                anyhow!(
                    "execution {} is there already and is not overwritten; nothing was restored",
                    run.id
                ),
                "delete it with `ostro execution delete`, name the executions to restore, or name \
                 another folder with --state-dir",
            ));
        }
    }
    state.make()?;
    // On the disk of the state folder, so that what is whole is moved into place.
    let partial = temporary(state.path(), "restoring-")?;
    let fresh = StateDir::at(partial.path().to_owned());
    let mut interrupted = Vec::new();
    for run in &runs {
        let to = fresh.run(run.id.clone());
        to.make()?;
        Journal::restore(&run.database(), to.path())
            .with_context(|| format!("execution {} cannot be restored", run.id))
            .hint(|| "nothing was restored; name the executions to restore".to_owned())?;
        if let Some(row) = to.row()? {
            // By the time at which it ended it might be deleted at once, as an old one.
            mark(&to, &row, SystemTime::now())?;
            if !row.state.is_completed() {
                interrupted.push(run.id.clone());
            }
        }
        sync(to.path())?;
    }
    for run in &runs {
        let to = state.run(run.id.clone());
        fs::rename(fresh.run(run.id.clone()).path(), to.path())
            .with_context(|| to.path().display().to_string())?;
    }
    sync(state.runs_path())?;
    let said = counted(runs.len(), "execution");
    terminal::print(&format!("{}: {said}", state.path().display()))?;
    for id in interrupted {
        terminal::print(&format!(
            "{id}: has not ended: `ostro execution resume {id}`"
        ))?;
    }
    Ok(Exit::Success)
}

fn mark(run: &RunDir, row: &ExecutionRow, at: SystemTime) -> Result<()> {
    if row.state.is_completed() {
        run.mark_ended(row.state, at)?;
    }
    Ok(())
}

/// The runs that `ids` mean, each once; all without any.
fn chosen(ids: &[String], state: &StateDir) -> Result<Vec<RunDir>> {
    if ids.is_empty() {
        return state.runs();
    }
    let mut seen = BTreeSet::new();
    let mut runs = Vec::new();
    for id in ids {
        let run = state.find(id)?;
        if seen.insert(run.id.to_string()) {
            runs.push(run);
        }
    }
    Ok(runs)
}

/// The folder above `path`, and the last part of its name.
fn place(path: &Path) -> Result<(&Path, String)> {
    let name = path
        .file_name()
        .with_context(|| format!("{} names no folder", path.display()))?;
    let above = match path.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        _ => Path::new("."),
    };
    Ok((above, name.to_string_lossy().into_owned()))
}

/// A folder that goes if it is not finished.
fn temporary(above: &Path, prefix: &str) -> Result<TempDir> {
    tempfile::Builder::new()
        .prefix(prefix)
        .tempdir_in(above)
        .with_context(|| format!("cannot write to {}", above.display()))
}

/// Has what stands in a folder survive the loss of power.
fn sync(folder: &Path) -> Result<()> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .with_context(|| folder.display().to_string())
}
