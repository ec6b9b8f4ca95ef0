//! As whom executions act on a cloud: whoever started them or made the trigger, also after their
//! token has ended, by a trust of Keystone; or on a cloud of their own, as Mistral's `X-Target-*`
//! headers name it.
//!
//! What is durable is a document for each root execution and each trigger, written before it
//! starts, and one for each trust that nobody needs any more and that Keystone still has
//! ([`watch`]). Neither is a secret. Tokens are in memory only.

mod kept;
#[cfg(test)]
mod tests;
pub(crate) mod watch;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ostro_journal::{Journal, Turn};
use ostro_openstack::{CloudError, Delegation, Delegations, Delegator, Target};
use tokio::sync::Notify;
use tokio::time::Instant;

use self::kept::{By, Kept, Of};
use crate::fault::Fault;
use crate::records::write;

/// As whom something acts that is started.
#[derive(Clone, Debug, Default)]
pub(crate) enum As {
    /// As the operator: nobody is asked who they are.
    #[default]
    Operator,
    /// As the caller.
    User(Delegator),
    /// On the cloud that the caller names.
    Target(Box<Target>),
    /// As whoever made the cron trigger with this id.
    Trigger(String),
}

/// As whom all acts that was started.
pub(crate) struct Delegating {
    /// None where everything acts as the operator.
    known: Option<Arc<Delegations>>,
    journal: Journal,
    held: Mutex<Held>,
    /// Told where there is something to look at.
    doubts: Notify,
    /// Told where there is a trust to delete.
    endings: Notify,
}

#[derive(Default)]
struct Held {
    /// By the ids of root executions and triggers.
    holders: HashMap<String, Holder>,
    /// How many of them there are by each trust.
    trusts: HashMap<String, usize>,
    /// Those that may have ended.
    doubtful: HashSet<String>,
    /// The trusts that nobody needs any more, and when to ask Keystone again to delete each.
    ended: HashMap<String, Attempt>,
    /// The number of the last holder.
    number: u64,
}

struct Holder {
    of: Of,
    trust: Option<String>,
    /// How many requests are about to have it act.
    pins: usize,
    /// Which of all holders it is.
    number: u64,
}

/// The next try to delete a trust.
#[derive(Clone, Copy)]
struct Attempt {
    failures: u32,
    at: Instant,
}

impl Default for Attempt {
    fn default() -> Self {
        Self {
            failures: 0,
            at: Instant::now(),
        }
    }
}

impl Held {
    fn add(&mut self, id: &str, of: Of, pins: usize) {
        self.number += 1;
        let holder = Holder {
            of,
            trust: None,
            pins,
            number: self.number,
        };
        self.holders.insert(id.to_owned(), holder);
    }

    /// Has a holder that has none act by a trust.
    fn trust(&mut self, id: &str, trust: &str) {
        if let Some(holder) = self.holders.get_mut(id) {
            holder.trust = Some(trust.to_owned());
            *self.trusts.entry(trust.to_owned()).or_default() += 1;
        }
    }

    /// Takes a holder away. The trust that nobody needs any more, if that is so.
    fn take(&mut self, id: &str) -> Option<(Holder, Option<String>)> {
        let holder = self.holders.remove(id)?;
        let mut last = None;
        if let Some(trust) = &holder.trust
            && let Some(count) = self.trusts.get_mut(trust)
        {
            *count -= 1;
            if *count == 0 {
                self.trusts.remove(trust);
                last = Some(trust.clone());
            }
        }
        Some((holder, last))
    }
}

/// Keeps a delegation while something starts that acts by it.
#[must_use]
pub(crate) struct Pin {
    delegating: Arc<Delegating>,
    id: String,
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut held = self.delegating.lock();
        if let Some(holder) = held.holders.get_mut(&self.id) {
            holder.pins = holder.pins.saturating_sub(1);
        }
        drop(held);
        // What did not start needs none.
        self.delegating.doubt(&self.id);
    }
}

/// Has an action that runs by itself act as somebody, until it is dropped.
pub(crate) struct Acting {
    known: Arc<Delegations>,
    id: String,
}

impl Drop for Acting {
    fn drop(&mut self) {
        self.known.remove(&self.id);
    }
}

impl Delegating {
    /// Everything acts as the operator.
    pub(crate) fn none(journal: Journal) -> Self {
        Self {
            known: None,
            journal,
            held: Mutex::default(),
            doubts: Notify::new(),
            endings: Notify::new(),
        }
    }

    /// What `journal` has. Those who act learn it from `known`.
    pub(crate) fn open(journal: Journal, known: Arc<Delegations>) -> Result<Self, Fault> {
        let mut held = Held::default();
        for (id, kept) in Kept::all(&journal)? {
            held.add(&id, kept.of, 0);
            if let By::Trust(trust) = &kept.by {
                held.trust(&id, trust);
            }
            known.set(&id, kept.after_restart());
            held.doubtful.insert(id);
        }
        for trust in kept::ended(&journal)? {
            held.ended.insert(trust, Attempt::default());
        }
        Ok(Self {
            known: Some(known),
            held: Mutex::new(held),
            ..Self::none(journal)
        })
    }

    /// Has the execution `id`, which is about to start, act as `acts`. It is started while the pin
    /// is there.
    pub(crate) async fn execution(
        self: &Arc<Self>,
        id: &str,
        acts: &As,
    ) -> Result<Option<Pin>, Fault> {
        self.delegate(id, Of::Execution, acts).await
    }

    /// Has what the trigger `id` starts, which is about to be made, act as `acts`.
    pub(crate) async fn trigger(
        self: &Arc<Self>,
        id: &str,
        acts: &As,
    ) -> Result<Option<Pin>, Fault> {
        self.delegate(id, Of::Trigger, acts).await
    }

    /// Has the root execution `id`, parts of which are about to run again, act: as before while it
    /// has not ended, and as `acts` otherwise.
    pub(crate) async fn again(
        self: &Arc<Self>,
        id: &str,
        has_ended: bool,
        acts: &As,
    ) -> Result<Option<Pin>, Fault> {
        if has_ended && !matches!(acts, As::Operator) {
            self.end(id, None).await?;
            return self.execution(id, acts).await;
        }
        let mut held = self.lock();
        Ok(held.holders.get_mut(id).map(|holder| {
            holder.pins += 1;
            self.pin(id)
        }))
    }

    /// Has an action that runs by itself act as `acts`.
    pub(crate) fn action(&self, id: &str, acts: &As) -> Option<Acting> {
        let known = self.known.as_ref()?;
        let delegation = match acts {
            As::Operator | As::Trigger(_) => return None,
            As::User(delegator) => Delegation::Token {
                token: delegator.token.clone(),
                then: "run the action again".into(),
            },
            As::Target(target) => Delegation::Target(target.clone()),
        };
        known.set(id, delegation);
        Some(Acting {
            known: Arc::clone(known),
            id: id.to_owned(),
        })
    }

    /// Has somebody look whether `id` still needs its delegation.
    pub(crate) fn doubt(&self, id: &str) {
        let mut held = self.lock();
        if held.holders.contains_key(id) {
            held.doubtful.insert(id.to_owned());
            drop(held);
            self.doubts.notify_one();
        }
    }

    async fn delegate(self: &Arc<Self>, id: &str, of: Of, acts: &As) -> Result<Option<Pin>, Fault> {
        let Some(known) = &self.known else {
            return match acts {
                As::Target(_) => Err(Fault::invalid(
                    "X-Target-Auth-Uri: this server acts on no other cloud",
                )),
                _ => Ok(None),
            };
        };
        let Some(pin) = self.reserve(id, of, acts)? else {
            return Ok(None);
        };
        let (by, delegation) = match acts {
            As::Operator => return Ok(None),
            As::User(delegator) => self.trusted(known, of, delegator).await?,
            As::Target(target) if of == Of::Execution => {
                let delegation = Delegation::Target(target.clone());
                (By::Target(target.origin()), delegation)
            }
            As::Target(_) => {
                return Err(Fault::invalid(
                    "X-Target-Auth-Uri: what a trigger starts cannot act on another cloud, \
                     since the token for it ends before",
                ));
            }
            As::Trigger(_) => {
                let held = self.lock();
                let trust = held.holders.get(id).and_then(|one| one.trust.clone());
                let trust = trust.unwrap_or_default();
                (By::Trust(trust.clone()), Delegation::Trust(trust.into()))
            }
        };
        if let (As::User(_), By::Trust(trust)) = (acts, &by) {
            // Before it is durable: where that fails it is deleted.
            self.lock().trust(id, trust);
        }
        let mut turn = Turn::new();
        Kept { of, by }.put(id, &mut turn);
        write(&self.journal, turn).await?;
        known.set(id, delegation);
        Ok(Some(pin))
    }

    /// Takes the place of `id`; none where it needs none. There is one at most.
    fn reserve(self: &Arc<Self>, id: &str, of: Of, acts: &As) -> Result<Option<Pin>, Fault> {
        let mut held = self.lock();
        let trust = match acts {
            As::Operator => return Ok(None),
            As::User(_) | As::Target(_) => None,
            As::Trigger(trigger) => {
                let holder = held.holders.get(trigger);
                let Some(trust) = holder.and_then(|holder| holder.trust.clone()) else {
                    return Ok(None);
                };
                Some(trust)
            }
        };
        if held.holders.contains_key(id) {
            return Err(Fault::conflict(format!(
                "{id} is being started, or was deleted just now: try again"
            )));
        }
        held.add(id, of, 1);
        if let Some(trust) = &trust {
            held.trust(id, trust);
        }
        Ok(Some(self.pin(id)))
    }

    /// The pin of a holder that counts it already.
    fn pin(self: &Arc<Self>, id: &str) -> Pin {
        Pin {
            delegating: Arc::clone(self),
            id: id.to_owned(),
        }
    }

    /// Has `delegator` trust the host. Where Keystone lets them not, an execution has what their
    /// token can do, as long as it lasts.
    async fn trusted(
        &self,
        known: &Delegations,
        of: Of,
        delegator: &Delegator,
    ) -> Result<(By, Delegation), Fault> {
        let reason = match known.session().create_trust(delegator).await {
            Ok(trust) => {
                return Ok((By::Trust(trust.clone()), Delegation::Trust(trust.into())));
            }
            Err(CloudError::Denied(reason)) => reason,
            Err(error) => {
                tracing::error!(%error, user = delegator.user_id, "no trust could be made");
                return Err(Fault::unavailable(
                    "Keystone makes no trust by which this could act as you: try again; the \
                     server's log says why",
                ));
            }
        };
        if of == Of::Trigger {
            return Err(Fault::forbidden(format!(
                "A trigger acts as whoever made it, and needs a trust for that: {reason}"
            )));
        }
        tracing::warn!(
            reason,
            user = delegator.user_id,
            "an execution acts by its caller's token, which ends"
        );
        let then = format!("no trust could take its place: {reason}").into();
        let token = delegator.token.clone();
        Ok((By::Token(reason), Delegation::Token { token, then }))
    }

    /// Knows nothing of `id` any more, if nobody is about to have it act, and if it is still the
    /// holder with this number. A trust that nobody else needs is deleted.
    async fn end(&self, id: &str, number: Option<u64>) -> Result<(), Fault> {
        let (holder, last) = {
            let mut held = self.lock();
            let may = held.holders.get(id).is_some_and(|holder| {
                holder.pins == 0 && number.is_none_or(|number| number == holder.number)
            });
            let Some(taken) = may.then(|| held.take(id)).flatten() else {
                return Ok(());
            };
            if let Some(known) = &self.known {
                known.remove(id);
            }
            taken
        };
        let mut turn = Turn::new();
        Kept::drop(id, &mut turn);
        if let Some(trust) = &last {
            kept::end(trust, &mut turn);
        }
        if let Err(error) = write(&self.journal, turn).await {
            // As before; it acts as nobody, and the next look tries again.
            let mut held = self.lock();
            if !held.holders.contains_key(id) {
                held.add(id, holder.of, 0);
                if let Some(trust) = &holder.trust {
                    held.trust(id, trust);
                }
            }
            return Err(error.into());
        }
        if let Some(trust) = last {
            self.lock().ended.insert(trust, Attempt::default());
            self.endings.notify_one();
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
