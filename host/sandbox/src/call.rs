//! One call: fresh instance, parameters in, result out, within the limits.

use std::future::{Future, poll_fn};
use std::mem;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use ostro_core::{ActionContext, Map, ProgressSink, Value};
use ostro_openstack::Cloud;
use ostro_packs::{Limits, LowerError, lower_params};
use wasmtime::component::Val;
use wasmtime::{Store, Trap, UpdateDeadline};

use crate::convert::{LiftError, Lifter, ToVal};
use crate::error::{CallError, LimitError, LimitKind};
use crate::pack::Ended;
use crate::pack::{Action, Loaded};
use crate::recording::Tape;
use crate::secrets::{CallSecrets, Hiding};
use crate::state::{Caller, HostCalls, State};

/// What lies around a call.
pub(crate) struct Outside<'a> {
    pub(crate) cloud: Arc<dyn Cloud>,
    pub(crate) context: &'a ActionContext,
    pub(crate) progress: Arc<dyn ProgressSink>,
}

/// Calls `action`. Its host calls go through `tape`, which has them afterwards.
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
    let limits = &pack.policy.limits;
    let signature = &action.signature;
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
    // Waiting for a slot is the host's business and takes nothing from the action's time.
    let slots = Arc::clone(&pack.sandbox.slots);
    let Ok(_slot) = slots.acquire_many_owned(action.slots).await else {
        return Err(CallError::Host("the sandbox is shut down".to_owned()));
    };
    let _running = pack.sandbox.ticker.run();
    let allowed = context
        .timeout
        .map_or(limits.time, |timeout| timeout.min(limits.time));
    let deadline = Instant::now() + allowed;
    let policy = Arc::clone(&pack.policy);
    let secrets = Arc::new(CallSecrets::new(Arc::clone(&policy.secrets)));
    let progress = if secrets.is_empty() {
        progress
    } else {
        let secrets = Arc::clone(&secrets);
        let sink = progress;
        Arc::new(Hiding { sink, secrets })
    };
    let caller = Caller {
        policy,
        cloud,
        context: context.clone(),
        progress,
        deadline,
        host_calls: HostCalls::new(limits.host_calls),
        folders: Arc::clone(&pack.folders),
        only_reads: action.only_reads,
        lookup: pack.sandbox.config.lookup.clone(),
        secrets: Arc::clone(&secrets),
    };
    let state = State::new(caller, mem::replace(tape, Tape::Live));
    let mut store = Store::new(&pack.sandbox.engine, state);
    store.limiter(|state| &mut state.usage);
    store.set_hostcall_fuel(lift_fuel(limits));
    store.set_epoch_deadline(1);
    let time = LimitError {
        kind: LimitKind::Time,
        allowed: format!("{allowed:?}"),
    };
    let late = time.clone();
    store.epoch_deadline_callback(move |store| {
        // A guest that computes gives others a turn at each tick.
        if Instant::now() < store.data().caller.deadline {
            Ok(UpdateDeadline::Yield(1))
        } else {
            Err(late.clone().into())
        }
    });
    let result = match within(deadline, run(action, &mut store, &params)).await {
        None => Err(time.into()),
        Some(Ok(Some(result))) => lift(action, result, limits),
        Some(Ok(None)) => Ok(Value::Null),
        Some(Err(error)) => Err(blame(&error, &store, limits)),
    };
    *tape = mem::replace(&mut store.data_mut().tape, Tape::Live);
    tape.used(|| store.data().used_folders());
    let state = store.data_mut();
    let result = if secrets.is_empty() {
        result
    } else {
        secrets.hide_result(result)
    };
    match result {
        Ok(_) if state.deferred && signature.is_validation => Err(CallError::Trap(format!(
            "{} is a validation, which is waited for, and said that it goes on elsewhere",
            signature.name
        ))),
        Ok(_) if state.deferred => Ok(Ended::Deferred),
        result => result.map(Ended::Gave),
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
        return size_limit(LimitKind::Memory, limits.memory).into();
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
