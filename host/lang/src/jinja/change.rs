//! Methods that change what they are called on, as `list.append(x)`.
//!
//! Values are shared and never change. The variable that holds the value gets the changed one.

use std::rc::Rc;
use std::sync::Arc;

use ostro_core::Value;

use super::ast::{Arg, Expr, Kind};
use super::error::{Res, error};
use super::eval::Eval;
use super::methods;
use super::value::{Val, key_of};

impl Eval<'_> {
    /// Calls a method that changes what it is called on, if that is a list or a mapping. None if
    /// it is something else.
    ///
    /// Values are shared, so the variable that holds it gets the changed value. The context can't
    /// be changed.
    pub(crate) fn change(&mut self, receiver: &Expr, name: &str, args: &[Arg]) -> Res<Option<Val>> {
        let before = self.eval(receiver)?;
        let Val::Data(mut value) = (match &before {
            Val::List(_) => Val::Data(before.clone().into_value()?),
            _ => before,
        }) else {
            return Ok(None);
        };
        let unchanged = Val::Data(value.clone());
        if !matches!(value, Value::List(_) | Value::Map(_)) || !methods::exists(&unchanged, name) {
            return Ok(None);
        }
        let args = self.args(args)?;
        let result = methods::change(self, &mut value, name, args)?;
        self.store(receiver, &unchanged, Val::Data(value))?;
        Ok(Some(result))
    }

    /// Puts a changed value where `place` took it from; a value that nothing holds is dropped.
    fn store(&mut self, place: &Expr, before: &Val, value: Val) -> Res<()> {
        let mut path = Vec::new();
        let mut at = place;
        let root = loop {
            match &at.kind {
                Kind::Var(name) => break Arc::clone(name),
                Kind::Attribute(target, name) => {
                    path.push(Val::from(Arc::clone(name)));
                    at = target;
                }
                Kind::Item(target, key) => {
                    path.push(self.eval(key)?);
                    at = target;
                }
                _ => return Ok(()),
            }
        };
        path.reverse();
        let Some(variable) = self.local_mut(&root) else {
            if before.equals(&value)? {
                return Ok(());
            }
            return Err(error("the context can't be changed").hint(Some(
                "make a new value, as `_.list + [1]` or `dict(_.map, key=1)`".to_owned(),
            )));
        };
        put(variable, &path, value)
    }
}

/// Puts `value` into what `place` holds under `path`.
fn put(place: &mut Val, path: &[Val], value: Val) -> Res<()> {
    let Some((key, rest)) = path.split_first() else {
        *place = value;
        return Ok(());
    };
    match place {
        Val::Namespace(entries) => {
            let name = key_of(key)?;
            let mut inner = entries.borrow().get(&name).cloned().unwrap_or(Val::NONE);
            put(&mut inner, rest, value)?;
            entries.borrow_mut().insert(name, inner);
            Ok(())
        }
        Val::Data(data) => put_data(data, path, value.into_value()?),
        Val::List(items) | Val::Tuple(items) => {
            let index = key.as_int().and_then(|at| {
                usize::try_from(if at < 0 {
                    at + i64::try_from(items.len()).ok()?
                } else {
                    at
                })
                .ok()
            });
            match index.and_then(|at| Rc::make_mut(items).get_mut(at)) {
                Some(inner) => put(inner, rest, value),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

fn put_data(place: &mut Value, path: &[Val], value: Value) -> Res<()> {
    let Some((key, rest)) = path.split_first() else {
        *place = value;
        return Ok(());
    };
    match place {
        Value::Map(entries) => {
            let inner = Arc::make_mut(entries).entry(key_of(key)?).or_default();
            put_data(inner, rest, value)
        }
        Value::List(items) => {
            let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
            let index = key
                .as_int()
                .map(|at| if at < 0 { at + length } else { at })
                .and_then(|at| usize::try_from(at).ok());
            match index.and_then(|at| Arc::make_mut(items).get_mut(at)) {
                Some(inner) => put_data(inner, rest, value),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}
