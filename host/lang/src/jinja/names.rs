//! The names that a template uses, without evaluating it.

use std::sync::Arc;

use ostro_core::Value;
use rustc_hash::FxHashSet;

use super::Program;
use super::ast::{Arg, Expr, Kind, Macro, Span, Stmt, Target};

/// What [`collect`] finds.
#[derive(Default)]
pub(super) struct Names {
    /// What is called by its name.
    pub(super) functions: Vec<(Arc<str>, Span)>,
    /// What is read from the context.
    pub(super) variables: Vec<(Arc<str>, Span)>,
    set: FxHashSet<Arc<str>>,
}

/// The names that `program` uses.
pub(super) fn collect(program: &Program) -> Names {
    let mut names = Names::default();
    match program {
        Program::Native(expr, _) => names.expr(expr),
        Program::Text(body) => names.body(body),
    }
    let set = &names.set;
    names.functions.retain(|(name, _)| !set.contains(name));
    if set.contains("_") {
        names.variables.clear();
    }
    names
}

impl Names {
    fn body(&mut self, body: &[Stmt]) {
        for stmt in body {
            self.stmt(stmt);
        }
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Text(_) => {}
            Stmt::Emit(expr) => self.expr(expr),
            Stmt::For(each) => {
                self.set.insert("loop".into());
                self.target(&each.target);
                self.expr(&each.over);
                if let Some(filter) = &each.filter {
                    self.expr(filter);
                }
                self.body(&each.body);
                self.body(&each.otherwise);
            }
            Stmt::If(test, then, otherwise) => {
                self.expr(test);
                self.body(then);
                self.body(otherwise);
            }
            Stmt::With(values, body) => {
                for (target, value) in values {
                    self.target(target);
                    self.expr(value);
                }
                self.body(body);
            }
            Stmt::Set(target, value) => {
                self.target(target);
                self.expr(value);
            }
            Stmt::SetBlock(target, filter, body) => {
                self.target(target);
                if let Some(filter) = filter {
                    self.expr(filter);
                }
                self.body(body);
            }
            Stmt::FilterBlock(filter, body) => {
                self.expr(filter);
                self.body(body);
            }
            Stmt::Scoped(body) => self.body(body),
            Stmt::Macro(definition) => self.define(definition),
            Stmt::Call {
                target,
                args,
                caller,
                ..
            } => {
                self.callee(target);
                self.args(args);
                self.define(caller);
            }
        }
    }

    fn define(&mut self, definition: &Macro) {
        self.set.insert(Arc::clone(&definition.name));
        self.set.insert("caller".into());
        for (name, default) in &definition.params {
            self.set.insert(Arc::clone(name));
            if let Some(default) = default {
                self.expr(default);
            }
        }
        self.body(&definition.body);
    }

    fn target(&mut self, target: &Target) {
        match target {
            Target::Name(name) => _ = self.set.insert(Arc::clone(name)),
            Target::Attribute(object, _) => self.expr(object),
            Target::Several(targets) => targets.iter().for_each(|target| self.target(target)),
        }
    }

    fn args(&mut self, args: &[Arg]) {
        for arg in args {
            match arg {
                Arg::Positional(value)
                | Arg::Named(_, value)
                | Arg::Spread(value)
                | Arg::SpreadNamed(value) => self.expr(value),
            }
        }
    }

    fn callee(&mut self, target: &Expr) {
        match &target.kind {
            Kind::Var(name) => self.functions.push((Arc::clone(name), target.at)),
            _ => self.expr(target),
        }
    }

    /// Notes `name` as read, if `target` is the context.
    fn read(&mut self, target: &Expr, name: &str, at: Span) -> bool {
        let context = matches!(&target.kind, Kind::Var(variable) if &**variable == "_");
        if context {
            self.variables.push((name.into(), at));
        }
        context
    }

    fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            Kind::Const(_) | Kind::Var(_) => {}
            Kind::List(items) | Kind::Tuple(items) => {
                for item in items {
                    self.expr(item);
                }
            }
            Kind::Map(entries) => {
                for (key, value) in entries {
                    self.expr(key);
                    self.expr(value);
                }
            }
            Kind::Not(inner) | Kind::Negative(inner) => self.expr(inner),
            Kind::And(a, b) | Kind::Or(a, b) | Kind::Binary(_, a, b) => {
                self.expr(a);
                self.expr(b);
            }
            Kind::Compare(first, rest) => {
                self.expr(first);
                for (_, other) in rest {
                    self.expr(other);
                }
            }
            Kind::If {
                test,
                then,
                otherwise,
            } => {
                self.expr(test);
                self.expr(then);
                if let Some(other) = otherwise {
                    self.expr(other);
                }
            }
            Kind::Filter { input, args, .. } => {
                if let Some(input) = input {
                    self.expr(input);
                }
                self.args(args);
            }
            Kind::Test { input, args, .. } => {
                self.expr(input);
                self.args(args);
            }
            Kind::Attribute(target, name) => {
                if !self.read(target, name, expr.whole) {
                    self.expr(target);
                }
            }
            Kind::Item(target, key) => {
                let read = match &key.kind {
                    Kind::Const(Value::String(name)) => self.read(target, name, expr.whole),
                    _ => false,
                };
                if !read {
                    self.expr(target);
                    self.expr(key);
                }
            }
            Kind::Slice {
                target,
                start,
                stop,
                step,
            } => {
                self.expr(target);
                for bound in [start, stop, step].into_iter().flatten() {
                    self.expr(bound);
                }
            }
            Kind::Call(target, args) => {
                if !self.method_of_context(target, args, expr.whole) {
                    self.callee(target);
                }
                self.args(args);
            }
        }
    }

    /// `_.get('name')` reads `name`, and the other methods of the context read nothing by name.
    fn method_of_context(&mut self, target: &Expr, args: &[Arg], at: Span) -> bool {
        let Kind::Attribute(object, method) = &target.kind else {
            return false;
        };
        if !matches!(&object.kind, Kind::Var(name) if &**name == "_") {
            return false;
        }
        if &**method == "get"
            && let Some(Arg::Positional(key)) = args.first()
            && let Kind::Const(Value::String(name)) = &key.kind
        {
            self.variables.push((Arc::clone(name), at));
        }
        true
    }
}
