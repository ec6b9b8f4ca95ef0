//! What a plain scalar means: YAML 1.1 with the regular expressions of PyYAML 6.
//!
//! Dates become text, as Mistral's JSON writes them.

use ostro_core::Value;

/// The value of the plain scalar `text`, or why it has none.
pub(crate) fn plain(text: &str) -> Result<Value, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Ok(true.into());
        }
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Ok(false.into());
        }
        "=" | "<<" | "*" | "&" | "!" => {
            return Err(format!("`{text}` alone is not text in YAML 1.1"));
        }
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) {
        return Ok(text.into());
    }
    if let Some(number) = float(text) {
        return Ok(number.into());
    }
    if let Some(number) = int(text) {
        return number;
    }
    if let Some(moment) = timestamp(text) {
        return moment;
    }
    Ok(text.into())
}

/// Whether the plain scalar `text` is the text itself.
pub(crate) fn is_plain_text(text: &str) -> bool {
    matches!(plain(text), Ok(Value::String(_))) && timestamp(text).is_none()
}

/// The value of `text` under the standard tag `!!name`.
pub(crate) fn tagged(name: &str, text: &str) -> Result<Value, String> {
    if name == "str" {
        return Ok(text.into());
    }
    let value = plain(text)?;
    let fits = match (name, &value) {
        ("int", Value::Int(_)) | ("float", Value::Float(_)) | ("bool", Value::Bool(_)) => true,
        ("float", Value::Int(_)) => {
            return text
                .replace('_', "")
                .parse::<f64>()
                .map(Value::Float)
                .map_err(|_| format!("`{text}` is no number"));
        }
        ("null", _) => return Ok(Value::Null),
        ("timestamp", _) => timestamp(text).is_some(),
        _ => false,
    };
    if fits {
        Ok(value)
    } else {
        Err(format!("`{text}` is not of the type `!!{name}`"))
    }
}

fn sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// Not empty, all digits or `_`, the first one a digit.
fn is_digits(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit()) && is_loose(text)
}

/// All digits or `_`; may be empty.
fn is_loose(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || b == b'_')
}

/// `[0-5]?[0-9]`, the part of a sexagesimal number after a colon.
fn is_sixty(text: &str) -> bool {
    match text.as_bytes() {
        [digit] => digit.is_ascii_digit(),
        [ten, digit] => (b'0'..=b'5').contains(ten) && digit.is_ascii_digit(),
        _ => false,
    }
}

fn float(text: &str) -> Option<f64> {
    match text {
        ".nan" | ".NaN" | ".NAN" => return Some(f64::NAN),
        _ => {}
    }
    let (negative, unsigned) = sign(text);
    let number = if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        f64::INFINITY
    } else if unsigned.contains(':') {
        let (whole, fraction) = unsigned.split_once('.')?;
        let (first, rest) = whole.split_once(':')?;
        if !is_digits(first) || !rest.split(':').all(is_sixty) || !is_loose(fraction) {
            return None;
        }
        unsigned
            .replace('_', "")
            .split(':')
            .try_fold(0.0, |total, part| {
                part.parse::<f64>().ok().map(|part| total * 60.0 + part)
            })?
    } else {
        let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
            Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
            None => (unsigned, None),
        };
        let (whole, fraction) = mantissa.split_once('.')?;
        let exponent_fits = exponent.is_none_or(|exponent| {
            exponent.strip_prefix(['-', '+']).is_some_and(|digits| {
                !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
            })
        });
        // PyYAML takes no sign before `.5`.
        let mantissa_fits = if whole.is_empty() {
            text.len() == unsigned.len() && is_digits(fraction)
        } else {
            is_digits(whole) && is_loose(fraction)
        };
        if !exponent_fits || !mantissa_fits {
            return None;
        }
        unsigned.replace('_', "").parse().ok()?
    };
    Some(if negative { -number } else { number })
}

fn int(text: &str) -> Option<Result<Value, String>> {
    let (negative, unsigned) = sign(text);
    let all = |digits: &str, allowed: fn(u8) -> bool| {
        !digits.is_empty() && digits.bytes().all(|b| b == b'_' || allowed(b))
    };
    let (digits, base) = if let Some(digits) = unsigned.strip_prefix("0b") {
        (
            all(digits, |b| matches!(b, b'0' | b'1')).then_some(digits)?,
            2,
        )
    } else if let Some(digits) = unsigned.strip_prefix("0x") {
        (
            all(digits, |b| b.is_ascii_hexdigit()).then_some(digits)?,
            16,
        )
    } else if unsigned == "0" {
        ("0", 10)
    } else if let Some(digits) = unsigned.strip_prefix('0') {
        all(digits, |b| (b'0'..=b'7').contains(&b)).then_some(())?;
        // `0_` is 0 for PyYAML.
        (
            if digits.bytes().all(|b| b == b'_') {
                "0"
            } else {
                digits
            },
            8,
        )
    } else if let Some((first, rest)) = unsigned.split_once(':') {
        (is_digits(first) && rest.split(':').all(is_sixty)).then_some(())?;
        let parts = unsigned.split(':').map(|part| part.replace('_', ""));
        return Some(
            parts
                .into_iter()
                .try_fold(0_i64, |total, part| {
                    total
                        .checked_mul(60)?
                        .checked_add(part.parse::<i64>().ok()?)
                })
                .map(|number| Value::Int(if negative { -number } else { number }))
                .ok_or_else(|| format!("`{text}` is too large")),
        );
    } else {
        (is_digits(unsigned).then_some(unsigned)?, 10)
    };
    let digits = digits.replace('_', "");
    if digits.is_empty() {
        return Some(Err(format!("`{text}` is a number without digits")));
    }
    let signed = if negative {
        format!("-{digits}")
    } else {
        digits
    };
    Some(match i64::from_str_radix(&signed, base) {
        Ok(number) => Ok(number.into()),
        Err(_) if base == 10 => Ok(signed.parse::<f64>().unwrap_or(f64::NAN).into()),
        Err(_) => Err(format!("`{text}` is past 64 bits")),
    })
}

/// The moment that `text` is, in the form of Mistral's JSON; the zone is dropped as there.
fn timestamp(text: &str) -> Option<Result<Value, String>> {
    let mut cursor = Cursor(text);
    let year = cursor.digits(4, 4)?;
    cursor.expect('-')?;
    let month = cursor.digits(1, 2)?;
    cursor.expect('-')?;
    let day = cursor.digits(1, 2)?;
    let invalid = || Some(Err(format!("`{text}` is not a date that exists")));
    let exists = (1..=12).contains(&month) && day >= 1 && day <= days_in(year, month) && year > 0;
    if cursor.0.is_empty() {
        // The short form takes exactly two digits each.
        if text.len() != 10 {
            return None;
        }
        return if exists {
            Some(Ok(text.into()))
        } else {
            invalid()
        };
    }
    if let Some(rest) = cursor.0.strip_prefix(['T', 't']) {
        cursor.0 = rest;
    } else {
        let rest = cursor.0.trim_start_matches([' ', '\t']);
        if rest.len() == cursor.0.len() {
            return None;
        }
        cursor.0 = rest;
    }
    let hour = cursor.digits(1, 2)?;
    cursor.expect(':')?;
    let minute = cursor.digits(2, 2)?;
    cursor.expect(':')?;
    let second = cursor.digits(2, 2)?;
    let mut fraction = "";
    if let Some(rest) = cursor.0.strip_prefix('.') {
        let length = rest.bytes().take_while(u8::is_ascii_digit).count();
        (fraction, cursor.0) = rest.split_at(length);
    }
    cursor.0 = cursor.0.trim_start_matches([' ', '\t']);
    if !is_zone(cursor.0) {
        return None;
    }
    if !exists || hour > 23 || minute > 59 || second > 59 {
        return invalid();
    }
    let fraction = &fraction[..fraction.len().min(6)];
    Some(Ok(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:0<6}"
    )
    .into()))
}

fn is_zone(text: &str) -> bool {
    if text.is_empty() || text == "Z" {
        return true;
    }
    let Some(rest) = text.strip_prefix(['-', '+']) else {
        return false;
    };
    let mut cursor = Cursor(rest);
    if cursor.digits(1, 2).is_none() {
        return false;
    }
    cursor.0.is_empty()
        || (cursor.expect(':').is_some() && cursor.digits(2, 2).is_some() && cursor.0.is_empty())
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400) => {
            29
        }
        2 => 28,
        _ => 31,
    }
}

struct Cursor<'a>(&'a str);

impl Cursor<'_> {
    fn digits(&mut self, least: usize, most: usize) -> Option<u32> {
        let length = self
            .0
            .bytes()
            .take(most)
            .take_while(u8::is_ascii_digit)
            .count();
        if length < least {
            return None;
        }
        let (digits, rest) = self.0.split_at(length);
        self.0 = rest;
        digits.parse().ok()
    }

    fn expect(&mut self, c: char) -> Option<()> {
        self.0 = self.0.strip_prefix(c)?;
        Some(())
    }
}
