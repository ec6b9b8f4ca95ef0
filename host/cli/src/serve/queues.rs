//! The server's own queues, as the messaging service of each project's executions.

use std::sync::Arc;

use async_trait::async_trait;
use ostro_actions::Registry;
use ostro_core::{ActionCall, ActionOutcome, ActionRunner};
use ostro_server::Zaqar;

/// The runner of a registry, with the server's own queues as the messaging service of its cloud.
pub(super) fn with_queues(registry: Registry, zaqar: Option<&Arc<Zaqar>>) -> Arc<dyn ActionRunner> {
    match zaqar {
        None => Arc::new(registry),
        Some(zaqar) => Arc::new(WithQueues {
            registry,
            zaqar: Arc::clone(zaqar),
        }),
    }
}

/// Runs each action with the queues of the project that it is for.
struct WithQueues {
    registry: Registry,
    zaqar: Arc<Zaqar>,
}

#[async_trait]
impl ActionRunner for WithQueues {
    async fn run(&self, call: ActionCall) -> ActionOutcome {
        let project = Arc::clone(&call.context.project);
        let registry = self
            .registry
            .for_call(&call)
            .with_cloud(|cloud| self.zaqar.cloud(&project, cloud));
        registry.run(call).await
    }

    fn only_reads(&self, name: &str) -> bool {
        self.registry.only_reads(name)
    }
}
