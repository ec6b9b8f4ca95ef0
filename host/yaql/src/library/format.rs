//! `"…{0}…{name}…".format(…)`, as Python's `str.format` without attributes.

use std::sync::Arc;

use super::strings::python_float;
use crate::error::{ErrorKind, Fail, Res, fail};
use crate::eval::{Call, Eval, number};
use crate::value::{Key, Val};

fn malformed(what: &str) -> Fail {
    fail(ErrorKind::Value, format!("the format string {what}")).hint(Some(
        "a brace that is text is written twice: `{{`".to_owned(),
    ))
}

/// What the fields of a format string refer to.
struct Arguments {
    positions: Vec<Val>,
    names: Vec<(Arc<str>, Val)>,
    /// The position of the next `{}`; None once a position was written.
    next: Option<usize>,
}

pub(super) fn format(c: &mut Call<'_, '_>) -> Res<Val> {
    let template = c.text(0);
    let mut arguments = Arguments {
        positions: std::mem::take(&mut c.rest),
        names: std::mem::take(&mut c.named),
        next: Some(0),
    };
    let text = expand(c.ev, &template, &mut arguments, true)?;
    c.ev.text(&text)
}

/// The template with its fields filled; those of a field's own format only if `nested`.
fn expand(
    ev: &mut Eval<'_>,
    template: &str,
    arguments: &mut Arguments,
    nested: bool,
) -> Res<String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        let after = &rest[at + 1..];
        if let Some(after) = after.strip_prefix(brace) {
            out.push_str(brace);
            rest = after;
        } else if brace == "}" {
            return Err(malformed("has a single `}`"));
        } else {
            let end = field_end(after).ok_or_else(|| malformed("has a `{` that is not closed"))?;
            if !nested {
                return Err(malformed("nests fields too deep"));
            }
            let text = field(ev, &after[..end], arguments)?;
            ev.charge(text.len())?;
            out.push_str(&text);
            rest = &after[end + 1..];
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// Where the `}` is that closes a field.
fn field_end(text: &str) -> Option<usize> {
    let mut open = 0;
    for (i, c) in text.char_indices() {
        match c {
            '{' => open += 1,
            '}' if open == 0 => return Some(i),
            '}' => open -= 1,
            _ => {}
        }
    }
    None
}

fn field(ev: &mut Eval<'_>, text: &str, arguments: &mut Arguments) -> Res<String> {
    let (target, spec) = match text.find([':', '!']) {
        Some(at) if text[at..].starts_with('!') => {
            let mut rest = text[at + 1..].chars();
            let conversion = rest.next();
            let spec = match rest.as_str() {
                "" => "",
                spec => spec
                    .strip_prefix(':')
                    .ok_or_else(|| malformed("has more than one letter after `!`"))?,
            };
            let value = lookup(ev, &text[..at], arguments)?;
            let mut written = String::new();
            match conversion {
                Some('s') => ev.write(&mut written, &value, false)?,
                Some('r' | 'a') => ev.write(&mut written, &value, true)?,
                _ => return Err(malformed("has a conversion that is none of `!s` and `!r`")),
            }
            let spec = expand(ev, spec, arguments, false)?;
            return apply(ev, &Val::Str(written.into()), &spec);
        }
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    };
    let value = lookup(ev, target, arguments)?;
    let spec = if spec.contains('{') {
        nested(ev, spec, arguments)?
    } else {
        spec.to_owned()
    };
    apply(ev, &value, &spec)
}

/// A format of which parts are fields themselves, as `{:{width}}`.
fn nested(ev: &mut Eval<'_>, spec: &str, arguments: &mut Arguments) -> Res<String> {
    let mut out = String::new();
    let mut rest = spec;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        let end = rest[at..]
            .find('}')
            .ok_or_else(|| malformed("has a `{` that is not closed"))?;
        let value = lookup(ev, &rest[at + 1..at + end], arguments)?;
        ev.write(&mut out, &value, false)?;
        rest = &rest[at + end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

/// The value of `0`, `name`, `0[key]`, or of the next position for nothing.
fn lookup(ev: &mut Eval<'_>, target: &str, arguments: &mut Arguments) -> Res<Val> {
    let end = target.find(['[', '.']).unwrap_or(target.len());
    let (name, mut path) = target.split_at(end);
    let missing = || {
        fail(
            ErrorKind::Index,
            "the format string has a field without an argument",
        )
    };
    let mut value = if name.is_empty() {
        let Some(next) = &mut arguments.next else {
            return Err(malformed("mixes `{}` with numbered fields"));
        };
        *next += 1;
        arguments
            .positions
            .get(*next - 1)
            .cloned()
            .ok_or_else(missing)?
    } else if let Ok(position) = name.parse::<usize>() {
        if arguments.next.is_some_and(|next| next > 0) {
            return Err(malformed("mixes `{}` with numbered fields"));
        }
        arguments.next = None;
        arguments
            .positions
            .get(position)
            .cloned()
            .ok_or_else(missing)?
    } else {
        let found = arguments.names.iter().find(|(known, _)| **known == *name);
        found.map(|(_, value)| value.clone()).ok_or_else(|| {
            fail(
                ErrorKind::MissingKey,
                "the format string has a named field without an argument",
            )
        })?
    };
    while !path.is_empty() {
        let Some(inner) = path.strip_prefix('[') else {
            return Err(malformed("asks for an attribute")
                .hint(Some("pass the attribute itself as an argument".to_owned())));
        };
        let end = inner
            .find(']')
            .ok_or_else(|| malformed("has a `[` that is not closed"))?;
        value = item(&value, &inner[..end])?;
        ev.step(1)?;
        path = &inner[end + 1..];
    }
    Ok(value)
}

fn item(value: &Val, key: &str) -> Res<Val> {
    let found = match (value, key.parse::<usize>()) {
        (Val::List(list), Ok(index)) => list.get(index),
        (Val::Dict(dict), Ok(index)) => i64::try_from(index)
            .ok()
            .and_then(|index| dict.get(&Key::Int(index))),
        (Val::Dict(dict), Err(_)) => dict.get(&Key::Str(key.into())),
        _ => None,
    };
    let kind = match value {
        Val::List(_) => ErrorKind::Index,
        _ => ErrorKind::MissingKey,
    };
    found.ok_or_else(|| {
        fail(
            kind,
            "an argument of the format string has no item that a field asks for",
        )
    })
}

/// `[[fill]align][sign][#][0][width][,][.precision][type]`
#[derive(Default)]
struct Spec {
    fill: Option<char>,
    align: Option<char>,
    sign: Option<char>,
    alternate: bool,
    width: usize,
    grouping: Option<char>,
    precision: Option<usize>,
    kind: Option<char>,
}

fn parse(text: &str) -> Option<Spec> {
    let mut spec = Spec::default();
    let chars: Vec<char> = text.chars().collect();
    let is_align = |c: Option<&char>| c.is_some_and(|c| "<>^=".contains(*c));
    let mut at = 0;
    if is_align(chars.get(1)) {
        spec.fill = chars.first().copied();
        spec.align = chars.get(1).copied();
        at = 2;
    } else if is_align(chars.first()) {
        spec.align = chars.first().copied();
        at = 1;
    }
    let accept = |at: &mut usize, set: &str| {
        let found = chars.get(*at).copied().filter(|c| set.contains(*c));
        *at += usize::from(found.is_some());
        found
    };
    spec.sign = accept(&mut at, "+- ");
    spec.alternate = accept(&mut at, "#").is_some();
    if accept(&mut at, "0").is_some() && spec.align.is_none() {
        spec.fill = spec.fill.or(Some('0'));
        spec.align = Some('=');
    }
    let digits = |at: &mut usize| {
        let start = *at;
        while chars.get(*at).is_some_and(char::is_ascii_digit) {
            *at += 1;
        }
        chars[start..*at].iter().collect::<String>()
    };
    let width = digits(&mut at);
    if !width.is_empty() {
        spec.width = width.parse().ok()?;
    }
    spec.grouping = accept(&mut at, ",_");
    if accept(&mut at, ".").is_some() {
        spec.precision = Some(digits(&mut at).parse().ok()?);
    }
    spec.kind = chars.get(at).copied();
    (at + usize::from(spec.kind.is_some()) == chars.len()).then_some(spec)
}

/// The value in the format that `spec` says.
fn apply(ev: &mut Eval<'_>, value: &Val, spec: &str) -> Res<String> {
    if spec.is_empty() {
        let mut out = String::new();
        ev.write(&mut out, value, false)?;
        return Ok(out);
    }
    if let Val::Time(moment) = value {
        return super::time::strftime(moment, spec);
    }
    let wrong = || malformed("has a format that does not fit its argument");
    let spec = parse(spec).ok_or_else(wrong)?;
    ev.charge(spec.width)?;
    let (sign, digits, is_number) = match value {
        Val::Str(text) => {
            if !matches!(spec.kind, None | Some('s')) || spec.sign.is_some() {
                return Err(wrong());
            }
            let cut: String = match spec.precision {
                Some(precision) => text.chars().take(precision).collect(),
                None => text.to_string(),
            };
            (String::new(), cut, false)
        }
        Val::Int(_) | Val::Float(_) | Val::Bool(_) => {
            // With a format, a truth value is Python's 0 or 1.
            let value = match value {
                Val::Bool(truth) => &Val::Int(i64::from(*truth)),
                other => other,
            };
            let (negative, digits) = numeral(value, &spec).ok_or_else(wrong)?;
            let prefix = match spec.kind {
                Some('x') if spec.alternate => "0x",
                Some('X') if spec.alternate => "0X",
                Some('o') if spec.alternate => "0o",
                Some('b') if spec.alternate => "0b",
                _ => "",
            };
            let sign = match spec.sign {
                _ if negative => "-",
                Some('+') => "+",
                Some(' ') => " ",
                _ => "",
            };
            (format!("{sign}{prefix}"), digits, true)
        }
        _ => return Err(wrong()),
    };
    ev.charge(digits.len())?;
    let length = sign.chars().count() + digits.chars().count();
    let missing = spec.width.saturating_sub(length);
    let pad = |n: usize| spec.fill.unwrap_or(' ').to_string().repeat(n);
    Ok(
        match spec.align.unwrap_or(if is_number { '>' } else { '<' }) {
            '=' if !is_number => return Err(wrong()),
            '=' => format!("{sign}{}{digits}", pad(missing)),
            '<' => format!("{sign}{digits}{}", pad(missing)),
            '^' => format!(
                "{}{sign}{digits}{}",
                pad(missing / 2),
                pad(missing - missing / 2)
            ),
            _ => format!("{}{sign}{digits}", pad(missing)),
        },
    )
}

/// Whether the number is negative, and its digits.
fn numeral(value: &Val, spec: &Spec) -> Option<(bool, String)> {
    // More digits than any float has.
    let precision = spec.precision.unwrap_or(6);
    if precision > 1100 {
        return None;
    }
    if let (Val::Int(whole), None | Some('d' | 'n' | 'x' | 'X' | 'o' | 'b' | 'c')) =
        (value, spec.kind)
    {
        if spec.precision.is_some() {
            return None;
        }
        let magnitude = whole.unsigned_abs();
        let digits = match spec.kind {
            Some('x') => format!("{magnitude:x}"),
            Some('X') => format!("{magnitude:X}"),
            Some('o') => format!("{magnitude:o}"),
            Some('b') => format!("{magnitude:b}"),
            Some('c') => char::from_u32(u32::try_from(*whole).ok()?)?.to_string(),
            _ => grouped(&magnitude.to_string(), spec.grouping),
        };
        return Some((*whole < 0, digits));
    }
    let number = number(value)?;
    let magnitude = number.abs();
    let digits = match spec.kind {
        None if spec.precision.is_none() => python_float(magnitude),
        Some('f' | 'F') => format!("{magnitude:.precision$}"),
        Some('%') => format!("{:.precision$}%", magnitude * 100.0),
        Some(kind @ ('e' | 'E')) => exponent(magnitude, precision, kind),
        None | Some('g' | 'G') => general(magnitude, precision.max(1), spec.kind.is_none()),
        _ => return None,
    };
    Some((
        number.is_sign_negative() && !number.is_nan(),
        grouped(&digits, spec.grouping),
    ))
}

fn exponent(magnitude: f64, precision: usize, kind: char) -> String {
    let text = format!("{magnitude:.precision$e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}{kind}{sign}{exponent:0>2}")
}

/// Python's `g`: as many significant digits as `precision` says, without zeros at the end.
fn general(magnitude: f64, precision: usize, keep_fraction: bool) -> String {
    let scientific = exponent(magnitude, precision - 1, 'e');
    let power: i64 = scientific
        .split_once('e')
        .and_then(|(_, power)| power.trim_start_matches('+').parse().ok())
        .unwrap_or(0);
    let significant = i64::try_from(precision).unwrap_or(i64::MAX);
    let trim = |text: &str| {
        let cut = text.trim_end_matches('0').trim_end_matches('.');
        if text.contains('.') {
            cut.to_owned()
        } else {
            text.to_owned()
        }
    };
    if power < -4 || power >= significant {
        let (digits, power) = scientific.split_once('e').unwrap_or((&scientific, "+00"));
        return format!("{}e{power}", trim(digits));
    }
    let decimals = usize::try_from(significant - 1 - power).unwrap_or(0);
    let text = trim(&format!("{magnitude:.decimals$}"));
    if keep_fraction && !text.contains('.') {
        text + ".0"
    } else {
        text
    }
}

/// Digits with a mark between each three of the whole part.
fn grouped(digits: &str, mark: Option<char>) -> String {
    let Some(mark) = mark else {
        return digits.to_owned();
    };
    let whole = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    let mut out = String::new();
    for (i, c) in digits[..whole].chars().enumerate() {
        if i > 0 && (whole - i).is_multiple_of(3) {
            out.push(mark);
        }
        out.push(c);
    }
    out + &digits[whole..]
}
