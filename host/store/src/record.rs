//! What is installed, what is active, and what was active before.
//!
//! Everything here is a pure function of the record: the files are `store`'s.

use std::collections::{BTreeMap, BTreeSet};

use ostro_packs::Grants;
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::keys::Signer;

/// The form of the record that this version writes.
const FORMAT: u32 = 1;
/// The fewest hexadecimal digits of a digest that stand for it.
const SHORTEST: usize = 8;

/// All that is known of installed packs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The form that it has.
    format: u32,
    /// The packs by their names.
    pub packs: BTreeMap<String, Packs>,
    /// The digest that each reference into a registry had when it was installed.
    #[serde(default)]
    pub locks: BTreeMap<String, String>,
}

/// The versions of one pack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packs {
    /// Those that are installed, the first one installed first.
    pub versions: Vec<Installed>,
    /// The digest of the active version of each major number.
    pub active: BTreeMap<u64, String>,
    /// What was active before the last change; none if nothing was ever changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<BTreeMap<u64, String>>,
}

/// An installed version of a pack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Installed {
    /// The pack's name.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// Its digest, by which it is kept.
    pub digest: String,
    /// Where it came from: what `ostro pack install` was given.
    pub source: String,
    /// Whose signature it has, if that was a trusted key's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<Signer>,
    /// What the operator accepted, and what it gets.
    pub grants: Grants,
    /// When it was installed, in milliseconds since 1970 UTC.
    pub installed_at: i64,
    /// Whether it has been active since it was installed.
    #[serde(default)]
    pub was_active: bool,
}

/// A version that an execution runs by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The pack's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its digest.
    pub digest: String,
    /// Where it came from.
    pub source: String,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            format: FORMAT,
            packs: BTreeMap::new(),
            locks: BTreeMap::new(),
        }
    }
}

impl Record {
    /// Reads a record; the error says what is wrong with it.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Form {
            format: u32,
        }
        let Form { format } =
            serde_json::from_slice(bytes).map_err(|error| format!("it is damaged: {error}"))?;
        if format != FORMAT {
            return Err(format!(
                "it has the form {format}, and this ostro knows {FORMAT}: a newer one wrote it"
            ));
        }
        let record: Self =
            serde_json::from_slice(bytes).map_err(|error| format!("it is damaged: {error}"))?;
        for (name, packs) in &record.packs {
            let known = |digest: &String| packs.find(digest).is_some();
            let named = packs
                .active
                .values()
                .chain(packs.before.iter().flat_map(BTreeMap::values));
            if let Some(lost) = named.into_iter().find(|digest| !known(digest)) {
                return Err(format!("it is damaged: {name} has no version {lost}"));
            }
        }
        Ok(record)
    }

    /// All installed versions.
    pub fn versions(&self) -> impl Iterator<Item = &Installed> {
        self.packs.values().flat_map(|packs| &packs.versions)
    }

    /// The installed version with this digest.
    pub fn by_digest(&self, digest: &str) -> Option<&Installed> {
        self.versions().find(|version| version.digest == digest)
    }

    /// The installed version of `name` that `version` means: a version or the first numbers of
    /// one, of which the newest is meant; or a digest, which may be cut short. Without any, the
    /// newest one.
    pub fn find(&self, name: &str, version: Option<&str>) -> Result<&Installed, StoreError> {
        let Some(packs) = self
            .packs
            .get(name)
            .filter(|packs| !packs.versions.is_empty())
        else {
            let names: Vec<&str> = self.packs.keys().map(String::as_str).collect();
            let known = match names[..] {
                [] => "no pack is installed".to_owned(),
                _ => format!("installed are {}", names.join(", ")),
            };
            return Err(StoreError::Unknown(format!(
                "no pack {name} is installed: {known}"
            )));
        };
        let meant = |installed: &&Installed| match version {
            None => true,
            Some(text) => installed.is_meant_by(text),
        };
        // Of two with the same number, the one that was installed last.
        let found = packs
            .versions
            .iter()
            .enumerate()
            .filter(|(_, one)| meant(one));
        let found = found.max_by(|(at, one), (other_at, other)| {
            one.version.cmp(&other.version).then(at.cmp(other_at))
        });
        found.map(|(_, installed)| installed).ok_or_else(|| {
            let known: Vec<String> = packs
                .versions
                .iter()
                .map(|one| one.version.to_string())
                .collect();
            StoreError::Unknown(format!(
                "{name} {} is not installed: there is {}",
                version.unwrap_or_default(),
                known.join(", ")
            ))
        })
    }

    /// The version that new executions get: of the major number `major`, or without that the
    /// active one with the highest number.
    pub fn active(&self, name: &str, major: Option<u64>) -> Option<&Installed> {
        let packs = self.packs.get(name)?;
        let digest = match major {
            Some(major) => packs.active.get(&major)?,
            None => packs.active.values().next_back()?,
        };
        packs.find(digest)
    }

    /// Notes that a version is installed. One with the same digest is replaced, and stays active
    /// if it is.
    pub fn add(&mut self, installed: Installed, reference: Option<&str>) {
        if let Some(reference) = reference {
            let digest = installed.digest.clone();
            self.locks.insert(reference.to_owned(), digest);
        }
        let packs = self.packs.entry(installed.name.clone()).or_default();
        let same = |one: &&mut Installed| one.digest == installed.digest;
        if let Some(old) = packs.versions.iter_mut().find(same) {
            *old = installed;
            // One that took its turn and is wanted again is kept as a new one is.
            old.was_active = packs.active.values().any(|active| *active == old.digest);
        } else {
            packs.versions.push(installed);
        }
    }

    /// Why a pack must not be installed without being asked to take the place of what was there:
    /// its reference, or its version, had another digest.
    pub fn check_lock(
        &self,
        name: &str,
        version: &Version,
        digest: &str,
        reference: Option<&str>,
    ) -> Result<(), StoreError> {
        if let Some(reference) = reference
            && let Some(locked) = self.locks.get(reference)
            && locked != digest
        {
            return Err(StoreError::Refused(format!(
                "{reference} is {digest} now, and was {locked} when it was installed"
            )));
        }
        let same = |one: &&Installed| one.version == *version;
        let packs = self.packs.get(name);
        let known: Vec<&Installed> = packs
            .iter()
            .flat_map(|packs| &packs.versions)
            .filter(same)
            .collect();
        match known.last() {
            Some(other) if known.iter().all(|one| one.digest != digest) => {
                Err(StoreError::Refused(format!(
                    "{name} {version} is installed with the digest {}, and this one has {digest}",
                    other.digest
                )))
            }
            _ => Ok(()),
        }
    }

    /// Has new executions get a version, in place of the active one of its major number. Whether
    /// that changes anything.
    pub fn activate(&mut self, name: &str, digest: &str) -> bool {
        let Some(packs) = self.packs.get_mut(name) else {
            return false;
        };
        let Some(version) = packs.versions.iter_mut().find(|one| one.digest == digest) else {
            return false;
        };
        let major = version.version.major;
        if packs
            .active
            .get(&major)
            .is_some_and(|active| active == digest)
        {
            return false;
        }
        version.was_active = true;
        packs.before = Some(packs.active.clone());
        packs.active.insert(major, digest.to_owned());
        true
    }

    /// Has new executions get no version of this major number; of none without one. Those that
    /// were active.
    pub fn deactivate(&mut self, name: &str, major: Option<u64>) -> Vec<Installed> {
        let Some(packs) = self.packs.get_mut(name) else {
            return Vec::new();
        };
        let goes = |number: &u64| major.is_none_or(|major| major == *number);
        let (gone, stays): (BTreeMap<_, _>, BTreeMap<_, _>) = packs
            .active
            .clone()
            .into_iter()
            .partition(|(number, _)| goes(number));
        if gone.is_empty() {
            return Vec::new();
        }
        packs.before = Some(std::mem::replace(&mut packs.active, stays));
        gone.values()
            .filter_map(|digest| packs.find(digest).cloned())
            .collect()
    }

    /// Makes active what was active before the last change, and the other way round.
    pub fn roll_back(&mut self, name: &str) -> Result<(), StoreError> {
        let packs = self.packs.get_mut(name);
        let Some(packs) = packs.filter(|packs| packs.before.is_some()) else {
            return Err(StoreError::Refused(format!(
                "there is nothing to roll back to: no version of {name} was activated yet"
            )));
        };
        let before = packs.before.take().unwrap_or_default();
        packs.before = Some(std::mem::replace(&mut packs.active, before));
        Ok(())
    }

    /// Forgets a version. It must not be active.
    pub fn remove(&mut self, name: &str, digest: &str) -> Result<Installed, StoreError> {
        let unknown = || StoreError::Unknown(format!("{name} {digest} is not installed"));
        let packs = self.packs.get_mut(name).ok_or_else(unknown)?;
        if packs.active.values().any(|active| active == digest) {
            let version = packs.find(digest).map(|one| one.version.to_string());
            return Err(StoreError::Refused(format!(
                "{name} {} is active: new executions get it",
                version.as_deref().unwrap_or(digest)
            )));
        }
        let place = packs.versions.iter().position(|one| one.digest == digest);
        let removed = packs.versions.remove(place.ok_or_else(unknown)?);
        if let Some(before) = &mut packs.before
            && before.values().any(|old| old == digest)
        {
            // What cannot be had again whole is nothing to roll back to.
            packs.before = None;
        }
        if packs.versions.is_empty() {
            self.packs.remove(name);
        }
        Ok(removed)
    }

    /// The versions that nothing needs: neither active, nor to be rolled back to, nor `pinned`;
    /// with `unused`, also those that never were active.
    pub fn needless(&self, pinned: &BTreeSet<String>, unused: bool) -> Vec<Installed> {
        let mut found = Vec::new();
        for packs in self.packs.values() {
            let before = packs.before.iter().flat_map(BTreeMap::values);
            let kept: BTreeSet<&String> = packs.active.values().chain(before).collect();
            let goes = |one: &&Installed| {
                !kept.contains(&one.digest)
                    && !pinned.contains(&one.digest)
                    && (one.was_active || unused)
            };
            found.extend(packs.versions.iter().filter(goes).cloned());
        }
        found
    }
}

impl Packs {
    /// The version with this digest.
    pub fn find(&self, digest: &str) -> Option<&Installed> {
        self.versions.iter().find(|one| one.digest == digest)
    }

    /// Whether a version is active.
    pub fn is_active(&self, installed: &Installed) -> bool {
        self.active
            .values()
            .any(|digest| *digest == installed.digest)
    }

    /// Whether a version comes back with a roll-back.
    pub fn is_before(&self, installed: &Installed) -> bool {
        let before = self.before.iter().flat_map(BTreeMap::values);
        !self.is_active(installed) && before.into_iter().any(|digest| *digest == installed.digest)
    }
}

impl Installed {
    /// Whether `text` is this version, the first numbers of it, or its digest.
    fn is_meant_by(&self, text: &str) -> bool {
        let version = self.version.to_string();
        if version == text {
            return true;
        }
        if let Some(hex) = self.digest.strip_prefix("sha256:") {
            let text = text.strip_prefix("sha256:").unwrap_or(text);
            if text.len() >= SHORTEST && hex.starts_with(text) {
                return true;
            }
        }
        let numbers = format!(
            "{}.{}.{}",
            self.version.major, self.version.minor, self.version.patch
        );
        numbers
            .strip_prefix(text)
            .is_some_and(|rest| rest.starts_with('.'))
    }
}

#[cfg(test)]
mod tests;
