//! Regular expressions, in Python's dialect.

use std::rc::Rc;

use fancy_regex::{Captures, Regex, RegexBuilder};

use super::{function, method, opt, req};
use crate::ast::Name;
use crate::error::{ErrorKind, Fail, Res, fail};
use crate::eval::{Call, DictBuilder, Eval, Function, Param, Ty};
use crate::library::strings::length;
use crate::value::{Lambda, Val};

/// How often a pattern may go back before it is given up: those of one evaluation also count as
/// steps.
const BACKTRACK_LIMIT: usize = 200_000;

/// A compiled regular expression.
pub(crate) struct Pattern {
    regex: Regex,
}

const REGEX: Param = req("regexp", Ty::Regex);
const STRING: Param = req("string", Ty::Str);
const SELECTOR: &[Param] = &[REGEX, STRING, opt("selector", Ty::Lambda)];
const SPLIT: Param = opt("maxSplit", Ty::Int);
const REPL: Param = req("repl", Ty::Str);
const REPL_BY: Param = req("repl", Ty::Lambda);
const COUNT: Param = opt("count", Ty::Int);

pub(super) const FUNCTIONS: &[Function] = &[
    function(
        "regex",
        &[
            req("pattern", Ty::Str),
            opt("ignoreCase", Ty::Bool),
            opt("multiLine", Ty::Bool),
            opt("dotAll", Ty::Bool),
        ],
        |c| {
            let flags = [(1, 'i'), (2, 'm'), (3, 's')];
            let flags = flags
                .iter()
                .filter(|(i, _)| c.flag(*i, false))
                .map(|(_, flag)| *flag);
            let flags: String = flags.collect();
            Pattern::with_flags(c.ev, &c.text(0), &flags).map(Val::from)
        },
    ),
    method("matches", &[REGEX, STRING], |c| matches(c, 0, 1)),
    method("matches", &[STRING, req("regexp", Ty::Str)], |c| {
        let (text, pattern) = (c.text(0), c.text(1));
        Pattern::new(c.ev, &pattern)?
            .is_match(c.ev, &text)
            .map(Val::Bool)
    }),
    method("search", SELECTOR, search),
    method("searchAll", SELECTOR, search_all),
    method("split", &[REGEX, STRING, SPLIT], |c| split(c, 0, 1)),
    method("split", &[STRING, REGEX, SPLIT], |c| split(c, 1, 0)),
    method("replace", &[REGEX, STRING, REPL, COUNT], |c| {
        replace(c, 0, 1)
    }),
    method("replace", &[STRING, REGEX, REPL, COUNT], |c| {
        replace(c, 1, 0)
    }),
    method("replaceBy", &[REGEX, STRING, REPL_BY, COUNT], |c| {
        replace_by(c, 0, 1)
    }),
    method("replaceBy", &[STRING, REGEX, REPL_BY, COUNT], |c| {
        replace_by(c, 1, 0)
    }),
    function("escapeRegex", &[STRING], |c| {
        let escaped = escape(&c.text(0));
        c.ev.text(&escaped)
    }),
    function("isRegex", &[req("value", Ty::Any)], |c| {
        Ok(Val::Bool(matches!(c.arg(0), Val::Regex(_))))
    }),
];

fn invalid() -> Fail {
    fail(ErrorKind::Value, "this is no regular expression").hint(Some(
        "brackets, braces and parentheses come in pairs; escape others with `\\`".to_owned(),
    ))
}

fn runaway(_: fancy_regex::Error) -> Fail {
    fail(
        ErrorKind::Steps,
        "the regular expression takes too many steps on this text",
    )
    .hint(Some(
        "avoid repeats within repeats, as in `(a+)+`".to_owned(),
    ))
}

impl Pattern {
    /// Compiles a pattern.
    pub(crate) fn new(ev: &mut Eval<'_>, pattern: &str) -> Res<Pattern> {
        Self::with_flags(ev, pattern, "")
    }

    fn with_flags(ev: &mut Eval<'_>, pattern: &str, flags: &str) -> Res<Pattern> {
        // Compiling takes about as long as some thousand steps.
        ev.step(1000 + pattern.len() as u64)?;
        let mut translated = translate(pattern, flags.contains('m'));
        if !flags.is_empty() {
            translated.insert_str(0, &format!("(?{flags})"));
        }
        let regex = RegexBuilder::new(&translated)
            .backtrack_limit(BACKTRACK_LIMIT)
            .delegate_size_limit(4 << 20)
            .delegate_dfa_size_limit(4 << 20)
            .build()
            .map_err(|_| invalid())?;
        Ok(Pattern { regex })
    }

    /// Whether `text` has a match somewhere.
    pub(crate) fn is_match(&self, ev: &mut Eval<'_>, text: &str) -> Res<bool> {
        ev.step(1 + text.len() as u64 / 16)?;
        self.regex.is_match(text).map_err(runaway)
    }

    /// The matches of `text`, at most `limit`.
    fn matches<'t>(
        &self,
        ev: &mut Eval<'_>,
        text: &'t str,
        limit: usize,
    ) -> Res<Vec<Captures<'t>>> {
        let mut found = Vec::new();
        ev.step(1 + text.len() as u64 / 16)?;
        for captures in self.regex.captures_iter(text).take(limit) {
            let captures = captures.map_err(runaway)?;
            ev.step(captures.len() as u64)?;
            ev.charge(captures.len() * 32)?;
            found.push(captures);
        }
        Ok(found)
    }
}

/// Python's syntax in that of the engine: `$` also matches before a line's end at the very end,
/// `\Z` is the end, and brackets within a class are ordinary characters.
fn translate(pattern: &str, multi_line: bool) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut chars = pattern.chars().peekable();
    // The position within a class, from its first character on.
    let mut in_class: Option<usize> = None;
    while let Some(c) = chars.next() {
        match (c, &mut in_class) {
            ('\\', position) => {
                if let Some(position) = position {
                    *position += 1;
                }
                match chars.next() {
                    Some('Z') if in_class.is_none() => out.push_str("\\z"),
                    Some(
                        c @ ('<' | '>' | '"' | '\'' | '/' | ' ' | '@' | '%' | ',' | '=' | ':' | '!'
                        | ';' | '_'),
                    ) => {
                        out.push(c);
                    }
                    Some(c) => {
                        out.push('\\');
                        out.push(c);
                    }
                    None => out.push('\\'),
                }
            }
            ('[', None) => {
                out.push('[');
                if chars.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                in_class = Some(0);
            }
            (']', Some(position)) if *position > 0 => {
                out.push(']');
                in_class = None;
            }
            (c @ ('[' | ']' | '&' | '~'), Some(position)) => {
                *position += 1;
                out.push('\\');
                out.push(c);
            }
            (c, Some(position)) => {
                *position += 1;
                out.push(c);
            }
            ('$', None) if !multi_line => out.push_str("(?=\\n?\\z)"),
            (c, None) => out.push(c),
        }
    }
    out
}

/// `text` as a pattern that matches nothing but it, as Python's `re.escape` writes it.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if "()[]{}?*+-|^$\\.&~# \t\n\r\u{b}\u{c}".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

impl Call<'_, '_> {
    fn regex(&self, index: usize) -> Res<Rc<Pattern>> {
        match self.arg(index) {
            Val::Regex(pattern) => Ok(pattern),
            _ => Err(invalid()),
        }
    }
}

fn matches(c: &mut Call<'_, '_>, regex: usize, string: usize) -> Res<Val> {
    let text = c.text(string);
    c.regex(regex)?.is_match(c.ev, &text).map(Val::Bool)
}

/// One group as a mapping: its value, start and end; null and -1 if it took no part.
fn group(ev: &mut Eval<'_>, text: &str, found: Option<fancy_regex::Match<'_>>) -> Res<Val> {
    let mut record = DictBuilder::default();
    let (value, start, end) = match found {
        Some(found) => (
            ev.text(found.as_str())?,
            length(&text[..found.start()]),
            length(&text[..found.end()]),
        ),
        None => (Val::Null, -1, -1),
    };
    record.insert(ev, Val::from("value"), value)?;
    record.insert(ev, Val::from("start"), Val::Int(start))?;
    record.insert(ev, Val::from("end"), Val::Int(end))?;
    record.finish(ev)
}

/// What the lambda makes of a match: `$` is the match, `$2` and on its groups, also by name.
fn with_match(
    ev: &mut Eval<'_>,
    pattern: &Pattern,
    lambda: &Lambda,
    text: &str,
    found: &Captures<'_>,
) -> Res<Val> {
    let mut variables = Vec::with_capacity(found.len());
    for i in 0..found.len() {
        variables.push((Name::Position(i + 1), group(ev, text, found.get(i))?));
    }
    for name in pattern.regex.capture_names().flatten() {
        variables.push((Name::new(name), group(ev, text, found.name(name))?));
    }
    let ctx = ev.context(&lambda.ctx, variables)?;
    ev.eval(lambda.body, &ctx)
}

fn search(c: &mut Call<'_, '_>) -> Res<Val> {
    let (pattern, text) = (c.regex(0)?, c.text(1));
    let found = pattern.matches(c.ev, &text, 1)?;
    match (found.first(), c.lambda(2)) {
        (None, _) => Ok(Val::Null),
        (Some(found), Some(lambda)) => with_match(c.ev, &pattern, &lambda, &text, found),
        (Some(found), None) => c.ev.text(found.get(0).map_or("", |found| found.as_str())),
    }
}

fn search_all(c: &mut Call<'_, '_>) -> Res<Val> {
    let (pattern, text) = (c.regex(0)?, c.text(1));
    let lambda = c.lambda(2);
    let mut items = Vec::new();
    for found in pattern.matches(c.ev, &text, usize::MAX)? {
        items.push(match &lambda {
            Some(lambda) => with_match(c.ev, &pattern, lambda, &text, &found)?,
            None => c.ev.text(found.get(0).map_or("", |found| found.as_str()))?,
        });
    }
    let items = c.ev.list(items)?;
    super::queries::chain(c.ev, &[items])
}

/// How many matches to look at: Python's 0 is all, and a negative number none.
fn limit(count: i64) -> usize {
    match count {
        0 => usize::MAX,
        count => usize::try_from(count).unwrap_or(0),
    }
}

fn split(c: &mut Call<'_, '_>, regex: usize, string: usize) -> Res<Val> {
    let (pattern, text) = (c.regex(regex)?, c.text(string));
    let mut items = Vec::new();
    let mut at = 0;
    for found in pattern.matches(c.ev, &text, limit(c.int_or(2, 0)))? {
        let Some(whole) = found.get(0) else { continue };
        items.push(c.ev.text(&text[at..whole.start()])?);
        at = whole.end();
        for i in 1..found.len() {
            items.push(match found.get(i) {
                Some(group) => c.ev.text(group.as_str())?,
                None => Val::Null,
            });
        }
    }
    items.push(c.ev.text(&text[at..])?);
    c.ev.list(items)
}

fn substitute(
    ev: &mut Eval<'_>,
    text: &str,
    found: &[Captures<'_>],
    mut replacement: impl FnMut(&mut Eval<'_>, &Captures<'_>) -> Res<String>,
) -> Res<Val> {
    let mut out = String::new();
    let mut at = 0;
    for captures in found {
        let Some(whole) = captures.get(0) else {
            continue;
        };
        out.push_str(&text[at..whole.start()]);
        let new = replacement(ev, captures)?;
        ev.charge(new.len())?;
        out.push_str(&new);
        at = whole.end();
    }
    out.push_str(&text[at..]);
    ev.text(&out)
}

fn replace(c: &mut Call<'_, '_>, regex: usize, string: usize) -> Res<Val> {
    let (pattern, text, template) = (c.regex(regex)?, c.text(string), c.text(2));
    let found = pattern.matches(c.ev, &text, limit(c.int_or(3, 0)))?;
    substitute(c.ev, &text, &found, |_, found| expand(&template, found))
}

/// Python's replacement template: `\1`, `\g<1>`, `\g<name>` and the escapes of characters.
fn expand(template: &str, found: &Captures<'_>) -> Res<String> {
    let wrong = || {
        fail(
            ErrorKind::Value,
            "the replacement refers to a group that the pattern doesn't have",
        )
    };
    let by_name = |name: &str| match name.parse::<usize>() {
        Ok(i) if i < found.len() => Ok(found.get(i).map_or("", |group| group.as_str())),
        Ok(_) => Err(wrong()),
        Err(_) => found
            .name(name)
            .map(|group| group.as_str())
            .ok_or_else(wrong),
    };
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let code = rest.chars().next();
        match code {
            Some('g') if rest.starts_with("g<") => {
                let end = rest.find('>').ok_or_else(wrong)?;
                out.push_str(by_name(&rest[2..end])?);
                rest = &rest[end + 1..];
            }
            Some('1'..='9') => {
                let length = 1 + usize::from(rest[1..].starts_with(|c: char| c.is_ascii_digit()));
                out.push_str(by_name(&rest[..length])?);
                rest = &rest[length..];
            }
            Some(c) => {
                match c {
                    '\\' => out.push('\\'),
                    'n' => out.push('\n'),
                    'r' => out.push('\r'),
                    't' => out.push('\t'),
                    'a' => out.push('\u{7}'),
                    'f' => out.push('\u{c}'),
                    'v' => out.push('\u{b}'),
                    '0' => out.push('\0'),
                    c if c.is_ascii_alphabetic() => {
                        return Err(fail(
                            ErrorKind::Value,
                            "the replacement has an escape that Python doesn't know",
                        ));
                    }
                    c => {
                        out.push('\\');
                        out.push(c);
                    }
                }
                rest = &rest[c.len_utf8()..];
            }
            None => {
                return Err(fail(
                    ErrorKind::Value,
                    "the replacement ends with a single `\\`",
                ));
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn replace_by(c: &mut Call<'_, '_>, regex: usize, string: usize) -> Res<Val> {
    let (pattern, text) = (c.regex(regex)?, c.text(string));
    let Some(lambda) = c.lambda(2) else {
        return Err(invalid());
    };
    let found = pattern.matches(c.ev, &text, limit(c.int_or(3, 0)))?;
    substitute(c.ev, &text, &found, |ev, found| {
        match with_match(ev, &pattern, &lambda, &text, found)? {
            Val::Str(new) => Ok(new.to_string()),
            other => Err(fail(
                ErrorKind::Value,
                format!(
                    "a replacement is a string, not a value of type {}",
                    other.kind()
                ),
            )
            .hint(Some("`str(x)` makes a string".to_owned()))),
        }
    })
}
