//! `/v2/packs` of `ostro serve`: what the pack commands do, for whoever asks over HTTP.

mod install;
mod refusal;

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::Result;
use ostro_lang::{Diagnostic, check};
use ostro_server::{Installation, PackProblem, PackRefusal, PackVersion, Packs, Stored};
use ostro_store::{Change, Installed, Record, Store};
use serde_json::{Value, json};
use tokio::sync::watch;

use self::refusal::{conflict, refused};
use super::active::{Active, Set};
use crate::errors;
use crate::pack::activate::Review;
use crate::pack::{diff, inspect, kept};
use crate::state::StateDir;

/// How many places are told in which something would break.
const MOST_BROKEN: usize = 1000;

/// The installed packs of a server.
pub(super) struct Operated {
    active: Arc<Active>,
    state: StateDir,
    store: Store,
}

impl Operated {
    pub(super) fn new(active: Arc<Active>, state: StateDir) -> Self {
        let store = state.store();
        Self {
            active,
            state,
            store,
        }
    }

    /// What is known of a version.
    fn row(&self, record: &Record, one: &Installed) -> Value {
        let mut row = kept::json(record, one);
        let size = std::fs::metadata(self.store.object(&one.digest));
        row["size"] = size.ok().map(|object| object.len()).into();
        row["served"] = self.active.now().has(&one.digest).into();
        row
    }

    /// What is active of a pack.
    fn active_rows(&self, record: &Record, name: &str) -> Value {
        let packs = record.packs.get(name);
        let versions = packs.iter().flat_map(|packs| &packs.versions);
        let active = versions.filter(|one| packs.is_some_and(|packs| packs.is_active(one)));
        active.map(|one| self.row(record, one)).collect()
    }

    fn list_all(&self) -> Result<Vec<Value>> {
        let record = self.store.read()?;
        let mut versions: Vec<&Installed> = record.versions().collect();
        versions.sort_by(|one, other| {
            let newest_first = other.version.cmp(&one.version);
            one.name.cmp(&other.name).then(newest_first)
        });
        Ok(versions
            .into_iter()
            .map(|one| self.row(&record, one))
            .collect())
    }

    fn show_one(&self, which: &PackVersion) -> Result<Value> {
        let record = self.store.read()?;
        let one = find(&record, which)?;
        let mut row = self.row(&record, one);
        row["pack"] = inspect::json(&self.store.open(one)?);
        Ok(row)
    }

    /// What is wrong in what projects have defined by `after` that is not by `before`.
    fn broken(before: &Set, after: &Set, stored: &[Stored]) -> Vec<(String, Diagnostic)> {
        let mut broken = Vec::new();
        for Stored {
            project,
            definitions,
            own,
        } in stored
        {
            let was = check(definitions, &before.registry);
            let key = |one: &Diagnostic| (one.location.clone(), one.message.clone());
            let was: HashSet<_> = was.iter().map(key).collect();
            let wrong = check(definitions, &after.registry).into_iter();
            let fresh =
                wrong.filter(|one| own.contains(&*one.location.file) && !was.contains(&key(one)));
            broken.extend(fresh.map(|one| (project.clone(), one)));
        }
        broken.truncate(MOST_BROKEN);
        broken
    }

    fn compare(
        &self,
        which: &PackVersion,
        against: Option<&str>,
        stored: &[Stored],
    ) -> Result<Value> {
        // Neither goes while it is looked at.
        let _hold = self.store.hold()?;
        let record = self.store.read()?;
        let target = find(&record, which)?;
        let old = against.map(|version| record.find(&which.name, Some(version)));
        let old = old.transpose()?;
        let mut review = match old {
            Some(old) => Review::of(&self.store, &record, target, Some(old), &[])?,
            None => Review::new(&self.store, &record, target, &[])?,
        };
        let mut before = record.clone();
        if let Some(old) = old {
            before.activate(&old.name, &old.digest);
        }
        let mut after = before.clone();
        after.activate(&target.name, &target.digest);
        let sets = || {
            let before = match old {
                Some(_) => Arc::new(self.active.load(&self.store, &before)?),
                None => self.active.now(),
            };
            anyhow::Ok((before, self.active.load(&self.store, &after)?))
        };
        let problem = match sets() {
            Ok((before, after)) => {
                review.broken.add(Self::broken(&before, &after, stored));
                None
            }
            Err(error) => Some(errors::told(&error)),
        };
        let mut shown = review_json(&review);
        shown["name"] = target.name.as_str().into();
        shown["version"] = target.version.to_string().into();
        shown["problem"] = problem.into();
        Ok(shown)
    }

    fn switch(
        &self,
        which: &PackVersion,
        force: bool,
        stored: &[Stored],
    ) -> Result<Value, PackRefusal> {
        let mut change = self.store.change().map_err(refused)?;
        let target = find(&change.record, which).map_err(refused)?.clone();
        let review = Review::new(&self.store, &change.record, &target, &[]);
        let mut review = review.map_err(refused)?;
        if change.record.activate(&target.name, &target.digest) {
            let turn = self.active.turn();
            let set = self.loaded(&change.record)?;
            review
                .broken
                .add(Self::broken(&self.active.now(), &set, stored));
            if let Some(refusal) = review.refusal(&target).filter(|_| !force) {
                let message = format!("{refusal}; force=true activates it all the same");
                return Err(conflict(message, Some(review_json(&review))));
            }
            change.commit().map_err(refused)?;
            turn.swap(set);
        }
        let mut row = self.row(&change.record, &target);
        row["review"] = review_json(&review);
        self.sweep(&mut change);
        drop(change);
        // It may have been active without being loaded.
        self.active.refresh();
        row["served"] = self.active.now().has(&target.digest).into();
        Ok(row)
    }

    fn switch_off(
        &self,
        which: &PackVersion,
        force: bool,
        stored: &[Stored],
    ) -> Result<Value, PackRefusal> {
        let mut change = self.store.change().map_err(refused)?;
        let target = find(&change.record, which).map_err(refused)?.clone();
        let packs = change.record.packs.get(&target.name);
        if !packs.is_some_and(|packs| packs.is_active(&target)) {
            let message = format!("{} {} is not active", target.name, target.version);
            return Err(conflict(message, None));
        }
        change
            .record
            .deactivate(&target.name, Some(target.version.major));
        let turn = self.active.turn();
        let set = self.loaded(&change.record)?;
        let mut broken = diff::Broken::none(0);
        broken.add(Self::broken(&self.active.now(), &set, stored));
        if let Some(places) = broken.places().filter(|_| !force) {
            let message = format!(
                "workflows call {} {}: {places}; force=true deactivates it all the same",
                target.name, target.version
            );
            let review = json!({ "workflows": broken.json() });
            return Err(conflict(message, Some(review)));
        }
        change.commit().map_err(refused)?;
        turn.swap(set);
        drop(turn);
        let rows = self.active_rows(&change.record, &target.name);
        self.sweep(&mut change);
        Ok(rows)
    }

    fn switch_back(&self, name: &str) -> Result<Value, PackRefusal> {
        let mut change = self.store.change().map_err(refused)?;
        change.record.find(name, None).map_err(refused)?;
        change.record.roll_back(name).map_err(refused)?;
        let turn = self.active.turn();
        let set = self.loaded(&change.record)?;
        change.commit().map_err(refused)?;
        turn.swap(set);
        Ok(self.active_rows(&change.record, name))
    }

    /// Deletes the versions that nothing needs any more.
    fn sweep(&self, change: &mut Change) {
        // While this server looks at what was just recorded, it holds all versions.
        let _turn = self.active.turn();
        kept::sweep(&self.state, change, false);
    }

    /// Loads what is to be active, before that is recorded.
    fn loaded(&self, record: &Record) -> Result<Set, PackRefusal> {
        self.active.load(&self.store, record).map_err(|error| {
            let reason = errors::told(&error);
            conflict(format!("it cannot be loaded: {reason}"), None)
        })
    }
}

/// The version that is meant.
fn find<'a>(record: &'a Record, which: &PackVersion) -> Result<&'a Installed> {
    Ok(record.find(&which.name, Some(&which.version))?)
}

/// What a version changes and breaks; what it is compared with is null where there is nothing.
fn review_json(review: &Review) -> Value {
    let mut shown = review.json();
    if shown.is_null() {
        shown = json!({"diff": null, "breaks": false, "workflows": review.broken.json()});
    }
    shown["against"] = review.against().into();
    shown
}

impl Packs for Operated {
    fn list(&self) -> Result<Vec<Value>, PackRefusal> {
        self.list_all().map_err(refused)
    }

    fn show(&self, which: &PackVersion) -> Result<Value, PackRefusal> {
        self.show_one(which).map_err(refused)
    }

    fn install(&self, installation: Installation) -> Result<(bool, Value), PackRefusal> {
        self.take_in(&installation)
    }

    fn diff(
        &self,
        which: &PackVersion,
        against: Option<&str>,
        stored: &[Stored],
    ) -> Result<Value, PackRefusal> {
        self.compare(which, against, stored).map_err(refused)
    }

    fn activate(
        &self,
        which: &PackVersion,
        force: bool,
        stored: &[Stored],
    ) -> Result<Value, PackRefusal> {
        self.switch(which, force, stored)
    }

    fn deactivate(
        &self,
        which: &PackVersion,
        force: bool,
        stored: &[Stored],
    ) -> Result<Value, PackRefusal> {
        self.switch_off(which, force, stored)
    }

    fn roll_back(&self, name: &str) -> Result<Value, PackRefusal> {
        self.switch_back(name)
    }

    fn grant(&self, which: &PackVersion, grants: Value) -> Result<Value, PackRefusal> {
        self.grant_to(which, &grants)
    }

    fn remove(&self, which: &PackVersion) -> Result<(), PackRefusal> {
        let removed = kept::take_away(&self.state, &which.name, &which.version);
        removed.map(drop).map_err(refused)
    }

    fn problem(&self) -> Option<PackProblem> {
        self.active.problem()
    }

    fn swaps(&self) -> watch::Receiver<u64> {
        self.active.swaps()
    }
}
