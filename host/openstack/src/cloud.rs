//! The one door to a cloud: everything that reaches OpenStack goes through [`Cloud::send`].

use async_trait::async_trait;
use ostro_core::{ServiceRequest, ServiceResponse};
use thiserror::Error;

use crate::upload::{Upload, gathered};

/// A cloud that takes requests.
///
/// Implementations: [`crate::Session`] talks to a real one; the sandbox wraps any with the
/// grants of a pack; tests answer by themselves.
#[async_trait]
pub trait Cloud: Send + Sync {
    /// Sends one request and gives the answer, whatever its status.
    async fn send(&self, request: ServiceRequest) -> Result<ServiceResponse, CloudError>;

    /// As [`Cloud::send`], with a body that comes in pieces in the place of the request's own. It
    /// is never sent again. Where a cloud does not stream, the pieces are gathered, and there is a
    /// bound to that.
    async fn upload(
        &self,
        mut request: ServiceRequest,
        body: Upload,
    ) -> Result<ServiceResponse, CloudError> {
        request.body = gathered(body).await?;
        self.send(request).await
    }
}

/// Why a request got no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CloudError {
    /// No cloud is configured.
    #[error("no cloud to talk to: {0}")]
    NoCloud(String),
    /// Keystone refused the credentials.
    #[error("authentication failed: {0}")]
    Authentication(String),
    /// The catalogue has no such service.
    #[error("the cloud has no {service:?} service: its catalogue lists {known}")]
    NoService {
        /// The type that was asked for.
        service: String,
        /// The types that there are.
        known: String,
    },
    /// The request was not let through; the text says what was missing.
    #[error("{0}")]
    Denied(String),
    /// A limit of whoever sends is used up.
    #[error("{0}")]
    Exhausted(String),
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The service could not be reached, or its answer could not be read.
    #[error("the {service:?} service cannot be reached: {reason}")]
    Unreachable {
        /// The type of the service.
        service: String,
        /// What went wrong, without the endpoint's secrets.
        reason: String,
    },
}
