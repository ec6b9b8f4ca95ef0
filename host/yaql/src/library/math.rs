//! Numbers.

use super::{function, opt, req};
use crate::error::{ErrorKind, Res, fail};
use crate::eval::{Call, Function, Ty};
use crate::eval::{float, number, overflow, zero_division};
use crate::value::Val;

const ONE: &[crate::eval::Param] = &[req("value", Ty::Any)];
const BITS: &[crate::eval::Param] = &[req("left", Ty::Int), req("right", Ty::Int)];
const SHIFT: &[crate::eval::Param] = &[req("value", Ty::Int), req("bitsNumber", Ty::Int)];

pub(super) const FUNCTIONS: &[Function] = &[
    function("abs", &[req("op", Ty::Number)], abs),
    function("int", ONE, int),
    function("float", ONE, float_),
    function("bool", ONE, |c| Ok(Val::Bool(c.arg(0).is_truthy()))),
    function("isBoolean", ONE, |c| {
        Ok(Val::Bool(matches!(c.arg(0), Val::Bool(_))))
    }),
    function("isInteger", ONE, |c| {
        Ok(Val::Bool(matches!(c.arg(0), Val::Int(_))))
    }),
    function("isNumber", ONE, |c| {
        Ok(Val::Bool(matches!(c.arg(0), Val::Int(_) | Val::Float(_))))
    }),
    function("random", &[], |c| random(c).map(Val::Float)),
    function(
        "random",
        &[req("from", Ty::Int), req("to", Ty::Int)],
        random_int,
    ),
    function("bitwiseAnd", BITS, |c| {
        Ok(Val::Int(c.int_or(0, 0) & c.int_or(1, 0)))
    }),
    function("bitwiseOr", BITS, |c| {
        Ok(Val::Int(c.int_or(0, 0) | c.int_or(1, 0)))
    }),
    function("bitwiseXor", BITS, |c| {
        Ok(Val::Int(c.int_or(0, 0) ^ c.int_or(1, 0)))
    }),
    function("bitwiseNot", &[req("arg", Ty::Int)], |c| {
        Ok(Val::Int(!c.int_or(0, 0)))
    }),
    function("shiftBitsRight", SHIFT, |c| {
        shift(c.int_or(0, 0), c.int_or(1, 0), false)
    }),
    function("shiftBitsLeft", SHIFT, |c| {
        shift(c.int_or(0, 0), c.int_or(1, 0), true)
    }),
    function("max", &[req("a", Ty::Any), req("b", Ty::Any)], |c| {
        let (a, b) = (c.arg(0), c.arg(1));
        c.ev.larger(a, b)
    }),
    function("min", &[req("a", Ty::Any), req("b", Ty::Any)], |c| {
        let (a, b) = (c.arg(0), c.arg(1));
        c.ev.smaller(a, b)
    }),
    function(
        "pow",
        &[
            req("a", Ty::Number),
            req("b", Ty::Number),
            opt("c", Ty::NumberOrNull),
        ],
        pow,
    ),
    function("sign", &[req("num", Ty::Number)], |c| {
        let number = number(&c.arg(0)).unwrap_or(0.0);
        Ok(Val::Int(i64::from(number > 0.0) - i64::from(number < 0.0)))
    }),
    function(
        "round",
        &[req("number", Ty::Number), opt("ndigits", Ty::Int)],
        round,
    ),
];

impl crate::eval::Eval<'_> {
    /// The larger of two; `a` if neither is.
    pub(crate) fn larger(&mut self, a: Val, b: Val) -> Res<Val> {
        Ok(if self.order(">", &a, &b, false)? {
            b
        } else {
            a
        })
    }

    /// The smaller of two; `b` if neither is.
    pub(crate) fn smaller(&mut self, a: Val, b: Val) -> Res<Val> {
        Ok(if self.order(">", &a, &b, false)? {
            a
        } else {
            b
        })
    }
}

fn abs(c: &mut Call<'_, '_>) -> Res<Val> {
    match c.arg(0) {
        Val::Int(number) => number.checked_abs().map(Val::Int).ok_or_else(overflow),
        Val::Float(number) => Ok(Val::Float(number.abs())),
        other => Ok(other),
    }
}

fn not_a(what: &str, value: &Val) -> crate::error::Fail {
    fail(
        ErrorKind::Value,
        format!("this value of type {} is no {what}", value.kind()),
    )
}

/// `text` without the underscores that Python lets stand between digits; None where they stand
/// elsewhere.
fn digits(text: &str) -> Option<String> {
    let text = text.trim();
    let bytes = text.as_bytes();
    let misplaced = bytes.iter().enumerate().any(|(i, b)| {
        let digit = |at: Option<usize>| {
            at.and_then(|at| bytes.get(at))
                .is_some_and(u8::is_ascii_digit)
        };
        *b == b'_' && !(digit(i.checked_sub(1)) && digit(Some(i + 1)))
    });
    (!misplaced).then(|| text.replace('_', ""))
}

fn int(c: &mut Call<'_, '_>) -> Res<Val> {
    let value = c.arg(0);
    match &value {
        Val::Null => Ok(Val::Int(0)),
        Val::Bool(truth) => Ok(Val::Int(i64::from(*truth))),
        Val::Int(number) => Ok(Val::Int(*number)),
        Val::Float(number) => whole(*number),
        Val::Str(text) => {
            let digits = digits(text).ok_or_else(|| not_a("integer", &value))?;
            let parsed = digits.parse::<i64>();
            parsed.map(Val::Int).map_err(|error| match error.kind() {
                std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => {
                    overflow()
                }
                _ => not_a("integer", &value),
            })
        }
        _ => Err(not_a("integer", &value)),
    }
}

/// A float without its fraction, as an integer.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the range is checked first"
)]
fn whole(number: f64) -> Res<Val> {
    // 2^63, the first whole number that an i64 can't hold.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if number.is_finite() && (-LIMIT..LIMIT).contains(&number) {
        Ok(Val::Int(number as i64))
    } else {
        Err(overflow())
    }
}

fn float_(c: &mut Call<'_, '_>) -> Res<Val> {
    let value = c.arg(0);
    match &value {
        Val::Null => Ok(Val::Float(0.0)),
        Val::Bool(truth) => Ok(Val::Float(f64::from(u8::from(*truth)))),
        Val::Int(number) => Ok(Val::Float(float(*number))),
        Val::Float(number) => Ok(Val::Float(*number)),
        Val::Str(text) => digits(text)
            .and_then(|text| text.parse().ok())
            .map(Val::Float)
            .ok_or_else(|| not_a("number", &value)),
        _ => Err(not_a("number", &value)),
    }
}

fn random(c: &Call<'_, '_>) -> Res<f64> {
    c.ev.host.random().ok_or_else(|| {
        fail(ErrorKind::Host, "random numbers are not available here")
            .hint(Some("take them from an action's result".to_owned()))
    })
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the product is within the range that was asked for"
)]
fn random_int(c: &mut Call<'_, '_>) -> Res<Val> {
    let (from, to) = (c.int_or(0, 0), c.int_or(1, 0));
    let count = to
        .checked_sub(from)
        .and_then(|n| n.checked_add(1))
        .filter(|n| *n > 0);
    let Some(count) = count else {
        return Err(fail(
            ErrorKind::Value,
            "the range of random numbers is empty",
        ));
    };
    let offset = (random(c)? * float(count)).floor() as i64;
    Ok(Val::Int(from + offset.clamp(0, count - 1)))
}

fn shift(value: i64, bits: i64, left: bool) -> Res<Val> {
    let Ok(bits) = u32::try_from(bits) else {
        return Err(fail(
            ErrorKind::Value,
            "bits can't be shifted by this number",
        ));
    };
    if !left {
        return Ok(Val::Int(value >> bits.min(63)));
    }
    match value.checked_shl(bits) {
        Some(shifted) if bits < 63 && shifted >> bits == value => Ok(Val::Int(shifted)),
        _ if value == 0 => Ok(Val::Int(0)),
        _ => Err(overflow()),
    }
}

fn pow(c: &mut Call<'_, '_>) -> Res<Val> {
    match (c.arg(0), c.arg(1), c.arg(2)) {
        (Val::Int(base), Val::Int(exponent), Val::Int(modulus)) => {
            let Ok(exponent) = u64::try_from(exponent) else {
                return Err(fail(
                    ErrorKind::Value,
                    "a power with a modulus needs an exponent of 0 or more",
                ));
            };
            if modulus == 0 {
                return Err(zero_division());
            }
            Ok(Val::Int(power_modulo(base, exponent, modulus)?))
        }
        (_, _, Val::Int(_) | Val::Float(_)) => Err(fail(
            ErrorKind::Value,
            "a power with a modulus needs integers",
        )),
        (Val::Int(base), Val::Int(exponent), _) if exponent >= 0 => match u32::try_from(exponent) {
            Ok(exponent) => base
                .checked_pow(exponent)
                .map(Val::Int)
                .ok_or_else(overflow),
            Err(_) if base == 0 || base == 1 => Ok(Val::Int(base)),
            Err(_) if base == -1 => Ok(Val::Int(if exponent % 2 == 0 { 1 } else { -1 })),
            Err(_) => Err(overflow()),
        },
        (base, exponent, _) => {
            let base = number(&base).unwrap_or(f64::NAN);
            let exponent = number(&exponent).unwrap_or(f64::NAN);
            if base == 0.0 && exponent < 0.0 {
                return Err(zero_division());
            }
            let power = base.powf(exponent);
            if power.is_finite() {
                Ok(Val::Float(power))
            } else {
                Err(fail(
                    ErrorKind::Arithmetic,
                    "the power is no finite real number",
                ))
            }
        }
    }
}

fn power_modulo(base: i64, mut exponent: u64, modulus: i64) -> Res<i64> {
    let wide = i128::from(modulus);
    let mut square = i128::from(base).rem_euclid(wide);
    let mut result = 1_i128.rem_euclid(wide);
    while exponent > 0 {
        if exponent % 2 == 1 {
            result = (result * square).rem_euclid(wide);
        }
        square = (square * square).rem_euclid(wide);
        exponent /= 2;
    }
    // Python's result has the sign of the modulus.
    if modulus < 0 && result != 0 {
        result += wide;
    }
    i64::try_from(result).map_err(|_| overflow())
}

/// Python's rounding: to the even neighbour in the middle, exactly, by way of decimal digits.
fn round(c: &mut Call<'_, '_>) -> Res<Val> {
    let digits = c.int_or(1, 0);
    match c.arg(0) {
        Val::Int(number) if digits >= 0 => Ok(Val::Int(number)),
        Val::Int(number) => {
            let Some(unit) = u32::try_from(-digits)
                .ok()
                .and_then(|d| 10_i128.checked_pow(d))
            else {
                return Ok(Val::Int(0));
            };
            let wide = i128::from(number);
            let down = wide.div_euclid(unit) * unit;
            let rest = wide - down;
            let up = rest * 2 > unit || (rest * 2 == unit && (down / unit) % 2 != 0);
            let rounded = if up { down + unit } else { down };
            i64::try_from(rounded).map(Val::Int).map_err(|_| overflow())
        }
        Val::Float(number) if digits >= 0 => {
            let digits = usize::try_from(digits).unwrap_or(usize::MAX).min(400);
            let rounded = format!("{number:.digits$}").parse();
            Ok(Val::Float(rounded.unwrap_or(number)))
        }
        Val::Float(number) => {
            let digits = i32::try_from(digits).unwrap_or(-400).max(-400);
            let unit = 10_f64.powi(-digits);
            Ok(Val::Float(if unit.is_finite() {
                (number / unit).round_ties_even() * unit
            } else {
                0.0
            }))
        }
        other => Ok(other),
    }
}
