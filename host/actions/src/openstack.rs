//! OpenStack's operations as actions.

use async_trait::async_trait;
use ostro_core::{ServiceRequest, ServiceResponse, Value};
use ostro_lang::ActionParameter;
use ostro_openstack::operations::{Kind, Operation};
use ostro_openstack::{Cloud, CloudError};

use crate::describe::{ActionDescription, ActionKind, Parameter};

pub(crate) fn describe(operation: &Operation) -> ActionDescription {
    let parameters = operation.parameters.iter().map(|parameter| Parameter {
        name: parameter.name.as_str().into(),
        ty: Some(type_name(parameter.kind).into()),
        required: parameter.required,
        default: Some(parameter.default.clone())
            .filter(|default| !parameter.required && *default != Value::Null),
        docs: None,
    });
    ActionDescription {
        name: operation.name.as_str().into(),
        kind: ActionKind::Openstack,
        parameters: parameters.collect(),
        result: None,
        docs: Some(operation.summary.as_str().into()),
    }
}

/// The parameters as a check wants them. Where one has two names either is right, and that one
/// of them is there only the call finds out.
pub(crate) fn parameters(operation: &Operation) -> Vec<ActionParameter> {
    let mut parameters = Vec::new();
    for parameter in &operation.parameters {
        let required = parameter.required && parameter.also.is_none();
        let names = [Some(&parameter.name), parameter.also.as_ref()]
            .into_iter()
            .flatten();
        parameters.extend(names.map(|name| ActionParameter {
            name: name.as_str().into(),
            required,
        }));
    }
    parameters
}

/// What is wrong with `value` as the parameter `name`.
pub(crate) fn check_value(operation: &Operation, name: &str, value: &Value) -> Option<String> {
    let parameter = operation
        .parameters
        .iter()
        .find(|parameter| parameter.is_called(name))?;
    parameter
        .accept(value)
        .err()
        .map(|problem| format!("it {problem}"))
}

fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::String => "string",
        Kind::Integer => "integer",
        Kind::Number => "number",
        Kind::Boolean => "boolean",
        Kind::List => "list",
        Kind::Object => "object",
        Kind::Any => "any",
    }
}

/// The cloud of a registry that was given none.
pub(crate) struct NoCloud;

#[async_trait]
impl Cloud for NoCloud {
    async fn send(&self, _: ServiceRequest) -> Result<ServiceResponse, CloudError> {
        let hint = "none is configured; name one of clouds.yaml, or set OS_AUTH_URL and the like";
        Err(CloudError::NoCloud(hint.to_owned()))
    }
}
