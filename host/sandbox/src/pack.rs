//! A pack, compiled and linked: ready to be called.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use ostro_core::{
    ActionContext, ActionExecutionId, ActionOutcome, ExecutionId, Map, Progress, ProgressSink,
    ServiceRequest, ServiceResponse, Value,
};
use ostro_openstack::{Cloud, CloudError};
use ostro_packs::{
    Access, Component, Grants, HttpGrant, Limits, ObjectGrant, Pack, SecretGrant, Signature,
    Version,
};
use wasmtime::component::{self, ComponentExportIndex, InstancePre, Linker};

use crate::call::Outside;
use crate::engine::{Sandbox, Shared};
use crate::error::{CallError, RecordingError, SandboxError};
use crate::folders::Folder;
use crate::health::PackId;
use crate::pace::{Pace, Whose};
use crate::recording::{RecordedContext, RecordedPack, Recorder, Recording, Replayed, Tape};
use crate::secrets::{PackSecrets, Secrets};
use crate::state::State;
use crate::{call, host};

/// A pack whose actions can be called, as often and from as many tasks as wanted. Cloning gives
/// another handle of the same.
#[derive(Clone)]
pub struct LoadedPack {
    inner: Arc<Loaded>,
    recorder: Option<Arc<dyn Recorder>>,
}

pub(crate) struct Loaded {
    pub(crate) sandbox: Arc<Shared>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) folders: Arc<[Folder]>,
    actions: HashMap<Arc<str>, Action>,
    signatures: Vec<Arc<Signature>>,
    version: Version,
}

/// What a pack may do, for the host side of its calls.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) id: PackId,
    pub(crate) grants: Grants,
    /// What it asks for.
    own_limits: Limits,
    /// Its own, or the operator's where these are narrower.
    pub(crate) limits: Limits,
    pub(crate) secrets: Arc<PackSecrets>,
    /// How many instances there may be at the same time.
    pub(crate) concurrent: Option<u32>,
    pub(crate) pace: Option<Arc<Pace>>,
}

/// How a call of an action ended well.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    /// It gave this.
    Gave(Value),
    /// Somebody else finishes the action execution: the action said so, and what it returned does
    /// not count.
    Deferred,
}

/// An action with all that can be found out before it is called.
pub(crate) struct Action {
    pub(crate) signature: Arc<Signature>,
    pub(crate) instance: InstancePre<State>,
    pub(crate) function: ComponentExportIndex,
    /// How many slots of the sandbox an instance takes.
    pub(crate) slots: u32,
    /// What its component imports that tells it something and is not recorded.
    not_recorded: Arc<[String]>,
    /// Whether its component has a validation, and so only reads.
    pub(crate) only_reads: bool,
}

impl Sandbox {
    /// Compiles a pack and links it to exactly what `grants` allow: the manifest's own, or what
    /// the operator put in their place. A component that imports more is refused here, and so is
    /// a folder that is not there.
    ///
    /// A pack that is in memory with the same digest and grants is not loaded once more: it is
    /// shared, and leaves memory when the last handle is dropped and the last call has ended.
    ///
    /// Compiling takes from a tenth of a second to half a minute; with a cache, later loads take
    /// milliseconds. It blocks the thread.
    ///
    /// Secrets that are granted have to be in [`crate::SandboxConfig::secrets`].
    pub fn load(&self, pack: &Pack, grants: &Grants) -> Result<LoadedPack, SandboxError> {
        let (secrets, missing) = PackSecrets::granted(&self.shared.config.secrets, grants);
        if missing.is_empty() {
            return self.load_with(pack, grants, secrets);
        }
        Err(SandboxError::Secrets {
            pack: pack.manifest.name.clone(),
            missing,
        })
    }

    fn load_with(
        &self,
        pack: &Pack,
        grants: &Grants,
        secrets: PackSecrets,
    ) -> Result<LoadedPack, SandboxError> {
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
        if let Some(inner) = self.find(pack, grants) {
            return Ok(LoadedPack {
                inner,
                recorder: None,
            });
        }
        pack.check_imports(grants)?;
        let mut closed = config.closed.clone();
        closed.extend(config.cache_dir.clone());
        let folders = self.shared.folders.open(&grants.files, &closed);
        let folders = folders.map_err(|(path, reason)| SandboxError::Folder {
            pack: name.clone(),
            path,
            reason,
        })?;
        let mut actions = HashMap::new();
        for component in &pack.components {
            self.load_component(component, !folders.is_empty(), &mut actions)
                .map_err(|error| SandboxError::Component {
                    pack: name.clone(),
                    component: component.name.clone(),
                    reason: format!("{error:#}"),
                })?;
        }
        let inner = Arc::new(Loaded {
            sandbox: Arc::clone(&self.shared),
            policy: Arc::new(self.policy(pack, grants, secrets)),
            folders: folders.into(),
            actions,
            signatures: pack.signatures().cloned().collect(),
            version: pack.manifest.version.clone(),
        });
        let mut loaded = self.shared.loaded();
        let of_digest = loaded
            .entry(Arc::clone(&inner.policy.id.digest))
            .or_default();
        of_digest.push(Arc::downgrade(&inner));
        drop(loaded);
        Ok(LoadedPack {
            inner,
            recorder: None,
        })
    }

    /// The pack, if it is in memory with these grants.
    fn find(&self, pack: &Pack, grants: &Grants) -> Option<Arc<Loaded>> {
        let found: Vec<Arc<Loaded>> = {
            let loaded = self.shared.loaded();
            let of_digest = loaded.get(pack.digest.as_str())?;
            of_digest.iter().filter_map(Weak::upgrade).collect()
        };
        found.into_iter().find(|loaded| {
            let policy = &loaded.policy;
            policy.grants == *grants && policy.own_limits == pack.manifest.limits
        })
    }

    fn policy(&self, of: &Pack, grants: &Grants, secrets: PackSecrets) -> Policy {
        let manifest = &of.manifest;
        let quota = self.shared.config.quotas.pack(&manifest.name);
        let mut limits = manifest.limits.clone();
        limits.time = quota.time.map_or(limits.time, |time| time.min(limits.time));
        limits.memory = quota
            .memory
            .map_or(limits.memory, |memory| memory.min(limits.memory));
        let least =
            |own: Option<NonZeroU32>, quota: Option<NonZeroU32>| own.into_iter().chain(quota).min();
        limits.concurrent = least(limits.concurrent, quota.concurrent);
        limits.host_calls_per_second =
            least(limits.host_calls_per_second, quota.host_calls_per_second);
        let id = PackId {
            name: manifest.name.as_str().into(),
            version: manifest.version.to_string().into(),
            digest: of.digest.as_str().into(),
        };
        let pace = limits.host_calls_per_second.map(|rate| {
            let whose = Whose::Pack(Arc::clone(&id.name));
            self.shared.paces.get(whose, rate)
        });
        Policy {
            id,
            grants: grants.clone(),
            own_limits: manifest.limits.clone(),
            concurrent: limits.concurrent.map(NonZeroU32::get),
            pace,
            limits,
            secrets: Arc::new(secrets),
        }
    }

    /// Compiles a pack to replay recordings with: it may import whatever there is, whether it is
    /// granted or not. Called as it is, it would be granted nothing that exists.
    pub fn load_to_replay(&self, pack: &Pack) -> Result<LoadedPack, SandboxError> {
        // A queue, a container or a secret cannot have an empty name, and no operation has one.
        let grants = Grants {
            operations: vec![String::new()],
            messaging: vec![String::new()],
            http: HttpGrant::of_nothing().into_iter().collect(),
            object_store: vec![ObjectGrant {
                access: vec![Access::Read, Access::Write],
                ..ObjectGrant::default()
            }],
            secrets: vec![SecretGrant::default()],
            ..Grants::default()
        };
        let (secrets, _) = PackSecrets::granted(&Secrets::default(), &grants);
        self.load_with(pack, &grants, secrets)
    }

    fn load_component(
        &self,
        component: &Component,
        has_folders: bool,
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
        let not_recorded: Arc<[String]> = component
            .imports
            .iter()
            .filter(|import| {
                !import.items.is_empty() && tells_by_itself(&import.interface, has_folders)
            })
            .map(|import| import.interface.clone())
            .collect();
        let mut signatures = component.signatures.iter();
        let only_reads = signatures.any(|signature| signature.is_validation);
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
                not_recorded: Arc::clone(&not_recorded),
                only_reads,
            };
            actions.insert(Arc::clone(&action.signature.name), action);
        }
        Ok(())
    }
}

impl LoadedPack {
    /// The pack's name.
    pub fn name(&self) -> &str {
        &self.inner.policy.id.name
    }

    /// The pack's version.
    pub fn version(&self) -> &Version {
        &self.inner.version
    }

    /// Which pack it is, exactly.
    pub fn id(&self) -> &PackId {
        &self.inner.policy.id
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
    ) -> Result<Ended, CallError> {
        let found = self.action(action)?;
        let outside = Outside {
            cloud,
            context,
            progress,
        };
        let Some(recorder) = &self.recorder else {
            return call::call(&self.inner, found, input, outside, &mut Tape::Live).await;
        };
        let mut tape = Tape::record(recorder.limit());
        let result = call::call(&self.inner, found, input, outside, &mut tape).await;
        let mut recording = self.recording(action, input, context);
        recording.not_recorded = found.not_recorded.to_vec();
        let provides = self.inner.policy.secrets.values();
        if let Some(recording) = tape.finish_recording(recording, &outcome(&result), provides) {
            recorder.recorded(recording);
        }
        result
    }

    /// The same pack, where each call is told to `recorder` once it has ended. A call whose
    /// future is dropped is not.
    #[must_use]
    pub fn recorded_by(&self, recorder: Arc<dyn Recorder>) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            recorder: Some(recorder),
        }
    }

    /// Runs what was recorded again, with this version of the pack and no cloud: the answers
    /// come from the recording, as long as the action asks what it asked then. Nothing waits
    /// and nothing is granted, because nothing is reached.
    pub async fn replay(&self, recording: &Recording) -> Result<Replayed, RecordingError> {
        if let Some(reason) = &recording.cut {
            return Err(RecordingError::Cut(reason.clone()));
        }
        let found = self.action(&recording.action)?;
        let input: Map = serde_json::from_value(recording.input.clone())
            .map_err(|error| RecordingError::Malformed(format!("input: {error}")))?;
        let context = context(&recording.context);
        let outside = Outside {
            cloud: Arc::new(Nowhere),
            context: &context,
            progress: Arc::new(Nowhere),
        };
        let limit = u64::try_from(self.inner.policy.limits.time.as_millis()).unwrap_or(u64::MAX);
        let mut tape = Tape::replay(recording, limit);
        let result = call::call(&self.inner, found, &input, outside, &mut tape).await;
        Ok(tape.finish_replay(&outcome(&result)))
    }

    fn action(&self, name: &str) -> Result<&Action, CallError> {
        let found = self.inner.actions.get(name);
        found.ok_or_else(|| CallError::NoAction {
            pack: self.name().to_owned(),
            action: name.to_owned(),
        })
    }

    /// A recording of a call that is to come.
    fn recording(&self, action: &str, input: &Map, context: &ActionContext) -> Recording {
        let PackId {
            name,
            version,
            digest,
        } = &self.inner.policy.id;
        let pack = RecordedPack {
            name: name.to_string(),
            version: Some(version.to_string()),
            digest: Some(digest.to_string()),
            source: None,
        };
        let input = serde_json::to_value(input).unwrap_or_default();
        let context = RecordedContext {
            execution_id: context.execution_id.as_str().to_owned(),
            workflow_name: context.workflow_name.to_string(),
            task_name: context.task_name.as_ref().map(ToString::to_string),
            action_execution_id: context.action_execution_id.as_str().to_owned(),
            attempt: context.attempt,
        };
        Recording::new(pack, action, input, context)
    }
}

/// Whether an interface of WASI tells a component what no recording has.
fn tells_by_itself(interface: &str, has_folders: bool) -> bool {
    interface.starts_with("wasi:clocks/")
        || interface.starts_with("wasi:random/")
        || (has_folders && interface.starts_with("wasi:filesystem/"))
}

fn outcome(result: &Result<Ended, CallError>) -> ActionOutcome {
    match result {
        Ok(Ended::Gave(value)) => ActionOutcome::Success(value.clone()),
        Ok(Ended::Deferred) => ActionOutcome::Deferred,
        Err(error) => ActionOutcome::Error(error.clone().into()),
    }
}

fn context(recorded: &RecordedContext) -> ActionContext {
    ActionContext {
        project: Arc::default(),
        execution_id: ExecutionId::new(recorded.execution_id.as_str()),
        workflow_name: recorded.workflow_name.as_str().into(),
        workflow_namespace: Arc::default(),
        task_execution_id: None,
        task_name: recorded.task_name.as_deref().map(Arc::from),
        action_execution_id: ActionExecutionId::new(recorded.action_execution_id.as_str()),
        attempt: recorded.attempt,
        timeout: None,
    }
}

/// The world of a replay.
struct Nowhere;

#[async_trait]
impl Cloud for Nowhere {
    async fn send(&self, _: ServiceRequest) -> Result<ServiceResponse, CloudError> {
        Err(CloudError::NoCloud("this is a replay".to_owned()))
    }
}

impl ProgressSink for Nowhere {
    fn progress(&self, _: &ActionContext, _: Progress) {}

    fn note(&self, _: &ActionContext, _: &str) {}
}
