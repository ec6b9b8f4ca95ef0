//! The queues of one project: in memory for reading, and durable before anybody sees a change.
//!
//! Changes of a project come one after the other, so that what one of them has found is still so
//! when it is written.

mod claims;
pub(super) mod messages;
mod queues;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use ostro_journal::{Journal, Turn};
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::Zaqar;
use super::kept::{self, Claim, Kept, Message};
use super::push::Subscription;
use crate::records::write;

/// How many rows that have expired one turn takes away.
const SWEPT: usize = 1000;

/// Why something is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) kind: RefusalKind,
    /// What Zaqar's exception says.
    pub(super) text: String,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RefusalKind {
    /// The request makes no sense.
    Invalid,
    /// A field of a message is wrong.
    Field,
    /// There is no such queue.
    NoQueue,
    /// There is no such message.
    NoMessage,
    /// There is no such claim.
    NoClaim,
    /// There is no such subscription.
    NoSubscription,
    /// The message is claimed, and the claim was not named.
    Claimed,
    /// The message is not claimed, though a claim was named.
    NotClaimed,
    /// A limit is reached, or the journal cannot be written.
    Unavailable,
    /// Zaqar breaks down.
    Unexpected,
}

impl Refusal {
    pub(super) fn new(kind: RefusalKind, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { kind, text }
    }

    pub(super) fn invalid(text: impl Into<String>) -> Self {
        Self::new(RefusalKind::Invalid, text)
    }

    pub(super) fn unexpected(text: impl Into<String>) -> Self {
        Self::new(RefusalKind::Unexpected, text)
    }

    pub(super) fn unavailable(text: impl Into<String>) -> Self {
        Self::new(RefusalKind::Unavailable, text)
    }
}

/// What a project has.
#[derive(Default)]
pub(super) struct State {
    /// By name.
    pub(super) queues: BTreeMap<String, Queue>,
    /// By queue and id. They end with their connections, and are not kept.
    pub(super) subscriptions: HashMap<String, BTreeMap<String, Subscription>>,
    /// How many bytes all messages have together.
    pub(super) bytes: usize,
}

/// A queue, and what is in it.
pub(super) struct Queue {
    pub(super) kept: kept::Queue,
    /// In the order in which they were posted.
    pub(super) messages: BTreeMap<u64, Message>,
    /// The places of messages, by their ids.
    ranks: HashMap<String, u64>,
    pub(super) claims: HashMap<String, Claim>,
    next: u64,
}

impl Queue {
    /// The message with this id, if it has not expired.
    pub(super) fn message(&self, id: &str, now: i64) -> Option<&Message> {
        let message = self.messages.get(self.ranks.get(id)?)?;
        message.is_there(now).then_some(message)
    }

    /// The claim with this id, if it has not ended.
    pub(super) fn claim(&self, id: &str, now: i64) -> Option<&Claim> {
        self.claims.get(id).filter(|claim| claim.expires > now)
    }

    /// The place of a message, there or not.
    pub(super) fn rank(&self, id: &str) -> Option<u64> {
        self.ranks.get(id).copied()
    }
}

impl Message {
    pub(super) fn is_there(&self, now: i64) -> bool {
        self.expires > now
    }

    /// The claim on it, if there is one now.
    pub(super) fn claimed(&self, now: i64) -> Option<&str> {
        let (id, until) = self.claim.as_ref()?;
        (*until > now).then_some(id)
    }
}

impl State {
    pub(super) fn put_queue(&mut self, kept: kept::Queue) {
        self.queues.insert(
            kept.name.clone(),
            Queue {
                kept,
                messages: BTreeMap::new(),
                ranks: HashMap::new(),
                claims: HashMap::new(),
                next: 0,
            },
        );
    }

    fn drop_queue(&mut self, name: &str) {
        if let Some(queue) = self.queues.remove(name) {
            let bytes: usize = queue.messages.values().map(|one| one.size).sum();
            self.bytes = self.bytes.saturating_sub(bytes);
        }
    }

    pub(super) fn put_message(&mut self, queue: &str, message: Message) {
        let Some(queue) = self.queues.get_mut(queue) else {
            return;
        };
        queue.next = queue.next.max(message.rank + 1);
        queue.ranks.insert(message.id.clone(), message.rank);
        self.bytes += message.size;
        if let Some(before) = queue.messages.insert(message.rank, message) {
            self.bytes = self.bytes.saturating_sub(before.size);
        }
    }

    fn drop_message(&mut self, queue: &str, id: &str) {
        let Some(queue) = self.queues.get_mut(queue) else {
            return;
        };
        let rank = queue.ranks.remove(id);
        if let Some(message) = rank.and_then(|rank| queue.messages.remove(&rank)) {
            self.bytes = self.bytes.saturating_sub(message.size);
        }
    }

    pub(super) fn put_claim(&mut self, queue: &str, claim: Claim) {
        if let Some(queue) = self.queues.get_mut(queue) {
            queue.claims.insert(claim.id.clone(), claim);
        }
    }

    fn drop_claim(&mut self, queue: &str, id: &str) {
        if let Some(queue) = self.queues.get_mut(queue) {
            queue.claims.remove(id);
        }
    }

    /// The queue with this name.
    pub(super) fn queue(&self, name: &str, project: &str) -> Result<&Queue, Refusal> {
        self.queues.get(name).ok_or_else(|| {
            let text = format!("Queue {name} does not exist for project {project}");
            Refusal::new(RefusalKind::NoQueue, text)
        })
    }
}

type Step = Box<dyn FnOnce(&mut State) + Send>;

/// What a change writes, in order.
#[derive(Default)]
pub(super) struct Edits {
    turn: Turn,
    steps: Vec<Step>,
}

impl Edits {
    fn put<T: Kept + Send + 'static>(
        &mut self,
        row: T,
        step: impl FnOnce(&mut State, T, usize) + Send + 'static,
    ) {
        let body = kept::body(&row);
        let size = body.len();
        self.turn
            .document(kept::document::<T>(row.id()), Some(body));
        self.steps
            .push(Box::new(move |state| step(state, row, size)));
    }

    fn drop<T: Kept>(&mut self, id: &str) {
        self.turn.document(kept::document::<T>(id), None);
    }

    /// A new queue.
    pub(super) fn put_queue(
        &mut self,
        project: &str,
        name: &str,
        metadata: Map<String, Value>,
    ) -> kept::Queue {
        let queue = kept::Queue {
            id: Uuid::new_v4().to_string(),
            project: project.to_owned(),
            name: name.to_owned(),
            metadata,
        };
        self.put(queue.clone(), |state, queue, _| state.put_queue(queue));
        queue
    }

    pub(super) fn drop_queue(&mut self, queue: &Queue) {
        for message in queue.messages.values() {
            self.drop::<Message>(&message.id);
        }
        for id in queue.claims.keys() {
            self.drop::<Claim>(id);
        }
        self.drop::<kept::Queue>(&queue.kept.id);
        let name = queue.kept.name.clone();
        self.steps
            .push(Box::new(move |state| state.drop_queue(&name)));
    }

    pub(super) fn put_message(&mut self, queue: &str, message: Message) {
        let queue = queue.to_owned();
        self.put(message, move |state, mut message, size| {
            message.size = size;
            state.put_message(&queue, message);
        });
    }

    pub(super) fn drop_message(&mut self, queue: &str, id: &str) {
        self.drop::<Message>(id);
        let (queue, id) = (queue.to_owned(), id.to_owned());
        self.steps
            .push(Box::new(move |state| state.drop_message(&queue, &id)));
    }

    /// Takes a message out of a queue that stays there elsewhere.
    pub(super) fn leave(&mut self, queue: &str, id: &str) {
        let (queue, id) = (queue.to_owned(), id.to_owned());
        self.steps
            .push(Box::new(move |state| state.drop_message(&queue, &id)));
    }

    pub(super) fn put_claim(&mut self, queue: &str, claim: Claim) {
        let queue = queue.to_owned();
        self.put(claim, move |state, claim, _| state.put_claim(&queue, claim));
    }

    pub(super) fn drop_claim(&mut self, queue: &str, id: &str) {
        self.drop::<Claim>(id);
        let (queue, id) = (queue.to_owned(), id.to_owned());
        self.steps
            .push(Box::new(move |state| state.drop_claim(&queue, &id)));
    }

    /// Does something to what is not kept, once the rest is durable.
    pub(super) fn then(&mut self, step: impl FnOnce(&mut State) + Send + 'static) {
        self.steps.push(Box::new(step));
    }
}

/// The queues of a project.
pub(super) struct Project {
    pub(super) name: String,
    journal: Journal,
    state: RwLock<State>,
    /// Held by whoever changes something.
    turn: Mutex<()>,
}

impl Project {
    pub(super) fn new(name: &str, state: State, zaqar: &Zaqar) -> Self {
        Self {
            name: name.to_owned(),
            journal: zaqar.journal.clone(),
            state: RwLock::new(state),
            turn: Mutex::default(),
        }
    }

    /// What there is now.
    pub(super) fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is nothing.
    pub(super) fn is_empty(&self) -> bool {
        let state = self.state();
        state.queues.is_empty() && state.subscriptions.is_empty()
    }

    /// Changes what there is, as `decide` says: all of it or nothing. What comes back has happened.
    pub(super) async fn change<T>(
        &self,
        decide: impl FnOnce(&State, &mut Edits) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let _turn = self.turn.lock().await;
        let mut edits = Edits::default();
        let decided = decide(&self.state(), &mut edits)?;
        if !edits.turn.is_empty() {
            write(&self.journal, edits.turn).await.map_err(|error| {
                tracing::error!(%error, "what is in queues cannot be written");
                Refusal::unavailable("the queues cannot be written: the log says why")
            })?;
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        for step in edits.steps {
            step(&mut state);
        }
        Ok(decided)
    }

    /// Does something to what is not kept.
    pub(super) fn touch<T>(&self, touch: impl FnOnce(&mut State) -> T) -> T {
        touch(&mut self.state.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes away what has expired.
    pub(super) async fn sweep(self: &Arc<Self>, now: i64) -> Result<(), Refusal> {
        self.touch(|state| {
            state.subscriptions.retain(|_, of_queue| {
                of_queue.retain(|_, one| one.expires > now);
                !of_queue.is_empty()
            });
        });
        loop {
            let swept = self.change(|state, edits| Ok(expired(state, edits, now)));
            if swept.await? < SWEPT {
                return Ok(());
            }
        }
    }
}

/// Has up to [`SWEPT`] rows deleted that have expired, and says how many these are.
fn expired(state: &State, edits: &mut Edits, now: i64) -> usize {
    let mut swept = 0;
    for (name, queue) in &state.queues {
        for claim in queue.claims.values().filter(|one| one.expires <= now) {
            if swept == SWEPT {
                return swept;
            }
            edits.drop_claim(name, &claim.id);
            swept += 1;
        }
        for message in queue.messages.values().filter(|one| !one.is_there(now)) {
            if swept == SWEPT {
                return swept;
            }
            edits.drop_message(name, &message.id);
            swept += 1;
        }
    }
    swept
}

/// The place of the next message of a queue.
impl Queue {
    pub(super) fn next(&self) -> u64 {
        self.next
    }
}
