//! How the ends of operations and of packs' actions become those of actions.

use ostro_core::{ActionError, ActionErrorKind, ActionOutcome, Value};
use ostro_openstack::CloudError;
use ostro_openstack::operations::OperationError;
use ostro_sandbox::Ended;

/// How a pack's action ended well.
pub(crate) fn of_pack(ended: Ended) -> ActionOutcome {
    match ended {
        Ended::Gave(value) => ActionOutcome::Success(value),
        Ended::Deferred => ActionOutcome::Deferred,
    }
}

/// What `value` says as a failure: its text, or itself as JSON.
pub(crate) fn message_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.to_string(),
        other => other.to_string(),
    }
}

/// A failed operation. What a service refuses is in the words of its Python client, because
/// workflows compare them.
pub(crate) fn of_operation(error: &OperationError) -> ActionError {
    let kind = match error {
        OperationError::Unknown { .. } | OperationError::Parameters { .. } => ActionErrorKind::Call,
        OperationError::Refused { .. } | OperationError::Wait(_) => ActionErrorKind::Action,
        OperationError::Answer { .. } => ActionErrorKind::Host,
        OperationError::Cloud(error) => match error {
            CloudError::NoCloud(_)
            | CloudError::Authentication(_)
            | CloudError::NoService { .. }
            | CloudError::Unreachable { .. } => ActionErrorKind::Host,
            CloudError::Exhausted(_) => ActionErrorKind::Limit,
            CloudError::Denied(_) | CloudError::Invalid(_) => ActionErrorKind::Call,
        },
    };
    ActionError::new(kind, error.to_string())
}
