//! What guests print: standard output and standard error of WASI, as lines for the operator.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::Bytes;
use ostro_core::{ActionContext, ProgressSink};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::text::{MAX_LINE, clean};
use crate::error::LimitError;
use crate::state::{Caller, HostCalls};

/// How much a guest may write at once.
const PERMIT: usize = 64 << 10;

/// One of the two outputs of a guest. Each line of it is a line of the guest's log, of the level
/// debug, and counts as a host call. Cloning gives another handle of the same.
#[derive(Clone)]
pub(crate) struct Output(Arc<Mutex<Lines>>);

struct Lines {
    progress: Arc<dyn ProgressSink>,
    context: ActionContext,
    host_calls: HostCalls,
    /// What was written since the last line ended, cut to somewhat more than is shown.
    line: Vec<u8>,
}

impl Output {
    pub(crate) fn new(caller: &Caller) -> Self {
        Self(Arc::new(Mutex::new(Lines {
            progress: Arc::clone(&caller.progress),
            context: caller.context.clone(),
            host_calls: caller.host_calls.clone(),
            line: Vec::new(),
        })))
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn write(&mut self, bytes: &[u8]) -> Result<(), LimitError> {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.keep(&rest[..end]);
            self.end()?;
            rest = &rest[end + 1..];
        }
        self.keep(rest);
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8]) {
        // One character more than is shown, so that the cut is seen.
        let room = (MAX_LINE + 4).saturating_sub(self.line.len());
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end(&mut self) -> Result<(), LimitError> {
        let line = std::mem::take(&mut self.line);
        self.host_calls.count()?;
        let text = String::from_utf8_lossy(&line);
        let text = text.strip_suffix('\r').unwrap_or(&text);
        if !text.is_empty() {
            let line = format!("debug: {}", clean(text));
            self.progress.note(&self.context, &line);
        }
        Ok(())
    }
}

/// The last line of a guest need not end.
impl Drop for Lines {
    fn drop(&mut self) {
        if !self.line.is_empty() {
            // The guest has ended: there is nobody left to stop.
            let _ = self.end();
        }
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.lines()
            .write(&bytes)
            .map_err(|limit| StreamError::Trap(limit.into()))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT)
    }
}

#[async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Output {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.lines().write(bytes);
        Poll::Ready(written.map(|()| bytes.len()).map_err(io::Error::other))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
