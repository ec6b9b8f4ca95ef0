//! How many host calls a second there are.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How much may be done at once after a while of nothing: what is due in this time.
const BURST: Duration = Duration::from_secs(1);

/// How many paces are kept at most before those are dropped that nobody feels any more.
const KEPT: usize = 1024;

/// Host calls at a fixed rate, first come, first served. An instance waits for one at a time, so
/// that none is starved.
#[derive(Debug)]
pub(crate) struct Pace {
    interval: Duration,
    /// When the next call is due if there was no burst.
    next: Mutex<Instant>,
}

impl Pace {
    pub(crate) fn new(per_second: NonZeroU32) -> Self {
        let interval = Duration::from_secs(1) / per_second.get();
        Self {
            interval,
            next: Mutex::new(Instant::now()),
        }
    }

    /// When a call that comes `now` is due.
    fn take(&self, now: Instant) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest = now.checked_sub(BURST).unwrap_or(now) + self.interval;
        let due = (*next).max(earliest);
        *next = due + self.interval;
        due
    }

    /// Whether it is as if there had never been a call.
    fn is_idle(&self, now: Instant) -> bool {
        let next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next + BURST < now
    }
}

/// Whose pace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Whose {
    /// All instances of a pack.
    Pack(Arc<str>),
    /// All packs of a project.
    Project(Arc<str>),
}

/// The paces of a sandbox.
#[derive(Debug, Default)]
pub(crate) struct Paces(Mutex<HashMap<(Whose, NonZeroU32), Arc<Pace>>>);

impl Paces {
    pub(crate) fn get(&self, whose: Whose, per_second: NonZeroU32) -> Arc<Pace> {
        let mut paces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if paces.len() >= KEPT {
            let now = Instant::now();
            paces.retain(|_, pace| Arc::strong_count(pace) > 1 || !pace.is_idle(now));
        }
        let pace = paces.entry((whose, per_second));
        Arc::clone(pace.or_insert_with(|| Arc::new(Pace::new(per_second))))
    }
}

/// When the next host call of an instance is due. Cloning gives another handle of the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Due(Option<Arc<Paced>>);

#[derive(Debug)]
struct Paced {
    paces: Vec<Arc<Pace>>,
    due: Mutex<Option<Instant>>,
}

impl Due {
    pub(crate) fn new(paces: Vec<Arc<Pace>>) -> Self {
        Self((!paces.is_empty()).then(|| {
            Arc::new(Paced {
                paces,
                due: Mutex::new(None),
            })
        }))
    }

    /// Notes a call.
    pub(crate) fn take(&self) {
        if let Some(paced) = &self.0 {
            let now = Instant::now();
            let due = paced.paces.iter().map(|pace| pace.take(now)).max();
            *paced.due.lock().unwrap_or_else(PoisonError::into_inner) = due;
        }
    }

    /// Until when an instance has to wait, if it has to.
    pub(crate) fn when(&self) -> Option<Instant> {
        let paced = self.0.as_ref()?;
        let due = *paced.due.lock().unwrap_or_else(PoisonError::into_inner);
        due.filter(|due| *due > Instant::now())
    }

    /// Waits for the turn of the call that was noted last.
    pub(crate) async fn wait(&self) {
        if let Some(due) = self.when() {
            tokio::time::sleep_until(due.into()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_a_seconds_worth_and_then_the_rate_holds() {
        let pace = Pace::new(NonZeroU32::new(10).unwrap());
        let now = Instant::now() + Duration::from_secs(5);
        let dues: Vec<_> = (0..15).map(|_| pace.take(now)).collect();
        assert_eq!(dues.iter().filter(|due| **due <= now).count(), 10);
        assert_eq!(dues[14] - now, Duration::from_millis(500));
        // Half a second later, five more are due.
        let later = now + Duration::from_secs(1);
        assert!(pace.take(later) <= later);
    }
}
