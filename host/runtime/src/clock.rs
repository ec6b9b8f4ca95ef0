//! The machine's clock, and what is made of it.

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use ostro_core::Clock;

use crate::lock;

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_millis(&self) -> i64 {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

/// A clock that never goes back: where the one below it is set back, it goes on from where it was.
/// A delay of an hour takes an hour, whatever somebody does to the machine's clock meanwhile.
pub(crate) struct SteadyClock {
    below: Arc<dyn Clock>,
    hand: Mutex<Hand>,
}

#[derive(Clone, Copy, Debug)]
struct Hand {
    /// What the clock below told last.
    seen: i64,
    /// How far it was set back, all in all.
    lost: i64,
}

impl SteadyClock {
    pub(crate) fn new(below: Arc<dyn Clock>) -> Self {
        let seen = below.now_millis();
        Self {
            below,
            hand: Mutex::new(Hand { seen, lost: 0 }),
        }
    }

    /// Goes on from `then`, if that is later than now: so late it was before the host stopped.
    pub(crate) fn not_before(&self, then: i64) {
        let now = self.now_millis();
        if now < then {
            let back = then - now;
            tracing::warn!(milliseconds = back, "the machine's clock was set back");
            lock(&self.hand).lost += back;
        }
    }
}

impl Clock for SteadyClock {
    fn now_millis(&self) -> i64 {
        let mut hand = lock(&self.hand);
        let now = self.below.now_millis();
        if now < hand.seen {
            hand.lost += hand.seen - now;
        }
        hand.seen = now;
        now + hand.lost
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    struct Wall(AtomicI64);

    impl Clock for Wall {
        fn now_millis(&self) -> i64 {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn a_clock_that_is_set_back_goes_on_from_where_it_was() {
        let wall = Arc::new(Wall(AtomicI64::new(10_000)));
        let clock = SteadyClock::new(Arc::clone(&wall) as Arc<dyn Clock>);
        let set = |millis| wall.0.store(millis, Ordering::Relaxed);
        set(11_000);
        assert_eq!(clock.now_millis(), 11_000);
        set(1_000);
        assert_eq!(clock.now_millis(), 11_000);
        set(1_500);
        assert_eq!(clock.now_millis(), 11_500);
        clock.not_before(20_000);
        assert_eq!(clock.now_millis(), 20_000);
        clock.not_before(5_000);
        set(2_500);
        assert_eq!(clock.now_millis(), 21_000);
    }
}
