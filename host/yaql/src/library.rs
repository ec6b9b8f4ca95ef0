//! The standard library: what functions there are, and which overloads each name has.

mod branching;
mod collections;
mod dates;
mod edits;
mod format;
mod generators;
mod lazy;
mod math;
mod pattern;
pub(crate) mod queries;
pub(crate) mod regex;
pub(crate) mod strings;
mod system;
pub(crate) mod time;

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

use crate::error::Res;
use crate::eval::{Call, Function, Param, Style, Ty};
use crate::value::Val;

type Run = fn(&mut Call<'_, '_>) -> Res<Val>;

/// A parameter that must be given.
const fn req(name: &'static str, ty: Ty) -> Param {
    Param {
        name,
        ty,
        required: true,
    }
}

/// A parameter that may be left out.
const fn opt(name: &'static str, ty: Ty) -> Param {
    Param {
        name,
        ty,
        required: false,
    }
}

const fn entry(name: &'static str, style: Style, params: &'static [Param], run: Run) -> Function {
    Function {
        name,
        style,
        params,
        rest: None,
        any_name: false,
        pairs: false,
        run,
    }
}

const fn function(name: &'static str, params: &'static [Param], run: Run) -> Function {
    entry(name, Style::Function, params, run)
}

const fn method(name: &'static str, params: &'static [Param], run: Run) -> Function {
    entry(name, Style::Method, params, run)
}

/// What may be called both ways.
const fn both(name: &'static str, params: &'static [Param], run: Run) -> Function {
    entry(name, Style::Both, params, run)
}

impl Function {
    const fn rest(mut self, ty: Ty) -> Self {
        self.rest = Some(ty);
        self
    }

    const fn any_name(mut self) -> Self {
        self.any_name = true;
        self
    }

    const fn pairs(mut self) -> Self {
        self.pairs = true;
        self
    }
}

static REGISTRY: LazyLock<FxHashMap<&'static str, Vec<&'static Function>>> = LazyLock::new(|| {
    let mut registry: FxHashMap<_, Vec<_>> = FxHashMap::default();
    for table in [
        branching::FUNCTIONS,
        collections::FUNCTIONS,
        edits::FUNCTIONS,
        generators::FUNCTIONS,
        lazy::FUNCTIONS,
        math::FUNCTIONS,
        queries::FUNCTIONS,
        regex::FUNCTIONS,
        strings::FUNCTIONS,
        system::FUNCTIONS,
        time::FUNCTIONS,
    ] {
        for function in table {
            registry.entry(function.name).or_default().push(function);
        }
    }
    registry
});

/// Every overload of every function.
pub(crate) fn all() -> impl Iterator<Item = &'static Function> {
    REGISTRY.values().flatten().copied()
}

/// The functions and methods of this name. A trailing underscore is of no account, as in YAQL.
pub(crate) fn overloads(name: &str) -> &'static [&'static Function] {
    REGISTRY
        .get(name.trim_end_matches('_'))
        .map_or(&[], Vec::as_slice)
}

/// The names of what may be called in this style.
pub(crate) fn names(style: Style) -> impl Iterator<Item = &'static str> {
    REGISTRY
        .iter()
        .filter(move |(_, all)| any(all, style))
        .map(|(name, _)| *name)
}

fn any(overloads: &[&Function], style: Style) -> bool {
    overloads
        .iter()
        .any(|f| f.style == style || f.style == Style::Both)
}

/// Whether `name` may be called as `name(…)`.
pub(crate) fn is_function(name: &str) -> bool {
    any(overloads(name), Style::Function)
}

/// Whether `name` may be called as `value.name(…)`.
pub(crate) fn is_method(name: &str) -> bool {
    any(overloads(name), Style::Method)
}

/// Whether the lambdas that `name` takes get a `$` of their own.
pub(crate) fn rebinds(name: &str) -> bool {
    !matches!(name, "coalesce" | "examine" | "switchCase")
        && !matches!(name, "selectAllCases" | "selectCase" | "switch")
        && overloads(name).iter().any(|f| f.takes(Ty::Lambda))
}

impl Function {
    fn takes(&self, ty: Ty) -> bool {
        self.rest == Some(ty) || self.params.iter().any(|param| param.ty == ty)
    }
}
