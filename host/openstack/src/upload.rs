//! Bodies that come in pieces: what is uploaded is never in memory as a whole.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use thiserror::Error;
use tokio::sync::mpsc;

use crate::CloudError;

/// How many pieces may wait to be sent, beside the one that is being sent.
const WAITING: usize = 1;
/// The most that is gathered for a cloud that does not stream, in bytes.
const MAX_GATHERED: usize = 64 << 20;

/// The receiving end: a body of HTTP.
///
/// It ends well only when it was told so: where the sending end is dropped before, the exchange
/// breaks, and the service drops what it has.
#[derive(Debug)]
pub struct Upload(mpsc::Receiver<Option<Bytes>>);

/// The sending end.
#[derive(Debug)]
pub struct Pieces(mpsc::Sender<Option<Bytes>>);

/// Nobody takes the pieces of an upload any more, or no more pieces come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the upload was left before its end")]
pub struct Left;

impl Upload {
    /// Both ends of a new one.
    pub fn new() -> (Pieces, Self) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Pieces(sender), Self(receiver))
    }
}

impl Pieces {
    /// Sends a piece; waits while those before it are being sent.
    pub async fn send(&self, piece: Bytes) -> Result<(), Left> {
        if piece.is_empty() {
            return Ok(());
        }
        self.0.send(Some(piece)).await.map_err(|_| Left)
    }

    /// Ends the upload well.
    pub async fn end(self) -> Result<(), Left> {
        self.0.send(None).await.map_err(|_| Left)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Left;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Left>>> {
        self.get_mut().0.poll_recv(context).map(|came| match came {
            Some(Some(piece)) => Some(Ok(Frame::data(piece))),
            Some(None) => None,
            None => Some(Err(Left)),
        })
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// All pieces in one.
pub(crate) async fn gathered(mut upload: Upload) -> Result<Vec<u8>, CloudError> {
    let mut all = Vec::new();
    while let Some(piece) = upload.0.recv().await {
        let Some(piece) = piece else { return Ok(all) };
        if all.len() + piece.len() > MAX_GATHERED {
            return Err(CloudError::Exhausted(format!(
                "the upload has more than {MAX_GATHERED} bytes"
            )));
        }
        all.extend_from_slice(&piece);
    }
    Err(CloudError::Invalid(Left.to_string()))
}
