//! The way of messages to the websockets that have subscribed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::ws::Message as Frame;
use serde_json::{Value, json};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

use super::frame::Form;
use super::kept::Message;

/// A subscription of a websocket to a queue. Times are in seconds since 1970 UTC.
#[derive(Clone)]
pub(super) struct Subscription {
    pub(super) id: String,
    /// What Zaqar calls the one who is told.
    pub(super) subscriber: String,
    pub(super) ttl: i64,
    pub(super) expires: i64,
    pub(super) options: Value,
    pub(super) to: Outgoing,
}

/// A frame that waits to be sent, and the room that it takes.
pub(super) struct Waiting {
    pub(super) frame: Frame,
    _room: OwnedSemaphorePermit,
}

/// Where frames for a websocket wait. Whoever puts one there never waits: a websocket that doesn't
/// take its frames is given up.
#[derive(Clone)]
pub(super) struct Outgoing {
    sender: mpsc::Sender<Waiting>,
    room: Arc<Semaphore>,
    state: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Whether messages are sent as MessagePack.
    is_binary: AtomicBool,
    is_lost: AtomicBool,
    lost: Notify,
}

impl Outgoing {
    pub(super) fn new(frames: usize, bytes: usize) -> (Self, mpsc::Receiver<Waiting>) {
        let (sender, receiver) = mpsc::channel(frames.max(1));
        let outgoing = Self {
            sender,
            room: Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))),
            state: Arc::default(),
        };
        (outgoing, receiver)
    }

    /// Says in which form messages are sent from now on: in that of the last subscription.
    pub(super) fn set_form(&self, form: Form) {
        let is_binary = form == Form::Binary;
        self.state.is_binary.store(is_binary, Ordering::Relaxed);
    }

    fn form(&self) -> Form {
        if self.state.is_binary.load(Ordering::Relaxed) {
            Form::Binary
        } else {
            Form::Text
        }
    }

    /// Ready when the websocket is given up.
    pub(super) async fn lost(&self) {
        // A permit is stored where nobody waits.
        self.state.lost.notified().await;
    }

    fn put(&self, frame: &Frame) {
        if self.state.is_lost.load(Ordering::Relaxed) {
            return;
        }
        let bytes = match frame {
            Frame::Text(text) => text.len(),
            Frame::Binary(bytes) => bytes.len(),
            _ => 0,
        };
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).try_acquire_many_owned(bytes);
        let waiting = room.map(|room| Waiting {
            frame: frame.clone(),
            _room: room,
        });
        let put = waiting.is_ok_and(|waiting| self.sender.try_send(waiting).is_ok());
        if !put && !self.state.is_lost.swap(true, Ordering::Relaxed) {
            self.state.lost.notify_one();
        }
    }
}

/// Tells `subscriptions` of `messages`, which have been posted to `queue`. Each frame is made once
/// for all of them.
pub(super) fn tell<'a>(
    subscriptions: impl Iterator<Item = &'a Subscription>,
    queue: &str,
    messages: &[Message],
    now: i64,
) {
    let subscriptions: Vec<_> = subscriptions.filter(|one| one.expires > now).collect();
    for message in messages {
        let mut frames: [Option<Frame>; 2] = [None, None];
        for one in &subscriptions {
            let form = one.to.form();
            let frame = frames[usize::from(form == Form::Binary)].get_or_insert_with(|| {
                form.write(&json!({
                    "ttl": message.ttl,
                    "body": message.body,
                    "Message_Type": "Notification",
                    "queue_name": queue,
                }))
            });
            one.to.put(frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(text: &str) -> Frame {
        Frame::Text(text.into())
    }

    #[tokio::test]
    async fn a_websocket_that_takes_nothing_is_given_up() {
        for (frames, bytes) in [(2, 1000), (1000, 8)] {
            let (outgoing, mut receiver) = Outgoing::new(frames, bytes);
            for _ in 0..2 {
                outgoing.put(&frame("1234"));
            }
            assert!(!outgoing.state.is_lost.load(Ordering::Relaxed));
            outgoing.put(&frame("5"));
            outgoing.lost().await;
            // What was there before can still be taken, and nothing comes after it.
            assert_eq!(
                receiver.recv().await.map(|one| one.frame),
                Some(frame("1234"))
            );
            outgoing.put(&frame("6"));
            assert_eq!(receiver.len(), 1);
        }
    }

    #[tokio::test]
    async fn what_is_sent_makes_room() {
        let (outgoing, mut receiver) = Outgoing::new(1, 4);
        for _ in 0..100 {
            outgoing.put(&frame("1234"));
            assert!(receiver.recv().await.is_some());
        }
        assert!(!outgoing.state.is_lost.load(Ordering::Relaxed));
    }
}
