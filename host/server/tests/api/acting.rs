//! Actions that ask a cloud as whoever they act as.

use std::sync::Arc;

use async_trait::async_trait;
use ostro_core::{
    ActionCall, ActionError, ActionErrorKind, ActionOutcome, ActionRunner, ServiceRequest,
    ServiceResponse, Value,
};
use ostro_lang::{Definitions, Diagnostic};
use ostro_openstack::Delegations;
use ostro_runtime::{Library, RunnerSource};
use ostro_server::{Actions, SystemAction};

use crate::world::Known;

/// The actions of the other tests, and one that sends a request.
#[derive(Clone)]
pub(crate) struct Acting {
    pub(crate) delegations: Arc<Delegations>,
    pub(crate) action: SystemAction,
    /// What it asks.
    pub(crate) request: fn(&ActionCall) -> ServiceRequest,
    /// What it makes of the answer.
    pub(crate) result: fn(&ServiceResponse) -> Value,
}

impl Actions for Acting {
    fn all(&self) -> Vec<SystemAction> {
        let mut all = Known.all();
        all.push(self.action.clone());
        all
    }

    fn get(&self, name: &str) -> Option<SystemAction> {
        self.all().into_iter().find(|action| &*action.name == name)
    }

    fn runner(&self, _: Arc<Definitions>) -> (Value, Arc<dyn ActionRunner>) {
        (Value::Null, Arc::new(self.clone()))
    }

    fn check(&self, _: &Definitions) -> Vec<Diagnostic> {
        Vec::new()
    }

    fn origin(&self) -> Value {
        Value::Null
    }
}

impl RunnerSource for Acting {
    fn runner(&self, _: &Library) -> Result<Arc<dyn ActionRunner>, String> {
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
impl ActionRunner for Acting {
    async fn run(&self, call: ActionCall) -> ActionOutcome {
        if call.name != self.action.name {
            return Known.run(call).await;
        }
        let failed =
            |error: String| ActionOutcome::Error(ActionError::new(ActionErrorKind::Action, error));
        let Some(cloud) = self.delegations.cloud(call.root.as_str()) else {
            return failed("it would act as the operator".to_owned());
        };
        match cloud.send((self.request)(&call)).await {
            Ok(answer) => ActionOutcome::Success((self.result)(&answer)),
            Err(error) => failed(error.to_string()),
        }
    }
}
