//! Walks the tree.

mod build;
mod call;
mod compare;
mod finish;
mod iterate;
mod operators;
mod signature;
mod trace;

use operators::unary;

use std::rc::Rc;
use std::sync::Arc;

pub(crate) use build::DictBuilder;
pub(crate) use call::check_call;
pub(crate) use compare::{float, number};
pub(crate) use iterate::Source;
pub(crate) use operators::{overflow, zero_division};
pub(crate) use signature::{Call, Function, Param, Style, Ty};
pub use trace::Step;
pub(crate) use trace::traced;

use crate::ast::{Kind, Name, NodeId, Tree};
use crate::budget::Budget;
use crate::error::{ErrorKind, Fail, Res, fail};
use crate::lexer::Op;
use crate::value::{Ctx, Lambda, List, Val};
use crate::{Host, Value};

/// One evaluation.
pub(crate) struct Eval<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) host: &'a dyn Host,
    budget: &'a Budget,
    steps: u64,
    memory: usize,
    depth: usize,
    /// Which parts were evaluated, where someone asks.
    visited: Option<trace::Visited>,
}

impl<'a> Eval<'a> {
    pub(crate) fn new(tree: &'a Tree, host: &'a dyn Host, budget: &'a Budget) -> Self {
        Eval {
            tree,
            host,
            budget,
            steps: 0,
            memory: 0,
            depth: 0,
            visited: None,
        }
    }

    /// Evaluates the whole expression over `data`.
    pub(crate) fn run(&mut self, data: &Value) -> Res<Value> {
        let value = self.eval(self.tree.root, &Ctx::root(data))?;
        self.finish(&value)
    }

    /// Counts `steps` steps.
    pub(crate) fn step(&mut self, steps: u64) -> Res<()> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > self.budget.steps {
            return Err(fail(
                ErrorKind::Steps,
                format!("the expression takes more than {} steps", self.budget.steps),
            ));
        }
        Ok(())
    }

    /// Counts `bytes` bytes built, twice: buffers grow by doubling, and what a value is made from
    /// is still there while it is made.
    pub(crate) fn charge(&mut self, bytes: usize) -> Res<()> {
        self.memory = self.memory.saturating_add(bytes.saturating_mul(2));
        if self.memory > self.budget.memory {
            return Err(fail(
                ErrorKind::Memory,
                format!(
                    "the expression builds more than {} bytes",
                    self.budget.memory
                ),
            ));
        }
        Ok(())
    }

    /// Runs `f` one level deeper.
    pub(crate) fn deeper<T>(&mut self, f: impl FnOnce(&mut Self) -> Res<T>) -> Res<T> {
        if self.depth >= self.budget.depth {
            return Err(self.too_deep("the expression's calls nest"));
        }
        self.depth += 1;
        let result = f(self);
        self.depth -= 1;
        result
    }

    /// `depth`, if values may nest that deep.
    pub(crate) fn nested(&self, depth: u32) -> Res<u32> {
        if depth as usize > self.budget.depth {
            return Err(self.too_deep("the values that the expression builds nest"));
        }
        Ok(depth)
    }

    fn too_deep(&self, what: &str) -> Fail {
        fail(
            ErrorKind::Depth,
            format!("{what} deeper than {} levels", self.budget.depth),
        )
    }

    fn check_length(&self, made: usize) -> Res<()> {
        if made > self.budget.iterator_length {
            return Err(fail(
                ErrorKind::IteratorLength,
                format!(
                    "an iterator makes more than {} items",
                    self.budget.iterator_length
                ),
            )
            .hint(Some("bound it with `limit(n)`".to_owned())));
        }
        Ok(())
    }

    /// The value of a node. Errors without a place get the node's.
    pub(crate) fn eval(&mut self, id: NodeId, ctx: &Rc<Ctx>) -> Res<Val> {
        self.step(1).map_err(|e| e.at(self.tree.span(id)))?;
        self.visit(id, ctx);
        match self.tree.kind(id) {
            Kind::Constant(value) => Ok(Val::from(*value)),
            Kind::Keyword(text) | Kind::Text(text) => {
                Ok(Val::Str(Arc::clone(self.tree.word(*text))))
            }
            Kind::Position(position) => Ok(ctx.position(*position)),
            Kind::Variable(name) => Ok(ctx.named(self.tree.text(*name))),
            _ => self
                .deeper(|ev| ev.spine(id, ctx))
                .map_err(|e| e.at(self.tree.span(id))),
        }
    }

    /// A chain as `a.b(c)[d] + e`, from its left end: a loop, as chains may be long.
    fn spine(&mut self, id: NodeId, ctx: &Rc<Ctx>) -> Res<Val> {
        let mut links = Vec::new();
        let mut at = id;
        loop {
            match self.tree.kind(at) {
                Kind::Binary { left, .. } => {
                    links.push(at);
                    at = *left;
                }
                Kind::Index { target, .. } => {
                    links.push(at);
                    at = *target;
                }
                _ => break,
            }
        }
        // `atom` evaluates these as nodes of their own.
        let own = self.tree.kind(at).is_leaf();
        if at != id && !own {
            self.visit(at, ctx);
        }
        let mut value = self.atom(at, ctx).map_err(|e| e.at(self.tree.span(at)))?;
        while let Some(link) = links.pop() {
            self.step(1)?;
            if link != id {
                self.visit(link, ctx);
            }
            value = self
                .link(link, value, ctx)
                .map_err(|e| e.at(self.tree.span(link)))?;
        }
        Ok(value)
    }

    fn link(&mut self, id: NodeId, left: Val, ctx: &Rc<Ctx>) -> Res<Val> {
        match self.tree.kind(id) {
            Kind::Binary { op, right, .. } => match op {
                Op::SafeDot if matches!(left, Val::Null) => Ok(Val::Null),
                Op::Dot | Op::SafeDot => self.dot(left, *right, ctx),
                Op::And if !left.is_truthy() => Ok(left),
                Op::Or if left.is_truthy() => Ok(left),
                Op::And | Op::Or => self.eval(*right, ctx),
                Op::Send => match left {
                    Val::Context(inner) => self.eval(*right, &inner),
                    other => Err(no_operator("->", &[&other]).hint(Some(
                        "the left side of `->` is a context, as `let(name => value)` makes"
                            .to_owned(),
                    ))),
                },
                _ => {
                    let right = self.eval(*right, ctx)?;
                    self.binary(*op, left, right)
                }
            },
            Kind::Index { args, .. } => self.index(&left, self.tree.args(*args), ctx),
            _ => Ok(left),
        }
    }

    fn atom(&mut self, id: NodeId, ctx: &Rc<Ctx>) -> Res<Val> {
        match self.tree.kind(id) {
            Kind::Constant(_)
            | Kind::Text(_)
            | Kind::Keyword(_)
            | Kind::Position(_)
            | Kind::Variable(_) => self.eval(id, ctx),
            Kind::Group(inner) => self.eval(*inner, ctx),
            Kind::Call { name, args } => self
                .call(
                    self.tree.word(*name),
                    name.span(),
                    None,
                    self.tree.args(*args),
                    ctx,
                )
                .map_err(|e| e.at(self.tree.span(id))),
            Kind::Unary { op, operand } => {
                let value = self.eval(*operand, ctx)?;
                unary(*op, value)
            }
            Kind::List(items) => {
                let items = self.tree.args(*items);
                let mut values = Vec::with_capacity(items.len());
                for item in items {
                    values.push(self.plain(*item, "a list", ctx)?);
                }
                self.list(values)
            }
            Kind::Map(items) => {
                let mut dict = DictBuilder::default();
                for item in self.tree.args(*items) {
                    let Kind::Pair { key, value } = self.tree.kind(*item) else {
                        return Err(fail(
                            ErrorKind::NoMatch,
                            "an entry of a mapping is written `key => value`",
                        )
                        .at(self.tree.span(*item)));
                    };
                    let key = self.plain(*key, "a key", ctx)?;
                    let value = self.plain(*value, "a value", ctx)?;
                    dict.insert(self, key, value)?;
                }
                dict.finish(self)
            }
            Kind::Pair { .. } | Kind::Gap | Kind::Binary { .. } | Kind::Index { .. } => Err(fail(
                ErrorKind::NoMatch,
                "`key => value` stands here without a function that takes it",
            )),
        }
    }

    /// The value of a node that may not be `key => value` or left out.
    fn plain(&mut self, id: NodeId, place: &str, ctx: &Rc<Ctx>) -> Res<Val> {
        match self.tree.kind(id) {
            Kind::Pair { .. } => Err(fail(
                ErrorKind::NoMatch,
                format!("{place} can't hold `key => value`"),
            )
            .hint(Some(
                "mappings are written with braces: `{key => value}`".to_owned(),
            ))
            .at(self.tree.span(id))),
            Kind::Gap => Err(
                fail(ErrorKind::NoMatch, format!("{place} misses an item here"))
                    .at(self.tree.span(id)),
            ),
            _ => self.eval(id, ctx),
        }
    }

    /// `receiver.right`: a method call or an attribute.
    fn dot(&mut self, receiver: Val, right: NodeId, ctx: &Rc<Ctx>) -> Res<Val> {
        match self.tree.kind(right) {
            Kind::Call { name, args } => self
                .call(
                    self.tree.word(*name),
                    name.span(),
                    Some(receiver),
                    self.tree.args(*args),
                    ctx,
                )
                .map_err(|e| e.at(self.tree.span(right))),
            Kind::Keyword(name) => self
                .attribute(&receiver, self.tree.word(*name))
                .map_err(|e| e.at(self.tree.span(right))),
            _ => Err(fail(
                ErrorKind::NoMatch,
                "after `.` stands the name of an attribute or the call of a method",
            )
            .hint(Some(
                "use `[…]` or `.get(…)` for a key that is computed".to_owned(),
            ))
            .at(self.tree.span(right))),
        }
    }

    /// `value.name`: a mapping's key, the same of each item of a list, or a property.
    pub(crate) fn attribute(&mut self, value: &Val, name: &Arc<str>) -> Res<Val> {
        match value {
            Val::Dict(dict) => dict.get_str(name).ok_or_else(|| missing_key(name)),
            Val::Time(_) | Val::Span(_) => crate::library::time::property(value, name),
            _ if value.is_iterable() => {
                let source = self.source(value)?;
                let name = Arc::clone(name);
                self.stream(value.depth() + 1, Box::new(Attributes { source, name }))
            }
            _ => Err(fail(
                ErrorKind::UnknownAttribute,
                format!("a value of type {} has no attribute `{name}`", value.kind()),
            )
            .hint(match value {
                Val::Null => Some(format!("`?.{name}` gives null for null")),
                Val::Str(_) if crate::library::is_method(name) => {
                    Some(format!("call it: `{name}()`"))
                }
                _ => None,
            })),
        }
    }

    /// `target[args]`
    fn index(&mut self, target: &Val, args: &[NodeId], ctx: &Rc<Ctx>) -> Res<Val> {
        let mut values = Vec::with_capacity(args.len());
        for arg in args {
            values.push(self.plain(*arg, "an index", ctx)?);
        }
        match (target, &*values) {
            (Val::Dict(dict), [key]) => {
                let wanted = self.key(key)?;
                dict.get(&wanted)
                    .ok_or_else(|| match self.tree.literal(args[0]) {
                        // Only what the expression itself says may be told.
                        Some(text) => missing_key(text),
                        None => fail(ErrorKind::MissingKey, "the mapping does not have this key"),
                    })
            }
            (Val::Dict(dict), [key, default]) => {
                let wanted = self.key(key)?;
                Ok(dict.get(&wanted).unwrap_or_else(|| default.clone()))
            }
            (Val::List(list), [Val::Int(index)]) => at(list, *index),
            (Val::List(list), [Val::Bool(index)]) => at(list, i64::from(*index)),
            _ => Err(no_index(target)),
        }
    }

    /// Calls `lambda` with `args` as `$` and `$1`, `$2`, ….
    pub(crate) fn apply(&mut self, lambda: &Lambda, args: &[Val]) -> Res<Val> {
        if let Some(value) = &lambda.constant {
            return Ok(value.clone());
        }
        // Bodies that don't look at variables through a call are common: `$`, `$.a`.
        if let (Kind::Position(n), true) = (self.tree.kind(lambda.body), args.len() == 1)
            && *n == 1
        {
            self.step(1)?;
            return Ok(args[0].clone());
        }
        let variables = args
            .iter()
            .enumerate()
            .map(|(i, value)| (Name::Position(i + 1), value.clone()))
            .collect();
        let ctx = self.context(&lambda.ctx, variables)?;
        self.eval(lambda.body, &ctx)
    }

    /// Evaluates `lambda` in `ctx`, or in its own context without one.
    pub(crate) fn run_in(&mut self, lambda: &Lambda, ctx: Option<&Rc<Ctx>>) -> Res<Val> {
        match &lambda.constant {
            Some(value) => Ok(value.clone()),
            None => self.eval(lambda.body, ctx.unwrap_or(&lambda.ctx)),
        }
    }

    /// A context with `variables` over `parent`.
    pub(crate) fn context(
        &mut self,
        parent: &Rc<Ctx>,
        variables: Vec<(Name, Val)>,
    ) -> Res<Rc<Ctx>> {
        let deepest = variables
            .iter()
            .map(|(_, value)| value.depth())
            .max()
            .unwrap_or(0);
        let depth = self.nested(parent.depth.max(deepest) + 1)?;
        Ok(Rc::new(Ctx {
            parent: Some(Rc::clone(parent)),
            variables,
            function: None,
            depth,
        }))
    }
}

/// An index on what has none, or one of the wrong type.
fn no_index(target: &Val) -> Fail {
    no_operator("[]", &[target]).hint(match target {
        Val::List(_) => Some("a list's index is one integer".to_owned()),
        _ if target.is_iterable() => Some("an iterator becomes a list with `.toList()`".to_owned()),
        _ => None,
    })
}

/// The item at `index`, from the end if that is negative.
fn at(list: &List, index: i64) -> Res<Val> {
    let length = i64::try_from(list.len()).unwrap_or(i64::MAX);
    let from_start = if index < 0 {
        index.saturating_add(length)
    } else {
        index
    };
    usize::try_from(from_start)
        .ok()
        .and_then(|index| list.get(index))
        .ok_or_else(|| {
            fail(ErrorKind::Index, "the list has no item at this index").hint(Some(
                "`.first(default)` and `.last(default)` bear an empty list".to_owned(),
            ))
        })
}

/// `.name` of each item.
struct Attributes {
    source: Source,
    name: Arc<str>,
}

impl crate::value::Lazy for Attributes {
    fn next(&mut self, ev: &mut Eval<'_>) -> Res<Option<Val>> {
        let Some(item) = self.source.next(ev)? else {
            return Ok(None);
        };
        ev.deeper(|ev| ev.attribute(&item, &self.name)).map(Some)
    }
}

fn missing_key(name: &str) -> Fail {
    fail(
        ErrorKind::MissingKey,
        format!("the mapping has no key `{name}`"),
    )
    .hint(Some(format!("`.get({name})` gives null for a missing key")))
}

/// An operator that has no meaning for values of these types.
pub(crate) fn no_operator(operator: &str, values: &[&Val]) -> Fail {
    let kinds = values
        .iter()
        .map(|value| value.kind())
        .collect::<Vec<_>>()
        .join(" and ");
    fail(
        ErrorKind::NoMatch,
        format!("no operator `{operator}` for {kinds}"),
    )
}
