//! How long things took, counted in classes: what metrics of time are made of.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bounds of the classes, in microseconds; what takes longer is in the last class.
const BOUNDS: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];
const CLASSES: usize = BOUNDS.len() + 1;

/// Counts how long things took. Counting takes no lock.
#[derive(Debug)]
pub struct Times {
    classes: [AtomicU64; CLASSES],
    micros: AtomicU64,
}

/// What [`Times`] has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimesTaken {
    classes: [u64; CLASSES],
    micros: u64,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            classes: array::from_fn(|_| AtomicU64::new(0)),
            micros: AtomicU64::new(0),
        }
    }
}

impl Times {
    /// Counts one that took `time`.
    pub fn took(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let class = BOUNDS.partition_point(|bound| *bound < micros);
        self.classes[class].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// What was counted until now.
    pub fn taken(&self) -> TimesTaken {
        TimesTaken {
            classes: array::from_fn(|class| self.classes[class].load(Ordering::Relaxed)),
            micros: self.micros.load(Ordering::Relaxed),
        }
    }
}

impl TimesTaken {
    /// How many there were.
    pub fn count(&self) -> u64 {
        self.classes.iter().sum()
    }

    /// How long they took together.
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.micros)
    }

    /// The upper bound of each class, and how many are in it and in none before; the last class
    /// has no bound.
    pub fn classes(&self) -> impl Iterator<Item = (Option<Duration>, u64)> {
        let bounds = BOUNDS.iter().map(|micros| Duration::from_micros(*micros));
        let bounds = bounds.map(Some).chain([None]);
        bounds.zip(self.classes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_class() {
        let times = Times::default();
        times.took(Duration::from_micros(500));
        times.took(Duration::from_micros(501));
        times.took(Duration::from_hours(1));
        let taken = times.taken();
        let counts: Vec<u64> = taken.classes().map(|(_, count)| count).collect();
        assert_eq!(counts[..2], [1, 1]);
        assert_eq!(counts.last(), Some(&1));
        assert_eq!(taken.count(), 3);
        assert_eq!(taken.sum(), Duration::from_micros(3_600_001_001));
    }
}
