//! How many actions run at a time, and whose turn it is.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use ostro_core::ExecutionId;
use tokio::sync::oneshot;

use crate::lock;

/// A fixed number of slots, handed out in turns to the root executions that want one.
#[derive(Clone)]
pub(crate) struct Slots(Arc<Mutex<Queue>>);

struct Queue {
    free: usize,
    /// The roots that wait, in the order in which they are served next.
    turns: VecDeque<ExecutionId>,
    /// Who waits for each of them, never empty.
    waiting: HashMap<ExecutionId, VecDeque<oneshot::Sender<Slot>>>,
}

/// Leave to run one action. Dropping it lets the next one run.
pub(crate) struct Slot(Option<Arc<Mutex<Queue>>>);

impl Slots {
    pub(crate) fn new(count: usize) -> Self {
        Self(Arc::new(Mutex::new(Queue {
            free: count.max(1),
            turns: VecDeque::new(),
            waiting: HashMap::new(),
        })))
    }

    /// How many slots are free, and how many wait for one.
    pub(crate) fn figures(&self) -> (usize, usize) {
        let queue = lock(&self.0);
        let waiting = queue.waiting.values().flatten();
        let waiting = waiting.filter(|place| !place.is_closed()).count();
        (queue.free, waiting)
    }

    /// A slot, if one is free. Then nobody waits for one.
    pub(crate) fn try_acquire(&self) -> Option<Slot> {
        let mut queue = lock(&self.0);
        queue.free = queue.free.checked_sub(1)?;
        Some(Slot(Some(Arc::clone(&self.0))))
    }

    /// Waits for `root`'s turn. Dropping the future gives the place up.
    pub(crate) async fn acquire(&self, root: &ExecutionId) -> Slot {
        let receiver = {
            let mut queue = lock(&self.0);
            if queue.free > 0 {
                queue.free -= 1;
                return Slot(Some(Arc::clone(&self.0)));
            }
            let (sender, receiver) = oneshot::channel();
            queue.push(root, sender);
            receiver
        };
        // The sender lives in the queue until it is used, and `self` keeps the queue alive, so
        // an error cannot come; a slot that counts for nothing is the harmless answer to it.
        receiver.await.unwrap_or(Slot(None))
    }
}

impl Queue {
    fn push(&mut self, root: &ExecutionId, sender: oneshot::Sender<Slot>) {
        let places = self.waiting.entry(root.clone()).or_default();
        if places.is_empty() {
            self.turns.push_back(root.clone());
        }
        // Those who gave up at the front make room, so that a queue never holds more than the
        // actions that really wait plus those cancelled since the last one was served.
        while places.front().is_some_and(oneshot::Sender::is_closed) {
            places.pop_front();
        }
        places.push_back(sender);
    }

    /// Who is next, taken from the queue.
    fn pop(&mut self) -> Option<oneshot::Sender<Slot>> {
        while let Some(root) = self.turns.pop_front() {
            let Some(places) = self.waiting.get_mut(&root) else {
                continue;
            };
            let next = std::iter::from_fn(|| places.pop_front()).find(|next| !next.is_closed());
            if places.is_empty() {
                self.waiting.remove(&root);
            } else {
                self.turns.push_back(root);
            }
            if next.is_some() {
                return next;
            }
        }
        None
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(shared) = self.0.take() else { return };
        loop {
            let next = {
                let mut queue = lock(&shared);
                let next = queue.pop();
                if next.is_none() {
                    queue.free += 1;
                }
                next
            };
            let Some(next) = next else { return };
            match next.send(Slot(Some(Arc::clone(&shared)))) {
                Ok(()) => return,
                // It gave up just now. Its slot is ours again, and goes to the next in line;
                // dropping it as it is would hand it on from within this loop.
                Err(mut refused) => refused.0 = None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    type Place = Pin<Box<dyn Future<Output = Slot>>>;

    fn place(slots: &Slots, root: &str) -> Place {
        let slots = slots.clone();
        let root = ExecutionId::new(root);
        let mut place: Place = Box::pin(async move { slots.acquire(&root).await });
        assert!(poll(&mut place).is_none(), "no slot should be free");
        place
    }

    fn poll(place: &mut Place) -> Option<Slot> {
        match place.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(slot) => Some(slot),
            Poll::Pending => None,
        }
    }

    async fn only_slot() -> (Slots, Slot) {
        let slots = Slots::new(1);
        let slot = slots.acquire(&ExecutionId::new("first")).await;
        (slots, slot)
    }

    #[tokio::test]
    async fn roots_take_turns_whatever_the_length_of_their_queues() {
        let (slots, mut slot) = only_slot().await;
        let mut places: Vec<(&str, Place)> = ["a1", "a2", "a3", "a4", "b1", "c1"]
            .into_iter()
            .map(|name| (name, place(&slots, &name[..1])))
            .collect();
        let mut served = Vec::new();
        while !places.is_empty() {
            drop(slot);
            let (index, next) = places
                .iter_mut()
                .enumerate()
                .find_map(|(index, (_, place))| Some((index, poll(place)?)))
                .expect("a slot that was given back goes to somebody");
            served.push(places.remove(index).0);
            slot = next;
        }
        assert_eq!(served, ["a1", "b1", "c1", "a2", "a3", "a4"]);
    }

    #[tokio::test]
    async fn who_gives_up_takes_no_slot() {
        let (slots, slot) = only_slot().await;
        let early = place(&slots, "a");
        let late = place(&slots, "b");
        let mut last = place(&slots, "c");
        drop(early);
        drop(slot);
        // `late` holds the slot by now, without having looked.
        assert!(poll(&mut last).is_none());
        drop(late);
        let slot = poll(&mut last).expect("the slot goes on");
        drop(slot);
        assert_eq!(lock(&slots.0).free, 1);
        assert!(lock(&slots.0).turns.is_empty());
    }
}
