//! Bodies, with what they take of the host's memory counted.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use wasmtime_wasi_http::{Error, WasiBody};

/// How much memory the bodies of an instance take, all together.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    taken: Arc<AtomicU64>,
    most: u64,
}

/// Memory that is taken, until this is dropped.
#[derive(Debug)]
pub(super) struct Held {
    taken: Arc<AtomicU64>,
    bytes: u64,
}

impl Memory {
    pub(super) fn new(most: u64) -> Self {
        let taken = Arc::default();
        Self { taken, most }
    }

    pub(super) fn hold(&self) -> Held {
        let taken = Arc::clone(&self.taken);
        Held { taken, bytes: 0 }
    }

    /// Takes so much more, if there is so much left.
    pub(super) fn take(&self, held: &mut Held, bytes: usize) -> bool {
        let bytes = bytes as u64;
        let more = |taken: u64| taken.checked_add(bytes).filter(|sum| *sum <= self.most);
        let fits = self
            .taken
            .try_update(Ordering::Relaxed, Ordering::Relaxed, more)
            .is_ok();
        if fits {
            held.bytes += bytes;
        }
        fits
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The body of an answer, for a guest to read.
struct Whole {
    bytes: Option<Bytes>,
    _held: Held,
}

/// A body of `bytes`, which are counted as long as it is there.
pub(super) fn whole(bytes: Vec<u8>, held: Held) -> WasiBody {
    let bytes = Some(Bytes::from(bytes)).filter(|bytes| !bytes.is_empty());
    Whole { bytes, _held: held }.boxed_unsync()
}

impl Body for Whole {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }
}
