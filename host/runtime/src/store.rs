//! Where turns become durable.

use std::time::Duration;

use ostro_core::stored::SaveError;
use ostro_journal::{Journal, JournalError, Refused, Turn};
use tokio::sync::oneshot;

use crate::figures::Stalled;
use crate::hub::Hub;
use crate::relay::Relay;
use crate::{ExecutionInfo, NoticeKind};

/// How long to wait before a disk that failed is tried again, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Where turns become durable.
#[derive(Clone, Debug)]
pub(crate) enum Store {
    /// Nowhere: they end with the process.
    Memory,
    /// In a journal.
    Durable(Durable),
}

impl Store {
    pub(crate) fn durable(&self) -> Option<&Durable> {
        match self {
            Store::Memory => None,
            Store::Durable(durable) => Some(durable),
        }
    }

    pub(crate) fn journal(&self) -> Option<&Journal> {
        self.durable().map(|durable| &durable.journal)
    }
}

/// A journal that tasks wait for.
#[derive(Clone, Debug)]
pub(crate) struct Durable {
    journal: Journal,
    /// None where turns are not written by a thread of their own.
    relay: Option<Relay>,
}

impl Durable {
    pub(crate) fn new(journal: Journal) -> Self {
        let relay = journal.blocks().then(Relay::default);
        Self { journal, relay }
    }

    /// Writes a turn and waits until it is durable or has failed.
    pub(crate) async fn write(&self, mut turn: Turn) -> Result<(), JournalError> {
        loop {
            match self.submit(turn) {
                Ok(receiver) => return receiver.await.unwrap_or(Err(JournalError::Closed)),
                Err(Refused {
                    turn: refused,
                    reason: JournalError::Busy,
                }) => {
                    turn = refused;
                    let (sender, room) = oneshot::channel();
                    self.journal.on_room(move || {
                        // Whoever waited may be gone, with the process.
                        let _ = sender.send(());
                    });
                    let _ = room.await;
                }
                Err(Refused { reason, .. }) => return Err(reason),
            }
        }
    }

    fn submit(&self, turn: Turn) -> Result<oneshot::Receiver<Result<(), JournalError>>, Refused> {
        if let Some(relay) = &self.relay {
            let (done, receiver) = relay.waiter();
            return self.journal.try_submit(turn, done).map(|()| receiver);
        }
        let (sender, receiver) = oneshot::channel();
        // Whoever waited may be gone, with the process.
        let done = |written| drop(sender.send(written));
        self.journal.try_submit(turn, done).map(|()| receiver)
    }

    /// Writes the turn that `make` gives, again and again while the disk fails: what happened has
    /// happened, and cannot be refused. The error is one that trying again does not help. Whoever
    /// watches is told that it waits, once, and that it goes on.
    pub(crate) async fn insist(
        &self,
        (hub, about): (&Hub, &ExecutionInfo),
        make: impl Fn() -> Result<Turn, SaveError>,
    ) -> Result<(), Unwritten> {
        let mut pause = FIRST_PAUSE;
        let mut told = false;
        let mut stalled = None;
        loop {
            match self.write(make()?).await {
                Err(error) if error.is_disk() => {
                    if !told {
                        let execution = &about.id;
                        tracing::error!(%execution, %error, "it waits until its turn can be written");
                        let reason = error.to_string().into();
                        hub.publish(about, NoticeKind::Stalled { reason });
                        told = true;
                        stalled = Some(Stalled::new(&hub.counted.stalled));
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                other => {
                    drop(stalled);
                    if told && other.is_ok() {
                        tracing::info!(execution = %about.id, "its turn is written, and it goes on");
                        hub.publish(about, NoticeKind::Recovered);
                    }
                    return Ok(other?);
                }
            }
        }
    }
}

/// Why a turn is not written.
pub(crate) enum Unwritten {
    /// The journal did not take it.
    Journal(JournalError),
    /// Something in it nests more deeply than what is read again.
    TooDeep,
}

impl From<JournalError> for Unwritten {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

impl From<SaveError> for Unwritten {
    fn from(_: SaveError) -> Self {
        Self::TooDeep
    }
}
