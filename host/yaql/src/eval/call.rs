//! Which function a call means, and what it gets.
//!
//! The rules are YAQL's: overloads are first sorted out by the number and names of the arguments
//! and by what can be seen without evaluating them; then those arguments that every remaining
//! overload takes as values are evaluated once; then types decide.

use std::rc::Rc;
use std::sync::Arc;

use ostro_core::suggest::did_you_mean;

use super::{Call, Eval, Function, Param, Style, Ty};
use crate::ast::{Kind, NodeId, Tree};
use crate::error::{ErrorKind, Fail, Res, Span, fail};
use crate::library;
use crate::value::{Ctx, Lambda, Rule, Val};

/// An argument as it was written.
#[derive(Clone)]
enum Arg {
    Receiver,
    Node(NodeId),
    /// A value that is there already, as for `call(name, args, kwargs)`.
    Value(Val),
    Gap,
}

/// The arguments of a call, sorted into those by position and those by name.
struct Written {
    positions: Vec<Arg>,
    names: Vec<(Arc<str>, Arg)>,
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
enum Given {
    Value(Val),
    /// Not evaluated.
    Lazy(NodeId),
}

/// What all arguments became.
struct Arguments {
    positions: Vec<Given>,
    by_name: Vec<Given>,
}

impl Arguments {
    fn of(&self, from: From) -> &Given {
        match from {
            From::Position(i) => &self.positions[i],
            From::Name(i) => &self.by_name[i],
        }
    }

    /// The types of those by position, for a message.
    fn kinds(&self) -> String {
        let kinds = self.positions.iter().map(|given| match given {
            Given::Value(value) => value.kind(),
            Given::Lazy(_) => "expression",
        });
        kinds.collect::<Vec<_>>().join(", ")
    }
}

/// An overload that may be meant, and how the arguments meet its parameters.
type Candidate = (&'static Function, Mapping);

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
                let written = sort_arguments(self.tree, false, args, false)?;
                return self.call_defined(body, &inner, &written, ctx);
            }
            if self.host.functions().contains(&&**name) {
                let written = sort_arguments(self.tree, false, args, false)?;
                return self.call_host(name, &written, ctx);
            }
        }
        let overloads = overloads(name, receiver.is_some(), self.host.functions())
            .map_err(|e| e.at(name_span))?;
        let pairs = overloads.first().is_some_and(|f| f.pairs);
        let written = sort_arguments(self.tree, receiver.is_some(), args, pairs)?;
        self.call_written(name, name_span, receiver, &overloads, &written, ctx)
    }

    /// Calls the function `name`, or the receiver's method, with values: what
    /// `call(name, args, kwargs)` does.
    pub(crate) fn call_by_name(
        &mut self,
        name: &Arc<str>,
        receiver: Option<Val>,
        args: impl Iterator<Item = Val>,
        kwargs: Vec<(Arc<str>, Val)>,
        ctx: &Rc<Ctx>,
    ) -> Res<Val> {
        let is_method = receiver.is_some();
        let first = is_method.then_some(Arg::Receiver);
        let kwargs = kwargs.into_iter();
        let written = Written {
            positions: first.into_iter().chain(args.map(Arg::Value)).collect(),
            names: kwargs
                .map(|(name, value)| (name, Arg::Value(value)))
                .collect(),
        };
        if !is_method {
            if let Some((body, inner)) = ctx.function(name) {
                return self.call_defined(body, &inner, &written, ctx);
            }
            if self.host.functions().contains(&&**name) {
                return self.call_host(name, &written, ctx);
            }
        }
        let overloads = overloads(name, is_method, self.host.functions())?;
        if overloads.first().is_some_and(|f| f.pairs) && !written.names.is_empty() {
            return Err(no_match(name, is_method, &overloads));
        }
        let here = Span::default();
        self.call_written(name, here, receiver, &overloads, &written, ctx)
    }

    fn call_written(
        &mut self,
        name: &str,
        name_span: Span,
        receiver: Option<Val>,
        overloads: &[&'static Function],
        written: &Written,
        ctx: &Rc<Ctx>,
    ) -> Res<Val> {
        // Finding the function takes about as long as this many nodes that are none.
        self.step(4)?;
        let is_method = receiver.is_some();
        let candidates: Vec<Candidate> = overloads
            .iter()
            .filter_map(|f| Some((*f, map_arguments(self.tree, f, written, receiver.as_ref())?)))
            .collect();
        let Some((function, mapping)) = candidates.first() else {
            let on =
                receiver.map(|value| format!("it was called on a value of type {}", value.kind()));
            return Err(no_match(name, is_method, overloads).at(name_span).hint(on));
        };
        // All that is left agrees on what is lazy, or the call can't be decided.
        let lazy = lazy_arguments(function, mapping, written);
        if candidates[1..]
            .iter()
            .any(|(f, m)| lazy_arguments(f, m, written) != lazy)
        {
            return Err(ambiguous(name).at(name_span));
        }
        let given = self.evaluate(written, &lazy, receiver, ctx)?;
        let Some((function, mapping)) =
            choose(&candidates, &given).ok_or_else(|| ambiguous(name).at(name_span))?
        else {
            return Err(no_match(name, is_method, overloads)
                .at(name_span)
                .hint(Some(format!("it was given ({})", given.kinds()))));
        };
        let pick = |from: From, ty: Ty| match given.of(from) {
            Given::Value(value) => value.clone(),
            Given::Lazy(node) => self.delay(*node, ty, ctx),
        };
        let params = function.params.iter().zip(&mapping.params);
        let args = params
            .map(|(param, from)| from.map_or(Val::Missing, |from| pick(from, param.ty)))
            .collect();
        let rest_ty = function.rest.unwrap_or(Ty::Any);
        let rest = mapping
            .rest
            .iter()
            .map(|i| pick(From::Position(*i), rest_ty))
            .collect();
        let extra = mapping.extra_names.iter();
        let named = extra
            .map(|i| {
                (
                    Arc::clone(&written.names[*i].0),
                    pick(From::Name(*i), Ty::Any),
                )
            })
            .collect();
        let run = function.run;
        run(&mut Call {
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
            _ => Val::Lambda(Rc::new(Lambda {
                body: node,
                ctx: Rc::clone(ctx),
                constant: None,
            })),
        }
    }

    fn evaluate(
        &mut self,
        written: &Written,
        lazy: &[bool],
        mut receiver: Option<Val>,
        ctx: &Rc<Ctx>,
    ) -> Res<Arguments> {
        let mut positions = Vec::with_capacity(written.positions.len());
        for (arg, lazy) in written.positions.iter().zip(lazy) {
            positions.push(match arg {
                Arg::Receiver => Given::Value(receiver.take().unwrap_or(Val::Null)),
                arg => self.give(arg, *lazy, ctx)?,
            });
        }
        let mut by_name = Vec::with_capacity(written.names.len());
        for ((_, arg), lazy) in written.names.iter().zip(&lazy[written.positions.len()..]) {
            by_name.push(self.give(arg, *lazy, ctx)?);
        }
        Ok(Arguments { positions, by_name })
    }

    fn give(&mut self, arg: &Arg, lazy: bool, ctx: &Rc<Ctx>) -> Res<Given> {
        Ok(match arg {
            Arg::Receiver | Arg::Gap => Given::Value(Val::Missing),
            Arg::Node(node) if lazy => Given::Lazy(*node),
            Arg::Node(node) => Given::Value(self.argument(*node, ctx)?),
            Arg::Value(value) if lazy => Given::Value(Val::Lambda(Rc::new(Lambda {
                body: self.tree.root,
                ctx: Rc::clone(ctx),
                constant: Some(value.clone()),
            }))),
            Arg::Value(value) => Given::Value(value.clone()),
        })
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

    /// The value of an argument that is never lazy.
    fn value_of(&mut self, arg: &Arg, ctx: &Rc<Ctx>) -> Res<Option<Val>> {
        match arg {
            Arg::Node(node) => self.eval(*node, ctx).map(Some),
            Arg::Value(value) => Ok(Some(value.clone())),
            Arg::Receiver | Arg::Gap => Ok(None),
        }
    }

    /// Calls a function that `def` made; all its arguments are values.
    fn call_defined(
        &mut self,
        body: NodeId,
        inner: &Rc<Ctx>,
        written: &Written,
        ctx: &Rc<Ctx>,
    ) -> Res<Val> {
        let mut variables = Vec::new();
        for (i, arg) in written.positions.iter().enumerate() {
            if let Some(value) = self.value_of(arg, ctx)? {
                variables.push((crate::ast::Name::Position(i + 1), value));
            }
        }
        for (name, arg) in &written.names {
            if let Some(value) = self.value_of(arg, ctx)? {
                variables.push((crate::ast::Name::new(name), value));
            }
        }
        let ctx = self.context(inner, variables)?;
        self.eval(body, &ctx)
    }

    fn call_host(&mut self, name: &str, written: &Written, ctx: &Rc<Ctx>) -> Res<Val> {
        let mut positions = Vec::with_capacity(written.positions.len());
        for arg in &written.positions {
            let value = self.value_of(arg, ctx)?.unwrap_or(Val::Null);
            positions.push(self.finish(&value)?);
        }
        let mut names = Vec::with_capacity(written.names.len());
        for (name, arg) in &written.names {
            let value = self.value_of(arg, ctx)?.unwrap_or(Val::Null);
            names.push((&**name, self.finish(&value)?));
        }
        self.step(100)?;
        match self.host.call(name, &positions, &names) {
            Some(Ok(value)) => Ok(Val::from(&value)),
            Some(Err(message)) => Err(fail(ErrorKind::Host, format!("{name}: {message}"))),
            None => Err(unknown(name, false, self.host.functions())),
        }
    }
}

fn sort_arguments(tree: &Tree, is_method: bool, args: &[NodeId], pairs: bool) -> Res<Written> {
    let mut written = Written {
        positions: Vec::new(),
        names: Vec::new(),
    };
    if is_method {
        written.positions.push(Arg::Receiver);
    }
    for arg in args {
        match tree.kind(*arg) {
            Kind::Gap => written.positions.push(Arg::Gap),
            Kind::Pair { key, value } if !pairs => match tree.kind(*key) {
                Kind::Keyword(name) => {
                    let name = tree.word(*name);
                    if written.names.iter().any(|(known, _)| known == name) {
                        return Err(fail(
                            ErrorKind::NoMatch,
                            format!("argument `{name}` is given twice"),
                        )
                        .at(tree.span(*key)));
                    }
                    written.names.push((Arc::clone(name), Arg::Node(*value)));
                }
                _ => {
                    return Err(
                        fail(ErrorKind::NoMatch, "an argument's name is a bare word")
                            .at(tree.span(*key)),
                    );
                }
            },
            _ => written.positions.push(Arg::Node(*arg)),
        }
    }
    Ok(written)
}

/// How the arguments meet the parameters, if they can. A receiver that isn't known fits.
fn map_arguments(
    tree: &Tree,
    function: &Function,
    written: &Written,
    receiver: Option<&Val>,
) -> Option<Mapping> {
    let mut mapping = Mapping {
        params: vec![None; function.params.len()],
        rest: Vec::new(),
        extra_names: Vec::new(),
    };
    for (i, arg) in written.positions.iter().enumerate() {
        let ty = if let Some(param) = function.params.get(i) {
            if !matches!(arg, Arg::Gap) {
                mapping.params[i] = Some(From::Position(i));
            }
            param.ty
        } else {
            mapping.rest.push(i);
            function.rest?
        };
        match arg {
            arg if !may_take(tree, ty, arg) => return None,
            Arg::Receiver if receiver.is_some_and(|value| !ty.takes(value)) => return None,
            Arg::Gap if i >= function.params.len() => return None,
            _ => {}
        }
    }
    for (i, (name, arg)) in written.names.iter().enumerate() {
        match function
            .params
            .iter()
            .position(|param| *param.name == **name)
        {
            Some(at) if mapping.params[at].is_none() => {
                if !may_take(tree, function.params[at].ty, arg) {
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

/// Whether the argument, not evaluated yet, may fit.
fn may_take(tree: &Tree, ty: Ty, arg: &Arg) -> bool {
    match arg {
        Arg::Node(node) => ty.may_take(tree.kind(*node)),
        Arg::Value(value) => ty == Ty::Lambda || ty.takes(value),
        Arg::Receiver | Arg::Gap => true,
    }
}

/// A name among others that live less long.
fn shorter<'a>(name: &'static str) -> &'a str {
    name
}

/// What is wrong about a call that can be seen without evaluating it. `receiver` is that of a
/// method, if it is known; `host` are the names of the host's functions.
pub(crate) fn check_call(
    tree: &Tree,
    name: &str,
    args: &[NodeId],
    is_method: bool,
    receiver: Option<&Val>,
    host: &[&str],
) -> Res<()> {
    let overloads = overloads(name, is_method, host)?;
    let pairs = overloads.first().is_some_and(|f| f.pairs);
    let written = sort_arguments(tree, is_method, args, pairs)?;
    let mut fitting = overloads
        .iter()
        .filter(|f| map_arguments(tree, f, &written, receiver).is_some());
    if fitting.next().is_none() {
        let on = receiver.map(|value| format!("it is called on a value of type {}", value.kind()));
        return Err(no_match(name, is_method, &overloads).hint(on));
    }
    Ok(())
}

fn overloads(name: &str, is_method: bool, host: &[&str]) -> Res<Vec<&'static Function>> {
    let overloads: Vec<&'static Function> = library::overloads(name)
        .iter()
        .copied()
        .filter(|f| f.style == Style::Both || (f.style == Style::Method) == is_method)
        .collect();
    if overloads.is_empty() {
        return Err(unknown(name, is_method, host));
    }
    Ok(overloads)
}

fn ambiguous(name: &str) -> Fail {
    fail(
        ErrorKind::Ambiguous,
        format!("the call of `{name}` is ambiguous"),
    )
}

/// An error about a function or method that doesn't exist.
fn unknown(name: &str, is_method: bool, host: &[&str]) -> Fail {
    let near = if is_method {
        did_you_mean(name, library::names(Style::Method))
    } else {
        let of_host = host.iter().copied();
        did_you_mean(
            name,
            library::names(Style::Function).map(shorter).chain(of_host),
        )
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
    if is_method {
        fail(ErrorKind::UnknownMethod, format!("unknown method `{name}`")).hint(hint)
    } else {
        fail(
            ErrorKind::UnknownFunction,
            format!("unknown function `{name}`"),
        )
        .hint(hint)
    }
}

fn no_match(name: &str, is_method: bool, overloads: &[&Function]) -> Fail {
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

/// The overload whose types fit; the narrowest if there are several. Some(None) if none fits, None
/// if none of those that fit is narrower than all others.
#[expect(
    clippy::option_option,
    reason = "three outcomes that the caller tells apart at once"
)]
fn choose<'c>(candidates: &'c [Candidate], given: &Arguments) -> Option<Option<&'c Candidate>> {
    let mut chosen: Option<&Candidate> = None;
    for candidate in candidates.iter().filter(|candidate| fits(candidate, given)) {
        match chosen {
            Some(best) if narrower(best, candidate) => {}
            Some(best) if !narrower(candidate, best) => return None,
            _ => chosen = Some(candidate),
        }
    }
    Some(chosen)
}

fn fits((function, mapping): &Candidate, given: &Arguments) -> bool {
    let takes = |ty: Ty, from: From| match given.of(from) {
        Given::Value(Val::Missing) | Given::Lazy(_) => true,
        Given::Value(value) => ty.takes(value),
    };
    let mut params = function.params.iter().zip(&mapping.params);
    params.all(|(param, from)| from.is_none_or(|from| takes(param.ty, from)))
        && mapping.rest.iter().all(|i| {
            function
                .rest
                .is_some_and(|ty| takes(ty, From::Position(*i)))
        })
}

/// Whether `a`'s parameters are narrower than `b`'s.
fn narrower((a, _): &Candidate, (b, _): &Candidate) -> bool {
    let mut narrower = false;
    for (a, b) in a.params.iter().zip(b.params) {
        if b.ty.is_narrower(a.ty) {
            return false;
        }
        narrower |= a.ty.is_narrower(b.ty);
    }
    narrower
}
