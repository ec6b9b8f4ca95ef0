//! The signature of an action: what it takes and gives.

use std::fmt;
use std::sync::Arc;

use ostro_core::{Map, Value};

use crate::lower::{InputError, LowerError, Sink, lower_param, lower_params};
use crate::types::{Name, Type, join};

/// Where a component exports an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// The interface, as the component names it: `tripleo:actions/baremetal@0.1.0`.
    pub interface: Arc<str>,
    /// The function in it: `register-or-update-nodes`.
    pub function: Arc<str>,
}

/// A parameter of an action.
#[derive(Clone, Debug)]
pub struct Param {
    /// Its name.
    pub name: Name,
    /// Its type. One of type `option` may be left out.
    pub ty: Type,
    /// What the pack's WIT text says about its type; WIT has no place to document parameters.
    pub docs: Option<Arc<str>>,
}

impl PartialEq for Param {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.ty == other.ty
    }
}

/// What an action takes and gives, read from its component's own type.
#[derive(Clone, Debug)]
pub struct Signature {
    /// The action's full name: `tripleo.baremetal.register_or_update_nodes`.
    pub name: Arc<str>,
    /// Where the component exports it.
    pub export: Export,
    /// Its parameters, in order.
    pub params: Vec<Param>,
    /// What it gives; none if it gives nothing.
    pub result: Option<Type>,
    /// Whether the function returns a WIT `result`: whether it can say that it failed.
    pub fallible: bool,
    /// What it says when it fails.
    pub error: Option<Type>,
    /// What the pack's WIT text says about it.
    pub docs: Option<Arc<str>>,
    /// Whether it gives a `verdict` of `ostro:validation`.
    pub is_validation: bool,
}

impl Signature {
    /// Checks an action's input: nothing missing, nothing superfluous, all of the right type.
    /// It is the same walk that a call makes.
    pub fn check_input(&self, input: &Map) -> Result<(), InputError> {
        match lower_params(&self.params, input, &mut Check) {
            Err(LowerError::Input(error)) => Err(error),
            // The sink of a check has never enough.
            Ok(_) | Err(LowerError::TooBig) => Ok(()),
        }
    }

    /// Checks one value of an input before a call: what is given for the parameter called `name`,
    /// in either spelling. A parameter that there is not is for
    /// [`check_names`](Self::check_names).
    pub fn check_param(&self, name: &str, value: &Value) -> Result<(), InputError> {
        let Some(param) = self.params.iter().find(|param| param.name.is(name)) else {
            return Ok(());
        };
        match lower_param(param, value, &mut Check) {
            Err(LowerError::Input(error)) => Err(error),
            Ok(()) | Err(LowerError::TooBig) => Ok(()),
        }
    }

    /// Checks the names of an input whose values are not known yet: all that is wrong with them.
    pub fn check_names<'a>(&self, given: impl IntoIterator<Item = &'a str>) -> Vec<InputError> {
        let given: Vec<&str> = given.into_iter().collect();
        let unknown = given
            .iter()
            .filter(|name| !self.params.iter().any(|param| param.name.is(name)))
            .map(|name| InputError::unknown_param(name, &self.params));
        let missing = self
            .params
            .iter()
            .filter(|param| !param.ty.is_optional())
            .filter(|param| !given.iter().any(|name| param.name.is(name)))
            .map(|param| InputError::missing_param(&param.name, &param.ty));
        unknown.chain(missing).collect()
    }

    /// The types with a name that parameters, result and error are made of, each once.
    pub fn named_types(&self) -> Vec<(Name, Type)> {
        let mut found = Vec::new();
        let params = self.params.iter().map(|param| &param.ty);
        for ty in params.chain(&self.result).chain(&self.error) {
            ty.collect_named(&mut found);
        }
        found
    }
}

/// `name(param: type, …) -> result`.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let params = self
            .params
            .iter()
            .map(|param| format!("{}: {}", param.name, param.ty));
        write!(f, "{}({})", self.name, join(params))?;
        if self.fallible {
            let sides = (self.result.clone(), self.error.clone());
            write!(f, " -> {}", Type::Result(Arc::new(sides)))
        } else if let Some(result) = &self.result {
            write!(f, " -> {result}")
        } else {
            Ok(())
        }
    }
}

/// A sink that makes nothing.
struct Check;

impl Sink for Check {
    type Out = ();

    fn charge(&mut self, _bytes: usize) -> bool {
        true
    }
    fn bool(&mut self, _: bool) {}
    fn unsigned(&mut self, _: &Type, _: u64) {}
    fn signed(&mut self, _: &Type, _: i64) {}
    fn f32(&mut self, _: f32) {}
    fn f64(&mut self, _: f64) {}
    fn char(&mut self, _: char) {}
    fn string(&mut self, _: &str) {}
    fn json(&mut self, _: &Value) -> Option<()> {
        Some(())
    }
    fn list(&mut self, _: Vec<()>) {}
    fn option(&mut self, _: Option<()>) {}
    fn result(&mut self, _: Result<Option<()>, Option<()>>) {}
    fn tuple(&mut self, _: Vec<()>) {}
    fn record(&mut self, _: Vec<(&Name, ())>) {}
    fn variant(&mut self, _: &Name, _: Option<()>) {}
    fn label(&mut self, _: &Name) {}
    fn flags(&mut self, _: Vec<&Name>) {}
}
