//! A stream to a file, where each byte is counted before it is written.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use ostro_packs::FolderGrant;
use wasmtime_wasi::p2::{DynOutputStream, OutputStream, Pollable, StreamError, StreamResult};

use crate::folders::{Reserved, Usage};

pub(super) struct Counted {
    inner: DynOutputStream,
    usage: Arc<Usage>,
    grant: FolderGrant,
    /// What the inner stream may not have written yet.
    pending: Option<Reserved>,
    /// Whether the folder was measured in this call.
    is_measured: bool,
}

impl Counted {
    pub(super) fn new(
        inner: DynOutputStream,
        usage: Arc<Usage>,
        grant: FolderGrant,
        is_measured: bool,
    ) -> Self {
        Self {
            inner,
            usage,
            grant,
            pending: None,
            is_measured,
        }
    }
}

/// What a full disk says.
fn full() -> StreamError {
    StreamError::LastOperationFailed(io::Error::from_raw_os_error(ENOSPC).into())
}

/// No space left on device, on Linux.
const ENOSPC: i32 = 28;

#[async_trait]
impl OutputStream for Counted {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let Ok(room) = self.usage.reserve(&self.grant, bytes.len() as u64, 0) else {
            return Err(full());
        };
        // It may overwrite.
        self.usage.is_less();
        self.inner.write(bytes)?;
        self.pending = Some(room);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.inner.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        let permit = self.inner.check_write()?;
        if permit == 0 {
            return Ok(0);
        }
        self.pending = None;
        if !self.is_measured {
            return Ok(0);
        }
        let room = self.usage.room(&self.grant);
        if room == 0 && self.usage.is_high() {
            return Ok(0);
        }
        // With no room at all the write itself says so.
        let room = usize::try_from(room.max(1)).unwrap_or(usize::MAX);
        Ok(permit.min(room))
    }

    async fn cancel(&mut self) {
        self.inner.cancel().await;
    }
}

#[async_trait]
impl Pollable for Counted {
    async fn ready(&mut self) {
        self.inner.ready().await;
        let is_stuck = self.usage.room(&self.grant) == 0 && self.usage.is_high();
        if !self.is_measured || is_stuck {
            self.is_measured = true;
            self.usage.measure(self.grant.max_files).await;
        }
    }
}
