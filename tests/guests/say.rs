//! What a guest says of a host call that failed, for tests to look at.

use crate::ostro::host::types::CallError;

pub fn say(error: CallError) -> String {
    match error {
        CallError::Denied(text) => format!("denied: {text}"),
        CallError::Invalid(text) => format!("invalid: {text}"),
        CallError::Refused(error) => format!("refused: {} {}", error.status, error.message),
        CallError::Unavailable(text) => format!("unavailable: {text}"),
        CallError::Exhausted(text) => format!("exhausted: {text}"),
    }
}
