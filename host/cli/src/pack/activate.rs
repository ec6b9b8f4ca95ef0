//! `ostro pack activate`, `rollback` and `deactivate`: what new executions get.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use ostro_lang::parse;
use ostro_packs::{MajorTag, Pack, PackDiff};
use ostro_store::{Installed, Record, Store};
use serde_json::{Value, json};

use super::diff::{self, Broken};
use super::kept;
use super::row::{self, Row};
use crate::args::{Activate, Deactivate, Output, Switch};
use crate::errors::{Exit, WithHint as _, hinted};
use crate::state::StateDir;
use crate::{input, terminal};

/// What is to be activated.
pub(super) struct Request<'a> {
    /// The pack.
    pub(super) name: String,
    /// Which version: its number, the first numbers of it, or its digest.
    pub(super) version: Option<String>,
    /// Workflows that must not break.
    pub(super) files: &'a [PathBuf],
    /// Whether it is activated whatever breaks.
    pub(super) force: bool,
}

/// Carries out `ostro pack activate`.
pub(super) fn activate(args: &Activate) -> Result<Exit> {
    let state = StateDir::new(args.place.state.state_dir.as_deref())?;
    let (name, version) = kept::split(&args.pack);
    let request = Request {
        name: name.to_owned(),
        version: version.map(str::to_owned),
        files: &args.files,
        force: args.force,
    };
    switch(&state, &request, args.place.output)
}

/// Activates a version, shows what that changes, and deletes what nothing needs any more.
pub(super) fn switch(state: &StateDir, request: &Request<'_>, output: Output) -> Result<Exit> {
    let store = state.store();
    let mut change = store.change()?;
    let found = change
        .record
        .find(&request.name, request.version.as_deref());
    let target = found.map_err(kept::unknown)?.clone();
    let review = Review::new(&store, &change.record, &target, request.files)?;
    let changes = change.record.activate(&target.name, &target.digest);
    let refused = changes
        .then(|| review.refusal(&target))
        .flatten()
        .filter(|_| !request.force);
    match output {
        Output::Json => {
            let mut shown = kept::json(&change.record, &target);
            shown["active"] = json!(refused.is_none());
            shown["review"] = review.json();
            terminal::print(&terminal::json(&shown)?)?;
        }
        Output::Table if changes => {
            if let Some(table) = review.table() {
                terminal::print(&table)?;
            }
        }
        Output::Table => {}
    }
    if let Some(refusal) = refused {
        return Err(hinted(
            refusal,
            "--force activates it all the same; all is as it was",
        ));
    }
    if changes {
        change
            .commit()
            .hint(|| "what was active stays active".to_owned())?;
    }
    if output == Output::Table {
        let newest = change.record.active(&target.name, None);
        let newest = newest.map(|newest| Row::of(&change.record, newest));
        let target = Row::of(&change.record, &target);
        row::tell_activated(&target, newest.as_ref(), changes);
    }
    kept::sweep(state, &mut change, output == Output::Table);
    Ok(Exit::Success)
}

/// What activating a version would change.
pub(crate) struct Review {
    /// What new executions get now: of the same major number if there is one, or else the newest.
    old: Option<Pack>,
    new: Pack,
    diff: Option<PackDiff>,
    pub(crate) broken: Broken,
}

impl Review {
    pub(crate) fn new(
        store: &Store,
        record: &Record,
        target: &Installed,
        files: &[PathBuf],
    ) -> Result<Self> {
        let same = record.active(&target.name, Some(target.version.major));
        let newest = record.active(&target.name, None);
        Self::of(store, record, target, same.or(newest), files)
    }

    /// As [`Review::new`], compared with the version `old`.
    pub(crate) fn of(
        store: &Store,
        record: &Record,
        target: &Installed,
        old: Option<&Installed>,
        files: &[PathBuf],
    ) -> Result<Self> {
        let new = store.open(target)?;
        let major = target.version.major;
        let newest = record.active(&target.name, None);
        let old = old.filter(|old| old.digest != target.digest);
        let old = old.map(|old| store.open(old)).transpose()?;
        let Some(old) = old else {
            // They are read all the same: a file that is not there is a mistake.
            let texts = read(files)?;
            return Ok(Self {
                diff: None,
                broken: Broken::none(texts.len()),
                old: None,
                new,
            });
        };
        let is_newest = newest.is_none_or(|newest| newest.version.major <= major);
        let mut texts = read(files)?;
        for other in record.packs.keys().filter(|name| **name != target.name) {
            let Some(other) = record.active(other, None) else {
                continue;
            };
            let pack = store.open(other)?;
            texts.extend(
                pack.workflows
                    .iter()
                    .map(|file| (format!("{}:{}", other.name, file.path), file.text.clone())),
            );
        }
        let mut concerned = Vec::new();
        for (name, text) in texts {
            let asked = asked(&text, &name, &target.name)?;
            if asked.map_or(is_newest, |asked| asked == major) {
                concerned.push((name, text));
            }
        }
        Ok(Self {
            diff: Some(PackDiff::new(&old, &new)),
            broken: Broken::find(&old, &new, &concerned)?,
            old: Some(old),
            new,
        })
    }

    /// Why it should not be activated.
    pub(crate) fn refusal(&self, target: &Installed) -> Option<anyhow::Error> {
        let (diff, old) = (self.diff.as_ref()?, self.old.as_ref()?);
        let name = format!("{} {}", target.name, target.version);
        let was = &old.manifest.version;
        if let Some(places) = self.broken.places() {
            return Some(anyhow!(
                "{name} breaks workflows that are right with {was}: {places}"
            ));
        }
        // One with another major number takes nothing from those who stay with the old one.
        let is_same = was.major == target.version.major;
        (is_same && diff.breaks()).then(|| {
            let broken = diff.changes.iter().filter(|change| change.breaks);
            let broken: Vec<String> = broken
                .map(|change| format!("{} {}", change.what, change.name))
                .collect();
            anyhow!("{name} breaks what {was} has: {}", broken.join(", "))
        })
    }

    fn table(&self) -> Option<String> {
        let (diff, old) = (self.diff.as_ref()?, self.old.as_ref()?);
        let names = (&*old.manifest.name, &*self.new.manifest.name);
        Some(diff::table(names, diff, &self.broken.shown()))
    }

    /// The version that it is compared with.
    pub(crate) fn against(&self) -> Option<String> {
        let old = self.old.as_ref()?;
        Some(old.manifest.version.to_string())
    }

    pub(crate) fn json(&self) -> Value {
        match &self.diff {
            Some(diff) => diff::json(diff, &self.broken),
            None => Value::Null,
        }
    }
}

/// Which major number of `pack` the workflows in a file ask for, if they do.
fn asked(text: &str, name: &str, pack: &str) -> Result<Option<u64>> {
    let definitions: ostro_lang::Definitions = std::iter::once(parse(text, name)).collect();
    for workflow in definitions.workflows() {
        for tag in &workflow.tags {
            let tag = MajorTag::parse(tag)?;
            if let Some(tag) = tag.filter(|tag| tag.pack == pack) {
                return Ok(Some(tag.major));
            }
        }
    }
    Ok(None)
}

fn read(files: &[PathBuf]) -> Result<Vec<(String, String)>> {
    let read = |path: &PathBuf| {
        let name = path.display().to_string();
        let text = input::read(&name)?;
        Ok((name, text))
    };
    files.iter().map(read).collect()
}

/// Carries out `ostro pack rollback`.
pub(super) fn roll_back(args: &Switch) -> Result<Exit> {
    let state = StateDir::new(args.place.state.state_dir.as_deref())?;
    let mut change = state.store().change()?;
    change
        .record
        .find(&args.pack, None)
        .map_err(kept::unknown)?;
    change.record.roll_back(&args.pack)?;
    change
        .commit()
        .hint(|| "what was active stays active".to_owned())?;
    active(&change.record, &args.pack, args.place.output)?;
    if args.place.output == Output::Table {
        terminal::complain("  `ostro pack rollback` once more undoes that");
    }
    Ok(Exit::Success)
}

/// Carries out `ostro pack deactivate`.
pub(super) fn deactivate(args: &Deactivate) -> Result<Exit> {
    let args = &args.switch;
    let state = StateDir::new(args.place.state.state_dir.as_deref())?;
    let mut change = state.store().change()?;
    let (name, version) = kept::split(&args.pack);
    let found = change.record.find(name, version).map_err(kept::unknown)?;
    let major = version.map(|_| found.version.major);
    if change.record.deactivate(name, major).is_empty() {
        return Err(anyhow!("no such version of {name} is active"));
    }
    change
        .commit()
        .hint(|| "what was active stays active".to_owned())?;
    active(&change.record, name, args.place.output)?;
    kept::sweep(&state, &mut change, args.place.output == Output::Table);
    Ok(Exit::Success)
}

/// Shows what is active of a pack now.
fn active(record: &Record, name: &str, output: Output) -> Result<()> {
    let packs = record.packs.get(name);
    let versions = packs.iter().flat_map(|packs| &packs.versions);
    let active: Vec<Row> = versions
        .filter(|one| packs.is_some_and(|packs| packs.is_active(one)))
        .map(|one| Row::of(record, one))
        .collect();
    row::show_active(name, &active, output)
}
