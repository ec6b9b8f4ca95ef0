//! What differs between two states of a list, found without looking at what they share.

use std::ptr;
use std::sync::Arc;

use imbl::Vector;
use imbl::vector::Chunks;

/// Those of `new` that are not the same as in their place in `old`, which is this list earlier, or
/// that have no place there; each with what was there. A list only grows.
///
/// A turn changes a few elements, and most runs of elements are then shared by both lists: these
/// are passed over as a whole, so that a turn of a long execution costs little more than one of a
/// short execution.
pub(crate) fn changed<'a, T>(
    new: &'a Vector<Arc<T>>,
    old: &'a Vector<Arc<T>>,
) -> impl Iterator<Item = (&'a T, Option<&'a T>)> {
    let runs = Runs {
        new: new.leaves(),
        old: old.leaves(),
        new_run: &[],
        old_run: &[],
    };
    runs.filter(|(new, old)| !ptr::eq(new.as_ptr(), old.as_ptr()))
        .flat_map(|(new, old)| {
            new.iter().enumerate().filter_map(|(place, element)| {
                let old = old.get(place);
                let is_same = old.is_some_and(|old| Arc::ptr_eq(old, element));
                (!is_same).then_some((&**element, old.map(|old| &**old)))
            })
        })
}

/// Runs of elements that lie together in both lists, from the start: as many of the one as of the
/// other, or none of the old list behind its end.
struct Runs<'a, T> {
    new: Chunks<'a, Arc<T>, imbl::shared_ptr::DefaultSharedPtr>,
    old: Chunks<'a, Arc<T>, imbl::shared_ptr::DefaultSharedPtr>,
    /// What is left of the run that each list is at.
    new_run: &'a [Arc<T>],
    old_run: &'a [Arc<T>],
}

impl<'a, T> Iterator for Runs<'a, T> {
    type Item = (&'a [Arc<T>], &'a [Arc<T>]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.new_run.is_empty() {
            self.new_run = self.new.next()?;
        }
        if self.old_run.is_empty() {
            self.old_run = self.old.next().unwrap_or_default();
        }
        let count = match self.old_run.len() {
            0 => self.new_run.len(),
            old => old.min(self.new_run.len()),
        };
        let (new, old);
        (new, self.new_run) = self.new_run.split_at(count);
        (old, self.old_run) = self.old_run.split_at(count.min(self.old_run.len()));
        Some((new, old))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As [`changed`], by looking at each.
    fn differing(new: &Vector<Arc<u32>>, old: &Vector<Arc<u32>>) -> Vec<(u32, Option<u32>)> {
        let places = new.iter().enumerate();
        places
            .map(|(place, element)| (element, old.get(place)))
            .filter(|(element, old)| !old.is_some_and(|old| Arc::ptr_eq(old, element)))
            .map(|(element, old)| (**element, old.map(|old| **old)))
            .collect()
    }

    proptest! {
        #[test]
        fn what_was_changed_and_added_is_found(
            length in 0_usize..400,
            turns in prop::collection::vec(
                (prop::collection::vec(any::<prop::sample::Index>(), 0..4), 0_usize..80),
                1..12,
            ),
        ) {
            let mut count = 0;
            let mut next = || {
                count += 1;
                Arc::new(count)
            };
            let mut list: Vector<Arc<u32>> = (0..length).map(|_| next()).collect();
            for (places, added) in turns {
                let before = list.clone();
                for place in places.iter().filter(|_| !before.is_empty()) {
                    list[place.index(before.len())] = next();
                }
                (0..added).for_each(|_| list.push_back(next()));
                let found: Vec<_> = changed(&list, &before)
                    .map(|(element, old)| (*element, old.copied()))
                    .collect();
                prop_assert_eq!(found, differing(&list, &before));
            }
        }
    }
}
