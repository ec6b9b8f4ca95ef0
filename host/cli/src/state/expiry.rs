//! Which runs that have ended are kept: by age, by number, by the state in which they ended.

use std::fs;
use std::time::{Duration, SystemTime};

use anyhow::Result;

use super::{ENDED, RunDir, StateDir};
use crate::args::Expiry;
use crate::errors::warn;

impl StateDir {
    /// Deletes the runs that have ended which `expiry` does not keep at `now`.
    pub(crate) fn prune(&self, expiry: &Expiry, now: SystemTime) -> Result<()> {
        let mut ended: Vec<_> = self
            .runs()?
            .into_iter()
            .filter_map(|run| Some((run.ended_at()?, run)))
            .filter(|(_, run)| !run.is_ignored(expiry))
            .collect();
        ended.sort_by_key(|(when, _)| std::cmp::Reverse(*when));
        let kept = match expiry.max_finished_executions {
            0 => usize::MAX,
            count => count,
        };
        let age = expiry
            .older_than
            .map(|minutes| Duration::from_mins(minutes.into()));
        for (place, (when, run)) in ended.into_iter().enumerate() {
            // What ended in the future, by a clock that was set back, is not old.
            let is_old =
                age.is_some_and(|age| now.duration_since(when).is_ok_and(|since| since >= age));
            // One that is held is just ending, or is run again.
            if (place < kept && !is_old) || run.holder().is_some() {
                continue;
            }
            if let Err(error) = run.delete()
                // Another process that starts a run deletes the same ones.
                && run.exists()
            {
                warn(
                    &format!("an old execution cannot be deleted: {error:#}"),
                    None,
                );
            }
        }
        Ok(())
    }
}

impl RunDir {
    /// When it ended, if it has.
    fn ended_at(&self) -> Option<SystemTime> {
        fs::metadata(self.path.join(ENDED)).ok()?.modified().ok()
    }

    /// Whether it ended in a state that is kept whatever comes.
    fn is_ignored(&self, expiry: &Expiry) -> bool {
        let states = &expiry.ignored_states;
        if states.is_empty() {
            return false;
        }
        let state = match fs::read_to_string(self.path.join(ENDED)) {
            // A mark of an earlier version says nothing.
            Ok(text) if text.is_empty() => self.row().ok().flatten().map(|row| row.state),
            Ok(text) => return states.iter().any(|state| state.as_str() == text),
            Err(_) => None,
        };
        state.is_some_and(|state| states.contains(&state))
    }
}
