//! Where turns become durable.

use std::time::Duration;

use ostro_core::stored::SaveError;
use ostro_journal::{Journal, JournalError, Refused, Turn};
use tokio::sync::oneshot;

use crate::figures::Stalled;
use crate::hub::Hub;
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
    Journal(Journal),
}

impl Store {
    pub(crate) fn journal(&self) -> Option<&Journal> {
        match self {
            Store::Memory => None,
            Store::Journal(journal) => Some(journal),
        }
    }
}

/// Writes a turn and waits until it is durable or has failed.
pub(crate) async fn write(journal: &Journal, mut turn: Turn) -> Result<(), JournalError> {
    loop {
        let (sender, receiver) = oneshot::channel();
        let done = move |result| {
            // Whoever waited may be gone, with the process.
            let _ = sender.send(result);
        };
        match journal.try_submit(turn, done) {
            Ok(()) => return receiver.await.unwrap_or(Err(JournalError::Closed)),
            Err(Refused {
                turn: refused,
                reason: JournalError::Busy,
            }) => {
                turn = refused;
                let (sender, room) = oneshot::channel();
                journal.on_room(move || {
                    // Whoever waited may be gone, with the process.
                    let _ = sender.send(());
                });
                let _ = room.await;
            }
            Err(Refused { reason, .. }) => return Err(reason),
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

/// Writes the turn that `make` gives, again and again while the disk fails: what happened has
/// happened, and cannot be refused. The error is one that trying again does not help. Whoever
/// watches is told that it waits, once, and that it goes on.
pub(crate) async fn insist(
    journal: &Journal,
    (hub, about): (&Hub, &ExecutionInfo),
    make: impl Fn() -> Result<Turn, SaveError>,
) -> Result<(), Unwritten> {
    let mut pause = FIRST_PAUSE;
    let mut told = false;
    let mut stalled = None;
    loop {
        match write(journal, make()?).await {
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
