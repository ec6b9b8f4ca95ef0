//! Ends delegations with what they are for, and deletes trusts that nobody needs any more.

use std::time::Duration;

use ostro_core::ExecutionId;
use ostro_engine::Change;
use ostro_journal::Turn;
use ostro_runtime::{Delivery, NoticeKind, Subscription};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::kept::{Of, is_gone};
use super::{Attempt, Delegating};
use crate::app::App;
use crate::fault::Fault;
use crate::records::write;

/// How often all are looked at: what ended while nobody could write, or was deleted.
const SWEEP: Duration = Duration::from_mins(5);

/// How many trusts are deleted at a time.
const AT_A_TIME: usize = 8;

/// How long to wait after a failure to delete one; it doubles each time.
const PAUSE: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_hours(1);

/// Ends what is over, for ever. What ended before is ended once this is called.
pub(crate) async fn looking(app: App, mut notices: Subscription) {
    let delegating = &app.delegating;
    let mut sweep = tokio::time::interval(SWEEP);
    loop {
        tokio::select! {
            next = notices.next() => match next {
                Some(Delivery::Notice(notice)) => {
                    let is_root = notice.parent.is_none();
                    if is_root && ends(&notice.kind) {
                        delegating.doubt(notice.execution_id.as_str());
                    }
                }
                Some(Delivery::Lagged(_)) => delegating.doubt_all(),
                None => return,
            },
            () = delegating.doubts.notified() => look_at_doubtful(&app).await,
            _ = sweep.tick() => {
                delegating.doubt_all();
                look_at_doubtful(&app).await;
            }
        }
    }
}

fn ends(kind: &NoticeKind) -> bool {
    matches!(kind, NoticeKind::Changed { change: Change::Execution { state, .. } }
        if state.is_completed())
}

/// Ends all of those in doubt that are over.
pub(crate) async fn look_at_doubtful(app: &App) {
    let doubtful = std::mem::take(&mut app.delegating.lock().doubtful);
    for id in doubtful {
        if let Err(fault) = look(app, &id).await {
            let reason = fault.message();
            tracing::warn!(id, reason, "cannot end what it acts by");
        }
    }
}

async fn look(app: &App, id: &str) -> Result<(), Fault> {
    let found = {
        let held = app.delegating.lock();
        let holder = held.holders.get(id);
        holder.map(|holder| (holder.of, holder.number))
    };
    let Some((of, number)) = found else {
        return Ok(());
    };
    let is_over = match of {
        Of::Trigger => {
            let kept = app.catalogue.kept();
            kept.cron_triggers.get(id).is_none() && kept.event_triggers.get(id).is_none()
        }
        Of::Execution => {
            let id = ExecutionId::new(id);
            let row = app.read(move |journal| Ok(journal.execution(&id)?)).await?;
            row.is_none_or(|row| row.state.is_completed())
        }
    };
    if is_over {
        app.delegating.end(id, Some(number)).await?;
    }
    Ok(())
}

/// Deletes the trusts that nobody needs any more, for ever.
pub(crate) async fn deleting(app: App) {
    let delegating = &app.delegating;
    loop {
        let (due, next) = delegating.due();
        let mut deletions = JoinSet::new();
        for trust in due {
            let app = app.clone();
            deletions.spawn(async move { app.delegating.delete(&trust).await });
        }
        if deletions.is_empty() {
            tokio::select! {
                () = delegating.endings.notified() => {}
                () = tokio::time::sleep_until(next) => {}
            }
        }
        while deletions.join_next().await.is_some() {}
    }
}

impl Delegating {
    fn doubt_all(&self) {
        let mut held = self.lock();
        held.doubtful = held.holders.keys().cloned().collect();
        drop(held);
        self.doubts.notify_one();
    }

    /// Some of the trusts that are to be deleted now, and when the next one is.
    fn due(&self) -> (Vec<String>, Instant) {
        let now = Instant::now();
        let held = self.lock();
        let due = held.ended.iter().filter(|(_, attempt)| attempt.at <= now);
        let due = due.map(|(trust, _)| trust.clone()).take(AT_A_TIME);
        let next = held.ended.values().map(|attempt| attempt.at).min();
        (due.collect(), next.unwrap_or(now + LONGEST))
    }

    /// Tries to delete a trust. Where that fails, it is tried again later.
    async fn delete(&self, trust: &str) {
        let Some(known) = &self.known else { return };
        let deleted = known.session().delete_trust(trust).await;
        if let Err(error) = deleted {
            let mut held = self.lock();
            let Some(attempt) = held.ended.get_mut(trust) else {
                return;
            };
            let pause = PAUSE
                .saturating_mul(1 << attempt.failures.min(10))
                .min(LONGEST);
            *attempt = Attempt {
                failures: attempt.failures.saturating_add(1),
                at: Instant::now() + pause,
            };
            tracing::warn!(trust, %error, ?pause, "a trust that nobody needs cannot be deleted yet");
            return;
        }
        known.forget_trust(trust);
        self.lock().ended.remove(trust);
        let mut turn = Turn::new();
        is_gone(trust, &mut turn);
        if let Err(error) = write(&self.journal, turn).await {
            // After the next start it is found to be gone.
            tracing::warn!(trust, %error, "that a trust is gone cannot be written");
        }
    }
}
