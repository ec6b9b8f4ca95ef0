//! `ostro pack list`, `remove` and `prune`: what is installed, and what may go.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow};
use console::style;
use ostro_store::{Change, Installed, Record, Store, StoreError};
use serde_json::{Value, json};

use super::row::{self, Row};
use crate::args::{Listed, Output, Prune, Remove};
use crate::errors::{Exit, WithHint as _, hinted, warn};
use crate::installed;
use crate::state::StateDir;
use crate::terminal;

/// What is said where no pack is installed.
pub(crate) const NONE: &str = "no pack is installed; `ostro pack install` installs one";

/// How often `ostro pack remove` looks whether an execution is still being started.
const LOOKS: usize = 100;

/// Carries out `ostro pack list`.
pub(super) fn list(args: &Listed) -> Result<Exit> {
    let record = StateDir::new(args.place.state.state_dir.as_deref())?
        .store()
        .read()?;
    if let Some(name) = &args.pack {
        record.find(name, None)?;
    }
    let mut versions: Vec<&Installed> = record
        .versions()
        .filter(|one| args.pack.as_ref().is_none_or(|name| one.name == *name))
        .collect();
    versions.sort_by(|one, other| {
        one.name
            .cmp(&other.name)
            .then(other.version.cmp(&one.version))
    });
    if args.place.output == Output::Json {
        let all: Vec<Value> = versions.iter().map(|one| json(&record, one)).collect();
        terminal::print(&terminal::json(&all)?)?;
        return Ok(Exit::Success);
    }
    if versions.is_empty() {
        terminal::complain(NONE);
        return Ok(Exit::Success);
    }
    let rows: Vec<Row> = versions.iter().map(|one| Row::of(&record, one)).collect();
    terminal::print(&row::table(&rows))?;
    Ok(Exit::Success)
}

/// All that is known of a version, for programs.
pub(crate) fn json(record: &Record, one: &Installed) -> Value {
    json!(Row::of(record, one))
}

/// Carries out `ostro pack remove`.
pub(super) fn remove(args: &Remove) -> Result<Exit> {
    let (name, version) = exact(&args.pack, "is to go")?;
    let state = StateDir::new(args.place.state.state_dir.as_deref())?;
    let removed = take_away(&state, name, version)?;
    report(&rows(&[removed]), "removed", args.place.output)
}

/// The name and the version of what is to be exactly one; `what` is the end of a question.
pub(crate) fn exact<'a>(text: &'a str, what: &str) -> Result<(&'a str, &'a str)> {
    text.split_once('@').ok_or_else(|| {
        hinted(
            anyhow!("{text}: which version {what}?"),
            format!("write {text}@VERSION; `ostro pack list {text}` shows them"),
        )
    })
}

/// Deletes a version that is neither active nor needed.
pub(crate) fn take_away(state: &StateDir, name: &str, version: &str) -> Result<Installed> {
    let store = state.store();
    let mut change = store.change()?;
    let target = change.record.find(name, Some(version))?.clone();
    let mut quiet = change.quiet()?;
    for _ in 0..LOOKS {
        if quiet.is_some() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
        quiet = change.quiet()?;
    }
    let Some(quiet) = quiet else {
        return Err(hinted(
            anyhow!("an execution is just being started, perhaps with {name} {version}"),
            "try it again in a moment",
        ));
    };
    if let Some(id) = installed::needed(state)?.get(&target.digest) {
        return Err(hinted(
            anyhow!(
                "{name} {} is needed by execution {id}, which has not ended",
                target.version
            ),
            format!(
                "`ostro execution show {id}` tells how it stands; it can go once that has ended"
            ),
        ));
    }
    let removed = change
        .record
        .remove(name, &target.digest)
        .hint(|| format!("activate another version first, or `ostro pack deactivate {name}`"))?;
    if store.is_leased(&target.digest)? {
        return Err(hinted(
            anyhow!(
                "{name} {} is what a running server gives to executions",
                target.version
            ),
            "try it again once the server gives them another one; `GET /v2/packs` says why it \
             does not, if so",
        ));
    }
    change.commit()?;
    change.sweep(&quiet)?;
    Ok(removed)
}

/// Carries out `ostro pack prune`.
pub(super) fn prune(args: &Prune) -> Result<Exit> {
    let state = StateDir::new(args.place.state.state_dir.as_deref())?;
    let store = state.store();
    let mut change = store.change()?;
    let Some(quiet) = change.quiet()? else {
        return Err(hinted(
            anyhow!("an execution is just being started, and nobody knows yet with which packs"),
            "try it again in a moment",
        ));
    };
    let needed = installed::digests(&installed::needed(&state)?);
    let gone = unleased(&store, change.record.needless(&needed, true))?;
    if args.dry_run {
        return report(&rows(&gone), "would be deleted", args.place.output);
    }
    for one in &gone {
        change.record.remove(&one.name, &one.digest)?;
    }
    change.commit()?;
    change.sweep(&quiet)?;
    report(&rows(&gone), "deleted", args.place.output)
}

/// Versions that are gone.
fn rows(gone: &[Installed]) -> Vec<Row> {
    let record = Record::default();
    gone.iter().map(|one| Row::of(&record, one)).collect()
}

pub(crate) fn report(gone: &[Row], how: &str, output: Output) -> Result<Exit> {
    if output == Output::Json {
        let all: Vec<Value> = gone
            .iter()
            .map(|one| json!({ "name": one.name, "version": one.version, "digest": one.digest }))
            .collect();
        terminal::print(&terminal::json(&all)?)?;
        return Ok(Exit::Success);
    }
    if gone.is_empty() {
        terminal::complain("all that is installed is needed");
    }
    for one in gone {
        terminal::print(&format!(
            "{} {} {how}",
            style(&one.name).bold(),
            one.version
        ))?;
    }
    Ok(Exit::Success)
}

/// Deletes the versions that took their turn and that nothing needs any more. That this could not
/// be done is no error of what was done before: the next change does it.
pub(crate) fn sweep(state: &StateDir, change: &mut Change, tell: bool) {
    match try_sweep(state, change) {
        Ok(gone) => {
            for one in gone.iter().filter(|_| tell) {
                terminal::complain(&format!(
                    "{} {} is needed no more: deleted",
                    one.name, one.version
                ));
            }
        }
        Err(error) => warn(&format!("old versions are still there: {error:#}"), None),
    }
}

fn try_sweep(state: &StateDir, change: &mut Change) -> Result<Vec<Installed>> {
    let Some(quiet) = change.quiet()? else {
        return Ok(Vec::new());
    };
    // Looking at executions costs something, and mostly there is nothing to go.
    let mut gone = change.record.needless(&BTreeSet::new(), false);
    if !gone.is_empty() {
        let needed = installed::digests(&installed::needed(state)?);
        gone = unleased(&state.store(), change.record.needless(&needed, false))?;
        for one in &gone {
            change.record.remove(&one.name, &one.digest)?;
        }
        if !gone.is_empty() {
            change.commit()?;
        }
    }
    change.sweep(&quiet)?;
    Ok(gone)
}

/// Those that no running server gives to executions.
fn unleased(store: &Store, versions: Vec<Installed>) -> Result<Vec<Installed>, StoreError> {
    let mut free = Vec::with_capacity(versions.len());
    for one in versions {
        if !store.is_leased(&one.digest)? {
            free.push(one);
        }
    }
    Ok(free)
}

/// Milliseconds since 1970 UTC.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// `NAME@VERSION` or `NAME`.
pub(crate) fn split(text: &str) -> (&str, Option<&str>) {
    match text.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (text, None),
    }
}

/// An error of the record, with what to do about a pack that is not there.
pub(super) fn unknown(error: StoreError) -> anyhow::Error {
    match error {
        StoreError::Unknown(_) => hinted(error, "`ostro pack list` shows what is installed"),
        _ => error.into(),
    }
}

/// An error about a trusted key, with where to look.
pub(super) fn unknown_key(error: StoreError) -> anyhow::Error {
    match error {
        StoreError::Unknown(_) => hinted(error, "`ostro pack trust list` shows those that are"),
        _ => error.into(),
    }
}
