//! Ad-hoc actions: another action with prepared input and output.
//!
//! What they make of their input and of their base's result is `ostro_lang`'s. Their expressions
//! have Mistral's functions that need no execution; those that do, as `env()`, are not there.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ostro_core::{ActionError, ActionErrorKind, Map, Value};
use ostro_lang::{AdHocAction, FUNCTIONS, FunctionEnv, Host, Template, call_function};
use uuid::Uuid;

use crate::describe::{ActionDescription, ActionKind, Parameter, check_names};

/// How many ad-hoc actions may stand on each other.
pub(crate) const MAX_CHAIN: usize = 32;

pub(crate) fn describe(action: &AdHocAction) -> ActionDescription {
    ActionDescription {
        name: Arc::clone(&action.name),
        kind: ActionKind::AdHoc {
            base: Arc::clone(&action.base),
        },
        parameters: parameters(action),
        result: None,
        docs: action.description.clone(),
    }
}

fn parameters(action: &AdHocAction) -> Vec<Parameter> {
    let parameter = |input: &ostro_lang::Input| Parameter {
        required: input.default.is_none(),
        default: match &input.default {
            Some(Template::Literal(value)) => Some(value.clone()),
            // What an expression gives depends on the other inputs.
            Some(_) | None => None,
        },
        ..Parameter::required(Arc::clone(&input.name))
    };
    action.input.iter().map(parameter).collect()
}

/// The input of the base of `action`, when `action` is called with `given`.
pub(crate) fn base_input(action: &AdHocAction, given: &Map) -> Result<Map, ActionError> {
    check_names(&action.name, &parameters(action), given).map_err(call_error)?;
    action
        .base_input_for(given, &Functions(now_millis()))
        .map_err(call_error)
}

/// The result of `action`, when its base gave `result`.
pub(crate) fn output(action: &AdHocAction, result: Value) -> Result<Value, ActionError> {
    action
        .result_of(result, &Functions(now_millis()))
        .map_err(call_error)
}

fn now_millis() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// What expressions can call. An action runs once and is never replayed, so that what differs
/// each time may come from the machine.
struct Functions(i64);

impl Host for Functions {
    fn call(
        &self,
        name: &str,
        args: &[Value],
        kwargs: &[(&str, Value)],
    ) -> Option<Result<Value, String>> {
        call_function(name, args, kwargs, self)
    }

    fn functions(&self) -> &[&str] {
        FUNCTIONS
    }

    fn now_millis(&self) -> i64 {
        self.0
    }
}

impl FunctionEnv for Functions {
    fn new_uuid(&self) -> String {
        Uuid::new_v4().to_string()
    }
}

fn call_error(message: String) -> ActionError {
    ActionError::new(ActionErrorKind::Call, message)
}
