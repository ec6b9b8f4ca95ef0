//! What registries answer: errors in words, and bytes in bounds.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use oci_client::errors::{OciDistributionError, OciErrorCode};
use tokio::io::AsyncWrite;

/// Whether a registry says that it does not have what it was asked for.
pub(super) fn is_absent(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::ImageManifestNotFoundError(_)
        | OciDistributionError::ServerError { code: 404, .. } => true,
        OciDistributionError::RegistryError { envelope, .. } => envelope.errors.iter().any(|one| {
            matches!(
                one.code,
                OciErrorCode::ManifestUnknown
                    | OciErrorCode::NameUnknown
                    | OciErrorCode::BlobUnknown
                    | OciErrorCode::NotFound
            )
        }),
        _ => false,
    }
}

/// What went wrong, in one line that a person can do something with.
pub(super) fn reason(error: &OciDistributionError) -> String {
    match error {
        OciDistributionError::RequestError(_) => {
            // The innermost cause says what happened; the others say that something did.
            let mut cause: &dyn std::error::Error = error;
            while let Some(inner) = cause.source() {
                cause = inner;
            }
            format!("it cannot be reached: {cause}")
        }
        OciDistributionError::UnauthorizedError { .. }
        | OciDistributionError::AuthenticationFailure(_) => {
            "it wants to know who asks, or does not let you: log in with `docker login`, \
             `podman login` or `oras login`"
                .to_owned()
        }
        OciDistributionError::RegistryError { envelope, .. } => {
            let said = envelope.errors.iter().map(ToString::to_string);
            let said: Vec<String> = said.map(|one| one.replace("OCI API error: ", "")).collect();
            format!("it answers: {}", said.join("; "))
        }
        OciDistributionError::ServerError { code, message, .. } => {
            let first = message.lines().next().unwrap_or_default();
            format!("it answers with {code} {first}")
                .trim_end()
                .to_owned()
        }
        other => other.to_string(),
    }
}

/// What a layer is written to: no more than it may have.
pub(super) struct Bounded {
    pub(super) bytes: Vec<u8>,
    pub(super) size: usize,
}

impl AsyncWrite for Bounded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.bytes.len() + bytes.len() > self.size {
            return Poll::Ready(Err(io::ErrorKind::FileTooLarge.into()));
        }
        self.bytes.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
