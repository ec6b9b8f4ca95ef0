//! What waits to be written: bounded, in order.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ostro_core::Times;
use rusqlite::Connection;

use crate::{Figures, JournalError, Tally, Turn};

/// What is told how a turn went.
pub(crate) type Callback = Box<dyn FnOnce(Result<(), JournalError>) + Send>;
/// Something else that the writer does, between groups.
pub(crate) type Errand = Box<dyn FnOnce(&mut Connection) + Send>;

/// A turn that waits, and who wants to know when it is written.
pub(crate) struct Submission {
    pub(crate) turn: Turn,
    /// Whether it is to survive the loss of power, and not only the end of the process.
    pub(crate) synced: bool,
    pub(crate) callback: Callback,
}

/// What the writer takes from the queue at a time.
pub(crate) enum Work {
    Group(Vec<Submission>),
    Errand(Errand),
    /// Nothing came for a while, after something did.
    Idle,
    End,
}

enum Item {
    Submission(Submission),
    Errand(Errand),
}

/// The bounds of the queue and of a group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) queue_turns: usize,
    pub(crate) queue_bytes: usize,
    pub(crate) group_turns: usize,
    pub(crate) group_bytes: usize,
}

pub(crate) struct Queue {
    bounds: Bounds,
    state: Mutex<State>,
    /// Something came, or the queue was closed.
    filled: Condvar,
    /// Something went.
    drained: Condvar,
    commits: AtomicU64,
    committed: AtomicU64,
    times: Times,
    failures: AtomicU64,
    rows: Mutex<Rows>,
}

/// How many rows there are in each state.
#[derive(Default)]
struct Rows {
    /// How many more than when the journal was opened.
    since: Tally,
    /// How many there were then, if somebody has counted.
    then: Option<Tally>,
}

#[derive(Default)]
struct State {
    items: VecDeque<Item>,
    turns: usize,
    bytes: usize,
    closed: bool,
    /// Who wants to know when there is room.
    waiters: Vec<Box<dyn FnOnce() + Send>>,
}

impl Queue {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            state: Mutex::default(),
            filled: Condvar::new(),
            drained: Condvar::new(),
            commits: AtomicU64::new(0),
            committed: AtomicU64::new(0),
            times: Times::default(),
            failures: AtomicU64::new(0),
            rows: Mutex::default(),
        }
    }

    /// Notes that so many turns were committed at once, how long that took, and how many rows
    /// are in each state that were not.
    pub(crate) fn committed(&self, turns: usize, took: Duration, more: &Tally) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.committed.fetch_add(turns as u64, Ordering::Relaxed);
        self.times.took(took);
        self.rows().since.plus(more);
    }

    /// Notes that the disk did not take a group.
    pub(crate) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that rows were deleted.
    pub(crate) fn deleted(&self, rows: &Tally) {
        self.rows().since.minus(rows);
    }

    /// How many more rows there are than when the journal was opened. Where the writer asks, that
    /// is what is committed.
    pub(crate) fn since(&self) -> Tally {
        self.rows().since
    }

    /// Notes how many rows there were when there were `since` more than at first.
    pub(crate) fn counted(&self, rows: Tally, since: &Tally) {
        let mut then = rows;
        then.minus(since);
        self.rows().then = Some(then);
    }

    pub(crate) fn figures(&self) -> Figures {
        let (queued_turns, queued_bytes) = {
            let state = self.lock();
            (state.turns, state.bytes)
        };
        let rows = self.rows();
        let tally = rows.then.map(|mut tally| {
            tally.plus(&rows.since);
            tally
        });
        drop(rows);
        Figures {
            commits: self.commits.load(Ordering::Relaxed),
            turns: self.committed.load(Ordering::Relaxed),
            queued_turns,
            queued_bytes,
            commit_times: self.times.taken(),
            failures: self.failures.load(Ordering::Relaxed),
            tally,
        }
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a turn into the queue, or gives it back and says why not.
    pub(crate) fn try_push(&self, item: Submission) -> Result<(), (Submission, JournalError)> {
        let mut state = self.lock();
        if state.closed {
            return Err((item, JournalError::Closed));
        }
        if self.is_full(&state, item.turn.bytes()) {
            return Err((item, JournalError::Busy));
        }
        state.push(item);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Puts a turn into the queue as soon as there is room.
    pub(crate) fn push(&self, item: Submission) -> Result<(), (Submission, JournalError)> {
        let mut state = self.lock();
        while !state.closed && self.is_full(&state, item.turn.bytes()) {
            state = self
                .drained
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            return Err((item, JournalError::Closed));
        }
        state.push(item);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Has the writer do something else. Its kind is rare and waits for its end, so it has no
    /// bound of its own.
    pub(crate) fn push_errand(&self, errand: Errand) -> Result<(), JournalError> {
        let mut state = self.lock();
        if state.closed {
            return Err(JournalError::Closed);
        }
        state.items.push_back(Item::Errand(errand));
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Calls `waiter` once at least half of the queue is free, or the journal is closed; now, if
    /// that is so.
    pub(crate) fn on_room(&self, waiter: Box<dyn FnOnce() + Send>) {
        let mut state = self.lock();
        if state.closed || self.is_roomy(&state) {
            drop(state);
            waiter();
        } else {
            state.waiters.push(waiter);
        }
    }

    /// Takes the next work; waits for it. `busy` is whether something came before, after which
    /// a pause is told as [`Work::Idle`].
    pub(crate) fn take(&self, busy: bool, patience: Duration) -> Work {
        let mut state = self.lock();
        while state.items.is_empty() {
            if state.closed {
                return Work::End;
            }
            if busy {
                let (woken, timeout) = self
                    .filled
                    .wait_timeout(state, patience)
                    .unwrap_or_else(PoisonError::into_inner);
                state = woken;
                if timeout.timed_out() && state.items.is_empty() && !state.closed {
                    return Work::Idle;
                }
            } else {
                state = self
                    .filled
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
        let work = self.next(&mut state);
        let waiters = if self.is_roomy(&state) {
            std::mem::take(&mut state.waiters)
        } else {
            Vec::new()
        };
        drop(state);
        self.drained.notify_all();
        for waiter in waiters {
            waiter();
        }
        work
    }

    /// How many turns wait.
    pub(crate) fn turns(&self) -> usize {
        self.lock().turns
    }

    /// Takes at most `turns` turns that wait, without waiting for any.
    pub(crate) fn try_take(&self, turns: usize) -> Vec<Submission> {
        let mut state = self.lock();
        let mut group = Vec::new();
        while group.len() < turns {
            match state.items.pop_front() {
                Some(Item::Submission(submission)) => {
                    state.turns -= 1;
                    state.bytes -= submission.turn.bytes();
                    group.push(submission);
                }
                // Nobody is there to do it; who asked for it is told so when it is dropped.
                Some(Item::Errand(_)) => {}
                None => break,
            }
        }
        let waiters = if self.is_roomy(&state) {
            std::mem::take(&mut state.waiters)
        } else {
            Vec::new()
        };
        drop(state);
        for waiter in waiters {
            waiter();
        }
        group
    }

    fn next(&self, state: &mut State) -> Work {
        let mut group = Vec::new();
        let mut bytes = 0;
        while let Some(item) = state.items.pop_front() {
            match item {
                Item::Errand(errand) if group.is_empty() => return Work::Errand(errand),
                Item::Submission(submission)
                    if group.is_empty()
                        || (group.len() < self.bounds.group_turns
                            && bytes + submission.turn.bytes() <= self.bounds.group_bytes) =>
                {
                    bytes += submission.turn.bytes();
                    state.turns -= 1;
                    state.bytes -= submission.turn.bytes();
                    group.push(submission);
                }
                later => {
                    state.items.push_front(later);
                    break;
                }
            }
        }
        Work::Group(group)
    }

    /// Takes nothing more. What is in the queue is still written.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let waiters = std::mem::take(&mut state.waiters);
        drop(state);
        self.filled.notify_all();
        self.drained.notify_all();
        for waiter in waiters {
            waiter();
        }
    }

    /// A turn that is larger than the whole queue has its turn when the queue is empty.
    fn is_full(&self, state: &State, bytes: usize) -> bool {
        state.turns > 0
            && (state.turns >= self.bounds.queue_turns
                || state.bytes + bytes > self.bounds.queue_bytes)
    }

    fn is_roomy(&self, state: &State) -> bool {
        state.turns <= self.bounds.queue_turns / 2 && state.bytes <= self.bounds.queue_bytes / 2
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, item: Submission) {
        self.turns += 1;
        self.bytes += item.turn.bytes();
        self.items.push_back(Item::Submission(item));
    }
}
