//! Which function a call means, and what it gets.
//!
//! The rules are YAQL's: overloads are first sorted out by the number and names of the arguments
//! and by what can be seen without evaluating them; then those arguments that every remaining
//! overload takes as values are evaluated once; then types decide.

use std::rc::Rc;
use std::sync::Arc;

use super::{Eval, Source};
use crate::ast::{Kind, NodeId};
use crate::error::{ErrorKind, Fail, Res, Span, did_you_mean, fail};
use crate::library;
use crate::value::{Ctx, Dict, Lambda, List, Rule, Val};
use crate::{Host, Value};

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
    /// An expression that the function evaluates when it wants to.
    Lambda,
    /// `key => value` that the function evaluates when it wants to.
    Rule,
    /// `key => value`
    Pair,
}

impl Ty {
    fn is_lazy(self) -> bool {
        matches!(self, Ty::Lambda | Ty::Rule)
    }

    /// Whether the argument, not evaluated yet, may fit.
    fn may_take(self, arg: &Kind) -> bool {
        match (self, arg) {
            (Ty::Rule, _) => matches!(arg, Kind::Pair { .. }),
            (Ty::Lambda | Ty::Any, _) => true,
            (_, Kind::Constant(value)) => self.takes(&Val::from(value)),
            (_, Kind::Keyword(_)) => matches!(self, Ty::Str | Ty::StrOrNull),
            _ => true,
        }
    }

    /// Whether the value fits.
    fn takes(self, value: &Val) -> bool {
        match self {
            Ty::Any => !matches!(value, Val::Pair(_)),
            Ty::Str => matches!(value, Val::Str(_)),
            Ty::StrOrNull => matches!(value, Val::Str(_) | Val::Null),
            Ty::Int => matches!(value, Val::Int(_) | Val::Bool(_)),
            Ty::IntOrNull => matches!(value, Val::Int(_) | Val::Bool(_) | Val::Null),
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
            Ty::Timespan => matches!(value, Val::Span(_) | Val::Null),
            Ty::Lambda => matches!(value, Val::Lambda(_)),
            Ty::Rule => matches!(value, Val::Rule(_)),
            Ty::Pair => matches!(value, Val::Pair(_)),
        }
    }

    /// Whether everything that fits this fits `other`, and not the other way round.
    fn is_narrower(self, other: Ty) -> bool {
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
    pub(crate) run: fn(Call<'_, '_>) -> Res<Val>,
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

/// An argument as it was written.
#[derive(Clone, Copy)]
enum Arg {
    Receiver,
    Node(NodeId),
    Gap,
}

/// The arguments of a call, sorted into those by position and those by name.
struct Written {
    positions: Vec<Arg>,
    names: Vec<(Arc<str>, NodeId)>,
}

/// For each parameter and each argument past them: where its value comes from.
struct Mapping {
    params: Vec<Option<From>>,
    rest: Vec<usize>,
    extra_names: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Position(usize),
    Name(usize),
}

/// What an argument became.
#[derive(Clone)]
enum Given {
    Value(Val),
    Lazy,
}

impl Eval<'_> {
    /// Calls `name`: a method if there is a receiver.
    pub(crate) fn call(
        &mut self,
        name: &Arc<str>,
        name_span: Span,
        receiver: Option<Val>,
        args: &[NodeId],
        ctx: &Rc<Ctx>,
    ) -> Res<Val> {
        if receiver.is_none() {
            if let Some((body, inner)) = ctx.function(name) {
                return self.call_defined(body, &inner, args, ctx);
            }
            if self.host.functions().contains(&&**name) {
                return self.call_host(name, args, ctx);
            }
        }
        let is_method = receiver.is_some();
        let overloads: Vec<&'static Function> = library::overloads(name)
            .iter()
            .copied()
            .filter(|f| f.style == Style::Both || (f.style == Style::Method) == is_method)
            .collect();
        let Some(first) = overloads.first() else {
            return Err(self.unknown(name, receiver.as_ref()).at(name_span));
        };
        let written = self.sort_arguments(receiver.is_some(), args, first.pairs)?;
        let candidates: Vec<(&'static Function, Mapping)> = overloads
            .iter()
            .filter_map(|f| Some((*f, self.map_arguments(f, &written)?)))
            .collect();
        let Some((function, mapping)) = candidates.first() else {
            return Err(no_match(name, is_method, &overloads).at(name_span));
        };
        // All that is left agrees on what is lazy, or the call can't be decided.
        let lazy = lazy_arguments(function, mapping, &written);
        if candidates[1..]
            .iter()
            .any(|(f, m)| lazy_arguments(f, m, &written) != lazy)
        {
            return Err(fail(
                ErrorKind::Ambiguous,
                format!("the call of `{name}` is ambiguous"),
            )
            .at(name_span));
        }
        let (positions, names) = self.evaluate(&written, &lazy, receiver, ctx)?;
        let mut chosen: Option<&(&'static Function, Mapping)> = None;
        for candidate in candidates.iter().filter(|c| fits(c, &positions, &names)) {
            match chosen {
                None => chosen = Some(candidate),
                Some(best) if narrower(best, candidate) => {}
                Some(best) if narrower(candidate, best) => chosen = Some(candidate),
                Some(_) => {
                    return Err(fail(
                        ErrorKind::Ambiguous,
                        format!("the call of `{name}` is ambiguous"),
                    )
                    .at(name_span));
                }
            }
        }
        let Some((function, mapping)) = chosen else {
            let kinds = positions.iter().map(|given| match given {
                Given::Value(value) => value.kind(),
                Given::Lazy => "expression",
            });
            let kinds = kinds.collect::<Vec<_>>().join(", ");
            return Err(no_match(name, is_method, &overloads)
                .at(name_span)
                .hint(Some(format!("it was given ({kinds})"))));
        };
        let pick = |from: From, ty: Ty| {
            let (given, node) = match from {
                From::Position(i) => (
                    &positions[i],
                    match written.positions[i] {
                        Arg::Node(node) => Some(node),
                        _ => None,
                    },
                ),
                From::Name(i) => (&names[i], Some(written.names[i].1)),
            };
            match (given, node) {
                (Given::Value(value), _) => value.clone(),
                (Given::Lazy, Some(node)) => self.delay(node, ty, ctx),
                (Given::Lazy, None) => Val::Missing,
            }
        };
        let args = function
            .params
            .iter()
            .zip(&mapping.params)
            .map(|(param, from)| from.map_or(Val::Missing, |from| pick(from, param.ty)))
            .collect();
        let rest_ty = function.rest.unwrap_or(Ty::Any);
        let rest = mapping
            .rest
            .iter()
            .map(|i| pick(From::Position(*i), rest_ty))
            .collect();
        let named = mapping
            .extra_names
            .iter()
            .map(|i| {
                (
                    Arc::clone(&written.names[*i].0),
                    pick(From::Name(*i), Ty::Any),
                )
            })
            .collect();
        let run = function.run;
        run(Call {
            ev: self,
            args,
            rest,
            named,
            ctx: Rc::clone(ctx),
        })
    }

    /// A lambda or rule over `node`.
    fn delay(&self, node: NodeId, ty: Ty, ctx: &Rc<Ctx>) -> Val {
        match (ty, self.tree.kind(node)) {
            (Ty::Rule, Kind::Pair { key, value }) => Val::Rule(Rc::new(Rule {
                key: *key,
                value: *value,
                ctx: Rc::clone(ctx),
            })),
            // Null in place of a lambda is as good as none.
            (_, Kind::Constant(Value::Null)) => Val::Missing,
            _ => Val::Lambda(Rc::new(Lambda {
                body: node,
                ctx: Rc::clone(ctx),
            })),
        }
    }

    fn sort_arguments(&self, is_method: bool, args: &[NodeId], pairs: bool) -> Res<Written> {
        let mut written = Written {
            positions: Vec::new(),
            names: Vec::new(),
        };
        if is_method {
            written.positions.push(Arg::Receiver);
        }
        for arg in args {
            match self.tree.kind(*arg) {
                Kind::Gap => written.positions.push(Arg::Gap),
                Kind::Pair { key, value } if !pairs => match self.tree.kind(*key) {
                    Kind::Keyword(name) => {
                        if written.names.iter().any(|(known, _)| known == name) {
                            return Err(fail(
                                ErrorKind::NoMatch,
                                format!("argument `{name}` is given twice"),
                            )
                            .at(self.tree.span(*key)));
                        }
                        written.names.push((Arc::clone(name), *value));
                    }
                    _ => {
                        return Err(
                            fail(ErrorKind::NoMatch, "an argument's name is a bare word")
                                .at(self.tree.span(*key)),
                        );
                    }
                },
                _ => written.positions.push(Arg::Node(*arg)),
            }
        }
        Ok(written)
    }

    /// How the arguments meet the parameters, if they can.
    fn map_arguments(&self, function: &Function, written: &Written) -> Option<Mapping> {
        let mut mapping = Mapping {
            params: vec![None; function.params.len()],
            rest: Vec::new(),
            extra_names: Vec::new(),
        };
        for (i, arg) in written.positions.iter().enumerate() {
            let ty = match function.params.get(i) {
                Some(param) => {
                    if !matches!(arg, Arg::Gap) {
                        mapping.params[i] = Some(From::Position(i));
                    }
                    param.ty
                }
                None => {
                    mapping.rest.push(i);
                    function.rest?
                }
            };
            match arg {
                Arg::Node(node) if !ty.may_take(self.tree.kind(*node)) => return None,
                Arg::Gap if i >= function.params.len() => return None,
                _ => {}
            }
        }
        for (i, (name, node)) in written.names.iter().enumerate() {
            match function
                .params
                .iter()
                .position(|param| *param.name == **name)
            {
                Some(at) if mapping.params[at].is_none() => {
                    if !function.params[at].ty.may_take(self.tree.kind(*node)) {
                        return None;
                    }
                    mapping.params[at] = Some(From::Name(i));
                }
                None if function.any_name => mapping.extra_names.push(i),
                _ => return None,
            }
        }
        let complete = |(param, from): (&Param, &Option<From>)| from.is_some() || !param.required;
        function
            .params
            .iter()
            .zip(&mapping.params)
            .all(complete)
            .then_some(mapping)
    }

    fn evaluate(
        &mut self,
        written: &Written,
        lazy: &[bool],
        receiver: Option<Val>,
        ctx: &Rc<Ctx>,
    ) -> Res<(Vec<Given>, Vec<Given>)> {
        let mut receiver = receiver;
        let mut positions = Vec::with_capacity(written.positions.len());
        for (arg, lazy) in written.positions.iter().zip(lazy) {
            positions.push(match arg {
                Arg::Receiver => Given::Value(receiver.take().unwrap_or(Val::Null)),
                Arg::Gap => Given::Value(Val::Missing),
                Arg::Node(_) if *lazy => Given::Lazy,
                Arg::Node(node) => Given::Value(self.argument(*node, ctx)?),
            });
        }
        let mut names = Vec::with_capacity(written.names.len());
        for ((_, node), lazy) in written.names.iter().zip(&lazy[written.positions.len()..]) {
            names.push(if *lazy {
                Given::Lazy
            } else {
                Given::Value(self.argument(*node, ctx)?)
            });
        }
        Ok((positions, names))
    }

    fn argument(&mut self, node: NodeId, ctx: &Rc<Ctx>) -> Res<Val> {
        match self.tree.kind(node) {
            Kind::Pair { key, value } => {
                let key = self.eval(*key, ctx)?;
                let value = self.eval(*value, ctx)?;
                Ok(Val::Pair(Rc::new((key, value))))
            }
            _ => self.eval(node, ctx),
        }
    }

    /// Calls a function that `def` made; all its arguments are values.
    fn call_defined(
        &mut self,
        body: NodeId,
        inner: &Rc<Ctx>,
        args: &[NodeId],
        ctx: &Rc<Ctx>,
    ) -> Res<Val> {
        let written = self.sort_arguments(false, args, false)?;
        let mut variables = Vec::new();
        for (i, arg) in written.positions.iter().enumerate() {
            if let Arg::Node(node) = arg {
                let value = self.eval(*node, ctx)?;
                variables.push((crate::ast::Name::Position(i + 1), value));
            }
        }
        for (name, node) in &written.names {
            let value = self.eval(*node, ctx)?;
            variables.push((crate::ast::Name::new(name), value));
        }
        let ctx = self.context(inner, variables)?;
        self.eval(body, &ctx)
    }

    fn call_host(&mut self, name: &str, args: &[NodeId], ctx: &Rc<Ctx>) -> Res<Val> {
        let written = self.sort_arguments(false, args, false)?;
        let mut positions = Vec::with_capacity(written.positions.len());
        for arg in &written.positions {
            positions.push(match arg {
                Arg::Node(node) => {
                    let value = self.eval(*node, ctx)?;
                    self.finish(&value)?
                }
                _ => Value::Null,
            });
        }
        let mut names = Vec::with_capacity(written.names.len());
        for (name, node) in &written.names {
            let value = self.eval(*node, ctx)?;
            names.push((&**name, self.finish(&value)?));
        }
        self.step(100)?;
        match self.host.call(name, &positions, &names) {
            Some(Ok(value)) => Ok(Val::from(&value)),
            Some(Err(message)) => Err(fail(ErrorKind::Host, format!("{name}: {message}"))),
            None => Err(self.unknown(name, None)),
        }
    }

    fn unknown(&self, name: &str, receiver: Option<&Val>) -> Box<Fail> {
        unknown(name, receiver.map(Val::kind), self.host)
    }
}

/// A name among others that live less long.
fn shorter<'a>(name: &'static str) -> &'a str {
    name
}

/// An error about a function or method that doesn't exist.
fn unknown(name: &str, receiver: Option<&str>, host: &dyn Host) -> Box<Fail> {
    let is_method = receiver.is_some();
    let near = match receiver {
        Some(_) => did_you_mean(name, library::names(Style::Method)),
        None => did_you_mean(
            name,
            library::names(Style::Function)
                .map(shorter)
                .chain(host.functions().iter().copied()),
        ),
    };
    let hint = if matches!(name, "not" | "in" | "mod" | "and" | "or") {
        Some(format!("leave a space between `{name}` and `(`"))
    } else if is_method && library::is_function(name) {
        Some(format!("`{name}` is a function: call it as `{name}(…)`"))
    } else if !is_method && library::is_method(name) {
        Some(format!(
            "`{name}` is a method: call it as `value.{name}(…)`"
        ))
    } else {
        near
    };
    match receiver {
        None => fail(
            ErrorKind::UnknownFunction,
            format!("unknown function `{name}`"),
        ),
        Some(_) => fail(ErrorKind::UnknownMethod, format!("unknown method `{name}`")),
    }
    .hint(hint)
}

fn no_match(name: &str, is_method: bool, overloads: &[&Function]) -> Box<Fail> {
    let what = if is_method { "method" } else { "function" };
    let forms = overloads
        .iter()
        .map(|f| f.signature(is_method))
        .collect::<Vec<_>>()
        .join(" or ");
    fail(
        ErrorKind::NoMatch,
        format!("no {what} `{name}` takes these arguments; there is {forms}"),
    )
}

impl Function {
    /// As `split(separator, maxSplits)`.
    fn signature(&self, is_method: bool) -> String {
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

/// For each argument by position, then by name: whether the function takes it lazily.
fn lazy_arguments(function: &Function, mapping: &Mapping, written: &Written) -> Vec<bool> {
    let mut lazy = vec![false; written.positions.len() + written.names.len()];
    for (param, from) in function.params.iter().zip(&mapping.params) {
        match from {
            Some(From::Position(i)) => lazy[*i] = param.ty.is_lazy(),
            Some(From::Name(i)) => lazy[written.positions.len() + i] = param.ty.is_lazy(),
            None => {}
        }
    }
    for i in &mapping.rest {
        lazy[*i] = function.rest.is_some_and(Ty::is_lazy);
    }
    lazy
}

fn fits(
    (function, mapping): &(&'static Function, Mapping),
    positions: &[Given],
    names: &[Given],
) -> bool {
    let takes = |ty: Ty, given: &Given| match given {
        Given::Value(Val::Missing) | Given::Lazy => true,
        Given::Value(value) => ty.takes(value),
    };
    let of = |from: From| match from {
        From::Position(i) => &positions[i],
        From::Name(i) => &names[i],
    };
    function
        .params
        .iter()
        .zip(&mapping.params)
        .all(|(param, from)| from.is_none_or(|from| takes(param.ty, of(from))))
        && mapping
            .rest
            .iter()
            .all(|i| function.rest.is_some_and(|ty| takes(ty, &positions[*i])))
}

/// Whether `a`'s parameters are narrower than `b`'s.
fn narrower(a: &(&'static Function, Mapping), b: &(&'static Function, Mapping)) -> bool {
    let mut narrower = false;
    for (i, (a, b)) in a.0.params.iter().zip(b.0.params).enumerate() {
        let _ = i;
        if b.ty.is_narrower(a.ty) {
            return false;
        }
        narrower |= a.ty.is_narrower(b.ty);
    }
    narrower
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
        self.ev.to_list(&value)
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
