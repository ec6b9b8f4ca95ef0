//! How many instances there are at a time, and whose turn it is.
//!
//! Projects take turns, and within a project its packs: whoever has a thousand calls waiting
//! holds up nobody who has one. Whoever may not have another instance just now is passed over.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// The room for instances. Cloning gives another handle of the same.
#[derive(Clone, Debug)]
pub(crate) struct Turns(Arc<Mutex<Queue>>);

/// Who wants an instance.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) project: Arc<str>,
    pub(crate) pack: Arc<str>,
    /// How much room it takes.
    pub(crate) slots: u32,
    /// How many instances the project may have, and the pack.
    pub(crate) of_project: Option<u32>,
    pub(crate) of_pack: Option<u32>,
}

/// What has a bound of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Bound {
    Project(Arc<str>),
    Pack(Arc<str>),
}

#[derive(Debug)]
struct Queue {
    free: u32,
    /// How many instances there are of each that has a bound.
    running: HashMap<Bound, u32>,
    /// The projects that wait, in the order in which they are served next.
    order: VecDeque<Arc<str>>,
    waiting: HashMap<Arc<str>, Packs>,
}

/// The packs of a project that wait.
#[derive(Debug, Default)]
struct Packs {
    order: VecDeque<Arc<str>>,
    waiting: HashMap<Arc<str>, VecDeque<Waiter>>,
}

#[derive(Debug)]
struct Waiter {
    wanted: Wanted,
    sender: oneshot::Sender<Place>,
}

/// Who is next among those of a project.
enum Next {
    /// This one, whose room is taken.
    Goes(Waiter),
    /// The first one waits for more room than there is, and nobody overtakes it.
    Waits,
    /// Nobody that may have an instance now.
    Nobody,
}

/// Room for one instance. Dropping it lets the next one have it.
#[derive(Debug)]
pub(crate) struct Place {
    queue: Arc<Mutex<Queue>>,
    wanted: Wanted,
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Turns {
    pub(crate) fn new(slots: u32) -> Self {
        Self(Arc::new(Mutex::new(Queue {
            free: slots,
            running: HashMap::new(),
            order: VecDeque::new(),
            waiting: HashMap::new(),
        })))
    }

    /// Waits for room. Dropping the future gives the turn up.
    pub(crate) async fn acquire(&self, wanted: Wanted) -> Option<Place> {
        let receiver = {
            let mut queue = lock(&self.0);
            if queue.order.is_empty() && queue.has_room(&wanted) {
                queue.take(&wanted);
                return Some(self.place(wanted));
            }
            let (sender, receiver) = oneshot::channel();
            queue.push(Waiter { wanted, sender });
            receiver
        };
        self.serve();
        // The sender lives in the queue until it is used, and `self` keeps the queue alive.
        receiver.await.ok()
    }

    fn place(&self, wanted: Wanted) -> Place {
        Place {
            queue: Arc::clone(&self.0),
            wanted,
        }
    }

    /// Hands out the room that there is.
    fn serve(&self) {
        loop {
            let next = lock(&self.0).pop();
            let Some(Waiter { wanted, sender }) = next else {
                return;
            };
            // One that gave up just now gives its place back as it is dropped.
            let _ = sender.send(self.place(wanted));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let waits = {
            let mut queue = lock(&self.queue);
            queue.give_back(&self.wanted);
            !queue.order.is_empty()
        };
        if waits {
            Turns(Arc::clone(&self.queue)).serve();
        }
    }
}

impl Wanted {
    fn bounds(&self) -> impl Iterator<Item = (Bound, u32)> {
        let project = self
            .of_project
            .map(|most| (Bound::Project(Arc::clone(&self.project)), most));
        let pack = self
            .of_pack
            .map(|most| (Bound::Pack(Arc::clone(&self.pack)), most));
        project.into_iter().chain(pack)
    }
}

impl Queue {
    fn has_room(&self, wanted: &Wanted) -> bool {
        wanted.slots <= self.free && self.may(wanted)
    }

    /// Whether the project and the pack may have another one.
    fn may(&self, wanted: &Wanted) -> bool {
        wanted
            .bounds()
            .all(|(bound, most)| self.running.get(&bound).is_none_or(|count| *count < most))
    }

    fn take(&mut self, wanted: &Wanted) {
        self.free -= wanted.slots;
        for (bound, _) in wanted.bounds() {
            *self.running.entry(bound).or_default() += 1;
        }
    }

    fn give_back(&mut self, wanted: &Wanted) {
        self.free += wanted.slots;
        for (bound, _) in wanted.bounds() {
            if let Some(count) = self.running.get_mut(&bound) {
                *count -= 1;
                if *count == 0 {
                    self.running.remove(&bound);
                }
            }
        }
    }

    fn push(&mut self, waiter: Waiter) {
        let Wanted { project, pack, .. } = &waiter.wanted;
        let packs = self.waiting.entry(Arc::clone(project)).or_default();
        if packs.order.is_empty() {
            self.order.push_back(Arc::clone(project));
        }
        let waiting = packs.waiting.entry(Arc::clone(pack)).or_default();
        if waiting.is_empty() {
            packs.order.push_back(Arc::clone(pack));
        }
        waiting.push_back(waiter);
    }

    /// Who is next, with its room taken.
    fn pop(&mut self) -> Option<Waiter> {
        let mut at = 0;
        while let Some(project) = self.order.get(at).cloned() {
            let mut packs = self.waiting.remove(&project).unwrap_or_default();
            let found = self.pop_of(&mut packs);
            let is_empty = packs.order.is_empty();
            if !is_empty {
                self.waiting.insert(Arc::clone(&project), packs);
            }
            match found {
                Next::Goes(waiter) => {
                    self.order.remove(at);
                    if !is_empty {
                        self.order.push_back(project);
                    }
                    return Some(waiter);
                }
                Next::Waits => return None,
                Next::Nobody if is_empty => {
                    self.order.remove(at);
                }
                Next::Nobody => at += 1,
            }
        }
        None
    }

    /// Who is next of a project.
    fn pop_of(&mut self, packs: &mut Packs) -> Next {
        let mut at = 0;
        while let Some(pack) = packs.order.get(at).cloned() {
            let Some(waiting) = packs.waiting.get_mut(&pack) else {
                packs.order.remove(at);
                continue;
            };
            while waiting
                .front()
                .is_some_and(|waiter| waiter.sender.is_closed())
            {
                waiting.pop_front();
            }
            let Some(first) = waiting.front() else {
                packs.waiting.remove(&pack);
                packs.order.remove(at);
                continue;
            };
            if !self.may(&first.wanted) {
                at += 1;
                continue;
            }
            if first.wanted.slots > self.free {
                return Next::Waits;
            }
            let Some(first) = waiting.pop_front() else {
                continue;
            };
            let is_empty = waiting.is_empty();
            packs.order.remove(at);
            if is_empty {
                packs.waiting.remove(&pack);
            } else {
                packs.order.push_back(pack);
            }
            self.take(&first.wanted);
            return Next::Goes(first);
        }
        Next::Nobody
    }
}

#[cfg(test)]
#[path = "turns/tests.rs"]
mod tests;
