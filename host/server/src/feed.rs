//! The feed: changes of executions as server-sent events, for as many as want to watch.
//!
//! The journal tells of each commit. What changed is rendered once, and put into a ring of the
//! latest changes, from which all subscribers read by number; one that is behind it reads the
//! journal. A subscriber has a position and no queue, so that a slow one costs nobody anything: it
//! is asked for more when its connection has room, and goes on from where it was.
//!
//! Where changes that a subscriber has not seen are kept nowhere any more, it gets an event `gap`.
//!
//! Architecture Invariant: a subscriber gets all that it wants, in order, each once; or it is told
//! what it missed.

mod item;
mod ring;
mod subscription;
mod wanted;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use ostro_core::ExecutionId;
use ostro_journal::{ChangeFilter, Changes, Journal, JournalError, StoredChange};
use tokio::sync::{Notify, Semaphore, watch};

use self::item::Item;
use self::ring::Ring;
pub(crate) use self::subscription::{Beginning, Subscription};
pub(crate) use self::wanted::{End, Filter, Wanted};

/// How many changes may wait to be rendered; if there are more, subscribers read them from the
/// journal.
const MAX_WAITING: usize = 16_384;
/// How many subscribers read the journal at a time; the others wait.
const READERS: usize = 2;
/// How many changes a page of the journal has.
const PAGE: usize = 256;
/// For how long changes gather after subscribers were woken: one that many watch wakes each of them
/// a few hundred times a second at most.
const PAUSE: Duration = Duration::from_millis(3);

/// How the feed is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedSettings {
    /// How many subscribers there may be; more are refused with 429.
    pub max_subscribers: usize,
    /// How many of the latest changes are kept in memory.
    pub ring_changes: usize,
    /// How many bytes they may take.
    pub ring_bytes: usize,
    /// After how long a silence a subscriber gets a sign of life.
    pub keep_alive: Duration,
}

impl Default for FeedSettings {
    fn default() -> Self {
        Self {
            max_subscribers: 2_000,
            ring_changes: 65_536,
            ring_bytes: 64 << 20,
            keep_alive: Duration::from_secs(15),
        }
    }
}

/// What all subscribers share.
pub(crate) struct Feed {
    settings: FeedSettings,
    journal: Journal,
    inbox: Mutex<Inbox>,
    arrived: Notify,
    ring: Mutex<Ring>,
    /// The number of the last change in the ring, for those who watch many executions.
    last: watch::Sender<u64>,
    /// The same for those who watch one root execution: they are woken when that changes.
    roots: Mutex<HashMap<ExecutionId, watch::Sender<u64>>>,
    places: Arc<Semaphore>,
    readers: Semaphore,
    stopped: watch::Sender<bool>,
}

/// A feed that is at work. It stops with this, however that goes.
pub(crate) struct AtWork(Arc<Feed>);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// What the journal told of that is not in the ring.
#[derive(Default)]
struct Inbox {
    changes: Vec<StoredChange>,
    /// The number of the last change that was told of and is not in here, since there were too
    /// many.
    lost: Option<u64>,
}

impl Feed {
    /// How many watch.
    pub(crate) fn subscribers(&self) -> usize {
        let free = self.places.available_permits();
        self.settings.max_subscribers.saturating_sub(free)
    }

    /// The feed of `journal` from now on.
    pub(crate) fn new(journal: Journal, settings: FeedSettings) -> Result<Arc<Self>, JournalError> {
        let feed = Arc::new(Self {
            ring: Mutex::new(Ring::new(settings.ring_changes, settings.ring_bytes)),
            places: Arc::new(Semaphore::new(settings.max_subscribers)),
            readers: Semaphore::new(READERS),
            settings,
            inbox: Mutex::default(),
            arrived: Notify::new(),
            last: watch::Sender::new(0),
            roots: Mutex::default(),
            stopped: watch::Sender::new(false),
            journal,
        });
        let listening: Weak<Self> = Arc::downgrade(&feed);
        feed.journal.on_changes(move |changes| {
            let feed = listening.upgrade();
            feed.is_some_and(|feed| {
                feed.hand_in(changes);
                true
            })
        });
        // What is committed in between is told of, too, and the ring has it once.
        let bounds = feed.journal.change_bounds()?;
        lock(&feed.ring).begin(bounds.map_or(0, |(_, last)| last));
        Ok(feed)
    }

    /// Takes what was committed, from the thread that writes.
    fn hand_in(&self, changes: &[StoredChange]) {
        let mut inbox = lock(&self.inbox);
        if inbox.changes.len() + changes.len() > MAX_WAITING {
            inbox.changes.clear();
            inbox.lost = changes.last().map(|last| last.sequence);
        } else {
            inbox.changes.extend_from_slice(changes);
        }
        drop(inbox);
        self.arrived.notify_one();
    }

    /// Has the feed at work for as long as what this gives is there.
    pub(crate) fn start(self: &Arc<Self>) -> AtWork {
        tokio::spawn(Arc::clone(self).run());
        AtWork(Arc::clone(self))
    }

    /// Puts into the ring what is committed, and wakes who wants it, until the feed is stopped.
    async fn run(self: Arc<Self>) {
        let mut stopped = self.stopped.subscribe();
        let mut woken = 0;
        loop {
            tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => return,
                () = self.arrived.notified() => {}
            }
            let Inbox { changes, lost } = std::mem::take(&mut *lock(&self.inbox));
            let items: Vec<Arc<Item>> =
                changes.iter().map(|one| Arc::new(Item::new(one))).collect();
            let roots: HashSet<ExecutionId> =
                items.iter().filter_map(|item| item.root.clone()).collect();
            let last = self.fill(lost, items);
            self.last.send_replace(last);
            // All of them, from time to time: none is so far behind that it has to read the journal
            // only because nobody woke it.
            let half = u64::try_from(self.settings.ring_changes / 2).unwrap_or(u64::MAX);
            let is_turn = lost.is_some() || last.saturating_sub(woken) > half;
            if is_turn {
                woken = last;
            }
            for (root, wake) in &*lock(&self.roots) {
                if is_turn || roots.contains(root) {
                    wake.send_replace(last);
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Puts `items` into the ring, anew after number `lost` if there is one: its last number.
    fn fill(&self, lost: Option<u64>, items: Vec<Arc<Item>>) -> u64 {
        let mut ring = lock(&self.ring);
        if let Some(lost) = lost {
            ring.begin(lost);
        }
        for item in items {
            ring.push(item);
        }
        ring.last()
    }

    /// Ends all subscriptions, and takes no more.
    pub(crate) fn stop(&self) {
        self.stopped.send_replace(true);
    }

    /// The number of the last change, as far as subscribers can know.
    pub(crate) fn last(&self) -> u64 {
        lock(&self.ring).last()
    }

    /// What the journal has after `position`.
    pub(crate) async fn read(
        &self,
        position: u64,
        filter: ChangeFilter,
    ) -> Result<Changes, JournalError> {
        // It is never closed.
        let _place = self.readers.acquire().await;
        let journal = self.journal.clone();
        let read = move || journal.changes(position, PAGE, &filter);
        tokio::task::spawn_blocking(read)
            .await
            .unwrap_or(Err(JournalError::Closed))
    }

    /// The first number that is kept, when that was, and the last one.
    async fn bounds(&self) -> Result<Option<(u64, i64, u64)>, JournalError> {
        let journal = self.journal.clone();
        let read = move || -> Result<_, JournalError> {
            let Some((oldest, _)) = journal.change_bounds()? else {
                return Ok(None);
            };
            let page = journal.changes(oldest - 1, 1, &ChangeFilter::default())?;
            let first = page.changes.first();
            Ok(first.map(|first| (first.sequence, first.change.at, page.last)))
        };
        tokio::task::spawn_blocking(read)
            .await
            .unwrap_or(Err(JournalError::Closed))
    }

    /// What wakes who watches `root`, or all.
    pub(crate) fn wake(&self, root: Option<&ExecutionId>) -> watch::Receiver<u64> {
        match root {
            None => self.last.subscribe(),
            Some(root) => {
                let mut roots = lock(&self.roots);
                let wake = roots
                    .entry(root.clone())
                    .or_insert_with(|| watch::Sender::new(0));
                wake.subscribe()
            }
        }
    }

    /// Forgets who watched `root`, if nobody else does.
    fn leave(&self, root: &ExecutionId) {
        let mut roots = lock(&self.roots);
        // Whoever leaves counts still.
        if roots
            .get(root)
            .is_some_and(|wake| wake.receiver_count() <= 1)
        {
            roots.remove(root);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
