//! The timers of one execution.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use ostro_core::Clock;
use ostro_engine::TimerId;

/// How long to sleep at most before looking at the clock again: the wall clock can jump, and
/// a sleep does not see that.
const MAX_SLEEP: Duration = Duration::from_mins(1);

/// Timers by the time at which they are due.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeSet<(i64, TimerId)>,
    at: HashMap<TimerId, i64>,
}

impl Timers {
    /// Sets a timer, in place of one with the same id.
    pub(crate) fn set(&mut self, id: TimerId, at: i64) {
        self.cancel(&id);
        self.due.insert((at, id.clone()));
        self.at.insert(id, at);
    }

    pub(crate) fn cancel(&mut self, id: &TimerId) {
        if let Some(at) = self.at.remove(id) {
            self.due.remove(&(at, id.clone()));
        }
    }

    /// When the next one is due.
    pub(crate) fn earliest(&self) -> Option<i64> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes the timer that has been due longest, if one is.
    fn take_due(&mut self, now: i64) -> Option<TimerId> {
        if self.due.first()?.0 > now {
            return None;
        }
        let (_, id) = self.due.pop_first()?;
        self.at.remove(&id);
        Some(id)
    }

    /// Waits until a timer is due, and takes it. Without timers it waits for ever. Dropping the
    /// future loses no timer.
    pub(crate) async fn next(&mut self, clock: &dyn Clock) -> TimerId {
        loop {
            let now = clock.now_millis();
            if let Some(id) = self.take_due(now) {
                return id;
            }
            let Some((at, _)) = self.due.first() else {
                return std::future::pending().await;
            };
            let wait = u64::try_from(at.saturating_sub(now))
                .unwrap_or_default()
                .max(1);
            tokio::time::sleep(Duration::from_millis(wait).min(MAX_SLEEP)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> TimerId {
        TimerId(name.to_owned())
    }

    #[test]
    fn timers_are_due_in_the_order_of_their_times_and_not_before() {
        let mut timers = Timers::default();
        timers.set(id("late"), 300);
        timers.set(id("early"), 100);
        timers.set(id("moved"), 50);
        timers.set(id("moved"), 200);
        timers.set(id("cancelled"), 10);
        timers.cancel(&id("cancelled"));
        assert_eq!(timers.take_due(99), None);
        assert_eq!(timers.take_due(1000), Some(id("early")));
        assert_eq!(timers.take_due(1000), Some(id("moved")));
        assert_eq!(timers.take_due(1000), Some(id("late")));
        assert_eq!(timers.take_due(1000), None);
        assert!(timers.due.is_empty() && timers.at.is_empty());
    }
}
