//! Notices to subscribers, who can never slow down what they watch.

use std::sync::{Arc, Mutex};

use ostro_core::Clock;
use tokio::sync::broadcast::{self, error::RecvError, error::TryRecvError};

use crate::figures::Counted;
use crate::record::ExecutionInfo;
use crate::{Notice, NoticeKind, lock};

/// Numbers notices and hands them out.
pub(crate) struct Hub {
    clock: Arc<dyn Clock>,
    /// The last sequence number. Numbering and sending are one step, or notices could arrive
    /// out of order.
    sequence: Mutex<u64>,
    sender: broadcast::Sender<Arc<Notice>>,
    pub(crate) counted: Counted,
}

impl Hub {
    pub(crate) fn new(clock: Arc<dyn Clock>, backlog: usize) -> Self {
        Self {
            clock,
            sequence: Mutex::new(0),
            sender: broadcast::channel(backlog.max(1)).0,
            counted: Counted::default(),
        }
    }

    pub(crate) fn publish(&self, about: &ExecutionInfo, kind: NoticeKind) {
        let mut sequence = lock(&self.sequence);
        *sequence += 1;
        // Nobody listening is no error.
        let _ = self.sender.send(Arc::new(Notice {
            sequence: *sequence,
            at: self.clock.now_millis(),
            execution_id: about.id.clone(),
            workflow: Arc::clone(&about.workflow),
            parent: about.parent.clone(),
            root_id: about.root_id.clone(),
            kind,
        }));
    }

    pub(crate) fn subscribe(&self) -> Subscription {
        Subscription(self.sender.subscribe())
    }
}

/// All notices of a runtime from the moment of subscribing on.
///
/// A subscription is bounded ([`crate::Options::backlog`]): a subscriber that falls behind
/// loses the oldest notices, is told how many, and can read
/// [`crate::Runtime::snapshot`]s to see where things are.
#[derive(Debug)]
pub struct Subscription(broadcast::Receiver<Arc<Notice>>);

/// What a subscription gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Delivery {
    /// The next notice.
    Notice(Arc<Notice>),
    /// This many notices were lost, because the subscriber was too slow.
    Lagged(u64),
}

impl Subscription {
    /// Waits for what comes next; none once the runtime is gone.
    pub async fn next(&mut self) -> Option<Delivery> {
        match self.0.recv().await {
            Ok(notice) => Some(Delivery::Notice(notice)),
            Err(RecvError::Lagged(missed)) => Some(Delivery::Lagged(missed)),
            Err(RecvError::Closed) => None,
        }
    }

    /// What has come already; none if that is nothing yet.
    pub fn try_next(&mut self) -> Option<Delivery> {
        match self.0.try_recv() {
            Ok(notice) => Some(Delivery::Notice(notice)),
            Err(TryRecvError::Lagged(missed)) => Some(Delivery::Lagged(missed)),
            Err(TryRecvError::Empty | TryRecvError::Closed) => None,
        }
    }
}
