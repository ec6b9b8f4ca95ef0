//! What leaves a call, without values in it: progress, lines, results and errors.

use std::sync::Arc;

use ostro_core::{ActionContext, Progress, ProgressSink, Value};

use super::CallSecrets;
use crate::error::CallError;

/// A sink that gets no values.
pub(crate) struct Hiding {
    sink: Arc<dyn ProgressSink>,
    secrets: Arc<CallSecrets>,
}

impl Hiding {
    /// `sink`, which gets no values of `secrets`.
    pub(crate) fn around(
        sink: Arc<dyn ProgressSink>,
        secrets: &Arc<CallSecrets>,
    ) -> Arc<dyn ProgressSink> {
        if secrets.is_empty() {
            return sink;
        }
        let secrets = Arc::clone(secrets);
        Arc::new(Self { sink, secrets })
    }
}

impl ProgressSink for Hiding {
    fn progress(&self, context: &ActionContext, progress: Progress) {
        let message = self.secrets.hide(&progress.message);
        let percent = progress.percent;
        self.sink.progress(context, Progress { percent, message });
    }

    fn note(&self, context: &ActionContext, line: &str) {
        self.sink.note(context, &self.secrets.hide(line));
    }
}

impl CallSecrets {
    /// What a call gave, with names where values would be.
    pub(crate) fn hide_result(&self, result: Result<Value, CallError>) -> Result<Value, CallError> {
        match result {
            Ok(value) => Ok(self.hide_value(&value)),
            Err(CallError::Action(value)) => Err(CallError::Action(self.hide_value(&value))),
            Err(CallError::Trap(text)) => Err(CallError::Trap(self.hide(&text))),
            Err(CallError::Host(text)) => Err(CallError::Host(self.hide(&text))),
            // The others quote nothing that a component said.
            Err(other) => Err(other),
        }
    }

    fn hide_value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.hide(text).into(),
            Value::List(items) => items.iter().map(|item| self.hide_value(item)).collect(),
            Value::Map(entries) => entries
                .iter()
                .map(|(key, value)| (self.hide(key), self.hide_value(value)))
                .collect(),
            other => other.clone(),
        }
    }
}
