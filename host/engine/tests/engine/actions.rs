//! Actions that need no script: Mistral's std actions as they are in tests, and ad-hoc actions.

use std::sync::Arc;

use ostro_core::{ActionOutcome, Map, Value};
use ostro_lang::{AdHocAction, Definitions, FUNCTIONS, FunctionEnv, Host, call_function};

use crate::world::{Scripted, failure};

/// An action with the ad-hoc actions around it, outermost first.
pub(crate) struct Resolved {
    pub(crate) base: Arc<str>,
    pub(crate) input: Arc<Map>,
    around: Vec<Arc<AdHocAction>>,
}

impl Resolved {
    /// Follows ad-hoc actions from `name` of `namespace` down to their base.
    pub(crate) fn new(
        library: &Definitions,
        namespace: &str,
        name: &str,
        input: &Arc<Map>,
    ) -> Result<Self, String> {
        let mut resolved = Resolved {
            base: name.into(),
            input: Arc::clone(input),
            around: Vec::new(),
        };
        let mut next = library.action_in(namespace, name).cloned();
        while let Some(action) = next {
            let given = &resolved.input;
            let known = |name: &Arc<str>| action.input.iter().any(|input| input.name == *name);
            if let Some(name) = given.keys().find(|name| !known(name)) {
                return Err(format!("{} takes no {name}", action.name));
            }
            let missing = |input: &&ostro_lang::Input| {
                input.default.is_none() && !given.contains_key(&input.name)
            };
            if let Some(input) = action.input.iter().find(missing) {
                return Err(format!("{} needs {}", action.name, input.name));
            }
            if resolved
                .around
                .iter()
                .any(|above| above.name == action.name)
            {
                return Err(format!("{name} leads back to itself"));
            }
            resolved.input = Arc::new(action.base_input_for(given, &Functions)?);
            resolved.base = Arc::clone(&action.base);
            next = library.base_of(&action).cloned();
            resolved.around.push(action);
        }
        Ok(resolved)
    }

    /// What the ad-hoc actions make of the base's outcome.
    pub(crate) fn outcome(&self, outcome: ActionOutcome) -> ActionOutcome {
        let ActionOutcome::Success(mut result) = outcome else {
            return outcome;
        };
        for action in self.around.iter().rev() {
            result = match action.result_of(result, &Functions) {
                Ok(result) => result,
                Err(message) => return failure(message.into()),
            };
        }
        ActionOutcome::Success(result)
    }
}

/// How a std action goes that a world can do without a machine; none if it is none.
pub(crate) fn standard(name: &str, input: &Map) -> Option<Scripted> {
    let seconds = |key: &str| match input.get(key) {
        Some(Value::Int(seconds)) => seconds * 1000,
        _ => 0,
    };
    let now = |outcome| Scripted {
        outcome: Some(outcome),
        after: 0,
    };
    Some(match name {
        "std.noop" => now(ActionOutcome::Success(Value::Null)),
        "std.echo" => Scripted {
            outcome: Some(ActionOutcome::Success(
                input.get("output").cloned().unwrap_or_default(),
            )),
            after: seconds("delay"),
        },
        "std.sleep" => Scripted {
            outcome: Some(ActionOutcome::Success(Value::Null)),
            after: seconds("seconds"),
        },
        "std.async_noop" => now(ActionOutcome::Deferred),
        "std.fail" => now(failure(match input.get("error_data") {
            Some(data) if data.is_truthy() => data.clone(),
            _ => "Fail action expected exception.".into(),
        })),
        "std.test_dict" => {
            let text = |key: &str| match input.get(key) {
                Some(Value::String(text)) => text.to_string(),
                _ => String::new(),
            };
            let Some(Value::Int(size)) = input.get("size") else {
                return Some(now(ActionOutcome::Success(Map::new().into())));
            };
            let entries = (0..*size).map(|number| {
                let value = input.get("val").cloned().unwrap_or_else(|| "".into());
                (format!("{}{number}", text("key_prefix")), value)
            });
            now(ActionOutcome::Success(entries.collect()))
        }
        _ => return None,
    })
}

/// What expressions of ad-hoc actions can call.
struct Functions;

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
        crate::world::START
    }
}

impl FunctionEnv for Functions {
    fn new_uuid(&self) -> String {
        "6ba7b810-9dad-41d1-80b4-00c04fd430c8".to_owned()
    }
}
