//! Python's two ways to format text: `'%s' % x` and `'{}'.format(x)`.

use ostro_core::Value;

use super::error::{Res, fail};
use super::operators;
use super::value::Val;
use crate::text::python_float;

/// The widest that a value is padded to, and the most digits after the point.
const MAX_WIDTH: usize = 10_000;

/// How one value is written.
#[derive(Debug, Default)]
struct Spec {
    fill: Option<char>,
    align: Option<char>,
    sign: Option<char>,
    alternate: bool,
    grouping: Option<char>,
    width: usize,
    precision: Option<usize>,
    kind: Option<char>,
}

/// `text % values`.
pub(crate) fn percent(text: &str, values: &Val) -> Res<String> {
    let positional: Vec<Val> = match values {
        Val::Tuple(items) => items.to_vec(),
        other => vec![other.clone()],
    };
    let mut next = positional.iter();
    let mut named = false;
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let mut key = None;
        if let Some(inner) = rest.strip_prefix('(') {
            let Some(end) = inner.find(')') else {
                return fail("the format has a `%(` without `)`");
            };
            key = Some(&inner[..end]);
            rest = &inner[end + 1..];
        }
        let mut spec = Spec::default();
        let mut left = false;
        while let Some(flag) = rest.chars().next().filter(|c| "-+ #0".contains(*c)) {
            match flag {
                '-' => left = true,
                '0' => spec.fill = Some('0'),
                '#' => spec.alternate = true,
                '+' => spec.sign = Some('+'),
                _ => spec.sign = spec.sign.or(Some(' ')),
            }
            rest = &rest[1..];
        }
        let mut take = |rest: &mut &str| -> Res<Option<usize>> {
            if let Some(after) = rest.strip_prefix('*') {
                *rest = after;
                return match next.next().and_then(Val::as_int) {
                    Some(number) => Ok(usize::try_from(number).ok()),
                    None => fail("`*` in a format takes a whole number"),
                };
            }
            number(rest)
        };
        spec.width = bounded(take(&mut rest)?.unwrap_or(0))?;
        if let Some(after) = rest.strip_prefix('.') {
            rest = after;
            spec.precision = Some(bounded(take(&mut rest)?.unwrap_or(0))?);
        }
        rest = rest.trim_start_matches(['h', 'l', 'L']);
        let Some(kind) = rest.chars().next() else {
            return fail("the format ends in the middle of a `%`");
        };
        rest = &rest[kind.len_utf8()..];
        if kind == '%' {
            out.push('%');
            continue;
        }
        let value = match key {
            Some(key) => {
                named = true;
                if values.as_map().is_none() {
                    return fail("the format names a key, so `%` takes a mapping");
                }
                operators::item(values, &Val::from(key))?
            }
            None => match next.next() {
                Some(value) => value.clone(),
                None => return fail("the format has more `%` than there are values"),
            },
        };
        value.defined()?;
        if left {
            spec.align = Some('<');
            spec.fill = None;
        }
        out.push_str(&converted(kind, &value, spec)?);
    }
    out.push_str(rest);
    let unused = next.next().is_some();
    if unused && !named && values.as_map().is_none() && !matches!(values, Val::Data(Value::List(_)))
    {
        return fail("there are more values than the format has `%`");
    }
    Ok(out)
}

/// `value` by the letter of a `%`.
fn converted(kind: char, value: &Val, mut spec: Spec) -> Res<String> {
    let numeric = !matches!(kind, 's' | 'r' | 'a' | 'c');
    if spec.align.is_none() {
        spec.align = Some(if numeric && spec.fill == Some('0') {
            '='
        } else {
            '>'
        });
    }
    if !numeric {
        spec.fill = None;
        spec.sign = None;
    }
    let text = match kind {
        's' => value.text()?.into_owned(),
        'r' | 'a' => value.repr()?,
        'c' => match (value.as_int(), value.as_str()) {
            (Some(code), _) => match u32::try_from(code).ok().and_then(char::from_u32) {
                Some(c) => c.to_string(),
                None => return fail("`%c` takes the number of a character"),
            },
            (None, Some(text)) if text.chars().count() == 1 => text.to_owned(),
            _ => return fail("`%c` takes one character"),
        },
        'd' | 'i' | 'u' => match value.as_float() {
            Some(_) => {
                let number = whole(value)?;
                let digits = spec.precision.take().unwrap_or(0);
                let text = format!("{:0>digits$}", number.unsigned_abs());
                return Ok(pad(&signed(number < 0, &text, &spec), &spec));
            }
            None => return fail(format!("`%{kind}` takes a number, not {}", value.kind())),
        },
        'x' | 'X' | 'o' => {
            if value.as_int().is_none() {
                return fail(format!(
                    "`%{kind}` takes a whole number, not {}",
                    value.kind()
                ));
            }
            spec.kind = Some(kind);
            return formatted(value, &spec);
        }
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
            if value.as_float().is_none() {
                return fail(format!("`%{kind}` takes a number, not {}", value.kind()));
            }
            spec.kind = Some(kind);
            return formatted(value, &spec);
        }
        _ => return fail("a format has a letter behind `%` that means nothing"),
    };
    let text = match spec.precision {
        Some(most) => text.chars().take(most).collect(),
        None => text,
    };
    Ok(pad(&text, &spec))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "what does not fit is refused"
)]
fn whole(value: &Val) -> Res<i64> {
    if let Some(number) = value.as_int() {
        return Ok(number);
    }
    match value.as_float() {
        Some(number) if number.abs() < i64::MAX as f64 => Ok(number.trunc() as i64),
        _ => fail("a number does not fit into 64 bits"),
    }
}

/// `text.format(…)`.
pub(crate) fn braces(
    text: &str,
    positional: &[Val],
    named: &dyn Fn(&str) -> Option<Val>,
) -> Res<String> {
    let mut automatic = 0;
    expand(text, positional, named, &mut automatic, 2)
}

fn expand(
    text: &str,
    positional: &[Val],
    named: &dyn Fn(&str) -> Option<Val>,
    automatic: &mut usize,
    left: usize,
) -> Res<String> {
    if left == 0 {
        return fail("a format nests too deep");
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            out.push_str(brace);
            rest = after;
            continue;
        }
        if brace == "}" {
            return fail("the format has a `}` without `{`");
        }
        let Some(end) = closing(rest) else {
            return fail("the format has a `{` without `}`");
        };
        let field = &rest[..end];
        rest = &rest[end + 1..];
        let (field, spec) = match field.find(':') {
            Some(colon) => (&field[..colon], &field[colon + 1..]),
            None => (field, ""),
        };
        let (field, conversion) = match field.rsplit_once('!') {
            Some((field, conversion)) => (field, Some(conversion)),
            None => (field, None),
        };
        let value = looked_up(field, positional, named, automatic)?;
        let value = match conversion {
            None => value,
            Some("s") => value.text()?.into_owned().into(),
            Some("r" | "a") => value.repr()?.into(),
            Some(_) => return fail("a format has the conversions `!s` and `!r`"),
        };
        value.defined()?;
        let spec = if spec.contains('{') {
            expand(spec, positional, named, automatic, left - 1)?
        } else {
            spec.to_owned()
        };
        out.push_str(&formatted(&value, &parse(&spec)?)?);
    }
    out.push_str(rest);
    Ok(out)
}

/// Where the brace ends that was opened before `text`.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn looked_up(
    field: &str,
    positional: &[Val],
    named: &dyn Fn(&str) -> Option<Val>,
    automatic: &mut usize,
) -> Res<Val> {
    let end = field.find(['.', '[']).unwrap_or(field.len());
    let name = &field[..end];
    let found = if name.is_empty() {
        *automatic += 1;
        positional.get(*automatic - 1).cloned()
    } else if let Ok(index) = name.parse::<usize>() {
        positional.get(index).cloned()
    } else {
        named(name)
    };
    let Some(mut value) = found else {
        return fail("the format names a value that is not given");
    };
    let mut rest = &field[end..];
    while !rest.is_empty() {
        let (key, after) = if let Some(inner) = rest.strip_prefix('[') {
            inner.split_once(']').unwrap_or((inner, ""))
        } else {
            let inner = &rest[1..];
            inner.split_at(inner.find(['.', '[']).unwrap_or(inner.len()))
        };
        let key = match key.parse::<i64>() {
            Ok(index) => Val::from(index),
            Err(_) => Val::from(key),
        };
        value = operators::item(&value, &key)?;
        value.defined()?;
        rest = after;
    }
    Ok(value)
}

fn parse(text: &str) -> Res<Spec> {
    let mut spec = Spec::default();
    let chars: Vec<char> = text.chars().take(2).collect();
    let mut rest = text;
    if chars.len() == 2 && "<>=^".contains(chars[1]) {
        spec.fill = Some(chars[0]);
        spec.align = Some(chars[1]);
        rest = &rest[chars[0].len_utf8() + 1..];
    } else if let Some(align) = chars.first().filter(|c| "<>=^".contains(**c)) {
        spec.align = Some(*align);
        rest = &rest[1..];
    }
    if let Some(sign) = rest.chars().next().filter(|c| "+- ".contains(*c)) {
        spec.sign = Some(sign);
        rest = &rest[1..];
    }
    if let Some(after) = rest.strip_prefix('#') {
        spec.alternate = true;
        rest = after;
    }
    if let Some(after) = rest.strip_prefix('0') {
        spec.fill = spec.fill.or(Some('0'));
        spec.align = spec.align.or(Some('='));
        rest = after;
    }
    spec.width = bounded(number(&mut rest)?.unwrap_or(0))?;
    if let Some(grouping) = rest.chars().next().filter(|c| ",_".contains(*c)) {
        spec.grouping = Some(grouping);
        rest = &rest[1..];
    }
    if let Some(after) = rest.strip_prefix('.') {
        rest = after;
        match number(&mut rest)? {
            Some(precision) => spec.precision = Some(bounded(precision)?),
            None => return fail("the format has a `.` without a number"),
        }
    }
    let mut chars = rest.chars();
    spec.kind = chars.next();
    if chars.next().is_some() {
        return fail("a format specification that can't be read");
    }
    Ok(spec)
}

fn number(rest: &mut &str) -> Res<Option<usize>> {
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (number, after) = rest.split_at(digits);
    *rest = after;
    if number.is_empty() {
        return Ok(None);
    }
    match number.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => fail("a format has a number that is too large"),
    }
}

fn bounded(number: usize) -> Res<usize> {
    if number > MAX_WIDTH {
        return fail(format!("a format is wider than {MAX_WIDTH} characters"));
    }
    Ok(number)
}

/// `value` as `spec` says.
fn formatted(value: &Val, spec: &Spec) -> Res<String> {
    let number = match value {
        Val::Data(Value::Int(_) | Value::Float(_)) => true,
        Val::Data(Value::Bool(_)) => spec.kind.is_some(),
        _ => false,
    };
    if !number {
        let plain = matches!(spec.kind, None | Some('s'));
        if !plain || (spec.align == Some('=') && spec.fill.is_none()) {
            return fail(format!("{} can't be formatted like this", value.kind()));
        }
        let whole = value.text()?;
        let text = match spec.precision {
            Some(most) => whole.chars().take(most).collect(),
            None => whole.into_owned(),
        };
        let align = spec.align.unwrap_or('<');
        return Ok(pad(
            &text,
            &Spec {
                align: Some(align),
                fill: spec.fill,
                width: spec.width,
                ..Spec::default()
            },
        ));
    }
    let (negative, digits) = match (value.as_int(), spec.kind) {
        (Some(number), None | Some('d' | 'x' | 'X' | 'o' | 'b' | 'n')) => {
            if spec.precision.is_some() {
                return fail("whole numbers have no precision");
            }
            (number < 0, integer(number.unsigned_abs(), spec))
        }
        (Some(code), Some('c')) => match u32::try_from(code).ok().and_then(char::from_u32) {
            Some(c) => (false, c.to_string()),
            None => return fail("`c` takes the number of a character"),
        },
        (_, None | Some('e' | 'E' | 'f' | 'F' | 'g' | 'G' | 'n' | '%')) => {
            let number = value.as_float().unwrap_or(f64::NAN);
            (
                number.is_sign_negative() && !number.is_nan(),
                float(number.abs(), spec),
            )
        }
        _ => return fail(format!("{} can't be formatted like this", value.kind())),
    };
    let digits = match spec.grouping {
        Some(separator) => grouped(&digits, separator),
        None => digits,
    };
    let align = spec.align.unwrap_or('>');
    let spec = Spec {
        align: Some(align),
        ..Spec {
            fill: spec.fill,
            sign: spec.sign,
            width: spec.width,
            ..Spec::default()
        }
    };
    Ok(pad(&signed(negative, &digits, &spec), &spec))
}

fn integer(number: u64, spec: &Spec) -> String {
    let prefix = |prefix| if spec.alternate { prefix } else { "" };
    match spec.kind {
        Some('x') => format!("{}{number:x}", prefix("0x")),
        Some('X') => format!("{}{number:X}", prefix("0X")),
        Some('o') => format!("{}{number:o}", prefix("0o")),
        Some('b') => format!("{}{number:b}", prefix("0b")),
        _ => number.to_string(),
    }
}

/// A number that is not negative.
pub(crate) fn fixed(number: f64, precision: usize) -> String {
    format!("{number:.precision$}")
}

fn float(number: f64, spec: &Spec) -> String {
    if number.is_nan() || number.is_infinite() {
        let text = if number.is_nan() { "nan" } else { "inf" };
        let upper = matches!(spec.kind, Some('E' | 'F' | 'G'));
        return if upper {
            text.to_uppercase()
        } else {
            text.to_owned()
        };
    }
    let precision = spec.precision.unwrap_or(6);
    match spec.kind {
        Some('f' | 'F') => fixed(number, precision),
        Some('%') => fixed(number * 100.0, precision) + "%",
        Some('e') => exponent(number, precision),
        Some('E') => exponent(number, precision).to_uppercase(),
        None if spec.precision.is_none() => python_float(number),
        Some('G') => general(number, precision, spec.alternate).to_uppercase(),
        None => {
            let text = general(number, precision, spec.alternate);
            // Without a letter there is a digit after the point.
            if text.contains(['.', 'e']) {
                text
            } else {
                text + ".0"
            }
        }
        _ => general(number, precision, spec.alternate),
    }
}

/// `1.5e+00`
fn exponent(number: f64, precision: usize) -> String {
    let text = format!("{number:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// The shorter of both forms, without zeros at its end.
fn general(number: f64, precision: usize, alternate: bool) -> String {
    let precision = precision.max(1);
    let text = exponent(number, precision - 1);
    let power: i64 = text
        .split_once('e')
        .and_then(|(_, power)| power.parse().ok())
        .unwrap_or(0);
    let digits = i64::try_from(precision).unwrap_or(i64::MAX);
    let trim = |text: &str| {
        if alternate || !text.contains('.') {
            text.to_owned()
        } else {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    };
    if (-4..digits).contains(&power) {
        let after = usize::try_from(digits - 1 - power).unwrap_or(0);
        trim(&fixed(number, after))
    } else {
        let (mantissa, power) = text.split_once('e').unwrap_or((&text, "+00"));
        format!("{}e{power}", trim(mantissa))
    }
}

fn grouped(text: &str, separator: char) -> String {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let mut out = String::new();
    for (index, c) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(separator);
        }
        out.push(c);
    }
    out + rest
}

/// The sign and the digits, with zeros between them where the specification wants some.
fn signed(negative: bool, digits: &str, spec: &Spec) -> String {
    let sign = match (negative, spec.sign) {
        (true, _) => "-",
        (false, Some('+')) => "+",
        (false, Some(' ')) => " ",
        _ => "",
    };
    if spec.align == Some('=') {
        let room = spec
            .width
            .saturating_sub(sign.len() + digits.chars().count());
        let fill = spec.fill.unwrap_or(' ').to_string().repeat(room);
        return format!("{sign}{fill}{digits}");
    }
    format!("{sign}{digits}")
}

fn pad(text: &str, spec: &Spec) -> String {
    let room = spec.width.saturating_sub(text.chars().count());
    let fill = spec.fill.unwrap_or(' ').to_string();
    match spec.align {
        Some('<') => format!("{text}{}", fill.repeat(room)),
        Some('^') => format!(
            "{}{text}{}",
            fill.repeat(room / 2),
            fill.repeat(room - room / 2)
        ),
        _ => format!("{}{text}", fill.repeat(room)),
    }
}
