//! A pack, compiled and linked: ready to be called.

use std::collections::HashMap;
use std::sync::Arc;

use ostro_core::{ActionContext, Map, ProgressSink, Value};
use ostro_openstack::Cloud;
use ostro_packs::{Component, Grants, Limits, Pack, Signature};
use wasmtime::component::{self, ComponentExportIndex, InstancePre, Linker};

use crate::engine::{Sandbox, Shared};
use crate::error::{CallError, SandboxError};
use crate::state::State;
use crate::{call, host};

/// A pack whose actions can be called, as often and from as many tasks as wanted. Cloning gives
/// another handle of the same.
#[derive(Clone)]
pub struct LoadedPack {
    pub(crate) inner: Arc<Loaded>,
}

pub(crate) struct Loaded {
    pub(crate) sandbox: Arc<Shared>,
    pub(crate) policy: Arc<Policy>,
    actions: HashMap<Arc<str>, Action>,
    signatures: Vec<Arc<Signature>>,
}

/// What a pack may do, for the host side of its calls.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) pack: String,
    pub(crate) grants: Grants,
    pub(crate) limits: Limits,
}

/// An action with all that can be found out before it is called.
pub(crate) struct Action {
    pub(crate) signature: Arc<Signature>,
    pub(crate) instance: InstancePre<State>,
    pub(crate) function: ComponentExportIndex,
    /// How many slots of the sandbox an instance takes.
    pub(crate) slots: u32,
}

impl Sandbox {
    /// Compiles a pack and links it to exactly what `grants` allow: the manifest's own, or what
    /// the operator put in their place. A component that imports more is refused here.
    ///
    /// Compiling takes from a tenth of a second to half a minute; with a cache, later loads take
    /// milliseconds. It blocks the thread.
    pub fn load(&self, pack: &Pack, grants: &Grants) -> Result<LoadedPack, SandboxError> {
        let name = &pack.manifest.name;
        let limits = &pack.manifest.limits;
        let config = &self.shared.config;
        let too_much = |what: String, most: String| SandboxError::TooMuch {
            pack: name.clone(),
            what,
            most,
        };
        if limits.memory > config.max_memory {
            return Err(too_much(
                format!("{} bytes of memory", limits.memory),
                format!("{} bytes", config.max_memory),
            ));
        }
        if limits.time > config.max_time {
            return Err(too_much(
                format!("{:?}", limits.time),
                format!("{:?}", config.max_time),
            ));
        }
        pack.check_imports(grants)?;
        let mut actions = HashMap::new();
        for component in &pack.components {
            self.load_component(component, &mut actions)
                .map_err(|error| SandboxError::Component {
                    pack: name.clone(),
                    component: component.name.clone(),
                    reason: format!("{error:#}"),
                })?;
        }
        Ok(LoadedPack {
            inner: Arc::new(Loaded {
                sandbox: Arc::clone(&self.shared),
                policy: Arc::new(Policy {
                    pack: name.clone(),
                    grants: grants.clone(),
                    limits: limits.clone(),
                }),
                actions,
                signatures: pack.signatures().cloned().collect(),
            }),
        })
    }

    fn load_component(
        &self,
        component: &Component,
        actions: &mut HashMap<Arc<str>, Action>,
    ) -> wasmtime::Result<()> {
        let engine = &self.shared.engine;
        let compiled = component::Component::from_binary(engine, &component.bytes)?;
        let mut linker = Linker::new(engine);
        host::link(&mut linker, component)?;
        let instance = linker.instantiate_pre(&compiled)?;
        let needs = compiled.resources_required();
        let slots = needs.map_or(8, |needs| {
            (needs.num_memories / 2).max(needs.num_tables / 8)
        });
        let slots = slots.clamp(1, self.shared.config.max_instances.max(1));
        for signature in &component.signatures {
            let export = &signature.export;
            let function = compiled
                .get_export_index(None, &*export.interface)
                .and_then(|interface| {
                    compiled.get_export_index(Some(&interface), &*export.function)
                })
                .ok_or_else(|| {
                    wasmtime::Error::msg(format!("{} is not exported", signature.name))
                })?;
            let signature = Arc::clone(signature);
            let action = Action {
                signature,
                instance: instance.clone(),
                function,
                slots,
            };
            actions.insert(Arc::clone(&action.signature.name), action);
        }
        Ok(())
    }
}

impl LoadedPack {
    /// The pack's name.
    pub fn name(&self) -> &str {
        &self.inner.policy.pack
    }

    /// The pack's actions.
    pub fn signatures(&self) -> &[Arc<Signature>] {
        &self.inner.signatures
    }

    /// Calls the action called `action` in a fresh instance, and gives what it gives.
    ///
    /// Dropping the future stops the guest. It must be polled by a tokio runtime with timers.
    pub async fn call(
        &self,
        action: &str,
        input: &Map,
        cloud: Arc<dyn Cloud>,
        context: &ActionContext,
        progress: Arc<dyn ProgressSink>,
    ) -> Result<Value, CallError> {
        let Some(found) = self.inner.actions.get(action) else {
            return Err(CallError::NoAction {
                pack: self.name().to_owned(),
                action: action.to_owned(),
            });
        };
        call::call(&self.inner, found, input, cloud, context, progress).await
    }
}
