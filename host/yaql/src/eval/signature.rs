//! What a function of the library declares, and what it gets when it is called.

use std::rc::Rc;
use std::sync::Arc;

use super::{Eval, Source};
use crate::ast::Kind;
use crate::error::Res;
use crate::value::{Ctx, Dict, Lambda, List, Val};

/// How a function may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// `f(x)`
    Function,
    /// `x.f()`
    Method,
    Both,
}

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ty {
    Any,
    Str,
    StrOrNull,
    /// Integers and, as in Python, truth values.
    Int,
    IntOrNull,
    /// Integers without truth values.
    OnlyInt,
    Number,
    NumberOrNull,
    Bool,
    /// What can be gone through: not strings, not mappings.
    Iterable,
    /// Iterables but sets.
    NoSet,
    List,
    Iterator,
    Ordered,
    Dict,
    Set,
    Regex,
    Time,
    Timespan,
    TimespanOrNull,
    /// An expression that the function evaluates when it wants to.
    Lambda,
    /// `key => value` that the function evaluates when it wants to.
    Rule,
    /// `key => value`
    Pair,
}

impl Ty {
    /// In words, for people.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Ty::Any => "any value",
            Ty::Str => "string",
            Ty::StrOrNull => "string or null",
            Ty::Int | Ty::OnlyInt => "integer",
            Ty::IntOrNull => "integer or null",
            Ty::Number => "number",
            Ty::NumberOrNull => "number or null",
            Ty::Bool => "boolean",
            Ty::Iterable | Ty::NoSet => "collection",
            Ty::List => "list",
            Ty::Iterator => "iterator",
            Ty::Ordered => "ordered collection",
            Ty::Dict => "mapping",
            Ty::Set => "set",
            Ty::Regex => "regex",
            Ty::Time => "datetime",
            Ty::Timespan => "timespan",
            Ty::TimespanOrNull => "timespan or null",
            Ty::Lambda => "expression",
            Ty::Rule | Ty::Pair => "key => value",
        }
    }

    pub(super) fn is_lazy(self) -> bool {
        matches!(self, Ty::Lambda | Ty::Rule)
    }

    /// Whether the argument, not evaluated yet, may fit.
    pub(super) fn may_take(self, arg: &Kind) -> bool {
        match (self, arg) {
            (Ty::Rule, _) => matches!(arg, Kind::Pair { .. }),
            (Ty::Lambda | Ty::Any, _) => true,
            (_, Kind::Constant(value)) => self.takes(&Val::from(*value)),
            (_, Kind::Keyword(_) | Kind::Text(_)) => matches!(self, Ty::Str | Ty::StrOrNull),
            _ => true,
        }
    }

    /// Whether the value fits.
    pub(super) fn takes(self, value: &Val) -> bool {
        match self {
            Ty::Any => !matches!(value, Val::Pair(_)),
            Ty::Str => matches!(value, Val::Str(_)),
            Ty::StrOrNull => matches!(value, Val::Str(_) | Val::Null),
            Ty::Int => matches!(value, Val::Int(_) | Val::Bool(_)),
            Ty::IntOrNull => matches!(value, Val::Int(_) | Val::Bool(_) | Val::Null),
            Ty::OnlyInt => matches!(value, Val::Int(_)),
            Ty::Number => matches!(value, Val::Int(_) | Val::Float(_)),
            Ty::NumberOrNull => matches!(value, Val::Int(_) | Val::Float(_) | Val::Null),
            Ty::Bool => matches!(value, Val::Bool(_) | Val::Null),
            Ty::Iterable => value.is_iterable(),
            Ty::NoSet => value.is_iterable() && !value.is_set(),
            Ty::List => matches!(value, Val::List(_)),
            Ty::Iterator => matches!(value, Val::Iter(_) | Val::Memo(_)),
            Ty::Ordered => matches!(value, Val::Order(_)),
            Ty::Dict => matches!(value, Val::Dict(_)),
            Ty::Set => value.is_set(),
            Ty::Regex => matches!(value, Val::Regex(_)),
            Ty::Time => matches!(value, Val::Time(_)),
            Ty::Timespan => matches!(value, Val::Span(_)),
            Ty::TimespanOrNull => matches!(value, Val::Span(_) | Val::Null),
            Ty::Lambda => matches!(value, Val::Lambda(_)),
            Ty::Rule => matches!(value, Val::Rule(_)),
            Ty::Pair => matches!(value, Val::Pair(_)),
        }
    }

    /// Whether everything that fits this fits `other`, and not the other way round.
    pub(super) fn is_narrower(self, other: Ty) -> bool {
        self != other
            && match other {
                Ty::Any => true,
                Ty::Iterable => {
                    matches!(
                        self,
                        Ty::List | Ty::Set | Ty::Iterator | Ty::Ordered | Ty::NoSet
                    )
                }
                Ty::NoSet => matches!(self, Ty::List | Ty::Iterator | Ty::Ordered),
                _ => false,
            }
    }
}

/// A parameter of a function of the library.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Param {
    pub(crate) name: &'static str,
    pub(crate) ty: Ty,
    pub(crate) required: bool,
}

/// A function of the library, one overload of it.
#[derive(Clone, Copy)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) style: Style,
    /// For a method the first is the receiver.
    pub(crate) params: &'static [Param],
    /// What further arguments are, if there may be some.
    pub(crate) rest: Option<Ty>,
    /// Whether it takes arguments of any name.
    pub(crate) any_name: bool,
    /// Whether `key => value` are arguments of their own instead of named ones.
    pub(crate) pairs: bool,
    pub(crate) run: fn(&mut Call<'_, '_>) -> Res<Val>,
}

/// A call on its way into the library.
pub(crate) struct Call<'e, 'a> {
    pub(crate) ev: &'e mut Eval<'a>,
    /// One value a parameter; [`Val::Missing`] for what was left out.
    pub(crate) args: Vec<Val>,
    pub(crate) rest: Vec<Val>,
    pub(crate) named: Vec<(Arc<str>, Val)>,
    pub(crate) ctx: Rc<Ctx>,
}

impl Function {
    /// As `split(separator, maxSplits)`.
    pub(super) fn signature(&self, is_method: bool) -> String {
        let params = self.params.iter().skip(usize::from(is_method));
        let mut words: Vec<String> = params
            .map(|param| {
                if param.required {
                    param.name.to_owned()
                } else {
                    format!("[{}]", param.name)
                }
            })
            .collect();
        if self.rest.is_some() {
            words.push("…".to_owned());
        }
        format!("`{}({})`", self.name, words.join(", "))
    }
}

impl Call<'_, '_> {
    /// The argument; [`Val::Missing`] if it was left out.
    pub(crate) fn arg(&self, index: usize) -> Val {
        self.args.get(index).cloned().unwrap_or(Val::Missing)
    }

    /// Whether the argument was left out.
    pub(crate) fn is_missing(&self, index: usize) -> bool {
        matches!(self.args.get(index), None | Some(Val::Missing))
    }

    /// The text, or the empty string for what isn't one.
    pub(crate) fn text(&self, index: usize) -> Arc<str> {
        match self.args.get(index) {
            Some(Val::Str(text)) => Arc::clone(text),
            _ => Arc::from(""),
        }
    }

    /// The text, where it was given.
    pub(crate) fn text_or_none(&self, index: usize) -> Option<Arc<str>> {
        match self.args.get(index) {
            Some(Val::Str(text)) => Some(Arc::clone(text)),
            _ => None,
        }
    }

    /// The integer, where it was given.
    pub(crate) fn int_or(&self, index: usize, default: i64) -> i64 {
        match self.args.get(index) {
            Some(Val::Int(number)) => *number,
            Some(Val::Bool(truth)) => i64::from(*truth),
            _ => default,
        }
    }

    /// The truth value, where it was given.
    pub(crate) fn flag(&self, index: usize, default: bool) -> bool {
        match self.args.get(index) {
            Some(Val::Missing) | None => default,
            Some(value) => value.is_truthy(),
        }
    }

    /// The lambda, where it was given.
    pub(crate) fn lambda(&self, index: usize) -> Option<Rc<Lambda>> {
        match self.args.get(index) {
            Some(Val::Lambda(lambda)) => Some(Rc::clone(lambda)),
            _ => None,
        }
    }

    /// The mapping, or an empty one for what isn't one.
    pub(crate) fn dict(&self, index: usize) -> Dict {
        match self.args.get(index) {
            Some(Val::Dict(dict)) => dict.clone(),
            _ => Dict::Json(Arc::default()),
        }
    }

    /// The start of a collection.
    pub(crate) fn source(&mut self, index: usize) -> Res<Source> {
        let value = self.arg(index);
        self.ev.source(&value)
    }

    /// A collection's items.
    pub(crate) fn list(&mut self, index: usize) -> Res<List> {
        let value = self.arg(index);
        self.ev.list_of(&value)
    }

    /// A lazy sequence over what the arguments hold.
    pub(crate) fn stream(&mut self, lazy: impl crate::value::Lazy + 'static) -> Res<Val> {
        let values = self.args.iter().chain(&self.rest);
        let deepest = values
            .map(Val::depth)
            .max()
            .unwrap_or(0)
            .max(self.ctx.depth);
        self.ev.stream(deepest + 1, Box::new(lazy))
    }
}
