//! What the standard library offers, for those who look at expressions without evaluating them.

use crate::eval::{Function, Param, Style, Ty};
use crate::library;

/// How a function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallStyle {
    /// `name(…)`
    Function,
    /// `value.name(…)`
    Method,
}

/// One form of a function or method of the standard library. A name may have several.
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are independent of each other"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The function's name.
    pub name: &'static str,
    /// Whether it is called as `name(…)`.
    pub is_function: bool,
    /// Whether it is called as `value.name(…)`; the value is then the first parameter.
    pub is_method: bool,
    /// The parameters, in order.
    pub parameters: Vec<Parameter>,
    /// What arguments past the parameters are; None if there may be none.
    pub variadic: Option<&'static str>,
    /// Whether arguments of any name are taken, as by `let`.
    pub any_keyword: bool,
    /// Whether `key => value` is an argument of its own instead of a named one, as for `dict`.
    pub pairs: bool,
}

/// A parameter of a [`Signature`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The name, by which it can be given: `name => value`.
    pub name: &'static str,
    /// What it takes, in a few words: `integer`, `string or null`, `expression`, ….
    pub accepts: &'static str,
    /// Whether it must be given.
    pub required: bool,
}

/// Every form of every function and method of the standard library, sorted by name.
pub fn signatures() -> Vec<Signature> {
    let mut all: Vec<Signature> = library::all().map(Signature::from).collect();
    all.sort_by_key(|signature| signature.name);
    all
}

impl From<&Function> for Signature {
    fn from(function: &Function) -> Self {
        Signature {
            name: function.name,
            is_function: function.style != Style::Method,
            is_method: function.style != Style::Function,
            parameters: function.params.iter().map(Parameter::from).collect(),
            variadic: function.rest.map(Ty::words),
            any_keyword: function.any_name,
            pairs: function.pairs,
        }
    }
}

impl From<&Param> for Parameter {
    fn from(param: &Param) -> Self {
        Parameter {
            name: param.name,
            accepts: param.ty.words(),
            required: param.required,
        }
    }
}
