//! Limits for services: how many requests each may have to answer at a time.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use ostro_core::{ServiceRequest, ServiceResponse};
use thiserror::Error;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::session::official;
use crate::{Cloud, CloudError, Upload};

/// How many requests a service may have to answer at a time, as `baremetal=20`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceLimit {
    /// The type of the service in Keystone's catalogue, or an alias of it.
    pub service: String,
    /// How many; at least one.
    pub requests: usize,
}

impl fmt::Display for ServiceLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.service, self.requests)
    }
}

/// Why a text is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a limit is a service's type and how many requests it may have at a time, as baremetal=20")]
pub struct NoServiceLimit;

impl FromStr for ServiceLimit {
    type Err = NoServiceLimit;

    fn from_str(text: &str) -> Result<Self, NoServiceLimit> {
        let (service, requests) = text.split_once('=').ok_or(NoServiceLimit)?;
        let requests = requests.trim().parse().map_err(|_| NoServiceLimit)?;
        let service = service.trim().to_owned();
        if service.is_empty() || requests == 0 || requests > Semaphore::MAX_PERMITS {
            return Err(NoServiceLimit);
        }
        Ok(Self { service, requests })
    }
}

/// A cloud whose services have limits. Requests beyond a limit wait their turn, in the order in
/// which they came, so that a with-items task over a thousand nodes doesn't take Ironic down.
///
/// One that waits longer than its caller has time is dropped and never sent.
pub struct Throttled {
    cloud: Arc<dyn Cloud>,
    /// By the services' official types.
    services: Arc<BTreeMap<String, Semaphore>>,
}

impl Throttled {
    /// `cloud` with `limits`; of two for one service the last one counts.
    pub fn new(cloud: Arc<dyn Cloud>, limits: &[ServiceLimit]) -> Self {
        let services = limits.iter().map(|limit| {
            let service = official(&limit.service).to_owned();
            (service, Semaphore::new(limit.requests))
        });
        Self {
            services: Arc::new(services.collect()),
            cloud,
        }
    }

    /// The same services, asked through `cloud`: the limits are for both together.
    #[must_use]
    pub(crate) fn through(&self, cloud: Arc<dyn Cloud>) -> Self {
        Self {
            cloud,
            services: Arc::clone(&self.services),
        }
    }

    /// A place among the requests of a service; none where it has no limit.
    async fn place(&self, service: &str) -> Option<SemaphorePermit<'_>> {
        // They are never closed.
        match self.services.get(official(service)) {
            Some(limit) => limit.acquire().await.ok(),
            None => None,
        }
    }
}

#[async_trait]
impl Cloud for Throttled {
    async fn send(&self, request: ServiceRequest) -> Result<ServiceResponse, CloudError> {
        let _place = self.place(&request.service).await;
        self.cloud.send(request).await
    }

    async fn upload(
        &self,
        request: ServiceRequest,
        body: Upload,
    ) -> Result<ServiceResponse, CloudError> {
        // It waits its turn and then keeps no place: whoever uploads may have to ask the service
        // something else before it can go on.
        drop(self.place(&request.service).await);
        self.cloud.upload(request, body).await
    }
}
