//! The `std.*` actions, as Mistral's `std_actions.py` defines them.

use std::time::Duration;

use ostro_core::{ActionError, ActionErrorKind, ActionOutcome, Map, Value};

use crate::describe::{ActionDescription, ActionKind, Parameter};

/// How many entries `std.test_dict` makes at most.
const MAX_TEST_ENTRIES: i64 = 1_000_000;

/// The std actions of Mistral that are not here yet.
const ABSENT: [&str; 8] = [
    "std.email",
    "std.http",
    "std.javascript",
    "std.js",
    "std.mistral_http",
    "std.ssh",
    "std.ssh_proxied",
    "std.wait_ssh",
];

/// A std action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standard {
    AsyncNoop,
    Echo,
    Fail,
    Noop,
    Sleep,
    TestDict,
}

impl Standard {
    const ALL: [Standard; 6] = [
        Standard::AsyncNoop,
        Standard::Echo,
        Standard::Fail,
        Standard::Noop,
        Standard::Sleep,
        Standard::TestDict,
    ];

    /// The action with this full name.
    pub(crate) fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }

    /// The full names of all of them.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        Self::ALL.into_iter().map(Self::name)
    }

    /// Whether `name` is a std action of Mistral that is not here yet.
    pub(crate) fn is_absent(name: &str) -> bool {
        ABSENT.contains(&name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Standard::AsyncNoop => "std.async_noop",
            Standard::Echo => "std.echo",
            Standard::Fail => "std.fail",
            Standard::Noop => "std.noop",
            Standard::Sleep => "std.sleep",
            Standard::TestDict => "std.test_dict",
        }
    }

    fn docs(self) -> &'static str {
        match self {
            Standard::AsyncNoop => "Does nothing until somebody finishes it from outside.",
            Standard::Echo => "Gives `output` after `delay` seconds.",
            Standard::Fail => "Fails, with `error_data` as its result if there is any.",
            Standard::Noop => "Does nothing.",
            Standard::Sleep => "Sleeps for whole `seconds`.",
            Standard::TestDict => {
                "Gives a map of `size` entries, `key_prefix` and a number to `val`."
            }
        }
    }

    /// Its parameters; those with a default may be left out.
    pub(crate) fn parameters(self) -> Vec<Parameter> {
        match self {
            Standard::AsyncNoop | Standard::Noop => vec![],
            Standard::Echo => {
                vec![
                    Parameter::required("output"),
                    Parameter::optional("delay", 0),
                ]
            }
            Standard::Fail => vec![Parameter::optional("error_data", Value::Null)],
            Standard::Sleep => vec![Parameter::optional("seconds", 1)],
            Standard::TestDict => vec![
                Parameter::optional("size", 0),
                Parameter::optional("key_prefix", ""),
                Parameter::optional("val", ""),
            ],
        }
    }

    pub(crate) fn describe(self) -> ActionDescription {
        ActionDescription {
            name: self.name().into(),
            kind: ActionKind::Standard,
            parameters: self.parameters(),
            result: None,
            docs: Some(self.docs().into()),
        }
    }

    /// Runs it with an input whose names have been checked.
    pub(crate) async fn run(self, input: &Map) -> ActionOutcome {
        let result = match self {
            Standard::Noop => Ok(Value::Null),
            Standard::AsyncNoop => return ActionOutcome::Deferred,
            Standard::Fail => Err(fail(input.get("error_data"))),
            Standard::Echo => echo(input).await,
            Standard::Sleep => sleep(input.get("seconds")).await,
            Standard::TestDict => test_dict(input),
        };
        match result {
            Ok(value) => ActionOutcome::Success(value),
            Err(error) => ActionOutcome::Error(error),
        }
    }
}

fn fail(data: Option<&Value>) -> ActionError {
    match data.filter(|data| data.is_truthy()) {
        None => ActionError::new(ActionErrorKind::Action, "Fail action expected exception."),
        Some(data) => ActionError {
            kind: ActionErrorKind::Action,
            message: crate::outcome::message_of(data),
            value: data.clone(),
        },
    }
}

async fn echo(input: &Map) -> Result<Value, ActionError> {
    // Python's `float(delay)`, whose ValueError makes the delay 0 and whose TypeError does not.
    let delay = match input.get("delay") {
        None => 0.0,
        Some(Value::String(text)) => text.trim().parse().unwrap_or(0.0),
        Some(value) => number(value).ok_or_else(|| wrong("std.echo", "delay", value))?,
    };
    pause("std.echo", "delay", delay).await?;
    Ok(input.get("output").cloned().unwrap_or_default())
}

async fn sleep(seconds: Option<&Value>) -> Result<Value, ActionError> {
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
fn number(value: &Value) -> Option<f64> {
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

fn test_dict(input: &Map) -> Result<Value, ActionError> {
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

fn wrong(action: &str, parameter: &str, value: &Value) -> ActionError {
    call_error(format!(
        "{action}: {parameter} cannot be of type {}",
        value.kind()
    ))
}

fn call_error(message: String) -> ActionError {
    ActionError::new(ActionErrorKind::Call, message)
}
