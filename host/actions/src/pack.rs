//! The actions of packs.

use std::sync::Arc;

use async_trait::async_trait;
use ostro_core::{ActionCall, Map, Value};
use ostro_openstack::Cloud;
use ostro_packs::{InputError, Signature, Version};
use ostro_sandbox::{CallError, Ended, LoadedPack};

use crate::describe::{ActionDescription, ActionKind, Parameter};

/// What the registry needs of a pack: of one in the sandbox, and of one in a test.
#[async_trait]
pub(crate) trait PackActions: Send + Sync {
    fn name(&self) -> Arc<str>;
    fn version(&self) -> Version;
    fn signatures(&self) -> Vec<Arc<Signature>>;
    /// Calls the action called `action`; `call` names the one that was asked for.
    async fn call(
        &self,
        action: &str,
        input: &Map,
        call: &ActionCall,
        cloud: Arc<dyn Cloud>,
    ) -> Result<Ended, CallError>;
}

#[async_trait]
impl PackActions for LoadedPack {
    fn name(&self) -> Arc<str> {
        Arc::clone(&self.id().name)
    }

    fn version(&self) -> Version {
        LoadedPack::version(self).clone()
    }

    fn signatures(&self) -> Vec<Arc<Signature>> {
        LoadedPack::signatures(self).to_vec()
    }

    async fn call(
        &self,
        action: &str,
        input: &Map,
        call: &ActionCall,
        cloud: Arc<dyn Cloud>,
    ) -> Result<Ended, CallError> {
        let progress = Arc::clone(&call.progress);
        LoadedPack::call(self, action, input, cloud, &call.context, progress).await
    }
}

/// One action of a pack.
#[derive(Clone)]
pub(crate) struct PackAction {
    pub(crate) pack: Arc<dyn PackActions>,
    pub(crate) signature: Arc<Signature>,
}

impl PackAction {
    /// What is wrong with `value` as the parameter `name`.
    pub(crate) fn check_value(&self, name: &str, value: &Value) -> Option<String> {
        let error = self.signature.check_param(name, value).err()?;
        // The parameter is named already; only what lies within it has a path worth telling.
        let InputError { path, problem } = error;
        Some(if path == name {
            problem
        } else {
            format!("{path}: {problem}")
        })
    }

    pub(crate) fn describe(&self) -> ActionDescription {
        let Signature {
            name,
            params,
            result,
            docs,
            is_validation,
            ..
        } = &*self.signature;
        let parameters = params.iter().map(|param| Parameter {
            name: param.name.to_string().into(),
            ty: Some(param.ty.to_string().into()),
            required: !param.ty.is_optional(),
            default: None,
            docs: param.docs.clone(),
        });
        ActionDescription {
            name: Arc::clone(name),
            kind: ActionKind::Pack {
                pack: self.pack.name(),
                validation: *is_validation,
            },
            parameters: parameters.collect(),
            result: result.as_ref().map(|ty| ty.to_string().into()),
            docs: docs.clone(),
        }
    }
}
