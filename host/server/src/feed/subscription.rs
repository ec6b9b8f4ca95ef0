//! One who watches: a position, and no queue.

use std::sync::Arc;

use axum::body::Bytes;
use ostro_core::ExecutionId;
use ostro_journal::JournalError;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use super::item::Item;
use super::ring::Taken;
use super::wanted::Wanted;
use super::{Feed, lock};

/// Where a subscriber begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// With what comes from now on.
    Now,
    /// With the first change that is kept. What is older than this time, in milliseconds since
    /// 1970 UTC, is not missed.
    Start(i64),
    /// After the change with this number.
    After(u64),
}

/// One who watches.
pub(crate) struct Subscription {
    feed: Arc<Feed>,
    wanted: Wanted,
    root: Option<ExecutionId>,
    /// Up to which number all was looked at.
    position: u64,
    /// What is sent before anything else.
    first: Option<Bytes>,
    is_over: bool,
    alive_at: Instant,
    wake: watch::Receiver<u64>,
    stopped: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

impl Subscription {
    /// A new subscriber; none if there are as many as there may be.
    pub(crate) async fn new(
        feed: &Arc<Feed>,
        mut wanted: Wanted,
        beginning: Beginning,
    ) -> Result<Option<Self>, JournalError> {
        let Ok(place) = Arc::clone(&feed.places).try_acquire_owned() else {
            return Ok(None);
        };
        let last = feed.last();
        let (position, missed) = match beginning {
            Beginning::Now => (last, None),
            Beginning::Start(since) => match feed.bounds().await? {
                None => (0, None),
                Some((oldest, at, _)) => {
                    let missed = (oldest > 1 && since < at).then(|| gap(0, oldest));
                    (oldest - 1, missed)
                }
            },
            Beginning::After(after) if after <= last => (after, None),
            // The journal may be ahead of the ring; else the number is none of this journal's.
            Beginning::After(after) => {
                let last = feed.bounds().await?.map_or(0, |(_, _, last)| last);
                let missed = (after > last).then(|| gap(after, last + 1));
                (after.min(last), missed)
            }
        };
        // One that has ended stays as it was when somebody looked.
        if let Some((end, _)) = wanted.end.as_mut().and_then(|end| end.at.as_mut()) {
            let last = feed.bounds().await?.map_or(0, |(_, _, last)| last);
            *end = (*end).max(last);
        }
        let root = wanted.root();
        Ok(Some(Self {
            wake: feed.wake(root.as_ref()),
            stopped: feed.stopped.subscribe(),
            alive_at: Instant::now() + feed.settings.keep_alive,
            feed: Arc::clone(feed),
            wanted,
            root,
            position,
            first: missed,
            is_over: false,
            _place: place,
        }))
    }

    /// What is sent next; none once that is all.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        let next = self.find().await;
        self.alive_at = Instant::now() + self.feed.settings.keep_alive;
        next
    }

    async fn find(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            if self.is_over || *self.stopped.borrow() {
                return None;
            }
            // What comes from here on wakes it.
            self.wake.borrow_and_update();
            let taken = lock(&self.feed.ring).take(self.position, &mut self.wanted);
            let (taken, waits) = match taken {
                Some(taken) => {
                    let waits = taken.reached >= self.feed.last();
                    (taken, waits)
                }
                None => match self.read().await {
                    Ok(taken) => (taken, false),
                    Err(JournalError::Trimmed { after, oldest }) => {
                        self.position = oldest - 1;
                        return Some(gap(after, oldest));
                    }
                    Err(error) => {
                        tracing::error!(%error, "a subscriber of the feed cannot go on");
                        return None;
                    }
                },
            };
            self.position = taken.reached.max(self.position);
            if let Some(sent) = self.rendered(&taken) {
                return Some(sent);
            }
            if !waits {
                tokio::task::yield_now().await;
                continue;
            }
            tokio::select! {
                // Both senders are the feed's.
                _ = self.wake.changed() => {}
                _ = self.stopped.changed() => {}
                () = tokio::time::sleep_until(self.alive_at) => {
                    let position = self.position;
                    return Some(format!(": alive\nid: {position}\n\n").into());
                }
            }
        }
    }

    /// What the journal has, where the ring has it no more.
    async fn read(&mut self) -> Result<Taken, JournalError> {
        let page = self.feed.read(self.position, self.wanted.stored()).await?;
        let mut taken = Taken::default();
        let mut bytes = 0;
        for stored in &page.changes {
            let item = Arc::new(Item::new(stored));
            if !taken.look(&item, &mut self.wanted, &mut bytes) {
                return Ok(taken);
            }
        }
        taken.reached = page.reached;
        Ok(taken)
    }

    /// What was taken, as it is sent; none if that is nothing.
    fn rendered(&mut self, taken: &Taken) -> Option<Bytes> {
        let mut ended = self.wanted.ended.filter(|_| taken.is_end);
        let at = self.wanted.end.as_ref().and_then(|end| end.at);
        if let Some((at, state)) = at
            && self.position >= at
        {
            ended = Some(state);
        }
        self.is_over = ended.is_some();
        if let ([one], None) = (&taken.items[..], ended) {
            return Some(one.text.clone());
        }
        let size = taken.items.iter().map(|item| item.text.len()).sum();
        let mut sent = Vec::with_capacity(size);
        for item in &taken.items {
            sent.extend_from_slice(&item.text);
        }
        if let (Some(state), Some(end)) = (ended, &self.wanted.end) {
            let data = json!({"execution_id": end.execution, "state": state});
            sent.extend_from_slice(format!("event: end\ndata: {data}\n\n").as_bytes());
        }
        (!sent.is_empty()).then(|| sent.into())
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(root) = &self.root {
            self.feed.leave(root);
        }
    }
}

/// That changes after number `after` are kept nowhere any more, up to `oldest`.
fn gap(after: u64, oldest: u64) -> Bytes {
    let (data, before) = (
        json!({"after": after, "oldest": oldest}),
        oldest.saturating_sub(1),
    );
    format!("id: {before}\nevent: gap\ndata: {data}\n\n").into()
}
