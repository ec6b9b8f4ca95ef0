//! Something that is counted, and whose count goes down by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many there are.
#[derive(Clone, Default)]
pub(super) struct Count(Arc<AtomicUsize>);

/// Some of them, as long as it is held.
pub(super) struct Held {
    count: Count,
    some: usize,
}

impl Count {
    pub(super) fn now(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// One more, whatever there is.
    pub(super) fn one(&self) -> Held {
        self.0.fetch_add(1, Ordering::Relaxed);
        Held {
            count: self.clone(),
            some: 1,
        }
    }

    /// `some` more, unless there would be more than `most`.
    pub(super) fn up_to(&self, some: usize, most: usize) -> Option<Held> {
        let mut held = Held {
            count: self.clone(),
            some: 0,
        };
        held.grow(some, most).then_some(held)
    }

    fn add(&self, some: usize, most: usize) -> bool {
        let next = |now: usize| now.checked_add(some).filter(|next| *next <= most);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .is_ok()
    }
}

impl Held {
    /// `some` more of them are held, unless there would be more than `most`: whether they are.
    pub(super) fn grow(&mut self, some: usize, most: usize) -> bool {
        let fits = self.count.add(some, most);
        if fits {
            self.some += some;
        }
        fits
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.count.0.fetch_sub(self.some, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_counts_until_it_is_dropped() {
        let count = Count::default();
        let two = count.up_to(2, 3).unwrap();
        assert!(count.up_to(2, 3).is_none());
        let mut one = count.up_to(1, 3).unwrap();
        assert!(!one.grow(1, 3));
        drop(two);
        assert!(one.grow(1, 3));
        assert_eq!(count.now(), 2);
        drop(one);
        assert_eq!(count.now(), 0);
    }
}
