//! What one receiver is told of one root execution and all below it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ostro_core::ExecutionId;
use ostro_journal::{ChangeFilter, JournalError, Turn};
use tokio::sync::watch;
use tokio::time::Instant;

use super::event::{Root, told};
use super::kept::Kept;
use super::line::Line;
use super::publisher::Publisher;
use crate::app::App;
use crate::records::write;

/// After how many changes, and how long, how far it is becomes durable.
const NOTED: usize = 32;
const NOTED_AFTER: Duration = Duration::from_secs(1);
/// How long to wait where the journal cannot be read.
const PAUSE: Duration = Duration::from_secs(5);

/// A receiver that an execution names.
pub(super) struct Hook {
    pub(super) id: String,
    pub(super) root: ExecutionId,
    pub(super) project: Arc<str>,
    publisher: Publisher,
    state: Mutex<State>,
}

/// How far it is.
struct State {
    /// The number of the last change that is done with.
    position: u64,
    is_at_work: bool,
    /// Whether there are changes that nobody has looked at.
    has_more: bool,
    /// What became of its execution, and since when; none where nobody has looked.
    root: Option<(Root, Instant)>,
}

impl Hook {
    pub(super) fn new(
        id: String,
        root: ExecutionId,
        project: Arc<str>,
        publisher: Publisher,
        position: u64,
    ) -> Self {
        Self {
            id,
            root,
            project,
            publisher,
            state: Mutex::new(State {
                position,
                is_at_work: false,
                has_more: false,
                root: Some((Root::Runs, Instant::now())),
            }),
        }
    }

    /// One that was kept.
    pub(super) fn again(id: String, kept: Kept) -> Option<Self> {
        let publisher = Publisher::read(&kept.publisher).inspect_err(|reason| {
            tracing::error!(id, reason, "a webhook cannot be read, and is left aside");
        });
        let project = kept.project.into();
        let hook = Self::new(id, kept.root, project, publisher.ok()?, kept.position);
        hook.lock().root = None;
        Some(hook)
    }

    pub(super) fn put(&self, position: u64, turn: &mut Turn) {
        let kept = Kept {
            root: self.root.clone(),
            project: self.project.to_string(),
            publisher: self.publisher.source().clone(),
            position,
        };
        kept.put(&self.id, turn);
    }

    /// Has its changes looked at. Whether somebody has to begin with that.
    pub(super) fn wakes(&self) -> bool {
        let mut state = self.lock();
        state.has_more = true;
        !std::mem::replace(&mut state.is_at_work, true)
    }

    /// It is listened to a while longer.
    pub(super) fn linger(&self) {
        self.lock().becomes(Root::Ended);
    }

    /// Whether nothing is to be told any more.
    pub(super) fn is_over(&self, now: Instant, linger: Duration) -> bool {
        let state = self.lock();
        let is_over = match state.root {
            None | Some((Root::Runs, _)) => false,
            Some((Root::Ended, at)) => now.duration_since(at) >= linger,
            Some((Root::Deleted, _)) => true,
        };
        is_over && !state.is_at_work && !state.has_more
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells a receiver of what changed, until it knows all.
pub(super) async fn run(app: App, hook: Arc<Hook>, stop: watch::Receiver<bool>) {
    let project = Some(Arc::clone(&hook.project));
    let mut line = Line::new(app.clone(), hook.publisher.clone(), project, stop);
    loop {
        hook.lock().has_more = false;
        let is_done = tell_all(&app, &hook, &mut line).await;
        if is_done {
            look(&app, &hook).await;
        }
        let mut state = hook.lock();
        if !is_done || !state.has_more {
            state.is_at_work = false;
            return;
        }
    }
}

/// Tells of all changes that there are. Not so if the server stops.
async fn tell_all(app: &App, hook: &Hook, line: &mut Line) -> bool {
    let mut position = hook.lock().position;
    let mut noted = (position, Instant::now());
    let filter = ChangeFilter {
        root_execution_id: Some(hook.root.clone()),
        ..ChangeFilter::default()
    };
    loop {
        let page = match app.feed.read(position, filter.clone()).await {
            Ok(page) => page,
            Err(JournalError::Trimmed { after, oldest }) => {
                let execution = hook.root.as_str();
                tracing::warn!(
                    execution,
                    after,
                    oldest,
                    "what is not kept any more is not told"
                );
                position = oldest - 1;
                continue;
            }
            Err(error) => {
                tracing::error!(%error, "a webhook cannot go on yet");
                if line.sleep(PAUSE).await {
                    return false;
                }
                continue;
            }
        };
        let mut since = 0;
        for stored in &page.changes {
            let (event, became) = told(stored);
            if let Some(event) = event
                && !line.tell(&event).await
            {
                note(app, hook, position, &mut noted).await;
                return false;
            }
            position = stored.sequence;
            if let Some(became) = became {
                hook.lock().becomes(became);
            }
            since += 1;
            if since % NOTED == 0 || noted.1.elapsed() >= NOTED_AFTER {
                note(app, hook, position, &mut noted).await;
            }
        }
        position = page.reached.max(position);
        if position >= page.last {
            // Where nothing was told of, the change after it is found as easily.
            if since > 0 {
                note(app, hook, position, &mut noted).await;
            }
            hook.lock().position = position;
            return true;
        }
    }
}

/// Has it durable that all up to `position` is done with.
async fn note(app: &App, hook: &Hook, position: u64, noted: &mut (u64, Instant)) {
    hook.lock().position = position;
    if noted.0 == position {
        return;
    }
    let mut turn = Turn::new();
    hook.put(position, &mut turn);
    match write(&app.journal, turn).await {
        Ok(()) => *noted = (position, Instant::now()),
        // It is told again after a crash, if that comes before the next note.
        Err(error) => tracing::warn!(%error, "how far a webhook is cannot be written"),
    }
}

/// Looks whether an execution of an earlier start is there and runs.
async fn look(app: &App, hook: &Hook) {
    if hook.lock().root.is_some() {
        return;
    }
    let id = hook.root.clone();
    let read = app.read(move |journal| Ok(journal.execution(&id)?));
    match read.await {
        Ok(None) => hook.lock().becomes(Root::Deleted),
        Ok(Some(row)) if row.state.is_completed() => hook.lock().becomes(Root::Ended),
        Ok(Some(_)) => hook.lock().becomes(Root::Runs),
        Err(fault) => {
            let reason = fault.message();
            tracing::warn!(reason, "whether an execution has ended cannot be read");
        }
    }
}

impl State {
    fn becomes(&mut self, root: Root) {
        self.root = Some((root, Instant::now()));
    }
}
