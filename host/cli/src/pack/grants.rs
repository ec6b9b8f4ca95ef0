//! `ostro pack grants`: the smallest grants that recorded runs needed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use ostro_packs::Grants;

use super::needs;
use crate::args::State;
use crate::errors::{Exit, hinted, warn};
use crate::{recordings, terminal};

/// Carries out `ostro pack grants`.
pub(crate) fn grants(from: &[String], state: &State) -> Result<Exit> {
    let mut runs = Vec::new();
    let mut denied = BTreeSet::new();
    for path in files(from, state)? {
        let recording = recordings::read(&path)?;
        if recording.cut.is_some() {
            warn(
                &format!("{} was cut: it may have needed more", path.display()),
                None,
            );
        }
        denied.extend(needs::denied(&recording).map(str::to_owned));
        runs.push(needs::of(&recording));
    }
    for what in denied {
        warn(
            &format!("left out: {}", terminal::clean_line(&what)),
            Some("it was denied when it was recorded"),
        );
    }
    let grants = Grants::smallest(&runs);
    if grants.is_empty() {
        terminal::complain("the runs needed no grants");
        return Ok(Exit::Success);
    }
    terminal::print(serde_yaml::to_string(&grants)?.trim_end())?;
    Ok(Exit::Success)
}

/// The files that are named: by themselves, by their folder, or by an id.
fn files(from: &[String], state: &State) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for what in from {
        let path = Path::new(what);
        if path.is_dir() {
            let found = recordings::files_in(path)?;
            if found.is_empty() {
                return Err(hinted(
                    anyhow!("{what}: there is no recording in it"),
                    "recordings are files that end in .json",
                ));
            }
            files.extend(found);
        } else {
            files.push(recordings::find(what, state)?);
        }
    }
    Ok(files)
}
