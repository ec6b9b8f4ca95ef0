//! `ostro pack list`, `remove` and `prune`: what is installed, and what may go.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow};
use comfy_table::{ContentArrangement, Table, presets};
use console::style;
use ostro_store::{Change, Installed, Record, Store, StoreError};
use serde_json::{Value, json};

use crate::args::{Listed, Output, Prune, Remove};
use crate::errors::{Exit, WithHint as _, hinted, warn};
use crate::installed;
use crate::state::StateDir;
use crate::terminal;
use crate::text::trimmed;

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
        terminal::complain("no pack is installed; `ostro pack install` installs one");
        return Ok(Exit::Success);
    }
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header([
            "PACK",
            "VERSION",
            "STATE",
            "SIGNED WITH",
            "DIGEST",
            "SOURCE",
        ]);
    for one in versions {
        let signer = one
            .signer
            .as_ref()
            .map_or("-", |signer| signer.key.as_str());
        let digest: String = one.digest.chars().take("sha256:".len() + 12).collect();
        table.add_row([
            one.name.clone(),
            one.version.to_string(),
            standing(&record, one).to_owned(),
            signer.to_owned(),
            digest,
            terminal::clean_line(&one.source),
        ]);
    }
    terminal::print(&trimmed(&table))?;
    Ok(Exit::Success)
}

/// How a version stands, in a word or two.
fn standing(record: &Record, one: &Installed) -> &'static str {
    match record.packs.get(&one.name) {
        Some(packs) if packs.is_active(one) => "active",
        Some(packs) if packs.is_before(one) => "to roll back to",
        _ => "-",
    }
}

/// All that is known of a version, for programs.
pub(crate) fn json(record: &Record, one: &Installed) -> Value {
    let packs = record.packs.get(&one.name);
    json!({
        "name": one.name,
        "version": one.version,
        "digest": one.digest,
        "active": packs.is_some_and(|packs| packs.is_active(one)),
        "rollback": packs.is_some_and(|packs| packs.is_before(one)),
        "source": one.source,
        "signer": one.signer,
        "grants": one.grants,
        "installed_at": one.installed_at,
    })
}

/// Carries out `ostro pack remove`.
pub(super) fn remove(args: &Remove) -> Result<Exit> {
    let Some((name, version)) = args.pack.split_once('@') else {
        return Err(hinted(
            anyhow!("{}: which version is to go?", args.pack),
            format!(
                "write {}@VERSION; `ostro pack list {0}` shows them",
                args.pack
            ),
        ));
    };
    let state = StateDir::new(args.place.state.state_dir.as_deref())?;
    let removed = take_away(&state, name, version)?;
    report(&[removed], "removed", args.place.output)
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
        return report(&gone, "would be deleted", args.place.output);
    }
    for one in &gone {
        change.record.remove(&one.name, &one.digest)?;
    }
    change.commit()?;
    change.sweep(&quiet)?;
    report(&gone, "deleted", args.place.output)
}

fn report(gone: &[Installed], how: &str, output: Output) -> Result<Exit> {
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
pub(super) fn split(text: &str) -> (&str, Option<&str>) {
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
