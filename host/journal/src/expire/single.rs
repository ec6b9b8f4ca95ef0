//! Actions that ran by themselves, and are not kept any more.

use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

use super::{Policy, kept_out, states};
use crate::writer::kind;
use crate::{Journal, JournalError, Reached};

/// How many are looked at in one transaction.
const LOOKS: i64 = 256;

/// Which of them go.
#[derive(Clone)]
struct Bounds {
    /// Those that ended before this time.
    before: Option<i64>,
    /// Those whose `seq` is at most this.
    last: Option<i64>,
    policy: Policy,
}

impl Journal {
    /// Deletes the actions that ran by themselves which `policy` does not keep at `now`: how many.
    pub(super) fn expire_single(&self, policy: &Policy, now: i64) -> Result<usize, JournalError> {
        let last = match policy.max_finished {
            Some(kept) => self.newest_superfluous_action(kept, policy)?,
            None => None,
        };
        let bounds = Bounds {
            before: policy.older_than.map(|age| now.saturating_sub(age)),
            last,
            policy: policy.clone(),
        };
        let mut deleted = 0;
        let mut from = i64::MIN;
        loop {
            let bounds = bounds.clone();
            let (some, reached) = self.transact(move |db, _| delete_batch(db, from, &bounds))?;
            deleted += some;
            match reached {
                Some(reached) => from = reached,
                None => return Ok(deleted),
            }
        }
    }

    /// The `seq` of the newest that is more than `kept`: they are numbered as they were made.
    fn newest_superfluous_action(
        &self,
        kept: usize,
        policy: &Policy,
    ) -> Result<Option<i64>, JournalError> {
        let sql = format!(
            "SELECT seq FROM action INDEXED BY action_execution
             WHERE execution IS NULL AND task IS NULL AND finished_at IS NOT NULL AND {}
             ORDER BY seq DESC LIMIT 1 OFFSET ?",
            kept_out(&policy.ignored_states)
        );
        let kept = i64::try_from(kept).unwrap_or(i64::MAX);
        let bound = states(&policy.ignored_states).chain([Value::Integer(kept)]);
        self.read(|read| read.one(&sql, params_from_iter(bound), |row| row.get(0)))
    }
}

/// Deletes some of those after `from`: how many, and how far it came, unless it came to the end.
fn delete_batch(
    db: &Connection,
    from: i64,
    bounds: &Bounds,
) -> rusqlite::Result<(usize, Option<i64>)> {
    let (before, last) = (bounds.before.unwrap_or(i64::MIN), bounds.last);
    let last = last.unwrap_or(i64::MIN);
    let rows: Vec<(i64, i64, Option<i64>, String, i64)> = db
        .prepare_cached(
            "SELECT seq, created_at, finished_at, state, reached
             FROM action INDEXED BY action_execution
             WHERE execution IS NULL AND task IS NULL AND seq > ?1 ORDER BY seq LIMIT ?2",
        )?
        .query_map(params![from, LOOKS], |row| {
            let (seq, created, finished) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok((seq, created, finished, row.get(3)?, row.get(4)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut deleted = 0;
    let mut reached = None;
    for (seq, created, finished, state, place) in rows {
        // Those after it were made later, and ended later still.
        if seq > last && created >= before {
            return Ok((deleted, None));
        }
        reached = Some(seq);
        let is_ignored = || {
            let mut states = bounds.policy.ignored_states.iter();
            states.any(|ignored| ignored.as_str() == state)
        };
        let is_over = place == Reached::Ended.as_i64()
            && finished.is_some_and(|finished| seq <= last || finished < before);
        if !is_over || is_ignored() {
            continue;
        }
        for sql in [
            "INSERT OR IGNORE INTO loose SELECT value FROM reference
             WHERE execution = 0 AND kind IN (?2, ?3) AND owner = ?1",
            "DELETE FROM reference WHERE execution = 0 AND kind IN (?2, ?3) AND owner = ?1",
        ] {
            db.prepare_cached(sql)?
                .execute(params![seq, kind::ACTION, kind::ACTION_END])?;
        }
        db.prepare_cached("DELETE FROM action WHERE seq = ?1")?
            .execute(params![seq])?;
        deleted += 1;
    }
    Ok((deleted, reached))
}
