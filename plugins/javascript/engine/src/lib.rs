//! A JavaScript engine as a component: Boa, with the host's clock.
//!
//! [`evaluate`] is what Mistral's `std.javascript` does: the script is the body of a function,
//! `$` its context, and what it returns is the result. `glue` ties it to the component's
//! export.

#[cfg(target_arch = "wasm32")]
mod glue;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::rc::Rc;

use boa_engine::context::HostHooks;
use boa_engine::context::time::{Clock, JsInstant};
use boa_engine::property::Attribute;
use boa_engine::{
    Context, JsError, JsResult, JsString, JsValue, NativeFunction, Source, js_string,
};

/// How deep functions may call each other. The host stops what goes deeper by other ways.
const MAX_DEPTH: usize = 400;

/// What a script gets of the world around it.
pub struct World {
    /// Milliseconds since 1970 UTC.
    pub now: fn() -> u64,
    /// Where `Math.random` begins.
    pub seed: u64,
}

/// Runs `script` with the JSON text `context` as `$`; gives the result as JSON text, or what the
/// script threw.
pub fn evaluate(script: &str, context: &str, world: &World) -> Result<String, String> {
    SEED.set(world.seed);
    let host = Rc::new(Host(world.now));
    let mut engine = Context::builder()
        .clock(Rc::clone(&host))
        .host_hooks(host)
        .build()
        .map_err(|error| error.to_string())?;
    let limits = engine.runtime_limits_mut();
    limits.set_recursion_limit(MAX_DEPTH);
    run(script, context, &mut engine).map_err(|error| said(error, &mut engine))
}

fn run(script: &str, context: &str, engine: &mut Context) -> JsResult<String> {
    // The script may put something else in their place.
    let parse = json_function("parse", engine)?;
    let stringify = json_function("stringify", engine)?;
    let call = |function: &JsValue, argument: JsValue, engine: &mut Context| {
        let function = function.as_callable().ok_or_else(|| {
            boa_engine::JsNativeError::typ().with_message("JSON is not what it should be")
        })?;
        function.call(&JsValue::undefined(), &[argument], engine)
    };
    let value = call(&parse, JsString::from(context).into(), engine)?;
    engine.register_global_property(js_string!("$"), value, Attribute::all())?;
    let math = engine.global_object().get(js_string!("Math"), engine)?;
    if let Some(math) = math.as_object() {
        let random = NativeFunction::from_fn_ptr(random).to_js_function(engine.realm());
        math.set(js_string!("random"), random, true, engine)?;
    }
    let whole = format!("function f() {{\n{script}\n}}\nf()\n");
    let result = engine.eval(Source::from_bytes(&whole))?;
    // What a script promised is done before its result counts.
    engine.run_jobs()?;
    let text = call(&stringify, result, engine)?;
    match text.as_string() {
        Some(text) => Ok(text.to_std_string_lossy()),
        None => Ok("null".to_owned()),
    }
}

fn json_function(name: &str, engine: &mut Context) -> JsResult<JsValue> {
    let json = engine.global_object().get(js_string!("JSON"), engine)?;
    json.to_object(engine)?.get(JsString::from(name), engine)
}

/// What was thrown, as a script's own `String(error)` writes it.
fn said(error: JsError, engine: &mut Context) -> String {
    // A limit of the engine is nothing that a script can catch, and so no value.
    let limit = error.to_string();
    let limit = limit.lines().next().unwrap_or_default().to_owned();
    match error.into_opaque(engine) {
        Ok(thrown) => match thrown.to_string(engine) {
            Ok(text) => text.to_std_string_lossy(),
            Err(_) => "the script threw what cannot be written".to_owned(),
        },
        Err(_) => limit,
    }
}

/// The world as the engine asks for it.
struct Host(fn() -> u64);

impl Clock for Host {
    fn now(&self) -> JsInstant {
        JsInstant::new((self.0)() / 1000, 0)
    }

    fn system_time_millis(&self) -> i64 {
        i64::try_from((self.0)()).unwrap_or(i64::MAX)
    }
}

impl HostHooks for Host {
    fn utc_now(&self) -> i64 {
        self.system_time_millis()
    }

    fn local_timezone_offset_seconds(&self, _: i64) -> i32 {
        0
    }
}

thread_local! {
    static SEED: Cell<u64> = const { Cell::new(0) };
}

/// `Math.random`, by splitmix64. It keeps no secret, and needs to keep none.
#[expect(
    clippy::cast_precision_loss,
    reason = "53 bits are what a number has room for"
)]
#[expect(
    clippy::unnecessary_wraps,
    reason = "the engine asks for functions of this type"
)]
fn random(_: &JsValue, _: &[JsValue], _: &mut Context) -> JsResult<JsValue> {
    let seed = SEED.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    SEED.set(seed);
    let mut mixed = seed;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    Ok(JsValue::from((mixed >> 11) as f64 / (1_u64 << 53) as f64))
}
