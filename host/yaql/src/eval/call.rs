//! Which function a call means, and what it gets.
//!
//! The rules are YAQL's: overloads are first sorted out by the number and names of the arguments
//! and by what can be seen without evaluating them; then those arguments that every remaining
//! overload takes as values are evaluated once; then types decide.

use std::rc::Rc;
use std::sync::Arc;

use super::{Call, Eval, Function, Param, Style, Ty};
use crate::ast::{Kind, NodeId};
use crate::error::{ErrorKind, Fail, Res, Span, did_you_mean, fail};
use crate::library;
use crate::value::{Ctx, Lambda, Rule, Val};
use crate::{Host, Value};

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
        let is_method = receiver.is_some();
        if !is_method {
            if let Some((body, inner)) = ctx.function(name) {
                return self.call_defined(body, &inner, args, ctx);
            }
            if self.host.functions().contains(&&**name) {
                return self.call_host(name, args, ctx);
            }
        }
        let overloads: Vec<&'static Function> = library::overloads(name)
            .iter()
            .copied()
            .filter(|f| f.style == Style::Both || (f.style == Style::Method) == is_method)
            .collect();
        let Some(first) = overloads.first() else {
            return Err(unknown(name, is_method, self.host).at(name_span));
        };
        let written = self.sort_arguments(is_method, args, first.pairs)?;
        let candidates: Vec<Candidate> = overloads
            .iter()
            .filter_map(|f| Some((*f, self.map_arguments(f, &written, receiver.as_ref())?)))
            .collect();
        let Some((function, mapping)) = candidates.first() else {
            let on =
                receiver.map(|value| format!("it was called on a value of type {}", value.kind()));
            return Err(no_match(name, is_method, &overloads).at(name_span).hint(on));
        };
        // All that is left agrees on what is lazy, or the call can't be decided.
        let lazy = lazy_arguments(function, mapping, &written);
        if candidates[1..]
            .iter()
            .any(|(f, m)| lazy_arguments(f, m, &written) != lazy)
        {
            return Err(ambiguous(name).at(name_span));
        }
        let given = self.evaluate(&written, &lazy, receiver, ctx)?;
        let Some((function, mapping)) =
            choose(&candidates, &given).ok_or_else(|| ambiguous(name).at(name_span))?
        else {
            return Err(no_match(name, is_method, &overloads)
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
    fn map_arguments(
        &self,
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
                Arg::Node(node) if !ty.may_take(self.tree.kind(*node)) => return None,
                Arg::Receiver if !receiver.is_some_and(|value| ty.takes(value)) => return None,
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
        mut receiver: Option<Val>,
        ctx: &Rc<Ctx>,
    ) -> Res<Arguments> {
        let mut positions = Vec::with_capacity(written.positions.len());
        for (arg, lazy) in written.positions.iter().zip(lazy) {
            positions.push(match arg {
                Arg::Receiver => Given::Value(receiver.take().unwrap_or(Val::Null)),
                Arg::Gap => Given::Value(Val::Missing),
                Arg::Node(node) if *lazy => Given::Lazy(*node),
                Arg::Node(node) => Given::Value(self.argument(*node, ctx)?),
            });
        }
        let mut by_name = Vec::with_capacity(written.names.len());
        for ((_, node), lazy) in written.names.iter().zip(&lazy[written.positions.len()..]) {
            by_name.push(if *lazy {
                Given::Lazy(*node)
            } else {
                Given::Value(self.argument(*node, ctx)?)
            });
        }
        Ok(Arguments { positions, by_name })
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
            None => Err(unknown(name, false, self.host)),
        }
    }
}

/// A name among others that live less long.
fn shorter<'a>(name: &'static str) -> &'a str {
    name
}

fn ambiguous(name: &str) -> Fail {
    fail(
        ErrorKind::Ambiguous,
        format!("the call of `{name}` is ambiguous"),
    )
}

/// An error about a function or method that doesn't exist.
fn unknown(name: &str, is_method: bool, host: &dyn Host) -> Fail {
    let near = if is_method {
        did_you_mean(name, library::names(Style::Method))
    } else {
        let of_host = host.functions().iter().copied();
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
