//! When something is asked for again: where a server is away for a while, as one is that is started
//! again.

use std::time::Duration;

use reqwest::StatusCode;
use tokio::time::{Instant, sleep};

use crate::ClientError;

/// The waits between attempts; each is twice as long as the one before.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// For how long a server may be away before it is given up.
const PATIENCE: Duration = Duration::from_mins(10);

/// A server that was there, and is away.
pub(crate) struct Away {
    since: Instant,
    wait: Duration,
}

impl Away {
    /// Since now.
    pub(crate) fn new() -> Self {
        Self {
            since: Instant::now(),
            wait: FIRST_WAIT,
        }
    }

    /// Waits until it is time to try again. False where it has been away for too long.
    pub(crate) async fn wait(&mut self) -> bool {
        if self.since.elapsed() > PATIENCE {
            return false;
        }
        sleep(self.wait).await;
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
        true
    }
}

/// Whether the same request may be answered in a while.
pub(crate) fn is_passing(error: &ClientError) -> bool {
    match error {
        ClientError::Unreachable { .. } | ClientError::Lost { .. } => true,
        ClientError::Refused { status, .. } => {
            *status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
        }
        _ => false,
    }
}
