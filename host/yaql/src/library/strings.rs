//! Text.

use std::fmt::Write as _;
use std::sync::Arc;

use super::{both, format, function, method, opt, req};
use crate::error::{ErrorKind, Res, fail};
use crate::eval::{Call, Eval, Function, Param, Ty};
use crate::value::{Dict, Val};

const STRING: Param = req("string", Ty::Str);
const CHARS: Param = opt("chars", Ty::StrOrNull);
const SPLIT: &[Param] = &[
    STRING,
    opt("separator", Ty::StrOrNull),
    opt("maxSplits", Ty::Int),
];
const FIND: &[Param] = &[STRING, req("sub", Ty::Str), opt("start", Ty::Int)];
const FIND_IN: &[Param] = &[
    STRING,
    req("sub", Ty::Str),
    req("start", Ty::Int),
    req("length", Ty::Int),
];

pub(super) const FUNCTIONS: &[Function] = &[
    function("concat", &[], concat).rest(Ty::Str),
    method("toUpper", &[STRING], |c| {
        c.ev.text(&c.text(0).to_uppercase())
    }),
    method("toLower", &[STRING], |c| {
        c.ev.text(&c.text(0).to_lowercase())
    }),
    both("len", &[STRING], |c| Ok(Val::Int(length(&c.text(0))))),
    method("split", SPLIT, split),
    method("rightSplit", SPLIT, right_split),
    method(
        "join",
        &[req("sequence", Ty::Iterable), req("separator", Ty::Str)],
        |c| join(c, 0, 1),
    ),
    method(
        "join",
        &[req("separator", Ty::Str), req("sequence", Ty::Iterable)],
        |c| join(c, 1, 0),
    ),
    function("str", &[req("value", Ty::Any)], |c| {
        let value = c.arg(0);
        c.ev.string(&value).map(Val::Str)
    }),
    method("trim", &[STRING, CHARS], |c| {
        c.ev.text(trim(&c.text(0), c.text_or_none(1).as_ref(), true, true))
    }),
    method("trimLeft", &[STRING, CHARS], |c| {
        c.ev.text(trim(&c.text(0), c.text_or_none(1).as_ref(), true, false))
    }),
    method("trimRight", &[STRING, CHARS], |c| {
        c.ev.text(trim(&c.text(0), c.text_or_none(1).as_ref(), false, true))
    }),
    both("norm", &[req("string", Ty::StrOrNull), CHARS], norm),
    both(
        "isEmpty",
        &[req("string", Ty::StrOrNull), opt("trim", Ty::Bool), CHARS],
        |c| Ok(Val::Bool(is_empty(c))),
    ),
    method(
        "replace",
        &[
            STRING,
            req("old", Ty::Str),
            req("new", Ty::Str),
            opt("count", Ty::Int),
        ],
        replace,
    ),
    method(
        "replace",
        &[STRING, req("replacements", Ty::Dict), opt("count", Ty::Int)],
        replace_all,
    ),
    method(
        "substring",
        &[STRING, req("start", Ty::Int), opt("length", Ty::Int)],
        substring,
    ),
    method("indexOf", FIND, |c| find(c, false)),
    method("indexOf", FIND_IN, |c| find_in(c, false)),
    method("lastIndexOf", FIND, |c| find(c, true)),
    method("lastIndexOf", FIND_IN, |c| find_in(c, true)),
    method("toCharArray", &[STRING], |c| {
        let text = c.text(0);
        characters(c.ev, text.chars())
    }),
    function("characters", CLASSES, character_classes),
    function("isString", &[req("arg", Ty::Any)], |c| {
        Ok(Val::Bool(matches!(c.arg(0), Val::Str(_))))
    }),
    method("startsWith", &[STRING], |c| {
        let text = c.text(0);
        Ok(Val::Bool(
            strings(&c.rest).any(|prefix| text.starts_with(prefix)),
        ))
    })
    .rest(Ty::Str),
    method("endsWith", &[STRING], |c| {
        let text = c.text(0);
        Ok(Val::Bool(
            strings(&c.rest).any(|suffix| text.ends_with(suffix)),
        ))
    })
    .rest(Ty::Str),
    function("hex", &[req("num", Ty::Number)], hex),
    both("format", &[req("template", Ty::Str)], format::format)
        .rest(Ty::Any)
        .any_name(),
];

fn strings(values: &[Val]) -> impl Iterator<Item = &str> {
    values.iter().filter_map(|value| match value {
        Val::Str(text) => Some(&**text),
        _ => None,
    })
}

/// How many characters.
pub(super) fn length(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
}

fn concat(c: &mut Call<'_, '_>) -> Res<Val> {
    let text: String = strings(&c.rest).collect();
    c.ev.text(&text)
}

fn texts<'a>(ev: &mut Eval<'_>, parts: impl Iterator<Item = &'a str>) -> Res<Val> {
    let mut items = Vec::new();
    for part in parts {
        items.push(ev.text(part)?);
    }
    ev.list(items)
}

fn empty_separator() -> crate::error::Fail {
    fail(ErrorKind::Value, "the separator is empty")
        .hint(Some("`toCharArray()` splits into characters".to_owned()))
}

/// How many pieces at most; None for as many as there are.
fn pieces(max_splits: i64) -> Option<usize> {
    usize::try_from(max_splits)
        .ok()
        .map(|splits| splits.saturating_add(1))
}

fn split(c: &mut Call<'_, '_>) -> Res<Val> {
    let text = c.text(0);
    let limit = pieces(c.int_or(2, -1));
    match (c.text_or_none(1), limit) {
        (Some(separator), _) if separator.is_empty() => Err(empty_separator()),
        (Some(separator), None) => texts(c.ev, text.split(&*separator)),
        (Some(separator), Some(limit)) => texts(c.ev, text.splitn(limit, &*separator)),
        (None, None) => texts(c.ev, text.split_whitespace()),
        (None, Some(limit)) => {
            let mut parts = Vec::new();
            let mut rest = text.trim_start();
            while !rest.is_empty() {
                let end = rest.find(char::is_whitespace);
                match end {
                    Some(end) if parts.len() + 1 < limit => {
                        parts.push(&rest[..end]);
                        rest = rest[end..].trim_start();
                    }
                    // The last piece keeps the blanks within it; those at the end go only if the
                    // text was used up before the limit.
                    Some(_) | None => {
                        parts.push(rest);
                        rest = "";
                    }
                }
            }
            texts(c.ev, parts.into_iter())
        }
    }
}

fn right_split(c: &mut Call<'_, '_>) -> Res<Val> {
    let text = c.text(0);
    let limit = pieces(c.int_or(2, -1)).unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    match c.text_or_none(1) {
        Some(separator) if separator.is_empty() => return Err(empty_separator()),
        Some(separator) => parts.extend(text.rsplitn(limit, &*separator)),
        None => {
            let mut rest = text.trim_end();
            while !rest.is_empty() {
                match rest.char_indices().rev().find(|(_, c)| c.is_whitespace()) {
                    Some((at, space)) if parts.len() + 1 < limit => {
                        parts.push(&rest[at + space.len_utf8()..]);
                        rest = rest[..at].trim_end();
                    }
                    _ => {
                        parts.push(rest);
                        rest = "";
                    }
                }
            }
        }
    }
    texts(c.ev, parts.into_iter().rev())
}

fn join(c: &mut Call<'_, '_>, sequence: usize, separator: usize) -> Res<Val> {
    let separator = c.text(separator);
    let mut source = c.source(sequence)?;
    let mut text = String::new();
    let mut first = true;
    while let Some(item) = source.next(c.ev)? {
        if !std::mem::take(&mut first) {
            text.push_str(&separator);
        }
        let item = c.ev.string(&item)?;
        c.ev.charge(item.len() + separator.len())?;
        text.push_str(&item);
    }
    c.ev.text(&text)
}

/// `text` without `chars`, or without blanks, at its ends.
fn trim<'a>(text: &'a str, chars: Option<&Arc<str>>, left: bool, right: bool) -> &'a str {
    let cut = |c: char| match chars {
        Some(chars) => chars.contains(c),
        None => c.is_whitespace(),
    };
    let text = if left {
        text.trim_start_matches(cut)
    } else {
        text
    };
    if right {
        text.trim_end_matches(cut)
    } else {
        text
    }
}

fn norm(c: &mut Call<'_, '_>) -> Res<Val> {
    let Some(text) = c.text_or_none(0) else {
        return Ok(Val::Null);
    };
    match trim(&text, c.text_or_none(1).as_ref(), true, true) {
        "" => Ok(Val::Null),
        text => c.ev.text(text),
    }
}

fn is_empty(c: &Call<'_, '_>) -> bool {
    let Some(text) = c.text_or_none(0) else {
        return true;
    };
    let chars = c.text_or_none(2);
    let text = if c.flag(1, true) {
        trim(&text, chars.as_ref(), true, true)
    } else {
        &text
    };
    text.is_empty()
}

/// `text` with the first `count` of `old` as `new`, or all for a negative count.
fn replaced(ev: &mut Eval<'_>, text: &str, old: &str, new: &str, count: i64) -> Res<String> {
    let found = text.matches(old).count();
    let count = usize::try_from(count).unwrap_or(found).min(found);
    ev.charge(text.len().saturating_add(count.saturating_mul(new.len())))?;
    Ok(text.replacen(old, new, count))
}

fn replace(c: &mut Call<'_, '_>) -> Res<Val> {
    let count = c.int_or(3, -1);
    let (text, old, new) = (c.text(0), c.text(1), c.text(2));
    let text = replaced(c.ev, &text, &old, &new, count)?;
    c.ev.text(&text)
}

fn replace_all(c: &mut Call<'_, '_>) -> Res<Val> {
    let count = c.int_or(2, -1);
    let mut text = c.text(0).to_string();
    for (old, new) in c.dict(1).iter() {
        let (old, new) = (c.ev.string(&old)?, c.ev.string(&new)?);
        text = replaced(c.ev, &text, &old, &new, count)?;
    }
    c.ev.text(&text)
}

/// The bounds of Python's `text[start:end]`, in characters, as bytes.
fn slice(text: &str, start: i64, end: i64) -> (usize, usize) {
    let length = length(text);
    let clamp = |at: i64| {
        if at < 0 {
            (at + length).max(0)
        } else {
            at.min(length)
        }
    };
    let byte = |at: i64| {
        let at = usize::try_from(at).unwrap_or(0);
        text.char_indices()
            .nth(at)
            .map_or(text.len(), |(byte, _)| byte)
    };
    let (start, end) = (byte(clamp(start)), byte(clamp(end)));
    (start, end.max(start))
}

fn substring(c: &mut Call<'_, '_>) -> Res<Val> {
    let text = c.text(0);
    let whole = length(&text);
    let (mut start, mut count) = (c.int_or(1, 0), c.int_or(2, -1));
    if count < 0 {
        count = whole;
    }
    if start < 0 {
        start = start.saturating_add(whole);
    }
    let (from, to) = slice(&text, start, start.saturating_add(count));
    c.ev.text(&text[from..to])
}

/// Where `part` is between `start` and `end`, in characters; -1 for nowhere.
fn position(text: &str, part: &str, start: i64, end: i64, last: bool) -> i64 {
    if start > length(text) {
        return -1;
    }
    let whole = length(text);
    let clamped = |at: i64| {
        if at < 0 {
            (at + whole).max(0)
        } else {
            at.min(whole)
        }
    };
    if clamped(start) > clamped(end) {
        return -1;
    }
    let (from, to) = slice(text, start, end);
    let window = &text[from..to];
    let found = if last {
        window.rfind(part)
    } else {
        window.find(part)
    };
    found.map_or(-1, |at| length(&text[..from + at]))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the shape of all functions of the library"
)]
fn find(c: &Call<'_, '_>, last: bool) -> Res<Val> {
    let text = c.text(0);
    Ok(Val::Int(position(
        &text,
        &c.text(1),
        c.int_or(2, 0),
        length(&text),
        last,
    )))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the shape of all functions of the library"
)]
fn find_in(c: &Call<'_, '_>, last: bool) -> Res<Val> {
    let text = c.text(0);
    let (mut start, mut count) = (c.int_or(2, 0), c.int_or(3, -1));
    if start < 0 {
        start = start.saturating_add(length(&text));
    }
    if count < 0 {
        count = length(&text) - start;
    }
    Ok(Val::Int(position(
        &text,
        &c.text(1),
        start,
        start.saturating_add(count),
        last,
    )))
}

fn characters(ev: &mut Eval<'_>, all: impl Iterator<Item = char>) -> Res<Val> {
    let mut items = Vec::new();
    for c in all {
        items.push(ev.text(c.encode_utf8(&mut [0; 4]))?);
    }
    ev.list(items)
}

const CLASSES: &[Param] = &[
    opt("digits", Ty::Bool),
    opt("hexdigits", Ty::Bool),
    opt("asciiLowercase", Ty::Bool),
    opt("asciiUppercase", Ty::Bool),
    opt("asciiLetters", Ty::Bool),
    opt("letters", Ty::Bool),
    opt("octdigits", Ty::Bool),
    opt("punctuation", Ty::Bool),
    opt("printable", Ty::Bool),
    opt("lowercase", Ty::Bool),
    opt("uppercase", Ty::Bool),
    opt("whitespace", Ty::Bool),
];

/// The characters of each class, in Python's order.
const CLASS_TEXTS: [&str; 12] = [
    "0123456789",
    "0123456789abcdefABCDEF",
    "abcdefghijklmnopqrstuvwxyz",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "01234567",
    r##"!"#$%&'()*+,-./:;<=>?@[\]^_`{|}~"##,
    concat!(
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
        r##"!"#$%&'()*+,-./:;<=>?@[\]^_`{|}~"##,
        " \t\n\r\u{b}\u{c}",
    ),
    "abcdefghijklmnopqrstuvwxyz",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    " \t\n\r\u{b}\u{c}",
];

fn character_classes(c: &mut Call<'_, '_>) -> Res<Val> {
    let mut all: indexmap::IndexSet<char> = indexmap::IndexSet::new();
    for (i, text) in CLASS_TEXTS.iter().enumerate() {
        if c.flag(i, false) {
            all.extend(text.chars());
        }
    }
    characters(c.ev, all.into_iter())
}

fn hex(c: &mut Call<'_, '_>) -> Res<Val> {
    match c.arg(0) {
        Val::Int(number) => {
            let sign = if number < 0 { "-" } else { "" };
            c.ev.text(&format!("{sign}{:#x}", number.unsigned_abs()))
        }
        _ => Err(fail(
            ErrorKind::Value,
            "only an integer can be written in hexadecimal",
        )),
    }
}

/// A float as Python writes it.
pub(crate) fn python_float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let magnitude = number.abs();
    if number != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(exponent) => ('-', exponent),
            None => ('+', exponent),
        };
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    let text = format!("{number}");
    if text.contains('.') {
        text
    } else {
        text + ".0"
    }
}

impl Eval<'_> {
    /// What `str()` makes of a value.
    pub(crate) fn string(&mut self, value: &Val) -> Res<Arc<str>> {
        Ok(match value {
            Val::Str(text) => Arc::clone(text),
            Val::Null => "null".into(),
            Val::Bool(true) => "true".into(),
            Val::Bool(false) => "false".into(),
            other => {
                let mut text = String::new();
                self.write(&mut text, other, false)?;
                self.charge(text.len())?;
                text.into()
            }
        })
    }

    /// Writes a value as Python's `str`, or with `quoted` its `repr`, does.
    pub(super) fn write(&mut self, out: &mut String, value: &Val, quoted: bool) -> Res<()> {
        self.step(1)?;
        self.charge(8)?;
        match value {
            Val::Null => out.push_str("None"),
            Val::Bool(truth) => out.push_str(if *truth { "True" } else { "False" }),
            // Writing to a string does not fail.
            Val::Int(number) => {
                let _ = write!(out, "{number}");
            }
            Val::Float(number) => out.push_str(&python_float(*number)),
            Val::Str(text) => {
                self.charge(text.len())?;
                if quoted {
                    quote(out, text);
                } else {
                    out.push_str(text);
                }
            }
            Val::List(list) => {
                out.push('(');
                self.write_items(out, value)?;
                out.push_str(if list.len() == 1 { ",)" } else { ")" });
            }
            Val::Set(set) if set.items.is_empty() => out.push_str("frozenset()"),
            Val::Set(_) => {
                out.push_str("frozenset({");
                self.write_items(out, value)?;
                out.push_str("})");
            }
            Val::Dict(dict) => self.deeper(|ev| ev.write_dict(out, dict))?,
            Val::Time(moment) => out.push_str(&moment.text()?),
            Val::Span(micros) => out.push_str(&super::time::span_text(*micros)),
            other => {
                return Err(fail(
                    ErrorKind::Value,
                    format!("a value of type {} has no text", other.kind()),
                )
                .hint(other.is_iterable().then(|| {
                    "`.toList()` makes a list, `.join(separator)` a text of the items".to_owned()
                })));
            }
        }
        Ok(())
    }

    fn write_items(&mut self, out: &mut String, value: &Val) -> Res<()> {
        self.deeper(|ev| {
            let mut source = ev.source(value)?;
            let mut first = true;
            while let Some(item) = source.next(ev)? {
                if !std::mem::take(&mut first) {
                    out.push_str(", ");
                }
                ev.write(out, &item, true)?;
            }
            Ok(())
        })
    }

    fn write_dict(&mut self, out: &mut String, dict: &Dict) -> Res<()> {
        out.push('{');
        for (i, (key, value)) in dict.iter().enumerate() {
            if i > 0 {
                out.push_str(", ");
            }
            self.write(out, &key, true)?;
            out.push_str(": ");
            self.write(out, &value, true)?;
        }
        out.push('}');
        Ok(())
    }
}

/// Python's `repr` of a string.
fn quote(out: &mut String, text: &str) {
    let mark = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.push(mark);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == mark => {
                out.push('\\');
                out.push(c);
            }
            c if (c as u32) < 0x20 || c as u32 == 0x7f => {
                let _ = write!(out, "\\x{:02x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push(mark);
}
