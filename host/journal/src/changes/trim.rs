//! Changes that are not kept any more go, a few at a time.

use rusqlite::{Connection, OptionalExtension, params};

use super::ChangeLimits;

/// How many go at a time at most; and at least, unless there is time.
const MOST: i64 = 4096;
const LEAST: i64 = 512;

/// What takes the oldest changes away.
pub(crate) struct Trimmer {
    limits: ChangeLimits,
    /// The first change that is kept, and when it was; none where that is not known.
    oldest: Option<(i64, i64)>,
}

impl Trimmer {
    pub(crate) fn new(limits: ChangeLimits) -> Self {
        Self {
            limits,
            oldest: None,
        }
    }

    /// Takes some away, if enough are to go: any, where there is time (`idle`). Whether there may
    /// be more.
    pub(crate) fn step(&mut self, db: &Connection, idle: bool) -> rusqlite::Result<bool> {
        let Some((oldest, since)) = self.oldest(db)? else {
            return Ok(false);
        };
        let (last, now): (i64, i64) = db
            .prepare_cached("SELECT seq, at FROM change ORDER BY seq DESC LIMIT 1")?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let count = i64::try_from(self.limits.count.max(1)).unwrap_or(i64::MAX);
        let age = self.limits.age_millis.max(0);
        // What a step costs is worth it for many.
        let (fewest, slack) = if idle { (1, 0) } else { (LEAST, age / 64) };
        let too_many = last.saturating_sub(count);
        let by_count = (too_many - oldest + 1 >= fewest).then_some(too_many);
        let is_old = since < now.saturating_sub(age).saturating_sub(slack);
        let by_age = is_old.then(|| first_since(db, oldest, now.saturating_sub(age)));
        let by_age = by_age.transpose()?.map(|first| first - 1);
        let Some(bound) = by_count.into_iter().chain(by_age).max() else {
            return Ok(false);
        };
        let bound = bound.min(oldest + MOST - 1).min(last - 1);
        self.oldest = None;
        let gone = db
            .prepare_cached("DELETE FROM change WHERE seq <= ?1")?
            .execute(params![bound])?;
        Ok(gone > 0)
    }

    fn oldest(&mut self, db: &Connection) -> rusqlite::Result<Option<(i64, i64)>> {
        if self.oldest.is_none() {
            self.oldest = db
                .prepare_cached("SELECT seq, at FROM change ORDER BY seq LIMIT 1")?
                .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
        }
        Ok(self.oldest)
    }
}

/// The first change from `oldest` on that is not before `begin`, as far as a step goes.
fn first_since(db: &Connection, oldest: i64, begin: i64) -> rusqlite::Result<i64> {
    let end = oldest + MOST;
    let found: Option<i64> = db
        .prepare_cached(
            "SELECT seq FROM change WHERE seq >= ?1 AND seq < ?2 AND at >= ?3
             ORDER BY seq LIMIT 1",
        )?
        .query_row(params![oldest, end, begin], |row| row.get(0))
        .optional()?;
    Ok(found.unwrap_or(end))
}
