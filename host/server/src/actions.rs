//! What the server has to know of actions.

use std::sync::Arc;

use ostro_core::{ActionRunner, Value};
use ostro_lang::{Definitions, Diagnostic};

/// Where an action comes from that no project has defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionKind {
    /// It is built in.
    Standard,
    /// It is an operation of OpenStack.
    Openstack,
    /// It is a component of a pack.
    Pack,
}

/// An action that no project has defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemAction {
    /// Its full name.
    pub name: Arc<str>,
    /// Where it comes from.
    pub kind: ActionKind,
    /// What it takes, as Mistral writes it: `output, delay=0`.
    pub input: String,
    /// What it does.
    pub description: Option<String>,
}

/// The actions that are there whatever a project defines.
pub trait Actions: Send + Sync {
    /// All of them, by name.
    fn all(&self) -> Vec<SystemAction>;

    /// One of them.
    fn get(&self, name: &str) -> Option<SystemAction>;

    /// What runs them, and the ad-hoc actions of `definitions`.
    fn runner(&self, definitions: Arc<Definitions>) -> Arc<dyn ActionRunner>;

    /// What is wrong with how `definitions` call actions.
    fn check(&self, definitions: &Definitions) -> Vec<Diagnostic>;

    /// What makes the runner another: which versions of which packs there are.
    fn origin(&self) -> Value;
}
