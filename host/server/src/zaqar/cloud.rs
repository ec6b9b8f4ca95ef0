//! Stands between executions and their cloud: what they ask of the messaging service is answered
//! here, and the rest passes.

use std::sync::Arc;

use async_trait::async_trait;
use ostro_core::{ServiceRequest, ServiceResponse};
use ostro_openstack::{Cloud, CloudError, Upload};

use super::project::Project;
use super::{Zaqar, rest};

impl Zaqar {
    /// `cloud` for the executions of `project`, with the project's queues here as its messaging
    /// service.
    pub fn cloud(self: &Arc<Self>, project: &str, cloud: Arc<dyn Cloud>) -> Arc<dyn Cloud> {
        Arc::new(Messaging {
            own: Own {
                zaqar: Arc::clone(self),
                project: project.to_owned(),
            },
            cloud,
        })
    }
}

struct Messaging {
    own: Own,
    cloud: Arc<dyn Cloud>,
}

/// The messaging service alone.
struct Own {
    zaqar: Arc<Zaqar>,
    project: String,
}

/// The type of the service in Keystone's catalogue, and its other name.
fn is_messaging(request: &ServiceRequest) -> bool {
    matches!(&*request.service, "message" | "messaging")
}

#[async_trait]
impl Cloud for Own {
    async fn send(&self, request: ServiceRequest) -> Result<ServiceResponse, CloudError> {
        let zaqar = Arc::clone(&self.zaqar);
        let project: Arc<Project> = zaqar.project(&self.project);
        // It comes to its end, though the execution is cancelled meanwhile: what is durable is
        // known to the server, too.
        let answer = tokio::spawn(async move { rest::answer(&zaqar, &project, &request).await });
        answer.await.map_err(|error| CloudError::Unreachable {
            service: "messaging".to_owned(),
            reason: error.to_string(),
        })
    }
}

#[async_trait]
impl Cloud for Messaging {
    async fn send(&self, request: ServiceRequest) -> Result<ServiceResponse, CloudError> {
        if is_messaging(&request) {
            self.own.send(request).await
        } else {
            self.cloud.send(request).await
        }
    }

    async fn upload(
        &self,
        request: ServiceRequest,
        body: Upload,
    ) -> Result<ServiceResponse, CloudError> {
        if is_messaging(&request) {
            self.own.upload(request, body).await
        } else {
            self.cloud.upload(request, body).await
        }
    }
}
