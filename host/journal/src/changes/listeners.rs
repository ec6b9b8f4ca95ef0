//! Who hears of changes once they are committed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use super::StoredChange;

/// Somebody who hears of changes, until they answer false.
type Listener = Box<dyn FnMut(&[StoredChange]) -> bool + Send>;

/// All who do.
#[derive(Default)]
pub(crate) struct Listeners(Mutex<Vec<Listener>>);

impl Listeners {
    pub(crate) fn add(&self, listener: Listener) {
        self.lock().push(listener);
    }

    /// Tells all of them what is committed.
    pub(crate) fn tell(&self, changes: &[StoredChange]) {
        if changes.is_empty() {
            return;
        }
        // One that panics must not take the writer with it.
        self.lock().retain_mut(|listener| {
            catch_unwind(AssertUnwindSafe(|| listener(changes))).unwrap_or_else(|_| {
                tracing::error!("who heard of changes panicked, and hears of no more");
                false
            })
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Listener>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
