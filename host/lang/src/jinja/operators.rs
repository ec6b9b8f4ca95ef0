//! Operators on values, as Python has them.

use std::rc::Rc;
use std::sync::Arc;

use ostro_core::Value;

use super::ast::{Comparison, Op};
use super::error::{Fail, Res, error, fail};
use super::eval::Eval;
use super::format;
use super::value::Val;

impl Eval<'_> {
    pub(crate) fn binary(&mut self, op: Op, left: &Val, right: &Val) -> Res<Val> {
        match op {
            Op::Concat => {
                let text = left.text()?.into_owned() + &right.text()?;
                self.charge(text.len())?;
                Ok(text.into())
            }
            Op::Add => self.add(left, right),
            Op::Mul => self.multiply(left, right),
            Op::Rem if left.as_str().is_some() => {
                let text = format::percent(left.as_str().unwrap_or_default(), right)?;
                self.charge(text.len())?;
                Ok(text.into())
            }
            _ => arithmetic(op, left, right),
        }
    }

    fn add(&mut self, left: &Val, right: &Val) -> Res<Val> {
        match (left, right) {
            (Val::Data(Value::String(a)), Val::Data(Value::String(b))) => {
                self.charge(a.len() + b.len())?;
                Ok(format!("{a}{b}").into())
            }
            (Val::Tuple(a), Val::Tuple(b)) => {
                self.charge_items(a.len() + b.len())?;
                Ok(Val::tuple([&a[..], &b[..]].concat()))
            }
            (a, b) if a.python_type() == "list" && b.python_type() == "list" => {
                self.charge_items(a.len().unwrap_or(0) + b.len().unwrap_or(0))?;
                let mut items = a.items()?;
                items.extend(b.items()?);
                Ok(Val::list(items))
            }
            _ => arithmetic(Op::Add, left, right),
        }
    }

    fn multiply(&mut self, left: &Val, right: &Val) -> Res<Val> {
        let (sequence, times) = match (left, right) {
            (Val::Data(Value::String(_) | Value::List(_)) | Val::List(_) | Val::Tuple(_), b) => {
                (left, b.as_int())
            }
            (a, Val::Data(Value::String(_) | Value::List(_)) | Val::List(_) | Val::Tuple(_)) => {
                (right, a.as_int())
            }
            _ => return arithmetic(Op::Mul, left, right),
        };
        let Some(times) = times else {
            return Err(unsupported("*", left, right));
        };
        let times = usize::try_from(times).unwrap_or(0);
        if let Some(text) = sequence.as_str() {
            self.charge(text.len().saturating_mul(times))?;
            return Ok(text.repeat(times).into());
        }
        let items = sequence.items()?;
        self.charge_items(items.len().saturating_mul(times))?;
        let items: Vec<Val> = std::iter::repeat_n(&items, times)
            .flatten()
            .cloned()
            .collect();
        Ok(match sequence {
            Val::Tuple(_) => Val::Tuple(Rc::new(items)),
            _ => Val::list(items),
        })
    }

    pub(crate) fn compares(&mut self, op: Comparison, left: &Val, right: &Val) -> Res<bool> {
        Ok(match op {
            Comparison::Eq => left.equals(right)?,
            Comparison::Ne => !left.equals(right)?,
            Comparison::In => self.contains(right, left)?,
            Comparison::NotIn => !self.contains(right, left)?,
            Comparison::Lt | Comparison::Le | Comparison::Gt | Comparison::Ge => {
                // NaN has no order, and every comparison with it is false.
                let nan = |val: &Val| val.as_float().is_some_and(f64::is_nan);
                let order = left.compare(right)?;
                !nan(left)
                    && !nan(right)
                    && match op {
                        Comparison::Lt => order.is_lt(),
                        Comparison::Le => order.is_le(),
                        Comparison::Gt => order.is_gt(),
                        _ => order.is_ge(),
                    }
            }
        })
    }

    pub(crate) fn contains(&mut self, all: &Val, one: &Val) -> Res<bool> {
        one.defined()?;
        match all.defined()? {
            Val::Data(Value::String(text)) => match one.as_str() {
                Some(part) => Ok(text.contains(part)),
                None => fail(format!("text can't hold {}", one.kind())),
            },
            Val::Data(Value::Map(entries)) => match one {
                Val::Data(Value::List(_) | Value::Map(_)) | Val::List(_) => {
                    fail(format!("{} can't be a key", one.kind()))
                }
                Val::Data(Value::String(key)) => Ok(entries.contains_key(key)),
                _ => Ok(false),
            },
            other => {
                for item in other.items()? {
                    self.step()?;
                    if item.equals(one)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }
}

fn symbol(op: Op) -> &'static str {
    match op {
        Op::Add => "+",
        Op::Sub => "-",
        Op::Mul => "*",
        Op::Div => "/",
        Op::FloorDiv => "//",
        Op::Rem => "%",
        Op::Pow => "**",
        Op::Concat => "~",
    }
}

fn unsupported(symbol: &str, left: &Val, right: &Val) -> Fail {
    error(format!(
        "`{symbol}` does not work on {} and {}",
        left.kind(),
        right.kind()
    ))
    .hint(match symbol {
        "+" if left.as_str().is_some() || right.as_str().is_some() => {
            Some("`~` puts anything together as text".to_owned())
        }
        _ => None,
    })
}

fn overflow() -> Fail {
    error("a number does not fit into 64 bits")
}

fn arithmetic(op: Op, left: &Val, right: &Val) -> Res<Val> {
    if let (Some(a), Some(b)) = (left.as_int(), right.as_int())
        && !matches!(op, Op::Div)
        && !(op == Op::Pow && b < 0)
    {
        return integers(op, a, b);
    }
    match (left.as_float(), right.as_float()) {
        (Some(a), Some(b)) => floats(op, a, b).map(Val::from),
        _ => Err(unsupported(symbol(op), left, right)),
    }
}

fn integers(op: Op, a: i64, b: i64) -> Res<Val> {
    if b == 0 && matches!(op, Op::FloorDiv | Op::Rem) {
        return fail("division by zero");
    }
    let result = match op {
        Op::Add => a.checked_add(b),
        Op::Sub => a.checked_sub(b),
        Op::Mul => a.checked_mul(b),
        Op::Pow => match u32::try_from(b) {
            Ok(power) => a.checked_pow(power),
            Err(_) if (0..=1).contains(&a) => Some(a),
            Err(_) => None,
        },
        // Python rounds down, Rust towards zero.
        Op::FloorDiv => a.checked_div(b).map(|quotient| {
            if a.wrapping_rem(b) != 0 && (a < 0) != (b < 0) {
                quotient - 1
            } else {
                quotient
            }
        }),
        Op::Rem => Some(match a.wrapping_rem(b) {
            0 => 0,
            rest if (rest < 0) != (b < 0) => rest + b,
            rest => rest,
        }),
        Op::Div | Op::Concat => None,
    };
    result.map(Val::from).ok_or_else(overflow)
}

fn floats(op: Op, a: f64, b: f64) -> Res<f64> {
    if b == 0.0 && matches!(op, Op::Div | Op::FloorDiv | Op::Rem) {
        return fail("division by zero");
    }
    let result = match op {
        Op::Add => a + b,
        Op::Sub => a - b,
        Op::Mul => a * b,
        Op::Div => a / b,
        Op::FloorDiv => ((a - rem(a, b)) / b).round(),
        Op::Rem => rem(a, b),
        Op::Pow if a == 0.0 && b < 0.0 => return fail("zero has no negative power"),
        Op::Pow if a < 0.0 && b.fract() != 0.0 => return fail("this power is no real number"),
        Op::Pow => a.powf(b),
        Op::Concat => f64::NAN,
    };
    if result.is_infinite() && a.is_finite() && b.is_finite() && op == Op::Pow {
        return Err(overflow());
    }
    Ok(result)
}

/// The rest with the sign of the divisor, as Python has it.
fn rem(a: f64, b: f64) -> f64 {
    let rest = a % b;
    if rest == 0.0 {
        0.0_f64.copysign(b)
    } else if (rest < 0.0) != (b < 0.0) {
        rest + b
    } else {
        rest
    }
}

/// `-value`.
pub(crate) fn negative(value: &Val) -> Res<Val> {
    match value.defined()? {
        Val::Data(Value::Float(number)) => Ok((-number).into()),
        other => match other.as_int() {
            Some(number) => number.checked_neg().map(Val::from).ok_or_else(overflow),
            None => fail(format!("`-` does not work on {}", other.kind())),
        },
    }
}

/// `target[start:stop:step]`.
pub(crate) fn slice(
    target: &Val,
    start: Option<i64>,
    stop: Option<i64>,
    stride: Option<i64>,
) -> Res<Val> {
    let stride = stride.unwrap_or(1);
    if stride == 0 {
        return fail("the step of a slice can't be zero");
    }
    let items = match target.defined()? {
        Val::Data(Value::Map(_)) => return fail("a mapping can't be sliced"),
        other => other.items()?,
    };
    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let (lowest, highest) = if stride > 0 {
        (0, length)
    } else {
        (-1, length - 1)
    };
    let place = |at: Option<i64>, default: i64| match at {
        None => default,
        Some(at) if at < 0 => at.saturating_add(length).clamp(lowest, highest),
        Some(at) => at.clamp(lowest, highest),
    };
    let (mut at, end) = if stride > 0 {
        (place(start, lowest), place(stop, highest))
    } else {
        (place(start, highest), place(stop, lowest))
    };
    let mut taken = Vec::new();
    while if stride > 0 { at < end } else { at > end } {
        if let Some(item) = usize::try_from(at).ok().and_then(|at| items.get(at)) {
            taken.push(item.clone());
        }
        match at.checked_add(stride) {
            Some(next) => at = next,
            None => break,
        }
    }
    Ok(match target {
        Val::Data(Value::String(_)) => taken
            .iter()
            .filter_map(Val::as_str)
            .collect::<String>()
            .into(),
        Val::Tuple(_) => Val::tuple(taken),
        _ => Val::list(taken),
    })
}

/// [`item`] for a key that stands in the template itself, and so may be named.
pub(crate) fn named_item(target: &Val, key: &Val) -> Res<Val> {
    let found = item(target, key)?;
    let owner = target.python_type();
    Ok(match (&found, key.as_str(), key.as_int()) {
        (Val::Undefined(_), Some(name), _)
            if name.starts_with('_') && target.as_map().is_none() =>
        {
            Val::undefined(format!(
                "access to attribute '{name}' of '{owner}' is unsafe"
            ))
        }
        (Val::Undefined(_), Some(name), _) => {
            Val::undefined(format!("'{owner} object' has no attribute '{name}'"))
        }
        (Val::Undefined(_), None, Some(number)) => {
            Val::undefined(format!("'{owner} object' has no element {number}"))
        }
        _ => found,
    })
}

/// `target[index]` and `target.name`, methods included.
pub(crate) fn item(target: &Val, key: &Val) -> Res<Val> {
    key.defined()?;
    let at = |length: usize| {
        let index = key.as_int()?;
        let length = i64::try_from(length).ok()?;
        usize::try_from(if index < 0 { index + length } else { index }).ok()
    };
    let found = match target.defined()? {
        Val::Data(Value::Map(entries)) => match key {
            Val::Data(Value::String(name)) => entries.get(name).cloned().map(Val::Data),
            Val::Data(Value::List(_) | Value::Map(_)) | Val::List(_) | Val::Tuple(_) => None,
            key => entries
                .get(&super::value::key_of(key)?)
                .cloned()
                .map(Val::Data),
        },
        Val::Data(Value::List(items)) => at(items.len())
            .and_then(|at| items.get(at))
            .cloned()
            .map(Val::Data),
        Val::List(items) => at(items.len()).and_then(|at| items.get(at)).cloned(),
        Val::Tuple(items) => match key.as_str() {
            // What `groupby` gives has names.
            Some("grouper") if items.len() == 2 => items.first().cloned(),
            Some("list") if items.len() == 2 => items.get(1).cloned(),
            _ => at(items.len()).and_then(|at| items.get(at)).cloned(),
        },
        Val::Data(Value::String(text)) if key.as_int().is_some() => at(text.chars().count())
            .and_then(|at| text.chars().nth(at))
            .map(|c| Val::from(c.to_string())),
        Val::Namespace(entries) => key
            .as_str()
            .and_then(|name| entries.borrow().get(name).cloned()),
        Val::Loop(state) => key
            .as_str()
            .and_then(|name| super::statements::loop_item(state, name)),
        Val::Cycler(cycler) => match key.as_str() {
            Some("current") => cycler.items.get(cycler.index.get()).cloned(),
            _ => None,
        },
        _ => None,
    };
    if let Some(found) = found {
        return Ok(found);
    }
    if let Some(name) = key.as_str() {
        if super::methods::exists(target, name) {
            return Ok(Val::Function(super::value::Function::Method(
                Rc::new(target.clone()),
                Arc::from(name),
            )));
        }
        if name.starts_with('_') && target.as_map().is_none() {
            return Ok(Val::undefined("access to this attribute is unsafe"));
        }
    }
    // Keys may come from the context, so they are not named; who knows better does.
    Ok(Val::undefined(format!(
        "'{} object' has no such attribute or item",
        target.python_type()
    )))
}
