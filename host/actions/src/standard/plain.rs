//! The actions that need nothing but their input.

use std::time::Duration;

use ostro_core::{ActionError, ActionErrorKind, Map, Value};

use super::{call_error, wrong};

/// How many entries `std.test_dict` makes at most.
const MAX_TEST_ENTRIES: i64 = 1_000_000;

pub(super) fn fail(data: Option<&Value>) -> ActionError {
    match data.filter(|data| data.is_truthy()) {
        None => ActionError::new(ActionErrorKind::Action, "Fail action expected exception."),
        Some(data) => ActionError {
            kind: ActionErrorKind::Action,
            message: crate::outcome::message_of(data),
            value: data.clone(),
        },
    }
}

pub(super) async fn echo(input: &Map) -> Result<Value, ActionError> {
    // Python's `float(delay)`, whose ValueError makes the delay 0 and whose TypeError does not.
    let delay = match input.get("delay") {
        None => 0.0,
        Some(Value::String(text)) => text.trim().parse().unwrap_or(0.0),
        Some(value) => number(value).ok_or_else(|| wrong("std.echo", "delay", value))?,
    };
    pause("std.echo", "delay", delay).await?;
    Ok(input.get("output").cloned().unwrap_or_default())
}

pub(super) async fn sleep(seconds: Option<&Value>) -> Result<Value, ActionError> {
    // Python's `int(seconds)`: a string must be a whole number, a float loses its fraction.
    let seconds = match seconds {
        None => 1.0,
        Some(Value::String(text)) => {
            let whole = text.trim().parse().ok().map(Value::Int);
            whole.as_ref().and_then(number).unwrap_or(0.0)
        }
        Some(value) => number(value)
            .ok_or_else(|| wrong("std.sleep", "seconds", value))?
            .trunc(),
    };
    pause("std.sleep", "seconds", seconds).await?;
    Ok(Value::Null)
}

/// Python's `float` of a number or a truth value.
#[expect(
    clippy::cast_precision_loss,
    reason = "a delay past 2^53 seconds is as good as any other"
)]
pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
        Value::Int(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    }
}

async fn pause(action: &str, parameter: &str, seconds: f64) -> Result<(), ActionError> {
    if seconds > 0.0 {
        let wait = Duration::try_from_secs_f64(seconds).map_err(|_| {
            call_error(format!(
                "{action}: {parameter} of {seconds} seconds is too long to wait"
            ))
        })?;
        tokio::time::sleep(wait).await;
    } else if seconds.is_nan() {
        return Err(call_error(format!("{action}: {parameter} is not a number")));
    }
    Ok(())
}

pub(super) fn test_dict(input: &Map) -> Result<Value, ActionError> {
    let size = match input.get("size") {
        None => 0,
        Some(Value::Int(size)) => *size,
        Some(Value::Bool(truth)) => i64::from(*truth),
        Some(other) => return Err(wrong("std.test_dict", "size", other)),
    };
    if size > MAX_TEST_ENTRIES {
        return Err(ActionError::new(
            ActionErrorKind::Limit,
            format!("std.test_dict: size {size} is more than {MAX_TEST_ENTRIES}"),
        ));
    }
    let prefix = match input.get("key_prefix") {
        None => String::new(),
        Some(Value::Null) => "None".to_owned(),
        Some(Value::Bool(truth)) => if *truth { "True" } else { "False" }.to_owned(),
        Some(Value::String(text)) => text.to_string(),
        Some(number @ (Value::Int(_) | Value::Float(_))) => number.to_string(),
        Some(other) => return Err(wrong("std.test_dict", "key_prefix", other)),
    };
    let value = input.get("val").cloned().unwrap_or_else(|| "".into());
    Ok((0..size)
        .map(|number| (format!("{prefix}{number}"), value.clone()))
        .collect())
}
