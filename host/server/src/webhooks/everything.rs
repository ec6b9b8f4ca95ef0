//! What the operator's receivers are told: of all executions.

use std::collections::{HashMap, HashSet};

use ostro_core::ExecutionId;
use ostro_journal::{ChangeFilter, JournalError, Turn};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant};

use super::event::{Told, told};
use super::kept::{key, positions, put_position};
use super::line::Line;
use super::publisher::Publisher;
use crate::app::App;
use crate::fault::Fault;
use crate::records::write;

/// Of how many root executions a receiver is told at the same time.
const AT_A_TIME: usize = 8;
/// How often at most it becomes durable that nothing was to be told.
const NOTED_AFTER: Duration = Duration::from_secs(1);
/// How long to wait where the journal cannot be read.
const PAUSE: Duration = Duration::from_secs(5);

/// Each of them, from where it was; a new one is told of what comes from now on.
pub(crate) async fn followers(app: &App) -> Vec<Follower> {
    let kept = match app.read(positions_and_last).await {
        Ok(kept) => kept,
        Err(fault) => {
            let reason = fault.message();
            tracing::error!(reason, "the operator's webhooks are told nothing");
            return Vec::new();
        }
    };
    let (mut positions, last) = kept;
    let notify = &app.webhooks.settings.notify;
    if notify.is_empty() && positions.is_empty() {
        return Vec::new();
    }
    let mut turn = Turn::new();
    let mut known = HashSet::new();
    let mut followers = Vec::new();
    for publisher in notify {
        let key = key(publisher);
        // The same one twice is told once.
        if !known.insert(key.clone()) {
            continue;
        }
        let position = positions.remove(&key).unwrap_or_else(|| {
            put_position(&key, Some(last), &mut turn);
            last
        });
        followers.push(Follower {
            app: app.clone(),
            publisher: publisher.clone(),
            key,
            position,
            noted: (position, Instant::now()),
        });
    }
    for key in positions.keys() {
        put_position(key, None, &mut turn);
    }
    if let Err(error) = write(&app.journal, turn).await {
        tracing::warn!(%error, "where the operator's webhooks begin cannot be written");
    }
    followers
}

fn positions_and_last(
    journal: &ostro_journal::Journal,
) -> Result<(HashMap<String, u64>, u64), Fault> {
    let positions = positions(journal)?.into_iter().collect();
    let last = journal.change_bounds()?.map_or(0, |(_, last)| last);
    Ok((positions, last))
}

/// One who is told of all.
pub(crate) struct Follower {
    app: App,
    publisher: Publisher,
    key: String,
    /// The number of the last change that is done with.
    position: u64,
    /// As of which position and time that is durable.
    noted: (u64, Instant),
}

impl Follower {
    /// Tells of what comes until told to stop.
    pub(super) async fn follow(mut self, stop: watch::Receiver<bool>) {
        let mut wake = self.app.feed.wake(None);
        let mut stopped = stop.clone();
        while !*stop.borrow() {
            wake.borrow_and_update();
            let read = self.app.feed.read(self.position, ChangeFilter::default());
            let page = match read.await {
                Ok(page) => page,
                Err(JournalError::Trimmed { after, oldest }) => {
                    let to = self.publisher.place();
                    tracing::warn!(to, after, oldest, "what is not kept any more is not told");
                    self.position = oldest - 1;
                    continue;
                }
                Err(error) => {
                    tracing::error!(%error, "a webhook cannot go on yet");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let events = page.changes.iter().filter_map(|stored| told(stored).0);
            let events: Vec<Told> = events
                .filter(|told| self.publisher.wants(told.event))
                .collect();
            let is_told = !events.is_empty();
            if is_told && !self.tell(events, &stop).await {
                return;
            }
            self.position = page.reached.max(self.position);
            if is_told || self.noted.1.elapsed() >= NOTED_AFTER {
                self.note().await;
            }
            if self.position >= page.last {
                tokio::select! {
                    changed = wake.changed() => if changed.is_err() { break },
                    _ = stopped.wait_for(|stop| *stop) => break,
                }
            }
        }
        self.note().await;
    }

    /// Tells of `events`, those of one root execution one after the other. Whether all are done
    /// with: not if the server stops.
    async fn tell(&self, events: Vec<Told>, stop: &watch::Receiver<bool>) -> bool {
        let mut of_root: HashMap<ExecutionId, Vec<Told>> = HashMap::new();
        let mut order = Vec::new();
        for told in events {
            let root = told.root.clone();
            let some = of_root.entry(root.clone()).or_default();
            if some.is_empty() {
                order.push(root);
            }
            some.push(told);
        }
        let mut under_way = JoinSet::new();
        let mut is_done = true;
        for root in order {
            if under_way.len() >= AT_A_TIME {
                is_done &= matches!(under_way.join_next().await, Some(Ok(true)));
            }
            let events = of_root.remove(&root).unwrap_or_default();
            let (app, publisher) = (self.app.clone(), self.publisher.clone());
            let mut line = Line::new(app, publisher, None, stop.clone());
            under_way.spawn(async move {
                for told in &events {
                    if !line.tell(told).await {
                        return false;
                    }
                }
                true
            });
        }
        while let Some(ended) = under_way.join_next().await {
            is_done &= matches!(ended, Ok(true));
        }
        is_done
    }

    async fn note(&mut self) {
        if self.noted.0 == self.position {
            return;
        }
        let mut turn = Turn::new();
        put_position(&self.key, Some(self.position), &mut turn);
        match write(&self.app.journal, turn).await {
            Ok(()) => self.noted = (self.position, Instant::now()),
            // It is told again after a crash, if that comes before the next note.
            Err(error) => tracing::warn!(%error, "how far a webhook is cannot be written"),
        }
    }
}
