//! What the server has to know of actions.

use std::any::Any;
use std::sync::Arc;

use ostro_core::{ActionRunner, Value};
use ostro_lang::{Definitions, Diagnostic};

/// An action that no project has defined.
#[derive(Clone, Debug, PartialEq)]
pub struct SystemAction {
    /// Its full name.
    pub name: Arc<str>,
    /// What it takes, in order.
    pub parameters: Vec<Parameter>,
    /// What it does.
    pub description: Option<String>,
}

/// A parameter of an action.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: Arc<str>,
    /// What it is when it is not given; none where it must be.
    pub default: Option<Value>,
}

impl SystemAction {
    /// What it takes, as Mistral writes it: `output, delay=0`.
    pub(crate) fn input(&self) -> String {
        let parameters = self.parameters.iter().map(|one| match &one.default {
            None => one.name.to_string(),
            Some(default) => format!("{}={default}", one.name),
        });
        parameters.collect::<Vec<_>>().join(", ")
    }
}

/// Keeps something as long as it is there.
pub type Held = Arc<dyn Any + Send + Sync>;

/// The actions that are there whatever a project defines. They may become others at any time, when
/// a version of a pack is activated: what comes from one call belongs together.
pub trait Actions: Send + Sync {
    /// All of them, by name.
    fn all(&self) -> Vec<SystemAction>;

    /// One of them.
    fn get(&self, name: &str) -> Option<SystemAction>;

    /// What runs them, and the ad-hoc actions of `definitions`, with the [`Actions::origin`] of
    /// exactly that.
    fn runner(&self, definitions: Arc<Definitions>) -> (Value, Arc<dyn ActionRunner>);

    /// What is wrong with how `definitions` call actions.
    fn check(&self, definitions: &Definitions) -> Vec<Diagnostic>;

    /// What makes the runner another: which versions of which packs there are.
    fn origin(&self) -> Value;

    /// Keeps what an execution needs that begins with the actions of this origin, until it is
    /// dropped: by then the execution is written, and that keeps it. None where there are other
    /// actions now.
    fn hold(&self, origin: &Value) -> Option<Held> {
        (*origin == self.origin()).then(|| Arc::new(()) as Held)
    }
}
