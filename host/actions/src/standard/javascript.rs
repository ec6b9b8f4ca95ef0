//! `std.javascript` and `std.js`: the action of a pack, because scripts run in the sandbox.

use std::sync::Arc;

use ostro_core::{ActionError, ActionErrorKind, Value};

use super::call_error;
use crate::outcome::message_of;

/// The action that evaluates scripts, of the pack in `plugins/javascript`.
pub(crate) const EVALUATE: &str = "ostro.javascript.evaluate";

/// What is said where no pack has [`EVALUATE`].
pub(super) fn missing(action: &str) -> ActionError {
    call_error(format!(
        "{action} needs the pack that runs JavaScript: build it with `ostro pack build \
         plugins/javascript` and give it with `--pack plugins/javascript`"
    ))
}

/// The failure of a script in Mistral's words.
pub(crate) fn failed(error: ActionError) -> ActionError {
    if error.kind != ActionErrorKind::Action {
        return error;
    }
    let said: Arc<str> = format!("JavaScriptAction failed: {}", message_of(&error.value)).into();
    ActionError {
        kind: ActionErrorKind::Action,
        message: said.to_string(),
        value: Value::String(said),
    }
}
