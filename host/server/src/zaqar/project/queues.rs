//! What can be done with queues.

use std::ops::Bound;

use serde_json::{Map, Value, json};

use super::{Project, Refusal};
use crate::zaqar::{limits, push};

impl Project {
    /// The names of queues behind `marker`, and what these are described by.
    pub(in crate::zaqar) fn queues(
        &self,
        marker: Option<&str>,
        limit: usize,
    ) -> Vec<(String, Map<String, Value>)> {
        let from = marker.map_or(Bound::Unbounded, Bound::Excluded);
        let state = self.state();
        let range = state.queues.range::<str, _>((from, Bound::Unbounded));
        range
            .take(limit)
            .map(|(name, queue)| (name.clone(), queue.kept.metadata.clone()))
            .collect()
    }

    /// Makes a queue, and says whether there was none.
    pub(in crate::zaqar) async fn create_queue(
        &self,
        name: &str,
        metadata: &Value,
        most: usize,
    ) -> Result<bool, Refusal> {
        limits::queue_name(name)?;
        let metadata = limits::metadata(metadata)?;
        self.change(|state, edits| {
            if state.queues.contains_key(name) {
                return Ok(false);
            }
            room_for_queue(state.queues.len(), most)?;
            edits.put_queue(&self.name, name, metadata);
            Ok(true)
        })
        .await
    }

    /// Makes a queue if there is none.
    pub(in crate::zaqar) async fn ensure_queue(
        &self,
        name: &str,
        most: usize,
    ) -> Result<(), Refusal> {
        let made = self.create_queue(name, &Value::Null, most).await;
        made.map(drop)
    }

    /// Deletes a queue with what is in it.
    pub(in crate::zaqar) async fn delete_queue(&self, name: &str) -> Result<(), Refusal> {
        self.change(|state, edits| {
            if let Some(queue) = state.queues.get(name) {
                edits.drop_queue(queue);
            }
            Ok(())
        })
        .await
    }

    /// What a queue is described by.
    pub(in crate::zaqar) fn metadata(&self, name: &str) -> Option<Map<String, Value>> {
        let state = self.state();
        Some(state.queues.get(name)?.kept.metadata.clone())
    }

    /// How many messages a queue has, and the first and last of them.
    pub(in crate::zaqar) fn stats(&self, name: &str, now: i64) -> Option<Value> {
        let state = self.state();
        let queue = state.queues.get(name)?;
        let there = || queue.messages.values().filter(|one| one.is_there(now));
        let total = there().count();
        let claimed = there().filter(|one| one.claimed(now).is_some()).count();
        let mut counted = json!({"claimed": claimed, "free": total - claimed, "total": total});
        if let (Some(newest), Some(oldest)) = (there().next_back(), there().next()) {
            counted["newest"] = newest.with_time(now);
            counted["oldest"] = oldest.with_time(now);
        }
        Some(json!({"messages": counted}))
    }

    /// Empties a queue of its messages, its subscriptions or both.
    pub(in crate::zaqar) async fn purge(
        &self,
        name: &str,
        messages: bool,
        subscriptions: bool,
        now: i64,
    ) -> Result<(), Refusal> {
        self.change(|state, edits| {
            if let Some(queue) = state.queues.get(name).filter(|_| messages) {
                // Those that are claimed are not to be had, as in Zaqar.
                let free = queue.messages.values();
                for message in free.filter(|one| one.claimed(now).is_none()) {
                    edits.drop_message(name, &message.id);
                }
            }
            if subscriptions {
                let name = name.to_owned();
                edits.then(move |state| {
                    state.subscriptions.remove(&name);
                });
            }
            Ok(())
        })
        .await
    }

    /// The subscriptions to a queue behind `marker`.
    pub(in crate::zaqar) fn subscriptions(
        &self,
        queue: &str,
        marker: Option<&str>,
        limit: usize,
        now: i64,
    ) -> Vec<push::Subscription> {
        let from = marker.map_or(Bound::Unbounded, Bound::Excluded);
        let state = self.state();
        let of_queue = state.subscriptions.get(queue);
        let range = of_queue.map(|all| all.range::<str, _>((from, Bound::Unbounded)));
        let there = range.into_iter().flatten().map(|(_, one)| one);
        there
            .filter(|one| one.expires > now)
            .take(limit)
            .cloned()
            .collect()
    }

    /// A subscription.
    pub(in crate::zaqar) fn subscription(
        &self,
        queue: &str,
        id: &str,
        now: i64,
    ) -> Option<push::Subscription> {
        let state = self.state();
        let found = state.subscriptions.get(queue)?.get(id)?;
        (found.expires > now).then(|| found.clone())
    }

    /// Adds a subscription, and says whether its subscriber had none.
    pub(in crate::zaqar) fn subscribe(
        &self,
        queue: &str,
        subscription: push::Subscription,
        now: i64,
    ) -> bool {
        self.touch(|state| {
            let of_queue = state.subscriptions.entry(queue.to_owned()).or_default();
            of_queue.retain(|_, one| one.expires > now);
            if of_queue
                .values()
                .any(|one| one.subscriber == subscription.subscriber)
            {
                return false;
            }
            of_queue.insert(subscription.id.clone(), subscription);
            true
        })
    }

    /// Ends a subscription.
    pub(in crate::zaqar) fn unsubscribe(&self, queue: &str, id: &str) {
        self.touch(|state| {
            if let Some(of_queue) = state.subscriptions.get_mut(queue) {
                of_queue.remove(id);
                if of_queue.is_empty() {
                    state.subscriptions.remove(queue);
                }
            }
        });
    }
}

pub(super) fn room_for_queue(there: usize, most: usize) -> Result<(), Refusal> {
    if there < most {
        return Ok(());
    }
    Err(Refusal::unavailable(format!(
        "the project has {there} queues, which is all that it may have: delete some"
    )))
}
