//! What operators do with values of each type.

use std::rc::Rc;

use super::compare::{float, number};
use super::{Eval, no_operator};
use crate::error::{ErrorKind, Fail, Res, fail};
use crate::lexer::Op;
use crate::library::regex::Pattern;
use crate::library::{queries, time};
use crate::value::{Dict, List, Val};

/// An error of arithmetic.
pub(crate) fn overflow() -> Fail {
    fail(ErrorKind::Arithmetic, "the result does not fit 64 bits")
        .hint(Some("make one operand a float, as in `1.0 * a`".to_owned()))
}

pub(crate) fn zero_division() -> Fail {
    fail(ErrorKind::Arithmetic, "division by zero")
}

impl Eval<'_> {
    /// `left op right`, for operators that evaluate both sides.
    pub(crate) fn binary(&mut self, op: Op, left: Val, right: Val) -> Res<Val> {
        Ok(match op {
            Op::Equal => Val::Bool(self.equal(&left, &right)?),
            Op::NotEqual => Val::Bool(!self.equal(&left, &right)?),
            Op::Less => Val::Bool(self.less(&left, &right)?),
            Op::LessEqual => Val::Bool(self.less_equal(&left, &right)?),
            Op::Greater => Val::Bool(self.order(">", &right, &left, false)?),
            Op::GreaterEqual => Val::Bool(self.order(">=", &right, &left, true)?),
            Op::In => match (&left, &right) {
                (Val::Str(part), Val::Str(whole)) => Val::Bool(whole.contains(&**part)),
                (_, collection) if collection.is_iterable() => {
                    Val::Bool(self.contains(collection, &left)?)
                }
                _ => {
                    return Err(no_operator("in", &[&left, &right]).hint(match right {
                        Val::Dict(_) => Some("ask `key in mapping.keys()`".to_owned()),
                        _ => None,
                    }));
                }
            },
            Op::Match => Val::Bool(self.matches(&left, &right)?),
            Op::NotMatch => Val::Bool(!self.matches(&left, &right)?),
            Op::Add => self.add(left, right)?,
            Op::Sub => self.subtract(&left, &right)?,
            Op::Mul => self.multiply(&left, &right)?,
            Op::Div => divide(&left, &right)?,
            Op::Mod => modulo(&left, &right)?,
            Op::Dot | Op::SafeDot | Op::Not | Op::And | Op::Or | Op::Send => {
                return Err(no_operator(op.text(), &[&left, &right]));
            }
        })
    }

    fn matches(&mut self, text: &Val, pattern: &Val) -> Res<bool> {
        match (text, pattern) {
            (Val::Str(text), Val::Regex(pattern)) => pattern.is_match(self, text),
            (Val::Str(text), Val::Str(pattern)) => {
                Pattern::new(self, pattern)?.is_match(self, text)
            }
            _ => Err(no_operator("=~", &[text, pattern])),
        }
    }

    /// `left + right`
    pub(crate) fn add(&mut self, left: Val, right: Val) -> Res<Val> {
        match (&left, &right) {
            (Val::Int(a), Val::Int(b)) => a.checked_add(*b).map(Val::Int).ok_or_else(overflow),
            (Val::Str(a), Val::Str(b)) => {
                self.charge(a.len() + b.len())?;
                self.text(&[&**a, &**b].concat())
            }
            (Val::List(a), Val::List(b)) => {
                self.step((a.len() + b.len()) as u64)?;
                let items = a.iter().chain(b.iter()).collect();
                self.list(items)
            }
            (Val::Set(a), Val::Set(b)) => {
                let items = a.items.iter().chain(&b.items);
                let items: Vec<_> = items.map(|(k, v)| (k.clone(), v.clone())).collect();
                self.set(items).map(Val::Set)
            }
            (a, b) if a.is_iterable() && b.is_iterable() => queries::chain(self, &[left, right]),
            (Val::Dict(a), Val::Dict(b)) => self.merged(a, b),
            (Val::Time(moment), Val::Span(micros)) | (Val::Span(micros), Val::Time(moment)) => {
                moment.plus(*micros).map(Val::Time)
            }
            (Val::Span(a), Val::Span(b)) => a.checked_add(*b).map(Val::Span).ok_or_else(overflow),
            _ => numbers("+", &left, &right, |a, b| a + b),
        }
    }

    /// The entries of both, `b`'s winning.
    pub(crate) fn merged(&mut self, a: &Dict, b: &Dict) -> Res<Val> {
        let mut entries = self.dict_from(a)?;
        entries.extend(self, b)?;
        entries.finish(self)
    }

    fn subtract(&mut self, left: &Val, right: &Val) -> Res<Val> {
        match (left, right) {
            (Val::Int(a), Val::Int(b)) => a.checked_sub(*b).map(Val::Int).ok_or_else(overflow),
            (a, b) if a.is_set() && b.is_set() => {
                let (a, b) = (self.set_of(a)?, self.set_of(b)?);
                let kept = a
                    .items
                    .iter()
                    .filter(|(key, _)| !b.items.contains_key(*key));
                let kept: Vec<_> = kept.map(|(k, v)| (k.clone(), v.clone())).collect();
                self.step(a.items.len() as u64)?;
                self.set(kept).map(Val::Set)
            }
            (Val::Time(moment), Val::Span(micros)) => moment
                .plus(micros.checked_neg().ok_or_else(overflow)?)
                .map(Val::Time),
            (Val::Time(a), Val::Time(b)) => a.since(b).map(Val::Span),
            (Val::Span(a), Val::Span(b)) => a.checked_sub(*b).map(Val::Span).ok_or_else(overflow),
            _ => numbers("-", left, right, |a, b| a - b),
        }
    }

    fn multiply(&mut self, left: &Val, right: &Val) -> Res<Val> {
        match (left, right) {
            (Val::Int(a), Val::Int(b)) => a.checked_mul(*b).map(Val::Int).ok_or_else(overflow),
            (Val::Str(text), count @ (Val::Int(_) | Val::Bool(_)))
            | (count @ (Val::Int(_) | Val::Bool(_)), Val::Str(text)) => {
                let count = times(count);
                self.charge(text.len().saturating_mul(count))?;
                self.text(&text.repeat(count))
            }
            (Val::List(list), count @ (Val::Int(_) | Val::Bool(_)))
            | (count @ (Val::Int(_) | Val::Bool(_)), Val::List(list)) => {
                // Many times nothing is nothing, and needs no going through.
                let count = if list.len() == 0 { 0 } else { times(count) };
                self.charge(
                    list.len()
                        .saturating_mul(count)
                        .saturating_mul(size_of::<Val>()),
                )?;
                let items = std::iter::repeat_n(list, count).flat_map(List::iter);
                self.list(items.collect())
            }
            (Val::Span(micros), factor @ (Val::Int(_) | Val::Float(_)))
            | (factor @ (Val::Int(_) | Val::Float(_)), Val::Span(micros)) => match factor {
                Val::Int(factor) => micros
                    .checked_mul(*factor)
                    .map(Val::Span)
                    .ok_or_else(overflow),
                _ => time::span(float(*micros) * number(factor).unwrap_or(f64::NAN)),
            },
            _ => numbers("*", left, right, |a, b| a * b),
        }
    }
}

/// `op operand`
pub(super) fn unary(op: Op, operand: Val) -> Res<Val> {
    match (op, &operand) {
        (Op::Not, _) => Ok(Val::Bool(!operand.is_truthy())),
        (Op::Sub, Val::Int(number)) => number.checked_neg().map(Val::Int).ok_or_else(overflow),
        (Op::Sub, Val::Float(number)) => Ok(Val::Float(-number)),
        (Op::Sub, Val::Span(micros)) => micros.checked_neg().map(Val::Span).ok_or_else(overflow),
        (Op::Add, Val::Int(_) | Val::Float(_) | Val::Span(_)) => Ok(operand),
        _ => Err(no_operator(op.text(), &[&operand])),
    }
}

/// How often to repeat something: never, for a negative count.
fn times(count: &Val) -> usize {
    match count {
        Val::Int(count) => usize::try_from(*count).unwrap_or(0),
        Val::Bool(truth) => usize::from(*truth),
        _ => 0,
    }
}

fn numbers(sign: &str, left: &Val, right: &Val, f: impl Fn(f64, f64) -> f64) -> Res<Val> {
    match (number(left), number(right)) {
        (Some(a), Some(b)) => Ok(Val::Float(f(a, b))),
        _ => Err(no_operator(sign, &[left, right]).hint(match (left, right) {
            (Val::Str(_), Val::Int(_) | Val::Float(_))
            | (Val::Int(_) | Val::Float(_), Val::Str(_)) => {
                Some("`str(x)` makes a string, `int(x)` a number".to_owned())
            }
            (Val::Iter(_) | Val::List(_), Val::Iter(_) | Val::List(_)) if sign == "-" => {
                Some("`-` works on sets: `a.toSet() - b.toSet()`".to_owned())
            }
            _ => None,
        })),
    }
}

/// Python's `//` for integers, which rounds down, and `/` for the rest.
fn divide(left: &Val, right: &Val) -> Res<Val> {
    match (left, right) {
        (Val::Int(_), Val::Int(0)) | (Val::Span(_), Val::Span(0)) => Err(zero_division()),
        (Val::Int(a), Val::Int(b)) => {
            let quotient = a.checked_div(*b).ok_or_else(overflow)?;
            let down = a % b != 0 && (*a < 0) != (*b < 0);
            Ok(Val::Int(quotient - i64::from(down)))
        }
        (Val::Span(a), Val::Span(b)) => Ok(Val::Float(float(*a) / float(*b))),
        (Val::Span(_), by) if number(by) == Some(0.0) => Err(zero_division()),
        (Val::Span(micros), by @ (Val::Int(_) | Val::Float(_))) => {
            time::span(float(*micros) / number(by).unwrap_or(f64::NAN))
        }
        _ if number(left).is_some() && number(right) == Some(0.0) => Err(zero_division()),
        _ => numbers("/", left, right, |a, b| a / b),
    }
}

/// Python's `%`: the sign is that of the divisor.
fn modulo(left: &Val, right: &Val) -> Res<Val> {
    match (left, right) {
        (Val::Int(_), Val::Int(0)) => Err(zero_division()),
        (Val::Int(a), Val::Int(b)) => {
            let rest = a.wrapping_rem(*b);
            let other_sign = rest != 0 && (rest < 0) != (*b < 0);
            Ok(Val::Int(if other_sign { rest + b } else { rest }))
        }
        _ if number(left).is_some() && number(right) == Some(0.0) => Err(zero_division()),
        _ => numbers("mod", left, right, |a, b| {
            let rest = a % b;
            if rest == 0.0 {
                // Even zero has the divisor's sign.
                rest.copysign(b)
            } else if (rest < 0.0) != (b < 0.0) {
                rest + b
            } else {
                rest
            }
        }),
    }
}

/// A regex, compiled; so that `Rc` stays out of the library's signatures.
impl From<Pattern> for Val {
    fn from(pattern: Pattern) -> Self {
        Val::Regex(Rc::new(pattern))
    }
}
