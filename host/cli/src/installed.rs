//! Installed packs: which of them a command line runs by, and which executions need.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use ostro_core::{ExecutionId, Value};
use ostro_journal::{Journal, Options};
use ostro_packs::{Grants, MajorTag, Pack, digest};
use ostro_runtime::Library;
use ostro_store::{Hold, Installed, Pin, Record, Store};

use crate::args::State;
use crate::errors::hinted;
use crate::state::{self, RunDir, StateDir};

/// The installed packs that are wanted, beside those that the command line names.
pub(crate) struct Wanted {
    /// None where there is no state folder.
    store: Option<Store>,
    which: Which,
}

enum Which {
    /// One active version of each pack: of these packs that with this major number, and of others
    /// the newest.
    Active(BTreeMap<String, u64>),
    /// All active versions; these majors have to be among them.
    All(BTreeSet<(String, u64)>),
    /// Those that an execution began with.
    Pinned(Vec<Pin>),
}

/// Installed packs that were opened.
#[derive(Default)]
pub(crate) struct Opened {
    /// The packs, by name.
    pub(crate) packs: Vec<(Installed, Pack)>,
    /// Keeps them all from being deleted.
    pub(crate) hold: Option<Hold>,
    store: Option<Store>,
}

impl Wanted {
    /// What is active; of packs that `tags` speak of, with the major number that they ask for.
    pub(crate) fn active<'a>(
        state: &State,
        tags: impl IntoIterator<Item = &'a Arc<str>>,
    ) -> Result<Self> {
        Ok(Self {
            store: store(state),
            which: Which::Active(majors(tags)?),
        })
    }

    /// All that is active, of each pack in every major; what `tags` ask for has to be there.
    pub(crate) fn all<'a>(
        state: &State,
        tags: impl IntoIterator<Item = &'a Arc<str>>,
    ) -> Result<Self> {
        let mut asked = BTreeSet::new();
        for tag in tags {
            if let Some(MajorTag { pack, major }) = MajorTag::parse(tag)? {
                asked.insert((pack.to_owned(), major));
            }
        }
        Ok(Self {
            store: store(state),
            which: Which::All(asked),
        })
    }

    /// What the execution began with whose library has this origin.
    pub(crate) fn pinned(state: &State, origin: &Value) -> Self {
        Self {
            store: store(state),
            which: Which::Pinned(pins(origin)),
        }
    }

    /// Opens them, but for those that are called one of `taken`.
    pub(crate) fn open(&self, taken: &[&str]) -> Result<Opened> {
        let Some(store) = &self.store else {
            return match &self.which {
                Which::Pinned(pins) if !pins.is_empty() => Err(gone(&pins[0])),
                _ => Ok(Opened::default()),
            };
        };
        // Before the record is read: what stands in it then stays until this is dropped.
        let hold = store.hold()?;
        let record = store.read()?;
        let is_free = |name: &str| !taken.contains(&name);
        let chosen: Vec<&Installed> = match &self.which {
            Which::Active(majors) => {
                for (name, major) in majors.iter().filter(|(name, _)| is_free(name)) {
                    if record.active(name, Some(*major)).is_none() {
                        return Err(not_active(&record, name, *major));
                    }
                }
                let names = record.packs.keys().filter(|name| is_free(name));
                names
                    .filter_map(|name| record.active(name, majors.get(name).copied()))
                    .collect()
            }
            Which::All(asked) => {
                for (name, major) in asked.iter().filter(|(name, _)| is_free(name)) {
                    if record.active(name, Some(*major)).is_none() {
                        return Err(not_active(&record, name, *major));
                    }
                }
                all_active(&record, taken)
            }
            Which::Pinned(pins) => {
                let wanted = pins.iter().filter(|pin| is_free(&pin.name));
                let found =
                    wanted.map(|pin| record.by_digest(&pin.digest).ok_or_else(|| gone(pin)));
                found.collect::<Result<_>>()?
            }
        };
        Opened::of(store, &chosen, hold)
    }
}

/// All that is active in a record, of each pack in every major, but for those that are called one
/// of `taken`.
pub(crate) fn all_active<'a>(record: &'a Record, taken: &[&str]) -> Vec<&'a Installed> {
    let packs = record
        .packs
        .iter()
        .filter(|(name, _)| !taken.contains(&name.as_str()));
    packs
        .flat_map(|(name, packs)| packs.active.keys().rev().map(move |major| (name, *major)))
        .filter_map(|(name, major)| record.active(name, Some(major)))
        .collect()
}

impl Opened {
    /// Opens the `chosen` ones.
    pub(crate) fn of(store: &Store, chosen: &[&Installed], hold: Option<Hold>) -> Result<Self> {
        let mut packs = Vec::with_capacity(chosen.len());
        for installed in chosen {
            packs.push(((*installed).clone(), store.open(installed)?));
        }
        Ok(Self {
            packs,
            hold,
            store: Some(store.clone()),
        })
    }

    /// Where the artifact of one of them is.
    pub(crate) fn object(&self, installed: &Installed) -> std::path::PathBuf {
        let path = self
            .store
            .as_ref()
            .map(|store| store.object(&installed.digest));
        path.unwrap_or_default()
    }

    /// What an execution that begins with them notes of them.
    pub(crate) fn origin(&self) -> Value {
        let packs = self.packs.iter().map(|(installed, _)| {
            Value::from_iter([
                ("name", Value::from(installed.name.as_str())),
                ("version", Value::from(installed.version.to_string())),
                ("digest", Value::from(installed.digest.as_str())),
                ("source", Value::from(installed.source.as_str())),
                // With other grants it is something else to run by.
                ("grants", Value::from(granted(&installed.grants))),
            ])
        });
        packs.collect()
    }
}

/// What stands for grants.
fn granted(grants: &Grants) -> String {
    // Grants have a JSON form, whatever they hold.
    digest(&serde_json::to_vec(grants).unwrap_or_default())
}

/// The store in a state folder; none where there is no such folder.
fn store(state: &State) -> Option<Store> {
    let state = StateDir::new(state.state_dir.as_deref()).ok()?;
    Some(state.store())
}

/// The major numbers that tags ask for: `pack:NAME@MAJOR`.
fn majors<'a>(tags: impl IntoIterator<Item = &'a Arc<str>>) -> Result<BTreeMap<String, u64>> {
    let mut majors = BTreeMap::new();
    for tag in tags {
        let Some(MajorTag { pack: name, major }) = MajorTag::parse(tag)? else {
            continue;
        };
        if let Some(other) = majors.insert(name.to_owned(), major)
            && other != major
        {
            return Err(hinted(
                anyhow!(
                    "tags ask for {name} {other} and for {name} {major}: one of them can be had"
                ),
                "an execution has one version of each pack",
            ));
        }
    }
    Ok(majors)
}

fn not_active(record: &Record, name: &str, major: u64) -> anyhow::Error {
    let tag = MajorTag { pack: name, major };
    let error = anyhow!("the tag {tag} asks for {name} {major}, and none is active");
    let hint = match record.find(name, Some(&major.to_string())) {
        Ok(_) => format!("`ostro pack activate {name}@{major}` activates the newest of it"),
        Err(_) => format!("`ostro pack install` and `ostro pack activate {name}@{major}` bring it"),
    };
    hinted(error, hint)
}

fn gone(pin: &Pin) -> anyhow::Error {
    let Pin {
        name,
        version,
        digest,
        source,
    } = pin;
    hinted(
        anyhow!(
            "the execution began with {name} {version} ({digest}), which is not installed any more"
        ),
        format!("`ostro pack install {source} --digest {digest}` brings it back"),
    )
}

/// What an execution began with, by the origin of its library.
fn pins(origin: &Value) -> Vec<Pin> {
    let packs = origin
        .get("packs")
        .and_then(Value::as_list)
        .unwrap_or_default();
    let read = |pack: &Value| {
        let text = |key: &str| pack.get(key)?.as_str().map(str::to_owned);
        Some(Pin {
            name: text("name")?,
            version: text("version")?,
            digest: text("digest")?,
            source: text("source").unwrap_or_else(|| "REF-or-FILE".to_owned()),
        })
    };
    packs.iter().filter_map(read).collect()
}

/// The digests of versions that executions need which have not ended, each with one of those.
/// An error if one cannot be read: nobody knows then what it needs.
pub(crate) fn needed(state: &StateDir) -> Result<BTreeMap<String, ExecutionId>> {
    let mut needed = BTreeMap::new();
    for run in state.runs()? {
        if run.has_ended() {
            continue;
        }
        let pins = needed_by(&run).map_err(|error| {
            hinted(
                error.context(format!(
                    "nobody knows which packs execution {} needs",
                    run.id
                )),
                "`ostro doctor` says what is wrong with it",
            )
        })?;
        for pin in pins {
            needed.insert(pin.digest, run.id.clone());
        }
    }
    if let Some(journal) = Journal::open_to_read(&state.server(), &Options::default())? {
        for id in state::unfinished(&journal)? {
            for pin in needed_in(&journal, &id)? {
                needed.insert(pin.digest, id.clone());
            }
        }
    }
    Ok(needed)
}

fn needed_by(run: &RunDir) -> Result<Vec<Pin>> {
    // What has not begun yet holds all versions, or never will begin.
    let Some(journal) = run.look_if_begun()? else {
        return Ok(Vec::new());
    };
    needed_in(&journal, &run.id)
}

fn needed_in(journal: &Journal, id: &ExecutionId) -> Result<Vec<Pin>> {
    let row = journal.execution(id)?;
    let Some(row) = row.filter(|row| !row.state.is_completed()) else {
        return Ok(Vec::new());
    };
    let Some(digest) = row.definitions else {
        return Ok(Vec::new());
    };
    let bytes = journal
        .value(&digest)?
        .context("its definitions are gone")?;
    let origin =
        Library::origin_of(&bytes).map_err(|reason| anyhow!("its definitions: {reason}"))?;
    Ok(pins(&origin))
}

/// The keys of [`needed`].
pub(crate) fn digests(needed: &BTreeMap<String, ExecutionId>) -> BTreeSet<String> {
    needed.keys().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_ask_for_major_numbers() {
        let tags = |texts: &[&str]| -> Vec<Arc<str>> {
            texts.iter().map(|text| Arc::from(*text)).collect()
        };
        let asked = majors(&tags(&[
            "pack:acme@1",
            "pack:other@2",
            "acme@3",
            "pack:acme@1",
        ]))
        .unwrap();
        assert_eq!(
            asked,
            BTreeMap::from([("acme".to_owned(), 1), ("other".to_owned(), 2)])
        );
        for wrong in [
            &["pack:acme"][..],
            &["pack:acme@1.2"],
            &["pack:acme@1", "pack:acme@2"],
        ] {
            assert!(majors(&tags(wrong)).is_err(), "{wrong:?}");
        }
    }
}
