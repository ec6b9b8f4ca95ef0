//! Runs what stands between `{%` and `%}`.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use super::ast::{Expr, For, Kind, Macro, Stmt, Target};
use super::error::{Res, error, fail};
use super::eval::{Args, Eval};
use super::value::{Function, Loop, Val};

impl Eval<'_> {
    /// The text that `body` gives.
    pub(crate) fn render(&mut self, body: &[Stmt]) -> Res<String> {
        let mut out = String::new();
        self.run(body, &mut out)?;
        Ok(out)
    }

    fn run(&mut self, body: &[Stmt], out: &mut String) -> Res<()> {
        body.iter().try_for_each(|stmt| self.stmt(stmt, out))
    }

    fn put(&mut self, out: &mut String, text: &str) -> Res<()> {
        self.charge(text.len())?;
        out.push_str(text);
        Ok(())
    }

    fn stmt(&mut self, stmt: &Stmt, out: &mut String) -> Res<()> {
        self.step()?;
        match stmt {
            Stmt::Text(text) => self.put(out, text),
            Stmt::Emit(expr) => {
                let value = self.eval(expr)?;
                let text = value.text().map_err(|e| e.at(expr.at))?;
                self.put(out, &text)
            }
            Stmt::If(test, then, otherwise) => {
                let branch = if self.test(test)? { then } else { otherwise };
                self.deeper(|eval| eval.run(branch, out))
            }
            Stmt::For(each) => self.each(each, out),
            Stmt::With(values, body) => {
                let mut scope = Vec::new();
                for (target, value) in values {
                    scope.push((target, self.eval(value)?));
                }
                self.scoped(|eval| {
                    for (target, value) in scope {
                        eval.assign(target, value)?;
                    }
                    eval.run(body, out)
                })
            }
            Stmt::Set(target, value) => {
                let at = value.at;
                let value = self.eval(value)?;
                self.assign(target, value).map_err(|e| e.at(at))
            }
            Stmt::SetBlock(target, filter, body) => {
                let text = self.scoped(|eval| eval.render(body))?;
                let value = match filter {
                    Some(filter) => self.chain(filter, text.into())?,
                    None => text.into(),
                };
                self.assign(target, value)
            }
            Stmt::FilterBlock(filter, body) => {
                let text = self.scoped(|eval| eval.render(body))?;
                let value = self.chain(filter, text.into())?;
                let text = value.text()?;
                self.put(out, &text)
            }
            Stmt::Scoped(body) => self.scoped(|eval| eval.run(body, out)),
            Stmt::Macro(definition) => {
                let value = Val::Function(Function::Macro(Arc::clone(definition)));
                self.set(&definition.name, value);
                Ok(())
            }
            Stmt::Call {
                target,
                args,
                caller,
                at,
            } => {
                let function = self.eval(target)?;
                let args = self.args(args)?;
                let Val::Function(Function::Macro(definition)) = &function else {
                    return Err(error("`call` takes a macro").at(*at));
                };
                let text = self
                    .call_macro(definition, args, Some(caller))
                    .map_err(|e| e.at(*at))?;
                self.put(out, &text)
            }
        }
    }

    fn scoped<T>(&mut self, f: impl FnOnce(&mut Self) -> Res<T>) -> Res<T> {
        self.scopes.push(Vec::new());
        let result = self.deeper(f);
        self.scopes.pop();
        result
    }

    /// What a chain of filters without an input makes of `value`.
    fn chain(&mut self, filter: &Expr, value: Val) -> Res<Val> {
        let Kind::Filter { input, name, args } = &filter.kind else {
            return fail("only a filter can stand here");
        };
        let value = match input {
            Some(input) => self.deeper(|eval| eval.chain(input, value))?,
            None => value,
        };
        self.filter(name, value, args).map_err(|e| e.at(filter.at))
    }

    pub(crate) fn assign(&mut self, target: &Target, value: Val) -> Res<()> {
        match target {
            Target::Name(name) => {
                self.set(name, value);
                Ok(())
            }
            Target::Attribute(object, name) => match self.eval(object)? {
                Val::Namespace(entries) => {
                    entries.borrow_mut().insert(Arc::clone(name), value);
                    Ok(())
                }
                other => fail(format!(
                    "an attribute can only be set on a namespace, not on {}",
                    other.kind()
                )),
            },
            Target::Several(targets) => {
                let items = self.items(&value)?;
                if items.len() != targets.len() {
                    return fail(format!(
                        "{} values for {} names",
                        items.len(),
                        targets.len()
                    ));
                }
                targets
                    .iter()
                    .zip(items)
                    .try_for_each(|(target, item)| self.assign(target, item))
            }
        }
    }

    fn each(&mut self, each: &For, out: &mut String) -> Res<()> {
        let over = self.eval(&each.over)?;
        let mut items = self.items(&over).map_err(|e| e.at(each.over.at))?;
        if let Some(filter) = &each.filter {
            let mut kept = Vec::new();
            for item in items {
                let keep = self.scoped(|eval| {
                    eval.assign(&each.target, item.clone())?;
                    eval.test(filter)
                })?;
                if keep {
                    kept.push(item);
                }
            }
            items = kept;
        }
        if items.is_empty() {
            return self.scoped(|eval| eval.run(&each.otherwise, out));
        }
        let state = Rc::new(Loop {
            items,
            index: Cell::new(0),
            depth: 0,
            changed: RefCell::new(None),
            again: each
                .recursive
                .then(|| (Arc::clone(&each.target), Arc::clone(&each.body))),
        });
        let text = self.turns(&each.target, &each.body, &state)?;
        out.push_str(&text);
        Ok(())
    }

    /// Runs the body for each item.
    fn turns(&mut self, target: &Target, body: &[Stmt], state: &Rc<Loop>) -> Res<String> {
        let mut out = String::new();
        let name: Arc<str> = Arc::from("loop");
        for (index, item) in state.items.iter().enumerate() {
            state.index.set(index);
            self.scoped(|eval| {
                eval.set(&name, Val::Loop(Rc::clone(state)));
                eval.assign(target, item.clone())?;
                eval.run(body, &mut out)
            })?;
        }
        Ok(out)
    }

    /// `loop(items)` in a recursive loop.
    pub(crate) fn recurse(&mut self, state: &Rc<Loop>, args: Args) -> Res<Val> {
        let [items] = args.bind("loop", ["iterable"])?;
        let Some((target, body)) = &state.again else {
            return Err(error("this loop is not recursive")
                .hint(Some("write `recursive` at the end of its `for`".to_owned())));
        };
        let items = self.items(&items.unwrap_or(Val::NONE))?;
        let inner = Rc::new(Loop {
            items,
            index: Cell::new(0),
            depth: state.depth + 1,
            changed: RefCell::new(None),
            again: state.again.clone(),
        });
        let text = self.deeper(|eval| eval.turns(target, body, &inner))?;
        Ok(text.into())
    }

    /// The text that a macro gives. It sees its arguments and what the template set outside of
    /// all blocks.
    pub(crate) fn call_macro(
        &mut self,
        definition: &Arc<Macro>,
        args: Args,
        caller: Option<&Arc<Macro>>,
    ) -> Res<String> {
        let (mut names, spread) = (args.named, args.spread);
        if args.positional.len() > definition.params.len() {
            return fail(format!(
                "the macro `{}` takes {} arguments at most, not {}",
                definition.name,
                definition.params.len(),
                args.positional.len()
            ));
        }
        let mut positional = args.positional.into_iter();
        let outer = self.scopes.split_off(1.min(self.scopes.len()));
        let result = self.scoped(|eval| {
            for (name, default) in &definition.params {
                let index = names.iter().position(|(known, _)| known == name);
                let value = match (positional.next(), index, default) {
                    (Some(value), ..) => value,
                    (None, Some(index), _) => names.swap_remove(index).1,
                    (None, None, Some(default)) => eval.eval(default)?,
                    (None, None, None) => {
                        Val::undefined(format!("parameter '{name}' was not provided"))
                    }
                };
                eval.set(name, value);
            }
            if let Some((name, _)) = names.first() {
                if spread {
                    return fail(format!(
                        "the macro `{}` is given a parameter that it does not have",
                        definition.name
                    ));
                }
                return fail(format!(
                    "the macro `{}` has no parameter `{name}`",
                    definition.name
                ));
            }
            if let Some(caller) = caller {
                let name: Arc<str> = Arc::from("caller");
                eval.set(&name, Val::Function(Function::Macro(Arc::clone(caller))));
            }
            eval.render(&definition.body)
        });
        self.scopes.truncate(1);
        self.scopes.extend(outer);
        result
    }
}

/// `loop.name`.
pub(crate) fn loop_item(state: &Rc<Loop>, name: &str) -> Option<Val> {
    let (index, length) = (state.index.get(), state.items.len());
    Some(match name {
        "index" => Val::count(index + 1),
        "index0" => Val::count(index),
        "revindex" => Val::count(length - index),
        "revindex0" => Val::count(length - index - 1),
        "first" => (index == 0).into(),
        "last" => (index + 1 == length).into(),
        "length" => Val::count(length),
        "depth" => Val::count(state.depth + 1),
        "depth0" => Val::count(state.depth),
        "previtem" => match index.checked_sub(1).and_then(|at| state.items.get(at)) {
            Some(item) => item.clone(),
            None => Val::undefined("there is no previous item"),
        },
        "nextitem" => match state.items.get(index + 1) {
            Some(item) => item.clone(),
            None => Val::undefined("there is no next item"),
        },
        _ => return None,
    })
}

/// Calls `loop.cycle(…)` or `loop.changed(…)`.
pub(crate) fn loop_method(state: &Rc<Loop>, name: &str, args: Args) -> Res<Val> {
    let values = args.positional;
    if name == "changed" {
        let mut before = state.changed.borrow_mut();
        let same = match &*before {
            Some(before) => Val::tuple(before.clone()).equals(&Val::tuple(values.clone()))?,
            None => false,
        };
        *before = Some(values);
        return Ok((!same).into());
    }
    if values.is_empty() {
        return fail("`loop.cycle` takes at least one value");
    }
    Ok(values[state.index.get() % values.len()].clone())
}
