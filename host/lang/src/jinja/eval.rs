//! Evaluates expressions.

use std::sync::Arc;

use ostro_core::{Map, Value};
use ostro_yaql::{Budget, Host};

use super::ast::{Arg, Expr, Kind, Op, Span};
use super::error::{Res, error, fail};
use super::value::{Function, NO_ELSE, Val, key_of};
use super::{filters, functions, methods, operators, predicates};
use ostro_core::suggest::did_you_mean;

/// The most steps that a trace notes.
const MAX_TRACE: usize = 2000;

/// What one sub-expression gave.
pub(crate) struct Traced {
    /// How many expressions it stands in.
    pub(crate) depth: usize,
    pub(crate) at: Span,
    pub(crate) result: Result<Value, String>,
}

/// One evaluation.
pub(crate) struct Eval<'a> {
    pub(crate) host: &'a dyn Host,
    data: &'a Value,
    budget: &'a Budget,
    /// Names and their values, the innermost scope last.
    pub(crate) scopes: Vec<Vec<(Arc<str>, Val)>>,
    steps: u64,
    memory: usize,
    pub(crate) depth: usize,
    pub(crate) trace: Option<Vec<Traced>>,
    trace_depth: usize,
}

impl<'a> Eval<'a> {
    pub(crate) fn new(data: &'a Value, host: &'a dyn Host, budget: &'a Budget) -> Self {
        Self {
            host,
            data,
            budget,
            scopes: vec![Vec::new()],
            steps: 0,
            memory: 0,
            depth: 0,
            trace: None,
            trace_depth: 0,
        }
    }

    /// Counts a step.
    pub(crate) fn step(&mut self) -> Res<()> {
        self.steps += 1;
        if self.steps > self.budget.steps {
            return fail(format!(
                "the expression takes more than {} steps",
                self.budget.steps
            ));
        }
        Ok(())
    }

    /// Counts bytes that are built.
    pub(crate) fn charge(&mut self, bytes: usize) -> Res<()> {
        self.memory = self.memory.saturating_add(bytes);
        if self.memory > self.budget.memory {
            return fail(format!(
                "the expression builds more than {} bytes",
                self.budget.memory
            ));
        }
        Ok(())
    }

    /// Counts the items of a list that is built.
    pub(crate) fn charge_items(&mut self, items: usize) -> Res<()> {
        if items > self.budget.iterator_length {
            return fail(format!(
                "a list of more than {} items",
                self.budget.iterator_length
            ));
        }
        self.charge(items.saturating_mul(size_of::<Val>()))
    }

    /// The items of `val`, counted.
    pub(crate) fn items(&mut self, val: &Val) -> Res<Vec<Val>> {
        self.charge_items(val.len().unwrap_or(0))?;
        val.items()
    }

    /// A list, counted.
    pub(crate) fn list(&mut self, items: Vec<Val>) -> Res<Val> {
        self.charge_items(items.len())?;
        Ok(Val::list(items))
    }

    /// Text, counted.
    pub(crate) fn made(&mut self, text: String) -> Res<Val> {
        self.charge(text.len())?;
        Ok(text.into())
    }

    /// Runs `f` one level deeper.
    pub(crate) fn deeper<T>(&mut self, f: impl FnOnce(&mut Self) -> Res<T>) -> Res<T> {
        if self.depth >= self.budget.depth {
            return fail(format!(
                "the expression nests deeper than {} levels",
                self.budget.depth
            ));
        }
        self.depth += 1;
        let result = f(self);
        self.depth -= 1;
        result
    }

    /// The value of `expr`. Errors without a place get that of the expression.
    pub(crate) fn eval(&mut self, expr: &Expr) -> Res<Val> {
        let noted = self.note(expr);
        let result = self
            .step()
            .and_then(|()| self.deeper(|eval| eval.kind(expr)))
            .map_err(|error| error.at(expr.at));
        self.settle(noted, &result);
        result
    }

    /// Keeps a place in the trace for `expr`.
    fn note(&mut self, expr: &Expr) -> Option<usize> {
        let depth = self.trace_depth;
        let trace = self.trace.as_mut()?;
        if matches!(expr.kind, Kind::Const(_)) || trace.len() >= MAX_TRACE {
            return None;
        }
        self.trace_depth += 1;
        trace.push(Traced {
            depth,
            at: expr.whole,
            result: Ok(Value::Null),
        });
        Some(trace.len() - 1)
    }

    fn settle(&mut self, noted: Option<usize>, result: &Res<Val>) {
        let Some(index) = noted else { return };
        self.trace_depth -= 1;
        let shown = match result {
            Ok(Val::Function(_)) => Err("a function".to_owned()),
            Ok(val) => val.clone().into_value().map_err(|e| e.into_parts().0),
            Err(error) => Err(error.clone().into_parts().0),
        };
        if let Some(traced) = self.trace.as_mut().and_then(|trace| trace.get_mut(index)) {
            traced.result = shown;
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm a kind of expression")]
    fn kind(&mut self, expr: &Expr) -> Res<Val> {
        match &expr.kind {
            Kind::Const(value) => Ok(Val::Data(value.clone())),
            Kind::Var(name) => Ok(self.variable(name)),
            Kind::List(items) => {
                let items = self.all(items)?;
                self.list(items)
            }
            Kind::Tuple(items) => {
                let items = self.all(items)?;
                self.charge_items(items.len())?;
                Ok(Val::tuple(items))
            }
            Kind::Map(entries) => {
                let mut map = Map::with_capacity(entries.len());
                for (key, value) in entries {
                    let key = key_of(&self.eval(key)?).map_err(|e| e.at(key.at))?;
                    let value = self.eval(value)?;
                    map.insert(key, value.into_value()?);
                }
                self.charge_items(map.len())?;
                Ok(Val::Data(map.into()))
            }
            Kind::Not(operand) => Ok((!self.test(operand)?).into()),
            Kind::Negative(operand) => operators::negative(&self.eval(operand)?),
            Kind::And(left, right) => {
                let value = self.eval(left)?;
                if value.truth().map_err(|e| e.at(left.at))? {
                    self.eval(right)
                } else {
                    Ok(value)
                }
            }
            Kind::Or(left, right) => {
                let value = self.eval(left)?;
                if value.truth().map_err(|e| e.at(left.at))? {
                    Ok(value)
                } else {
                    self.eval(right)
                }
            }
            Kind::Binary(op, left, right) => {
                let (at_left, left) = (left.at, self.eval(left)?);
                let (at_right, right) = (right.at, self.eval(right)?);
                if *op != Op::Concat {
                    left.defined().map_err(|e| e.at(at_left))?;
                    right.defined().map_err(|e| e.at(at_right))?;
                }
                self.binary(*op, &left, &right)
            }
            Kind::Compare(first, rest) => {
                let mut left = self.eval(first)?;
                for (op, right) in rest {
                    let right = self.eval(right)?;
                    if !self.compares(*op, &left, &right)? {
                        return Ok(false.into());
                    }
                    left = right;
                }
                Ok(true.into())
            }
            Kind::If {
                test,
                then,
                otherwise,
            } => match (self.test(test)?, otherwise) {
                (true, _) => self.eval(then),
                (false, Some(otherwise)) => self.eval(otherwise),
                (false, None) => Ok(Val::undefined(NO_ELSE)),
            },
            Kind::Filter { input, name, args } => {
                let input = match input {
                    Some(input) => self.eval(input)?,
                    None => return fail("a filter has nothing to work on"),
                };
                self.filter(name, input, args)
            }
            Kind::Test { input, name, args } => {
                let input = self.eval(input)?;
                let args = self.args(args)?;
                predicates::call(self, name, &input, args).map(Val::from)
            }
            Kind::Attribute(target, name) => {
                let (at, target) = (target.at, self.eval(target)?);
                target.defined().map_err(|e| e.at(at))?;
                operators::named_item(&target, &Val::from(Arc::clone(name)))
            }
            Kind::Item(target, key) => {
                let (at, target) = (target.at, self.eval(target)?);
                target.defined().map_err(|e| e.at(at))?;
                let value = self.eval(key)?;
                if matches!(key.kind, Kind::Const(_)) {
                    operators::named_item(&target, &value)
                } else {
                    operators::item(&target, &value)
                }
            }
            Kind::Slice {
                target,
                start,
                stop,
                step,
            } => {
                let target = self.eval(target)?;
                let from = self.bound(start.as_deref())?;
                let to = self.bound(stop.as_deref())?;
                let by = self.bound(step.as_deref())?;
                self.charge_items(target.len().unwrap_or(0))?;
                operators::slice(&target, from, to, by)
            }
            Kind::Call(target, args) => self.call_expr(target, args),
        }
    }

    /// What a filter makes of `input`.
    pub(crate) fn filter(&mut self, name: &str, input: Val, args: &[Arg]) -> Res<Val> {
        let args = self.args(args)?;
        filters::call(self, name, input, args)
    }

    fn bound(&mut self, bound: Option<&Expr>) -> Res<Option<i64>> {
        let Some(bound) = bound else { return Ok(None) };
        let value = self.eval(bound)?;
        if value.is_none() {
            return Ok(None);
        }
        match value.defined()?.as_int() {
            Some(number) => Ok(Some(number)),
            None => fail(format!("a slice takes whole numbers, not {}", value.kind())),
        }
    }

    /// Whether `expr` is true.
    pub(crate) fn test(&mut self, expr: &Expr) -> Res<bool> {
        self.eval(expr)?.truth().map_err(|e| e.at(expr.at))
    }

    fn all(&mut self, exprs: &[Expr]) -> Res<Vec<Val>> {
        exprs.iter().map(|expr| self.eval(expr)).collect()
    }

    fn variable(&self, name: &Arc<str>) -> Val {
        if let Some(local) = self.local(name) {
            return local.clone();
        }
        match &**name {
            "_" => return Val::Data(self.data.clone()),
            // Mistral puts these beside `_`, none where there are none.
            "__env" | "__execution" | "__task_execution" if self.data.as_map().is_some() => {
                return Val::Data(self.data.get(name).cloned().unwrap_or_default());
            }
            _ => {}
        }
        if self.host.functions().contains(&&**name) {
            return Val::Function(Function::Host(Arc::clone(name)));
        }
        match functions::global(name) {
            Some(name) => Val::Function(Function::Global(name)),
            None => Val::undefined(format!("'{name}' is undefined")),
        }
    }

    /// Whether `value` is the context as a whole.
    pub(crate) fn is_context(&self, value: &Val) -> bool {
        match (value, self.data) {
            (Val::Data(Value::Map(a)), Value::Map(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    fn local(&self, name: &str) -> Option<&Val> {
        self.scopes
            .iter()
            .rev()
            .flat_map(|scope| scope.iter().rev())
            .find(|(known, _)| **known == *name)
            .map(|(_, value)| value)
    }

    pub(crate) fn local_mut(&mut self, name: &str) -> Option<&mut Val> {
        self.scopes
            .iter_mut()
            .rev()
            .flat_map(|scope| scope.iter_mut().rev())
            .find(|(known, _)| **known == *name)
            .map(|(_, value)| value)
    }

    /// Sets `name` in the innermost scope.
    pub(crate) fn set(&mut self, name: &Arc<str>, value: Val) {
        if let Some(scope) = self.scopes.last_mut() {
            match scope.iter_mut().find(|(known, _)| known == name) {
                Some((_, old)) => *old = value,
                None => scope.push((Arc::clone(name), value)),
            }
        }
    }

    pub(crate) fn args(&mut self, from: &[Arg]) -> Res<Args> {
        let mut args = Args::default();
        for arg in from {
            match arg {
                Arg::Positional(value) => args.positional.push(self.eval(value)?),
                Arg::Named(name, value) => args.named.push((Arc::clone(name), self.eval(value)?)),
                Arg::Spread(value) => {
                    let value = self.eval(value)?;
                    args.positional.extend(self.items(&value)?);
                }
                Arg::SpreadNamed(value) => match self.eval(value)? {
                    Val::Data(Value::Map(entries)) => {
                        args.spread = true;
                        args.named.extend(
                            entries
                                .iter()
                                .map(|(key, value)| (Arc::clone(key), Val::Data(value.clone()))),
                        );
                    }
                    other => return fail(format!("`**` takes a mapping, not {}", other.kind())),
                },
            }
        }
        Ok(args)
    }

    fn call_expr(&mut self, target: &Expr, args: &[Arg]) -> Res<Val> {
        if let Kind::Attribute(receiver, name) = &target.kind {
            if methods::changes(name)
                && let Some(result) = self.change(receiver, name, args)?
            {
                return Ok(result);
            }
            let receiver_value = self.eval(receiver)?;
            receiver_value.defined().map_err(|e| e.at(receiver.at))?;
            // A method is meant, even if the mapping has a key of its name.
            if methods::exists(&receiver_value, name) {
                let args = self.args(args)?;
                return methods::call(self, &receiver_value, name, args);
            }
            let found = operators::named_item(&receiver_value, &Val::from(Arc::clone(name)))?;
            if let Val::Undefined(why) = &found {
                let hint = did_you_mean(name, methods::names(&receiver_value));
                return Err(error(&**why).hint(hint));
            }
            let args = self.args(args)?;
            return self.call(&found, args);
        }
        let function = self.eval(target)?;
        if let (Val::Undefined(why), Kind::Var(name)) = (&function, &target.kind) {
            let known = self.host.functions().iter().copied();
            let locals = self.scopes.iter().flatten().map(|(name, _)| &**name);
            let hint = did_you_mean(
                name,
                known
                    .chain(functions::GLOBALS.iter().copied())
                    .chain(locals),
            );
            return Err(error(&**why).hint(hint));
        }
        let args = self.args(args)?;
        self.call(&function, args)
    }

    /// Calls `function`.
    pub(crate) fn call(&mut self, function: &Val, args: Args) -> Res<Val> {
        self.step()?;
        match function.defined()? {
            Val::Function(Function::Host(name)) => self.call_host(name, args),
            Val::Function(Function::Global(name)) => functions::call(self, name, args),
            Val::Function(Function::Method(receiver, name)) => {
                methods::call(self, receiver, name, args)
            }
            Val::Function(Function::Macro(definition)) => {
                let text = self.call_macro(definition, args, None)?;
                Ok(text.into())
            }
            Val::Loop(state) => self.recurse(state, args),
            Val::Cycler(_) | Val::Joiner(_) => functions::call_object(function, args),
            other => fail(format!("{} can't be called", other.kind())),
        }
    }

    /// Calls a function of the host.
    pub(crate) fn call_host(&mut self, name: &str, args: Args) -> Res<Val> {
        let positional = args
            .positional
            .into_iter()
            .map(Val::into_value)
            .collect::<Res<Vec<_>>>()?;
        let named = args
            .named
            .into_iter()
            .map(|(name, value)| Ok((name, value.into_value()?)))
            .collect::<Res<Vec<_>>>()?;
        let named: Vec<(&str, Value)> = named
            .iter()
            .map(|(name, value)| (&**name, value.clone()))
            .collect();
        match self.host.call(name, &positional, &named) {
            Some(Ok(value)) => Ok(Val::Data(value)),
            Some(Err(message)) => fail(message),
            None => fail(format!("'{name}' is undefined")),
        }
    }
}

/// The arguments of a call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Args {
    pub(crate) positional: Vec<Val>,
    pub(crate) named: Vec<(Arc<str>, Val)>,
    /// Whether names come from a value, so that they must not be shown.
    pub(crate) spread: bool,
}

impl Args {
    /// The arguments that belong to the parameters `names`.
    pub(crate) fn bind<const N: usize>(
        self,
        what: &str,
        names: [&str; N],
    ) -> Res<[Option<Val>; N]> {
        let mut bound = [const { None }; N];
        if self.positional.len() > N {
            return fail(format!(
                "`{what}` takes {N} arguments at most, not {}",
                self.positional.len()
            ));
        }
        for (place, value) in bound.iter_mut().zip(self.positional) {
            *place = Some(value);
        }
        for (name, value) in self.named {
            let Some(index) = names.iter().position(|known| **known == *name) else {
                if self.spread {
                    return fail(format!(
                        "`{what}` is given a parameter that it does not have"
                    ));
                }
                return Err(error(format!("`{what}` has no parameter `{name}`"))
                    .hint(did_you_mean(&name, names)));
            };
            if bound[index].replace(value).is_some() {
                return fail(format!("`{what}` is given `{name}` twice"));
            }
        }
        Ok(bound)
    }
}
