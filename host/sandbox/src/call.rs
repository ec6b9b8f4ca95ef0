//! One call: fresh instance, parameters in, result out, within the limits.

use std::future::{Future, poll_fn};
use std::mem;
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use ostro_core::{ActionContext, Map, ProgressSink, Value};
use ostro_openstack::Cloud;
use ostro_packs::{Limits, LowerError, Signature, lower_params};
use wasmtime::component::Val;
use wasmtime::{Store, Trap, UpdateDeadline};

use crate::convert::{LiftError, Lifter, ToVal};
use crate::error::{CallError, LimitError, LimitKind};
use crate::health::{Blamed, PausedPack};
use crate::observer::Called;
use crate::pace::{Due, Whose};
use crate::pack::{Action, Ended, Loaded};
use crate::recording::Tape;
use crate::secrets::{CallSecrets, Hiding};
use crate::state::{Caller, HostCalls, State};
use crate::turns::Wanted;

/// What lies around a call.
pub(crate) struct Outside<'a> {
    pub(crate) cloud: Arc<dyn Cloud>,
    pub(crate) context: &'a ActionContext,
    pub(crate) progress: Arc<dyn ProgressSink>,
}

/// Calls `action`. Its host calls go through `tape`, which has them afterwards.
///
/// A replay reaches nothing: it waits for nobody, and says nothing of how the pack does.
pub(crate) async fn call(
    pack: &Loaded,
    action: &Action,
    input: &Map,
    outside: Outside<'_>,
    tape: &mut Tape,
) -> Result<Ended, CallError> {
    let Outside {
        cloud,
        context,
        progress,
    } = outside;
    let sandbox = &*pack.sandbox;
    let policy = &pack.policy;
    let limits = &policy.limits;
    let signature = &action.signature;
    let is_replay = matches!(tape, Tape::Replayed(_));
    if !is_replay && let Some(paused) = sandbox.health.paused(&policy.id.digest) {
        return Err(CallError::Paused {
            pack: paused,
            resume: sandbox.config.how_to_resume.clone(),
        });
    }
    let params =
        lower_params(&signature.params, input, &mut ToVal::new(limits.input)).map_err(|error| {
            match error {
                LowerError::Input(error) => CallError::Input {
                    action: signature.name.to_string(),
                    error,
                },
                LowerError::TooBig => size_limit(LimitKind::Input, limits.input).into(),
            }
        })?;
    let quota = sandbox.config.quotas.project(&context.project);
    // Waiting for room is the host's business and takes nothing from the action's time.
    let wanted = Wanted {
        project: Arc::clone(&context.project),
        pack: Arc::clone(&policy.id.name),
        slots: action.slots,
        of_project: quota.concurrent.map(NonZeroU32::get),
        of_pack: policy.concurrent,
    };
    let Some(_place) = sandbox.turns.acquire(wanted).await else {
        return Err(CallError::Host("the sandbox is shut down".to_owned()));
    };
    let _running = sandbox.ticker.run();
    let time = quota.time.map_or(limits.time, |time| time.min(limits.time));
    let allowed = context.timeout.map_or(time, |timeout| timeout.min(time));
    let begin = Instant::now();
    let deadline = begin + allowed;
    let secrets = Arc::new(CallSecrets::new(Arc::clone(&policy.secrets)));
    let progress = Hiding::around(progress, &secrets);
    let max_memory = quota.memory.unwrap_or(u64::MAX).min(limits.memory);
    let due = if is_replay {
        Due::default()
    } else {
        due(pack, context, quota.host_calls_per_second)
    };
    let caller = Caller {
        policy: Arc::clone(policy),
        cloud,
        context: context.clone(),
        progress,
        deadline,
        max_memory,
        host_calls: HostCalls::new(limits.host_calls, due),
        folders: Arc::clone(&pack.folders),
        only_reads: action.only_reads,
        lookup: sandbox.config.lookup.clone(),
        secrets: Arc::clone(&secrets),
        observer: sandbox.observer().cloned(),
    };
    let too_late = LimitError {
        kind: LimitKind::Time,
        allowed: format!("{allowed:?}"),
    };
    let state = State::new(caller, mem::replace(tape, Tape::Live));
    let mut store = store(pack, state, too_late.clone())?;
    let result = match within(deadline, run(action, &mut store, &params)).await {
        None => Err(too_late.into()),
        Some(Ok(Some(result))) => lift(action, result, limits),
        Some(Ok(None)) => Ok(Value::Null),
        Some(Err(error)) => Err(blame(&error, &store, limits)),
    };
    *tape = mem::replace(&mut store.data_mut().tape, Tape::Live);
    tape.used(|| store.data().used_folders());
    let result = if secrets.is_empty() {
        result
    } else {
        secrets.hide_result(result)
    };
    let result = ended(result, store.data().deferred, signature);
    if !is_replay {
        let hurried = allowed < time;
        tell(
            pack,
            signature,
            &store,
            (begin, hurried),
            result.as_ref().err(),
        );
    }
    result
}

/// When host calls of a pack's action are due: as its pack and its project may make them.
fn due(pack: &Loaded, context: &ActionContext, of_project: Option<NonZeroU32>) -> Due {
    let of_project = of_project.map(|rate| {
        let whose = Whose::Project(Arc::clone(&context.project));
        pack.sandbox.paces.get(whose, rate)
    });
    let of_pack = pack.policy.pace.iter().cloned();
    Due::new(of_pack.chain(of_project).collect())
}

/// Where the instance of a call lives, with its limits.
fn store(pack: &Loaded, state: State, too_late: LimitError) -> Result<Store<State>, CallError> {
    let limits = &pack.policy.limits;
    let mut store = Store::new(&pack.sandbox.engine, state);
    store.limiter(|state| &mut state.usage);
    if pack.sandbox.config.fuel {
        store
            .set_fuel(fuel(limits))
            .map_err(|error| CallError::Host(format!("no fuel: {error:#}")))?;
    }
    store.set_hostcall_fuel(lift_fuel(limits));
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |store| {
        // A guest that computes gives others a turn at each tick.
        let caller = &store.data().caller;
        if Instant::now() >= caller.deadline {
            return Err(too_late.clone().into());
        }
        // One that made more host calls than were due makes up for that.
        let due = caller.host_calls.due();
        Ok(if due.when().is_some() {
            let due = due.clone();
            UpdateDeadline::YieldCustom(1, Box::pin(async move { due.wait().await }))
        } else {
            UpdateDeadline::Yield(1)
        })
    });
    Ok(store)
}

/// How much fuel a call has where it is counted.
fn fuel(limits: &Limits) -> u64 {
    limits.fuel.unwrap_or(u64::MAX)
}

/// How a call ended whose function gave `result`, and said before whether somebody else finishes
/// the action execution.
fn ended(
    result: Result<Value, CallError>,
    deferred: bool,
    signature: &Signature,
) -> Result<Ended, CallError> {
    match result {
        Ok(_) if deferred && signature.is_validation => Err(CallError::Trap(format!(
            "{} is a validation, which is waited for, and said that it goes on elsewhere",
            signature.name
        ))),
        Ok(_) if deferred => Ok(Ended::Deferred),
        result => result.map(Ended::Gave),
    }
}

/// Tells whoever looks after the pack how a call of it went. `hurried` are those that had less time
/// than the pack has.
fn tell(
    pack: &Loaded,
    signature: &Signature,
    store: &Store<State>,
    (begin, hurried): (Instant, bool),
    error: Option<&CallError>,
) {
    let sandbox = &*pack.sandbox;
    let id = &pack.policy.id;
    let State { caller, usage, .. } = store.data();
    let blamed = error.and_then(|error| Blamed::new(error, hurried));
    let paused = sandbox.health.ended(id, blamed.as_ref());
    if let Some(PausedPack { pack, reason }) = &paused {
        let how = &sandbox.config.how_to_resume;
        caller.note(&format!("pack {pack} is paused: {reason}; {how}"));
    }
    let Some(observer) = sandbox.observer() else {
        return;
    };
    let fuel = fuel(&pack.policy.limits);
    observer.called(&Called {
        pack: id,
        action: &signature.name,
        project: &caller.context.project,
        time: begin.elapsed(),
        memory: usage.memory,
        host_calls: caller.host_calls.made(),
        fuel: store.get_fuel().ok().map(|left| fuel - left),
        error,
    });
    if let Some(paused) = &paused {
        observer.paused(paused);
    }
}

/// Instantiates and calls; what the function returns, if it returns something.
async fn run(
    action: &Action,
    store: &mut Store<State>,
    params: &[Val],
) -> wasmtime::Result<Option<Val>> {
    let instance = action.instance.instantiate_async(&mut *store).await?;
    let function = instance
        .get_func(&mut *store, action.function)
        .ok_or_else(|| wasmtime::Error::msg("the function is gone"))?;
    let returns = action.signature.fallible || action.signature.result.is_some();
    let mut results = [Val::Bool(false)];
    let count = usize::from(returns);
    function
        .call_async(&mut *store, params, &mut results[..count])
        .await?;
    // One that was over before a tick could hold it makes up here for calls that were not due.
    let due = store.data().caller.host_calls.due().clone();
    due.wait().await;
    let [result] = results;
    Ok(returns.then_some(result))
}

/// The workflow value that `result` is, or the error.
fn lift(action: &Action, result: Val, limits: &Limits) -> Result<Value, CallError> {
    let signature = &action.signature;
    let mut lifter = Lifter::new(limits.output);
    let value = match (signature.fallible, result) {
        (true, Val::Result(Ok(value))) => lifter
            .lift_side(signature.result.as_ref(), value.as_deref())
            .map(Ok),
        (true, Val::Result(Err(value))) => lifter
            .lift_side(signature.error.as_ref(), value.as_deref())
            .map(Err),
        (_, value) => lifter
            .lift_side(signature.result.as_ref(), Some(&value))
            .map(Ok),
    };
    match value {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(CallError::Action(error)),
        Err(LiftError::TooBig) => Err(size_limit(LimitKind::Output, limits.output).into()),
        Err(LiftError::Nonsense { path, problem }) => Err(CallError::Trap(format!(
            "{} gave nonsense: result{path}: {problem}",
            signature.name
        ))),
    }
}

/// Who is to blame for an error of the engine.
fn blame(error: &wasmtime::Error, store: &Store<State>, limits: &Limits) -> CallError {
    if let Some(limit) = error.downcast_ref::<LimitError>() {
        return limit.clone().into();
    }
    if store.data().usage.memory_denied {
        return size_limit(LimitKind::Memory, store.data().caller.max_memory).into();
    }
    // The engine has no public type for this error.
    let root = error.root_cause().to_string();
    if root.contains("fuel allocated for hostcalls has been exhausted") {
        return size_limit(LimitKind::Output, limits.output).into();
    }
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return CallError::Host(format!("the sandbox has no room for an instance: {root}"));
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => LimitError {
            kind: LimitKind::Fuel,
            allowed: format!("{} units of fuel", limits.fuel.unwrap_or(u64::MAX)),
        }
        .into(),
        Some(Trap::UnreachableCodeReached) => CallError::Trap(
            "the component trapped: it panicked or aborted (unreachable code)".to_owned(),
        ),
        Some(trap) => CallError::Trap(format!("the component trapped: {trap}")),
        None => CallError::Trap(format!("the component broke its contract: {root}")),
    }
}

fn size_limit(kind: LimitKind, bytes: u64) -> LimitError {
    LimitError {
        kind,
        allowed: format!("{bytes} bytes"),
    }
}

/// How much the engine may copy out of a guest in one go. It counts its own representation of
/// values, which takes some times what they would take as JSON.
fn lift_fuel(limits: &Limits) -> usize {
    usize::try_from(limits.output.saturating_mul(4).saturating_add(1 << 16)).unwrap_or(usize::MAX)
}

/// What `future` gives; none if it has not by `deadline`. A timer is set only if it waits: most
/// calls end before they have to.
async fn within<F: Future>(deadline: Instant, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let first = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await;
    match first {
        Poll::Ready(output) => Some(output),
        Poll::Pending => tokio::time::timeout_at(deadline.into(), future).await.ok(),
    }
}
