//! Equality, keys and order, as Python has them.

use std::rc::Rc;
use std::sync::Arc;

use super::{Eval, no_operator};
use crate::error::Res;
use crate::value::{Dict, Key, List, Val, View};

#[expect(
    clippy::cast_precision_loss,
    reason = "an integer is compared with a float as a float; past 2^53 no workflow relies on it"
)]
pub(crate) fn float(number: i64) -> f64 {
    number as f64
}

/// The number, where the value is one. Truth values aren't.
pub(crate) fn number(value: &Val) -> Option<f64> {
    match value {
        Val::Int(number) => Some(float(*number)),
        Val::Float(number) => Some(*number),
        _ => None,
    }
}

impl Eval<'_> {
    /// What the value is equal by.
    pub(crate) fn key(&mut self, value: &Val) -> Res<Key> {
        self.step(1)?;
        Ok(match value {
            Val::Missing | Val::Null => Key::Null,
            Val::Bool(truth) => Key::Int(i64::from(*truth)),
            Val::Int(number) => Key::Int(*number),
            Val::Float(number) => float_key(*number),
            Val::Str(text) => Key::Str(Arc::clone(text)),
            Val::List(list) => Key::List(self.deeper(|ev| ev.keys(list))?.into()),
            Val::Dict(dict) => {
                let mut entries = self.deeper(|ev| ev.entry_keys(dict))?;
                entries.sort();
                Key::Dict(entries.into())
            }
            Val::Set(set) => {
                self.charge(set.items.len() * size_of::<Key>())?;
                let mut keys: Vec<Key> = set.items.keys().cloned().collect();
                keys.sort();
                Key::Set(keys.into())
            }
            Val::View(View::Keys | View::Items, _) => {
                let set = self.set_of(value)?;
                self.key(&Val::Set(set))?
            }
            Val::Time(moment) => Key::Time(moment.micros()?),
            Val::Span(micros) => Key::Span(*micros),
            Val::View(View::Values, Dict::Json(map)) => Key::Identity(Arc::as_ptr(map).addr()),
            Val::View(View::Values, Dict::Own(dict)) => Key::Identity(Rc::as_ptr(dict).addr()),
            Val::Iter(stream) => Key::Identity(Rc::as_ptr(stream).addr()),
            Val::Memo(memo) => Key::Identity(Rc::as_ptr(memo).addr()),
            Val::Order(order) => Key::Identity(Rc::as_ptr(order).addr()),
            Val::Regex(regex) => {
                self.charge(regex.text().len())?;
                Key::Regex(regex.text().into())
            }
            Val::Context(ctx) => Key::Identity(Rc::as_ptr(ctx).addr()),
            Val::Lambda(lambda) => Key::Identity(Rc::as_ptr(lambda).addr()),
            Val::Rule(rule) => Key::Identity(Rc::as_ptr(rule).addr()),
            Val::Pair(pair) => Key::Identity(Rc::as_ptr(pair).addr()),
        })
    }

    fn keys(&mut self, list: &List) -> Res<Vec<Key>> {
        self.charge(list.len() * size_of::<Key>())?;
        list.iter().map(|item| self.key(&item)).collect()
    }

    fn entry_keys(&mut self, dict: &Dict) -> Res<Vec<(Key, Key)>> {
        self.charge(dict.len() * size_of::<(Key, Key)>())?;
        dict.iter()
            .map(|(key, value)| Ok((self.key(&key)?, self.key(&value)?)))
            .collect()
    }

    /// `a = b`
    pub(crate) fn equal(&mut self, a: &Val, b: &Val) -> Res<bool> {
        self.step(1)?;
        match (a, b) {
            (Val::Str(a), Val::Str(b)) => Ok(a == b),
            (Val::List(a), Val::List(b)) => {
                if a.len() != b.len() {
                    return Ok(false);
                }
                self.deeper(|ev| {
                    for (a, b) in a.iter().zip(b.iter()) {
                        if !ev.equal(&a, &b)? {
                            return Ok(false);
                        }
                    }
                    Ok(true)
                })
            }
            (Val::Dict(a), Val::Dict(b)) => {
                if a.len() != b.len() {
                    return Ok(false);
                }
                self.deeper(|ev| {
                    for (key, value) in a.iter() {
                        let key = ev.key(&key)?;
                        match b.get(&key) {
                            Some(other) if ev.equal(&value, &other)? => {}
                            _ => return Ok(false),
                        }
                    }
                    Ok(true)
                })
            }
            (Val::List(_) | Val::Dict(_), _) | (_, Val::List(_) | Val::Dict(_)) => Ok(false),
            _ => Ok(self.key(a)? == self.key(b)?),
        }
    }

    /// Whether `item` is one of `collection`.
    pub(crate) fn contains(&mut self, collection: &Val, item: &Val) -> Res<bool> {
        match collection {
            Val::Set(set) => {
                let key = self.key(item)?;
                Ok(set.items.contains_key(&key))
            }
            Val::View(View::Keys, dict) => {
                let key = self.key(item)?;
                Ok(dict.get(&key).is_some())
            }
            _ => {
                let mut source = self.source(collection)?;
                while let Some(candidate) = source.next(self)? {
                    if self.equal(&candidate, item)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }

    /// `a < b`
    pub(crate) fn less(&mut self, a: &Val, b: &Val) -> Res<bool> {
        self.order("<", a, b, false)
    }

    /// `a <= b`
    pub(crate) fn less_equal(&mut self, a: &Val, b: &Val) -> Res<bool> {
        self.order("<=", a, b, true)
    }

    /// `a < b`, or with `or_equal` `a <= b`; `sign` is what the expression wrote, for messages.
    pub(crate) fn order(&mut self, sign: &str, a: &Val, b: &Val, or_equal: bool) -> Res<bool> {
        fn is<T: PartialOrd + ?Sized>(a: &T, b: &T, or_equal: bool) -> bool {
            if or_equal { a <= b } else { a < b }
        }
        self.step(1)?;
        Ok(match (a, b) {
            // Null comes before everything.
            (Val::Null, Val::Null) => or_equal,
            (Val::Null, _) => true,
            (_, Val::Null) => false,
            (Val::Int(a), Val::Int(b)) | (Val::Span(a), Val::Span(b)) => is(a, b, or_equal),
            (Val::Str(a), Val::Str(b)) => is(a, b, or_equal),
            (Val::Time(a), Val::Time(b)) => is(&a.since(b)?, &0, or_equal),
            (a, b) if a.is_set() && b.is_set() => {
                let (small, large) = (self.set_of(a)?, self.set_of(b)?);
                self.step(small.items.len() as u64)?;
                (or_equal || small.items.len() < large.items.len())
                    && small.items.keys().all(|key| large.items.contains_key(key))
            }
            (a, b) => match (number(a), number(b)) {
                (Some(a), Some(b)) => is(&a, &b, or_equal),
                _ => return Err(no_operator(sign, &[a, b])),
            },
        })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the range is checked first"
)]
fn float_key(number: f64) -> Key {
    // 2^63, the first whole number that an i64 can't hold.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if number.fract() == 0.0 && (-LIMIT..LIMIT).contains(&number) {
        Key::Int(number as i64)
    } else {
        Key::Float(number.to_bits())
    }
}
