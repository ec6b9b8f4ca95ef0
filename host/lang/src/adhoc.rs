//! What ad-hoc actions make of their input and of their base's result.
//!
//! As Mistral's `AdHocActionDescriptor` has it: the base's input is made from the given input and
//! the defaults, the result is made from the base's result as `$`, and errors pass as they are.

use std::sync::Arc;

use ostro_core::{Map, Value};
use ostro_yaql::{Budget, Host};

use crate::spec::AdHocAction;
use crate::template::{Scope, Template};

impl AdHocAction {
    /// The input of the base, when the action is called with `given`, whose names have been
    /// checked.
    pub fn base_input_for(&self, given: &Map, host: &dyn Host) -> Result<Map, String> {
        let mut input = given.clone();
        for parameter in &self.input {
            if let Some(default) = &parameter.default
                && !input.contains_key(&parameter.name)
            {
                let value = self.evaluate(default, &Value::from(input.clone()), host)?;
                input.insert(Arc::clone(&parameter.name), value);
            }
        }
        match self.evaluate(&self.base_input, &input.into(), host)? {
            Value::Map(entries) => Ok(Arc::unwrap_or_clone(entries)),
            Value::Null => Ok(Map::new()),
            other => Err(format!(
                "{}: base-input must give an object, not a value of type {}",
                self.name,
                other.kind()
            )),
        }
    }

    /// The result, when the base gave `result`.
    pub fn result_of(&self, result: Value, host: &dyn Host) -> Result<Value, String> {
        match &self.output {
            Some(template) => self.evaluate(template, &result, host),
            None => Ok(result),
        }
    }

    fn evaluate(
        &self,
        template: &Template,
        data: &Value,
        host: &dyn Host,
    ) -> Result<Value, String> {
        let budget = Budget::default();
        template
            .evaluate(Scope {
                data,
                host,
                budget: &budget,
            })
            .map_err(|error| format!("{}: {error}", self.name))
    }
}
