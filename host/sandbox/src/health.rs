//! Packs that trap again and again are paused.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{CallError, LimitKind};

/// Which pack, exactly.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PackId {
    /// Its name.
    pub name: Arc<str>,
    /// Its version.
    pub version: Arc<str>,
    /// SHA-256 over its files, as `sha256:…`.
    pub digest: Arc<str>,
}

impl fmt::Display for PackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// A pack whose actions are not called until somebody resumes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PausedPack {
    /// Which.
    pub pack: PackId,
    /// Why, with the last trap.
    pub reason: String,
}

/// How the packs of a sandbox do, by their digest. Only those are known whose last call failed.
#[derive(Debug)]
pub(crate) struct Health {
    /// After how many failures in a row a pack is paused.
    most: Option<NonZeroU32>,
    /// How many are known, to be read without a lock.
    count: AtomicUsize,
    known: Mutex<HashMap<Arc<str>, Ill>>,
}

#[derive(Debug, Default)]
struct Ill {
    in_a_row: u32,
    paused: Option<PausedPack>,
}

impl Health {
    pub(crate) fn new(most: Option<NonZeroU32>) -> Self {
        Self {
            most,
            count: AtomicUsize::new(0),
            known: Mutex::default(),
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut HashMap<Arc<str>, Ill>) -> T) -> T {
        let mut known: MutexGuard<'_, _> =
            self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut known);
        self.count.store(known.len(), Ordering::Release);
        changed
    }

    /// The pause of the pack with this digest, if it is paused.
    pub(crate) fn paused(&self, digest: &str) -> Option<PausedPack> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.change(|known| known.get(digest)?.paused.clone())
    }

    /// A call has ended. Gives the pause that begins with it.
    pub(crate) fn ended(&self, pack: &PackId, error: Option<&Blamed<'_>>) -> Option<PausedPack> {
        let Some(Blamed(error)) = error else {
            if self.count.load(Ordering::Acquire) > 0 {
                self.change(|known| {
                    if known
                        .get(&pack.digest)
                        .is_some_and(|ill| ill.paused.is_none())
                    {
                        known.remove(&pack.digest);
                    }
                });
            }
            return None;
        };
        let most = self.most?.get();
        self.change(|known| {
            let ill = known.entry(Arc::clone(&pack.digest)).or_default();
            ill.in_a_row = ill.in_a_row.saturating_add(1);
            if ill.in_a_row < most || ill.paused.is_some() {
                return None;
            }
            let in_a_row = ill.in_a_row;
            ill.paused = Some(PausedPack {
                pack: pack.clone(),
                reason: format!("{in_a_row} calls in a row failed; the last: {error}"),
            });
            ill.paused.clone()
        })
    }

    pub(crate) fn pause(&self, paused: PausedPack) {
        self.change(|known| {
            let ill = known.entry(Arc::clone(&paused.pack.digest)).or_default();
            ill.paused = Some(paused);
        });
    }

    /// Takes a pause away: what it was, if there was one.
    pub(crate) fn resume(&self, digest: &str) -> Option<PausedPack> {
        self.change(|known| {
            known.get(digest)?.paused.as_ref()?;
            known.remove(digest)?.paused
        })
    }

    pub(crate) fn all_paused(&self) -> Vec<PausedPack> {
        self.change(|known| {
            known
                .values()
                .filter_map(|ill| ill.paused.clone())
                .collect()
        })
    }
}

/// An error that the pack is to blame for.
pub(crate) struct Blamed<'a>(&'a CallError);

impl<'a> Blamed<'a> {
    /// `error` if it is one of these. That a task gave less time than the pack asks for
    /// (`hurried`) is nothing against the pack; what the action says itself, or the host, neither.
    pub(crate) fn new(error: &'a CallError, hurried: bool) -> Option<Self> {
        let is = match error {
            CallError::Trap(_) => true,
            CallError::Limit(limit) => match limit.kind {
                LimitKind::Time => !hurried,
                LimitKind::Memory | LimitKind::Fuel => true,
                LimitKind::HostCalls | LimitKind::Input | LimitKind::Output => false,
            },
            CallError::NoAction { .. }
            | CallError::Input { .. }
            | CallError::Action(_)
            | CallError::Host(_)
            | CallError::Paused { .. } => false,
        };
        is.then_some(Self(error))
    }
}
